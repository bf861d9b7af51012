//! Where log lines go: to standard error, coloured only on a terminal.
//!
//! What must hold: standard output is left to results. Deliberately absent: files and rotation; whoever runs a
//! service has that already.

use std::io::{self, IsTerminal};
use std::str::FromStr;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Reads what is to be logged: a level, or pairs of module and level.
pub(crate) fn parse(text: &str) -> Result<Targets, String> {
    let help = "write off, error, warn, info, debug or trace, or for single modules burgee_broker=debug,info";
    for part in text.split(',') {
        let level = part.split_once('=').map_or(part, |(_, level)| level);
        // A lone word that is no level would be taken for a module, and nothing would be logged.
        if level.trim().is_empty() || LevelFilter::from_str(level.trim()).is_err() {
            return Err(format!("{level:?} is no level: {help}"));
        }
    }
    Targets::from_str(text).map_err(|error| format!("{error}: {help}"))
}

/// Begins to log.
pub(crate) fn start(what: Targets) {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(colours);
    tracing_subscriber::registry().with(what).with(lines).init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_modules_parse_and_typing_errors_do_not() {
        for right in [
            "info",
            "DEBUG",
            "off",
            "warn,burgee_broker=debug",
            "burgee_broker=trace",
        ] {
            assert!(parse(right).is_ok(), "{right}");
        }
        for wrong in ["loud", "", "info,loud", "burgee_broker=loud", "a=b=info"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
