//! What the Debian package brings along fits the program. Its life on a Debian is `scripts/package-test`.

#![allow(
    clippy::unwrap_used,
    reason = "a test speaks by panicking; helpers outside of test functions do so, too"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SETTINGS: &str = include_str!("../../../packaging/burgee.toml");
const UNIT: &str = include_str!("../../../packaging/systemd/burgee.service");

/// A directory of this test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn with(name: &str, settings: &str) -> Self {
        let path = std::env::temp_dir().join(format!("burgee-packaging-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("burgee.toml"), settings).unwrap();
        fs::write(path.join("users"), "").unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn burgee(words: &[&str], settings: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_burgee"))
        .args(words)
        .arg(settings)
        .env_clear()
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn the_packages_settings_can_be_used_and_open_nothing_to_others() {
    let folder = Folder::with("plain", SETTINGS);
    let (code, said) = burgee(&["check", "config"], &folder.0.join("burgee.toml"));
    assert_eq!((code, said.contains("warning")), (Some(0), false), "{said}");
    let (code, said) = burgee(&["config", "show", "--config"], &folder.0.join("burgee.toml"));
    assert_eq!(code, Some(0), "{said}");
    let urls: Vec<_> = said.lines().filter(|line| line.starts_with("url = ")).collect();
    let open = |url: &&&str| !url.contains("tcp://127.0.0.1:1883") && !url.contains("tcp://[::1]:1883");
    assert_eq!((urls.len(), urls.iter().find(open)), (2, None), "{said}");
}

#[test]
fn what_the_packages_settings_offer_in_comments_can_be_used_too() {
    let offered = ["[auth]", "passwords_file = "];
    let settings: Vec<_> = SETTINGS
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if offered.iter().any(|start| rest.starts_with(start)) => rest,
            _ => line,
        })
        .collect();
    let folder = Folder::with("users", &settings.join("\n"));
    let (code, said) = burgee(&["config", "show", "--config"], &folder.0.join("burgee.toml"));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("passwords_file = \""), "{said}");
}

#[test]
fn the_unit_starts_the_program_with_options_that_it_knows() {
    let start = UNIT.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    assert_eq!(start, "/usr/bin/burgee serve --config /etc/burgee/burgee.toml");
    let help = Command::new(env!("CARGO_BIN_EXE_burgee"))
        .args(["serve", "--help"])
        .output()
        .unwrap();
    assert!(String::from_utf8(help.stdout).unwrap().contains("--config <FILE>"));
}
