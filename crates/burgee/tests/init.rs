//! `burgee init` and what stands on it: what was written is right, starts, lets its user in and nobody else; `check access`
//! and `doctor` say what holds.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a test speaks by panicking; helpers outside of test functions do so, too"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of this test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("burgee-init-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn burgee(words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_burgee"));
    let output = command
        .args(words)
        .env_remove("BURGEE_CONFIG")
        .env_remove("BURGEE_DATA")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn password(out: &str) -> String {
    let line = out
        .lines()
        .find_map(|line| line.strip_prefix("The password of admin is "));
    line.unwrap().to_owned()
}

struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A broker with these settings on ports of its own; the addresses that it says.
fn serve(settings: &str, listen: &[&str]) -> (Serving, Vec<String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_burgee"));
    command.args([
        "serve",
        "--config",
        settings,
        "--durability",
        "memory",
        "--log",
        "error",
    ]);
    for url in listen {
        command.args(["--listen", url]);
    }
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let serving = Serving(child);
    let addresses = listen.iter().map(|_| {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line.trim().rsplit_once("//").unwrap().1.to_owned()
    });
    (serving, addresses.collect())
}

/// The return code of CONNECT with this name and password.
fn log_in(address: &str, user: &str, password: &str) -> u8 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut rest = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0xC2, 0, 60, 0, 1, b'c'];
    for field in [user, password] {
        rest.extend(u16::try_from(field.len()).unwrap().to_be_bytes());
        rest.extend(field.as_bytes());
    }
    stream.write_all(&[0x10, u8::try_from(rest.len()).unwrap()]).unwrap();
    stream.write_all(&rest).unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).unwrap();
    connack[3]
}

#[test]
fn what_it_writes_is_right_and_lets_its_user_in_and_nobody_else() {
    let folder = Folder::new("plain");
    let (code, out, err) = burgee(&["init", &folder.path("")]);
    assert_eq!(code, Some(0), "{err}");
    let secret = password(&out);
    assert_eq!(secret.len(), 20);
    let settings = folder.path("burgee.toml");
    assert_eq!(burgee(&["check", "config", &settings]).0, Some(0));
    assert!(!fs::read_to_string(&settings).unwrap().contains(&secret));
    let (_serving, addresses) = serve(&settings, &["tcp://127.0.0.1:0"]);
    assert_eq!(log_in(&addresses[0], "admin", &secret), 0);
    assert_eq!(log_in(&addresses[0], "admin", "guess"), 4);
    assert_ne!(log_in(&addresses[0], "somebody", &secret), 0);
}

#[test]
fn it_makes_certificates_that_can_be_used_and_keys_for_their_owner_alone() {
    let folder = Folder::new("tls");
    let root = folder.path("");
    let (code, out, err) = burgee(&[
        "init",
        &root,
        "--tls",
        "broker.example.org",
        "192.0.2.7",
        "--client",
        "sensor-1",
    ]);
    assert_eq!(code, Some(0), "{err}");
    for name in ["users", "tls/ca.key", "tls/server.key", "tls/clients/sensor-1.key"] {
        let mode = fs::metadata(folder.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
        assert!(out.contains(&folder.path(name)), "{name} is told");
    }
    let settings = folder.path("burgee.toml");
    let (code, _, err) = burgee(&["check", "config", &settings]);
    assert_eq!(code, Some(0), "{err}");
    let (_serving, addresses) = serve(&settings, &["mqtts://127.0.0.1:0"]);
    // Another program judges the certificates, both ways.
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &addresses[0], "-verify_return_error"])
        .args([
            "-verify_hostname",
            "broker.example.org",
            "-CAfile",
            &folder.path("tls/ca.pem"),
        ])
        .args(["-cert", &folder.path("tls/clients/sensor-1.pem")])
        .args(["-key", &folder.path("tls/clients/sensor-1.key")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains("Verify return code: 0 (ok)"),
        "{said}"
    );
}

