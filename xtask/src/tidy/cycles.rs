//! Module cycles: within a crate, whoever reads module `a` to understand `b` must not need `b` to understand `a`.
//! What is checked: in each folder of modules (the crate's root is one), the modules side by side, each together with all
//! that lies below it. An edge is a path in code that is no test, written with `crate::`, `super::`, `self::` or the name of
//! a child. A re-export is looked through: who takes `crate::Frame` depends on the module that defines it, and the file
//! that only re-exports depends on nothing by that.
//! Some neighbours may not see each other at all, in neither direction: the walls.
//! Deliberately not checked: a parent naming its children and children naming their parent. A folder's own file is its
//! face, and shares types with its rooms.

use super::finding::Finding;
use super::paths::{self, Named};
use super::source::Source;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Modules at a crate's root that may not name each other: a session outlives its connection.
const WALLS: &[(&str, &str, &str)] = &[("crates/burgee-protocol", "connection", "session")];

/// A module's address from the crate's root.
type Address = Vec<String>;

struct Module<'a> {
    source: &'a Source,
    named: Vec<Named>,
    defines: Vec<String>,
}

type Tree<'a> = BTreeMap<Address, Module<'a>>;

/// Where one module names another: the first such place.
type Edges = BTreeMap<(Address, String), BTreeMap<String, (String, usize)>>;

pub(super) fn check(rust: &[Source]) -> Vec<Finding> {
    let folders: BTreeSet<&str> = rust.iter().filter_map(Source::crate_folder).collect();
    let of_crate = |folder: &&str| {
        let sources = rust.iter().filter(|source| source.crate_folder() == Some(folder));
        let edges = edges(&tree(sources));
        let mut findings = report(&edges);
        findings.extend(through_walls(folder, &edges));
        findings
    };
    folders.iter().flat_map(of_crate).collect()
}

fn tree<'a>(sources: impl Iterator<Item = &'a Source>) -> Tree<'a> {
    let module = |source: &'a Source| {
        let (_, inner) = source.path.split_once("/src/")?;
        let mut address: Address = inner.strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
        let face = address.last().is_some_and(|last| last == "mod");
        if face || (address.len() == 1 && matches!(inner, "lib.rs" | "main.rs")) {
            address.pop();
        }
        Some((
            address,
            Module {
                source,
                named: paths::paths(source),
                defines: paths::defines(source),
            },
        ))
    };
    let mut tree = Tree::new();
    for (address, module) in sources.filter_map(module) {
        // A binary beside a library has no modules of its own here; the library is the crate's face.
        if !address.is_empty() || module.source.path.ends_with("lib.rs") || !tree.contains_key(&address) {
            tree.insert(address, module);
        }
    }
    tree
}

fn edges(tree: &Tree<'_>) -> Edges {
    let mut edges = Edges::new();
    for (from, module) in tree {
        for named in &module.named {
            let Some(to) = resolve(tree, from, named, 0) else {
                continue;
            };
            let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            let (Some(a), Some(b)) = (from.get(shared), to.get(shared)) else {
                continue;
            };
            let folder = from.get(..shared).unwrap_or_default().to_vec();
            let place = (module.source.path.clone(), named.line);
            edges
                .entry((folder, a.clone()))
                .or_default()
                .entry(b.clone())
                .or_insert(place);
        }
    }
    edges
}

