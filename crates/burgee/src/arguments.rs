//! The command lines of `pub`, `sub`, `rr`, `record` and `replay`, rewritten before they are parsed, so that they are read as
//! Mosquitto reads them.
//!
//! What must hold: a value is taken as it stands, whatever it begins with; what comes later wins, and a URL (-L) counts as
//! the host, port, user, password and topic that it names, at its place; the options of a file come before those of the
//! command line; under the name `mosquitto_pub` (`_sub`, `_rr`) this program is `burgee pub`. What MQTT 3.1.1 or we cannot do
//! is refused with a way out. Deliberately absent: the meaning of options. clap and the commands have that.

mod file;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use burgee_client::Scheme;
use clap::{Arg, Command};

use crate::connect::url::Url;
use crate::failure::Failure;

/// The commands that are Mosquitto's.
const MOSQUITTO: [&str; 3] = ["pub", "sub", "rr"];

/// All that are read like these.
pub(crate) const COMMANDS: [&str; 5] = ["pub", "sub", "rr", "record", "replay"];

const MQTT_5: &str = "MQTT 5 is not spoken yet, and this option is part of it: leave it out";
const ENGINE: &str = "TLS is done without OpenSSL here, so there are no engines: give the key as a PEM file with --key";
const PSK: &str = "TLS with a pre-shared key is not spoken: use --cafile, and --cert with --key to identify the client";

/// What Mosquitto's programs have and we refuse, and why.
pub(crate) const REFUSED: [(&str, &str); 12] = [
    ("-D", MQTT_5),
    ("--property", MQTT_5),
    ("-x", MQTT_5),
    ("--session-expiry-interval", MQTT_5),
    ("--retain-as-published", MQTT_5),
    ("--retain-handling", MQTT_5),
    ("-S", "SRV records are not looked up: name the host with -h"),
    ("--psk", PSK),
    ("--psk-identity", PSK),
    ("--tls-engine", ENGINE),
    ("--tls-engine-kpass-sha1", ENGINE),
    ("--tls-keyform", ENGINE),
];

/// The arguments as clap shall see them; those of other commands stay as they are.
pub(crate) fn arranged(program: &Command, mut args: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    let Some(name) = args.get(1).and_then(|name| name.to_str()).map(str::to_owned) else {
        return Ok(args);
    };
    let Some(command) = program.find_subcommand(&name).filter(|_| COMMANDS.contains(&&*name)) else {
        return Ok(args);
    };
    let typed = items(command, args.split_off(2))?;
    let mut all = file::items(command, &typed)?;
    all.extend(typed);
    for item in all {
        item.write(command, &mut args)?;
    }
    Ok(args)
}

/// Under one of Mosquitto's names we are the command of that name.
pub(crate) fn by_name(mut args: Vec<OsString>) -> Vec<OsString> {
    let called = args
        .first()
        .map(Path::new)
        .and_then(Path::file_name)
        .and_then(OsStr::to_str);
    let command = called
        .and_then(|name| name.strip_prefix("mosquitto_"))
        .map(str::to_owned);
    if let Some(command) = command.filter(|name| MOSQUITTO.contains(&&**name)) {
        args.insert(1, command.into());
    }
    args
}

/// One option with its value, or something that clap has to judge.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Item {
    Valued { long: String, value: OsString },
    Plain(OsString),
}

fn items(command: &Command, args: Vec<OsString>) -> Result<Vec<Item>, Failure> {
    let mut items = Vec::new();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let text = arg.to_str().unwrap_or_default();
        if let Some((_, why)) = REFUSED.iter().find(|(name, _)| *name == text) {
            return Err(Failure::usage(format!("{text}: {why}")));
        }
        let long = find(command, text)
            .filter(|option| option.get_action().takes_values())
            .and_then(Arg::get_long);
        let item = match long {
            Some(long) => args.next().map(|value| Item::Valued {
                long: long.to_owned(),
                value,
            }),
            None => joined(command, text),
        };
        items.push(item.unwrap_or(Item::Plain(arg)));
    }
    Ok(items)
}

/// The option of this name: `-x` or `--long`.
fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let is_it = |option: &&Arg| match name.strip_prefix("--") {
        Some(long) => {
            let aliases = option.get_all_aliases().unwrap_or_default();
            option.get_long() == Some(long) || aliases.contains(&long)
        }
        None => option
            .get_short()
            .is_some_and(|short| name.strip_prefix('-') == Some(short.encode_utf8(&mut [0; 4]))),
    };
    command.get_arguments().find(is_it)
}

/// `--long=value` and `-xvalue`, which Mosquitto does not know, and which are clear all the same.
fn joined(command: &Command, text: &str) -> Option<Item> {
    let (name, value) = if text.starts_with("--") {
        text.split_once('=')?
    } else {
        let value = text.get(2..).filter(|value| !value.is_empty())?;
        (text.get(..2)?, value.strip_prefix('=').unwrap_or(value))
    };
    let option = find(command, name).filter(|option| option.get_action().takes_values())?;
    let long = option.get_long()?.to_owned();
    Some(Item::Valued {
        long,
        value: value.into(),
    })
}

impl Item {
    fn write(self, command: &Command, args: &mut Vec<OsString>) -> Result<(), Failure> {
        match self {
            Self::Plain(arg) => args.push(arg),
            // It has done its work.
            Self::Valued { long, .. } if long == file::OPTION => {}
            Self::Valued { long, value } if long == "url" => {
                let url: Url = value
                    .to_str()
                    .ok_or_else(|| "a URL is text".to_owned())
                    .and_then(str::parse)
                    .map_err(|error| Failure::usage(format!("-L {}: {error}", value.display())))?;
                parts(&url, command, args);
            }
            Self::Valued { long, value } => {
                let mut arg = OsString::from(format!("--{long}="));
                arg.push(value);
                args.push(arg);
            }
        }
        Ok(())
    }
}

/// What a URL with TLS asks for; a name of its own, so that a later URL can take it back.
const URL_TLS: &str = "--url-speaks-tls";

/// The options that a URL stands for, instead of those of a URL before it.
fn parts(url: &Url, command: &Command, args: &mut Vec<OsString>) {
    args.retain(|arg| {
        let text = arg.to_str().unwrap_or_default();
        text != URL_TLS && !text.starts_with("--ws=") && !text.starts_with("--unix=")
    });
    let mut push = |name: &str, value: &str| args.push(format!("--{name}={value}").into());
    if url.scheme() == Scheme::Unix {
        push("unix", url.host());
        return;
    }
    let is_web = url.scheme().is_web();
    let topic = url.topic().filter(|_| !is_web && find(command, "--topic").is_some());
    push("host", url.host());
    if is_web {
        push("ws", &format!("/{}", url.topic().unwrap_or("mqtt")));
    }
    push("port", &url.port().unwrap_or(url.scheme().port()).to_string());
    for (name, value) in [("username", url.user_name()), ("pw", url.password()), ("topic", topic)] {
        if let Some(value) = value {
            push(name, value);
        }
    }
    if url.scheme().is_secure() {
        args.push(URL_TLS.into());
    }
}

#[cfg(test)]
mod tests;
