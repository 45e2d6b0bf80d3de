//! Files, and which of them need which.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Which file needs which, with the first line that names something of the other.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) edges: BTreeMap<PathBuf, BTreeMap<PathBuf, Place>>,
}

/// The line that names something of another file, and the name.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) name: String,
}

impl Graph {
    /// Records that a file needs another. Nothing happens if they are the same.
    pub(super) fn add(&mut self, from: &Path, to: &Path, line: usize, name: String) {
        if from != to {
            let edges = self.edges.entry(from.to_owned()).or_default();
            edges.entry(to.to_owned()).or_insert(Place { line, name });
        }
    }

    /// The files that a file needs, directly or through others.
    fn below<'a>(&'a self, file: &'a Path) -> BTreeSet<&'a Path> {
        let (mut found, mut open) = (BTreeSet::new(), vec![file]);
        while let Some(file) = open.pop() {
            for next in self.edges.get(file).into_iter().flat_map(BTreeMap::keys) {
                if found.insert(next.as_path()) {
                    open.push(next);
                }
            }
        }
        found
    }

    /// Every circle: all files of it, each of which needs all others.
    pub(super) fn circles(&self) -> Vec<BTreeSet<&Path>> {
        let below: BTreeMap<&Path, BTreeSet<&Path>> = self
            .edges
            .keys()
            .map(|file| (file.as_path(), self.below(file)))
            .collect();
        let mut circles: Vec<BTreeSet<&Path>> = Vec::new();
        for (file, needed) in &below {
            let known = circles.iter().any(|circle| circle.contains(file));
            if needed.contains(file) && !known {
                let back = |other: &&&Path| below.get(**other).is_some_and(|n| n.contains(file));
                circles.push(needed.iter().filter(back).copied().collect());
            }
        }
        circles
    }

    /// Every circle as a text, with paths relative to `root`.
    pub(super) fn describe_circles(&self, root: &Path) -> Vec<String> {
        let circles = self.circles();
        circles
            .iter()
            .map(|circle| self.describe(circle, root))
            .collect()
    }

    /// A circle as a text: its files, and the lines that close it.
    fn describe(&self, circle: &BTreeSet<&Path>, root: &Path) -> String {
        let short = |path: &Path| {
            path.strip_prefix(root)
                .unwrap_or(path)
                .display()
                .to_string()
        };
        let mut text = format!("{} files need each other:", circle.len());
        for file in circle {
            for (to, place) in self.edges.get(*file).into_iter().flatten() {
                if circle.contains(to.as_path()) {
                    let _ = write!(
                        text,
                        "\n    {}:{} names {}, which is in {}",
                        short(file),
                        place.line,
                        place.name,
                        short(to)
                    );
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::default();
        for (from, to) in edges {
            graph.add(Path::new(from), Path::new(to), 7, "crate::x".to_owned());
        }
        graph
    }

    #[test]
    fn two_files_that_need_each_other_are_a_circle() {
        let graph = graph(&[("a", "b"), ("b", "a"), ("c", "a")]);
        let circles = graph.circles();
        assert_eq!(circles.len(), 1);
        assert_eq!(circles[0], BTreeSet::from([Path::new("a"), Path::new("b")]));
        let text = graph.describe(&circles[0], Path::new(""));
        assert!(text.contains("a:7 names crate::x, which is in b"), "{text}");
        assert!(!text.contains("c:7"), "{text}");
    }

    #[test]
    fn a_circle_through_other_files_is_found_and_a_diamond_is_none() {
        assert_eq!(
            graph(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")]).circles()[0].len(),
            4
        );
        assert!(
            graph(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])
                .circles()
                .is_empty()
        );
    }

    #[test]
    fn circles_that_do_not_meet_are_told_apart() {
        let graph = graph(&[("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "c")]);
        assert_eq!(graph.circles().len(), 2);
    }
}
