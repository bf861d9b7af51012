//! What the service manager is told: that we listen, what we do, that the shards still go round.
//!
//! What must hold: without `NOTIFY_SOCKET` nothing is done at all. The watchdog is fed only after every shard has made a round
//! since it was fed last, so that a shard which is stuck ends the feeding. Deliberately absent: reading of messages; a
//! manager that does not listen is no reason to fail.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use burgee_broker::Pulse;
use sd_notify::NotifyState;

/// How often the number of connections is told.
const PACE: Duration = Duration::from_secs(10);

/// What is done.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Doing {
    Serving,
    Ending,
    Over,
}

/// The thread that tells, while there is somebody to tell.
pub(super) struct Notifier {
    told: Option<(Sender<Doing>, JoinHandle<()>)>,
}

impl Notifier {
    /// Tells that the broker listens. From now on it is watched over.
    pub(super) fn ready(pulse: Pulse) -> io::Result<Self> {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(Self { told: None });
        }
        let watchdog = sd_notify::watchdog_enabled();
        let (sender, receiver) = channel();
        let mut telling = Telling {
            pulse,
            watchdog: watchdog.is_some(),
            doing: Doing::Serving,
            last: String::new(),
        };
        // A missed beat is no alarm yet: the next one still comes in time.
        let pace = watchdog.map_or(PACE, |time| (time / 4).min(PACE));
        tell(&[NotifyState::Ready]);
        let thread = thread::Builder::new().name("notify".to_owned()).spawn(move || {
            loop {
                telling.tell();
                match receiver.recv_timeout(pace) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(Doing::Over) | Err(RecvTimeoutError::Disconnected) => return,
                    Ok(doing) => telling.doing = doing,
                }
            }
        })?;
        Ok(Self {
            told: Some((sender, thread)),
        })
    }

    /// Tells that the broker ends in order; the watchdog is still fed.
    pub(super) fn stopping(&self) {
        if let Some((sender, _)) = &self.told {
            tell(&[NotifyState::Stopping]);
            sender.send(Doing::Ending).ok();
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.told.take() {
            sender.send(Doing::Over).ok();
            thread.join().ok();
        }
    }
}

struct Telling {
    pulse: Pulse,
    watchdog: bool,
    doing: Doing,
    last: String,
}

impl Telling {
    fn tell(&mut self) {
        let connections = self.pulse.connections();
        let plural = if connections == 1 { "" } else { "s" };
        let what = match self.doing {
            Doing::Serving => "serving",
            Doing::Ending | Doing::Over => "ending, with",
        };
        let status = format!("{what} {connections} connection{plural}");
        if status != self.last {
            tell(&[NotifyState::Status(&status)]);
            self.last = status;
        }
        if self.watchdog && self.pulse.beats() {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

/// Tells the manager that settings are read, and afterwards that they were.
pub(super) fn reloading<T>(read: impl FnOnce() -> T) -> T {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return read();
    }
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the time of a reload is not known"),
    }
    let done = read();
    tell(&[NotifyState::Ready]);
    done
}

fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::debug!(%error, "the service manager does not listen");
    }
}
