//! The links of the documentation. It is a fault if a page links to a file that does not exist, or if the
//! summary of the book lacks a page.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Doing, Error};
use crate::workspace::Workspace;

/// The pages outside of `docs`.
const PAGES: [&str; 5] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "clients/web/README.md",
];

/// Every link that leads nowhere, and every page that the summary lacks.
pub(crate) fn faults(workspace: &Workspace) -> Result<Vec<String>, Error> {
    check(&workspace.root)
}

fn check(root: &Path) -> Result<Vec<String>, Error> {
    let book = pages_below(&root.join("docs"))?;
    let outside = PAGES.iter().map(|page| root.join(page));
    let mut faults = Vec::new();
    for page in outside.chain(book.iter().cloned()) {
        let text = fs::read_to_string(&page).doing(format!("read {}", page.display()))?;
        let folder = page.parent().unwrap_or(root);
        for target in targets(&text) {
            if !folder.join(target).exists() {
                let page = page.strip_prefix(root).unwrap_or(&page);
                faults.push(format!(
                    "{} names {target}, which is not there",
                    page.display()
                ));
            }
        }
    }
    let summary = root.join("docs/SUMMARY.md");
    let summary = fs::read_to_string(&summary).doing("read docs/SUMMARY.md")?;
    for page in &book {
        let name = page.strip_prefix(root.join("docs")).unwrap_or(page);
        let name = name.to_string_lossy();
        if name != "SUMMARY.md" && !targets(&summary).any(|target| target == name) {
            faults.push(format!("docs/SUMMARY.md does not list {name}"));
        }
    }
    Ok(faults)
}

/// The files that a page links to or shows, without links to other sites and within the page.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', ' ', '#']).next()?;
        (!target.is_empty() && !target.contains("://")).then_some(target)
    })
}

fn pages_below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let doing = || format!("list {}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).doing(doing())? {
        let path = entry.doing(doing())?.path();
        if path.is_dir() {
            found.extend(pages_below(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "md") {
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
    fn a_link_to_nothing_and_a_page_outside_of_the_summary_are_faults() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("docs")).unwrap();
        fs::create_dir_all(root.join("clients/web")).unwrap();
        let write = |file: &str, text: &str| fs::write(root.join(file), text).unwrap();
        write(
            "README.md",
            "[a](docs/a.md#part) ![b](docs/b.png) [c](https://c.example)",
        );
        for page in ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"] {
            write(page, "");
        }
        write("clients/web/README.md", "[up](../../README.md)");
        write("docs/SUMMARY.md", "- [A](a.md)");
        write("docs/a.md", "[part](#part)");
        let faults = check(root).unwrap();
        assert_eq!(faults, ["README.md names docs/b.png, which is not there"]);
        write("docs/b.png", "");
        assert!(check(root).unwrap().is_empty());
        write("docs/d.md", "");
        let faults = check(root).unwrap();
        assert_eq!(faults, ["docs/SUMMARY.md does not list d.md"]);
    }
}
