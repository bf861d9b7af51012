//! Settings as processes see them: files, variables and flags of `serve`, `check config` and `config show`.

#![allow(
    clippy::unwrap_used,
    reason = "a test speaks by panicking; helpers outside of test functions do so, too"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A directory of this test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("burgee-settings-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn burgee(words: &[&str], file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_burgee"));
    command
        .args(words)
        .arg(file)
        .env_remove("BURGEE_CONFIG")
        .env_remove("BURGEE_DATA");
    command
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

const WRONG: &str = "[session]\nwindw = 3\n[limits]\nmemory = \"1TB\"\n";

#[test]
fn check_config_tells_all_that_is_wrong_and_says_so_by_its_exit_code() {
    let folder = Folder::new("check");
    let wrong = folder.write("wrong.toml", WRONG);
    let (code, out, err) = said(&burgee(&["check", "config"], &wrong).output().unwrap());
    assert_eq!((code, &*out), (Some(1), ""), "{err}");
    let place = |at| format!("{}:{at}: error: ", wrong.display());
    assert!(
        err.contains("2 errors") && err.contains(&place("2:1")) && err.contains(&place("4:10")),
        "{err}"
    );

    let right = folder.write("right.toml", "[session]\nwindow = 3\n");
    let (code, out, err) = said(&burgee(&["check", "config"], &right).output().unwrap());
    assert_eq!(
        (code, &*out, &*err),
        (Some(0), &*format!("{}: can be used\n", right.display()), "")
    );

    // The environment counts as it does for serve.
    let mut command = burgee(&["check", "config"], &right);
    let (code, _, err) = said(&command.env("BURGEE_SESSION_WINDOW", "0").output().unwrap());
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("environment variable BURGEE_SESSION_WINDOW"), "{err}");

    let (code, _, err) = said(&burgee(&["check", "config"], &folder.0.join("none")).output().unwrap());
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("there is no such file"), "{err}");
}

#[test]
fn serve_starts_nothing_with_a_wrong_file() {
    let folder = Folder::new("wrong");
    let wrong = folder.write("wrong.toml", &format!("{WRONG}[store]\ndirectory = 'data'\n"));
    let (code, out, err) = said(&burgee(&["serve", "--config"], &wrong).output().unwrap());
    assert_eq!((code, &*out), (Some(2), ""), "{err}");
    assert!(
        err.contains("nothing was started") && err.contains("did you mean window?"),
        "{err}"
    );
    assert!(!folder.0.join("data").exists());
}

#[test]
fn serve_takes_the_file_and_says_which() {
    let folder = Folder::new("serve");
    let file = folder.write(
        "burgee.toml",
        "[[listener]]\nurl = 'tcp://127.0.0.1:0'\n[store]\ndirectory = 'data'\n[broker]\ngrace = 0\n",
    );
    // Not from where the file is: its paths are relative to itself.
    let mut command = burgee(&["serve", "--config"], &file);
    command.current_dir("/").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let ended = Command::new("kill")
        .args(["-s", "TERM", &child.id().to_string()])
        .status()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let (code, _, log) = said(&output);
    assert!(
        ended.success() && line.starts_with("listening on tcp://127.0.0.1:"),
        "{line}{log}"
    );
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains(&format!("settings are from {}", file.display())), "{log}");
    assert!(folder.0.join("data").is_dir());
}

#[test]
fn config_show_says_what_holds_and_why() {
    let folder = Folder::new("show");
    let file = folder.write("burgee.toml", "[session]\nwindow = 3\nqueue_bytes = '1MiB'\n");
    let mut command = burgee(&["config", "show", "--window", "4", "--config"], &file);
    let (code, out, err) = said(&command.env("BURGEE_LIMITS_MEMORY", "1GiB").output().unwrap());
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    for line in [
        "session.window = 4  # --window\n",
        &format!("session.queue_bytes = \"1MiB\"  # {}:3\n", file.display()),
        "limits.memory = \"1GiB\"  # environment variable BURGEE_LIMITS_MEMORY\n",
        "session.queue_policy = \"drop-newest\"  # default\n",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }
    // What was shown is a file that means the same.
    let shown = folder.write("shown.toml", &out);
    let (code, again, err) = said(&burgee(&["config", "show", "--config"], &shown).output().unwrap());
    assert_eq!(code, Some(0), "{err}");
    let values = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.split("  # ").next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(values(&again), values(&out));
}
