//! The broker crashes and starts again.
//!
//! What must hold: nothing of a broker outlives it but its disk; clients notice as they notice any lost connection.
//! Deliberately absent: a judgement; the oracle sees what is found.

use std::sync::Arc;

use burgee_core::{Config, Shared};

use super::World;
use crate::disk::{Content, Disk};
use crate::net::{Event, Finish, Way};
use crate::oracle::{Found, FoundSession, Verdict};
use crate::shell::{Post, Shell};

/// A crash comes so many events after its time, at most.
const FUSE: u64 = 30;
/// Crashes right behind the moment in which a session gets its first user, in percent: there are few such moments, and how
/// soon that is said matters.
const BEHIND_A_CLAIM: u64 = 40;
/// So many events behind it, at most.
const RIGHT_BEHIND: u64 = 4;
/// So many events of one millisecond are too many.
const CROWDED: u32 = 100_000;
/// So long a broker goes on without its disk, at most, in milliseconds.
const WITHOUT_DISK_MS: u64 = 3_000;

impl World {
    /// The next event, unless a crash comes before it.
    pub(super) fn step(&mut self, event: Event) -> Verdict {
        if !self.calm {
            self.steps += 1;
        }
        self.crowded = if self.net.now == self.moment {
            self.crowded + 1
        } else {
            0
        };
        self.moment = self.net.now;
        if self.crowded > CROWDED {
            return Err("time stands still".to_owned());
        }
        if self.is_crash_due(event) {
            let within = self
                .crash_at
                .take()
                .map_or_else(|| self.rng.percent(30), |crash| crash.within);
            let shell = if let Event::Turn(shard) = event {
                self.shells.get_mut(usize::from(shard)).filter(|_| within)
            } else {
                None
            };
            match shell.filter(|shell| shell.is_due(&self.net)) {
                Some(shell) => shell.dies = true,
                None => self.crash()?,
            }
        }
        self.happen(event)
    }

    fn is_crash_due(&mut self, event: Event) -> bool {
        if self.down.is_some() || self.disk.is_none() || event == Event::Restart {
            return false;
        }
        if let Some(crash) = self.crash_at {
            return self.steps > crash.step;
        }
        if let Some(left) = self.fuse {
            self.fuse = left.checked_sub(1);
            return left == 0;
        }
        let claimed = self.disk.as_mut().is_some_and(Disk::has_seen_a_claim);
        if claimed && !self.calm && self.rng.percent(BEHIND_A_CLAIM) {
            self.fuse = Some(self.rng.range(0, RIGHT_BEHIND));
            return false;
        }
        if self.crashes.last().is_some_and(|at| *at <= self.net.now) {
            self.crashes.pop();
            self.fuse = Some(self.rng.range(0, FUSE));
        }
        false
    }

    /// From now on only those crashes come that were planned, and the disk does not fail any more.
    pub(super) fn become_calm(&mut self) {
        self.calm = true;
        self.crash_at = None;
        if let Some(disk) = &mut self.disk {
            disk.spare();
        }
    }

    /// All that the broker has in memory is gone.
    pub(super) fn crash(&mut self) -> Verdict {
        let now = self.net.now;
        self.oracle.crash(now)?;
        self.net
            .trace
            .say(now, [10; 3], || "world  the broker crashes".to_owned());
        let mut ended = burgee_core::Counters::default();
        for shell in &self.shells {
            ended.add(shell.counters());
            self.past.turns += shell.turns;
        }
        let past = &mut self.past.counters;
        past.dropped_queue_full += ended.dropped_queue_full;
        past.dropped_outbox_full += ended.dropped_outbox_full;
        past.dropped_denied += ended.dropped_denied;
        past.dropped_memory += ended.dropped_memory;
        past.kicked += ended.kicked;
        past.fights += ended.fights;
        past.denied_identifiers += ended.denied_identifiers;
        past.denied_connections += ended.denied_connections;
        if !self.disk.as_ref().is_some_and(Disk::has_failed) {
            past.dropped_not_kept += ended.dropped_not_kept;
        }
        self.shells.clear();
        self.post = Post::new(self.config.shards, self.scenario.mail_ms, self.scenario.mail_slot);
        for link in 0..self.net.links() {
            if self.net.link(link).server_gone {
                continue;
            }
            self.net.link(link).server_gone = true;
            match self.rng.below(3) {
                // What is on its way still arrives.
                0 => self.net.close(link, Way::Down, Finish::Fin),
                1 => self.net.close(link, Way::Down, Finish::Rst),
                _ => self.net.cut(link),
            }
        }
        let (disk, rng, net) = (self.disk.as_mut(), &mut self.rng, &mut self.net);
        let covered = disk.map_or(0, |disk| disk.crash(rng, net));
        self.down = Some(covered);
        let downtime = self.rng.range(0, self.scenario.downtime);
        self.net.after(downtime, Event::Restart);
        Ok(())
    }

