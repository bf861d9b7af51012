//! Keep alive: when a silent peer counts as dead, and when a client has to speak.
//!
//! What must hold: the server waits one and a half times the keep alive since the last complete packet, never less
//! [MQTT-3.1.2-24]; the client never lets more than the keep alive pass between two packets [MQTT-3.1.2-23].
//! Deliberately absent: a timer. Its owner asks for the deadline when it looks at its wheel.

use crate::Time;

/// The keep alive of one connection and when it was last heard (server) or last spoke (client).
#[derive(Copy, Clone, Debug)]
pub struct KeepAlive {
    seconds: u16,
    last: Time,
}

impl KeepAlive {
    /// `seconds` as in CONNECT; 0 switches it off.
    #[must_use]
    pub const fn new(seconds: u16, now: Time) -> Self {
        Self { seconds, last: now }
    }

    /// A complete packet came (server) or went out (client).
    #[inline]
    pub const fn touch(&mut self, now: Time) {
        self.last = now;
    }

    /// When the server ends the connection unless something comes.
    #[must_use]
    pub fn server_deadline(&self) -> Option<Time> {
        // [MQTT-3.1.2-24] one and a half times; 65,535 seconds must not overflow.
        (self.seconds > 0).then(|| self.last.plus_millis(u64::from(self.seconds) * 1500))
    }

    /// When the client sends PINGREQ unless it sends something else: a little before the keep alive ends.
    #[must_use]
    pub fn client_deadline(&self) -> Option<Time> {
        // [MQTT-3.1.2-23]
        (self.seconds > 0).then(|| self.last.plus_millis(u64::from(self.seconds) * 900))
    }
}
