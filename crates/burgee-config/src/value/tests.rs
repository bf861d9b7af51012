//! Values, each by itself, and the table of options against itself.

use super::*;
use crate::draft::Draft;
use crate::spec::Preset;
use crate::table::OPTIONS;
use proptest::prelude::*;

fn plain(kind: &Kind<Vec<String>>, text: &str) -> Result<String, String> {
    let wrong = |wrong: Vec<Wrong>| wrong.into_iter().map(|(_, what)| what).collect::<Vec<_>>().join("; ");
    set(kind, &Raw::Plain(text), Path::new("/base"), &mut Vec::new()).map_err(wrong)
}

#[test]
fn every_default_is_the_one_that_is_told() {
    let untouched = format!("{:?}", Draft::default());
    let mut compared = 0;
    for spec in OPTIONS {
        if let Preset::Value(text) = spec.preset {
            let mut draft = Draft::default();
            set(&spec.kind, &Raw::Plain(text), Path::new(""), &mut draft).unwrap();
            assert_eq!(format!("{draft:?}"), untouched, "{}", spec.key);
            compared += 1;
        }
    }
    assert!(compared > 15);
}

#[test]
fn every_option_reaches_a_setting_of_its_own() {
    // A value that is not the default has to change the draft, and nothing that another option has changed.
    let mut seen: Vec<(&str, String)> = Vec::new();
    for spec in OPTIONS {
        let other = match &spec.kind {
            Kind::Bool(_) => if spec.default_text() == "true" { "false" } else { "true" }.to_owned(),
            Kind::Count { most, .. } => 63.min(*most).to_string(),
            Kind::Size { least, .. } => 12345.max(*least).to_string(),
            Kind::Time { .. } => "77s".to_owned(),
            Kind::Choice { of, .. } => of.iter().rev().map(|(word, _)| *word).next().unwrap().to_owned(),
            Kind::Path(_) => "/some/where".to_owned(),
            Kind::Text(..) => "debug".to_owned(),
            Kind::Texts(..) => "tcp://127.0.0.1:7".to_owned(),
            Kind::Pairs(..) => "a.pem,a.key".to_owned(),
        };
        let mut draft = Draft::default();
        set(&spec.kind, &Raw::Plain(&other), Path::new(""), &mut draft).unwrap();
        let shown = format!("{draft:?}");
        assert_ne!(shown, format!("{:?}", Draft::default()), "{}", spec.key);
        assert!(!seen.iter().any(|(_, before)| *before == shown), "{}", spec.key);
        seen.push((spec.key, shown));
    }
}

#[test]
fn keys_flags_and_variables_are_there_once() {
    let mut names = Vec::new();
    for spec in OPTIONS {
        names.extend([spec.key.to_owned(), spec.variable_name()]);
        match spec.flag {
            crate::spec::Flag::None => {}
            crate::spec::Flag::Value(flag)
            | crate::spec::Flag::Many(flag)
            | crate::spec::Flag::Off(flag)
            | crate::spec::Flag::On(flag) => {
                names.push(format!("--{flag}"));
            }
        }
    }
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn a_value_out_of_range_says_the_range() {
    let count: Kind<Vec<String>> = Kind::Count {
        least: 1,
        most: 64,
        set: |_, _| (),
    };
    assert_eq!(plain(&count, "65").unwrap_err(), "65 is out of range; write 1 to 64");
    assert!(plain(&count, "unlimited").unwrap_err().contains("write 1 to 64"));
    assert!(
        plain(&count, "99999999999999999999")
            .unwrap_err()
            .contains("write 1 to 64")
    );
    let size: Kind<Vec<String>> = Kind::Size {
        least: 4096,
        most: UNLIMITED,
        set: |_, _| (),
    };
    assert!(plain(&size, "1").unwrap_err().contains("at least 4KiB, or unlimited"));
    assert_eq!(plain(&size, "unlimited").unwrap(), "\"unlimited\"");
    assert_eq!(plain(&size, "8192").unwrap(), "\"8KiB\"");
    let time: Kind<Vec<String>> = Kind::Time {
        least: Duration::from_secs(1),
        most: Duration::from_secs(3600),
        set: |_, _| (),
    };
    assert!(plain(&time, "0").unwrap_err().contains("write 1s to 1h"));
}

#[test]
fn a_word_that_is_nearly_right_is_recognised() {
    let kind: Kind<Vec<String>> = Kind::Choice {
        of: &[("drop-newest", "a"), ("drop-oldest", "b")],
        set: |_, _| (),
    };
    let error = plain(&kind, "drop-oldset").unwrap_err();
    assert!(error.contains("did you mean drop-oldest?"), "{error}");
    assert!(!plain(&kind, "zzz").unwrap_err().contains("did you mean"));
}

#[test]
fn relative_paths_count_from_the_base() {
    let kind: Kind<Vec<String>> = Kind::Path(|all, path| all.push(path.display().to_string()));
    let mut all = Vec::new();
    for path in ["data", "/data"] {
        set(&kind, &Raw::Plain(path), Path::new("/etc/burgee"), &mut all).unwrap();
    }
    assert_eq!(all, ["/etc/burgee/data", "/data"]);
}

proptest! {
    #[test]
    fn quoted_text_is_the_same_text(text: String) {
        let line = format!("a = {}", quote(&text));
        let table = toml::de::DeTable::parse(&line).unwrap();
        prop_assert_eq!(table.get_ref().get("a").and_then(|value| value.get_ref().as_str()), Some(&*text));
    }
}
