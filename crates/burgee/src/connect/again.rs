//! Connecting again: whether it may help, and how long to wait before.
//!
//! What must hold: waits double from 1 s to 30 s; a connection that stood for a while starts them anew, one that is cut
//! again and again does not. Deliberately absent: giving up.

use std::time::Duration;

use burgee_client::{ConnectError, Refused};
use tokio::time::Instant;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// The waits between attempts.
#[derive(Debug)]
pub(crate) struct Waits {
    next: Duration,
    tried: Instant,
}

impl Waits {
    pub(crate) fn new() -> Self {
        Self {
            next: FIRST,
            tried: Instant::now(),
        }
    }

    /// An attempt begins.
    pub(crate) fn attempt(&mut self) {
        self.tried = Instant::now();
    }

    /// How long to wait before the next one.
    pub(crate) fn take(&mut self) -> Duration {
        let wait = if self.tried.elapsed() > LONGEST {
            FIRST
        } else {
            self.next
        };
        self.next = (wait * 2).min(LONGEST);
        wait
    }
}

/// Whether trying again may help.
pub(crate) const fn is_passing(error: &ConnectError) -> bool {
    match error {
        ConnectError::Invalid(_) | ConnectError::TlsSettings(_) | ConnectError::Outbox(_) => false,
        ConnectError::Refused(Refused(code)) => *code == 3,
        ConnectError::Resolve { .. }
        | ConnectError::Unreachable { .. }
        | ConnectError::Proxy { .. }
        | ConnectError::Tls(_)
        | ConnectError::Upgrade { .. }
        | ConnectError::Timeout(_)
        | ConnectError::Violation(_)
        | ConnectError::Lost(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_a_limit() {
        let mut waits = Waits::new();
        let taken: Vec<_> = (0..7).map(|_| waits.take().as_secs()).collect();
        assert_eq!(taken, [1, 2, 4, 8, 16, 30, 30]);
    }
}
