//! Configuration files and what they come to: `cases/NAME.conf`, with `cases/NAME.toml` as the result and what is said about
//! it behind `#!`. `BURGEE_BLESS=1` writes the results anew; read the difference then.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a panic is how they speak"
)]

mod page;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use burgee_config::{Chosen, Sources, load};
use burgee_mosquitto::conf::{Becomes, Conversion, Files, Place, Weight, convert, options};
use proptest::prelude::*;

/// Files that are texts.
#[derive(Default)]
struct Texts(BTreeMap<PathBuf, String>);

impl Files for Texts {
    fn read(&mut self, path: &Path) -> io::Result<String> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&mut self, path: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self
            .0
            .keys()
            .filter(|file| file.parent() == Some(path))
            .cloned()
            .collect())
    }
}

fn converted(text: &str) -> Conversion {
    let path = PathBuf::from("m.conf");
    convert(&path, &mut Texts([(path.clone(), text.to_owned())].into())).unwrap()
}

/// What was said with this weight.
fn said(conversion: &Conversion, weight: Weight) -> Vec<String> {
    let of_weight = conversion.remarks.iter().filter(|remark| remark.weight == weight);
    of_weight.map(ToString::to_string).collect()
}

/// Whether the broker takes it. Files that it names are made beside it.
fn refused(name: &str, conversion: &Conversion) -> Option<String> {
    let directory = std::env::temp_dir().join(format!("burgee-conf-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("burgee.toml");
    std::fs::write(&path, &conversion.toml).unwrap();
    for file in &conversion.files {
        std::fs::write(directory.join(file.name), "").unwrap();
    }
    let result = load(&Sources {
        file: Chosen::Named(path),
        ..Sources::default()
    });
    std::fs::remove_dir_all(&directory).unwrap();
    let problems = result.err()?.to_string();
    let first: Vec<&str> = problems.lines().filter(|line| line.contains(": error: ")).collect();
    Some(first.join("\n"))
}

#[test]
fn files_come_to_what_is_written_beside_them() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conf/cases");
    let mut seen = 0;
    let mut wrong = String::new();
    for entry in std::fs::read_dir(&cases).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "conf") {
            continue;
        }
        seen += 1;
        let conversion = converted(&std::fs::read_to_string(&path).unwrap());
        let mut text = conversion.toml.clone();
        for remark in &conversion.remarks {
            writeln!(text, "#! {:?} {remark}", remark.weight).unwrap();
        }
        let beside = path.with_extension("toml");
        if std::env::var_os("BURGEE_BLESS").is_some() {
            std::fs::write(&beside, &text).unwrap();
        }
        if std::fs::read_to_string(&beside).unwrap_or_default() != text {
            writeln!(wrong, "{}:\n{text}", path.display()).unwrap();
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // Certificates are read when settings are checked, and these are not there. Nothing else may be wrong.
        let refused = refused(&name, &conversion).unwrap_or_default();
        let other: Vec<_> = refused
            .lines()
            .filter(|problem| !(problem.contains(" cannot speak TLS: ") && problem.contains("cannot be opened: ")))
            .collect();
        assert!(other.is_empty(), "{name}: {other:?}\n{text}");
    }
    assert!(seen >= 8, "only {seen} cases");
    assert_eq!(wrong, "");
}

/// A value that an option can have.
fn example(name: &str) -> &'static str {
    match name {
        "listener" => "1884 127.0.0.1",
        "port" => "1885",
        "bind_address" => "127.0.0.1",
        "protocol" => "websockets",
        "socket_domain" => "ipv4",
        "log_type" => "debug",
        "tls_version" => "tlsv1.3",
        "persistent_client_expiration" => "2w",
        "allow_anonymous"
        | "listener_allow_anonymous"
        | "persistence"
        | "retained_persistence"
        | "require_certificate"
        | "use_identity_as_username" => "true",
        "password_file" | "acl_file" | "certfile" | "keyfile" | "cafile" | "crlfile" => "/some/file",
        "websockets_origin" => "https://example.org",
        _ => "7",
    }
}

#[test]
fn every_option_is_taken_or_told_about() {
    for known in options() {
        let name = known.name.replace('*', "x");
        let line = format!("{name} {}", example(known.name));
        let around = match known.name {
            "listener" | "port" | "bind_address" => String::new(),
            "crlfile" | "cafile" | "use_identity_as_username" | "require_certificate" => {
                "listener 1 localhost\ncertfile c\nkeyfile k\nrequire_certificate true\n".to_owned()
            }
            "certfile" => "listener 1 localhost\nkeyfile k\n".to_owned(),
            "keyfile" | "tls_version" => "listener 1 localhost\ncertfile c\nkeyfile k\n".to_owned(),
            "websockets_origin" => "listener 1 localhost\nprotocol websockets\n".to_owned(),
            _ => "listener 1 localhost\n".to_owned(),
        };
        let conversion = converted(&format!("{around}{line}\n"));
        let about: Vec<_> = conversion
            .remarks
            .iter()
            .filter(|remark| remark.option == name)
            .collect();
        match known.becomes {
            Becomes::Setting(setting) => {
                assert!(about.is_empty(), "{name}: {about:?}");
                let (table, key) = setting.rsplit_once('.').unwrap();
                let toml = &conversion.toml;
                assert!(
                    toml.contains(&format!("[{table}]")) && toml.contains(&format!("{key} =")),
                    "{name}: {toml}"
                );
            }
            Becomes::Needless(_) | Becomes::Nothing => {
                assert_eq!(about.len(), 1, "{name}: {:?}", conversion.remarks);
                assert!(
                    about[0].what.len() > 10 && about[0].line == around.lines().count() + 1,
                    "{name}: {about:?}"
                );
            }
        }
    }
}

