//! What shard 0 remembers between two rounds of `$SYS`.
//!
//! What must hold: one round at a time. Deliberately absent: the topics' names; see `sys`.

use burgee_protocol::Time;

use crate::counters::Counters;
use crate::io::ShardId;
use crate::load::Loads;

/// What shard 0 remembers between two rounds.
#[derive(Debug, Default)]
pub(crate) struct Sys {
    /// When the next round is due; `None` before the first turn.
    pub(crate) next: Option<Time>,
    pub(crate) began: Option<Time>,
    pub(crate) last_round: Time,
    /// This round's sum, and how many shards are missing in it.
    pub(crate) sum: Counters,
    pub(crate) missing: ShardId,
    /// What was counted around the shards when the round began.
    pub(crate) outside: Vec<(&'static str, u64)>,
    /// The last published value of each topic, in the order of the list in `sys`.
    pub(crate) published: Vec<String>,
    pub(crate) loads: Loads,
    pub(crate) most_clients: u64,
}
