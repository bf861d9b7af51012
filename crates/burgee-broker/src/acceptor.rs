//! Accepting: new connections, handed round to the shards.
//!
//! What must hold: no error of accept ends or harms anything: it is logged once for each episode and tried again after
//! a pause, without a busy loop. A turn accepts a bounded number. Deliberately absent: a thread; it lives in the loop
//! of shard 0, so that a broker of one shard wakes one thread for each connection. Who may come in: see `door.rs`.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use burgee_protocol::Time;
use mio::{Interest, Registry, event};

use crate::conn_table::reserved_token;
use crate::door::{Doors, Gate, Refusal};
use crate::layers::Layers;
use crate::limiter::Limiter;
use crate::listener::{Listening, Opened};
use crate::mail::{Arrival, Hub};
use crate::socket::{PeerAddress, Socket};
#[cfg(unix)]
use crate::unix_socket::SocketFile;

/// Connections accepted in one turn from one listener.
const SLICE: usize = 64;
/// Pause after an error, in milliseconds.
const PAUSE_MS: u64 = 250;
/// Lines a second about connections that were not let in.
const LINES: u32 = 1;

/// The first reserved token number that belongs to a listener.
pub(crate) const FIRST_LISTENER: u16 = 1;

#[derive(Debug)]
enum Listener {
    Tcp(mio::net::TcpListener),
    #[cfg(unix)]
    Unix {
        listener: mio::net::UnixListener,
        /// Removes the socket's file when accepting ends.
        _file: Option<SocketFile>,
    },
}

impl Listener {
    fn accept(&self) -> io::Result<(Socket, PeerAddress)> {
        match self {
            Self::Tcp(listener) => {
                let (socket, peer) = listener.accept()?;
                if let Err(error) = socket.set_nodelay(true) {
                    // Small messages may be late on it, and most likely it is gone already.
                    tracing::debug!(%peer, %error, "no TCP_NODELAY");
                }
                Ok((socket.into(), peer.into()))
            }
            #[cfg(unix)]
            Self::Unix { listener, .. } => Ok((listener.accept()?.0.into(), PeerAddress::Unix)),
        }
    }

    fn source(&mut self) -> &mut dyn event::Source {
        match self {
            Self::Tcp(listener) => listener,
            #[cfg(unix)]
            Self::Unix { listener, .. } => listener,
        }
    }
}

impl From<Listening> for Listener {
    fn from(listening: Listening) -> Self {
        match listening {
            Listening::Tcp(socket) => Self::Tcp(mio::net::TcpListener::from_std(socket)),
            #[cfg(unix)]
            Listening::Unix { socket, file } => Self::Unix {
                listener: mio::net::UnixListener::from_std(socket),
                _file: file,
            },
        }
    }
}

#[derive(Debug)]
struct Door {
    listener: Listener,
    gate: Arc<Gate>,
    /// There may be connections to accept.
    ready: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Acceptor {
    /// By token number; the place of one that is closed stays empty until another takes it.
    doors: Vec<Option<Door>>,
    /// After an error: when to try again.
    pause: Option<Time>,
    /// An error was logged and accepting has not worked since.
    failing: bool,
    refusals: Limiter,
}

impl Acceptor {
    /// Takes listening sockets over; at most so many as there are token numbers.
    pub(crate) fn new(opened: Vec<Opened>, doors: &Doors, registry: &Registry) -> io::Result<Self> {
        let mut acceptor = Self {
            doors: Vec::new(),
            pause: None,
            failing: false,
            refusals: Limiter::default(),
        };
        acceptor.add(opened, doors, registry)?;
        Ok(acceptor)
    }

    /// Takes more of them over.
    pub(crate) fn add(&mut self, opened: Vec<Opened>, doors: &Doors, registry: &Registry) -> io::Result<()> {
        for opened in opened {
            let Some(gate) = doors.gate(opened.number) else {
                continue;
            };
            let free = self.doors.iter().position(Option::is_none);
            let place = free.unwrap_or_else(|| {
                self.doors.push(None);
                self.doors.len() - 1
            });
            let token = u16::try_from(place)
                .ok()
                .and_then(|place| place.checked_add(FIRST_LISTENER));
            let token = token.ok_or_else(|| io::Error::other("too many listeners"))?;
            let mut listener = Listener::from(opened.socket);
            registry.register(listener.source(), reserved_token(token), Interest::READABLE)?;
            if let Some(door) = self.doors.get_mut(place) {
                *door = Some(Door {
                    listener,
                    gate,
                    ready: true,
                });
            }
        }
        Ok(())
    }

    /// Other settings hold for what is listened on.
    pub(crate) fn renew(&mut self, doors: &Doors) {
        for door in self.doors.iter_mut().flatten() {
            if let Some(gate) = doors.gate(door.gate.number) {
                door.gate = gate;
            }
        }
    }

    /// Stops to listen there. What the kernel has accepted and we have not is refused.
    pub(crate) fn close(&mut self, numbers: &[u16]) {
        for door in &mut self.doors {
            // Closing the socket takes it out of the selector.
            drop(door.take_if(|door| numbers.contains(&door.gate.number)));
        }
    }

    /// Connections may have come in at this listener.
    pub(crate) fn ready(&mut self, token_number: usize) {
        let index = token_number.checked_sub(usize::from(FIRST_LISTENER));
        if let Some(Some(door)) = index.and_then(|index| self.doors.get_mut(index)) {
            door.ready = true;
        }
    }

    /// When to come back: at once while connections wait, after the pause where there was an error.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let waiting = self.doors.iter().flatten().any(|door| door.ready);
        waiting.then(|| self.pause.unwrap_or(Time::ZERO))
    }

    /// Accepts what waits, a slice of it, and hands each connection to `place`.
    pub(crate) fn accept(&mut self, now: Time, hub: &Hub, mut place: impl FnMut(Arrival)) {
        if self.pause.is_some_and(|until| now < until) {
            return;
        }
        self.pause = None;
        for door in self.doors.iter_mut().flatten() {
            for _ in 0..SLICE {
                if !door.ready {
                    break;
                }
                match door.listener.accept() {
                    Ok((socket, peer)) => {
                        if std::mem::take(&mut self.failing) {
                            tracing::info!("accepting connections again");
                        }
                        match hub.doors().enter(now, &door.gate, peer) {
                            Ok(counted) => place(arrival(socket, peer, &door.gate, counted)),
                            Err(why) => refuse(&mut self.refusals, now, (&door.gate, peer), why),
                        }
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

fn arrival(socket: Socket, peer: PeerAddress, gate: &Arc<Gate>, counted: bool) -> Arrival {
    Arrival {
        socket,
        peer,
        listener: gate.number,
        counted,
        layers: Layers::new(gate, peer),
        bytes: Vec::new(),
    }
}

/// Numbers of "too many open files", of the process and of the system; the same on all systems that we know.
const FILES_USED_UP: [i32; 2] = [24, 23];

fn report(failing: &mut bool, error: &io::Error, hub: &Hub) {
    if std::mem::replace(failing, true) {
        return;
    }
    let open = hub.doors().open();
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

fn refuse(lines: &mut Limiter, now: Time, (gate, peer): (&Gate, PeerAddress), why: Refusal) {
    if let Some(suppressed) = lines.admit(now, LINES) {
        tracing::warn!(
            listener = %gate.url, %peer, suppressed,
            "a new connection is closed as it comes: {}", why.what()
        );
    }
}
