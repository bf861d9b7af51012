//! A relay on a loopback port, in a thread of its own, that does wrong on purpose: what the generator is tested with.
//!
//! Must hold: it counts what it does wrong, and does nothing else wrong. It ends with its handle.
//! Deliberately absent: speed, wildcards, sessions.

mod floor;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Poll, Token, Waker};

use floor::Floor;

/// What to do wrong. Numbers count the messages that arrive, from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mischief {
    None,
    /// Do not deliver one of fifty messages, seven times.
    Lose,
    /// Deliver it twice.
    Repeat,
    /// Deliver it after the next one.
    Swap,
    /// Change one bit of its payload, each time another one.
    Corrupt,
    /// Deliver one that was never sent, too.
    Invent,
    /// Deliver it to somebody else, too.
    Misdirect,
    /// At message 300, do nothing for so long.
    Stall(Duration),
    /// At message 100, close the connection of its receiver.
    Close,
    /// From message 100 on, read and answer pings, and do nothing more.
    FallSilent,
    /// From message 100 on, read and do nothing more.
    Freeze,
    /// Deliver with QoS 0 whatever was granted.
    Degrade,
    /// Never acknowledge a publication.
    Ignore,
    /// At message 100, close all connections and take no new ones.
    Die,
    /// Answer CONNECT with this code.
    Refuse(u8),
    /// Answer nothing at all.
    Mute,
}

/// What a relay counts.
#[derive(Debug, Default)]
struct Counts {
    /// How often it has done wrong.
    injected: AtomicU64,
    /// Deliveries that their receivers have acknowledged to the end.
    finished: AtomicU64,
    /// Clients that came with a clean session, and those that did not.
    clean: AtomicU64,
    persistent: AtomicU64,
}

/// A relay that runs.
#[derive(Debug)]
pub(crate) struct Relay {
    address: SocketAddr,
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts a relay on a free port.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn start(mischief: Mischief) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), Token(usize::MAX))?;
        let (counts, stop) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
        let mut floor = Floor::new(listener, poll, mischief, Arc::clone(&counts))?;
        let stopped = Arc::clone(&stop);
        // A relay that fails falls silent; whoever uses it sees that.
        let thread = std::thread::Builder::new().name("relay".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) && floor.turn().is_ok() {}
        })?;
        Ok(Self {
            address,
            counts,
            stop,
            waker,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often it has done wrong.
    pub(crate) fn injected(&self) -> u64 {
        self.counts.injected.load(Ordering::Relaxed)
    }

    /// Deliveries that their receivers have acknowledged to the end.
    pub(crate) fn finished(&self) -> u64 {
        self.counts.finished.load(Ordering::Relaxed)
    }

    /// Clients that came with a clean session.
    #[cfg(test)]
    pub(crate) fn clean(&self) -> u64 {
        self.counts.clean.load(Ordering::Relaxed)
    }

    /// Clients that came with a session that outlives their connection.
    #[cfg(test)]
    pub(crate) fn persistent(&self) -> u64 {
        self.counts.persistent.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let woken = self.waker.wake().is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            // If it panicked, its user has seen it fall silent.
            drop(thread.join());
        }
    }
}
