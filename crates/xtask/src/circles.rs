//! Circles of files: if one file needs another, the other must not need it back, directly or through
//! others. So each file can be read with nothing but the files that it needs.

mod graph;
mod names;
mod rust;
mod typescript;

use std::path::Path;

use self::graph::Graph;
use crate::error::Error;
use crate::proofs;
use crate::workspace::Workspace;

/// The folders and files of `token-core/src`: each may need itself and those before it.
const CORE: [&str; 8] = [
    "jose", "types", "keys", "binding", "access", "foreign", "session", "adoption",
];

/// Every circle in a crate, an example or the web client, and every file of `token-core` that needs
/// a folder above its own.
pub(crate) fn faults(workspace: &Workspace) -> Result<Vec<String>, Error> {
    let root = &workspace.root;
    let mut faults = Vec::new();
    for package in &workspace.packages {
        let source = package.folder.join("src");
        let graph = rust::read(&source)?;
        faults.extend(graph.describe_circles(root));
        if package.name == "token-core" {
            faults.extend(direction(&graph, &source, &CORE));
        }
    }
    for folder in proofs::folders(workspace) {
        faults.extend(rust::read(&folder.join("src"))?.describe_circles(root));
    }
    let client = root.join("clients/web/src");
    if client.exists() {
        faults.extend(typescript::read(&client)?.describe_circles(root));
    }
    Ok(faults)
}

/// Every file that needs one of a folder that comes after its own.
fn direction(graph: &Graph, source: &Path, order: &[&str]) -> Vec<String> {
    let rank = |file: &Path| {
        let first = file.strip_prefix(source).ok()?.components().next()?;
        let first = Path::new(first.as_os_str())
            .file_stem()?
            .to_str()?
            .to_owned();
        Some((order.iter().position(|name| *name == first)?, first))
    };
    let mut faults = Vec::new();
    for (from, edges) in &graph.edges {
        for (to, place) in edges {
            if let (Some((own, folder)), Some((other, above))) = (rank(from), rank(to))
                && own < other
            {
                faults.push(format!(
                    "{}:{} names {}: `{folder}` must not need `{above}` (the order is {})",
                    from.display(),
                    place.line,
                    place.name,
                    order.join(", ")
                ));
            }
        }
    }
    faults
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
    fn a_folder_that_needs_one_above_it_is_a_fault() {
        let order = ["jose", "types", "schedule"];
        let graph = graph(&[
            ("s/types/id.rs", "s/jose/json.rs"),
            ("s/schedule.rs", "s/types/id.rs"),
            ("s/jose/json.rs", "s/schedule.rs"),
            ("s/lib.rs", "s/jose/json.rs"),
        ]);
        let faults = direction(&graph, Path::new("s"), &order);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(
            faults[0].contains("`jose` must not need `schedule`"),
            "{faults:?}"
        );
    }
}
