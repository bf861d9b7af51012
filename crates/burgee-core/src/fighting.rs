//! Client identifiers that are taken over again and again: two clients under one name throw each other out for ever.
//!
//! What must hold: what is remembered is bounded, whoever fights. Deliberately absent: what is done about it.

use std::collections::BTreeMap;

use burgee_protocol::Time;

/// Identifiers that are remembered; more fights at a time are not told apart from none.
const MOST: usize = 256;

#[derive(Debug)]
struct Fight {
    since: Time,
    takeovers: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Fighting {
    by_client: BTreeMap<Box<str>, Fight>,
}

impl Fighting {
    /// Another takeover of this identifier. Says how many there were within the time.
    pub(crate) fn another(&mut self, client_id: &str, now: Time, within_ms: u64) -> u32 {
        let old = |fight: &Fight| now.millis_since(fight.since) >= within_ms;
        if let Some(fight) = self.by_client.get_mut(client_id) {
            if old(fight) {
                *fight = Fight {
                    since: now,
                    takeovers: 0,
                };
            }
            fight.takeovers = fight.takeovers.saturating_add(1);
            return fight.takeovers;
        }
        if self.by_client.len() >= MOST {
            self.by_client.retain(|_, fight| !old(fight));
        }
        if self.by_client.len() < MOST {
            let fight = Fight {
                since: now,
                takeovers: 1,
            };
            self.by_client.insert(client_id.into(), fight);
        }
        1
    }
}
