//! The parts of the pages that a run fills, and the pictures.
//!
//! Such a part begins with `<!-- bench:NAME -->` and ends with `<!-- /bench:NAME -->`, each in a line of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::run::Run;
use crate::{builds, chart, cost, growth, memory, operations, servers, stores, targets};

/// The pages that have such parts, below the folder of the book.
pub const PAGES: [&str; 2] = ["performance.md", "cost.md"];

/// The text of each part, by its name.
pub fn parts(run: &Run) -> BTreeMap<&'static str, String> {
    let or = |there: bool, text: &dyn Fn() -> String| {
        if there {
            text()
        } else {
            "Not measured in this run.\n".to_owned()
        }
    };
    BTreeMap::from([
        ("run", run.conditions.text()),
        ("targets", targets::table(run)),
        (
            "core",
            or(!run.core.is_empty(), &|| operations::table(&run.core)),
        ),
        (
            "memory",
            or(!run.memory.is_empty(), &|| memory::table(&run.memory)),
        ),
        (
            "growth",
            or(!run.growth.is_empty(), &|| growth::table(&run.growth)),
        ),
        (
            "requests",
            or(!run.requests.is_empty(), &|| servers::table(&run.requests)),
        ),
        (
            "steady",
            or(!run.requests.is_empty(), &|| {
                servers::steady_table(&run.requests)
            }),
        ),
        (
            "stores",
            or(!run.stores.is_empty(), &|| stores::table(&run.stores)),
        ),
        (
            "builds",
            or(!run.builds.is_empty(), &|| builds::table(&run.builds)),
        ),
        ("cost", or(!run.requests.is_empty(), &|| cost::table(run))),
    ])
}

/// The pictures, by their names in the folder of images.
pub fn images(run: &Run) -> BTreeMap<String, String> {
    let mut images = BTreeMap::new();
    if !run.core.is_empty() {
        images.insert("performance.svg".to_owned(), chart::bars(&run.core));
    }
    for (curve, number) in run.growth.iter().zip(1..) {
        images.insert(format!("growth-{number}.svg"), chart::line(curve));
    }
    images.insert("cost.svg".to_owned(), cost::chart(run));
    images
}

/// A page with every part as a run gives it.
///
/// # Errors
/// A text, if a part is unknown or has no end.
pub fn filled(page: &str, parts: &BTreeMap<&'static str, String>) -> Result<String, String> {
    let mut text = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        text += line;
        text.push('\n');
        let name = line.strip_prefix("<!-- bench:");
        let Some(name) = name.and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        let part = parts
            .get(name)
            .ok_or(format!("there is no part `{name}`"))?;
        let end = format!("<!-- /bench:{name} -->");
        if !lines.any(|line| line == end) {
            return Err(format!("the part `{name}` has no `{end}`"));
        }
        let _ = write!(text, "\n{part}\n{end}\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "a\n<!-- bench:x -->\nold\n\nold\n<!-- /bench:x -->\nb\n";

    #[test]
    fn a_part_is_replaced_and_the_rest_is_kept() {
        let parts = BTreeMap::from([("x", "new\n".to_owned())]);
        let page = filled(PAGE, &parts).unwrap();
        assert_eq!(page, "a\n<!-- bench:x -->\n\nnew\n\n<!-- /bench:x -->\nb\n");
        assert_eq!(filled(&page, &parts).unwrap(), page);
    }

    #[test]
    fn a_part_that_is_unknown_or_has_no_end_is_an_error() {
        assert!(filled(PAGE, &BTreeMap::new()).is_err());
        let parts = BTreeMap::from([("x", String::new())]);
        assert!(filled("<!-- bench:x -->\n", &parts).is_err());
    }
}
