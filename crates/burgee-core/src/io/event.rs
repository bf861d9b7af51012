//! What happened that a person may want to read: the core's half of the log.
//!
//! What must hold: an event names the client and says why; identifiers are as the client sent them and have to be
//! escaped where they are shown. Deliberately absent: addresses; the event loop knows them by the connection.

use core::net::IpAddr;
use std::sync::Arc;

use burgee_access::{Action, Place};
use burgee_protocol::Fault;

use super::{ConnKey, End};

/// Why a connection ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reason {
    /// DISCONNECT came.
    Disconnect,
    /// The client closed without DISCONNECT.
    Ended(End),
    /// It broke a rule or went beyond a limit.
    Fault(Fault),
    /// Nothing came for one and a half times its keep alive.
    KeepAlive,
    /// No CONNECT came in time.
    ConnectTimeout,
    /// Another connection took the client identifier over.
    TakenOver,
    /// CONNECT was refused with this return code.
    Refused(u8),
    /// A rule denied what it published, and that ends its connection.
    Denied,
    /// An operator, or another policy, wanted it to go.
    Kicked(&'static str),
    /// The broker ends.
    Shutdown,
}

/// See the module.
#[derive(Clone, Debug)]
pub enum Event {
    /// A client is connected (debug).
    Connected {
        /// Its connection.
        conn: ConnKey,
        /// Its identifier.
        client_id: Box<str>,
        /// Clean session flag.
        clean: bool,
        /// A stored session was resumed.
        resumed: bool,
    },
    /// A connection ended (debug).
    Closed {
        /// Which.
        conn: ConnKey,
        /// The client identifier, once known.
        client_id: Option<Box<str>>,
        /// Why.
        reason: Reason,
    },
    /// A rule denied a client something. After one of these, a client's denials are counted and not told for a while.
    Denied {
        /// Its connection.
        conn: ConnKey,
        /// Its identifier.
        client_id: Box<str>,
        /// Its user name.
        user: Option<Arc<str>>,
        /// What it wanted, or what was not sent to it.
        action: Action,
        /// The topic or filter; the beginning, if it is long.
        topic: Box<str>,
        /// The rule that decided. `None`: none fits.
        rule: Option<Place>,
        /// Its denials that were not told since the last one that was.
        untold: u64,
    },
    /// Somebody came with an identifier whose session belongs to another user, and was refused.
    NotTheirs {
        /// Its connection.
        conn: ConnKey,
        /// The identifier.
        client_id: Box<str>,
        /// Who came.
        user: Option<Arc<str>>,
    },
    /// Two clients throw each other out again and again (told once for each fight).
    Fight {
        /// What they fight over.
        client_id: Box<str>,
        /// Who takes it now, and from where.
        newcomer: (ConnKey, Option<IpAddr>),
        /// Who has it.
        holder: (ConnKey, Option<IpAddr>),
        /// How often it was taken over lately.
        takeovers: u32,
    },
    /// Messages are dropped for a session because its queue is full (debug, once until it has been empty again).
    QueueFull {
        /// Whose.
        client_id: Box<str>,
    },
}
