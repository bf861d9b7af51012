//! Layers: a crate depends only on layers below its own. Dependencies for tests and build scripts are free.
//! What must hold: a crate that is not in the table is refused, so nobody joins the house without a room.

use super::finding::Finding;
use super::metadata::{Dependency, Metadata, Ours};

/// Crate and layer. The settings stand on the shell, and the binary on both, hence storeys of their own.
const LAYERS: &[(&str, u8)] = &[
    ("burgee-codec", 0),
    ("burgee-access", 1),
    ("burgee-protocol", 1),
    ("burgee-router", 1),
    ("burgee-store", 1),
    ("burgee-core", 2),
    ("burgee-store-sqlite", 3),
    ("burgee-cluster", 3),
    ("burgee-auth", 3),
    ("burgee-admin", 3),
    ("burgee-client", 3),
    ("burgee-load", 3),
    ("burgee-mosquitto", 3),
    ("burgee-slice", 3),
    ("burgee-broker", 4),
    ("burgee-config", 5),
    ("burgee", 6),
];

/// Crates that stand beside the house: nobody may depend on them. With the highest layer that each may use.
const BESIDE: &[(&str, u8)] = &[
    ("burgee-sim", 3),
    ("burgee-faulty-disk", 0),
    ("burgee-conformance", 6),
    ("burgee-benches", 4),
    ("burgee-floor", 0),
    ("burgee-compare", 0),
    ("burgee-bench-durable", 3),
    ("burgee-fuzz", 4),
    ("xtask", 0),
];

/// What layers 0 to 2 may take from outside. Each is pure computation.
const PURE: &[&str] = &["ahash", "bytes", "hashbrown", "memchr", "smallvec"];

/// The highest layer that has to be pure.
pub(super) const PURE_UP_TO: u8 = 2;

/// The client is built from the two crates that both ends share, and from nothing of the broker's.
const CLIENT_MAY_USE: &[&str] = &["burgee-codec", "burgee-protocol"];

/// The layer of a crate of the house.
pub(super) fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer)
}

pub(super) fn check(metadata: &Metadata) -> Vec<Finding> {
    metadata.ours.iter().flat_map(of_crate).collect()
}

fn of_crate(ours: &Ours) -> Vec<Finding> {
    let beside = BESIDE
        .iter()
        .find(|(known, _)| *known == ours.name)
        .map(|(_, highest)| *highest);
    let finding = |what: String, way_out: &str| Finding::new("layers", &ours.manifest, 1, what, way_out);
    let Some(below) = layer(&ours.name).or(beside.map(|highest| highest + 1)) else {
        let what = format!("crate {} stands in no layer", ours.name);
        return vec![finding(
            what,
            "give it a room in LAYERS or BESIDE of xtask/src/tidy/layers.rs",
        )];
    };
    let mut findings = Vec::new();
    for Dependency { name, local, .. } in ours.dependencies.iter().filter(|edge| edge.normal) {
        if !local {
            if beside.is_none() && below <= PURE_UP_TO && !PURE.contains(&name.as_str()) {
                let what = format!("{} (layer {below}) takes {name} from outside", ours.name);
                findings.push(finding(
                    what,
                    "do it above layer 2 and hand the result in, or without the dependency",
                ));
            }
            continue;
        }
        match layer(name) {
            Some(theirs) if theirs >= below => {
                let what = format!(
                    "{} depends on {name}, which is not below it (layer {theirs})",
                    ours.name
                );
                findings.push(finding(
                    what,
                    "turn the dependency round, or move what both need further down",
                ));
            }
            Some(_) if ours.name == "burgee-client" && !CLIENT_MAY_USE.contains(&name.as_str()) => {
                let what = format!("burgee-client depends on {name}");
                findings.push(finding(what, "the client uses burgee-codec and burgee-protocol only"));
            }
            Some(_) => {}
            None => {
                let what = format!("{} depends on {name}, which stands beside the house", ours.name);
                findings.push(finding(what, "only dev-dependencies may point there"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(name: &str, dependencies: &[(&str, bool, bool)]) -> Vec<String> {
        let dependencies = dependencies
            .iter()
            .map(|&(name, normal, local)| Dependency {
                name: name.to_owned(),
                normal,
                local,
            })
            .collect();
        let ours = Ours {
            name: name.to_owned(),
            manifest: "Cargo.toml".to_owned(),
            dependencies,
        };
        of_crate(&ours).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn downwards_is_allowed() {
        let edges = [
            ("burgee-codec", true, true),
            ("burgee-router", true, true),
            ("hashbrown", true, false),
        ];
        assert_eq!(judge("burgee-core", &edges), Vec::<String>::new());
        assert_eq!(
            judge("burgee", &[("burgee-broker", true, true), ("clap", true, false)]),
            Vec::<String>::new()
        );
        assert_eq!(
            judge("burgee-sim", &[("burgee-core", true, true)]),
            Vec::<String>::new()
        );
        assert_eq!(
            judge("burgee-codec", &[("proptest", false, false)]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn upwards_and_sideways_are_not() {
        assert_eq!(judge("burgee-protocol", &[("burgee-core", true, true)]).len(), 1);
        assert_eq!(judge("burgee-protocol", &[("burgee-router", true, true)]).len(), 1);
        assert_eq!(judge("burgee-core", &[("burgee-sim", true, true)]).len(), 1);
        assert_eq!(judge("burgee-sim", &[("burgee-broker", true, true)]).len(), 1);
    }

    #[test]
    fn the_client_knows_nothing_of_the_broker() {
        assert_eq!(
            judge("burgee-client", &[("burgee-protocol", true, true)]),
            Vec::<String>::new()
        );
        assert_eq!(judge("burgee-client", &[("burgee-router", true, true)]).len(), 1);
    }

    #[test]
    fn low_layers_take_little_from_outside() {
        assert_eq!(judge("burgee-store", &[("tokio", true, false)]).len(), 1);
        assert_eq!(judge("burgee-broker", &[("mio", true, false)]), Vec::<String>::new());
    }

    #[test]
    fn a_crate_without_a_room_is_refused() {
        assert_eq!(judge("burgee-misc", &[]).len(), 1);
    }
}
