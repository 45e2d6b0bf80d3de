//! Which file of a crate needs which, by the names in it.
//!
//! A file needs another if it names something that the other defines. A path is followed through every
//! `pub use` on its way, so a module that only re-exports names needs nothing. `mod x;` does not count
//! either; if it did, no file could name its parent. But if a parent names something of its child, it
//! needs the child. Comments and tests do not count.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::graph::Graph;
use super::names::{Import, Names};
use crate::error::{Doing as _, Error};
use crate::source::Source;

/// How many re-exports a path is followed through.
const HANDED_ON: usize = 16;

/// The files of all crates in a `src` folder: the library, and each program.
pub(super) fn read(source: &Path) -> Result<Graph, Error> {
    let mut roots = vec![source.join("lib.rs"), source.join("main.rs")];
    let programs = source.join("bin");
    if programs.exists() {
        for entry in fs::read_dir(&programs).doing("list programs")? {
            let path = entry.doing("list programs")?.path();
            roots.push(if path.is_dir() {
                path.join("main.rs")
            } else {
                path
            });
        }
    }
    let mut graph = Graph::default();
    for root in roots.iter().filter(|root| root.exists()) {
        let mut crate_ = Crate::default();
        let folder = root.parent().unwrap_or(source);
        crate_.read(root, folder, Vec::new())?;
        crate_.edges(&mut graph);
    }
    Ok(graph)
}

/// Every module of a crate by its path, which is empty for the root.
#[derive(Default)]
struct Crate {
    modules: BTreeMap<Vec<String>, Module>,
}

struct Module {
    file: PathBuf,
    names: Names,
}

impl Crate {
    /// Reads a file, and those of its modules, which are in `folder`.
    fn read(&mut self, file: &Path, folder: &Path, path: Vec<String>) -> Result<(), Error> {
        let names = Names::read(&Source::read(file)?.tokens);
        self.add(file, folder, path, names)
    }

    fn add(
        &mut self,
        file: &Path,
        folder: &Path,
        path: Vec<String>,
        mut names: Names,
    ) -> Result<(), Error> {
        for child in &names.children {
            let inside = folder.join(child);
            let files = [folder.join(format!("{child}.rs")), inside.join("mod.rs")];
            // If it is elsewhere (`#[path]`), it belongs to another crate.
            if let Some(file) = files.iter().find(|file| file.exists()) {
                self.read(file, &inside, below(&path, child))?;
            }
        }
        for (name, names) in std::mem::take(&mut names.inline) {
            self.add(file, &folder.join(&name), below(&path, &name), names)?;
        }
        let file = file.to_owned();
        self.modules.insert(path, Module { file, names });
        Ok(())
    }

    fn edges(&self, graph: &mut Graph) {
        for (path, module) in &self.modules {
            let from = module.file.as_path();
            let mut add = |named: &[String], line: usize| {
                let found = self.absolute(path, named, 0);
                if let Some(to) = found.and_then(|found| self.file(&found, 0)) {
                    graph.add(from, to, line, named.join("::"));
                }
            };
            for (named, line) in &module.names.paths {
                add(named, *line);
            }
            for import in &module.names.imports {
                // If a name is re-exported, it is only needed if it is used here too.
                let line = if import.public {
                    module.names.words.get(&import.name).copied()
                } else {
                    Some(import.line)
                };
                if let Some(line) = line {
                    add(&import.path, line);
                }
            }
        }
    }

    /// A path from the root, or nothing if it leads out of the crate.
    fn absolute(&self, module: &[String], named: &[String], depth: usize) -> Option<Vec<String>> {
        let (first, rest) = named.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([module, rest].concat()),
            "super" => {
                let (_, parent) = module.split_last()?;
                let mut named = vec!["self".to_owned()];
                // `super::super::x`.
                if rest.first().is_some_and(|next| next == "super") {
                    named.clear();
                }
                named.extend_from_slice(rest);
                self.absolute(parent, &named, depth)
            }
            _ if self.modules.contains_key(&below(module, first)) => Some([module, named].concat()),
            // A name that was imported here.
            _ if depth < HANDED_ON => {
                let import = self.import(module, first)?;
                if import.path.first() == Some(first) {
                    return None;
                }
                let mut found = self.absolute(module, &import.path, depth + 1)?;
                found.extend_from_slice(rest);
                Some(found)
            }
            _ => None,
        }
    }

    fn import(&self, module: &[String], name: &str) -> Option<&Import> {
        let imports = &self.modules.get(module)?.names.imports;
        imports.iter().find(|import| import.name == name)
    }

    /// The file that defines what a path from the root names.
    fn file(&self, path: &[String], depth: usize) -> Option<&Path> {
        let length = (0..=path.len()).rev();
        let mut modules = length.filter_map(|length| {
            let (module, rest) = path.split_at(length);
            Some((module, self.modules.get(module)?, rest))
        });
        let (at, module, rest) = modules.next()?;
        let own = Some(module.file.as_path());
        let Some((name, after)) = rest.split_first() else {
            return own;
        };
        if module.names.definitions.contains(name) || depth == HANDED_ON {
            return own;
        }
        if let Some(import) = self.import(at, name) {
            let mut path = self.absolute(at, &import.path, depth)?;
            path.extend_from_slice(after);
            return self.file(&path, depth + 1);
        }
        let stars = module.names.imports.iter().filter(|i| i.name == "*");
        for star in stars {
            let (_, folder) = star.path.split_last()?;
            if let Some(folder) = self.absolute(at, folder, depth) {
                let defines = |module: &Module| {
                    let names = &module.names;
                    names.definitions.contains(name)
                        || names.imports.iter().any(|import| import.name == *name)
                };
                if self.modules.get(&folder).is_some_and(defines) {
                    return self.file(&[folder, rest.to_vec()].concat(), depth + 1);
                }
            }
        }
        own
    }
}

