//! Numbers as texts.

/// A number with three digits that matter.
pub fn number(value: f64) -> String {
    let digits = usize::from(value < 100.0);
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    grouped(whole) + rest
}

/// A count.
pub fn whole(value: u64) -> String {
    grouped(&value.to_string())
}

/// The last column of a table of promises.
pub const fn met(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(12.345), "12.3");
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(number(123.4), "123");
        assert_eq!(whole(1000), "1,000");
    }
}
