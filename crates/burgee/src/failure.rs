//! What commands say and return when something goes wrong.
//!
//! What must hold: for `pub`, `sub`, `rr`, `record` and `replay` the exit codes are those of Mosquitto's programs, so that
//! scripts need no change; for the others a command line that is wrong is 2, and all else 1. The text says what to try.
//! Deliberately absent: exit codes of `serve`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use burgee_client::{ConnectError, End, Error, Refused, TlsFault};

/// For the `--help` of these commands.
pub(crate) const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 the command line is wrong, a file cannot be read, or there is no connection; 1 to 5 the server \
refused the connection, with this code of its CONNACK; 7 the connection was lost with work unfinished; 8 TLS failed; 27 the \
time of -W is over.";

const FAILED: u8 = 1;
/// The command line of a command that is none of Mosquitto's.
const MISUSED: u8 = 2;
const LOST: u8 = 7;
const TLS: u8 = 8;
const TIMEOUT: u8 = 27;

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    text: String,
    /// `--quiet` does not silence what is wrong with the command line.
    loud: bool,
}

impl Failure {
    /// The command line or a file of the caller.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self {
            code: FAILED,
            text: text.into(),
            loud: true,
        }
    }

    /// The same for commands that are none of Mosquitto's.
    pub(crate) fn misused(text: impl Into<String>) -> Self {
        Self {
            code: MISUSED,
            ..Self::usage(text)
        }
    }

    /// Something else did not do what was asked.
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::with_code(FAILED, text)
    }

    /// The connection is lost, and the work with it.
    pub(crate) fn lost(text: impl Into<String>) -> Self {
        Self::with_code(LOST, text)
    }

    /// The caller's time is over.
    pub(crate) fn timeout() -> Self {
        Self::with_code(TIMEOUT, "Timed out")
    }

    fn with_code(code: u8, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            loud: false,
        }
    }

    /// Whether the caller has to mend something: a line, an option, a file.
    pub(crate) const fn is_the_callers(&self) -> bool {
        self.loud
    }

    /// Says it, unless `quiet`, and gives the exit code.
    pub(crate) fn report(&self, command: &str, quiet: bool) -> ExitCode {
        if !quiet || self.loud {
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
            ConnectError::Invalid(_) | ConnectError::TlsSettings(_) => return Self::usage(text),
            ConnectError::Tls(fault) => (TLS, tls_hint(fault)),
            ConnectError::Proxy { .. } => (FAILED, "; --proxy names another"),
            ConnectError::Upgrade { .. } => (FAILED, "; --ws names the path at which the server speaks MQTT"),
            ConnectError::Resolve { .. } => (FAILED, "; -h names the host"),
            ConnectError::Unreachable { .. } => (
                FAILED,
                "; is a broker running there? `burgee serve` starts one, -h and -p name another",
            ),
            ConnectError::Timeout(_) => (FAILED, "; does an MQTT broker listen at this host and port?"),
            ConnectError::Refused(refused) => (refused.0, hint(*refused)),
            ConnectError::Outbox(_) => (FAILED, ""),
            ConnectError::Violation(_) | ConnectError::Lost(_) => {
                (LOST, "; does an MQTT broker listen at this host and port?")
            }
        };
        text.push_str(hint);
        Self::with_code(code, text)
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

/// What to try when TLS fails.
const fn tls_hint(fault: &TlsFault) -> &'static str {
    match fault {
        TlsFault::UnknownAuthority => "; --cafile names its file",
        TlsFault::WrongName(_) => "; -h has to be a name in the certificate, or else --insecure does without",
        TlsFault::OurCertificate(_) => "; --cert and --key give ours",
        TlsFault::NoTls => "; -p names another port, or leave the options of TLS out",
        TlsFault::Expired
        | TlsFault::NotYetValid
        | TlsFault::Revoked
        | TlsFault::Certificate(_)
        | TlsFault::Other(_) => "",
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Invalid(_) => Self::usage(text),
            Error::Ended(_) | Error::Unfinished(_) | Error::SessionLost | Error::QueueFull | Error::NotGranted(_) => {
                Self::with_code(LOST, text)
            }
        }
    }
}

impl From<End> for Failure {
    fn from(end: End) -> Self {
        Error::Ended(end).into()
    }
}

/// A line on standard error. That nobody reads it is no reason to fail.
pub(crate) fn say(command: &str, text: &str) {
    let mut line = String::new();
    writeln!(line, "burgee {command}: {text}").ok();
    io::stderr().write_all(line.as_bytes()).ok();
}
