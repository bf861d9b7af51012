//! MQTT over WebSocket: the HTTP upgrade, then frames, as one layer between bytes and bytes.
//!
//! What must hold: the payloads of binary frames, in order, are the byte stream of MQTT, whatever the frames' borders
//! [MQTT-6.0.0-2]; any other kind of data ends the connection [MQTT-6.0.0-1]. Memory does not grow with what a frame
//! declares. Deliberately absent: extensions, so no compression; sockets; TLS.

mod frames;
mod origins;
mod packets;
mod upgrade;

use std::sync::Arc;

use frames::{CLOSE, Frames, Heard};
pub(crate) use frames::{PONG, put_frame};
pub(crate) use origins::Origins;
use packets::Packets;
use upgrade::Upgrade;
pub(crate) use upgrade::UpgradeRules;

/// See the module.
#[derive(Debug)]
pub(crate) struct WebSocket {
    phase: Phase,
    /// The newest ping that was not answered. RFC 6455 5.5.3: earlier ones need no answer any more.
    ping: Option<Box<[u8]>>,
    packets: Packets,
}

#[derive(Debug)]
enum Phase {
    /// What has come of the request.
    Upgrade(Arc<UpgradeRules>, Vec<u8>),
    Open(Frames),
    /// Nothing is read any more.
    Over,
}

/// Why a WebSocket connection ends, other than by the peer's wish.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Violation {
    /// The request is answered by this status.
    Http(u16, &'static str),
    /// The frames are, by this code.
    Frame(u16, &'static str),
}

/// What became of bytes.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// The peer has ended its side in order.
    pub(crate) closed: bool,
    pub(crate) violation: Option<Violation>,
}

impl WebSocket {
    /// One that waits for its request.
    pub(crate) const fn new(rules: Arc<UpgradeRules>) -> Self {
        Self {
            phase: Phase::Upgrade(rules, Vec::new()),
            ping: None,
            packets: Packets::new(),
        }
    }

    /// Bytes held of a request that is not complete.
    pub(crate) const fn held(&self) -> usize {
        match &self.phase {
            Phase::Upgrade(_, head) => head.capacity(),
            Phase::Open(_) | Phase::Over => 0,
        }
    }

    /// The upgrade is done, and frames can be sent.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// Nothing can be sent any more.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Takes received bytes, and leaves the payload of binary frames in their place. What is to be answered is appended
    /// to `out`, pings excepted.
    pub(crate) fn receive(&mut self, bytes: &mut Vec<u8>, out: &mut Vec<u8>) -> Read {
        if let Phase::Upgrade(rules, head) = &mut self.phase {
            head.append(bytes);
            match upgrade::read(rules, head) {
                Upgrade::Partial => return Read::default(),
                Upgrade::Refused(status, why) => {
                    upgrade::refuse(status, why, out);
                    self.phase = Phase::Over;
                    return Read {
                        violation: Some(Violation::Http(status, why)),
                        ..Read::default()
                    };
                }
                Upgrade::Done { used, accept } => {
                    upgrade::accept(&accept, out);
                    bytes.extend(head.drain(..).skip(used));
                    self.phase = Phase::Open(Frames::new(rules.frame_limit));
                }
            }
        }
        let Phase::Open(frames) = &mut self.phase else {
            bytes.clear();
            return Read::default();
        };
        let heard = frames.unwrap(bytes, &mut self.ping);
        match heard {
            Heard::Data => Read::default(),
            Heard::Close(code) => {
                self.close(code, out);
                Read {
                    closed: true,
                    violation: None,
                }
            }
            Heard::Violation(code, why) => {
                self.close(Some(code), out);
                Read {
                    closed: false,
                    violation: Some(Violation::Frame(code, why)),
                }
            }
        }
    }

    /// Appends frames to `out` for packets, or the parts of one, that begin a piece of what is to be sent: how much of it.
    pub(crate) fn wrap(&mut self, piece: &[u8], out: &mut Vec<u8>) -> usize {
        self.packets.put(piece, out)
    }

    /// The answer to a ping, if one is due.
    pub(crate) fn take_pong(&mut self) -> Option<Box<[u8]>> {
        self.ping.take().filter(|_| self.is_open())
    }

    /// Appends a close frame to `out`, once.
    pub(crate) fn close(&mut self, code: Option<u16>, out: &mut Vec<u8>) {
        if self.is_open() {
            let code = code.map(u16::to_be_bytes);
            put_frame(CLOSE, code.as_ref().map_or(&[], |code| &code[..]), out);
        }
        self.phase = Phase::Over;
        self.ping = None;
    }
}

#[cfg(test)]
mod tests;
