//! The door of every store: whether a batch may be taken at all. Engines share it, so that they refuse alike.
//!
//! What must hold: a refused batch leaves no trace. The cost is a look at each operation, without any state of sessions.
//! Deliberately absent: whether what an operation speaks of is there; that is seen when it is applied.

use std::collections::BTreeMap;

use crate::batch::{Batch, MessageNo, Op, SessionNo, Source};
use crate::error::Breach;

/// See the module.
#[derive(Clone, Debug)]
pub struct Intake {
    least: Lane,
    lanes: BTreeMap<Source, Lane>,
}

/// What a source may give next.
#[derive(Copy, Clone, Debug)]
struct Lane {
    batch: u64,
    session: SessionNo,
    message: MessageNo,
}

impl Intake {
    /// Of a store that was just opened: numbers below these have been used.
    #[must_use]
    pub fn new(next_session: SessionNo, next_message: MessageNo) -> Self {
        Self {
            least: Lane {
                batch: 1,
                session: next_session.max(SessionNo(1)),
                message: next_message.max(MessageNo(1)),
            },
            lanes: BTreeMap::new(),
        }
    }

    /// Takes note of a batch.
    ///
    /// # Errors
    /// It may not be taken, see [`Breach`].
    pub fn take(&mut self, batch: &Batch) -> Result<(), Breach> {
        let mut lane = self.lanes.get(&batch.source).copied().unwrap_or(self.least);
        if batch.number != lane.batch {
            return Err(Breach::Batch {
                source: batch.source,
                expected: lane.batch,
                found: batch.number,
            });
        }
        lane.batch = lane.batch.saturating_add(1);
        for op in &batch.ops {
            lane.pass(op)?;
        }
        self.lanes.insert(batch.source, lane);
        Ok(())
    }
}

impl Lane {
    fn pass(&mut self, op: &Op) -> Result<(), Breach> {
        if let Op::SessionCreated { session, .. } = *op {
            let least = self.session;
            if session < least {
                return Err(Breach::Session { found: session, least });
            }
            self.session = SessionNo(session.0.saturating_add(1));
        }
        if let Op::Owed { message, .. } = *op {
            let least = self.message;
            if message < least {
                return Err(Breach::Message { found: message, least });
            }
            self.message = MessageNo(message.0.saturating_add(1));
        }
        Ok(())
    }
}
