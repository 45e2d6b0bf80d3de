//! How much there is to read, and how much to learn: lines of code and public items of each crate.
//!
//! **Lines of code** are neither blank nor a comment, and outside of tests: items with `#[cfg(test)]`,
//! and the files of modules that have it.
//!
//! **Public items** are written `pub`, without brackets: structs, enums, unions, traits, functions,
//! constants, statics, type aliases, modules and macros, and the functions and constants of `impl`
//! blocks. `pub use`, fields, variants and what a trait asks for are none. Since `unreachable_pub` is
//! denied, a user can reach each of them by some path. One in the body of a macro counts once, and
//! `#[doc(hidden)]` hides nothing from this count.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenTree};

use crate::error::Error;
use crate::source::{Source, files};
use crate::workspace::Workspace;

/// A limit for some folders together.
struct Limit {
    folders: &'static [&'static str],
    /// Folders within those that are counted apart: optional features, which a reader who does not need
    /// them never opens.
    apart: &'static [&'static str],
    lines: usize,
    /// Public items, if that is limited.
    items: Option<usize>,
}

/// The limits that keep the code short enough to be read.
const LIMITS: [Limit; 3] = [
    // To be read in an evening.
    Limit {
        folders: &["crates/token-core/src"],
        apart: &[
            "crates/token-core/src/binding",
            "crates/token-core/src/foreign",
        ],
        // 5,000, 10 % of `session/` for what is added to the first cut, and 440 for what the folders that
        // are counted apart share with the rest: tokens are bound to keys in `access/` and `session/` too.
        // And 20 for the touch of a refresh that gets the same token again, and 70 for sessions that take the place of
        // those of another system.
        // And 80 for the keys that sign for some clients or audiences (`KeyRing::with_recipients`).
        // And 60 for a step-up as one value, so that the rule can compare what it asks for, which was outside before,
        // and for the id of an adopted session, which needs no key.
        lines: 5_910,
        items: Some(160),
    },
    // What has to be read if one only wants sessions and their rotation.
    Limit {
        folders: &[
            "crates/token-core/src/session",
            "crates/token-core/src/types",
        ],
        apart: &[],
        // 2,200, the same 10 %, what a binding adds to the record and its writes, and the write that changes what
        // a session may do. And the same 20, 70 for sessions that are adopted, and 60.
        lines: 2_655,
        items: None,
    },
    // What the example servers share beside the library: what every server needs belongs into that.
    Limit {
        folders: &["examples/support/src"],
        apart: &[],
        lines: 1_500,
        items: None,
    },
];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    lines: usize,
    items: usize,
}

/// The counts of each folder with its subfolders, by its path in the workspace.
type Counts = BTreeMap<PathBuf, Count>;

/// A table of all crates and their folders.
pub(crate) fn table(workspace: &Workspace) -> Result<String, Error> {
    let mut text = String::from("| folder | lines of code | public items |\n|---|--:|--:|\n");
    for (folder, Count { lines, items }) in count(workspace)? {
        let _ = writeln!(text, "| {} | {lines} | {items} |", folder.display());
    }
    Ok(text)
}

/// Every limit of lines of code that is exceeded.
pub(crate) fn line_faults(workspace: &Workspace) -> Result<Vec<String>, Error> {
    Ok(too_many_lines(&count(workspace)?))
}

/// Every limit of public items that is exceeded.
pub(crate) fn item_faults(workspace: &Workspace) -> Result<Vec<String>, Error> {
    Ok(too_many_items(&count(workspace)?))
}

fn count(workspace: &Workspace) -> Result<Counts, Error> {
    let mut counts = Counts::new();
    for package in &workspace.packages {
        let folder = package.folder.join("src");
        let mut all = Vec::new();
        let mut tests = Vec::new();
        for file in files(&folder, "rs")? {
            let source = Source::read(&file)?;
            tests.extend(source.test_modules.iter().map(|name| module(&file, name)));
            all.push((file, source));
        }
        for (file, source) in &all {
            if tests
                .iter()
                .any(|test| file.with_extension("").starts_with(test))
            {
                continue;
            }
            let own = Count {
                lines: source.lines,
                items: items(&source.tokens),
            };
            let folders = file.ancestors().skip(1);
            for above in folders.take_while(|above| above.starts_with(&folder)) {
                let name = above.strip_prefix(&workspace.root).unwrap_or(above);
                let count = counts.entry(name.to_owned()).or_default();
                count.lines += own.lines;
                count.items += own.items;
            }
        }
    }
    Ok(counts)
}

