//! Which file of the web client needs which, by its imports.

use std::fs;
use std::path::{Path, PathBuf};

use super::graph::Graph;
use crate::error::{Doing as _, Error};
use crate::source;

/// The TypeScript files of a folder. An import of types counts like any other, because the
/// reader of a file has to read the types too.
pub(super) fn read(folder: &Path) -> Result<Graph, Error> {
    let mut graph = Graph::default();
    let folder = &fs::canonicalize(folder).doing(format!("find {}", folder.display()))?;
    for file in source::files(folder, "ts")? {
        let text = fs::read_to_string(&file).doing(format!("read {}", file.display()))?;
        for (name, line) in imports(&text) {
            let own = file.parent().unwrap_or(folder);
            if let Some(to) = target(own, name) {
                graph.add(&file, &to, line, name.to_owned());
            }
        }
    }
    Ok(graph)
}

/// The relative names that a text imports from, with their lines.
fn imports(text: &str) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    let mut comment = false;
    for (number, line) in text.lines().enumerate() {
        let start = line.trim_start();
        comment |= start.starts_with("/*");
        if comment || start.starts_with("//") {
            comment &= !line.contains("*/");
            continue;
        }
        for before in ["from ", "import ", "import("] {
            for rest in line.split(before).skip(1) {
                let quoted = rest.strip_prefix(['"', '\'']);
                let name = quoted.and_then(|rest| rest.split(['"', '\'']).next());
                found.extend(
                    name.filter(|name| name.starts_with('.'))
                        .map(|n| (n, number + 1)),
                );
            }
        }
    }
    found
}

/// The file that a name refers to: TypeScript is imported as `./x.ts`, as the `./x.js` that it
/// becomes, or as `./x`.
fn target(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = folder.join(name);
    let path = [
        path.clone(),
        path.with_extension("ts"),
        path.with_added_extension("ts"),
    ]
    .into_iter()
    .find(|path| path.is_file())?;
    fs::canonicalize(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_import_is_read() {
        let text = "\
import { a } from \"./a.ts\";
import type { B } from './b';
import \"./c.js\";
import {
  d,
} from \"../d\";
export * from \"./e.ts\";
const f = await import(\"./f.ts\");
import node from \"node:fs\";
// import x from \"./x.ts\";
/* import x from \"./x.ts\";
import x from \"./x.ts\"; */
";
        let names: Vec<_> = imports(text).into_iter().map(|(name, _)| name).collect();
        let expected = ["./a.ts", "./b", "./c.js", "../d", "./e.ts", "./f.ts"];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_circle_of_imports_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(folder.path()).unwrap();
        let write = |file: &str, text: &str| fs::write(folder.join(file), text).unwrap();
        write("a.ts", "import { b } from \"./b.js\";");
        write("b.ts", "import type { C } from \"./c\";");
        write("c.ts", "");
        assert!(read(&folder).unwrap().circles().is_empty());
        write("c.ts", "export { a } from \"./a.ts\";");
        assert_eq!(read(&folder).unwrap().circles()[0].len(), 3);
    }
}
