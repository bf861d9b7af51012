//! The client's side of keep alive: when to send PINGREQ, and when the silence of the server means that it is gone.
//!
//! What must hold: never more than the keep alive between two packets of ours [MQTT-3.1.2-23]. A ping also goes out when
//! nothing *came* for a keep alive, because a client that talks all the time would not notice a dead server.
//! Deliberately absent: a timer.

use burgee_protocol::Time;
use burgee_protocol::connection::KeepAlive;

#[derive(Debug)]
struct Ping {
    /// Sent, or the last sign of progress since.
    since: Time,
    /// Where in the stream of written bytes it ends.
    mark: u64,
    written: bool,
}

/// Who spoke when.
#[derive(Debug)]
pub(super) struct Alive {
    seconds: u16,
    sent: KeepAlive,
    heard: KeepAlive,
    ping: Option<Ping>,
}

impl Alive {
    pub(super) fn new(seconds: u16, now: Time) -> Self {
        Self {
            seconds,
            sent: KeepAlive::new(seconds, now),
            heard: KeepAlive::new(seconds, now),
            ping: None,
        }
    }

    /// A packet of ours goes out.
    pub(super) const fn spoke(&mut self, now: Time) {
        self.sent.touch(now);
    }

    /// Bytes came. A PINGRESP may be behind a long message, so every byte is a sign of life.
    pub(super) const fn heard(&mut self, now: Time) {
        self.heard.touch(now);
        self.excuse(now);
    }

    /// We did not listen: the time does not count.
    pub(super) const fn excuse(&mut self, now: Time) {
        if let Some(ping) = &mut self.ping {
            ping.since = now;
        }
    }

    /// The kernel took everything up to `written`. A ping that still waits behind a long message is not overdue as long
    /// as the message moves.
    pub(super) const fn wrote(&mut self, written: u64, now: Time) {
        if let Some(ping) = &mut self.ping
            && !ping.written
        {
            ping.since = now;
            ping.written = written >= ping.mark;
        }
    }

    /// PINGRESP came.
    pub(super) fn pong(&mut self) {
        self.ping = None;
    }

    /// PINGREQ was put at the end of the stream, which then has `mark` bytes.
    pub(super) fn pinged(&mut self, mark: u64, now: Time) {
        self.sent.touch(now);
        self.ping.get_or_insert(Ping {
            since: now,
            mark,
            written: false,
        });
    }

    /// When PINGREQ has to be sent.
    pub(super) fn ping_due(&self) -> Option<Time> {
        // [MQTT-3.1.2-23]
        let speak = self.sent.client_deadline()?;
        let ask = self.heard.client_deadline()?;
        Some(if self.ping.is_some() { speak } else { speak.min(ask) })
    }

    /// When the server counts as gone: no PINGRESP and nothing else within a keep alive.
    pub(super) fn dead_at(&self) -> Option<Time> {
        self.ping
            .as_ref()
            .map(|ping| ping.since.plus_millis(u64::from(self.seconds) * 1000))
    }
}
