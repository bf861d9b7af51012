//! What a program does, how it dies, and how its story ends.
//!
//! What must hold: all it does follows from its own chance. Deliberately absent: how the library is stepped.

use std::collections::{BTreeMap, BTreeSet};

use burgee_client::QoS;

use super::affairs::Affairs;
use super::program::Program;
use super::streams::Streams;
use super::{Library, habits};
use crate::net::{Finish, Net, Way};
use crate::oracle::Oracle;

/// Messages that a program has in hand, at most.
const MOST: usize = 40;

impl Library {
    pub(super) fn act(&mut self, net: &mut Net, affairs: &mut Affairs) -> Result<(), String> {
        if self.program.is_none() {
            return if self.retired { Ok(()) } else { self.begin(net) };
        }
        if self.calm {
            return Ok(());
        }
        if self.rng.percent(self.manner.dies) {
            self.die(net, affairs);
            return Ok(());
        }
        if self.rng.percent(self.cuts) {
            self.end_badly(net);
            return Ok(());
        }
        match self.rng.below(100) {
            0..55 => self.publish(1),
            55..70 => {
                let count = self.rng.range(2, 12);
                self.publish(count);
            }
            70..80 => self.subscribe(net),
            80..88 => self.give_up(net),
            88..90 => self.end(net.now),
            _ => {}
        }
        Ok(())
    }

    /// The program starts.
    fn begin(&mut self, net: &mut Net) -> Result<(), String> {
        let lasting = std::mem::take(&mut self.lasting);
        for lasting in &lasting {
            self.door.wants(&lasting.filter);
        }
        let lasting = lasting
            .into_iter()
            .map(|lasting| (lasting, self.manner.capacity))
            .collect();
        let options = self.manner.options(&self.name);
        let chance = self.rng.fork();
        self.program = Some(Program::start(
            options,
            self.outbox.as_mut(),
            lasting,
            (net.now, chance),
        )?);
        net.trace.say(net.now, [13, self.number as u64, 0], || {
            format!("{} starts: {:?}", self.name, self.manner)
        });
        Ok(())
    }

    fn publish(&mut self, count: u64) {
        let Some(program) = &mut self.program else { return };
        for _ in 0..count {
            if program.notes.len() >= MOST || program.ending.is_some() {
                return;
            }
            self.counter += 1;
            self.seldom.handed += 1;
            let which = self.counter.to_string();
            let mut note = habits::note(&mut self.rng, &self.manner.habits, (&self.name, &which), self.payload);
            // Without a payload nobody could tell whose it is.
            if note.payload.is_empty() {
                note.payload = format!("{}:{which}:", self.name).into_bytes();
            }
            program.notes.push_back((self.counter, note));
        }
    }

    fn subscribe(&mut self, net: &mut Net) {
        let Some(program) = &mut self.program else { return };
        if program.streams.all.len() > 8 {
            return;
        }
        let filter = habits::filter(&mut self.rng, false);
        let qos = habits::qos(&mut self.rng, 2);
        self.door.wants(filter);
        net.trace.say(net.now, [13, self.number as u64, 3], || {
            format!("{} wants {filter:?} with {qos:?}", self.name)
        });
        program.subscribe(filter, qos, self.manner.capacity);
        self.fickle = self.rng.percent(20);
    }

    /// It has asked for a stream, and does not want to wait for the answer.
    pub(super) fn change_its_mind(&mut self, net: &mut Net) {
        if std::mem::take(&mut self.fickle)
            && let Some(program) = &mut self.program
            && let Some(key) = program.streams.all.last().map(|stream| stream.key)
        {
            let stream = program.give_up(key, false);
            net.trace.say(net.now, [13, self.number as u64, 5], || {
                format!("{} does not wait for {stream:?}", self.name)
            });
        }
    }

    fn give_up(&mut self, net: &mut Net) {
        let Some(program) = &mut self.program else { return };
        let mut keys: Vec<u64> = Vec::new();
        for stream in program.streams.all.iter().filter(|stream| !stream.stays) {
            keys.push(stream.key);
        }
        if keys.is_empty() {
            return;
        }
        let key = *self.rng.pick(&keys);
        let waits = self.rng.percent(50);
        let stream = program.give_up(key, waits);
        net.trace.say(net.now, [13, self.number as u64, 4], || {
            format!("{} gives up {stream:?}", self.name)
        });
    }

    fn end(&mut self, now: u64) {
        if let Some(program) = &mut self.program {
            program.notes.clear();
            program.end(now);
        }
    }

    fn end_badly(&mut self, net: &mut Net) {
        let Some(link) = self.link else { return };
        match self.rng.below(4) {
            0 | 1 => net.cut(link),
            2 => {
                let way = if self.rng.percent(50) { Way::Up } else { Way::Down };
                let bytes = self.rng.size(1, 300);
                net.cut_after(link, way, bytes);
            }
            // Without a keep alive it would never notice.
            _ if self.manner.keep_alive > 0 => net.link(link).black_hole = true,
            _ => net.close(link, Way::Down, Finish::Rst),
        }
    }

