//! `docs/dependencies.md`: one line for each package that one of ours names itself, and no line without such a package.
//! A line begins with `- ` or `| ` and the package's name in backticks.

use super::finding::Finding;
use super::metadata::Metadata;
use std::collections::{BTreeMap, BTreeSet};

const DOCUMENT: &str = "docs/dependencies.md";

pub(super) fn check(metadata: &Metadata, other: &[(String, String)]) -> Vec<Finding> {
    let text = other
        .iter()
        .find(|(path, _)| path == DOCUMENT)
        .map_or("", |(_, text)| text);
    let told = lines(text);
    let mut wanted: BTreeMap<&str, &str> = BTreeMap::new();
    for ours in &metadata.ours {
        for dependency in ours.dependencies.iter().filter(|dependency| !dependency.local) {
            wanted.entry(&dependency.name).or_insert(&ours.manifest);
        }
    }
    let silent = wanted
        .iter()
        .filter(|(name, _)| !told.contains_key(**name))
        .map(|(name, manifest)| {
            let what = format!("{name} ({manifest}) has no line");
            Finding::new(
                "dependencies",
                DOCUMENT,
                1,
                what,
                "say what it does for us and why not without it",
            )
        });
    let known: BTreeSet<&str> = wanted.keys().copied().collect();
    let idle = told
        .iter()
        .filter(|(name, _)| !known.contains(name.as_str()))
        .map(|(name, line)| {
            let what = format!("nothing here depends on {name} directly");
            Finding::new("dependencies", DOCUMENT, *line, what, "remove the line")
        });
    silent.chain(idle).collect()
}

/// Package names with their lines.
fn lines(text: &str) -> BTreeMap<String, usize> {
    let name = |line: &str| {
        let rest = line.strip_prefix("- `").or_else(|| line.strip_prefix("| `"))?;
        rest.split_once('`').map(|(name, _)| name.to_owned())
    };
    text.lines()
        .enumerate()
        .filter_map(|(at, line)| name(line).map(|name| (name, at + 1)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::metadata::{Dependency, Ours};
    use super::*;

    fn judge(document: &str) -> Vec<usize> {
        let edge = |name: &str, local| Dependency {
            name: name.to_owned(),
            normal: true,
            local,
        };
        let dependencies = vec![edge("mio", false), edge("burgee-core", true)];
        let ours = Ours {
            name: "burgee-broker".to_owned(),
            manifest: "x/Cargo.toml".to_owned(),
            dependencies,
        };
        let metadata = Metadata {
            ours: vec![ours],
            external: Vec::new(),
        };
        let other = [(DOCUMENT.to_owned(), document.to_owned())];
        check(&metadata, &other).into_iter().map(|it| it.line).collect()
    }

    #[test]
    fn every_dependency_with_its_line_passes() {
        assert_eq!(judge("# Packages\n\n| `mio` | readiness |\n"), Vec::<usize>::new());
        assert_eq!(judge("- `mio`: readiness\n"), Vec::<usize>::new());
    }

    #[test]
    fn a_missing_and_an_idle_line_are_found() {
        assert_eq!(judge("# Packages\n"), [1]);
        assert_eq!(judge("- `mio`: readiness\n- `tokio`: tasks\n"), [2]);
    }
}
