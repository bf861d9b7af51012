//! What a shard wished for is carried out: pauses, resumes, writes, closes, moves; and shown to the oracle.
//!
//! What must hold: the order of the real event loop: batches, moves, pauses, resumes, writes, closes. Deliberately
//! absent: a wish that is forgotten.

use burgee_core::io::{CloseMode, ConnKey, Mailbox, Parcel};

use super::{Moves, Shell};
use crate::disk::Disk;
use crate::net::{Event, Finish, LinkId, Net, Way};
use crate::oracle::{Oracle, Turn, Verdict};

/// Time for sending the rest before a close, in milliseconds.
const FLUSH_MS: u64 = 1_000;

impl Shell {
    pub(super) fn carry_out(&mut self, turn: &mut Turn, net: &mut Net, oracle: &mut Oracle) -> Result<Moves, String> {
        let dirty: Vec<ConnKey> = std::iter::from_fn(|| self.effects.outboxes.next_dirty()).collect();
        for key in &dirty {
            self.show(*key, turn)?;
        }
        let closes = std::mem::take(&mut self.effects.closes);
        for (key, mode) in &closes {
            let slot = self
                .slots
                .get_mut(*key)
                .ok_or("an unknown connection is to be closed")?;
            turn.closes.push((slot.link, *mode));
        }
        let moved = std::mem::take(&mut self.effects.moves);
        for (key, _) in &moved {
            turn.moves.extend(self.slots.get_mut(*key).map(|slot| slot.link));
        }
        self.take_asks(turn, net);
        let paused = self
            .slots
            .iter()
            .filter(|slot| slot.paused || slot.unread)
            .map(|slot| slot.link);
        turn.paused = paused.collect();
        for event in self.effects.events.drain(..) {
            net.trace.note(turn.now, || format!("event {event:?}"));
        }
        self.tell(turn, net);
        oracle.turn(turn)?;
        self.check_bounds()?;
        if self.dies {
            return Ok(Moves::new());
        }
        let mut leaving = Moves::new();
        for (key, to) in moved {
            let slot = self.slots.remove(key).ok_or("an unknown connection is to move")?;
            self.effects.outboxes.close(key);
            leaving.push((slot.link, to, slot.tail));
        }
        for key in std::mem::take(&mut self.effects.pauses) {
            if let Some(slot) = self.slots.get_mut(key) {
                slot.paused = true;
            }
        }
        for key in std::mem::take(&mut self.effects.resumes) {
            if let Some(slot) = self.slots.get_mut(key) {
                slot.paused = false;
                slot.hand_out = !slot.tail.is_empty();
            }
        }
        for key in dirty {
            self.flush(key, net);
        }
        for (key, mode) in closes {
            self.close(key, mode, net);
        }
        Ok(leaving)
    }

    /// What the core asks of whoever judges logins, and whom it sent away.
    fn take_asks(&mut self, turn: &mut Turn, net: &mut Net) {
        for ask in std::mem::take(&mut self.effects.asks) {
            turn.asks.extend(self.slots.get(ask.conn).map(|slot| slot.link));
            if let Some(at) = self.desk.take(&ask, net.now) {
                self.wake_at(at, net);
            }
        }
        for dismissed in self.effects.dismissed.take().into_iter().flatten() {
            turn.dismissed
                .extend(self.slots.get(dismissed.conn).map(|slot| slot.link));
        }
    }

    /// Hands what is to be kept to the disk, before this turn's mail and bytes go anywhere.
    pub(super) fn hand_over(&mut self, disk: Option<&mut Disk>, net: &mut Net) -> Verdict {
        let batches = std::mem::take(&mut self.effects.batches);
        let reads = std::mem::take(&mut self.effects.reads);
        if batches.is_empty() && reads.is_empty() {
            return Ok(());
        }
        match disk {
            Some(disk) if !self.without_disk => disk.take(self.id, (batches, reads), net),
            _ => Err(format!(
                "shard {} hands over {batches:?} and {reads:?}, and there is no disk",
                self.id
            )),
        }
    }

    /// Shows the oracle what this turn added to an outbox.
    fn show(&mut self, key: ConnKey, turn: &mut Turn) -> Verdict {
        let Some(slot) = self.slots.get_mut(key) else {
            return Err("bytes for an unknown connection".to_owned());
        };
        let Some(outbox) = self.effects.outboxes.get_mut(key) else {
            return Ok(());
        };
        let held = outbox.len();
        let known = slot.seen - slot.sent;
        let fresh: Vec<u8> = outbox.chunks().flatten().copied().skip(known).collect();
        if known + fresh.len() != held {
            return Err(format!(
                "an outbox says that it holds {held} bytes, it holds {}",
                known + fresh.len()
            ));
        }
        slot.seen += fresh.len();
        if !fresh.is_empty() {
            turn.outputs.push((slot.link, fresh));
        }
        Ok(())
    }