    /// The program is gone between two steps; of what was being put on disk all is there, or nothing.
    fn die(&mut self, net: &mut Net, affairs: &mut Affairs) {
        net.trace
            .say(net.now, [13, self.number as u64, 1], || format!("{} dies", self.name));
        self.seldom.deaths += 1;
        if let Some(program) = &mut self.program
            && let Some((_, notes)) = program.committing.take()
            && self.rng.percent(50)
            && let Some(outbox) = &mut self.outbox
        {
            // What it refuses was not written either.
            if outbox.put(&notes).is_ok() {
                self.door.is_written();
            }
        }
        if let Some(link) = self.link
            && self.rng.percent(30)
        {
            // Nobody tells the server.
            net.link(link).client_gone = true;
            self.link = None;
            self.door.lost(net.now, affairs);
        }
        self.bury(net, affairs, false);
    }

    /// The program is over. `in_order`: it wanted that.
    pub(super) fn bury(&mut self, net: &mut Net, affairs: &mut Affairs, in_order: bool) {
        self.hang_up_now(net, affairs);
        let Some(mut program) = self.program.take() else { return };
        self.seldom.taken += std::mem::take(&mut program.streams.taken);
        let streams = std::mem::take(&mut program.streams);
        let again = self.door.crash(|number| streams.may_be_done(number));
        self.again.extend(again);
        let stays: BTreeSet<&str> = streams
            .all
            .iter()
            .filter(|stream| stream.stays)
            .map(|stream| stream.lasting.filter.as_str())
            .collect();
        let others = self.door.filters().filter(|filter| !stays.contains(filter));
        self.leftover.extend(others.map(str::to_owned));
        let Streams { all, .. } = streams;
        self.lasting = all
            .into_iter()
            .filter(|stream| stream.stays)
            .map(|stream| stream.lasting)
            .collect();
        let away = if in_order || self.rng.percent(70) {
            self.pace
        } else {
            3_000
        };
        self.next_action = net.now + self.rng.range(1, away);
    }

    pub(super) fn hang_up_now(&mut self, net: &mut Net, affairs: &mut Affairs) {
        let Some(link) = self.link.take() else { return };
        let how = if self.rng.percent(70) { Finish::Fin } else { Finish::Rst };
        net.close(link, Way::Up, how);
        self.serving_since = None;
        self.door.lost(net.now, affairs);
        net.trace.say(net.now, [13, self.number as u64, 2], || {
            format!("{} has lost {link}", self.name)
        });
    }

    /// From now on it is good.
    pub fn calm_down(&mut self, net: &mut Net) {
        self.calm = true;
        if let Some(program) = &mut self.program {
            program.streams.hurry();
        }
        if let Some(link) = self.link {
            if std::mem::take(&mut net.link(link).black_hole) {
                net.cut(link);
            }
            net.link(link).up.spare();
            net.link(link).down.spare();
        }
        self.next_action = net.now;
        self.plan(net);
    }

    /// Whether it is connected, and nothing that it does is unfinished.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.program.as_ref().is_some_and(|program| {
            program.machine.is_serving()
                && program.machine.unfinished() == 0
                && program.is_idle()
                && program.streams.are_empty()
        })
    }

    /// Does not come back when its connection ends.
    pub const fn retire(&mut self) {
        self.retired = true;
    }

    /// Goes for good.
    pub fn hang_up(&mut self, net: &mut Net, affairs: &mut Affairs) {
        self.retired = true;
        self.bury(net, affairs, true);
    }

    /// The end: what was promised has come, and the server has what the program wants.
    ///
    /// # Errors
    /// It has not.
    pub fn judge(&self, affairs: &Affairs, oracle: &Oracle) -> Result<(), String> {
        let judged = self.judge_all(affairs, oracle);
        judged.map_err(|problem| format!("{} ({:?}): {problem}", self.name, self.manner))
    }

    fn judge_all(&self, affairs: &Affairs, oracle: &Oracle) -> Result<(), String> {
        let Some(program) = &self.program else {
            return Err("it does not run".to_owned());
        };
        for stream in &program.streams.all {
            stream.check()?;
            affairs.check(&self.name, &stream.lasting)?;
        }
        if self.door.unfinished() > 0 {
            return Err(format!("{} of its messages are not finished", self.door.unfinished()));
        }
        if let Some(outbox) = self.outbox.as_ref().filter(|outbox| outbox.messages() > 0) {
            return Err(format!("its outbox still holds {} messages", outbox.messages()));
        }
        let mut wanted: BTreeMap<&str, QoS> = BTreeMap::new();
        for stream in &program.streams.all {
            let least = wanted.entry(&stream.lasting.filter).or_default();
            *least = (*least).max(stream.lasting.qos);
        }
        let has = oracle.filters_of(&self.name);
        for (filter, least) in &wanted {
            if has.get(*filter).is_none_or(|qos| qos < least) {
                return Err(format!("the server lacks {filter:?} with {least:?}; it has {has:?}"));
            }
        }
        let known = |filter: &str| wanted.contains_key(filter) || self.leftover.contains(filter);
        match has.keys().find(|filter| !known(filter)) {
            Some(filter) => Err(format!("the server still has {filter:?}, which nobody wants")),
            None => Ok(()),
        }
    }

    /// What it is, for a report.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{} {:?} {:?} {:?}", self.name, self.link, self.manner, self.program)
    }
}
