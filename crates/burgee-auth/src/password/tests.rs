//! Password files: what others wrote, what is wrong, what is changed.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use super::*;

/// Written by `mosquitto_passwd` 2.0.11 for "sesame".
const MOSQUITTO_7: &str =
    "$7$101$tImOfsatOBZl2/Yh$OaHbjh7Gac0WiJRBB+W8E5dcU5gwQWjLmwca8RJZMxmOY0XN6UxJLm2z0cyXF3VN/NdswrbQldpzT2b9OZAmmA==";
const MOSQUITTO_6: &str =
    "$6$moeWSHDiB2Mp/v1J$3s0ZtpcSSylF4T1uCQF3NW1jgVmBIn7FQ1uUCIlh1koYGIaFVpsoTQ9liB36lED97bIos4O7lfVQv/cboRyj+g==";
/// From Python's hashlib: the longer salt that Mosquitto 2.1 uses.
const LONG_SALT: &str = "$7$1000$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==\
    $JALc3rF8gHwATE5uXMTFNIeFDXYKyZ+xeY6gCzria6tmKmwVjFwJvBTSCRgHkW0iPUQq43Mdk5I7Sbe3mKtwVw==";
/// From the reference implementation in C, by way of argon2-cffi 25.1.
const ARGON2: &str = "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$OQp8YeMUBvG4x+00oVFI7kWaxTZR2gt4mcips6gwLvc";
const ARGON2_LANES: &str = "$argon2id$v=19$m=256,t=2,p=4$ZmVkY2JhOTg3NjU0MzIxMA$CMgyctYvuyAYF5vUg/YhAw";

const CHEAP: Recipe = Recipe::Argon2id {
    memory_kib: 64,
    passes: 1,
    lanes: 1,
};

fn parse(text: &str) -> Result<Document, FileProblems> {
    Document::parse(Path::new("users"), text.as_bytes())
}

