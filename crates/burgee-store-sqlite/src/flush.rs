//! Writes what the operations of a commit came to.
//!
//! What must hold: afterwards the file says what memory says. A cursor is written only where a message outlives the
//! commit that one of its sessions has settled: whatever else was settled is gone with its message's row.

use burgee_store::Failure;

use crate::faults::{Doing, corrupt};
use crate::rows::encode_runs;
use crate::schema;
use crate::tables::{cursor_sum, meta_row, out_sum, received_sum, stage_bits};
use crate::totals::{Told, Totals};
use crate::write::{Writer, int, size};

const WRITING: &str = "writing a commit";

/// Pages that a row which goes can set free in a table of two levels.
pub(crate) const MERGED: u64 = 3;

/// A row with fewer bytes for each page has no page of its own.
const OVERFLOW: u64 = 4000;

/// Bytes of a row besides its head and its body, at most.
const HEADER: usize = 32;

/// Numbers of messages that are used before `meta` is written again for them alone. So many are skipped after a crash.
pub(crate) const SPARE: u64 = 1 << 16;

impl Writer<'_> {
    /// See the module. How much there was before, and what `meta` says. Returns how many pages became free at most.
    pub(crate) fn flush(&mut self, before: &Totals, told: Told) -> Result<u64, Failure> {
        self.remove_messages()?;
        self.add_messages()?;
        self.write_cursors()?;
        self.write_received()?;
        self.write_deliveries()?;
        let now = self.state.totals;
        let others = |totals: &Totals| Totals {
            next_message: 0,
            messages: 0,
            message_bytes: 0,
            ..*totals
        };
        // What it does not count need not be told, and stays uncounted: else the next that goes would have to be told.
        if self.state.told != told || now.next_message > told.next_message || others(&now) != others(before) {
            let all = told.counted == u64::MAX;
            self.write_meta(SPARE, all)?;
        }
        Ok(self.freed(before))
    }

    /// Pages that became free at most, but for `UNSURE` of them: a row that goes may have three pages of a table
    /// become one, which takes the place of the page above it, and a long one has pages of its own. Of what comes and goes
    /// seldom, or has rows of any length, nothing is known here.
    fn freed(&self, before: &Totals) -> u64 {
        let changes = &*self.changes;
        if changes.others || !changes.cursors.is_empty() {
            return u64::MAX;
        }
        let rows = changes.gone.len() + changes.deliveries.len() + changes.received.len();
        let heads = changes.gone.len() * (self.state.longest_head + HEADER);
        let added: u64 = changes.fresh.iter().map(|fresh| u64::from(fresh.head.bytes)).sum();
        let bodies = (before.message_bytes + added).saturating_sub(self.state.totals.message_bytes);
        MERGED * size(rows) + (size(heads) + bodies) / OVERFLOW
    }

    fn remove_messages(&mut self) -> Result<(), Failure> {
        if self.changes.gone.is_empty() {
            return Ok(());
        }
        self.changes.gone.sort_unstable();
        let mut statement = self.conn.prepare_cached(schema::MSG_REMOVE).doing(WRITING)?;
        let mut rest = self.changes.gone.as_slice();
        let mut nexts = vec![Some(0); self.state.lanes.len()];
        while let Some((&first, more)) = rest.split_first() {
            // As far as nobody stands between. Numbers ascend, so what was found for one lane holds until it is passed.
            for (lane, next) in self.state.lanes.iter().zip(&mut nexts) {
                if next.is_some_and(|next| next <= first) {
                    *next = lane.first_behind(first);
                }
            }
            let next = nexts.iter().flatten().min().copied();
            let adjacent = next.map_or(more.len(), |next| more.partition_point(|gone| *gone < next));
            let (run, behind) = more.split_at(adjacent);
            let last = run.last().copied().unwrap_or(first);
            statement.raw_bind_parameter(1, int(first)).doing(WRITING)?;
            statement.raw_bind_parameter(2, int(last)).doing(WRITING)?;
            let removed = statement.raw_execute().doing(WRITING)?;
            if removed != run.len() + 1 {
                let rows = format!("{first} to {last}");
                let what = format!("{} should be there, and {removed} are", run.len() + 1);
                return Err(corrupt("msg", rows, &what));
            }
            rest = behind;
        }
        Ok(())
    }

    fn add_messages(&mut self) -> Result<(), Failure> {
        if self.changes.fresh.is_empty() {
            return Ok(());
        }
        let mut statement = self.conn.prepare_cached(schema::MSG_ADD).doing(WRITING)?;
        let mut targets_from = 0;
        for fresh in &self.changes.fresh {
            let targets = self.changes.targets.get(targets_from..fresh.targets_end);
            targets_from = fresh.targets_end;
            let Some(entry) = self.state.lane(fresh.lane).and_then(|lane| lane.at(fresh.place)) else {
                // Everybody has settled it already.
                continue;
            };
            let scratch = &mut self.changes.scratch;
            scratch.clear();
            fresh.head.encode(entry.number, targets.unwrap_or_default(), scratch);
            self.state.longest_head = self.state.longest_head.max(scratch.len());
            statement.raw_bind_parameter(1, int(entry.number)).doing(WRITING)?;
            statement.raw_bind_parameter(2, scratch.as_slice()).doing(WRITING)?;
            statement.raw_bind_parameter(3, &**fresh.body.bytes()).doing(WRITING)?;
            statement.raw_execute().doing(WRITING)?;
            if entry.number < self.state.told.counted {
                self.state.told.messages += 1;
                self.state.told.message_bytes += u64::from(entry.bytes());
            }
        }
        Ok(())
    }

    fn write_cursors(&mut self) -> Result<(), Failure> {
        let (state, changes) = (&mut *self.state, &mut *self.changes);
        for &(session, lane, place) in &changes.settled {
            let outlives = state.lanes.get(usize::from(lane)).and_then(|lane| lane.at(place));
            if outlives.is_some() && changes.cursors.last() != Some(&(session, lane)) {
                changes.cursors.push((session, lane));
            }
        }
        changes.cursors.sort_unstable();
        changes.cursors.dedup();
        if changes.cursors.is_empty() {
            return Ok(());
        }
        let mut statement = self.conn.prepare_cached(schema::CURSOR_WRITE).doing(WRITING)?;
        for &(number, lane) in &changes.cursors {
            let refs = state
                .sessions
                .get_mut(&number)
                .and_then(|session| session.lane_mut(lane));
            let source = state.lanes.get(usize::from(lane)).map(|lane| lane.source);
            // A session that was deleted later in this commit has no cursors.
            let (Some(refs), Some(source)) = (refs, source) else {
                continue;
            };
            changes.scratch.clear();
            encode_runs(refs.floor(), refs.runs(), &mut changes.scratch);
            let done = changes.scratch.as_slice();
            let sum = cursor_sum(number, source, refs.floor(), done);
            let row = (int(number.0), source, int(refs.floor()), done, sum);
            statement.execute(row).doing(WRITING)?;
            state.totals.cursors += u64::from(!refs.stored);
            refs.stored = true;
        }
        Ok(())
    }

    fn write_received(&mut self) -> Result<(), Failure> {
        let mut changed = std::mem::take(&mut self.changes.received);
        // The first word about an identifier says what the file says.
        changed.sort_by_key(|(session, id, _)| (*session, *id));
        changed.dedup_by_key(|(session, id, _)| (*session, *id));
        for &(number, id, before) in &changed {
            let Some(session) = self.state.sessions.get(&number) else {
                continue;
            };
            let now = session.received().binary_search(&id).is_ok();
            if now && !before {
                let sum = received_sum(number, id);
                self.run(schema::QOS2IN_ADD, (int(number.0), id.get(), sum))?;
            } else if before && !now {
                self.run(schema::QOS2IN_REMOVE, (int(number.0), id.get()))?;
            }
        }
        self.changes.received = changed;
        Ok(())
    }

    fn write_deliveries(&mut self) -> Result<(), Failure> {
        let mut changed = std::mem::take(&mut self.changes.deliveries);
        // The first word about a delivery says what the file says.
        changed.sort_by_key(|(session, message, _)| (*session, *message));
        changed.dedup_by_key(|(session, message, _)| (*session, *message));
        for &(number, message, before) in &changed {
            let Some(session) = self.state.sessions.get(&number) else {
                continue;
            };
            if let Some(out) = session.delivery(message) {
                let stage = int(stage_bits(out.stage));
                let row = (int(number.0), int(message.0), out.id.get(), stage, out_sum(number, out));
                self.run(schema::OUT_WRITE, row)?;
            } else if before {
                self.run(schema::OUT_REMOVE, (int(number.0), int(message.0)))?;
            }
        }
        self.changes.deliveries = changed;
        Ok(())
    }

    /// `all`: from now on it counts all that is there.
    pub(crate) fn write_meta(&mut self, spare: u64, all: bool) -> Result<(), Failure> {
        let totals = &self.state.totals;
        let told = if all {
            Told::all(totals, spare)
        } else {
            self.state.told.ahead_of(totals, spare)
        };
        let row = meta_row(totals, told);
        self.state.told = told;
        self.run(schema::META_WRITE, row).map(drop)
    }
}
