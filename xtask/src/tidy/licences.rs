//! Licences and sources: whoever builds burgee may ship it, and everything comes from the public registry.

use super::finding::Finding;
use super::metadata::{External, Metadata};

/// Licences that ask for no more than a notice.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Where the lock files of other languages may point.
const PUBLIC: &[&str] = &["https://registry.npmjs.org/", "https://files.pythonhosted.org/"];

pub(super) fn check(metadata: &Metadata, other: &[(String, String)]) -> Vec<Finding> {
    let packages = metadata.external.iter().flat_map(of_package);
    let locks = other.iter().filter(|(path, _)| path.ends_with("package-lock.json"));
    packages
        .chain(locks.flat_map(|(path, text)| of_lock(path, text)))
        .collect()
}

fn of_package(package: &External) -> Vec<Finding> {
    let External {
        name,
        version,
        license,
        source,
    } = package;
    let mut findings = Vec::new();
    let license = license.as_deref().unwrap_or_default();
    if !permits(license) {
        let what = format!("{name} {version} is licensed as `{license}`");
        let way_out = "do without it; `cargo tree --workspace --invert` says who brings it";
        findings.push(Finding::new("licences", "Cargo.lock", 1, what, way_out));
    }
    if source != REGISTRY {
        let what = format!("{name} {version} comes from `{source}`");
        findings.push(Finding::new(
            "licences",
            "Cargo.lock",
            1,
            what,
            "take a release from the public registry",
        ));
    }
    findings
}

fn of_lock(path: &str, text: &str) -> Vec<Finding> {
    let foreign = |line: &str| {
        let (_, url) = line.split_once("\"resolved\":")?;
        let url = url.trim().trim_matches([',', '"']);
        (!PUBLIC.iter().any(|host| url.starts_with(host))).then(|| url.to_owned())
    };
    let lines = text
        .lines()
        .enumerate()
        .filter_map(|(at, line)| foreign(line).map(|url| (at + 1, url)));
    let way_out = "resolve it against the public registry, or leave `resolved` out of the lock file";
    lines
        .map(|(line, url)| Finding::new("licences", path, line, format!("resolved at {url}"), way_out))
        .collect()
}

/// Whether an SPDX expression leaves a choice that is permissive throughout.
fn permits(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let good = either(&mut rest);
    good && rest.is_empty()
}

fn either(rest: &mut &[&str]) -> bool {
    let mut good = both(rest);
    while rest.first() == Some(&"OR") {
        *rest = rest.get(1..).unwrap_or_default();
        good |= both(rest);
    }
    good
}

fn both(rest: &mut &[&str]) -> bool {
    let mut good = one(rest);
    while rest.first() == Some(&"AND") {
        *rest = rest.get(1..).unwrap_or_default();
        good &= one(rest);
    }
    good
}

fn one(rest: &mut &[&str]) -> bool {
    let Some((word, tail)) = rest.split_first() else {
        return false;
    };
    *rest = tail;
    if *word == "(" {
        let good = either(rest);
        let closed = rest.first() == Some(&")");
        *rest = rest.get(1..).unwrap_or_default();
        return good && closed;
    }
    if let ["WITH", exception, tail @ ..] = *rest {
        let whole = format!("{word} WITH {exception}");
        *rest = tail;
        return PERMISSIVE.contains(&whole.as_str());
    }
    PERMISSIVE.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissive_choices_pass() {
        let good = [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "Unlicense OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
            "GPL-3.0-only OR MIT",
        ];
        for expression in good {
            assert!(permits(expression), "{expression}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for expression in [
            "",
            "GPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "MPL-2.0",
            "(MIT",
            "GPL-2.0 WITH x",
            "MIT MIT",
        ] {
            assert!(!permits(expression), "{expression}");
        }
    }

    #[test]
    fn a_package_from_elsewhere_is_found() {
        let package = |source: &str| External {
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
            license: Some("MIT".to_owned()),
            source: source.to_owned(),
        };
        assert_eq!(of_package(&package(REGISTRY)), []);
        assert_eq!(of_package(&package("git+https://example.org/a")).len(), 1);
    }

    #[test]
    fn a_lock_file_that_points_to_a_private_mirror_is_found() {
        let lock = |url: &str| format!("{{\n \"resolved\": \"{url}\",\n}}");
        assert_eq!(
            of_lock(
                "package-lock.json",
                &lock("https://registry.npmjs.org/mqtt/-/mqtt-5.0.0.tgz")
            ),
            []
        );
        assert_eq!(
            of_lock("package-lock.json", &lock("http://mirror.example/mqtt.tgz")).len(),
            1
        );
    }
}
