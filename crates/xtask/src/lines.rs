//! How much there is to read, and how much to learn: lines of code and public items of each crate.
//!
//! **Lines of code** are neither blank nor a comment, and outside of tests: items with `#[cfg(test)]`,
//! and the files of modules that have it.
//!
//! **Public items** are written `pub`, without brackets: structs, enums, unions, traits, functions,
//! constants, statics, type aliases, modules and macros, and the functions and constants of `impl`
//! blocks. `pub use`, fields, variants and what a trait asks for are none. Since `unreachable_pub` is
//! denied, a user can reach each of them by some path. One in the body of a macro counts once, also if
//! that repeats it, and `#[doc(hidden)]` hides nothing from this count.
//!
//! The file of a module counts with its folder: `binding.rs` with `binding/`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenTree};

use crate::error::Error;
use crate::source::{Source, files};
use crate::workspace::Workspace;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Lines,
    Items,
}

impl What {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Lines => "lines of code",
            Self::Items => "public items",
        }
    }
}

/// A limit for some folders together.
struct Limit {
    what: What,
    most: usize,
    folders: &'static [&'static str],
    /// Folders within those that are counted apart, as a reader of the others never opens them.
    apart: &'static [&'static str],
}

/// What a reader of the rest never opens: modules of their own, for those who need them.
const OPTIONAL: [&str; 3] = [
    "crates/token-core/src/adoption",
    "crates/token-core/src/binding",
    "crates/token-core/src/foreign",
];

/// The limits that keep the code short enough to be read, and its surface small enough to be learned.
const LIMITS: [Limit; 5] = [
    // To be read in an evening, without the optional features. What was promised of each and what it has become is
    // in docs/design.md. Each limit is what was reached, so that nothing comes back unnoticed.
    Limit {
        what: What::Lines,
        most: 5_660,
        folders: &["crates/token-core/src"],
        apart: &OPTIONAL,
    },
    // What has to be read if one only wants sessions and their rotation.
    Limit {
        what: What::Lines,
        most: 2_510,
        folders: &[
            "crates/token-core/src/session",
            "crates/token-core/src/types",
        ],
        apart: &[],
    },
    // What the example servers share beside the library: what every server needs belongs into that.
    Limit {
        what: What::Lines,
        most: 1_500,
        folders: &["examples/support/src"],
        apart: &[],
    },
    // To be learned by who writes an application, a store or a verifier.
    Limit {
        what: What::Items,
        most: 169,
        folders: &["crates/token-core/src"],
        apart: &[
            "crates/token-core/src/adoption",
            "crates/token-core/src/binding",
            "crates/token-core/src/foreign",
            "crates/token-core/src/session/rule",
        ],
    },
    // And by who drives the rule in the place of the session manager.
    Limit {
        what: What::Items,
        most: 25,
        folders: &["crates/token-core/src/session/rule"],
        apart: &[],
    },
];

impl Limit {
    fn count(&self, counts: &Counts) -> usize {
        let sum = |folders: &[&str]| -> usize {
            let named = folders.iter();
            let named = named.filter_map(|folder| counts.get(Path::new(folder)));
            let of = named.map(|count| match self.what {
                What::Lines => count.lines,
                What::Items => count.items,
            });
            of.sum()
        };
        sum(self.folders) - sum(self.apart)
    }

