//! Reads the whole file once, but for the bodies, and rebuilds what is kept in memory.
//!
//! What must hold: every row is judged: its sum, its numbers, whether what it speaks of is there. The pages of tables
//! whose rows change are judged before: an older self of a row may still lie in its page, and its sum is right. In the end
//! all tables are counted and must agree with `meta`, so far as it counts messages. Nothing is changed, nothing is left out.

use std::collections::HashMap;

use burgee_codec::QoS;
use burgee_store::{Failure, Fault, MessageNo, SessionNo, Stage};
use rusqlite::Connection;

use crate::faults::{Cells, Doing, corrupt, fault_of_code};
use crate::lane::Entry;
use crate::refs::Refs;
use crate::rows::{Head, TargetsOf, decode_runs, is_number};
use crate::schema::{self, Format};
use crate::session::{Out, Session};
use crate::state::State;
use crate::tables::{cursor_sum, each, meta_sum, out_sum, packet_id, received_sum, session_row, sub_row, will_row};
use crate::totals::{FIELDS, NAMES, Told, Totals};

/// See the module.
pub(crate) fn load(conn: &Connection, format: Format) -> Result<State, Failure> {
    CHANGING.iter().try_for_each(|table| pages(conn, table))?;
    let (told, counted) = meta(conn, format)?;
    let mut loading = Loading {
        state: State::new(format),
        runs: HashMap::new(),
        told,
        counted,
        newer: (0, 0),
    };
    loading.state.totals = Totals {
        next_session: told.next_session,
        next_message: told.next_message,
        ..Totals::EMPTY
    };
    loading.sessions(conn)?;
    loading.subs(conn)?;
    loading.received(conn)?;
    loading.wills(conn)?;
    loading.cursors(conn)?;
    loading.messages(conn)?;
    loading.deliveries(conn)?;
    loading.retained(conn)?;
    let Loading { mut state, newer, .. } = loading;
    let seen = Totals {
        messages: state.totals.messages - newer.0,
        message_bytes: state.totals.message_bytes - newer.1,
        ..state.totals
    };
    for ((seen, told), name) in seen.fields().into_iter().zip(told.fields()).zip(NAMES) {
        if seen != told {
            let what = format!("{name} should be {told}, and {seen} are there");
            return Err(corrupt("meta", 1, &what));
        }
    }
    state.told = Told {
        next_message: told.next_message,
        counted,
        messages: told.messages,
        message_bytes: told.message_bytes,
    };
    state.clean();
    Ok(state)
}

/// Tables whose rows change. Those of `msg` are written once, under a number that never comes back.
const CHANGING: [&str; 8] = ["meta", "session", "sub", "qos2in", "will", "cursor", "out", "retained"];

/// SQLite's own look at the pages of a table: that its rows lie side by side, and nothing is in two places.
fn pages(conn: &Connection, table: &'static str) -> Result<(), Failure> {
    let sql = format!("PRAGMA quick_check('{table}')");
    let doing = format!("checking the pages of table {table}");
    let mut statement = conn.prepare(&sql).doing(&doing)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().doing(&doing)? {
        let said: String = row.get(0).doing(&doing)?;
        if said != "ok" {
            return Err(Failure::new(fault_of_page(&said), format!("table {table}: {said}")));
        }
    }
    Ok(())
}

