//! A shard's turn. Read this file first: every input and everything that a turn does stands here, by name; each verb
//! has a file of its own.
//!
//! What must hold: a turn is bounded (bytes by what the event loop hands in, copies and retained messages by slices);
//! what is left over is said in `effects.more`. A key that is stale finds nothing. Deliberately absent: waiting.

use burgee_codec::{Decoded, Limits, Packet, Version, Versions, decode};
use burgee_protocol::connection::{FromClient, check_first_byte, first_from_client, from_client};
use burgee_protocol::{Fault, Time};

use crate::batch::Place;
use crate::conns::{Conn, Hold, Newcomer, State};
use crate::io::{CloseMode, ConnKey, Effects, End, Input, Inputs, Parcel, Reason, ShardId};
use crate::state::{Next, Shard};

impl Shard {
    /// Takes all inputs in and does what follows from them and from the time.
    pub fn turn(&mut self, now: Time, inputs: &mut impl Inputs, effects: &mut Effects) {
        self.now = now;
        self.copies_left = self.config.fanout_slice.max(1);
        self.retained_left = self.config.retained_slice.max(1);
        effects.more = false;
        // Most turns have nothing of what follows: they pay for looking and no more.
        self.hand_on();
        self.feel_pressure(effects);
        if !self.jobs.is_empty() {
            self.work_off_jobs(effects);
        }
        if !self.journal.is_quiet() {
            self.let_parked_go(effects);
        }
        if !self.replaying.is_empty() {
            self.replay_again(effects);
        }
        if !self.mail_waiters.is_empty() {
            self.resume_mail_waiters(effects);
        }
        if !self.old_wills.is_empty() {
            self.publish_old_wills(effects);
        }
        while let Some(input) = inputs.next() {
            if let Input::Bytes { conn, bytes } = input {
                let (used, needed) = self.bytes(conn, bytes, effects);
                // What came together is kept together, and nothing else.
                self.batch.clear();
                inputs.consumed(used, needed);
            } else {
                self.take_in(input, effects);
            }
        }
        while let Some(conn) = self.overrun.pop() {
            if self.conns.get(conn).is_some() {
                self.fail(
                    conn,
                    Fault::Limit("its queue is full, and queue_policy is disconnect"),
                    effects,
                );
            }
        }
        if !self.slowed.is_empty() {
            self.go_on_reading(effects);
        }
        self.expire(inputs, effects);
        self.relieve(effects);
        if self.expires() {
            self.give_up();
        }
        self.sys_turn(inputs, effects);
        if self.ending.has_begun() {
            self.finish_ending(effects);
        }
        self.let_all_go(effects);
        if !self.store_waiters.is_empty() {
            self.resume_store_waiters(effects);
        }
        effects.more |= !self.jobs.is_empty() || !self.replaying.is_empty();
        if self.journal.has_failed() && !self.journal.is_quiet() {
            self.give_back(effects);
        }
        if self.journal.is_on() {
            if self.ending.has_begun() {
                // Nothing is left for later any more.
                self.journal.needs();
            }
            let batch = self.journal.take(now, !effects.reads.is_empty());
            effects.batches.extend(batch);
            self.counters.store_bytes = self.journal.bytes() as u64;
        }
        effects.deadline = self.deadline();
    }

    fn take_in(&mut self, input: Input<'_>, fx: &mut Effects) {
        match input {
            Input::Accepted {
                conn,
                listener,
                address,
            } => {
                let newcomer = Newcomer {
                    listener,
                    address,
                    verdict: None,
                    waits: None,
                    due: self.now.plus_millis(self.config.connect_timeout_ms),
                };
                self.accepted(conn, newcomer, fx);
            }
            // It answers for them, too: see `turn`.
            Input::Bytes { .. } => {}
            Input::Ended { conn, how } => self.ended(conn, how, fx),
            Input::Room { conn } => self.room(conn, fx),
            Input::Mail { from, parcel } => self.mail(from, parcel, fx),
            Input::Durable { batch } => self.durable(batch, fx),
            Input::Bodies { key, bodies } => self.bodies(key, bodies, fx),
            Input::StoreFailed => self.store_failed(fx),
            Input::Verdict { conn, verdict } => self.verdict(conn, verdict, fx),
            Input::Policy(policy) => self.obey(policy),
            Input::Reload(reload) => self.reload(&reload, fx),
            Input::Kick { conn, reason } => self.kick(conn, reason, fx),
            Input::Shutdown => self.end(fx),
        }
    }

