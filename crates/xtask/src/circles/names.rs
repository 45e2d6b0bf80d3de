//! The names in a Rust file: its `mod`s, its `use`s, and every path.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenTree};

/// The names in one module, without the modules inside it.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// `mod x;`, which has a file of its own.
    pub(super) children: Vec<String>,
    /// `mod x { … }`.
    pub(super) inline: BTreeMap<String, Names>,
    /// The items that are defined here.
    pub(super) definitions: BTreeSet<String>,
    pub(super) imports: Vec<Import>,
    /// Paths outside of `use`.
    pub(super) paths: Vec<(Vec<String>, usize)>,
    /// Every word outside of `use`, with its first line.
    pub(super) words: BTreeMap<String, usize>,
}

/// One name that a `use` imports.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) path: Vec<String>,
    /// The name that it has here; `*` if it is all of a module.
    pub(super) name: String,
    /// Whether other modules may import it from here: `pub use`, `pub(crate) use` and the like.
    pub(super) public: bool,
    pub(super) line: usize,
}

const DEFINING: [&str; 10] = [
    "const",
    "enum",
    "fn",
    "macro",
    "macro_rules",
    "static",
    "struct",
    "trait",
    "type",
    "union",
];

impl Names {
    pub(super) fn read(tokens: &[TokenTree]) -> Self {
        let mut names = Self::default();
        names.items(tokens, true);
        names
    }

    /// Reads tokens; only those outside of all brackets define names of the module.
    fn items(&mut self, tokens: &[TokenTree], outside: bool) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Group(group) => {
                    let inner: Vec<_> = group.stream().into_iter().collect();
                    self.items(&inner, false);
                }
                TokenTree::Ident(word) => {
                    at = self.word(&word.to_string(), tokens, at, outside);
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    /// Reads what begins with a word, and returns the index after it.
    fn word(&mut self, word: &str, tokens: &[TokenTree], at: usize, outside: bool) -> usize {
        let line = tokens
            .get(at - 1)
            .map_or(0, |token| token.span().start().line);
        match (word, tokens.get(at)) {
            // The path in a visibility, such as `pub(in crate::a)`, is not a use.
            ("pub", Some(TokenTree::Group(group)))
                if group.delimiter() == Delimiter::Parenthesis =>
            {
                at + 1
            }
            ("mod", Some(TokenTree::Ident(name))) => {
                let name = name.to_string();
                if let Some(TokenTree::Group(body)) = tokens.get(at + 1) {
                    let body: Vec<_> = body.stream().into_iter().collect();
                    self.inline.insert(name, Self::read(&body));
                } else {
                    self.children.push(name);
                }
                at + 2
            }
            // In a type, `use<'a>` imports nothing.
            ("use", Some(next)) if !is_punct(Some(next), '<') => {
                let is_end = |token: &TokenTree| is_punct(Some(token), ';');
                let length = tokens.iter().skip(at).position(is_end);
                let end = length.map_or(tokens.len(), |length| at + length);
                let public = at >= 2 && is_public(tokens, at - 2);
                let tree = tokens.get(at..end).unwrap_or_default();
                self.import(tree, &[], public, line);
                end
            }
            _ => {
                let (path, after) = path(word, tokens, at);
                if path.len() > 1 {
                    self.paths.push((path, line));
                } else if outside && DEFINING.contains(&word) {
                    // `macro_rules! x` has an exclamation mark in between.
                    let mark = usize::from(is_punct(tokens.get(at), '!'));
                    if let Some(TokenTree::Ident(name)) = tokens.get(at + mark)
                        && !["async", "extern", "fn", "mut", "unsafe"]
                            .contains(&name.to_string().as_str())
                    {
                        self.definitions.insert(name.to_string());
                        return at + mark + 1;
                    }
                } else {
                    self.words.entry(word.to_owned()).or_insert(line);
                }
                after
            }
        }
    }

    /// Reads a tree of `use`; `before` is the path in front of it.
    fn import(&mut self, tree: &[TokenTree], before: &[String], public: bool, line: usize) {
        for branch in tree.split(|token| is_punct(Some(token), ',')) {
            let mut path = before.to_vec();
            let mut renamed = None;
            let mut at = 0;
            while let Some(token) = branch.get(at) {
                at += 1;
                match token {
                    TokenTree::Ident(word) if *word == "as" => {
                        renamed = branch.get(at).map(ToString::to_string);
                        break;
                    }
                    TokenTree::Ident(word) => path.push(word.to_string()),
                    TokenTree::Punct(star) if star.as_char() == '*' => path.push("*".to_owned()),
                    TokenTree::Group(group) => {
                        let inner: Vec<_> = group.stream().into_iter().collect();
                        self.import(&inner, &path, public, line);
                        path.clear();
                    }
                    _ => {}
                }
            }
            // `a::{self}` is `a`.
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            if let Some(last) = path.last() {
                let name = renamed.unwrap_or_else(|| last.clone());
                let line = branch
                    .first()
                    .map_or(line, |token| token.span().start().line);
                self.imports.push(Import {
                    path,
                    name,
                    public,
                    line,
                });
            }
        }
    }
}

/// The path that begins with a word, and the index after it.
fn path(word: &str, tokens: &[TokenTree], mut at: usize) -> (Vec<String>, usize) {
    let mut path = vec![word.to_owned()];
    // If a `::` is before it, it is the rest of something else, such as a path of an external crate.
    let follows = at >= 3 && is_punct(tokens.get(at - 2), ':') && is_punct(tokens.get(at - 3), ':');
    while is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':') {
        let Some(TokenTree::Ident(next)) = tokens.get(at + 2) else {
            break;
        };
        path.push(next.to_string());
        at += 3;
    }
    if follows {
        path.truncate(1);
    }
    (path, at)
}

/// Whether `pub` or `pub(…)` ends at this index.
fn is_public(tokens: &[TokenTree], at: usize) -> bool {
    let is_pub = |at| matches!(tokens.get(at), Some(TokenTree::Ident(word)) if *word == "pub");
    match tokens.get(at) {
        Some(TokenTree::Group(_)) => at > 0 && is_pub(at - 1),
        _ => is_pub(at),
    }
}

fn is_punct(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}
