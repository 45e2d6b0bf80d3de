//! Latencies over time, as a picture.

use std::fmt::Write as _;

use crate::chart::{LIMIT, OTHERS, OURS, WIDTH, escape, svg};

const LEFT: f64 = 60.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 300.0;
/// The milliseconds at the bottom and at the top.
const RANGE: [f64; 2] = [0.1, 100_000.0];
const COLOURS: [&str; 3] = [OURS, OTHERS, LIMIT];

/// A latency a second, in milliseconds; `None` in a second that has none.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "to be drawn")]
pub struct Series {
    /// What took so long.
    pub name: String,
    /// One value a second.
    pub values: Vec<Option<f64>>,
}

/// Lines on a logarithmic axis of milliseconds, with what happened and in which second.
pub fn picture(title: &str, series: &[Series], events: &[(f64, String)]) -> String {
    let seconds = series.iter().map(|one| one.values.len()).max();
    let last = f64::from(u32::try_from(seconds.unwrap_or(1).max(1)).unwrap_or(u32::MAX));
    let across = |second: f64| LEFT + second / last * (WIDTH - LEFT - 10.0);
    let [low, high] = RANGE;
    let up = |value: f64| {
        let part = (value.clamp(low, high) / low).ln() / (high / low).ln();
        BOTTOM - part * (BOTTOM - TOP)
    };
    let mut body = format!(
        r##"<text x="0" y="18" font-weight="bold">{}</text><path d="M{LEFT} {TOP}V{BOTTOM}H{WIDTH}" fill="none" stroke="#718096"/>
"##,
        escape(title)
    );
    let mut line = low;
    while line <= high {
        let y = up(line);
        let _ = writeln!(
            body,
            r##"<text x="{:.0}" y="{:.1}" text-anchor="end">{line} ms</text><path d="M{LEFT} {y:.1}H{WIDTH}" stroke="#e2e8f0"/>"##,
            LEFT - 4.0,
            y + 4.0,
        );
        line *= 10.0;
    }
    for (second, what) in events {
        let x = across(*second);
        let _ = writeln!(
            body,
            r##"<path d="M{x:.1} {TOP}V{BOTTOM}" stroke="#718096" stroke-dasharray="3 3"/><text x="{:.1}" y="{:.0}" font-size="10" transform="rotate(-90 {:.1} {:.0})" text-anchor="end">{}</text>"##,
            x + 10.0,
            TOP + 2.0,
            x + 10.0,
            TOP + 2.0,
            escape(what),
        );
    }
    for (index, one) in series.iter().enumerate() {
        let colour = COLOURS.get(index % COLOURS.len()).copied().unwrap_or(OURS);
        let (mut path, mut broken) = (String::new(), true);
        for (second, value) in (0_u32..).zip(&one.values) {
            if let Some(value) = value {
                let to = if broken { 'M' } else { 'L' };
                let _ = write!(
                    path,
                    "{to}{:.1} {:.1}",
                    across(f64::from(second)),
                    up(*value)
                );
            }
            broken = value.is_none();
        }
        let x = LEFT + 220.0 * f64::from(u8::try_from(index).unwrap_or(u8::MAX));
        let _ = writeln!(
            body,
            r#"<path d="{path}" fill="none" stroke="{colour}"/><rect x="{x}" y="28" width="12" height="12" fill="{colour}"/><text x="{}" y="39">{}</text>"#,
            x + 18.0,
            escape(&one.name),
        );
    }
    let _ = writeln!(
        body,
        r#"<text x="{WIDTH}" y="{}" text-anchor="end">{last} s</text>"#,
        BOTTOM + 18.0
    );
    svg(BOTTOM + 30.0, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_in_a_second_without_answers() {
        let values = vec![Some(1.0), Some(10.0), None, Some(100.0)];
        let series = Series {
            name: "requests".to_owned(),
            values,
        };
        let drawn = picture("load", &[series], &[(2.0, "restart".to_owned())]);
        assert!(drawn.contains("M60.0 260.0L"), "{drawn}");
        assert_eq!(drawn.matches("stroke-dasharray").count(), 1);
        let path = drawn.split(r#"<path d="M60.0 260.0"#).nth(1).unwrap();
        assert_eq!(path.split('"').next().unwrap().matches('M').count(), 1);
    }
}
