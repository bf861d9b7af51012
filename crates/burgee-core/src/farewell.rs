//! DISCONNECT that was received, and waits behind packets that have to wait.
//!
//! What must hold: it discards the will when it is received [MQTT-3.14.4-3], however the connection ends before its turn
//! comes: by a takeover, by a reset, with the broker. Each byte is looked at once here, however often it has to wait.
//! Deliberately absent: what nobody has received. Who has to wait is not read.

use burgee_codec::{Decoded, Versions, decode};
use burgee_protocol::connection::{FromClient, from_client};

use crate::io::ConnKey;
use crate::shard::limits;
use crate::state::Shard;

/// There is a packet that ends the connection in another way, if its turn comes.
const IN_VAIN: u32 = u32::MAX;

impl Shard {
    /// All but the first `used` of these bytes have to wait.
    #[cold]
    pub(crate) fn look_for_farewell(&mut self, conn: ConnKey, bytes: &[u8], used: usize) {
        let looked = self.looked_ahead.remove(&conn).unwrap_or(0);
        let Some(open) = self.conns.open_mut(conn).filter(|open| open.will.is_some()) else {
            return;
        };
        let (version, limits) = (open.version, limits(open.max_packet_bytes, Versions::NONE));
        let mut at = used.max(looked as usize);
        let looked = loop {
            match decode(bytes.get(at..).unwrap_or_default(), version, &limits) {
                Ok(Decoded::Incomplete { .. }) if looked != IN_VAIN => {
                    break u32::try_from(at - used).unwrap_or(IN_VAIN);
                }
                Ok(Decoded::Packet { packet, len }) => match from_client(packet) {
                    Ok(FromClient::Disconnect) => return self.discard_will(conn),
                    Ok(_) => at += len,
                    Err(_) => break IN_VAIN,
                },
                Ok(Decoded::Incomplete { .. }) | Err(_) => break IN_VAIN,
            }
        };
        if looked > 0 {
            self.looked_ahead.insert(conn, looked);
        }
    }

    /// [MQTT-3.14.4-3] without publishing it.
    fn discard_will(&mut self, conn: ConnKey) {
        let Some(open) = self.conns.open_mut(conn) else { return };
        open.will = None;
        let key = open.session;
        let kept = self.sessions.kept(key).unwrap_or_default();
        self.note_no_will(key, kept);
    }
}
