//! Where the programs are, and which versions they are.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::contestant::Contestant;

/// See the module.
#[derive(Debug)]
pub(crate) struct Programs {
    found: Vec<(Contestant, PathBuf)>,
}

impl Programs {
    /// Our own beside this one, Debian's where Debian puts it, the others as `NAME=PATH` says.
    pub(crate) fn find(told: &[String]) -> io::Result<Self> {
        let own = std::env::current_exe()?;
        let beside = |name: &str| own.with_file_name(name);
        let mut found = vec![
            (Contestant::Burgee, beside("burgee")),
            (Contestant::Sharded, beside("burgee")),
            (Contestant::Floor, beside("burgee-floor")),
            (Contestant::Mosquitto, PathBuf::from("/usr/sbin/mosquitto")),
        ];
        for told in told {
            let named = told
                .split_once('=')
                .and_then(|(name, path)| Some((Contestant::named(name)?, PathBuf::from(path))));
            let (who, path) = named.ok_or_else(|| io::Error::other(format!("--program {told}: not NAME=PATH")))?;
            found.retain(|(other, _)| *other != who);
            found.push((who, path));
        }
        found.retain(|(_, path)| path.exists());
        Ok(Self { found })
    }

    pub(crate) fn of(&self, who: Contestant) -> Option<&Path> {
        let (_, path) = self.found.iter().find(|(contestant, _)| *contestant == who)?;
        Some(path)
    }

    /// A broker's version as it says it itself.
    pub(crate) fn version(&self, who: Contestant) -> Option<String> {
        let program = self.of(who)?;
        if who == Contestant::Aedes {
            let package = program.with_file_name("node_modules/aedes/package.json");
            let package: Value = serde_json::from_str(&std::fs::read_to_string(package).ok()?).ok()?;
            return package.get("version")?.as_str().map(str::to_owned);
        }
        let option = if who == Contestant::Mosquitto {
            "-h"
        } else {
            "--version"
        };
        let output = Command::new(program).arg(option).output().ok()?;
        version_in(&String::from_utf8_lossy(&output.stdout))
    }
}

/// The first word of the first line that looks like a version.
fn version_in(text: &str) -> Option<String> {
    let words = text.lines().next()?.split_whitespace();
    let mut versions = words
        .map(|word| word.trim_start_matches('v'))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'));
    versions.next().map(str::to_owned)
}

/// The machine in one line: cores, processor, kernel. No names.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": "))
            .map_or("?", |(_, value)| value)
            .trim()
            .to_owned()
    };
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.split('-').next().unwrap_or_default().trim();
    format!(
        "{cores} cores, {} (family {}, model {}), Linux {kernel}",
        field("model name"),
        field("cpu family"),
        field("model\t")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_brokers_say() {
        assert_eq!(version_in("nats-server: v2.15.1\n").as_deref(), Some("2.15.1"));
        assert_eq!(version_in("mosquitto version 2.0.11\n\nx").as_deref(), Some("2.0.11"));
        assert_eq!(version_in("nothing here"), None);
    }
}
