//! The TLS context of a listener, which can be exchanged while it is used.
//!
//! What must hold: who comes after an exchange gets the new one; a bad new one changes nothing. Deliberately absent:
//! connections; each keeps the context that it began with.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::context::TlsContext;
use super::files;
use super::{TlsError, TlsSettings};

/// See the module.
#[derive(Debug)]
pub(crate) struct TlsSlot(Mutex<Current>);

#[derive(Debug)]
struct Current {
    settings: TlsSettings,
    context: Arc<TlsContext>,
}

/// Something new that was loaded and checked, and can be taken over.
#[derive(Debug)]
pub(crate) struct Prepared(Current);

/// What a look at the files brought.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Reloaded {
    /// They are what they were.
    Unchanged,
    /// New connections get something new; who is trusted stays.
    Certificates,
    /// Other clients are trusted than before.
    Trust,
}

impl TlsSlot {
    /// Loads what is asked for.
    pub(crate) fn new(settings: &TlsSettings) -> Result<Self, TlsError> {
        let context = TlsContext::load(settings)?;
        // What is less loud is told by whoever checks settings.
        if context.has_expired() {
            context.warn();
        }
        Ok(Self(Mutex::new(Current {
            context: Arc::new(context),
            settings: settings.clone(),
        })))
    }

    /// Its files.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.current().files.iter().map(|file| file.path.clone()).collect()
    }

    /// What new connections get.
    pub(crate) fn current(&self) -> Arc<TlsContext> {
        Arc::clone(&self.lock().context)
    }

    /// Loads what may take the place of what there is.
    pub(crate) fn prepare(&self, settings: &TlsSettings) -> Result<Prepared, TlsError> {
        let before = self.current();
        Ok(Prepared(Current {
            context: Arc::new(TlsContext::load_after(settings, Some(&before))?),
            settings: settings.clone(),
        }))
    }

    /// Takes it over. True: other clients are trusted than before.
    pub(crate) fn apply(&self, prepared: Prepared) -> bool {
        let before = std::mem::replace(&mut *self.lock(), prepared.0);
        !self.lock().context.trusts_as(&before.context)
    }

    /// Looks at the files, and takes them over if they changed and are good.
    pub(crate) fn reload(&self) -> Result<Reloaded, TlsError> {
        let before = self.current();
        let mut changed = false;
        for file in &before.files {
            changed |= files::read(&file.path)?.bytes != file.bytes;
        }
        if !changed {
            return Ok(Reloaded::Unchanged);
        }
        let settings = self.lock().settings.clone();
        let trust = self.apply(self.prepare(&settings)?);
        self.current().warn();
        Ok(if trust { Reloaded::Trust } else { Reloaded::Certificates })
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        // Whoever panicked while holding it left something whole behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
