//! What one shard has counted: plain integers, copied out on request.
//!
//! What must hold: a message that is dropped anywhere is counted by its reason. Deliberately absent: rates; whoever
//! asks twice can divide.

/// See the module. All values count from the start of the broker, unless said otherwise.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Bytes received from clients.
    pub bytes_received: u64,
    /// Bytes handed to clients' outboxes.
    pub bytes_sent: u64,
    /// Packets received.
    pub packets_received: u64,
    /// Packets handed to outboxes.
    pub packets_sent: u64,
    /// PUBLISH packets received.
    pub publish_received: u64,
    /// PUBLISH packets handed to outboxes.
    pub publish_sent: u64,
    /// Payload bytes of received PUBLISH packets.
    pub publish_bytes_received: u64,
    /// Payload bytes of sent PUBLISH packets.
    pub publish_bytes_sent: u64,
    /// Copies of QoS 0 dropped because the outbox was above its limit.
    pub dropped_outbox_full: u64,
    /// Copies of QoS 1 and 2 dropped because the session's queue was full.
    pub dropped_queue_full: u64,
    /// Retained messages delivered and not stored because there were too many.
    pub dropped_retained_full: u64,
    /// PUBLISH packets dropped because a rule denies them, or because their topic is not for clients.
    pub dropped_denied: u64,
    /// Filters refused because a rule denies them.
    pub denied_subscriptions: u64,
    /// Copies, and retained messages for new subscriptions, not sent because a rule denies it.
    pub denied_deliveries: u64,
    /// Wills not admitted, or not published, because a rule denies them.
    pub denied_wills: u64,
    /// Decisions about rules that were not remembered.
    pub rule_lookups: u64,
    /// Copies dropped because the memory limit was near.
    pub dropped_memory: u64,
    /// Connections closed because they held the most at the memory limit.
    pub closed_for_memory: u64,
    /// Messages dropped because they had waited too long.
    pub dropped_expired: u64,
    /// Sessions ended because their clients were away too long.
    pub sessions_expired: u64,
    /// Messages that the store did not have any more when they were to be sent.
    pub dropped_not_kept: u64,
    /// Shards whose store has failed.
    pub store_failed: u64,
    /// Bytes on their way to the store now.
    pub store_bytes: u64,
    /// Connections accepted by the listener.
    pub connections: u64,
    /// Connections refused with a CONNACK code.
    pub refused: u64,
    /// Connections refused because the session of their identifier is another user's.
    pub denied_identifiers: u64,
    /// Connections refused because their user has as many as it may.
    pub denied_connections: u64,
    /// Times that a client had to wait because it published faster than it may.
    pub slowed: u64,
    /// Fights over a client identifier.
    pub fights: u64,
    /// Connections closed because the client broke a rule or went beyond a limit.
    pub faults: u64,
    /// Connections closed because nothing came in time.
    pub timeouts: u64,
    /// Connections that an operator or another policy ended.
    pub kicked: u64,
    /// Connections that another one took over.
    pub taken_over: u64,
    /// Clients connected now.
    pub clients_connected: u64,
    /// Sessions held now, connected or not.
    pub sessions: u64,
    /// Messages of QoS 1 and 2 that wait or are unacknowledged now.
    pub queued_messages: u64,
    /// Bytes of those.
    pub queued_bytes: u64,
    /// Bytes of those that are in memory, as the queue limit counts them.
    pub held_bytes: u64,
    /// Bytes that count in the memory limit now.
    pub memory_held: u64,
    /// Shared subscriptions held now.
    pub shared_subscriptions: u64,
    /// Identifiers of received QoS 2 messages held now.
    pub unreleased: u64,
}

impl Counters {
    /// Adds another shard's counters to these.
    pub const fn add(&mut self, other: &Self) {
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
        self.packets_received += other.packets_received;
        self.packets_sent += other.packets_sent;
        self.publish_received += other.publish_received;
        self.publish_sent += other.publish_sent;
        self.publish_bytes_received += other.publish_bytes_received;
        self.publish_bytes_sent += other.publish_bytes_sent;
        self.dropped_outbox_full += other.dropped_outbox_full;
        self.dropped_queue_full += other.dropped_queue_full;
        self.dropped_retained_full += other.dropped_retained_full;
        self.dropped_denied += other.dropped_denied;
        self.denied_subscriptions += other.denied_subscriptions;
        self.denied_deliveries += other.denied_deliveries;
        self.denied_wills += other.denied_wills;
        self.rule_lookups += other.rule_lookups;
        self.dropped_memory += other.dropped_memory;
        self.closed_for_memory += other.closed_for_memory;
        self.held_bytes += other.held_bytes;
        self.memory_held += other.memory_held;
        self.dropped_expired += other.dropped_expired;
        self.sessions_expired += other.sessions_expired;
        self.dropped_not_kept += other.dropped_not_kept;
        self.store_failed += other.store_failed;
        self.store_bytes += other.store_bytes;
        self.connections += other.connections;
        self.refused += other.refused;
        self.denied_identifiers += other.denied_identifiers;
        self.denied_connections += other.denied_connections;
        self.slowed += other.slowed;
        self.fights += other.fights;
        self.faults += other.faults;
        self.timeouts += other.timeouts;
        self.kicked += other.kicked;
        self.taken_over += other.taken_over;
        self.clients_connected += other.clients_connected;
        self.sessions += other.sessions;
        self.queued_messages += other.queued_messages;
        self.queued_bytes += other.queued_bytes;
        self.shared_subscriptions += other.shared_subscriptions;
        self.unreleased += other.unreleased;
    }

    /// A packet of `bytes` bytes went into an outbox.
    #[inline]
    pub(crate) const fn sent_packet(&mut self, bytes: usize) {
        self.packets_sent += 1;
        self.bytes_sent += bytes as u64;
    }

    /// A PUBLISH of `bytes` bytes went into an outbox.
    #[inline]
    pub(crate) const fn sent_publish(&mut self, bytes: usize, payload: usize) {
        self.sent_packet(bytes);
        self.publish_sent += 1;
        self.publish_bytes_sent += payload as u64;
    }

    /// A message of `weight` bytes waits no more for one session; `here` says that its bytes were in memory.
    pub(crate) const fn settled(&mut self, weight: usize, here: bool) {
        self.queued_messages = self.queued_messages.saturating_sub(1);
        self.queued_bytes = self.queued_bytes.saturating_sub(weight as u64);
        if here {
            self.let_go(weight);
        }
    }

    /// Bytes of a message that waits are in memory.
    #[inline]
    pub(crate) const fn hold(&mut self, weight: usize) {
        self.held_bytes += weight as u64;
    }

    /// They are no more.
    pub(crate) const fn let_go(&mut self, weight: usize) {
        self.held_bytes = self.held_bytes.saturating_sub(weight as u64);
    }

    /// Messages and copies of them that somebody did not get, for any reason.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped_outbox_full
            + self.dropped_queue_full
            + self.dropped_denied
            + self.denied_deliveries
            + self.dropped_not_kept
            + self.dropped_expired
            + self.dropped_memory
    }
}
