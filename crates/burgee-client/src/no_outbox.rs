//! The outbox of a build without one: there is none.
//!
//! What must hold: it has the same doors as the real one. Deliberately absent: everything behind them.

use std::sync::Arc;

use crate::engine::{Kept, Note};
use crate::options::Options;

/// Never there.
#[derive(Debug)]
pub(crate) enum Outbox {}

impl Outbox {
    #[allow(clippy::unused_async, reason = "the real one waits")]
    pub(crate) async fn open(_options: &Options) -> Result<Option<(Self, Kept)>, Arc<str>> {
        Ok(None)
    }

    #[allow(clippy::unused_async, reason = "the real one waits")]
    pub(crate) async fn commit(&self, _notes: Vec<Note>) -> Result<(), Arc<str>> {
        match *self {}
    }
}
