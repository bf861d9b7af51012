//! How fast clients publish: where the world has a rate, no more is taken of a connection than it allows.
//!
//! What must hold: counted from outside, by what was taken and when. Deliberately absent: that nobody is slowed without
//! need; whoever never comes through is found at the end, by what is missing.

use std::collections::BTreeMap;

use burgee_core::Rate;

use super::{Oracle, Verdict};
use crate::net::LinkId;

/// What a connection may still publish, in thousandths, and when that was so.
#[derive(Debug)]
struct Left {
    messages: i64,
    bytes: i64,
    at: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pace {
    rate: Option<Rate>,
    left: BTreeMap<LinkId, Left>,
}

impl Pace {
    pub(super) const fn new(rate: Option<Rate>) -> Self {
        Self {
            rate,
            left: BTreeMap::new(),
        }
    }

    /// A PUBLISH of so many bytes was taken. Says whether it might be.
    fn take(&mut self, link: LinkId, bytes: usize, now: u64) -> bool {
        let Some(rate) = self.rate else { return true };
        let (messages, most_bytes) = (i64::from(rate.message_burst) * 1000, whole(rate.byte_burst) * 1000);
        let left = self.left.entry(link).or_insert(Left {
            messages,
            bytes: most_bytes,
            at: now,
        });
        let passed = whole(now - left.at);
        left.at = now;
        left.messages = messages.min(left.messages + i64::from(rate.messages) * passed);
        left.bytes = most_bytes.min(left.bytes + whole(rate.bytes) * passed);
        let might = (rate.messages == 0 || left.messages > 0) && (rate.bytes == 0 || left.bytes > 0);
        left.messages -= 1000;
        left.bytes -= whole(bytes as u64) * 1000;
        might
    }
}

impl Oracle {
    /// # Errors
    /// The connection has published more than its rate allows.
    pub(super) fn keeps_pace(&mut self, link: LinkId, bytes: usize) -> Verdict {
        if !self.laws.have_rates(self.shard) || self.pace.take(link, bytes, self.now) {
            return Ok(());
        }
        Err(format!("link {link} publishes more than its rate allows, and is read"))
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
