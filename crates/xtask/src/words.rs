//! Words that this project does not use in names, comments, errors and pages, each with what to write
//! instead, and why. Readers know the words of the RFCs and of Rust libraries; if something has a name
//! there, it has that name here.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Doing as _, Error};
use crate::source::files;
use crate::workspace::Workspace;

/// A word that is not used.
struct Word {
    /// One word or several, in lower case. Names are taken apart at each `_`.
    said: &'static str,
    at: Place,
    instead: &'static str,
    reason: &'static str,
}

/// The places at which a word is not used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// All of them.
    Anywhere,
    /// Pages for users.
    Pages,
    /// Names of types, variants and modules, with the same capitals.
    Names,
}

use Place::{Anywhere, Names, Pages};

const fn word(said: &'static str, at: Place, instead: &'static str, reason: &'static str) -> Word {
    Word {
        said,
        at,
        instead,
        reason,
    }
}

const NOT_A_NOUN: &str = "a type is named by the thing that it is, in the words of the RFCs";
const MENDED: &str = "software is fixed; one mends socks";
const ENDED: &str = "\"over\" may also mean \"above\", and does not say how it came to its end";
const ALARM: &str = "nothing rings: an event is raised, which somebody may watch";
const TELLS: &str = "a sentence with a plain verb can be read at first sight";
const WHERE: &str = "\"where\" is a place; a condition is \"if\"";
const WHO: &str = "it hides who acts: the caller, a client, an attacker";

const WORDS: [Word; 42] = [
    word(
        "keep house",
        Anywhere,
        "`delete_expired_continuously`, or \"delete expired sessions\"",
        "nobody would look for it under that name",
    ),
    word(
        "keeps house",
        Anywhere,
        "\"deletes expired sessions\"",
        "nobody would look for it under that name",
    ),
    word(
        "Case",
        Names,
        "what is decided on, such as `Attempt`",
        NOT_A_NOUN,
    ),
    word("Rhythm", Names, "`Interval`, `Schedule`", NOT_A_NOUN),
    word("Standing", Names, "`State`, `Status`", NOT_A_NOUN),
    word("Turn", Names, "`Permit`, `Guard`", NOT_A_NOUN),
    word("Visit", Names, "`Request`, `Use`", NOT_A_NOUN),
    word("Whose", Names, "`Owner`, `Subject`, `Target`", NOT_A_NOUN),
    word(
        "misbuilt",
        Anywhere,
        "\"misconfigured\", or say what is missing",
        "no dictionary has it",
    ),
    word(
        "bell",
        Anywhere,
        "the name of the event or of the notification",
        ALARM,
    ),
    word("rung", Anywhere, "\"raised\", \"notified\"", ALARM),
    word(
        "ring the alarm",
        Anywhere,
        "\"raise the event\", \"report\"",
        ALARM,
    ),
    word(
        "rings the alarm",
        Anywhere,
        "\"raises the event\", \"reports\"",
        ALARM,
    ),
    word(
        "ringing the alarm",
        Anywhere,
        "\"raising the event\", \"reporting\"",
        ALARM,
    ),
    word(
        "rang the alarm",
        Anywhere,
        "\"raised the event\", \"reported\"",
        ALARM,
    ),
    word(
        "is over",
        Anywhere,
        "\"has ended\", \"has expired\", \"was revoked\"",
        ENDED,
    ),
    word(
        "are over",
        Anywhere,
        "\"have ended\", \"have expired\", \"were revoked\"",
        ENDED,
    ),
    word(
        "was over",
        Anywhere,
        "\"had ended\", \"had expired\", \"was revoked\"",
        ENDED,
    ),
    word(
        "were over",
        Anywhere,
        "\"had ended\", \"had expired\", \"were revoked\"",
        ENDED,
    ),
    word("be over", Anywhere, "\"end\", \"expire\"", ENDED),
    word("been over", Anywhere, "\"ended\", \"expired\"", ENDED),
    word("tells of", Anywhere, "\"reports\", \"describes\"", TELLS),
    word("tell of", Anywhere, "\"report\", \"describe\"", TELLS),
    word(
        "told of",
        Anywhere,
        "\"informed about\", \"notified of\"",
        TELLS,
    ),
    word("telling of", Anywhere, "\"reporting\"", TELLS),
    word(
        "stands twice",
        Anywhere,
        "\"duplicate …\"",
        "errors say it in the words that other parsers use",
    ),
    word(
        "stand twice",
        Anywhere,
        "\"duplicate …\"",
        "errors say it in the words that other parsers use",
    ),
    word("mend", Anywhere, "\"fix\", \"repair\", \"recover\"", MENDED),
    word(
        "mends",
        Anywhere,
        "\"fixes\", \"repairs\", \"recovers\"",
        MENDED,
    ),
    word(
        "mended",
        Anywhere,
        "\"fixed\", \"repaired\", \"recovered\"",
        MENDED,
    ),
    word("mending", Anywhere, "\"fixing\", \"recovery\"", MENDED),
    word(
        "whoever",
        Anywhere,
        "\"anyone who\", \"the caller\", \"a client that\"",
        WHO,
    ),
    word("whomever", Anywhere, "\"anyone whom\"", WHO),
    word("Where it is", Anywhere, "\"If it is\"", WHERE),
    word("Where there is", Anywhere, "\"If there is\"", WHERE),
    word("Where that is", Anywhere, "\"If that is\"", WHERE),
    word("Where this is", Anywhere, "\"If this is\"", WHERE),
    word("Where they are", Anywhere, "\"If they are\"", WHERE),
    word("Where nothing", Anywhere, "\"If nothing\"", WHERE),
    word("Where none", Anywhere, "\"If none\"", WHERE),
    word(
        "row",
        Pages,
        "\"session\", or \"record\"",
        "a user has sessions; rows are a detail of two of the stores",
    ),
    word(
        "rows",
        Pages,
        "\"sessions\", or \"records\"",
        "a user has sessions; rows are a detail of two of the stores",
    ),
];

