//! Before a message goes out: what of it has to be kept first, and by whom it is owed.
//!
//! What must hold: one record for each message, whatever the fan-out; it is noted by the shard that took the message
//! over, for the sessions of all shards, in the batch that its publisher's identifier is in. Nothing that this returns as
//! needed is acknowledged before it is durable. Deliberately absent: sending; see `publish`.

use burgee_codec::{PacketId, QoS};
use burgee_router::{GroupRoute, Recipient, Route, Word};
use burgee_store::{MessageNo, Op, Owing, SessionNo};

use crate::job::{Arrived, Plan};
use crate::message::is_ours;
use crate::outbound::Outbound;
use crate::state::Shard;

impl Shard {
    /// Notes what has to be kept of a client's message, and its identifier. `retained` says that it was retained.
    #[inline]
    pub(crate) fn plan(&mut self, route: &Route, arrived: &Arrived, retained: bool, out: &mut Outbound<'_>) -> Plan {
        if !self.journal.is_on() {
            return Plan {
                picks: pick(route).map(|member| (member, 0)).collect(),
                ..Plan::default()
            };
        }
        let mut plan = self.owe(route, out);
        let mut must = retained || plan.is_owed();
        if let Some(id) = arrived.packet_id.filter(|_| arrived.qos == QoS::ExactlyOnce)
            && let Some(session) = self.sessions.kept(arrived.key)
        {
            self.journal.note(Op::Received { session, id }, self.now);
            must = true;
        }
        if must && arrived.qos > QoS::AtMostOnce {
            plan.need = self.journal.needs();
        }
        plan
    }

    /// The same for a message of the broker itself: nobody is to be answered.
    pub(crate) fn plan_own(&mut self, route: &Route, out: &mut Outbound<'_>) -> Plan {
        self.owe(route, out)
    }

    fn owe(&mut self, route: &Route, out: &mut Outbound<'_>) -> Plan {
        let mut plan = Plan::default();
        let published = out.qos();
        if !self.journal.is_on() || !route.keeps() || published == QoS::AtMostOnce {
            plan.picks = pick(route).map(|member| (member, 0)).collect();
            return plan;
        }
        // A member of a group may be owed the same message by a subscription of its own: each delivery has its number.
        plan.picks = pick(route)
            .map(|member| (member, self.owe_to([member].iter(), (published, false), out)))
            .collect();
        plan.number = self.owe_to(route.recipients().iter(), (published, false), out);
        plan
    }

    /// Notes that the kept sessions among these are owed the message. Returns its number, or 0 if there are none.
    pub(crate) fn owe_to<'r>(
        &mut self,
        recipients: impl Iterator<Item = &'r Recipient>,
        (published, retain): (QoS, bool),
        out: &mut Outbound<'_>,
    ) -> u64 {
        let owing: Owing = recipients
            .filter(|recipient| recipient.key.kept.is_kept() && recipient.qos > QoS::AtMostOnce)
            .map(|recipient| {
                let session = SessionNo(recipient.key.kept.number());
                (session, recipient.qos.min(published))
            })
            .collect();
        if owing.is_empty() || !self.journal.is_on() {
            return 0;
        }
        let number = self.journal.message_number();
        let owed = Op::Owed {
            message: MessageNo(number),
            body: out.body(),
            retain,
            owing,
        };
        self.journal.note(owed, self.now);
        // Other shards hear of it in this turn, and may settle it: their word must not come to the store before this one.
        self.journal.needs();
        number
    }

    /// Notes that the message is the retained one of its topic now, or that there is none any more. Nobody need wait, but
    /// it leaves with this turn's batch: another shard may have retained something else of the topic at the same moment,
    /// and hand it over before or after this. Its stamp tells the store which of the two the index has.
    pub(crate) fn note_retained(&mut self, word: Word, out: &mut Outbound<'_>) {
        if !self.journal.is_on() {
            return;
        }
        let (body, qos) = (out.body(), out.qos());
        if is_ours(body.topic()) {
            return;
        }
        let Word { stamp, oldest } = word;
        let op = if body.payload().is_empty() {
            let topic = body.topic().into();
            Op::Unretained { topic, stamp, oldest }
        } else {
            Op::Retained { body, qos, stamp }
        };
        self.journal.note(op, self.now);
        self.journal.needs();
    }

    /// What the last turn noted of retained messages is with the store.
    #[inline]
    pub(crate) fn hand_on(&mut self) {
        if core::mem::take(&mut self.unheard) {
            self.shared.retained.handed_on(self.id);
        }
    }

    /// A kept session has this message no more.
    #[inline]
    pub(crate) fn note_settled(&mut self, session: SessionNo, message: u64) {
        if message > 0 {
            let message = MessageNo(message);
            self.journal.note(Op::Settled { session, message }, self.now);
        }
    }

    /// PUBREL came: the identifier is free. Returns the batch behind which it is so for good.
    pub(crate) fn note_freed(&mut self, session: SessionNo, id: PacketId) -> u64 {
        self.journal.note(Op::Freed { session, id }, self.now);
        self.journal.needs()
    }

    /// Whether a client's message would need the store although it has failed.
    pub(crate) fn lacks_store(&self, route: &Route, arrived: &Arrived, retain: bool) -> bool {
        self.journal.has_failed()
            && arrived.qos > QoS::AtMostOnce
            && (route.keeps()
                || retain
                || (arrived.qos == QoS::ExactlyOnce && self.sessions.kept(arrived.key).is_some()))
    }
}

fn pick(route: &Route) -> impl Iterator<Item = Recipient> {
    route.groups().iter().filter_map(GroupRoute::pick)
}
