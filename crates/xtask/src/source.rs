//! A Rust file as tokens, without its tests.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use crate::error::{Doing as _, Error};

/// A Rust file without the items that are compiled for tests alone.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) tokens: Vec<TokenTree>,
    /// The number of lines of code, which are neither blank nor a comment.
    pub(crate) lines: usize,
    /// The names of test modules that have files of their own.
    pub(crate) test_modules: Vec<String>,
}

impl Source {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).doing(format!("read {}", path.display()))?;
        Self::parse(&text).ok_or_else(|| Error::Rust(path.to_owned()))
    }

    /// Returns `None` if the text is not Rust, such as a bracket that is never closed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut tests = Tests::default();
        let tokens = without_tests(text.parse().ok()?, &mut tests);
        let is_code = |(number, line): &(usize, &str)| {
            let line = line.trim_start();
            let tested = tests
                .lines
                .iter()
                .any(|lines| lines.contains(&(number + 1)));
            !line.is_empty() && !line.starts_with("//") && !tested
        };
        let lines = text.lines().enumerate().filter(is_code).count();
        Some(Self {
            tokens,
            lines,
            test_modules: tests.modules,
        })
    }
}

/// What was removed.
#[derive(Default)]
struct Tests {
    lines: Vec<RangeInclusive<usize>>,
    modules: Vec<String>,
}

/// Removes every item with `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn without_tests(tokens: TokenStream, tests: &mut Tests) -> Vec<TokenTree> {
    let mut left = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let first = token.span().start().line;
        match (&token, tokens.peek()) {
            (TokenTree::Punct(hash), Some(TokenTree::Group(attribute)))
                if hash.as_char() == '#' && is_test(attribute) =>
            {
                let mut last = usize::MAX;
                let mut is_module = false;
                for token in tokens.by_ref() {
                    match &token {
                        TokenTree::Ident(name) if is_module => tests.modules.push(name.to_string()),
                        _ => {}
                    }
                    is_module = matches!(&token, TokenTree::Ident(word) if *word == "mod");
                    if ends_item(&token) {
                        last = token.span().end().line;
                        break;
                    }
                }
                tests.lines.push(first..=last);
            }
            // If it is `#![cfg(test)]`, all of the file is a test.
            (TokenTree::Punct(bang), Some(TokenTree::Group(attribute)))
                if bang.as_char() == '!' && is_test(attribute) =>
            {
                tests.lines.push(1..=usize::MAX);
                return Vec::new();
            }
            (TokenTree::Group(group), _) => {
                let inner = without_tests(group.stream(), tests);
                let mut group_left = Group::new(group.delimiter(), inner.into_iter().collect());
                group_left.set_span(group.span());
                left.push(group_left.into());
            }
            _ => left.push(token),
        }
    }
    left
}

/// Whether a token is the end of an item: its block, or a semicolon if it has none.
fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    }
}

fn is_test(attribute: &Group) -> bool {
    let text: String = attribute.stream().to_string();
    let text: String = text.split_whitespace().collect();
    attribute.delimiter() == Delimiter::Bracket
        && (text == "cfg(test)" || text.starts_with("cfg(all(test,"))
}

/// Folders of what was installed or built, which is not the project's own text.
const MADE: [&str; 4] = ["build", "dist", "node_modules", "target"];

/// All files in a folder and its subfolders with this extension, sorted. What was installed or built
/// there is left out.
pub(crate) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Error> {
    let doing = || format!("list {}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).doing(doing())? {
        let path = entry.doing(doing())?.path();
        if path.is_dir() {
            let made = MADE.iter().any(|name| path.ends_with(name));
            if !made {
                found.extend(files(&path, extension)?);
            }
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_comments_and_blank_lines_are_no_lines_of_code() {
        let text = "\
//! Docs.
use a::b; // counted

/// Docs of it.
fn f() {
    // A comment.
}

#[cfg(test)]
#[path = \"x.rs\"]
mod x;

#[cfg(all(test, feature = \"y\"))]
mod tests {
    fn g() -> [u8; 2] {}
}
#[cfg(not(test))]
const A: u8 = 1;
";
        let source = Source::parse(text).unwrap();
        assert_eq!(source.lines, 5);
        let left: TokenStream = source.tokens.into_iter().collect();
        let left = left.to_string();
        assert!(left.contains("const A") && !left.contains("fn g") && !left.contains("mod x"));
    }

    #[test]
    fn a_module_that_is_a_test_is_named() {
        let text = "#[cfg(test)]\n#[path = \"y.rs\"]\npub(crate) mod x;\nmod z;\n";
        assert_eq!(Source::parse(text).unwrap().test_modules, ["x"]);
    }

    #[test]
    fn a_file_that_is_a_test_as_a_whole_has_no_lines() {
        assert_eq!(
            Source::parse("#![cfg(test)]\nfn f() {}\n").unwrap().lines,
            0
        );
        assert!(Source::parse("fn f() {").is_none());
    }
}