/// The pages for users, which do not describe how a store works.
const PAGES: [&str; 3] = ["README.md", "docs/guide.md", "clients/web/README.md"];

/// This file contains the words.
const EXCEPT: &str = "crates/xtask/src/words.rs";

/// What is read: the folders, and the extensions of the files.
const FOLDERS: [&str; 5] = [".ci", ".github", "clients/web", "crates", "docs"];
const EXTENSIONS: [&str; 9] = ["rs", "md", "ts", "mjs", "toml", "sql", "lua", "html", "css"];

/// Every place with one of the words.
pub(crate) fn faults(workspace: &Workspace) -> Result<Vec<String>, Error> {
    let root = &workspace.root;
    let mut faults = Vec::new();
    for file in texts(root)? {
        let name = file.strip_prefix(root).unwrap_or(&file);
        if name == Path::new(EXCEPT) {
            continue;
        }
        let text = fs::read_to_string(&file).doing(format!("read {}", file.display()))?;
        let is_page = PAGES.iter().any(|page| name == Path::new(page));
        for (line, word) in found(&text, is_page) {
            faults.push(format!(
                "{}:{line}: \"{}\": write {} ({})",
                name.display(),
                word.said,
                word.instead,
                word.reason
            ));
        }
    }
    Ok(faults)
}

