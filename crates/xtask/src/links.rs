//! The links of the documentation. It is a fault if a page links to a file or a heading that does not exist,
//! or if the summary of the book lacks a page.

use std::collections::HashSet;
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
        let own = page.strip_prefix(root).unwrap_or(&page).display();
        for target in targets(&text) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = folder.join(file);
            if !file.exists() {
                faults.push(format!("{own} names {target}, which is not there"));
            } else if !heading.is_empty() {
                let named = if target.starts_with('#') {
                    &page
                } else {
                    &file
                };
                let text = fs::read_to_string(named).doing(format!("read {}", named.display()))?;
                if !headings(&text).contains(heading) {
                    faults.push(format!("{own} names {target}, which has no such heading"));
                }
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

/// What a page links to or shows, without other sites: files, with the heading after a `#` if one is named.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', ' ']).next()?;
        (!target.is_empty() && !target.contains("://")).then_some(target)
    })
}

/// The names by which links reach the headings of a page, as GitHub and mdBook make them.
fn headings(text: &str) -> HashSet<String> {
    let mut found = HashSet::new();
    let mut is_code = false;
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        let Some(title) = title
            .strip_prefix(' ')
            .filter(|_| title != line && !is_code)
        else {
            continue;
        };
        let kept = title.trim().chars().filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            _ => c.is_alphanumeric().then(|| c.to_ascii_lowercase()),
        });
        let name: String = kept.collect();
        let again = (1..).map(|n| format!("{name}-{n}"));
        let mut names = std::iter::once(name.clone()).chain(again);
        found.extend(names.find(|name| !found.contains(name)));
    }
    found
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
        write("docs/a.md", "# Part\n[part](#part)");
        let faults = check(root).unwrap();
        assert_eq!(faults, ["README.md names docs/b.png, which is not there"]);
        write("docs/b.png", "");
        assert!(check(root).unwrap().is_empty());
        write("docs/d.md", "");
        let faults = check(root).unwrap();
        assert_eq!(faults, ["docs/SUMMARY.md does not list d.md"]);
    }

    #[test]
    fn a_link_to_a_heading_that_is_not_there_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("docs")).unwrap();
        fs::create_dir_all(root.join("clients/web")).unwrap();
        let write = |file: &str, text: &str| fs::write(root.join(file), text).unwrap();
        for page in PAGES {
            write(page, "");
        }
        write(
            "README.md",
            "[a](docs/a.md#what-it-does-not-do) [b](docs/a.md#code)",
        );
        write("docs/SUMMARY.md", "- [A](a.md)");
        write(
            "docs/a.md",
            "# What it does *not* do\n```sh\n# Code\n```\n[c](#gone)",
        );
        assert_eq!(
            check(root).unwrap(),
            [
                "README.md names docs/a.md#code, which has no such heading",
                "docs/a.md names #gone, which has no such heading",
            ]
        );
        write(
            "docs/a.md",
            "# What it does not do\n## Code\n## `Gone`\n[c](#gone)",
        );
        assert!(check(root).unwrap().is_empty());
    }
}
