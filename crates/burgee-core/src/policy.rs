//! Who may come in, and how: what an operator may change while the broker runs.
//!
//! What must hold: a shard sees a whole policy or the one before, and changes between two turns. A listener that the policy
//! does not know lets nobody in. Deliberately absent: settings that a restart needs; see `config`.

use std::sync::Arc;

use burgee_access::Rules;
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
}

impl Default for Policy {
    /// One listener, open to everybody.
    fn default() -> Self {
        Self {
            listeners: vec![ListenerPolicy::default()],
            rules: None,
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