    fn name(&self) -> String {
        let folders = self.folders.join(" and ");
        if self.apart.is_empty() {
            folders
        } else {
            format!("{folders} without {}", self.apart.join(" and "))
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    lines: usize,
    items: usize,
}

/// The counts of each folder with its subfolders, by its path in the workspace.
type Counts = BTreeMap<PathBuf, Count>;

/// A table of all crates and their folders, and what is limited.
pub(crate) fn table(workspace: &Workspace) -> Result<String, Error> {
    let mut text = String::from("| folder | lines of code | public items |\n|---|--:|--:|\n");
    let counts = count(workspace)?;
    for (folder, Count { lines, items }) in &counts {
        let _ = writeln!(text, "| {} | {lines} | {items} |", folder.display());
    }
    text.push('\n');
    for limit in &LIMITS {
        let (name, has, what) = (limit.name(), limit.count(&counts), limit.what.as_str());
        let _ = writeln!(text, "{name}: {has} {what}, at most {}", limit.most);
    }
    Ok(text)
}

/// Every limit of lines of code that is exceeded.
pub(crate) fn line_faults(workspace: &Workspace) -> Result<Vec<String>, Error> {
    Ok(more_than_promised(&count(workspace)?, What::Lines))
}

/// Every limit of public items that is exceeded.
pub(crate) fn item_faults(workspace: &Workspace) -> Result<Vec<String>, Error> {
    Ok(more_than_promised(&count(workspace)?, What::Items))
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
            // With the folder of its own submodules, if it has one.
            let own_folder = file.with_extension("");
            let lowest = if own_folder.is_dir() {
                &own_folder
            } else {
                file
            };
            let folders = lowest.ancestors().skip(usize::from(lowest == file));
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
            // In parentheses are arguments and the patterns of macros, or, after `$`, what a macro repeats.
            TokenTree::Group(group)
                if group.delimiter() != Delimiter::Parenthesis || is_after_dollar(tokens, at) =>
            {
                let inner: Vec<_> = group.stream().into_iter().collect();
                count += items(&inner);
            }
            _ => {}
        }
    }
    count
}

fn is_after_dollar(tokens: &[TokenTree], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| tokens.get(before));
    matches!(before, Some(TokenTree::Punct(punct)) if punct.as_char() == '$')
}

fn more_than_promised(counts: &Counts, what: What) -> Vec<String> {
    let limits = LIMITS.iter().filter(|limit| limit.what == what);
    let exceeded = limits.filter(|limit| limit.count(counts) > limit.most);
    let fault = |limit: &Limit| {
        let (name, has, what) = (limit.name(), limit.count(counts), what.as_str());
        format!(
            "{name} has {has} {what}, at most {} are promised",
            limit.most
        )
    };
    exceeded.map(fault).collect()
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
macro_rules! r { ($($m:ident)*) => { impl T { $(pub fn $m() {})* $( $(pub fn o() {})* )* } } }
#[macro_export]
macro_rules! exported { () => {} }
pub unsafe extern \"C\" fn l() {}
#[cfg(test)]
mod tests { pub fn n() {} }
";
        // a T S E R new g D, $n k, $m o, exported, l
        assert_eq!(items(&Source::parse(text).unwrap().tokens), 14);
    }

    #[test]
    fn more_than_was_promised_is_a_fault() {
        let folder = PathBuf::from("crates/token-core/src");
        let counts = |lines, items| Counts::from([(folder.clone(), Count { lines, items })]);
        let [lines, _, _, items, _] = &LIMITS;
        let faults = |counts: &Counts| {
            [What::Lines, What::Items].map(|what| more_than_promised(counts, what).len())
        };
        assert_eq!(faults(&counts(lines.most, items.most)), [0, 0]);
        assert_eq!(faults(&counts(lines.most + 1, items.most)), [1, 0]);
        assert_eq!(faults(&counts(lines.most, items.most + 1)), [0, 1]);
        let optional = Count {
            lines: 100,
            items: 10,
        };
        let mut with_optional = counts(lines.most + 100, items.most + 10);
        with_optional.insert(folder.join("foreign"), optional);
        assert_eq!(faults(&with_optional), [0, 0]);
        // The rule has to be read, and has a limit of its own for what is to be learned.
        let mut with_rule = counts(lines.most + 1, items.most + 1);
        let rule = Count { lines: 1, items: 1 };
        with_rule.insert(folder.join("session/rule"), rule);
        assert_eq!(faults(&with_rule), [1, 0]);
    }

    #[test]
    fn a_module_is_beside_a_root_and_below_any_other_file() {
        assert_eq!(module(Path::new("src/lib.rs"), "x"), Path::new("src/x"));
        assert_eq!(module(Path::new("src/key.rs"), "x"), Path::new("src/key/x"));
    }
}
