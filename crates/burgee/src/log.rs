//! Where log lines go: to standard error, coloured only on a terminal.
//!
//! What must hold: standard output is left to results. Deliberately absent: files and rotation; whoever runs a
//! service has that already.

use std::io::{self, IsTerminal};

use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{Handle, Layer};
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged, to be changed while it is.
pub(crate) struct Log(Handle<Targets, Registry>);

impl Log {
    /// From now on this is logged.
    pub(crate) fn set(&self, what: Targets) {
        if let Err(error) = self.0.reload(what) {
            tracing::error!(%error, "the log level stays as it was");
        }
    }
}

/// Begins to log.
pub(crate) fn start(what: Targets) -> Log {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(colours);
    let (what, handle) = Layer::new(what);
    tracing_subscriber::registry().with(what).with(lines).init();
    Log(handle)
}