    /// The broker starts with what its disk holds.
    pub(super) fn restart(&mut self) -> Verdict {
        let (Some(covered), Some(disk)) = (self.down.take(), &mut self.disk) else {
            return Ok(());
        };
        let content = disk.content()?;
        let mut shards = self.config.shards;
        if self.rng.percent(20) {
            // Somebody has changed the settings meanwhile.
            shards = u16::try_from(self.rng.range(1, u64::from(self.scenario.config.shards))).unwrap_or(1);
            self.post = Post::new(shards, self.scenario.mail_ms, self.scenario.mail_slot);
        }
        let (edition, config) = self.scenario.settings_at(self.net.now);
        self.config = Arc::new(Config { shards, ..config });
        let shared = Arc::new(Shared::new(self.rng.seeds()));
        self.tell_content(&content);
        for message in &content.retained {
            shared.restore_retained(message);
        }
        let mut shells: Vec<Shell> = (0..self.config.shards)
            .map(|id| Shell::new(id, &self.scenario, &self.config, &shared, &mut self.rng))
            .collect();
        for shell in &mut shells {
            shell.continue_from(&content.recovered);
        }
        let mut sessions = Vec::new();
        for stored in content.sessions {
            let home = shared.home(&stored.record.client_id, self.config.shards);
            if let Some(shell) = shells.get_mut(usize::from(home)) {
                shell.restore(stored.record.clone(), &stored.owed);
            }
            let (record, owed) = (stored.record, stored.messages);
            sessions.push(FoundSession { record, owed, home });
        }
        let found = Found {
            sessions,
            retained: content.retained,
            covered,
            edition,
        };
        self.oracle.restart(self.net.now, &found)?;
        self.shells = shells;
        self.plan_orders(edition + 1);
        for shell in &mut self.shells {
            shell.wake_soon(&mut self.net);
        }
        Ok(())
    }

    fn tell_content(&mut self, content: &Content) {
        let now = self.net.now;
        let counts = [content.sessions.len() as u64, content.retained.len() as u64, 11];
        self.net.trace.say(now, counts, || {
            format!(
                "world  the broker starts with {} sessions and {} retained messages",
                content.sessions.len(),
                content.retained.len()
            )
        });
        for session in &content.sessions {
            self.net
                .trace
                .note(now, || format!("disk   {:?} {:?}", session.record, session.messages));
        }
    }

    /// A commit of the disk is over.
    pub(super) fn commit(&mut self, life: u64) -> Verdict {
        let Some(disk) = &mut self.disk else { return Ok(()) };
        let failed = disk.has_failed();
        let news = disk.commit(life, &mut self.net)?;
        if disk.has_failed() && !failed {
            // Nobody can do anything about it but start the broker again.
            let at = self.net.now + self.rng.range(500, WITHOUT_DISK_MS);
            self.crashes.retain(|other| *other > at);
            self.crashes.push(at);
        }
        for (shard, at, news) in news {
            if let Some(shell) = self.shells.get_mut(usize::from(shard)) {
                shell.hear(at, news, &mut self.net);
            }
        }
        Ok(())
    }

    /// The broker is there, and everything that it wants kept is.
    pub(super) fn is_settled(&self) -> bool {
        let failing = self
            .disk
            .as_ref()
            .is_some_and(|disk| disk.has_failed() || !disk.is_idle());
        self.down.is_none() && !failing && self.crashes.is_empty() && self.fuse.is_none() && self.crash_at.is_none()
    }
}