/// Whose fault it is that SQLite finds something about a page: it tells a device that does not read in words, too.
fn fault_of_page(said: &str) -> Fault {
    let code = said.rsplit_once("error code=").map(|(_, code)| code);
    let code = code.and_then(|code| code.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    code.map_or(Fault::Corrupt, fault_of_code)
}

/// The row of `meta`, and below which number it counts messages: all, where an older program wrote it.
pub(crate) fn meta(conn: &Connection, format: Format) -> Result<(Totals, u64), Failure> {
    let mut found = None;
    each(conn, ("meta", format.words().meta), |cells| {
        let mut fields = [0; FIELDS];
        for (column, field) in fields.iter_mut().enumerate() {
            *field = cells.number(column)?;
        }
        let counted = cells.number(FIELDS + 1)?;
        cells.sums_to(FIELDS, meta_sum(&fields, counted))?;
        let counted = if counted == 0 { u64::MAX } else { counted };
        if found.replace((Totals::of(fields), counted)).is_some() {
            return Err(corrupt("meta", 1, "there are two rows"));
        }
        Ok(())
    })?;
    found.ok_or_else(|| corrupt("meta", 1, "it is missing"))
}

struct Loading {
    state: State,
    /// Settled runs of cursors, while messages are read.
    runs: HashMap<(SessionNo, u16), Vec<(u64, u64)>>,
    told: Totals,
    /// Below which number messages are counted there.
    counted: u64,
    /// Messages that are not, and their bytes.
    newer: (u64, u64),
}

impl Loading {
    fn sessions(&mut self, conn: &Connection) -> Result<(), Failure> {
        each(conn, ("session", self.state.format.words().session_all), |cells| {
            let (session, ..) = session_row(cells)?;
            if session.0 >= self.told.next_session {
                return Err(cells.odd("its number was never given"));
            }
            self.state.sessions.insert(session, Session::default());
            self.state.totals.sessions += 1;
            Ok(())
        })
    }

    /// The session that a row belongs to.
    fn session(&mut self, cells: Cells<'_>) -> Result<(SessionNo, &mut Session), Failure> {
        let number = SessionNo(cells.number(0)?);
        let session = self.state.sessions.get_mut(&number);
        Ok((number, session.ok_or_else(|| cells.odd("its session is not there"))?))
    }

    fn subs(&mut self, conn: &Connection) -> Result<(), Failure> {
        each(conn, ("sub", self.state.format.words().sub_all), |cells| {
            let (session, ..) = sub_row(cells)?;
            if !self.state.sessions.contains_key(&session) {
                return Err(cells.odd("its session is not there"));
            }
            self.state.totals.subs += 1;
            Ok(())
        })
    }

    fn received(&mut self, conn: &Connection) -> Result<(), Failure> {
        each(conn, ("qos2in", schema::QOS2IN_ALL), |cells| {
            let id = packet_id(cells, 1)?;
            let (number, session) = self.session(cells)?;
            cells.sums_to(2, received_sum(number, id))?;
            session.receive(id);
            self.state.totals.received += 1;
            Ok(())
        })
    }

    fn wills(&mut self, conn: &Connection) -> Result<(), Failure> {
        each(conn, ("will", schema::WILL_ALL), |cells| {
            self.session(cells)?;
            will_row(cells)?;
            self.state.totals.wills += 1;
            Ok(())
        })
    }

    fn cursors(&mut self, conn: &Connection) -> Result<(), Failure> {
        each(conn, ("cursor", schema::CURSOR_ALL), |cells| {
            let source: u16 = cells.small(1)?;
            let (floor, done) = (cells.number(2)?, cells.bytes(3)?);
            let lane = self.state.lane_of(source);
            let (number, session) = self.session(cells)?;
            cells.sums_to(4, cursor_sum(number, source, floor, done))?;
            let runs = decode_runs(floor, done).map_err(|odd| cells.odd(odd))?;
            session.add_lane(Refs::loaded(lane, floor, true));
            if !runs.is_empty() {
                self.runs.insert((number, lane), runs);
            }
            self.state.totals.cursors += 1;
            Ok(())
        })
    }

    fn messages(&mut self, conn: &Connection) -> Result<(), Failure> {
        each(conn, ("msg", schema::MSG_ALL), |cells| {
            let message = cells.number(0)?;
            if !is_number(message) || message >= self.told.next_message {
                return Err(cells.odd("its number was never given"));
            }
            let head = cells.bytes(1)?;
            self.state.longest_head = self.state.longest_head.max(head.len());
            let (head, targets) = Head::decode(message, head).map_err(|odd| cells.odd(odd))?;
            let lane = self.state.lane_of(head.source);
            let mut owing = 0;
            for target in TargetsOf::new(targets) {
                let (session, qos) = target.map_err(|odd| cells.odd(odd))?;
                if session.0 >= self.told.next_session {
                    return Err(cells.odd("it is owed to a session that never was"));
                }
                owing += u32::from(self.owe(session, lane, (message, qos), head.bytes));
            }
            if owing == 0 {
                return Err(cells.odd("nobody is owed it"));
            }
            let entry = Entry::new(message, head.bytes, head.retain).owed_to(owing);
            let messages = self.state.lanes.get_mut(usize::from(lane));
            messages
                .and_then(|messages| messages.push(entry))
                .ok_or_else(|| cells.odd("it is not in order"))?;
            self.state.totals.messages += 1;
            self.state.totals.message_bytes += u64::from(head.bytes);
            if message >= self.counted {
                self.newer.0 += 1;
                self.newer.1 += u64::from(head.bytes);
            }
            Ok(())
        })
    }

    /// Whether the session is there, has not settled the message, and was not named before.
    fn owe(&mut self, number: SessionNo, lane: u16, message: (u64, QoS), bytes: u32) -> bool {
        let (message, qos) = message;
        let Some(session) = self.state.sessions.get_mut(&number) else {
            // It is gone: its messages are settled.
            return false;
        };
        if let Some(refs) = session.lane_mut(lane).filter(|refs| refs.stored) {
            if message <= refs.floor() {
                return false;
            }
            let runs = self.runs.get(&(number, lane)).map(Vec::as_slice).unwrap_or_default();
            let at = runs.partition_point(|(_, last)| *last < message);
            if runs.get(at).is_some_and(|(first, _)| *first <= message) {
                refs.settled_before(message);
                return false;
            }
        }
        let new = session.owe(lane, MessageNo(message), qos);
        if new {
            session.messages += 1;
            session.bytes += u64::from(bytes);
        }
        new
    }

    fn deliveries(&mut self, conn: &Connection) -> Result<(), Failure> {
        each(conn, ("out", schema::OUT_ALL), |cells| {
            let message = MessageNo(cells.number(1)?);
            let id = packet_id(cells, 2)?;
            let stage = match cells.number(3)? {
                0 => Stage::Published,
                1 => Stage::Released,
                _ => return Err(cells.odd("its stage is unknown")),
            };
            let (number, session) = self.session(cells)?;
            let out = Out { message, id, stage };
            cells.sums_to(4, out_sum(number, out))?;
            if !session.owes(message) {
                return Err(cells.odd("its session is not owed the message"));
            }
            if session.delivery_with(id).is_some() {
                return Err(cells.odd("its identifier is in use twice"));
            }
            session.deliver(out);
            self.state.totals.deliveries += 1;
            Ok(())
        })
    }

    fn retained(&mut self, conn: &Connection) -> Result<(), Failure> {
        each(conn, ("retained", schema::RETAINED_SIZES), |cells| {
            let bytes = cells.number(0)?.checked_add(cells.number(1)?);
            let bytes = bytes.and_then(|bytes| bytes.checked_add(2));
            self.state.totals.retained += 1;
            self.state.totals.retained_bytes += bytes.ok_or_else(|| cells.odd("its size cannot be"))?;
            Ok(())
        })
    }
}
