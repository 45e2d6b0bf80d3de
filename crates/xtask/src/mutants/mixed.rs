//! A file that has all its changes, of which a variable chooses one when it runs.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::{Range, RangeInclusive};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::change::Change;

/// The variable that has the number of the change.
pub(crate) const VARIABLE: &str = "HALLPASS_CHANGE";

/// What the root of a crate gets, for the functions that are changed.
pub(crate) const CHOICE: &str = r#"
#[allow(missing_docs, dead_code)]
#[doc(hidden)]
pub(crate) fn chosen_change() -> u32 {
    static CHOSEN: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let number = std::env::var("HALLPASS_CHANGE").unwrap_or_default();
        number.parse().unwrap_or_default()
    })
}
"#;

/// The text of a file, and on which lines each change is.
#[derive(Debug, Default)]
pub(crate) struct Mixed {
    pub(crate) text: String,
    pub(crate) lines: Vec<(RangeInclusive<usize>, usize)>,
}

impl Mixed {
    /// Gives each function a body for each of its changes. What cannot be chosen while it runs is left out.
    ///
    /// A `const fn` cannot ask a variable, so it is one no longer, unless something constant calls it.
    pub(crate) fn new(
        text: &str,
        changes: &[(usize, &Change)],
        constant: &HashSet<String>,
    ) -> Self {
        let mut functions: Vec<(Range<usize>, Vec<_>)> = Vec::new();
        let mut placed: Vec<_> = changes
            .iter()
            .filter_map(|&(number, change)| Some((change.body(text)?, number, change)))
            .collect();
        placed.sort_by_key(|(body, number, _)| (body.start, *number));
        for (body, number, change) in placed {
            match functions.last_mut() {
                // One inside another is changed with it.
                Some((outer, inside)) if body.end <= outer.end => inside.push((number, change)),
                _ => functions.push((body, vec![(number, change)])),
            }
        }
        let mut mixed = Self::default();
        let mut done = 0;
        for (function, changes) in functions {
            let Some(body) = body(text, &function) else {
                continue;
            };
            mixed.copy(&text[done..function.start], constant);
            mixed.copy(&text[function.start..body.start], &HashSet::new());
            mixed.text.push_str("{ match crate::chosen_change() {\n");
            for (number, change) in changes {
                let Some((span, replacement)) = change.edit(text) else {
                    continue;
                };
                let first = mixed.line();
                let _ = write!(mixed.text, "{number} => ");
                mixed.text.push_str(&text[body.start..span.start]);
                mixed.text.push_str(replacement);
                mixed.text.push_str(&text[span.end..body.end]);
                mixed.lines.push((first..=mixed.line(), number));
                mixed.text.push('\n');
            }
            mixed.text.push_str("_ => ");
            mixed.text.push_str(&text[body.start..body.end]);
            mixed.text.push_str("\n} }");
            done = body.end;
        }
        mixed.copy(&text[done..], constant);
        mixed
    }

    fn line(&self) -> usize {
        self.text.matches('\n').count() + 1
    }

    fn copy(&mut self, text: &str, constant: &HashSet<String>) {
        let mut parts = text.split("const fn ");
        self.text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let end = part.find(|sign: char| !sign.is_alphanumeric() && sign != '_');
            let name = &part[..end.unwrap_or(part.len())];
            let stays = constant
                .iter()
                .any(|path| path.rsplit(':').next() == Some(name));
            let start = if stays { "const fn " } else { "fn " };
            self.text.push_str(start);
            self.text.push_str(part);
        }
    }
}

/// The body of a function, which is its last group in braces.
fn body(text: &str, function: &Range<usize>) -> Option<Range<usize>> {
    let tokens: TokenStream = text.get(function.clone())?.parse().ok()?;
    match tokens.into_iter().last()? {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            let open = group.span_open().byte_range().start;
            Some(function.start + open..function.end)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn span(from: (usize, usize), to: (usize, usize)) -> Value {
        let place = |(line, column)| json!({ "line": line, "column": column });
        json!({ "start": place(from), "end": place(to) })
    }

    fn change(at: &Value, replacement: &str, returns: &str) -> Change {
        let function = span((2, 1), (4, 2));
        serde_json::from_value(json!({
            "name": "a.rs:3:7: x", "package": "a", "file": "a.rs",
            "replacement": replacement, "span": at,
            "function": { "function_name": "A::f", "return_type": returns, "span": function },
        }))
        .unwrap()
    }

    #[test]
    fn a_function_gets_a_body_for_each_change_and_says_on_which_lines() {
        let text = "const fn g() {}\nconst fn f(a: u8) -> bool {\n    a > 1\n}\n";
        let greater = change(&span((3, 7), (3, 8)), ">=", "-> bool");
        let all = change(&span((3, 5), (3, 10)), "true", "-> bool");
        let constant = HashSet::from(["A::g".to_owned()]);
        let mixed = Mixed::new(text, &[(1, &greater), (2, &all)], &constant);
        let wanted = "const fn g() {}\nfn f(a: u8) -> bool { match crate::chosen_change() {\n\
            1 => {\n    a >= 1\n}\n2 => {\n    true\n}\n_ => {\n    a > 1\n}\n} }\n";
        assert_eq!(mixed.text, wanted);
        assert_eq!(mixed.lines, [(3..=5, 1), (6..=8, 2)]);
    }

    #[test]
    fn what_is_returned_by_its_trait_has_one_body() {
        let text = "\nfn f() -> impl Copy {\n    1\n}\n";
        let change = change(&span((3, 5), (3, 6)), "2", "-> impl Copy");
        assert_eq!(
            Mixed::new(text, &[(1, &change)], &HashSet::new()).text,
            text
        );
    }
}
