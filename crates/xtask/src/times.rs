//! How long each part of the tests took when it last passed, in a file in `target`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(crate) struct Times {
    file: PathBuf,
    /// The seconds of each part, by its name.
    parts: BTreeMap<String, u64>,
}

impl Times {
    /// Reads the file. If there is none, no time is known.
    pub(crate) fn read(target: &Path) -> Self {
        let file = target.join("xtask-times.json");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let parts = serde_json::from_str(&text).unwrap_or_default();
        Self { file, parts }
    }

    pub(crate) fn last(&self, part: &str) -> Option<u64> {
        self.parts.get(part).copied()
    }

    /// Writes a measurement down. If that fails, only an estimate is lost.
    pub(crate) fn note(&mut self, part: &str, seconds: u64) {
        self.parts.insert(part.to_owned(), seconds);
        if let Ok(text) = serde_json::to_string_pretty(&self.parts) {
            let _ = fs::write(&self.file, text);
        }
    }
}

/// Seconds as a text, with minutes if there are some.
pub(crate) fn spoken(seconds: u64) -> String {
    if seconds < 90 {
        format!("{seconds} s")
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_part_took_is_known_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Times::read(folder.path()).last("rust"), None);
        Times::read(folder.path()).note("rust", 95);
        Times::read(folder.path()).note("web", 9);
        assert_eq!(Times::read(folder.path()).last("rust"), Some(95));
        assert_eq!(Times::read(folder.path()).last("web"), Some(9));
        fs::write(folder.path().join("xtask-times.json"), "?").unwrap();
        assert_eq!(Times::read(folder.path()).last("rust"), None);
    }

    #[test]
    fn minutes_are_said_if_there_are_some() {
        assert_eq!(spoken(89), "89 s");
        assert_eq!(spoken(125), "2 min 5 s");
    }
}
