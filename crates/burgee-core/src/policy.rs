//! Who may come in, and how: what an operator may change while the broker runs.
//!
//! What must hold: a shard sees a whole policy or the one before, and changes between two turns. A listener that the policy
//! does not know lets nobody in. Deliberately absent: settings that a restart needs; see `config`.

use std::sync::Arc;

use burgee_access::{Rules, Users};
use burgee_codec::{Version, Versions};

/// A listener: its place in [`Policy::listeners`]. The place of one that is gone stays free.
#[derive(Copy, Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ListenerNo(pub u16);

/// See the module.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What holds for each listener, by [`ListenerNo`].
    pub listeners: Vec<ListenerPolicy>,
    /// What clients may do. `None`: everything; an empty list: nothing.
    pub rules: Option<Arc<Rules>>,
    /// What users may use: the first that is for a user counts.
    pub limits: Vec<UserLimits>,
    /// What is done about two clients that fight over one identifier.
    pub fights: Fights,
    /// Clients without a user name are let in somewhere. Where they are not, nobody could come for what they left: whoever
    /// comes first has it.
    pub nameless: bool,
}

impl Default for Policy {
    /// One listener, open to everybody.
    fn default() -> Self {
        Self {
            listeners: vec![ListenerPolicy::default()],
            rules: None,
            limits: Vec::new(),
            fights: Fights::default(),
            nameless: true,
        }
    }
}

impl Policy {
    pub(crate) fn listener(&self, number: ListenerNo) -> Option<&ListenerPolicy> {
        self.listeners.get(usize::from(number.0))
    }

    /// The rules for the clients of a listener.
    pub(crate) fn rules(&self, number: ListenerNo) -> Option<&Arc<Rules>> {
        let own = self.listener(number).and_then(|listener| listener.rules.as_ref());
        own.or(self.rules.as_ref())
    }
}

/// What the clients of some users may use.
#[derive(Clone, Debug)]
pub struct UserLimits {
    /// Whose.
    pub users: Users,
    /// Connections of each user at a time, over all shards; beyond, CONNACK 3. Clients without a user name are not counted.
    pub max_connections: u32,
    /// What each connection may publish.
    pub publish: Rate,
    /// Largest remaining length accepted, in bytes, if it is less than the listener's.
    pub max_packet_bytes: u32,
    /// Subscriptions of one session, if it is less than the listener's.
    pub max_subscriptions: usize,
}

impl UserLimits {
    /// No limits for these users.
    #[must_use]
    pub fn new(users: Users) -> Self {
        Self {
            users,
            max_connections: u32::MAX,
            publish: Rate::default(),
            max_packet_bytes: u32::MAX,
            max_subscriptions: usize::MAX,
        }
    }
}

/// How much may be published. Who is beyond it is not read until it is within it again.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Rate {
    /// Messages in a second; 0: no limit.
    pub messages: u32,
    /// So many may come at once after a rest; 0: as many as in a second.
    pub message_burst: u32,
    /// Bytes of PUBLISH packets in a second; 0: no limit.
    pub bytes: u64,
    /// So many may come at once after a rest; 0: as many as in a second.
    pub byte_burst: u64,
    /// Who has been beyond it for so many milliseconds without a rest is disconnected; 0: nobody is.
    pub close_after_ms: u64,
    /// All connections of a user have it in common, over all shards; a client without a user has it for itself in any case.
    pub per_user: bool,
}

impl Rate {
    /// Whether it limits anything.
    pub(crate) const fn limits(self) -> bool {
        self.messages > 0 || self.bytes > 0
    }
}

/// A fight: an identifier is taken over so often within so much time.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Fights {
    /// Takeovers; 0: nobody looks.
    pub takeovers: u32,
    /// Within so many milliseconds.
    pub within_ms: u64,
    /// In a fight, a newcomer waits so many milliseconds before its CONNECT is looked at, twice as long each time, up to half
    /// of the time for CONNECT; 0: nobody waits.
    pub slow_ms: u64,
}

impl Default for Fights {
    fn default() -> Self {
        Self {
            takeovers: 5,
            within_ms: 60_000,
            slow_ms: 0,
        }
    }
}

/// What holds for the connections of one listener.
#[derive(Clone, Debug)]
pub struct ListenerPolicy {
    /// The versions that it speaks, of those that the broker speaks.
    pub versions: Versions,
    /// Whether somebody is asked about each CONNECT. If not, user name and password are not looked at: everybody is
    /// anonymous.
    pub ask: bool,
    /// Rules that hold there instead of those of all.
    pub rules: Option<Arc<Rules>>,
    /// Largest remaining length accepted, in bytes, if it is less than the broker's.
    pub max_packet_bytes: u32,
    /// Subscriptions of one session, if it is less than the broker's.
    pub max_subscriptions: usize,
}

impl Default for ListenerPolicy {
    fn default() -> Self {
        Self {
            versions: Versions::NONE.with(Version::V31).with(Version::V311),
            ask: false,
            rules: None,
            max_packet_bytes: u32::MAX,
            max_subscriptions: usize::MAX,
        }
    }
}