/// Every text file of the project.
fn texts(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for folder in FOLDERS.into_iter().chain(["examples"]) {
        for extension in EXTENSIONS {
            if root.join(folder).exists() {
                found.extend(files(&root.join(folder), extension)?);
            }
        }
    }
    let top = fs::read_dir(root).doing("list the files of the project")?;
    for entry in top {
        let path = entry.doing("list the files of the project")?.path();
        let known = path
            .extension()
            .is_some_and(|own| own == "md" || own == "toml");
        if known && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A word of a text.
struct Said<'a> {
    text: &'a str,
    line: usize,
    /// Whether it is a name, which is the case in code and between backticks.
    is_name: bool,
}

/// The words in a text that should not be used, with their lines. They are found even if a phrase goes on
/// in the next line.
fn found(text: &str, is_page: bool) -> Vec<(usize, &'static Word)> {
    let said = split(text);
    let mut found = Vec::new();
    for word in &WORDS {
        let wanted: Vec<&str> = word.said.split(' ').collect();
        for (at, window) in said.windows(wanted.len()).enumerate() {
            let Some(first) = window.first() else {
                continue;
            };
            let exactly = wanted
                .iter()
                .any(|part| part.starts_with(char::is_uppercase));
            let same = window.iter().zip(&wanted).all(|(said, wanted)| {
                if exactly {
                    said.text == *wanted
                } else {
                    said.text.eq_ignore_ascii_case(wanted)
                }
            });
            let here = match word.at {
                Anywhere => true,
                Names => first.is_name,
                Pages => is_page,
            };
            // If a number follows, as in "It is over 5 MiB", it is about a size.
            let number = said.get(at + wanted.len());
            let counts = word.reason == ENDED
                && number.is_some_and(|next| next.text.starts_with(|c: char| c.is_ascii_digit()));
            if same && here && !counts {
                found.push((first.line, word));
            }
        }
    }
    found
}

/// Splits a text into words.
fn split(text: &str) -> Vec<Said<'_>> {
    let mut words = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.find("//").unwrap_or(line.len());
        let mut start = None;
        for (at, c) in line.char_indices().chain([(line.len(), ' ')]) {
            if c.is_alphanumeric() {
                start.get_or_insert(at);
            } else if let Some(first) = start.take() {
                let text = line.get(first..at).unwrap_or_default();
                let before = line.get(..first).unwrap_or_default();
                // `Name`, [`Name`] or a::Name, or anything in code.
                let quoted = before.ends_with(['`', ':']);
                words.push(Said {
                    text,
                    line: number + 1,
                    is_name: first < code || quoted,
                });
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<(usize, &'static str)> {
        let found = found(text, false).into_iter();
        found.map(|(line, word)| (line, word.said)).collect()
    }

    #[test]
    fn a_word_is_found_in_comments_and_names_and_errors() {
        assert_eq!(said("// Whoever asks."), [(1, "whoever")]);
        assert_eq!(said("fn a_bell_is_heard() {}"), [(1, "bell")]);
        assert_eq!(
            said("#[error(\"`iss` stands twice\")]"),
            [(1, "stands twice")]
        );
        assert_eq!(said("manager.keep_house()"), [(1, "keep house")]);
    }

    #[test]
    fn a_phrase_goes_on_in_the_next_line() {
        let text = "a\n/// Then it rings\n/// the alarm.\n";
        assert_eq!(said(text), [(2, "rings the alarm")]);
    }

    #[test]
    fn a_name_is_found_as_a_name_alone() {
        assert_eq!(said("pub enum Whose<'a> {"), [(1, "Whose")]);
        assert_eq!(said("// Of [`Whose`]."), [(1, "Whose")]);
        assert_eq!(said("// Whose key it is. Turn it."), []);
        assert_eq!(said("struct TestCase; let case = 1;"), []);
    }

    #[test]
    fn more_than_a_number_is_not_an_end() {
        assert_eq!(said("It is over 5 MiB."), []);
        assert_eq!(said("It is over."), [(1, "is over")]);
    }

    #[test]
    fn a_row_is_a_detail_in_pages_for_users_alone() {
        assert!(found("One row a session.", false).is_empty());
        assert_eq!(found("One row a session.", true).len(), 1);
    }

    #[test]
    fn every_word_is_found_and_has_a_reason_and_something_better() {
        for word in &WORDS {
            let text = format!("`{}`", word.said);
            assert!(
                found(&text, true).iter().any(|(_, w)| w.said == word.said),
                "{text}"
            );
            assert!(
                !word.instead.is_empty() && !word.reason.is_empty(),
                "{text}"
            );
        }
    }
}
