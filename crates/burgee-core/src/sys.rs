//! `$SYS`: what the broker says about itself, under the names that Mosquitto made customary.
//!
//! What must hold: shard 0 speaks for all; a value that did not change is not published again; nobody waits for
//! another shard's counters. Deliberately absent: what a dashboard wants; it reads counters, not topics.

use burgee_codec::{QoS, TopicName};
use burgee_protocol::Time;

use crate::counters::Counters;
use crate::io::{Effects, Inputs, Parcel, ShardId};
use crate::job::Wait;
use crate::load::SPANS;
use crate::message::Message;
use crate::state::Shard;

impl Shard {
    pub(crate) fn sys_deadline(&self) -> Option<Time> {
        (self.id == 0 && self.config.sys_interval_ms > 0)
            .then_some(self.sys.next)
            .flatten()
    }

    #[inline]
    pub(crate) fn sys_turn(&mut self, inputs: &impl Inputs, fx: &mut Effects) {
        if self.id == 0 && self.config.sys_interval_ms > 0 && self.sys.next.is_none_or(|next| next <= self.now) {
            self.tell_sys(inputs, fx);
        }
    }

    fn tell_sys(&mut self, inputs: &impl Inputs, fx: &mut Effects) {
        self.sys.began.get_or_insert(self.now);
        self.sys.next = Some(self.now.plus_millis(self.config.sys_interval_ms));
        self.sys.sum = self.counters.clone();
        self.sys.outside = inputs.outside();
        self.sys.missing = self.config.shards - 1;
        for shard in 1..self.config.shards {
            if let Some(mailbox) = fx.mail.get_mut(usize::from(shard)) {
                mailbox.push(Parcel::CountersWanted);
            }
        }
        if self.sys.missing == 0 {
            self.publish_sys(fx);
        }
    }

    pub(crate) fn answer_counters(&self, to: ShardId, fx: &mut Effects) {
        if let Some(mailbox) = fx.mail.get_mut(usize::from(to)) {
            mailbox.push(Parcel::Counters(Box::new(self.counters.clone())));
        }
    }

    pub(crate) fn add_counters(&mut self, counters: &Counters, fx: &mut Effects) {
        if self.sys.missing > 0 {
            self.sys.sum.add(counters);
            self.sys.missing -= 1;
            if self.sys.missing == 0 {
                self.publish_sys(fx);
            }
        }
    }

    fn publish_sys(&mut self, fx: &mut Effects) {
        let passed = self.now.millis_since(self.sys.last_round);
        self.sys.last_round = self.now;
        self.sys.loads.update(&self.sys.sum, passed);
        self.sys.most_clients = self.sys.most_clients.max(self.sys.sum.clients_connected);
        for (place, (name, value)) in self.sys_values().into_iter().enumerate() {
            if self.sys.published.get(place) == Some(&value) {
                continue;
            }
            let topic = format!("$SYS/broker/{name}");
            let message = Message::new(TopicName::trusted(&topic), value.as_bytes(), QoS::AtMostOnce);
            self.publish_own(&message, true, Wait::No, fx);
            match self.sys.published.get_mut(place) {
                Some(last) => *last = value,
                None => self.sys.published.push(value),
            }
        }
    }

    fn sys_values(&self) -> Vec<(String, String)> {
        let sum = &self.sys.sum;
        let uptime = self.now.millis_since(self.sys.began.unwrap_or(self.now)) / 1000;
        let absent = sum.sessions.saturating_sub(sum.clients_connected);
        let mut values = vec![
            ("version".to_owned(), self.config.version.to_owned()),
            ("uptime".to_owned(), format!("{uptime} seconds")),
        ];
        let numbers = [
            ("clients/total", sum.sessions),
            ("clients/connected", sum.clients_connected),
            ("clients/active", sum.clients_connected),
            ("clients/disconnected", absent),
            ("clients/inactive", absent),
            ("clients/maximum", self.sys.most_clients),
            ("clients/expired", sum.sessions_expired),
            ("messages/received", sum.packets_received),
            ("messages/sent", sum.packets_sent),
            ("messages/stored", self.shared.retained() as u64 + sum.queued_messages),
            ("publish/messages/received", sum.publish_received),
            ("publish/messages/sent", sum.publish_sent),
            ("publish/messages/dropped", sum.dropped()),
            ("publish/bytes/received", sum.publish_bytes_received),
            ("publish/bytes/sent", sum.publish_bytes_sent),
            ("bytes/received", sum.bytes_received),
            ("bytes/sent", sum.bytes_sent),
            ("subscriptions/count", self.shared.subscriptions() as u64),
            ("shared_subscriptions/count", sum.shared_subscriptions),
            ("retained messages/count", self.shared.retained() as u64),
            ("store/messages/count", sum.queued_messages),
            ("store/messages/bytes", sum.queued_bytes),
            ("burgee/dropped/outbox_full", sum.dropped_outbox_full),
            ("burgee/dropped/queue_full", sum.dropped_queue_full),
            ("burgee/dropped/denied", sum.dropped_denied),
            ("burgee/dropped/retained_full", sum.dropped_retained_full),
            ("burgee/dropped/memory", sum.dropped_memory),
            ("burgee/memory/held", sum.memory_held),
            ("burgee/connections/closed_for_memory", sum.closed_for_memory),
            ("burgee/dropped/expired", sum.dropped_expired),
            ("burgee/dropped/not_kept", sum.dropped_not_kept),
            ("burgee/store/failed", u64::from(sum.store_failed > 0)),
            ("burgee/store/waiting_bytes", sum.store_bytes),
            ("burgee/connections/total", sum.connections),
            ("burgee/connections/refused", sum.refused),
            ("burgee/denied/subscriptions", sum.denied_subscriptions),
            ("burgee/denied/deliveries", sum.denied_deliveries),
            ("burgee/denied/wills", sum.denied_wills),
            ("burgee/denied/connections", sum.denied_connections),
            ("burgee/connections/slowed", sum.slowed),
            ("burgee/connections/fights", sum.fights),
            ("burgee/denied/identifiers", sum.denied_identifiers),
            ("burgee/connections/faults", sum.faults),
            ("burgee/connections/timeouts", sum.timeouts),
            ("burgee/connections/kicked", sum.kicked),
            ("burgee/connections/taken_over", sum.taken_over),
            ("burgee/rules/lookups", sum.rule_lookups),
            ("burgee/qos2/unreleased", sum.unreleased),
        ];
        values.extend(numbers.map(|(name, value)| (name.to_owned(), value.to_string())));
        let outside = self.sys.outside.iter();
        values.extend(outside.map(|(name, value)| ((*name).to_owned(), value.to_string())));
        for (name, averages) in self.sys.loads.averages() {
            let spans = SPANS.iter().zip(averages);
            values.extend(spans.map(|((span, _), average)| (format!("load/{name}/{span}"), format!("{average:.2}"))));
        }
        values
    }
}
