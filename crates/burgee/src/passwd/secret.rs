//! Where a password comes from: a terminal that does not show it, a pipe, or a file.
//!
//! What must hold: from a pipe or a file it is one line, without its end; what is longer than MQTT can carry is refused
//! before it is read whole.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;

/// What MQTT can carry.
const MAX_BYTES: usize = 65_535;

#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct Source {
    /// Read the password from standard input: one line
    #[arg(long)]
    stdin: bool,

    /// Read the password from a file: one line
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Source {
    /// A password that is to be set: asked for twice at a terminal.
    pub(crate) fn new_password(&self, user: &str) -> Result<Vec<u8>, Failure> {
        if let Some(password) = self.given()? {
            return Ok(password);
        }
        let password = ask(&format!("New password of {user}: "))?;
        if ask("Once more: ")? != password {
            return Err(Failure::misused("the two are not the same; nothing was changed"));
        }
        fit(password.into_bytes())
    }

    /// A password that is to be compared.
    pub(super) fn known_password(&self, user: &str) -> Result<Vec<u8>, Failure> {
        match self.given()? {
            Some(password) => Ok(password),
            None => ask(&format!("Password of {user}: ")).map(String::into_bytes),
        }
    }

    /// What was given; `None`: it is to be asked for.
    pub(crate) fn given(&self) -> Result<Option<Vec<u8>>, Failure> {
        if let Some(path) = &self.password_file {
            let unreadable = |error| Failure::misused(format!("cannot read {}: {error}", path.display()));
            return line(File::open(path).map_err(unreadable)?).map(Some);
        }
        if self.stdin {
            return line(io::stdin().lock()).map(Some);
        }
        Ok(None)
    }
}

fn ask(prompt: &str) -> Result<String, Failure> {
    let none = "a password is asked for at a terminal, and there is none; --stdin reads it from a pipe, \
                --password-file from a file";
    if !io::stdin().is_terminal() {
        return Err(Failure::misused(none));
    }
    rpassword::prompt_password(prompt).map_err(|error| Failure::misused(format!("no password was given: {error}")))
}

/// One line; its end does not belong to it.
fn line(source: impl Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    source
        .take(MAX_BYTES as u64 + 3)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::misused(format!("cannot read the password: {error}")))?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.contains(&b'\n') {
        return Err(Failure::misused("the password has more than one line"));
    }
    fit(bytes)
}

fn fit(password: Vec<u8>) -> Result<Vec<u8>, Failure> {
    if password.is_empty() {
        Err(Failure::misused("the password is empty; nothing was changed"))
    } else if password.len() > MAX_BYTES {
        Err(Failure::misused(format!(
            "a password has at most {MAX_BYTES} bytes: MQTT carries no more"
        )))
    } else {
        Ok(password)
    }
}
