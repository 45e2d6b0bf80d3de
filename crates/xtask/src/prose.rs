//! Whether comments are written as this field writes them, measured by crate: how often they say
//! "where" and "if", and whether a line of a doc comment is a single word. In 1,000 words of comments,
//! rustls says them 1.1 and 6.5 times, jiff 1.1 and 5.1, quinn 0.6 and 6.4.

use std::fs;
use std::path::Path;

use crate::error::{Doing as _, Error};
use crate::proofs;
use crate::source::files;
use crate::workspace::Workspace;

/// The most that is usual in 1,000 words.
const WHERE: f64 = 2.0;
/// The least that is usual in 1,000 words.
const IF: f64 = 4.0;
/// If a crate has fewer words than this, the measure means nothing.
const ENOUGH: usize = 500;

/// The comments of a crate.
#[derive(Debug, Default)]
struct Comments {
    words: usize,
    wheres: usize,
    ifs: usize,
    /// A fault for each line of a doc comment that is one word.
    single: Vec<String>,
}

/// Every crate that is not within the limits, and every line of a doc comment that is one word.
pub(crate) fn faults(workspace: &Workspace) -> Result<Vec<String>, Error> {
    let mut faults = Vec::new();
    let packages = workspace.packages.iter();
    let packages = packages.map(|package| package.folder.clone());
    for package in packages.chain(proofs::folders(workspace)) {
        let folder = package.join("src");
        let mut comments = Comments::default();
        let mut text = String::new();
        for file in files(&folder, "rs")? {
            let read = fs::read_to_string(&file).doing(format!("read {}", file.display()))?;
            let name = file.strip_prefix(&workspace.root).unwrap_or(&file);
            comments.read(name, &read, &mut text);
        }
        comments.count(&text);
        let name = package.strip_prefix(&workspace.root).unwrap_or(&package);
        faults.extend(comments.faults(&name.to_string_lossy()));
    }
    Ok(faults)
}

impl Comments {
    /// Collects the comments of a file, and finds lines of one word.
    fn read(&mut self, name: &Path, text: &str, all: &mut String) {
        for (number, line) in text.lines().enumerate() {
            let Some(comment) = line.trim_start().strip_prefix("//") else {
                continue;
            };
            let is_doc = comment.starts_with('/');
            let comment = comment.strip_prefix(['/', '!']).unwrap_or(comment);
            let comment = comment.strip_prefix(' ').unwrap_or(comment);
            if comment.starts_with('#') {
                continue;
            }
            let one = comment.strip_suffix('.');
            let one =
                one.filter(|word| !word.is_empty() && word.chars().all(char::is_alphanumeric));
            if let Some(word) = one.filter(|_| is_doc) {
                let (file, line) = (name.display(), number + 1);
                self.single.push(format!(
                    "{file}:{line}: \"{word}.\" is all that this line of documentation says; say what the item \
                     is for, or break the lines elsewhere"
                ));
            }
            all.push_str(comment);
            all.push(' ');
        }
    }

    fn count(&mut self, text: &str) {
        self.words = text.split_whitespace().count();
        let said = |word: &str| text.matches(word).count();
        self.wheres = said(" where ") + said(",where ") + said(";where ");
        self.ifs = said(" if ");
    }

    fn faults(&self, package: &str) -> Vec<String> {
        let mut faults = self.single.clone();
        if self.words < ENOUGH {
            return faults;
        }
        #[expect(clippy::cast_precision_loss, reason = "there are no 2^52 words")]
        let often = |count: usize| count as f64 * 1000.0 / self.words as f64;
        let (wheres, ifs) = (often(self.wheres), often(self.ifs));
        if wheres > WHERE {
            faults.push(format!(
                "{package}: comments say \"where\" {wheres:.1} times in 1,000 words, at most {WHERE} is \
                 usual; if it is a condition, write \"if\""
            ));
        }
        if ifs < IF {
            faults.push(format!(
                "{package}: comments say \"if\" {ifs:.1} times in 1,000 words, at least {IF} is usual; \
                 conditions hide in \"where\", \"who\" and \"what\""
            ));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(text: &str) -> Vec<String> {
        let (mut comments, mut all) = (Comments::default(), String::new());
        comments.read(Path::new("a.rs"), text, &mut all);
        comments.count(&all);
        comments.faults("a")
    }

    #[test]
    fn a_doc_comment_of_one_word_is_a_fault() {
        let faults = faults_of("fn f() {\n    /// Which.\n    /// Which one.\n    // Now.\n}\n");
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("a.rs:2: \"Which.\""), "{faults:?}");
    }

    #[test]
    fn conditions_that_are_places_are_a_fault() {
        let sentence = "// one two three four five six seven eight nine ten\n".repeat(100);
        assert_eq!(faults_of(&sentence).len(), 1, "it never says if");
        let conditions = "// if it is so, if\n// it is. If not, if so.\n".repeat(2);
        assert_eq!(
            faults_of(&format!("{sentence}{conditions}")),
            [] as [&str; 0]
        );
        let places = "// that is where it is\n".repeat(3);
        let faults = faults_of(&format!("{sentence}{conditions}{places}"));
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains("\"where\""), "{faults:?}");
    }
}
