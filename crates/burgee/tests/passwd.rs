//! `burgee passwd` as people and scripts use it, on files of ours and of Mosquitto's.

#![allow(clippy::unwrap_used, reason = "a test that goes wrong may panic")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// From `mosquitto_passwd` 2.0.11, for "sesame".
const MOSQUITTO: &str = "bob:$7$101$tImOfsatOBZl2/Yh$OaHbjh7Gac0WiJRBB+W8E5dcU5gwQWjLmwca8RJZMxmOY0XN6UxJLm2z0cyXF3VN/NdswrbQldpzT2b9OZAmmA==";

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("burgee-passwd-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.0.join("users");
        fs::write(&path, text).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn passwd(file: &Path, words: &str, input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_burgee"))
        .arg("passwd")
        .arg(file)
        .args(words.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who refuses before it reads closes the pipe.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

#[track_caller]
fn done(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*error), (Some(0), ""));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn failed(output: &Output, code: i32) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert_eq!(output.stdout, b"");
    error
}

#[test]
fn a_user_is_added_changed_verified_and_removed() {
    let folder = Folder::new("life");
    let path = folder.0.join("users");
    let said = done(&passwd(&path, "ann -c --stdin --memory 64 --passes 1", "sesame\n"));
    assert!(said.ends_with("users: ann added\n"), "{said}");
    done(&passwd(&path, "ann --verify --stdin", "sesame"));
    let error = failed(&passwd(&path, "ann --verify --stdin", "Sesame"), 1);
    assert!(
        error.contains("not the password") && !error.contains("Sesame"),
        "{error}"
    );

    let said = done(&passwd(&path, "ann --stdin --memory 64", "other\r\n"));
    assert!(said.ends_with("users: ann changed\n"), "{said}");
    failed(&passwd(&path, "ann --verify --stdin", "sesame"), 1);
    done(&passwd(&path, "ann --verify --stdin", "other"));

    let secret = folder.0.join("secret");
    fs::write(&secret, "third\n").unwrap();
    done(&passwd(
        &path,
        &format!("cat -H pbkdf2 -I 10 --password-file {}", secret.display()),
        "",
    ));
    done(&passwd(&path, "cat --verify --stdin", "third"));
    let list = done(&passwd(&path, "--list", ""));
    assert_eq!(
        list,
        "ann  Argon2id, 64 KiB, 2 passes, 1 lanes\ncat  PBKDF2-SHA512, 10 rounds\n"
    );

    done(&passwd(&path, "ann -D", ""));
    let error = failed(&passwd(&path, "ann -D", ""), 1);
    assert!(error.contains("no user ann") && error.contains("--list"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
}

#[test]
fn a_file_of_mosquitto_keeps_what_is_not_changed() {
    let folder = Folder::new("mosquitto");
    let path = folder.file(&format!("# staff\n{MOSQUITTO}\n"));
    done(&passwd(&path, "bob --verify --stdin", "sesame"));
    done(&passwd(&path, "ann --stdin --memory 64", "x"));
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with(&format!("# staff\n{MOSQUITTO}\nann:$argon2id$v=19$m=64,t=2,p=1$")),
        "{text}"
    );
}

#[test]
fn nothing_is_changed_where_anything_is_wrong() {
    let folder = Folder::new("wrong");
    let missing = folder.0.join("missing");
    let error = failed(&passwd(&missing, "ann --stdin", "x"), 2);
    assert!(error.contains("-c makes it"), "{error}");
    assert!(!missing.exists());

    let text = format!("{MOSQUITTO}\nann\ncat:plain\n");
    let path = folder.file(&text);
    let error = failed(&passwd(&path, "ann --stdin", "x"), 2);
    assert!(error.contains("users:2: ") && error.contains("users:3: "), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    let path = folder.file(MOSQUITTO);
    for (words, input, hint) in [
        ("ann --stdin -c", "x", "is there already"),
        ("ann --stdin", "", "empty"),
        ("ann --stdin", "\n", "empty"),
        ("ann --stdin", "two\nlines\n", "more than one line"),
        ("ann", "x", "--stdin"),
        ("a:b --stdin", "x", "no colon"),
        ("#a --stdin", "x", "begin with #"),
        ("ann -b secret7", "", "--password-file"),
        ("ann secret7", "", "--password-file"),
        ("-b ann", "", "--password-file"),
        ("ann --stdin --memory 1048577", "x", "KiB"),
        ("ann --stdin -H pbkdf2 -I 0", "x", "at least one"),
        ("ann --stdin -H pbkdf2 -I 99999999", "x", "rounds"),
        (
            "ann --stdin --password-file /nowhere/secret",
            "x",
            "cannot be used with",
        ),
        ("ann --password-file /nowhere/secret", "", "/nowhere/secret"),
        ("ann -D --verify", "", "cannot be used with"),
        ("", "", "required"),
    ] {
        let error = failed(&passwd(&path, words, input), 2);
        assert!(error.contains(hint), "{words}: {error}");
        assert!(!error.contains("secret7"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), MOSQUITTO, "{words}");
    }
    let long = "x".repeat(70_000);
    let error = failed(&passwd(&path, "ann --stdin", &long), 2);
    assert!(error.contains("65535") && error.len() < 1000, "{error}");
}

#[test]
fn many_at_once_lose_nobody() {
    let folder = Folder::new("many");
    let path = folder.file(MOSQUITTO);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let path = &path;
            scope.spawn(move || done(&passwd(path, &format!("u{number} --stdin --memory 64"), "x")));
        }
    });
    assert_eq!(done(&passwd(&path, "--list", "")).lines().count(), 9);
}

#[cfg(unix)]
#[test]
fn who_else_can_read_the_file_is_said() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("open");
    let path = folder.file(MOSQUITTO);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let output = passwd(&path, "bob --verify --stdin", "sesame");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0));
    assert!(error.contains("warning") && error.contains("chmod 600"), "{error}");
}
