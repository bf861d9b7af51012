//! What cargo knows about the packages, reduced to what the checks ask. The fuzz targets are a workspace of their own, so
//! cargo is asked once more for them.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// All packages, ours and others'.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    /// The members of our workspaces.
    pub(super) ours: Vec<Ours>,
    pub(super) external: Vec<External>,
}

/// A package of this repository.
#[derive(Debug)]
pub(super) struct Ours {
    pub(super) name: String,
    /// Path of its manifest from the root.
    pub(super) manifest: String,
    pub(super) dependencies: Vec<Dependency>,
}

/// An edge as the manifest declares it.
#[derive(Debug)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// Neither for tests nor for build scripts.
    pub(super) normal: bool,
    /// Lies in this repository.
    pub(super) local: bool,
}

/// A package of somebody else.
#[derive(Debug)]
pub(super) struct External {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: Option<String>,
    pub(super) source: String,
}

impl Metadata {
    /// Asks cargo.
    pub(super) fn ask(root: &Path) -> Result<Self, String> {
        let mut all = Self::default();
        for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
            if root.join(manifest).is_file() {
                all.add(&run(root, manifest)?, root);
            }
        }
        all.ours.sort_by(|a, b| a.manifest.cmp(&b.manifest));
        all.ours.dedup_by(|a, b| a.manifest == b.manifest);
        all.external
            .sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        all.external
            .dedup_by(|a, b| (&a.name, &a.version) == (&b.name, &b.version));
        Ok(all)
    }

    fn add(&mut self, answer: &Value, root: &Path) {
        for package in list(answer, "packages") {
            let (name, source) = (text(package, "name"), text(package, "source"));
            if source.is_empty() {
                let manifest = text(package, "manifest_path");
                let manifest = Path::new(&manifest).strip_prefix(root).unwrap_or(Path::new(&manifest));
                let manifest = manifest.to_string_lossy().into_owned();
                let dependencies = list(package, "dependencies").iter().map(dependency).collect();
                self.ours.push(Ours {
                    name,
                    manifest,
                    dependencies,
                });
            } else {
                let license = package.get("license").and_then(Value::as_str).map(str::to_owned);
                self.external.push(External {
                    name,
                    version: text(package, "version"),
                    license,
                    source,
                });
            }
        }
    }
}

fn dependency(declared: &Value) -> Dependency {
    Dependency {
        name: text(declared, "name"),
        normal: declared.get("kind").is_none_or(Value::is_null),
        local: declared.get("source").is_none_or(Value::is_null),
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn run(root: &Path, manifest: &str) -> Result<Value, String> {
    let output = Command::new(super::cargo_program())
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--manifest-path",
            manifest,
        ])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo metadata could not be started: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo metadata for {manifest}: {}", why.trim()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata for {manifest}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_and_theirs_are_told_apart() {
        let answer = serde_json::json!({ "packages": [
            { "name": "burgee-core", "manifest_path": "/r/crates/burgee-core/Cargo.toml", "source": null, "dependencies": [
                { "name": "burgee-codec", "kind": null, "source": null },
                { "name": "proptest", "kind": "dev", "source": "registry+x" } ] },
            { "name": "bytes", "version": "1.0.0", "license": "MIT", "source": "registry+x", "dependencies": [] } ] });
        let mut all = Metadata::default();
        all.add(&answer, Path::new("/r"));
        let core = all.ours.first().unwrap();
        assert_eq!(core.manifest, "crates/burgee-core/Cargo.toml");
        let edges: Vec<(bool, bool)> = core.dependencies.iter().map(|edge| (edge.normal, edge.local)).collect();
        assert_eq!(edges, vec![(true, true), (false, false)]);
        assert_eq!(
            all.external.first().and_then(|other| other.license.as_deref()),
            Some("MIT")
        );
    }
}