/// The path of a module that a file declares, without `.rs`.
fn module(file: &Path, name: &str) -> PathBuf {
    let folder = file.with_extension("");
    let root = ["lib", "main", "mod"]
        .iter()
        .any(|root| folder.ends_with(root));
    if root {
        file.with_file_name(name)
    } else {
        folder.join(name)
    }
}

const KINDS: [&str; 10] = [
    "const", "enum", "fn", "macro", "mod", "static", "struct", "trait", "type", "union",
];

/// The number of public items.
fn items(tokens: &[TokenTree]) -> usize {
    let mut count = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(word) if *word == "pub" => {
                let mut after = tokens.iter().skip(at + 1);
                // `pub unsafe extern "C" fn`.
                let kind = after.find(|token| match token {
                    TokenTree::Ident(word) => !["async", "extern", "unsafe"]
                        .iter()
                        .any(|before| word == before),
                    TokenTree::Literal(_) => false,
                    _ => true,
                });
                if let Some(TokenTree::Ident(kind)) = kind {
                    count += usize::from(KINDS.iter().any(|known| kind == known));
                }
            }
            TokenTree::Ident(word) if *word == "macro_export" => count += 1,
            TokenTree::Group(group) if group.delimiter() != Delimiter::Parenthesis => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                count += items(&inner);
            }
            _ => {}
        }
    }
    count
}

fn too_many_lines(counts: &Counts) -> Vec<String> {
    let limits = LIMITS.iter().map(|limit| (limit, Some(limit.lines)));
    more_than_promised(counts, limits, "lines of code", |count| count.lines)
}

fn too_many_items(counts: &Counts) -> Vec<String> {
    let limits = LIMITS.iter().map(|limit| (limit, limit.items));
    more_than_promised(counts, limits, "public items", |count| count.items)
}

fn more_than_promised<'a>(
    counts: &Counts,
    limits: impl Iterator<Item = (&'a Limit, Option<usize>)>,
    what: &str,
    of: impl Fn(&Count) -> usize,
) -> Vec<String> {
    let mut faults = Vec::new();
    for (Limit { folders, apart, .. }, most) in limits {
        let sum = |folders: &[&str]| -> usize {
            let named = folders.iter();
            let named = named.filter_map(|folder| counts.get(Path::new(folder)));
            named.map(&of).sum()
        };
        let has = sum(folders) - sum(apart);
        if let Some(most) = most.filter(|most| has > *most) {
            let folders = folders.join(" and ");
            faults.push(format!(
                "{folders} has {has} {what}, at most {most} are promised"
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_that_are_public_count_and_nothing_else() {
        let text = "\
pub mod a { pub type T = u8; }
pub use a::T;
pub(crate) struct Hidden { pub field: u8 }
pub struct S { pub field: u8, pub f: fn(u8) }
pub enum E { A, B }
pub trait R { fn asked(&self); const C: u8; }
impl R for S { fn asked(&self) {} const C: u8 = 1; }
impl S { pub const fn new() -> Self { S {} } pub async fn g() {} pub const D: u8 = 1; fn h() {} }
macro_rules! m { ($n:ident) => { pub struct $n; impl $n { pub fn k() {} } } }
#[macro_export]
macro_rules! exported { () => {} }
pub unsafe extern \"C\" fn l() {}
#[cfg(test)]
mod tests { pub fn n() {} }
";
        // a T S E R new g D, $n k, exported, l
        assert_eq!(items(&Source::parse(text).unwrap().tokens), 12);
    }

    #[test]
    fn more_than_was_promised_is_a_fault() {
        let folder = PathBuf::from("crates/token-core/src");
        let counts = |lines, items| Counts::from([(folder.clone(), Count { lines, items })]);
        let [Limit { lines: most, .. }, ..] = LIMITS;
        let fits = counts(most, 160);
        assert!(too_many_lines(&fits).is_empty() && too_many_items(&fits).is_empty());
        assert_eq!(too_many_lines(&counts(most + 1, 160)).len(), 1);
        assert_eq!(too_many_items(&counts(most, 161)).len(), 1);
        let optional = Count {
            lines: 100,
            items: 10,
        };
        let mut with_optional = counts(most + 100, 170);
        with_optional.insert(folder.join("foreign"), optional);
        assert!(too_many_lines(&with_optional).is_empty());
        assert!(too_many_items(&with_optional).is_empty());
    }

    #[test]
    fn a_module_is_beside_a_root_and_below_any_other_file() {
        assert_eq!(module(Path::new("src/lib.rs"), "x"), Path::new("src/x"));
        assert_eq!(module(Path::new("src/key.rs"), "x"), Path::new("src/key/x"));
    }
}