    fn accepted(&mut self, conn: ConnKey, newcomer: Newcomer, fx: &mut Effects) {
        self.awaiting.push_back((newcomer.due, conn));
        self.conns.insert(conn, newcomer);
        fx.outboxes.open(conn);
        self.counters.connections += 1;
    }

    /// Decodes and acts on packet after packet. Returns how many bytes are done with and how many are needed in all.
    fn bytes(&mut self, conn: ConnKey, bytes: &[u8], fx: &mut Effects) -> (usize, usize) {
        // [MQTT-7.1.1-1] an ordered stream: packets may come in any pieces.
        let mut used = 0;
        loop {
            let Some(state) = self.conns.get(conn) else {
                return (bytes.len(), 0);
            };
            if state.hold != Hold::None {
                self.look_for_farewell(conn, bytes, used);
                return (used, 0);
            }
            let most = state.open().map(|open| open.max_packet_bytes);
            // The short way leaves the connection as it stands, unless it says otherwise.
            let (rest, done) = loop {
                let rest = bytes.get(used..).unwrap_or_default();
                let Some(most) = most else { break (rest, None) };
                match self.quick((conn, most), Place { rest, at: used }, fx) {
                    Some((Ok(Next::Go), len)) => used += len,
                    done => break (rest, done),
                }
            };
            let (done, len) = match done {
                Some(done) => done,
                None => match self.decode(rest, conn) {
                    Ok(Decoded::Incomplete { needed }) => {
                        if !self.looked_ahead.is_empty() {
                            self.looked_ahead.remove(&conn);
                        }
                        return (used, needed);
                    }
                    Ok(Decoded::Packet { packet, len }) => {
                        let raw = rest.get(..len).unwrap_or_default();
                        (self.packet(conn, packet, raw, fx), len)
                    }
                    Err(fault) => (Err(fault), 0),
                },
            };
            match done {
                Ok(Next::Go) => used += len,
                Ok(Next::Held(hold)) => {
                    used += len;
                    self.hold(conn, hold, fx);
                }
                Ok(Next::Wait(hold)) => {
                    self.hold(conn, hold, fx);
                    self.look_for_farewell(conn, bytes, used);
                    return (used, 0);
                }
                Ok(Next::Moved) => return (used, 0),
                Ok(Next::Gone) => return (bytes.len(), 0),
                Err(fault) => {
                    if matches!(fault, Fault::Ours(_)) {
                        self.look_for_farewell(conn, bytes, used);
                    }
                    self.fail(conn, fault, fx);
                    return (bytes.len(), 0);
                }
            }
        }
    }

