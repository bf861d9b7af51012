//! The connections of one shard with all that serves them: reading, writing, closing; and the wishes of a turn
//! carried out on them.
//!
//! What must hold: a connection that leaves the table leaves its outbox and the count of open ones, too.
//! Deliberately absent: polling, mail, time.

use std::io;
use std::sync::Arc;

use burgee_core::io::{CloseMode, ConnKey, Effects, Outboxes};
use burgee_protocol::Time;
use mio::event::Event;
use mio::{Interest, Registry};

use crate::closing::Closer;
use crate::conn_table::{Conn, Flags, Table, token};
use crate::door::Stay;
use crate::mail::{Arrival, Hub};
use crate::reading::{News, Reader};
use crate::writing;

/// See the module.
pub(crate) struct Connections {
    pub(crate) table: Table,
    pub(crate) reader: Reader,
    pub(crate) news: News,
    closer: Closer,
    hub: Arc<Hub>,
    /// An outbox with no more than this has room.
    room: usize,
}

impl Connections {
    /// None yet. An outbox that wanted room gets it at `room` unsent bytes; a turn receives about `budget` bytes.
    pub(crate) fn new(hub: Arc<Hub>, room: usize, budget: usize) -> Self {
        let (table, closer) = (Table::default(), Closer::default());
        Self {
            table,
            reader: Reader::new(budget),
            news: News::default(),
            closer,
            hub,
            room,
        }
    }

    /// Takes a connection in. Bytes that it brings along are handed out first.
    pub(crate) fn admit(&mut self, arrival: Arrival, registry: &Registry) {
        let conn = Conn::new(arrival);
        let stay = conn.stay();
        if let Err(error) = self.try_admit(conn, registry) {
            self.lose(stay, &error, "connection lost before it was served");
        }
    }

    fn try_admit(&mut self, conn: Conn, registry: &Registry) -> io::Result<()> {
        let key = self
            .table
            .insert(conn)
            .map_err(|_| io::Error::other("no slot left in this shard"))?;
        let Some(conn) = self.table.get_mut(key) else {
            return Ok(());
        };
        // Both at once and edge-triggered: never to be changed again. What is there already comes as a first event.
        if let Err(error) = registry.register(&mut conn.socket, token(key), Interest::READABLE | Interest::WRITABLE) {
            drop(self.table.remove(key));
            return Err(error);
        }
        self.reader.enqueue(key, conn);
        self.news.accepted.push_back(key);
        Ok(())
    }

    /// The kernel says something about a connection.
    pub(crate) fn event(&mut self, now: Time, event: &Event, outboxes: &mut Outboxes) {
        let Some(key) = self.table.find(event.token()) else {
            return;
        };
        let Some(conn) = self.table.get_mut(key) else { return };
        if event.is_read_closed() || event.is_write_closed() || event.is_error() {
            conn.flags.set(Flags::READABLE.and(Flags::HANGUP));
        } else if event.is_readable() {
            conn.flags.set(Flags::READABLE);
        }
        let unblocked = event.is_writable() && conn.flags.any(Flags::BLOCKED);
        if unblocked {
            conn.flags.clear(Flags::BLOCKED);
        }
        if conn.closing.is_some() {
            self.go_on_closing(now, key, outboxes);
            return;
        }
        self.reader.enqueue(key, conn);
        if unblocked {
            self.flush(key, outboxes);
        }
    }

    /// Carries out what a turn wished for, mail and moves excepted.
    pub(crate) fn carry_out(&mut self, now: Time, effects: &mut Effects) {
        for key in effects.pauses.drain(..) {
            if let Some(conn) = self.table.get_mut(key) {
                conn.flags.set(Flags::PAUSED);
            }
        }
        for key in effects.resumes.drain(..) {
            if let Some(conn) = self.table.get_mut(key) {
                conn.flags.clear(Flags::PAUSED);
                if conn.tail.is_some() {
                    conn.flags.set(Flags::HAND_OUT);
                }
                self.reader.enqueue(key, conn);
            }
        }
        while let Some(key) = effects.outboxes.next_dirty() {
            self.flush(key, &mut effects.outboxes);
        }
        for (key, mode) in effects.closes.drain(..) {
            match mode {
                CloseMode::Now => self.remove(key, &mut effects.outboxes),
                CloseMode::AfterFlush => {
                    if let Some(conn) = self.table.get_mut(key) {
                        Closer::begin(conn);
                        self.go_on_closing(now, key, &mut effects.outboxes);
                    }
                }
            }
        }
    }

    /// Takes a connection out, to be sent to another shard with all its unconsumed bytes.
    pub(crate) fn take_leave(&mut self, key: ConnKey, registry: &Registry, outboxes: &mut Outboxes) -> Option<Arrival> {
        let mut conn = self.table.remove(key)?;
        outboxes.close(key);
        if let Err(error) = registry.deregister(&mut conn.socket) {
            // It could not be watched elsewhere either.
            self.lose(conn.stay(), &error, "connection lost on its way to its shard");
            return None;
        }
        let bytes = conn.tail.map(|tail| tail.into_bytes()).unwrap_or_default();
        Some(Arrival {
            socket: conn.socket,
            peer: conn.peer,
            listener: conn.listener,
            counted: conn.flags.any(Flags::COUNTED),
            bytes,
        })
    }

    /// Closes those whose time for an orderly end is up.
    pub(crate) fn close_overdue(&mut self, now: Time, outboxes: &mut Outboxes) {
        while let Some(key) = self.closer.next_overdue(now, &self.table) {
            self.remove(key, outboxes);
        }
    }

    /// When [`Self::close_overdue`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.closer.deadline()
    }

    fn flush(&mut self, key: ConnKey, outboxes: &mut Outboxes) {
        let (Some(conn), Some(outbox)) = (self.table.get_mut(key), outboxes.get_mut(key)) else {
            return;
        };
        writing::flush(conn, outbox);
        let mark = outbox.room_at.map_or(self.room, |mark| self.room.min(mark as usize));
        if outbox.wants_room && outbox.len() <= mark {
            outbox.wants_room = false;
            self.news.rooms.push(key);
        }
        if conn.flags.any(Flags::BROKEN) {
            self.reader.enqueue(key, conn);
        }
        outboxes.reclaim(key);
    }

    fn go_on_closing(&mut self, now: Time, key: ConnKey, outboxes: &mut Outboxes) {
        let Some(conn) = self.table.get_mut(key) else { return };
        if self.closer.step(now, (key, conn), outboxes, &mut self.reader) {
            self.remove(key, outboxes);
        }
    }

    fn lose(&self, stay: Stay, error: &io::Error, how: &str) {
        self.hub.doors().leave(stay);
        tracing::warn!(peer = %stay.peer, %error, "{how}");
    }

    fn remove(&mut self, key: ConnKey, outboxes: &mut Outboxes) {
        outboxes.close(key);
        // Closing the socket takes it out of the selector.
        if let Some(conn) = self.table.remove(key) {
            self.hub.doors().leave(conn.stay());
            if let Some(tail) = conn.tail {
                self.reader.recycle(tail);
            }
        }
    }
}

#[cfg(test)]
mod tests;