#[test]
fn it_writes_over_nothing_and_says_so() {
    let folder = Folder::new("twice");
    let root = folder.path("");
    assert_eq!(burgee(&["init", &root]).0, Some(0));
    let before = fs::read(folder.path("users")).unwrap();
    fs::remove_file(folder.path("burgee.toml")).unwrap();
    let (code, _, err) = burgee(&["init", &root, "--tls", "a"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("users is there already, nothing was written"), "{err}");
    assert!(!Path::new(&folder.path("burgee.toml")).exists() && !Path::new(&folder.path("tls")).exists());
    assert_eq!(fs::read(folder.path("users")).unwrap(), before);
    for name in ["../x", "a/b", ""] {
        assert_eq!(
            burgee(&["init", &folder.path("other"), "--tls", "a", "--client", name]).0,
            Some(2),
            "{name}"
        );
    }
}

#[test]
fn check_access_names_the_rule_that_decides() {
    let folder = Folder::new("access");
    assert_eq!(burgee(&["init", &folder.path("")]).0, Some(0));
    let settings = folder.path("burgee.toml");
    let ask = |words: &[&str]| {
        let (code, out, err) = burgee(&[&["check", "access", "--config", &settings], words].concat());
        (code, out + &err)
    };
    let lines = fs::read_to_string(&settings).unwrap();
    let line = |nth: usize| {
        let rules = lines.lines().zip(1..).filter(|(line, _)| *line == "[[rule]]");
        rules.map(|(_, number)| number).nth(nth).unwrap()
    };
    for (words, allowed, why) in [
        (
            vec!["--user", "admin", "publish", "any/where"],
            true,
            format!("burgee.toml:{}: allow", line(0)),
        ),
        (
            vec!["--user", "ada", "publish", "users/ada/x"],
            true,
            format!("burgee.toml:{}: allow", line(1)),
        ),
        (
            vec!["--user", "ada", "subscribe", "users/bob/#"],
            false,
            "no rule fits".to_owned(),
        ),
        (vec!["receive", "users/ada/x"], false, "no rule fits".to_owned()),
    ] {
        let (code, said) = ask(&words);
        assert_eq!(code, Some(i32::from(!allowed)), "{words:?}: {said}");
        assert!(said.contains(&why), "{words:?}: {said}");
    }
    assert_eq!(ask(&["--user", "ada", "publish", "a/#"]).0, Some(2));
    // Mosquitto's rules stand behind the own ones, and what is wrong in their file is told by its line.
    let acl = folder.path("acl");
    fs::write(&acl, "user bob\ntopic read news/#\n").unwrap();
    fs::write(&settings, lines.replace("[access]\n", "[access]\nacl_file = \"acl\"\n")).unwrap();
    let (code, said) = ask(&["--user", "bob", "receive", "news/today"]);
    assert!(code == Some(0) && said.contains("acl:2"), "{said}");
    fs::write(&acl, "user bob\ntopic read news/#\nnonsense\n").unwrap();
    let (code, said) = ask(&["--user", "bob", "receive", "news/today"]);
    assert!(code == Some(1) && said.contains("acl:3:1: error"), "{said}");
}

#[test]
fn doctor_finds_what_is_wrong_and_says_the_way_out() {
    let folder = Folder::new("doctor");
    assert_eq!(burgee(&["init", &folder.path("")]).0, Some(0));
    let settings = folder.path("burgee.toml");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace("127.0.0.1:1883", &format!("127.0.0.1:{port}"))).unwrap();
    fs::set_permissions(folder.path("users"), fs::Permissions::from_mode(0o644)).unwrap();
    let (code, out, err) = burgee(&["doctor", &settings]);
    assert_eq!(code, Some(1), "{out}{err}");
    for expected in [
        "everybody on this machine may read it",
        "way out: chmod 600",
        &format!("another program has 127.0.0.1:{port}"),
        "files can be open",
        "are free at",
    ] {
        assert!(
            out.contains(expected) || expected == "files can be open" && out.contains("up to"),
            "{expected}\n{out}"
        );
    }
    drop(taken);
    fs::set_permissions(folder.path("users"), fs::Permissions::from_mode(0o600)).unwrap();
    let (code, out, err) = burgee(&["doctor", "--json", &settings]);
    let findings: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        findings
            .iter()
            .all(|it| it["level"] != "error" && it["check"].is_string()),
        "{out}"
    );
    fs::write(&settings, "[session]\nwindw = 1\n").unwrap();
    let (code, out, _) = burgee(&["doctor", "--json", &settings]);
    assert!(code == Some(1) && out.contains("did you mean window?"), "{out}");
}
