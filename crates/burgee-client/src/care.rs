//! Settings of a client that looks after its connection itself.
//!
//! What must hold: everything has a limit. Deliberately absent: what concerns a single connection.

#[cfg(feature = "outbox")]
use std::path::PathBuf;
use std::time::Duration;

/// What happens to a message for which there is no room.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub enum Overflow {
    /// Whoever brings it waits. Nothing is lost.
    #[default]
    Wait,
    /// The oldest makes room.
    DropOldest,
    /// It is dropped itself.
    DropNewest,
}

/// How much may wait for a connection.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct QueueLimit {
    /// Messages.
    pub messages: usize,
    /// Bytes of topics and payloads.
    pub bytes: usize,
    /// What happens beyond. What is dropped is told by its receipt: [`Error::QueueFull`](crate::Error::QueueFull).
    pub overflow: Overflow,
}

impl Default for QueueLimit {
    fn default() -> Self {
        Self {
            messages: 1000,
            bytes: 16 << 20,
            overflow: Overflow::Wait,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Care {
    pub(crate) first_wait: Duration,
    pub(crate) longest_wait: Duration,
    pub(crate) attempts: Option<u32>,
    pub(crate) queue: QueueLimit,
    pub(crate) manual_ack: bool,
    pub(crate) republish: bool,
    #[cfg(feature = "outbox")]
    pub(crate) outbox: Option<PathBuf>,
    /// The simulator has it, and an outbox if this says so.
    #[cfg(feature = "simulation")]
    pub(crate) simulated: Option<bool>,
}

impl Default for Care {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            attempts: None,
            queue: QueueLimit::default(),
            manual_ack: false,
            republish: true,
            #[cfg(feature = "outbox")]
            outbox: None,
            #[cfg(feature = "simulation")]
            simulated: None,
        }
    }
}

impl Care {
    #[cfg_attr(
        not(feature = "outbox"),
        allow(clippy::unused_self, reason = "there is none in this build")
    )]
    pub(crate) const fn has_outbox(&self) -> bool {
        #[cfg(feature = "outbox")]
        if self.outbox.is_some() {
            return true;
        }
        #[cfg(feature = "simulation")]
        if let Some(true) = self.simulated {
            return true;
        }
        false
    }

    /// For how long a stream may keep acknowledgements to itself while messages are there.
    #[cfg_attr(
        not(feature = "simulation"),
        allow(clippy::unused_self, reason = "only a simulation says otherwise")
    )]
    pub(crate) const fn patience(&self) -> Duration {
        // It is measured by a real clock, which a simulation has not.
        #[cfg(feature = "simulation")]
        if self.simulated.is_some() {
            return Duration::MAX;
        }
        Duration::from_millis(5)
    }
}
