//! A run in the book: its figures, the tables of the pages, and the pictures.

use std::fs;
use std::path::Path;

use figures::memory::Footprint;
use figures::page::{self, PAGES};
use figures::run::Run;
use figures::stores;

use super::conditions::Folder;
use crate::error::{Doing, Error};
use crate::workspace::Workspace;

const FIGURES: &str = "figures.json";
const IMAGES: &str = "images";

/// Puts the run in this folder into the book, and prints what it lacks.
pub(super) fn write(workspace: &Workspace, folder: &Folder) -> Result<(), Error> {
    let docs = workspace.root.join("docs");
    let run = collect(folder).rounded();
    put(&docs, FIGURES, &run.to_json())?;
    for (name, text) in texts(&docs, &run)? {
        put(&docs, &name, &text)?;
    }
    for part in run.missing() {
        eprintln!(
            "==> not measured in this run: {part} (`cargo xtask bench {part} --write-docs` adds it)"
        );
    }
    Ok(())
}

/// Every page and picture that is not as the figures in the book give it.
pub(crate) fn faults(workspace: &Workspace) -> Result<Vec<String>, Error> {
    differences(&workspace.root.join("docs"))
}

fn differences(docs: &Path) -> Result<Vec<String>, Error> {
    let figures = fs::read_to_string(docs.join(FIGURES)).doing(format!("read {FIGURES}"))?;
    let run = match Run::from_json(&figures) {
        Ok(run) => run,
        Err(error) => return Ok(vec![format!("docs/{FIGURES} is no run: {error}")]),
    };
    let mut faults = Vec::new();
    for (name, text) in texts(docs, &run)? {
        let own = fs::read_to_string(docs.join(&name)).unwrap_or_default();
        if own != text {
            faults.push(format!(
                "docs/{name} does not have what docs/{FIGURES} gives; change what makes it, not the page"
            ));
        }
    }
    Ok(faults)
}

/// Everything in the book that comes from a run, by its path there.
fn texts(docs: &Path, run: &Run) -> Result<Vec<(String, String)>, Error> {
    let parts = page::parts(run);
    let mut texts = Vec::new();
    for name in PAGES {
        let text = fs::read_to_string(docs.join(name)).doing(format!("read docs/{name}"))?;
        let filled = page::filled(&text, &parts);
        let what = "the parts of a page that a run fills";
        let broken = |fault| Error::Broken {
            what,
            faults: vec![format!("docs/{name}: {fault}")],
        };
        texts.push((name.to_owned(), filled.map_err(broken)?));
    }
    let images = page::images(run).into_iter();
    texts.extend(images.map(|(name, drawn)| (format!("{IMAGES}/{name}"), drawn)));
    Ok(texts)
}

fn put(docs: &Path, name: &str, text: &str) -> Result<(), Error> {
    fs::write(docs.join(name), text).doing(format!("write docs/{name}"))
}

fn collect(folder: &Folder) -> Run {
    let memory = ["memory", "peers-memory"].map(|name| folder.read::<Vec<Footprint>>(name));
    let stores = ["stores-postgres", "stores-redis", "stores-sqlite"];
    let stores = stores.map(|name| folder.read::<Vec<stores::Measured>>(name));
    Run {
        conditions: folder.conditions().unwrap_or_default(),
        core: folder.read("core").unwrap_or_default(),
        memory: memory.into_iter().flatten().flatten().collect(),
        growth: folder.read("growth").unwrap_or_default(),
        requests: folder.read("requests").unwrap_or_default(),
        stores: stores.into_iter().flatten().flatten().collect(),
        client: folder.read("client"),
        builds: folder.read("builds").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_was_changed_by_hand_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let docs = folder.path();
        fs::create_dir(docs.join(IMAGES)).unwrap();
        let run = Run::default();
        put(docs, FIGURES, &run.to_json()).unwrap();
        for name in PAGES {
            put(docs, name, "<!-- bench:core -->\n<!-- /bench:core -->\n").unwrap();
        }
        assert!(differences(docs).unwrap().len() >= PAGES.len());
        for (name, text) in texts(docs, &run).unwrap() {
            put(docs, &name, &text).unwrap();
        }
        assert_eq!(differences(docs).unwrap(), [""; 0]);
        let own = fs::read_to_string(docs.join(PAGES[0])).unwrap();
        put(docs, PAGES[0], &own.replace("Not measured", "Measured")).unwrap();
        assert_eq!(differences(docs).unwrap().len(), 1);
        put(docs, FIGURES, "{").unwrap();
        assert_eq!(differences(docs).unwrap().len(), 1);
    }
}
