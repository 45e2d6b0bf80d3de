//! One run: the file `docs/figures.json`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::builds::Built;
use crate::growth::Curve;
use crate::memory::Footprint;
use crate::operations::Measured;
use crate::servers::Server;
use crate::stores;

/// Everything that was measured in one run. What was not measured is empty.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
#[serde(default)]
pub struct Run {
    /// When, where and of what.
    pub conditions: Conditions,
    /// Single operations.
    pub core: Vec<Measured>,
    /// The memory of a session.
    pub memory: Vec<Footprint>,
    /// How cost grows.
    pub growth: Vec<Curve>,
    /// Whole servers under load.
    pub requests: Vec<Server>,
    /// The stores on real servers.
    pub stores: Vec<stores::Measured>,
    /// The web client.
    pub client: Option<Client>,
    /// Programs that were built from nothing.
    pub builds: Vec<Built>,
}

/// When, where and of what a run was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Conditions {
    /// The day on which it began, as `2026-11-30`.
    pub day: String,
    /// The commit, with a `+` if files were changed since.
    pub commit: String,
    /// The name of the processor.
    pub processor: String,
    /// How many of them the machine has.
    pub processors: usize,
    /// Its memory in GiB.
    pub memory: u64,
    /// How many processes ran or waited to run before the run began, in the mean of a minute.
    pub load: f64,
    /// The versions of the system, the compiler, the servers and the peers.
    pub versions: BTreeMap<String, String>,
}

/// What the web client adds to a page.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Client {
    /// Bytes of the package's entry, bundled by esbuild, minified and compressed by gzip.
    pub bytes: u64,
}

/// More than this at the beginning, and other programs took part of the machine.
const IDLE: f64 = 0.5;

impl Run {
    /// Reads the file.
    ///
    /// # Errors
    /// If it is not what [`Run::to_json`] writes.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Writes the file. Numbers have five digits.
    ///
    /// # Panics
    /// Never: figures can be written as JSON.
    pub fn to_json(&self) -> String {
        let mut value = serde_json::to_value(self).expect("figures are JSON");
        round(&mut value);
        serde_json::to_string_pretty(&value).expect("figures are JSON") + "\n"
    }

    /// The same figures, as the file has them.
    ///
    /// # Panics
    /// Never: the file can be read again.
    #[must_use]
    pub fn rounded(&self) -> Self {
        Self::from_json(&self.to_json()).expect("it was just written")
    }

    /// The parts that were not measured, by the names that `cargo xtask bench` has for them.
    pub fn missing(&self) -> Vec<&'static str> {
        let stores = |name: &str| self.stores.iter().any(|store| store.name.starts_with(name));
        let parts = [
            ("core", !self.core.is_empty() && !self.memory.is_empty()),
            ("growth", !self.growth.is_empty()),
            ("requests", !self.requests.is_empty()),
            ("stores --only postgres", stores("PostgreSQL")),
            ("stores --only redis", stores("Redis")),
            ("stores --only sqlite", stores("SQLite")),
            ("client", self.client.is_some()),
            ("build", !self.builds.is_empty()),
        ];
        let missing = parts.into_iter().filter(|(_, there)| !there);
        missing.map(|(part, _)| part).collect()
    }
}

impl Conditions {
    /// In words.
    pub fn text(&self) -> String {
        let Self {
            day,
            commit,
            processor,
            processors,
            memory,
            load,
            versions,
        } = self;
        let versions = versions
            .iter()
            .map(|(of, version)| format!("{of} {version}"));
        let versions = versions.collect::<Vec<_>>().join(", ");
        let mut text = format!(
            "Every figure on this page is from one run on {day}, of commit `{commit}`, on a machine with \
             {processors} processors ({processor}) and {memory} GiB of memory.\n\nVersions: {versions}.\n"
        );
        if *load > IDLE {
            let _ = write!(
                text,
                "\n**The machine was not idle**: when the run began, {load:.1} other processes ran or waited to \
                 run. Times mean nothing then, and ratios little.\n"
            );
        }
        text
    }
}

/// Rounds every number that is not whole to five digits.
fn round(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(round),
        Value::Object(members) => members.values_mut().for_each(round),
        Value::Number(number) if number.is_f64() => {
            let rounded = number
                .as_f64()
                .map(|number| format!("{number:.4e}").parse::<f64>());
            if let Some(rounded) = rounded
                .and_then(Result::ok)
                .and_then(serde_json::Number::from_f64)
            {
                *number = rounded;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_read_as_it_was_written() {
        let conditions = Conditions {
            day: "2026-11-30".to_owned(),
            load: 1.234_567_8,
            ..Conditions::default()
        };
        let run = Run {
            conditions,
            client: Some(Client { bytes: 4181 }),
            ..Run::default()
        };
        let text = run.to_json();
        let read = Run::from_json(&text).unwrap();
        assert_eq!(read.to_json(), text);
        assert!((read.conditions.load - 1.2346).abs() < 1e-9);
        assert!(!read.missing().contains(&"client"));
        assert!(read.missing().contains(&"stores --only redis"));
    }

    #[test]
    fn a_busy_machine_is_named() {
        let text = |load| {
            Conditions {
                load,
                day: "2026-11-30".to_owned(),
                ..Conditions::default()
            }
            .text()
        };
        assert!(text(1.5).contains("not idle"));
        assert!(!text(0.1).contains("not idle"));
    }
}
