//! Where everything goes, and writing it for the first time.
//!
//! What must hold: a file is made, never opened: what is there stays. Keys belong to their owner alone before the first
//! byte is in them. Deliberately absent: what is in the files.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::authority::{Pair, Signed};
use crate::failure::Failure;

/// See the module.
pub(super) struct Folder {
    root: PathBuf,
}

/// A client's name becomes a file's.
pub(super) fn check_name(name: &str) -> Result<(), Failure> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(fits) {
        let text =
            format!("{name:?} cannot be a client here: at most 64 letters, digits and -_.@, not with a dot first");
        return Err(Failure::misused(text));
    }
    Ok(())
}

impl Folder {
    /// The folder, if nothing of what will be written is there.
    pub(super) fn new(root: &Path, clients: &[String], tls: bool) -> Result<Self, Failure> {
        let folder = Self { root: root.to_owned() };
        let there: Vec<_> = folder
            .written(tls, clients)
            .into_iter()
            .filter(|path| path.symlink_metadata().is_ok())
            .map(|path| path.display().to_string())
            .collect();
        if there.is_empty() {
            Ok(folder)
        } else {
            let text = format!(
                "{} is there already, nothing was written; choose another directory, or move it away",
                there.join(", ")
            );
            Err(Failure::misused(text))
        }
    }

    pub(super) fn settings(&self) -> PathBuf {
        self.root.join("burgee.toml")
    }

    pub(super) fn users(&self) -> PathBuf {
        self.root.join("users")
    }

    pub(super) fn certificate(&self, name: &str) -> PathBuf {
        self.root.join("tls").join(format!("{name}.pem"))
    }

    pub(super) fn key(&self, name: &str) -> PathBuf {
        self.root.join("tls").join(format!("{name}.key"))
    }

    /// All files, in the order in which people want to know of them.
    pub(super) fn written(&self, tls: bool, clients: &[String]) -> Vec<PathBuf> {
        let mut all = vec![self.settings(), self.users()];
        if tls {
            let clients = clients.iter().map(|name| format!("clients/{name}"));
            for name in ["ca", "server"].map(str::to_owned).into_iter().chain(clients) {
                all.extend([self.certificate(&name), self.key(&name)]);
            }
        }
        all
    }

    /// Makes the directories.
    pub(super) fn make(&self, tls: bool, clients: bool) -> Result<(), Failure> {
        let mut wanted = vec![self.root.clone()];
        if tls {
            wanted.push(self.root.join("tls"));
        }
        if clients {
            wanted.push(self.root.join("tls/clients"));
        }
        for path in wanted {
            fs::create_dir_all(&path)
                .map_err(|error| Failure::refused(format!("cannot make {}: {error}", path.display())))?;
        }
        Ok(())
    }

    pub(super) fn write_certificates(&self, signed: &Signed) -> Result<(), Failure> {
        self.write_pair("ca", &signed.authority)?;
        self.write_pair("server", &signed.server)?;
        for (name, pair) in &signed.clients {
            self.write_pair(&format!("clients/{name}"), pair)?;
        }
        Ok(())
    }

    pub(super) fn write_settings(&self, user: &str, tls: bool, clients: bool) -> Result<(), Failure> {
        let text = burgee_config::skeleton(user, tls, clients);
        write_new(&self.settings(), &text, 0o644)
    }

    fn write_pair(&self, name: &str, pair: &Pair) -> Result<(), Failure> {
        write_new(&self.certificate(name), &pair.certificate, 0o644)?;
        write_new(&self.key(name), &pair.key, 0o600)
    }
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::refused(format!("cannot write {}: {error}", path.display())))
}