fn below(module: &[String], name: &str) -> Vec<String> {
    let mut path = module.to_vec();
    path.push(name.to_owned());
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of a made-up crate, each as the names of its files.
    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let file = folder.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let graph = read(folder.path()).unwrap();
        let short = |file: &&Path| {
            let file = file.strip_prefix(folder.path()).unwrap();
            file.display().to_string()
        };
        let circles = graph.circles();
        let sorted = circles.iter().map(|circle| {
            let mut files: Vec<_> = circle.iter().map(short).collect();
            files.sort();
            files.join(" ")
        });
        sorted.collect()
    }

    const LIB: (&str, &str) = ("lib.rs", "mod a;\nmod b;\npub use a::A;\npub use b::B;\n");

    #[test]
    fn a_circle_through_crate_is_found() {
        let a = ("a.rs", "use crate::b::B;\npub struct A(B);\n");
        let b = (
            "b.rs",
            "pub struct B;\nfn f() -> Option<crate::a::A> { None }\n",
        );
        assert_eq!(circles(&[LIB, a, b]), ["a.rs b.rs"]);
    }

    #[test]
    fn a_name_that_the_root_hands_on_leads_to_the_file_that_defines_it() {
        let a = ("a.rs", "use crate::B;\npub struct A(B);\n");
        let b = ("b.rs", "use crate::{A, other::X};\npub struct B;\n");
        assert_eq!(circles(&[LIB, a, b]), ["a.rs b.rs"]);
        let b = ("b.rs", "pub struct B;\n");
        assert!(circles(&[LIB, a, b]).is_empty());
    }

    #[test]
    fn a_circle_through_super_and_self_is_found() {
        let lib = ("lib.rs", "mod a;\n");
        let a = ("a.rs", "mod c;\npub struct A(self::c::C);\n");
        let c = ("a/c.rs", "use super::A;\npub struct C;\n");
        assert_eq!(circles(&[lib, a, c]), ["a.rs a/c.rs"]);
    }

    #[test]
    fn a_parent_that_declares_its_child_and_hands_its_name_on_does_not_need_it() {
        let lib = ("lib.rs", "mod a;\n");
        let a = ("a.rs", "mod c;\npub use c::C;\npub struct A;\n");
        let c = ("a/c.rs", "use super::A;\npub struct C;\n");
        assert!(circles(&[lib, a, c]).is_empty());
        let a = (
            "a.rs",
            "mod c;\npub use c::C;\npub struct A;\nfn f() -> C { C }\n",
        );
        assert_eq!(circles(&[lib, a, c]), ["a.rs a/c.rs"]);
    }

    #[test]
    fn a_circle_through_relative_names_and_modules_between_is_found() {
        let lib = ("lib.rs", "mod a;\nmod b;\n");
        let a = ("a.rs", "mod c;\nmod d;\n");
        let c = ("a/c.rs", "use super::d;\npub fn f() { d::g() }\n");
        let d = ("a/d.rs", "pub fn g() { super::super::b::h() }\n");
        let b = (
            "b.rs",
            "use crate::a::*;\npub fn h() { crate::a::c::f() }\n",
        );
        assert_eq!(circles(&[lib, a, c, d, b]), ["a/c.rs a/d.rs b.rs"]);
    }

    #[test]
    fn a_circle_through_a_macro_is_found() {
        let a = (
            "a.rs",
            "macro_rules! m { () => { $crate::b::f() } }\npub(crate) use m;\n",
        );
        let b = ("b.rs", "pub fn f() { crate::a::m!() }\n");
        assert_eq!(circles(&[LIB, a, b]), ["a.rs b.rs"]);
    }

    #[test]
    fn comments_and_tests_and_other_crates_count_nothing() {
        let a = (
            "a.rs",
            "// crate::b::B\n/// [`crate::b::B`]\npub struct A;\nfn f() { x::b::c() }\n\
             #[cfg(test)]\nmod tests { use crate::b::B; }\n",
        );
        let b = ("b.rs", "pub struct B(crate::a::A);\n");
        assert!(circles(&[LIB, a, b]).is_empty());
    }

    #[test]
    fn each_program_is_a_crate_of_its_own() {
        let main = ("main.rs", "mod c;\npub struct M;\nfn main() { c::f() }\n");
        let c = ("c.rs", "pub fn f() -> crate::M { crate::M }\n");
        assert_eq!(
            circles(&[LIB, main, c, ("a.rs", ""), ("b.rs", "")]),
            ["c.rs main.rs"]
        );
        let program = ("bin/p/main.rs", "mod q;\nstruct P;\nfn main() { q::f() }\n");
        let q = ("bin/p/q.rs", "pub fn f() { crate::P; }\n");
        assert_eq!(circles(&[program, q]), ["bin/p/main.rs bin/p/q.rs"]);
    }
}