/// The module that a path leads to; `None` for a path out of the crate.
fn resolve(tree: &Tree<'_>, from: &Address, named: &Named, depth: usize) -> Option<Address> {
    let mut here = from.clone();
    here.extend(named.inside.iter().cloned());
    let mut rest = named.words.as_slice();
    let mut anchored = false;
    while let Some((word, tail)) = rest.split_first() {
        match word.as_str() {
            "crate" => here.clear(),
            "super" => {
                here.pop()?;
            }
            "self" => {}
            _ => break,
        }
        (rest, anchored) = (tail, true);
    }
    if !anchored {
        // Without an anchor only a child of this very module is meant; everything else comes by a `use` of its own.
        here.push(rest.first()?.clone());
        if !tree.contains_key(&here) {
            return None;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    Some(walk(tree, here, rest, depth))
}

/// Goes down as far as there are modules, then through the re-exports of where it stands.
fn walk(tree: &Tree<'_>, mut here: Address, words: &[String], depth: usize) -> Address {
    let mut rest = words;
    while let Some((word, tail)) = rest.split_first() {
        here.push(word.clone());
        if !tree.contains_key(&here) {
            here.pop();
            break;
        }
        rest = tail;
    }
    // Inline modules are part of the file that holds them.
    while !here.is_empty() && !tree.contains_key(&here) {
        here.pop();
    }
    let (Some(name), Some(module)) = (rest.first(), tree.get(&here)) else {
        return here;
    };
    let enough = depth > 8 || module.defines.contains(name);
    let leads = |named: &&Named| match named.known_as.as_deref() {
        Some("*") => {
            let target = resolve(tree, &here, named, depth + 1).and_then(|at| tree.get(&at));
            target.is_some_and(|target| target.defines.contains(name))
        }
        known => known == Some(name.as_str()),
    };
    let through = if enough { None } else { module.named.iter().find(leads) };
    through
        .and_then(|named| resolve(tree, &here, named, depth + 1))
        .unwrap_or(here)
}

fn through_walls(folder: &str, edges: &Edges) -> Vec<Finding> {
    let way_out = "hand the fact over one level higher, where both are known";
    let hole = |from: &str, to: &str| {
        let (path, line) = edges.get(&(Address::new(), from.to_owned()))?.get(to)?;
        Some(Finding::new(
            "cycles",
            path,
            *line,
            format!("{from} names {to} through a wall"),
            way_out,
        ))
    };
    let walls = WALLS.iter().filter(|(walled, ..)| *walled == folder);
    walls.flat_map(|(_, a, b)| [hole(a, b), hole(b, a)]).flatten().collect()
}

fn report(edges: &Edges) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut told: BTreeSet<(Address, String)> = BTreeSet::new();
    for (folder, name) in edges.keys() {
        if told.contains(&(folder.clone(), name.clone())) {
            continue;
        }
        let Some(way) = way_back(edges, folder, name) else {
            continue;
        };
        let mut words = Vec::new();
        let mut first = None;
        for (a, b) in way.iter().zip(way.iter().cycle().skip(1)) {
            told.insert((folder.clone(), a.clone()));
            let place = edges
                .get(&(folder.clone(), a.clone()))
                .and_then(|targets| targets.get(b));
            if let Some((path, line)) = place {
                words.push(format!("{a} names {b} ({path}:{line})"));
                first.get_or_insert((path.clone(), *line));
            }
        }
        let (path, line) = first.unwrap_or_default();
        let what = format!("modules form a cycle: {}", words.join(", "));
        let way_out = "move what both need into a module below both, or hand it in as an argument";
        findings.push(Finding::new("cycles", &path, line, what, way_out));
    }
    findings
}

/// The shortest way from a module back to itself.
fn way_back(edges: &Edges, folder: &Address, start: &String) -> Option<Vec<String>> {
    let mut came: BTreeMap<String, String> = BTreeMap::new();
    let mut queue = VecDeque::from([start.clone()]);
    while let Some(at) = queue.pop_front() {
        for next in edges
            .get(&(folder.clone(), at.clone()))
            .into_iter()
            .flat_map(BTreeMap::keys)
        {
            if next == start {
                let mut way = vec![at.clone()];
                while let Some(before) = way.last().and_then(|last| came.get(last)).cloned() {
                    way.push(before);
                }
                way.reverse();
                return Some(way);
            }
            if !came.contains_key(next) {
                came.insert(next.clone(), at.clone());
                queue.push_back(next.clone());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::new(&format!("crates/x/src/{path}"), text))
            .collect();
        check(&sources).into_iter().map(|it| it.what).collect()
    }

    #[test]
    fn one_direction_is_no_cycle() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "pub struct B;"),
        ];
        assert_eq!(judge(&files), Vec::<String>::new());
    }

    #[test]
    fn two_neighbours_that_name_each_other_are_found_with_both_places() {
        let files = [
            ("a.rs", "use crate::b::B;\npub struct A;"),
            ("b.rs", "\nfn b(a: super::a::A) {}"),
        ];
        let found = judge(&files);
        assert_eq!(found.len(), 1);
        let what = found.first().unwrap();
        assert!(what.contains("a.rs:1") && what.contains("b.rs:2"), "{what}");
    }

    #[test]
    fn a_longer_cycle_through_grandchildren_is_found() {
        let files = [
            ("a.rs", "mod deep;"),
            ("a/deep.rs", "use crate::b::B;"),
            ("b.rs", "use crate::c::C;"),
            ("c.rs", "use crate::a::A;"),
        ];
        assert_eq!(judge(&files).len(), 1);
    }

    #[test]
    fn a_cycle_hidden_behind_re_exports_is_found() {
        let plain = [
            ("lib.rs", "mod a; mod b; pub use a::A; pub use b::*;"),
            ("a.rs", "use crate::B; pub struct A;"),
            ("b.rs", "use crate::A; pub struct B;"),
        ];
        assert_eq!(judge(&plain).len(), 1);
    }

    #[test]
    fn a_parent_and_its_children_may_name_each_other_but_children_may_not_in_a_circle() {
        let family = [
            ("a.rs", "mod b; mod c; use b::B; pub struct A;"),
            ("a/b.rs", "use super::A; pub struct B;"),
        ];
        assert_eq!(judge(&family), Vec::<String>::new());
        let circle = [
            ("a.rs", "mod b; mod c;"),
            ("a/b.rs", "use super::c::C;"),
            ("a/c.rs", "use super::b::B;"),
        ];
        assert_eq!(judge(&circle).len(), 1);
    }

    #[test]
    fn a_wall_has_no_door_in_either_direction() {
        let file = |path: &str, text| Source::new(&format!("crates/burgee-protocol/src/{path}"), text);
        assert_eq!(
            check(&[
                file("connection.rs", "use crate::session::S;"),
                file("session.rs", "struct S;")
            ])
            .len(),
            1
        );
        assert_eq!(
            check(&[
                file("connection.rs", "struct C;"),
                file("session.rs", "use crate::connection::C;")
            ])
            .len(),
            1
        );
        assert_eq!(
            check(&[
                file("connection.rs", "use crate::time::T;"),
                file("time.rs", "struct T;")
            ]),
            []
        );
    }

    #[test]
    fn tests_do_not_count() {
        let files = [
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "#[cfg(test)]\nmod tests {\n use crate::a::A;\n}"),
        ];
        assert_eq!(judge(&files), Vec::<String>::new());
    }
}
