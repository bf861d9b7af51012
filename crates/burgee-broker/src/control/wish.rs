//! Somebody wants a running broker to read its settings again, and waits for what comes of it.
//!
//! What must hold: each wish is answered, or whoever wished hears that it will not be. Deliberately absent: settings; who
//! has the broker reads them.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

/// What came of it: lines about it, and why it was not done.
pub(super) type Outcome = (Vec<String>, Result<(), String>);

/// See the module. Dropping it tells whoever wished that there will be no answer.
#[derive(Debug)]
pub struct ReloadWish(Sender<Outcome>);

impl ReloadWish {
    /// Answers: what is to be said about it, and whether the settings were taken over.
    pub fn answer(self, said: Vec<String>, done: Result<(), String>) {
        // Whoever wished may have gone.
        drop(self.0.send((said, done)));
    }
}

type Hear = Box<dyn FnMut(ReloadWish) + Send>;

/// Where wishes go.
#[derive(Clone, Default)]
pub(super) struct Wishes(Arc<Mutex<Option<Hear>>>);

impl fmt::Debug for Wishes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wishes").finish_non_exhaustive()
    }
}

impl Wishes {
    /// From now on they are told here.
    pub(super) fn hear(&self, hear: Hear) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(hear);
    }

    /// Tells one; `None`: nobody hears them.
    pub(super) fn tell(&self) -> Option<Receiver<Outcome>> {
        let mut hear = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (send, receive) = channel();
        hear.as_mut()?(ReloadWish(send));
        Some(receive)
    }
}