fn refused(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

/// A directory of its own, away at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("burgee-auth-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[test]
fn what_others_have_written_is_read_as_it_is() {
    for (text, password) in [
        (MOSQUITTO_7, "sesame"),
        (MOSQUITTO_6, "sesame"),
        (LONG_SALT, "sesame"),
        (ARGON2, "sesame"),
        (ARGON2_LANES, "Käse"),
    ] {
        let hashed = Hashed::parse(text).unwrap();
        assert!(hashed.matches(password.as_bytes()), "{text}");
        for wrong in ["", "Sesame", "sesame ", "sesam", "Kase"] {
            assert!(!hashed.matches(wrong.as_bytes()), "{text} {wrong}");
        }
        assert_eq!(hashed.to_string(), text, "and is written as it was");
    }
}

#[test]
fn what_is_made_is_read_again_and_no_two_are_alike() {
    let rounds = NonZeroU32::new(3).unwrap();
    for recipe in [CHEAP, Recipe::Pbkdf2 { iterations: rounds }] {
        let made = Hashed::make(b"pass word", recipe).unwrap();
        assert_eq!(Hashed::parse(&made.to_string()).unwrap(), made);
        assert!(made.matches(b"pass word") && !made.matches(b"pass"));
        assert_ne!(made, Hashed::make(b"pass word", recipe).unwrap());
    }
}

#[test]
fn one_file_may_have_all_kinds_comments_and_any_line_ends() {
    let text = format!("# staff\r\nann:{MOSQUITTO_7}\r\n\n  bob :{ARGON2}\n#x:y\ncat:{MOSQUITTO_6}");
    let users = Users::from(parse(&text).unwrap());
    assert_eq!(users.len(), 3);
    for name in ["ann", "bob", "cat"] {
        assert_eq!(users.check(name, b"sesame"), Checked::Right, "{name}");
        assert_eq!(users.check(name, b"other"), Checked::Wrong, "{name}");
    }
    assert_eq!(users.check("#x", b"y"), Checked::Unknown);
    assert_eq!(users.check("Ann", b"sesame"), Checked::Unknown);
    assert!(Users::from(parse("").unwrap()).is_empty());
}

#[test]
fn nobody_comes_in_with_an_empty_password() {
    let empty = Hashed::make(b"", CHEAP).unwrap();
    let users = Users::from(parse(&format!("ann:{empty}\n")).unwrap());
    assert!(users.knows("ann") && empty.matches(b""));
    assert_eq!(users.check("ann", b""), Checked::Wrong);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_line() {
    let text = format!(
        "ann:{ARGON2}\nbob\ncat:sesame\nann:{ARGON2}\n:{ARGON2}\ndan:$5$abc$def\neve:$7$0$AAAA$AAAA\n\
         fay:$argon2id$v=19$m=64,t=1$c2FsdHNhbHQ$AAAA\ngus:$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$AAAA\n\
         hal:$6$AAAA$***\nida:$7$+5$AAAA$AAAA\n{}\n",
        "x".repeat(MAX_LINE_BYTES + 1)
    );
    let told = refused(&text);
    let lines: Vec<_> = told.lines().collect();
    for (at, (line, hint)) in [
        (2, "no colon"),
        (3, "burgee passwd"),
        (4, "line 1"),
        (5, "empty"),
        (6, "$5$"),
        (7, "rounds"),
        (8, "no number"),
        (9, "version"),
        (10, "Base64"),
        (11, "no number"),
        (12, "4096"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(lines[at].starts_with(&format!("users:{line}: ")), "{}", lines[at]);
        assert!(lines[at].contains(hint), "{}", lines[at]);
    }
    assert_eq!(lines.len(), 11);
    assert!(!told.contains("sesame"), "a password is not repeated: {told}");
    let error = Document::parse(Path::new("users"), b"a\xff:b").unwrap_err().to_string();
    assert_eq!(error, "users:1: not UTF-8");
}

#[test]
fn of_very_many_problems_a_hundred_are_told_and_the_rest_is_counted() {
    let told = refused(&"x\n".repeat(1000));
    assert_eq!(told.lines().count(), 101);
    assert!(told.ends_with("and 900 lines more"), "{told}");
}

#[test]
fn an_entry_that_would_take_gigabytes_or_minutes_is_refused() {
    for (entry, hint) in [
        (
            "$argon2id$v=19$m=10485760,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "10485760 KiB",
        ),
        (
            "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "4294967295 KiB",
        ),
        (
            "$argon2id$v=19$m=262144,t=5,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "memory times passes",
        ),
        (
            "$argon2id$v=19$m=64,t=4000000,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "passes",
        ),
        (
            "$argon2id$v=19$m=64,t=1,p=9$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "8 KiB for each lane",
        ),
        (
            "$argon2id$v=19$m=64,t=1,p=16777215$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "lanes",
        ),
        ("$7$4294967295$AAAA$AAAAAAAAAAAAAAAAAAAAAA==", "4294967295 rounds"),
    ] {
        let told = refused(&format!("ann:{entry}"));
        assert!(told.starts_with("users:1: ") && told.contains(hint), "{told}");
    }
}

#[test]
fn a_changed_file_keeps_order_and_comments() {
    let text = format!("# one\nann:{ARGON2}\n\n# two\nbob:{MOSQUITTO_7}\ncat:{MOSQUITTO_6}\n# end");
    let mut document = parse(&text).unwrap();
    assert!(document.set("bob", Hashed::parse(ARGON2_LANES).unwrap()).unwrap());
    assert!(document.remove("cat") && !document.remove("cat"));
    assert!(!document.set("dan", Hashed::parse(ARGON2).unwrap()).unwrap());
    let expected = format!("# one\nann:{ARGON2}\n\n# two\nbob:{ARGON2_LANES}\n# end\ndan:{ARGON2}\n");
    assert_eq!(document.to_string(), expected);
    assert_eq!(document.find("dan").map(ToString::to_string).as_deref(), Some(ARGON2));
    assert!(document.find("cat").is_none());
    let names: Vec<_> = document.users().map(|(name, _)| name).collect();
    assert_eq!(names, ["ann", "bob", "dan"]);
    for name in ["", "a:b", "#a", " a", "a\n", "a\u{7f}", &"x".repeat(MAX_NAME_BYTES + 1)] {
        assert!(document.set(name, Hashed::parse(ARGON2).unwrap()).is_err(), "{name:?}");
    }
    assert_eq!(parse(&document.to_string()).unwrap().to_string(), expected);
}

#[cfg(unix)]
#[test]
fn a_file_is_replaced_whole_and_keeps_its_mode() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let folder = Folder::new("replace");
    let (path, link) = (folder.0.join("users"), folder.0.join("link"));
    let document = parse(&format!("ann:{ARGON2}\n")).unwrap();
    create_new(&path, &document).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(exposure(&path), None);
    let there = create_new(&path, &document).unwrap_err().to_string();
    assert!(there.contains("exists"), "{there}");

    std::os::unix::fs::symlink("users", &link).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let before = std::fs::metadata(&path).unwrap();
    let changed = parse(&format!("bob:{ARGON2}\n")).unwrap();
    replace(&link, &changed).unwrap();
    let after = std::fs::metadata(&path).unwrap();
    assert_eq!(after.permissions().mode() & 0o777, 0o644);
    assert_ne!(after.ino(), before.ino(), "another file, moved into its place");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), changed.to_string());
    let left: Vec<_> = std::fs::read_dir(&folder.0)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "nothing is left behind: {left:?}");

    let exposed = exposure(&path).unwrap();
    assert!(
        exposed.is_serious() && exposed.to_string().contains("chmod 600"),
        "{exposed}"
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let exposed = exposure(&path).unwrap();
    assert!(
        !exposed.is_serious()
            && exposed
                .to_string()
                .contains("give it to the user that the broker runs as"),
        "{exposed}"
    );
    let missing = replace(&folder.0.join("none"), &changed).unwrap_err().to_string();
    assert!(missing.contains("none"), "{missing}");
}

#[test]
fn an_unknown_name_costs_what_an_entry_costs_and_always_the_same_one() {
    let text = format!("ann:{ARGON2}\nbob:{MOSQUITTO_7}\ncat:{MOSQUITTO_6}\n");
    let users = Users::from(parse(&text).unwrap());
    let mut picked = std::collections::BTreeSet::new();
    for number in 0..100 {
        let name = format!("nobody{number}");
        let decoy = users.decoy(&name).unwrap().to_string();
        assert_eq!(users.decoy(&name).unwrap().to_string(), decoy);
        picked.insert(decoy);
    }
    assert_eq!(picked.len(), 3, "all costs of the file occur");
    assert!(Users::default().decoy("nobody").is_none());
}
