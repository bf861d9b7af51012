//! The settings of the core, checked: every value is usable as it stands.
//!
//! What must hold: no limit is absent; "none" is the largest number. Deliberately absent: how they were written.

use burgee_protocol::session::{Policy, QueueLimits};

use std::sync::Arc;

use crate::policy::Policy as Admittance;

/// The number of a shard, from 0.
pub type ShardId = u16;

/// See the module.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many shards the broker has, at least 1.
    pub shards: ShardId,
    /// Unacknowledged messages of QoS 1 and 2 to one session, at least 1.
    pub window: u16,
    /// Messages that wait for one session.
    pub queue: QueueLimits,
    /// Unsent bytes that one connection holds alone; above, QoS 0 is dropped and QoS 1 and 2 wait. Above twice as much
    /// the connection is not read.
    pub outbox_bytes: usize,
    /// Unsent bytes of large payloads, which cost memory once for all connections; above, the same happens.
    pub outbox_shared_bytes: usize,
    /// Largest remaining length accepted, in bytes.
    pub max_packet_bytes: u32,
    /// Largest remaining length accepted before CONNECT is accepted, in bytes.
    pub max_connect_bytes: u32,
    /// Time for the complete CONNECT, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Connections of one shard, CONNECT accepted; beyond, CONNACK 3.
    pub max_connections: usize,
    /// Sessions of one shard, connected or not; beyond, CONNACK 3.
    pub max_sessions: usize,
    /// Retained messages of the broker; beyond, a message for a topic that has none is delivered and not stored.
    pub max_retained: usize,
    /// Subscriptions of one session, where a filter counts once more for every 16 levels; beyond, return code 0x80.
    pub max_subscriptions: usize,
    /// Bytes of mail to one other shard that may wait.
    pub mail_bytes: usize,
    /// Copies of messages made in one turn before the rest waits for the next one.
    pub fanout_slice: usize,
    /// Entries of the retained index looked at for one subscription in one turn.
    pub retained_slice: usize,
    /// Whether there is a store that keeps the sessions of clean session 0 and retained messages.
    pub durable: bool,
    /// Bytes of one shard on their way to the store; beyond, publishers of QoS 1 and 2 are not read.
    pub store_bytes: usize,
    /// Bytes that what clients send may take in memory, in all shards; `usize::MAX`: no limit. Near it the slowest clients
    /// get no more, at it nobody new is let in.
    pub memory_limit: usize,
    /// Milliseconds after which a session ends whose client is away; 0: never.
    pub session_expiry_ms: u64,
    /// Milliseconds, counted in whole seconds, after which a message is dropped that waits in a queue; 0: never.
    pub message_expiry_ms: u64,
    /// Whether clients of MQTT 3.1 are served.
    pub serve_mqtt31: bool,
    /// Milliseconds between two rounds of `$SYS` messages; 0: none.
    pub sys_interval_ms: u64,
    /// Who may come in, until another policy comes.
    pub policy: Arc<Admittance>,
    /// What `$SYS/broker/version` says.
    pub version: &'static str,
}

impl Config {
    /// What holds after a reload: limits and the policy of `new`; of the rest, which shards are built around, what was.
    #[must_use]
    pub fn reloaded(&self, new: &Self) -> Self {
        Self {
            window: new.window,
            queue: new.queue,
            outbox_shared_bytes: new.outbox_shared_bytes,
            max_packet_bytes: new.max_packet_bytes,
            max_connect_bytes: new.max_connect_bytes,
            connect_timeout_ms: new.connect_timeout_ms,
            max_connections: new.max_connections,
            max_sessions: new.max_sessions,
            max_retained: new.max_retained,
            max_subscriptions: new.max_subscriptions,
            memory_limit: new.memory_limit,
            serve_mqtt31: new.serve_mqtt31,
            sys_interval_ms: new.sys_interval_ms,
            policy: Arc::clone(&new.policy),
            ..self.clone()
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            shards: 1,
            window: 100,
            queue: QueueLimits {
                messages: usize::MAX,
                bytes: 64 << 20,
                policy: Policy::DropNewest,
            },
            outbox_bytes: 1 << 20,
            outbox_shared_bytes: 64 << 20,
            max_packet_bytes: 268_435_455,
            // Identifier, will topic, will message, user name and password of 65,535 bytes each, and what is fixed.
            max_connect_bytes: 5 * 65_537 + 10,
            connect_timeout_ms: 10_000,
            max_connections: usize::MAX,
            max_sessions: 1_000_000,
            max_retained: 10_000_000,
            max_subscriptions: 100_000,
            mail_bytes: 4 << 20,
            fanout_slice: 4096,
            retained_slice: 1024,
            durable: false,
            store_bytes: 16 << 20,
            memory_limit: usize::MAX,
            session_expiry_ms: 0,
            message_expiry_ms: 0,
            serve_mqtt31: true,
            sys_interval_ms: 10_000,
            policy: Arc::default(),
            version: concat!("burgee ", env!("CARGO_PKG_VERSION")),
        }
    }
}
