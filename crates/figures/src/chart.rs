//! Bars and lines in SVG, drawn from the figures.

use std::fmt::Write as _;

use crate::growth::Curve;
use crate::number::number;
use crate::operations::Measured;

pub(crate) const WIDTH: f64 = 760.0;
/// The left end of the bars: the names are left of it.
const LEFT: f64 = 150.0;
const BAR: f64 = 16.0;

pub(crate) const OURS: &str = "#2b6cb0";
pub(crate) const LIMIT: &str = "#a0aec0";
pub(crate) const OTHERS: &str = "#dd6b20";

/// One group of bars an operation, each group to its own scale.
pub fn bars(all: &[Measured]) -> String {
    let mut body = String::new();
    let mut y = 10.0;
    for measured in all {
        y += 20.0;
        let _ = writeln!(
            body,
            r#"<text x="0" y="{y:.0}" font-weight="bold">{}, ns</text>"#,
            escape(&measured.name)
        );
        let longest = measured.ways.iter().map(|line| line.time.median);
        let longest = longest.fold(1.0, f64::max);
        for (index, line) in measured.ways.iter().enumerate() {
            y += BAR + 4.0;
            let ours = line.who.starts_with("hallpass");
            let colour = match index {
                _ if ours => OURS,
                1 => LIMIT,
                _ => OTHERS,
            };
            let width = (line.time.median / longest * (WIDTH - LEFT - 80.0)).max(1.0);
            let _ = writeln!(
                body,
                r#"<text x="{:.0}" y="{y:.0}" text-anchor="end">{}</text><rect x="{LEFT}" y="{:.0}" width="{width:.1}" height="{BAR}" fill="{colour}"/><text x="{:.1}" y="{y:.0}">{}</text>"#,
                LEFT - 6.0,
                escape(&line.who),
                y - BAR + 4.0,
                LEFT + width + 5.0,
                number(line.time.median),
            );
        }
        y += 8.0;
    }
    svg(y + 12.0, &body)
}

/// One curve, on a logarithmic axis of what grows.
pub fn line(curve: &Curve) -> String {
    let (height, bottom, top) = (260.0, 220.0, 40.0);
    let most = curve.points.iter().map(|(_, time)| time.high);
    let most = most.fold(1.0, f64::max) * 1.1;
    let first = curve.points.first().map_or(1.0, |(n, _)| n.ln());
    let last = curve.points.last().map_or(1.0, |(n, _)| n.ln());
    let across =
        |n: f64| LEFT + (n.ln() - first) / (last - first).max(1e-9) * (WIDTH - LEFT - 60.0);
    let up = |value: f64| bottom - value / most * (bottom - top);
    let mut body = format!(
        r##"<text x="0" y="18" font-weight="bold">{}: ns by {}</text><path d="M{LEFT} {top}V{bottom}H{WIDTH}" fill="none" stroke="#718096"/>"##,
        escape(&curve.name),
        escape(&curve.by),
    );
    let mut path = String::new();
    for (index, (n, time)) in curve.points.iter().enumerate() {
        let (x, y) = (across(*n), up(time.median));
        let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
        let _ = writeln!(
            body,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{}"/><path d="M{x:.1} {:.1}V{:.1}" stroke="{}"/><text x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text><text x="{x:.1}" y="{:.0}" text-anchor="middle">{}</text>"#,
            OURS,
            up(time.low),
            up(time.high),
            OURS,
            y - 8.0,
            number(time.median),
            bottom + 18.0,
            number(*n).trim_end_matches(".0"),
        );
    }
    let colour = OURS;
    let _ = writeln!(body, r#"<path d="{path}" fill="none" stroke="{colour}"/>"#);
    svg(height, &body)
}

/// One bar of two parts.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "to be drawn")]
pub struct Bar {
    /// What it is about.
    pub name: String,
    /// Whether it is ours.
    pub ours: bool,
    /// The first part.
    pub first: f64,
    /// What comes on top of it.
    pub second: f64,
}

/// Bars of two parts each, all to the same scale.
pub fn stacked(title: &str, parts: [&str; 2], all: &[Bar]) -> String {
    /// The names are longer here.
    const LEFT: f64 = 290.0;
    let [first, second] = parts.map(escape);
    let mut body = format!(
        r#"<text x="0" y="18" font-weight="bold">{}</text><rect x="{LEFT}" y="28" width="12" height="12" fill="{OTHERS}"/><text x="{}" y="39">{first}</text><rect x="{}" y="28" width="12" height="12" fill="{LIMIT}"/><text x="{}" y="39">{second}</text>
"#,
        escape(title),
        LEFT + 18.0,
        LEFT + 190.0,
        LEFT + 208.0,
    );
    let longest = all.iter().map(|bar| bar.first + bar.second);
    let longest = longest.fold(f64::MIN_POSITIVE, f64::max);
    let wide = |value: f64| (value / longest * (WIDTH - LEFT - 60.0)).max(0.0);
    let mut y = 44.0;
    for bar in all {
        y += BAR + 6.0;
        let (x, top) = (LEFT + wide(bar.first).max(1.0), y - BAR + 4.0);
        let colour = if bar.ours { OURS } else { OTHERS };
        let _ = writeln!(
            body,
            r#"<text x="{:.0}" y="{y:.0}" text-anchor="end">{}</text><rect x="{LEFT}" y="{top:.0}" width="{:.1}" height="{BAR}" fill="{colour}"/><rect x="{x:.1}" y="{top:.0}" width="{:.1}" height="{BAR}" fill="{LIMIT}"/><text x="{:.1}" y="{y:.0}">{:.1}</text>"#,
            LEFT - 6.0,
            escape(&bar.name),
            x - LEFT,
            wide(bar.second),
            x + wide(bar.second) + 5.0,
            bar.first + bar.second,
        );
    }
    svg(y + 12.0, &body)
}

pub(crate) fn svg(height: f64, body: &str) -> String {
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}" font-family="sans-serif" font-size="12" fill="#2d3748">
<rect width="100%" height="100%" fill="#fff"/>
{body}</svg>
"##
    )
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middle::Middle;
    use crate::operations::Line;

    #[test]
    fn a_bar_is_as_long_as_its_time() {
        let of = |who: &str, median| Line {
            who: who.to_owned(),
            time: Middle {
                low: median,
                median,
                high: median,
            },
            of_limit: Middle::of(Vec::new()),
            of_ours: Middle::of(Vec::new()),
            allocations: None,
        };
        let drawn = bars(&[Measured {
            name: "a < b".to_owned(),
            ways: vec![of("hallpass", 100.0), of("bare", 200.0)],
            goals: Vec::new(),
        }]);
        assert!(drawn.contains("a &lt; b"));
        assert!(drawn.contains(r#"width="265.0""#) && drawn.contains(r#"width="530.0""#));
    }
}
