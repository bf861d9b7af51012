//! Keys that are fetched: on a thread of its own, on time, and once more when a token names a key that is not there.
//!
//! What must hold: a login never waits for the network; whoever sends tokens with invented keys makes us ask no more
//! often than every half minute; keys that could not be renewed are used up to a stated age and no longer.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::InvalidTokens;
use super::keys::KeySet;
use crate::web::{Web, WebSettings};

/// The largest key set.
const MAX_BYTES: u64 = 256 * 1024;
/// Between two requests out of turn.
const LEAST_BETWEEN: Duration = Duration::from_secs(30);
/// After a failure, doubled up to the longest.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// See the module. Dropping it ends the thread.
pub(super) struct Fetched {
    shared: Arc<Shared>,
    web: Arc<Web>,
    thread: Mutex<Option<JoinHandle<()>>>,
    refresh: Duration,
    keep: Duration,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    keys: Option<(Arc<KeySet>, Instant)>,
    /// When it was last asked out of turn.
    asked: Option<Instant>,
    wanted: bool,
    ends: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fetched {
    /// Nothing is asked yet.
    pub(super) fn new(web: &WebSettings, refresh: Duration, keep: Duration) -> Result<Self, InvalidTokens> {
        let web = Web::new(web, 1).map_err(InvalidTokens::Web)?;
        Ok(Self {
            shared: Arc::default(),
            web: Arc::new(web),
            thread: Mutex::default(),
            refresh,
            keep,
        })
    }

    /// Begins to fetch, unless that was done.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn begin(&self) -> io::Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let (shared, web, refresh) = (Arc::clone(&self.shared), Arc::clone(&self.web), self.refresh);
            let builder = thread::Builder::new().name("burgee-keys".to_owned());
            *thread = Some(builder.spawn(move || run(&shared, &web, refresh))?);
        }
        Ok(())
    }

    /// The keys, if there are any that are not too old.
    pub(super) fn keys(&self) -> Option<Arc<KeySet>> {
        let state = self.shared.lock();
        let (keys, since) = state.keys.as_ref()?;
        (since.elapsed() < self.keep).then(|| Arc::clone(keys))
    }

    /// Has the keys fetched again soon, unless that was just done. True: it will be.
    pub(super) fn ask_again(&self) -> bool {
        let mut state = self.shared.lock();
        if state.wanted {
            return true;
        }
        if state.asked.is_some_and(|asked| asked.elapsed() < LEAST_BETWEEN) {
            return false;
        }
        state.asked = Some(Instant::now());
        state.wanted = true;
        self.shared.changed.notify_all();
        true
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        self.shared.lock().ends = true;
        self.shared.changed.notify_all();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            drop(thread.join());
        }
    }
}

fn run(shared: &Shared, web: &Web, refresh: Duration) {
    let mut retry = FIRST_RETRY;
    loop {
        let pause = match fetch(web) {
            Ok(keys) => {
                tracing::debug!(url = web.url(), keys = keys.len(), "keys for tokens are fetched");
                shared.lock().keys = Some((Arc::new(keys), Instant::now()));
                retry = FIRST_RETRY;
                refresh
            }
            Err(why) => {
                tracing::warn!(url = web.url(), %why, "keys for tokens cannot be fetched; tried again in {}s", retry.as_secs());
                let pause = retry.min(refresh);
                retry = (retry * 2).min(LAST_RETRY);
                pause
            }
        };
        let mut state = shared.lock();
        // What was wanted while they were fetched has been done.
        state.wanted = false;
        let idle = |state: &mut State| !state.wanted && !state.ends;
        let waited = shared.changed.wait_timeout_while(state, pause, idle);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.ends {
            return;
        }
    }
}

fn fetch(web: &Web) -> Result<KeySet, String> {
    let bytes = web.get(MAX_BYTES).map_err(|error| error.to_string())?;
    KeySet::public(&bytes).map_err(|invalid| invalid.to_string())
}
