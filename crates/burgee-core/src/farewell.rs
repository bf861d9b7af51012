//! DISCONNECT that was received, and waits behind packets that have to wait.
//!
//! What must hold: it discards the will when it is received [MQTT-3.14.4-3], however the connection ends before its turn
//! comes: by a takeover, by a reset, with the broker, without a disk. Only what the client itself has said before it can still
//! have the will published: whoever breaks a rule has not left [MQTT-3.1.2-8]. Each byte is looked at once here, however
//! often it has to wait. Deliberately absent: what nobody has received. Who has to wait is not read.

use burgee_codec::{Decoded, Versions, decode};
use burgee_protocol::Fault;
use burgee_protocol::connection::{FromClient, from_client};

use crate::ahead::Ahead;
use crate::io::{ConnKey, Reason};
use crate::shard::limits;
use crate::state::Shard;

impl Shard {
    /// All but the first `used` of these bytes have to wait, or cannot be served.
    #[cold]
    pub(crate) fn look_for_farewell(&mut self, conn: ConnKey, bytes: &[u8], used: usize) {
        let looked = match self.looked_ahead.get(&conn) {
            Some(Ahead::InVain | Ahead::Heard) => return,
            Some(Ahead::Looked(bytes)) => *bytes as usize,
            None => 0,
        };
        let Some(open) = self.conns.open_mut(conn).filter(|open| open.will.is_some()) else {
            return;
        };
        let session = open.session;
        let (version, limits) = (open.version, limits(open.max_packet_bytes, Versions::NONE));
        let mut at = used.max(looked);
        let ahead = loop {
            match decode(bytes.get(at..).unwrap_or_default(), version, &limits) {
                Ok(Decoded::Incomplete { .. }) => {
                    break u32::try_from(at - used).map_or(Ahead::InVain, Ahead::Looked);
                }
                Ok(Decoded::Packet { packet, len }) => match from_client(packet) {
                    Ok(FromClient::Disconnect) => {
                        // A crash must not publish it either.
                        let kept = self.sessions.kept(session).unwrap_or_default();
                        self.note_no_will(session, kept);
                        break Ahead::Heard;
                    }
                    Ok(_) => at += len,
                    Err(_) => break Ahead::InVain,
                },
                Err(_) => break Ahead::InVain,
            }
        };
        if ahead == Ahead::Looked(0) {
            self.looked_ahead.remove(&conn);
        } else {
            self.looked_ahead.insert(conn, ahead);
        }
    }

    /// Whether DISCONNECT was received and waits.
    pub(crate) fn has_heard_farewell(&self, conn: ConnKey) -> bool {
        self.looked_ahead.get(&conn) == Some(&Ahead::Heard)
    }

    /// Whether the will of a connection that ends is discarded. It is not there any more.
    pub(crate) fn forget_farewell(&mut self, conn: ConnKey, why: &Reason) -> bool {
        let heard = self.looked_ahead.remove(&conn) == Some(Ahead::Heard);
        let own_doing = match why {
            Reason::Fault(Fault::Malformed(_) | Fault::Peer(_) | Fault::Limit(_)) | Reason::Denied => true,
            Reason::Fault(Fault::Ours(_))
            | Reason::Disconnect
            | Reason::Ended(_)
            | Reason::KeepAlive
            | Reason::ConnectTimeout
            | Reason::TakenOver
            | Reason::Refused(_)
            | Reason::Kicked(_)
            | Reason::Shutdown => false,
        };
        *why == Reason::Disconnect || (heard && !own_doing)
    }

    /// The limits are others: what was in vain may not be.
    pub(crate) fn look_ahead_anew(&mut self) {
        self.looked_ahead.retain(|_, ahead| *ahead == Ahead::Heard);
    }
}
