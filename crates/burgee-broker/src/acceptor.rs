//! Accepting: new connections, handed round to the shards.
//!
//! What must hold: no error of accept ends or harms anything: it is logged once for each episode and tried again after
//! a pause, without a busy loop. A turn accepts a bounded number. Deliberately absent: a thread; it lives in the loop
//! of shard 0, so that a broker of one shard wakes one thread for each connection.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering;

use burgee_protocol::Time;
use mio::net::TcpStream;
use mio::{Interest, Registry};

use crate::conn_table::reserved_token;
use crate::mail::Hub;

/// Connections accepted in one turn from one listener.
const SLICE: usize = 64;
/// Pause after an error, in milliseconds.
const PAUSE_MS: u64 = 250;

/// The first reserved token number that belongs to a listener.
pub(crate) const FIRST_LISTENER: u16 = 1;

#[derive(Debug)]
struct Door {
    listener: mio::net::TcpListener,
    /// There may be connections to accept.
    ready: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Acceptor {
    doors: Vec<Door>,
    max_open: usize,
    /// After an error: when to try again.
    pause: Option<Time>,
    /// An error was logged and accepting has not worked since.
    failing: bool,
    /// The limit was logged and not left since.
    full: bool,
}

impl Acceptor {
    /// Takes listening sockets over; at most so many as there are token numbers.
    pub(crate) fn new(listeners: Vec<TcpListener>, max_open: usize, registry: &Registry) -> io::Result<Self> {
        let mut doors = Vec::new();
        for (number, listener) in (FIRST_LISTENER..).zip(listeners) {
            let mut listener = mio::net::TcpListener::from_std(listener);
            registry.register(&mut listener, reserved_token(number), Interest::READABLE)?;
            doors.push(Door { listener, ready: true });
        }
        Ok(Self {
            doors,
            max_open,
            pause: None,
            failing: false,
            full: false,
        })
    }

    /// Connections may have come in at this listener.
    pub(crate) fn ready(&mut self, token_number: usize) {
        let index = token_number.checked_sub(usize::from(FIRST_LISTENER));
        if let Some(door) = index.and_then(|index| self.doors.get_mut(index)) {
            door.ready = true;
        }
    }

    /// When to come back: at once while connections wait, after the pause where there was an error.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let waiting = self.doors.iter().any(|door| door.ready);
        waiting.then(|| self.pause.unwrap_or(Time::ZERO))
    }

    /// Accepts what waits, a slice of it, and hands each connection to `place`.
    pub(crate) fn accept(&mut self, now: Time, hub: &Hub, mut place: impl FnMut(TcpStream, SocketAddr)) {
        if self.pause.is_some_and(|until| now < until) {
            return;
        }
        self.pause = None;
        for door in &mut self.doors {
            for _ in 0..SLICE {
                if !door.ready {
                    break;
                }
                match door.listener.accept() {
                    Ok((socket, peer)) => {
                        if std::mem::take(&mut self.failing) {
                            tracing::info!("accepting connections again");
                        }
                        if hub.open().load(Ordering::Relaxed) >= self.max_open {
                            refuse(&mut self.full, self.max_open);
                            continue;
                        }
                        self.full = false;
                        if let Err(error) = socket.set_nodelay(true) {
                            // Small messages may be late on it, and most likely it is gone already.
                            tracing::debug!(%peer, %error, "no TCP_NODELAY");
                        }
                        hub.open().fetch_add(1, Ordering::Relaxed);
                        place(socket, peer);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => door.ready = false,
                    // This one connection went away before we came to it.
                    Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                    Err(error) => {
                        report(&mut self.failing, &error, hub);
                        self.pause = Some(now.plus_millis(PAUSE_MS));
                        return;
                    }
                }
            }
        }
    }
}

/// Numbers of "too many open files", of the process and of the system; the same on all systems that we know.
const FILES_USED_UP: [i32; 2] = [24, 23];

fn report(failing: &mut bool, error: &io::Error, hub: &Hub) {
    if std::mem::replace(failing, true) {
        return;
    }
    let open = hub.open().load(Ordering::Relaxed);
    let hint = if error
        .raw_os_error()
        .is_some_and(|number| FILES_USED_UP.contains(&number))
    {
        "; raise the limit of open files (ulimit -n, LimitNOFILE in systemd) or set --max-connections below it"
    } else {
        ""
    };
    tracing::error!(
        connections = open,
        "cannot accept connections: {error}; trying again every {PAUSE_MS} ms, those that are open go on{hint}"
    );
}

fn refuse(full: &mut bool, max_open: usize) {
    if !std::mem::replace(full, true) {
        tracing::warn!("{max_open} connections are open, which is the limit: new ones are closed as they come");
    }
}