    fn decode<'b>(&self, bytes: &'b [u8], conn: ConnKey) -> Result<Decoded<'b>, Fault> {
        let (version, limits) = match self.conns.get(conn).map(Conn::state) {
            Some(State::Open(open)) => (open.version, limits(open.max_packet_bytes, Versions::NONE)),
            Some(State::Awaiting(newcomer)) => {
                check_first_byte(bytes)?;
                let most = self
                    .config
                    .max_connect_bytes
                    .min(self.max_packet_bytes(newcomer.listener));
                (Version::V311, limits(most, self.versions(newcomer.listener)))
            }
            None => (Version::V311, limits(0, Versions::NONE)),
        };
        Ok(decode(bytes, version, &limits)?)
    }

    fn packet(&mut self, conn: ConnKey, packet: Packet<'_>, raw: &[u8], fx: &mut Effects) -> Result<Next, Fault> {
        let now = self.now;
        let Some(open) = self.conns.open_mut(conn) else {
            let connect = first_from_client(packet)?;
            let next = self.connect(conn, &connect, fx);
            if next != Next::Moved {
                self.count_packet(raw.len());
            }
            return Ok(next);
        };
        // [MQTT-3.1.2-24] every complete packet counts, not only PINGREQ [MQTT-3.1.2-23].
        open.keep_alive.touch(now);
        let next = match from_client(packet)? {
            FromClient::Subscribe(_) | FromClient::Unsubscribe(_) | FromClient::PubRel(_) | FromClient::PubRec(_)
                if self.journal.is_full() =>
            {
                return Ok(Next::Wait(Hold::Store));
            }
            FromClient::Publish(publish) => {
                if let Some(slowed) = self.has_to_slow(conn) {
                    return slowed;
                }
                // [MQTT-4.8.0-2] what cannot be kept is not acknowledged. What needs no store goes on.
                let next = self.publish(conn, &publish, raw, fx)?;
                if matches!(next, Next::Wait(_)) {
                    return Ok(next);
                }
                self.charge(conn, raw.len());
                next
            }
            FromClient::PubAck(id) => self.puback(conn, id, fx).map(|()| Next::Go)?,
            FromClient::PubRec(id) => self.pubrec(conn, id, fx).map(|()| Next::Go)?,
            FromClient::PubComp(id) => self.pubcomp(conn, id, fx).map(|()| Next::Go)?,
            FromClient::PubRel(id) => self.pubrel(conn, id, fx).map(|()| Next::Go)?,
            FromClient::Subscribe(subscribe) => self.subscribe(conn, &subscribe, fx).map(|()| Next::Go)?,
            FromClient::Unsubscribe(unsubscribe) => self.unsubscribe(conn, &unsubscribe, fx).map(|()| Next::Go)?,
            FromClient::Ping => {
                // [MQTT-3.12.4-1] behind nothing that waits.
                self.send(conn, Packet::PingResp, fx);
                Next::Go
            }
            FromClient::Disconnect => {
                // [MQTT-3.14.4-2] what follows is not looked at; [MQTT-3.14.4-1] we close as well.
                self.close(conn, Reason::Disconnect, CloseMode::AfterFlush, fx);
                Next::Gone
            }
        };
        self.count_packet(raw.len());
        Ok(self.unless_it_does_not_read(conn, next, fx))
    }

    /// A client that sends without taking our answers is not read until it takes them. Deliveries stop at the outbox
    /// limit by themselves; only answers go beyond it.
    pub(crate) fn unless_it_does_not_read(&self, conn: ConnKey, next: Next, fx: &mut Effects) -> Next {
        let limit = self.config.outbox_bytes.saturating_mul(2);
        if next != Next::Go || fx.outboxes.get(conn).is_none_or(|outbox| outbox.own_len() < limit) {
            return next;
        }
        if let Some(outbox) = fx.outboxes.get_mut(conn) {
            self.want_room(outbox);
        }
        Next::Held(Hold::Outbox)
    }

    fn ended(&mut self, conn: ConnKey, how: End, fx: &mut Effects) {
        // Who only shut down its sending side may still read what it was owed until then.
        let mode = match how {
            End::Finished => CloseMode::AfterFlush,
            End::Broken => CloseMode::Now,
        };
        self.close(conn, Reason::Ended(how), mode, fx);
    }

    fn room(&mut self, conn: ConnKey, fx: &mut Effects) {
        self.unhold(conn, Hold::Outbox, fx);
        if let Some(session) = self.conns.open_mut(conn).map(|open| open.session) {
            self.pump(session, fx);
        }
    }

    fn mail(&mut self, from: ShardId, parcel: Parcel, fx: &mut Effects) {
        match parcel {
            Parcel::Publish { message, copies } => self.arrive(&message, &copies, fx),
            Parcel::Singles(singles) => {
                for (message, copy) in &singles {
                    self.arrive(message, core::slice::from_ref(copy), fx);
                }
            }
            Parcel::Bundle(bundle) => self.arrive_as_they_are(&bundle, fx),
            Parcel::Ending => self.hear_of_end(),
            Parcel::CountersWanted => self.answer_counters(from, fx),
            Parcel::Counters(counters) => self.add_counters(&counters, fx),
        }
    }

    fn resume_mail_waiters(&mut self, fx: &mut Effects) {
        for (conn, shard) in core::mem::take(&mut self.mail_waiters) {
            if fx.mail_is_full(shard) {
                self.mail_waiters.push((conn, shard));
            } else {
                self.unhold(conn, Hold::Mail(shard), fx);
            }
        }
    }

    #[inline]
    pub(crate) const fn count_packet(&mut self, bytes: usize) {
        self.counters.packets_received += 1;
        self.counters.bytes_received += bytes as u64;
    }

    fn deadline(&self) -> Option<Time> {
        let awaiting = self.awaiting.front().map(|(due, _)| *due);
        let usual = Time::earlier(
            Time::earlier(Time::earlier(awaiting, self.wheel.next()), self.slowed.next()),
            Time::earlier(self.sys_deadline(), self.ending.deadline(self.now)),
        );
        if !self.journal.is_on() && !self.expires() {
            return usual;
        }
        let rare = Time::earlier(self.journal.deadline(), self.expiry_deadline());
        Time::earlier(Time::earlier(usual, rare), self.lingering.deadline())
    }
}

pub(crate) const fn limits(max_remaining_length: u32, versions: Versions) -> Limits {
    Limits {
        max_remaining_length,
        versions,
    }
}
