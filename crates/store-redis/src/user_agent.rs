//! Makes a `User-Agent` short: the common ones are a hundred bytes of the same few phrases,
//! and a session is to fit into as much again.

/// The phrase at place `n` is written as the byte `n + 1`. Rows in stores depend on it: new
/// phrases go to the end, none is ever changed.
const PHRASES: [&str; 28] = [
    "Mozilla/5.0 (",
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "Macintosh; Intel Mac OS X ",
    "X11; Linux x86_64",
    "X11; Ubuntu; Linux x86_64",
    "Linux; Android 10; K",
    "Linux; Android ",
    "iPhone; CPU iPhone OS ",
    "iPad; CPU OS ",
    " like Mac OS X",
    ") AppleWebKit/537.36 (KHTML, like Gecko) Chrome/",
    ") AppleWebKit/605.1.15 (KHTML, like Gecko) Version/",
    ") AppleWebKit/605.1.15 (KHTML, like Gecko)",
    ".0.0.0 Safari/537.36",
    ".0.0.0 Mobile Safari/537.36",
    " Safari/605.1.15",
    " Mobile/15E148 Safari/604.1",
    " Mobile/15E148",
    ".0) Gecko/20100101 Firefox/",
    "; rv:",
    " Safari/537.36",
    " Mobile Safari/537.36",
    " Edg/",
    " OPR/",
    " CriOS/",
    " SamsungBrowser/",
    ".0.0.0",
];

/// Precedes a control character that stands for itself.
const LITERAL: u8 = 0x1F;

/// The short form. Whatever has no common phrase grows by nothing, but for control characters.
pub(crate) fn shorten(text: &str) -> Vec<u8> {
    let mut short = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let longest = (1_u8..)
            .zip(PHRASES)
            .filter(|(_, phrase)| rest.starts_with(phrase.as_bytes()))
            .max_by_key(|(_, phrase)| phrase.len());
        if let Some((code, phrase)) = longest {
            short.push(code);
            rest = rest.get(phrase.len()..).unwrap_or_default();
            continue;
        }
        if *first <= LITERAL {
            short.push(LITERAL);
        }
        short.push(*first);
        rest = tail;
    }
    short
}

/// The text again, or `None` if this is no short form.
pub(crate) fn restore(short: &[u8]) -> Option<String> {
    let mut text = Vec::with_capacity(short.len() * 4);
    let mut bytes = short.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            LITERAL => text.push(*bytes.next()?),
            0..LITERAL => {
                let phrase = PHRASES.get(usize::from(byte).checked_sub(1)?)?;
                text.extend_from_slice(phrase.as_bytes());
            }
            _ => text.push(byte),
        }
    }
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back() {
        for text in [
            "",
            "curl/8.5.0",
            "ä \u{1}\u{1f}\0\n ü",
            "Mozilla/5.0 (Mozilla/5.0 (.0.0.0.0.0",
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
        ] {
            assert_eq!(restore(&shorten(text)).as_deref(), Some(text));
        }
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..2000 {
            let text: String = (0..20)
                .map(|_| rng.char('\0'..='\u{ff}').to_string() + rng.choice(PHRASES).unwrap())
                .collect();
            assert_eq!(restore(&shorten(&text)), Some(text));
        }
    }

    #[test]
    fn a_common_browser_takes_a_few_bytes() {
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 \
                      (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
        assert_eq!(shorten(chrome).len(), 7);
    }

    #[test]
    fn what_is_no_short_form_is_refused() {
        assert_eq!(restore(&[0]), None);
        assert_eq!(restore(&[30]), None);
        assert_eq!(restore(&[LITERAL]), None);
        assert_eq!(restore(&[0xFF]), None);
    }
}