    fn tell(&self, turn: &Turn, net: &mut Net) {
        for (link, bytes) in &turn.outputs {
            let sum = bytes
                .iter()
                .fold(0, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(*byte));
            net.trace.say(turn.now, [3, *link as u64, sum], || {
                format!("shard {} to {link}: {}", self.id, crate::actor::packet::describe(bytes))
            });
        }
        for (link, mode) in &turn.closes {
            net.trace.say(turn.now, [4, *link as u64, 0], || {
                format!("shard {} closes {link} ({mode:?})", self.id)
            });
        }
        for link in &turn.moves {
            net.trace.say(turn.now, [5, *link as u64, 0], || {
                format!("shard {} moves {link}", self.id)
            });
        }
    }

    fn check_bounds(&mut self) -> Verdict {
        let most = self.limits.outbox_most;
        for slot in self.slots.iter() {
            let unsent = self.effects.outboxes.unsent(slot.key);
            if unsent > most {
                return Err(format!(
                    "the outbox of link {} holds {unsent} bytes, at most {most} are allowed",
                    slot.link
                ));
            }
        }
        let counters = self.shard.counters();
        let most = u64::try_from(self.limits.queue_most)
            .unwrap_or(u64::MAX)
            .saturating_mul(counters.sessions)
            .saturating_add(self.limits.restored);
        if counters.queued_messages > most {
            return Err(format!(
                "{} messages are queued, at most {most} are allowed",
                counters.queued_messages
            ));
        }
        for mail in &mut self.effects.mail {
            let held = sum(mail, Parcel::weight);
            let most = self.limits.mail_most;
            if held > most {
                return Err(format!("a mailbox holds {held} bytes, at most {most} are allowed"));
            }
        }
        Ok(())
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&mut self, key: ConnKey, net: &mut Net) {
        let (limit, rng) = (self.limits.outbox, &mut self.rng);
        let Some(slot) = self.slots.get_mut(key) else { return };
        let Some(outbox) = self.effects.outboxes.get_mut(key) else {
            return;
        };
        while !slot.blocked
            && let Some(chunk) = outbox.chunks().next()
        {
            // A kernel may take less than it has room for.
            let offered = if rng.percent(80) {
                chunk.len()
            } else {
                rng.size(1, chunk.len())
            };
            let written = net.write(slot.link, Way::Down, chunk.get(..offered).unwrap_or_default());
            outbox.consume(written);
            slot.sent += written;
            slot.blocked = written < offered;
        }
        if slot.blocked && net.link(slot.link).down.is_closed() {
            // Nobody will read it any more; the end of the connection is told by the other direction.
            slot.sent += outbox.len();
            outbox.consume(outbox.len());
            slot.blocked = false;
        }
        if outbox.wants_room && outbox.len() <= limit / 2 {
            outbox.wants_room = false;
            slot.room = true;
        }
        let (over, room) = (outbox.is_empty(), slot.room);
        let closing = slot.closing;
        self.effects.outboxes.reclaim(key);
        if over && closing {
            self.finish(key, Finish::Fin, net);
        } else if room {
            self.wake_soon(net);
        }
    }

    fn close(&mut self, key: ConnKey, mode: CloseMode, net: &mut Net) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        slot.closing = true;
        let link = slot.link;
        match mode {
            CloseMode::Now => self.drop_conn(key, net),
            CloseMode::AfterFlush => {
                self.flush(key, net);
                net.after(FLUSH_MS, Event::FlushTimeout(link));
            }
        }
    }

    /// Closes at once; what is unread makes a reset of it.
    pub(super) fn drop_conn(&mut self, key: ConnKey, net: &mut Net) {
        let how = if self.rng.percent(50) { Finish::Rst } else { Finish::Fin };
        self.finish(key, how, net);
    }

    fn finish(&mut self, key: ConnKey, how: Finish, net: &mut Net) {
        if let Some(slot) = self.slots.remove(key) {
            self.effects.outboxes.close(key);
            Self::hang_up(slot.link, how, net);
        }
    }

    /// Whether a connection is still this shard's.
    #[must_use]
    pub fn has(&self, link: LinkId) -> bool {
        self.slots.iter().any(|slot| slot.link == link)
    }

    /// No client's message waits for another shard.
    #[must_use]
    pub fn is_quiet(&mut self) -> bool {
        let waiting = |mail| sum(mail, |parcel| usize::from(super::post::is_from_client(parcel)));
        self.effects.mail.iter_mut().map(waiting).sum::<usize>() == 0
    }

    /// Connections that are not closed yet.
    #[must_use]
    pub fn open(&self) -> usize {
        self.slots.iter().count()
    }
}

/// Adds something up over the parcels of a mailbox.
fn sum(mail: &mut Mailbox, count: impl Fn(&Parcel) -> usize) -> usize {
    let parcels: Vec<Parcel> = std::iter::from_fn(|| mail.pop()).collect();
    let sum = parcels.iter().map(count).sum();
    for parcel in parcels {
        mail.push(parcel);
    }
    sum
}