#[test]
fn no_option_stands_in_the_table_twice() {
    let mut names: Vec<_> = options().iter().map(|known| known.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn a_listener_that_would_not_be_the_same_is_left_out() {
    for line in [
        "mount_point site/",
        "bind_interface eth0",
        "use_username_as_clientid true",
        "use_subject_as_username true",
        "certfile /only/one",
        "keyfile /only/one",
        "psk_hint x",
        "capath /some/directory",
        "protocol http_api",
    ] {
        let conversion = converted(&format!("listener 1883 127.0.0.1\n{line}\nlistener 1884 127.0.0.1\n"));
        assert!(!conversion.toml.contains(":1883"), "{line}: {}", conversion.toml);
        assert!(conversion.toml.contains(":1884"), "{line}: {}", conversion.toml);
        let look = said(&conversion, Weight::Look);
        assert!(
            look.iter()
                .any(|said| said.contains("m.conf:1: listener: ") && said.contains("left out")),
            "{look:?}"
        );
    }
}

#[test]
fn a_chain_that_lies_in_cafile_is_told() {
    let one = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    for (certificate, told) in [(Some(one.to_owned()), true), (None, true), (Some(one.repeat(2)), false)] {
        for (ca, count) in [("cafile /ca\n", usize::from(told)), ("", 0)] {
            let mut files = Texts::default();
            let text = format!("listener 1883 localhost\nlistener 8883 localhost\ncertfile /c\nkeyfile /k\n{ca}");
            files.0.insert("m.conf".into(), text);
            files
                .0
                .extend(certificate.clone().map(|text| (PathBuf::from("/c"), text)));
            let look = said(&convert(Path::new("m.conf"), &mut files).unwrap(), Weight::Look);
            assert_eq!(look.len(), count, "{certificate:?} {ca}: {look:?}");
            assert!(
                look.iter()
                    .all(|said| said.starts_with("m.conf:2: listener: ") && said.contains("append")),
                "{look:?}"
            );
        }
    }
}

#[test]
fn what_is_switched_off_needs_nothing() {
    let conversion =
        converted("listener 1883 127.0.0.1\nuse_username_as_clientid false\nuse_subject_as_username false\n");
    assert!(conversion.toml.contains(":1883"), "{}", conversion.toml);
    assert_eq!(said(&conversion, Weight::Look), [""; 0]);
}

#[test]
fn nobody_comes_in_who_did_not_before() {
    for (text, anonymous) in [
        ("", true),
        ("password_file /p\n", false),
        ("listener 1883 127.0.0.1\n", false),
        ("allow_anonymous true\nlistener 1883 127.0.0.1\n", true),
        ("listener 1883 127.0.0.1\nallow_anonymous true\n", true),
        (
            "per_listener_settings true\nlistener 1 localhost\nlistener 2 localhost\nallow_anonymous true\n",
            false,
        ),
        (
            "per_listener_settings true\nlistener 1 localhost\nallow_anonymous true\n",
            true,
        ),
        // The word of a listener goes before that of the broker.
        (
            "allow_anonymous true\nlistener 1 localhost\nlistener_allow_anonymous false\n",
            false,
        ),
        (
            "allow_anonymous false\nlistener 1 localhost\nlistener_allow_anonymous true\n",
            true,
        ),
        (
            "allow_anonymous true\nlistener 1 localhost\nlistener 2 localhost\nlistener_allow_anonymous false\n",
            true,
        ),
        // What is said behind a listener that cannot be read is not about the one before it.
        (
            "per_listener_settings true\nlistener 1 localhost\nlistener 0 run.sock\nallow_anonymous true\n",
            false,
        ),
    ] {
        let toml = converted(text).toml;
        let first = toml
            .lines()
            .find_map(|line| line.strip_prefix("allow_anonymous = "))
            .unwrap();
        assert_eq!(first, anonymous.to_string(), "{text}: {toml}");
    }
}

#[test]
fn where_every_listener_is_left_out_nobody_comes_in_without_a_name() {
    for text in ["listener 8883\npsk_hint x\n", "listener 0 run.sock\n"] {
        let toml = converted(&format!("allow_anonymous true\n{text}")).toml;
        let anonymous: Vec<_> = toml
            .lines()
            .filter(|line| line.starts_with("allow_anonymous"))
            .collect();
        assert_eq!(anonymous, ["allow_anonymous = false"], "{text}: {toml}");
        assert!(
            toml.contains("[[listener]]\nurl = \"tcp://127.0.0.1:1883\"\n"),
            "{toml}"
        );
    }
}

#[test]
fn values_that_mosquitto_would_refuse_are_told_with_their_place() {
    for line in [
        "listener 70000",
        "listener 0",
        "protocol http",
        "socket_domain ipx",
        "allow_anonymous maybe",
        "max_queued_messages many",
        "max_inflight_messages 70000",
        "persistent_client_expiration 2x",
        "log_type loud",
        "max_packet_size",
        "tls_version tlsv1.1",
        "no_such_option 1",
    ] {
        let look = said(&converted(&format!("# one\n\n{line}\n")), Weight::Look);
        let option = line.split(' ').next().unwrap();
        assert!(
            look.len() == 1 && look[0].starts_with(&format!("m.conf:3: {option}: ")),
            "{line}: {look:?}"
        );
    }
}

#[test]
fn included_files_are_read_where_they_are_named() {
    let mut files = Texts::default();
    for (path, text) in [
        ("m.conf", "sys_interval 1\ninclude_dir d\nmax_queued_messages 5\n"),
        ("d/b.conf", "sys_interval 3\nfoo bar\n"),
        ("d/a.conf", "sys_interval 2\nmax_queued_messages 4\n"),
        ("d/other.txt", "sys_interval 9\n"),
    ] {
        files.0.insert(path.into(), text.into());
    }
    let conversion = convert(Path::new("m.conf"), &mut files).unwrap();
    assert!(
        conversion.toml.contains("sys_interval = \"3s\" # d/b.conf:1"),
        "{}",
        conversion.toml
    );
    assert!(
        conversion.toml.contains("queue_messages = 5 # m.conf:3"),
        "{}",
        conversion.toml
    );
    assert!(said(&conversion, Weight::Look)[0].starts_with("d/b.conf:2: foo"));
    files.0.insert("d/c.conf".into(), "include_dir d\n".into());
    let error = convert(Path::new("m.conf"), &mut files).unwrap_err();
    assert!(error.to_string().contains("include each other"), "{error}");
    let error = convert(Path::new("none.conf"), &mut files).unwrap_err();
    assert!(error.to_string().contains("none.conf cannot be read"), "{error}");
}

#[test]
fn the_files_to_take_and_the_database_are_named() {
    let conversion = converted(
        "per_listener_settings true\npersistence true\npersistence_location /var/lib/mosquitto/\nlistener 1 localhost\n\
         password_file /p/one\nacl_file /p/acl\nlistener 2 localhost\npassword_file /p/two\nacl_file /p/acl\n",
    );
    let files: Vec<_> = conversion
        .files
        .iter()
        .map(|file| (file.from.to_str().unwrap(), file.name))
        .collect();
    assert_eq!(files, [("/p/one", "passwords"), ("/p/acl", "acl")]);
    assert_eq!(
        conversion.database.as_deref(),
        Some(Path::new("/var/lib/mosquitto/mosquitto.db"))
    );
    let look = said(&conversion, Weight::Look);
    assert!(
        look.iter().any(|said| said.starts_with("m.conf:8: password_file")),
        "{look:?}"
    );
    assert!(
        look.iter()
            .any(|said| said.starts_with("m.conf:7: listener") && said.contains("/p/two")),
        "users of one listener must not come in at the other: {look:?}"
    );
    assert!(!conversion.toml.contains("localhost:2"), "{}", conversion.toml);
    assert_eq!(converted("").database, None);
}

/// Lines of known options and of anything.
fn line() -> impl Strategy<Value = String> {
    let names: Vec<&str> = options()
        .iter()
        .filter(|known| known.name != "include_dir")
        .map(|known| known.name)
        .collect();
    let value = prop_oneof![
        "\\PC{0,20}",
        "[a-z0-9./: -]{0,20}",
        Just("true".to_owned()),
        "[0-9]{1,22}[a-z]?"
    ];
    (proptest::sample::select(names), value).prop_map(|(name, value)| format!("{name} {value}"))
}

proptest! {
    #[test]
    fn any_lines_come_to_toml_that_can_be_read_and_nothing_is_forgotten(lines in proptest::collection::vec(line(), 0..12)) {
        let text = lines.join("\n");
        let conversion = converted(&text);
        prop_assert!(toml::de::DeTable::parse(&conversion.toml).is_ok(), "{}", conversion.toml);
        for (at, line) in lines.iter().enumerate() {
            let option = line.split([' ', '\t']).next().unwrap();
            let known = options().iter().find(|known| known.is(option)).unwrap();
            if known.place == Place::Bridge {
                prop_assert!(conversion.remarks.iter().any(|remark| remark.line == at + 1), "{line}");
            }
        }
    }
}
