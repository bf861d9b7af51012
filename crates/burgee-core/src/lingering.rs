//! Connections whose clients have said DISCONNECT while answers to what came before it wait for the store.
//!
//! What must hold: each is closed once, when its last answer is out or after a time, whichever comes first.
//! Deliberately absent: sessions; theirs have no line any more.

use std::collections::VecDeque;

use burgee_protocol::Time;

use crate::io::ConnKey;

/// For so long the answers are waited for, in milliseconds.
const PATIENCE_MS: u64 = 5_000;

/// See the module. In the order in which they left; there are few.
#[derive(Debug, Default)]
pub(crate) struct Lingering {
    conns: VecDeque<Leaver>,
}

#[derive(Debug)]
struct Leaver {
    conn: ConnKey,
    until: Time,
    /// Answers that wait.
    parked: u32,
}

impl Lingering {
    /// A client has left, and so many answers wait.
    pub(crate) fn add(&mut self, conn: ConnKey, parked: u32, now: Time) {
        let until = now.plus_millis(PATIENCE_MS);
        self.conns.push_back(Leaver { conn, until, parked });
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.conns.is_empty()
    }

    pub(crate) fn has(&self, conn: ConnKey) -> bool {
        self.conns.iter().any(|leaver| leaver.conn == conn)
    }

    /// One of the answers is out.
    pub(crate) fn answered(&mut self, conn: ConnKey) {
        if let Some(leaver) = self.conns.iter_mut().find(|leaver| leaver.conn == conn) {
            leaver.parked = leaver.parked.saturating_sub(1);
        }
    }

    /// Nothing will come any more that they wait for.
    pub(crate) fn give_up(&mut self) {
        self.conns.iter_mut().for_each(|leaver| leaver.parked = 0);
    }

    /// Its peer is gone. Whether it was here.
    pub(crate) fn remove(&mut self, conn: ConnKey) -> bool {
        let before = self.conns.len();
        self.conns.retain(|leaver| leaver.conn != conn);
        self.conns.len() < before
    }

    /// Takes out those that wait for nothing more, or have waited long enough.
    pub(crate) fn done(&mut self, now: Time) -> Vec<ConnKey> {
        let mut done = Vec::new();
        self.conns.retain(|leaver| {
            let stays = leaver.parked > 0 && leaver.until > now;
            if !stays {
                done.push(leaver.conn);
            }
            stays
        });
        done
    }

    /// When the first has waited long enough.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.conns.front().map(|leaver| leaver.until)
    }
}
