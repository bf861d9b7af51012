//! What `burgee pub` and `burgee sub` say and return when something goes wrong.
//!
//! What must hold: a script can tell from the exit code whose turn it is: 1 the server's, 2 the command line's, 3 the
//! network's. The text says what to try. Deliberately absent: exit codes of `serve`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use burgee_client::{ConnectError, Error, Refused};

/// For the `--help` of both commands.
pub(crate) const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 the server refused, or the connection was lost with work unfinished; 2 the command line is wrong or \
a file cannot be read; 3 no connection; 27 the time of -W is over (sub).";

const REFUSED: u8 = 1;
const USAGE: u8 = 2;
const NO_CONNECTION: u8 = 3;
const TIMEOUT: u8 = 27;

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    /// The command line or a file of the caller.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self {
            code: USAGE,
            text: text.into(),
        }
    }

    /// The server did not do what was asked.
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self {
            code: REFUSED,
            text: text.into(),
        }
    }

    /// The caller's time is over.
    pub(crate) fn timeout() -> Self {
        Self {
            code: TIMEOUT,
            text: "timed out".to_owned(),
        }
    }

    /// Says it, unless `quiet`, and gives the exit code.
    pub(crate) fn report(&self, command: &str, quiet: bool) -> ExitCode {
        if !quiet {
            say(command, &self.text);
        }
        ExitCode::from(self.code)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let mut text = error.to_string();
        let (code, hint) = match &error {
            ConnectError::Invalid(_) | ConnectError::TlsSettings(_) => (USAGE, ""),
            ConnectError::Proxy { .. } | ConnectError::Tls(_) | ConnectError::Upgrade { .. } => (NO_CONNECTION, ""),
            ConnectError::Resolve { .. } => (NO_CONNECTION, "; -h names the host"),
            ConnectError::Unreachable { .. } => (
                NO_CONNECTION,
                "; is a broker running there? `burgee serve` starts one, -h and -p name another",
            ),
            ConnectError::Timeout(_) => (NO_CONNECTION, "; does an MQTT broker listen at this host and port?"),
            ConnectError::Refused(refused) => (REFUSED, hint(*refused)),
            ConnectError::Violation(_) | ConnectError::Lost(_) => {
                (REFUSED, "; does an MQTT broker listen at this host and port?")
            }
        };
        text.push_str(hint);
        Self { code, text }
    }
}

/// What to try when the server refuses.
const fn hint(refused: Refused) -> &'static str {
    match refused.0 {
        1 => "; try -V mqttv31",
        2 => "; -i gives another identifier",
        3 => "; try again later",
        4 | 5 => "; -u and -P give user name and password",
        _ => "",
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Invalid(_) => USAGE,
            Error::Ended(_)
            | Error::Unfinished(_)
            | Error::SessionLost
            | Error::QueueFull
            | Error::NotGranted(_)
            | Error::Outbox(_) => REFUSED,
        };
        Self {
            code,
            text: error.to_string(),
        }
    }
}

/// A line on standard error. That nobody reads it is no reason to fail.
pub(crate) fn say(command: &str, text: &str) {
    let mut line = String::new();
    writeln!(line, "burgee {command}: {text}").ok();
    io::stderr().write_all(line.as_bytes()).ok();
}
