//! The core's events as lines in the log: who, from where, why, and which statement was broken.
//!
//! What must hold: what a client sent is escaped; a client cannot fill the log: lines of one kind are limited by the
//! second, and how many were left out is said. Deliberately absent: where the lines go.

use std::net::IpAddr;

use burgee_access::Action;
use burgee_core::io::{ConnKey, End, Event, Reason};
use burgee_protocol::Time;
use tracing::{debug, info, warn};

use crate::conn_table::Table;
use crate::door::Doors;
use crate::layers::Trouble;
use crate::limiter::Limiter;
use crate::socket::PeerAddress;

/// Lines a second about connections that ended by a fault or came and went.
const LINES: u32 = 1000;
/// Lines a second about connections that did not come to MQTT, or ended below it.
const TROUBLES: u32 = 10;
/// Lines a second about clients that throw each other out: two of them can do so for ever.
const FIGHTS: u32 = 1;
/// Lines a second about clients that come with the identifier of another user: most come again at once.
const NOT_THEIRS: u32 = 1;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    usual: Limiter,
    fights: Limiter,
    not_theirs: Limiter,
    troubles: Limiter,
}

impl EventLog {
    /// Writes events; connections that they name are still in the table.
    pub(crate) fn write(&mut self, now: Time, table: &Table, events: &mut Vec<Event>) {
        for event in events.drain(..) {
            let fight = matches!(
                &event,
                Event::Closed {
                    reason: Reason::TakenOver,
                    ..
                }
            );
            let (limiter, limit) = if fight {
                (&mut self.fights, FIGHTS)
            } else if matches!(&event, Event::NotTheirs { .. }) {
                (&mut self.not_theirs, NOT_THEIRS)
            } else {
                (&mut self.usual, LINES)
            };
            match limiter.admit(now, limit) {
                None => {}
                Some(0) => write(table, &event),
                Some(count) => {
                    debug!(suppressed = count, "similar lines were left out");
                    write(table, &event);
                }
            }
        }
    }
}

impl EventLog {
    /// Writes why connections ended below MQTT.
    pub(crate) fn write_troubles(&mut self, now: Time, doors: &Doors, troubles: &mut Vec<(PeerAddress, u16, Trouble)>) {
        for (peer, listener, trouble) in troubles.drain(..) {
            if let Some(suppressed) = self.troubles.admit(now, TROUBLES) {
                let listener = doors
                    .gate(listener)
                    .map(|gate| gate.url.to_string())
                    .unwrap_or_default();
                info!(%peer, listener, suppressed, "closed: {trouble}");
            }
        }
    }
}

fn write(table: &Table, event: &Event) {
    let peer = |conn: &ConnKey| table.get(*conn).map(|conn| conn.peer);
    match event {
        Event::Connected {
            conn,
            client_id,
            clean,
            resumed,
        } => {
            let client = client_id.escape_debug();
            debug!(%client, peer = %Peer(peer(conn)), clean, resumed, "connected");
        }
        Event::Closed {
            conn,
            client_id,
            reason,
        } => closed(peer(conn), client_id.as_deref(), reason),
        Event::Denied {
            conn,
            client_id,
            user,
            action,
            topic,
            rule,
            untold,
        } => {
            let action = match action {
                Action::Publish => "publish",
                Action::Subscribe => "subscribe",
                Action::Receive => "receive",
            };
            let rule = rule
                .as_ref()
                .map_or_else(|| "no rule fits".to_owned(), ToString::to_string);
            let user = user.as_deref().unwrap_or_default().escape_debug();
            let (client, topic, peer) = (client_id.escape_debug(), topic.escape_debug(), Peer(peer(conn)));
            info!(%client, %user, %peer, action, %topic, %rule, untold, "denied");
        }
        Event::Fight {
            client_id,
            newcomer,
            holder,
            takeovers,
        } => {
            let client = client_id.escape_debug();
            let from = |address: &Option<IpAddr>| address.map_or_else(|| "?".to_owned(), |address| address.to_string());
            let (newcomer, holder) = (from(&newcomer.1), from(&holder.1));
            warn!(%client, %newcomer, %holder, takeovers, "two clients use one identifier and throw each other out");
        }
        Event::NotTheirs { conn, client_id, user } => {
            let user = user.as_deref().unwrap_or_default().escape_debug();
            let (client, peer) = (client_id.escape_debug(), Peer(peer(conn)));
            info!(
                %client, %user, %peer,
                "refused: the session of this client identifier belongs to another user, or to clients without a user \
                 name; how to hand it over is in docs/access.md"
            );
        }
        Event::QueueFull { client_id } => {
            debug!(client = %client_id.escape_debug(), "queue full: messages for this client are dropped");
        }
    }
}

fn closed(peer: Option<PeerAddress>, client_id: Option<&str>, reason: &Reason) {
    let client = client_id.unwrap_or_default().escape_debug();
    let peer = Peer(peer);
    let why = match reason {
        Reason::Fault(fault) => {
            let statement = fault.statement();
            debug!(%client, %peer, statement, reason = fault.what(), "closed: the client broke a rule or a limit");
            return;
        }
        Reason::Refused(code) => {
            debug!(%client, %peer, code, "closed: CONNECT was refused");
            return;
        }
        Reason::Disconnect => "DISCONNECT",
        Reason::Ended(End::Finished) => "closed by the client without DISCONNECT",
        Reason::Ended(End::Broken) => "connection lost",
        Reason::KeepAlive => "nothing came within one and a half times the keep alive [MQTT-3.1.2-24]",
        Reason::ConnectTimeout => "no complete CONNECT came in time",
        Reason::TakenOver => "another connection took the client identifier over [MQTT-3.1.4-2]",
        Reason::Denied => "a rule denied what it published",
        Reason::Kicked(why) => why,
        Reason::Shutdown => "the broker ends",
    };
    debug!(%client, %peer, reason = why, "closed");
}

/// An address that may be gone.
struct Peer(Option<PeerAddress>);

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("?"),
        }
    }
}
