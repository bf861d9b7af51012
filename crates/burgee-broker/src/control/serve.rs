//! The answering side: a thread that sleeps until somebody asks.
//!
//! What must hold: the socket is nobody else's from its first moment; a client that says nothing, or too much, is let
//! go of; the end of the broker does not wait for one. Deliberately absent: the work; it is the keeper's.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{ffi::OsStr, fs};

use mio::net::UnixListener;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, SockAddr, Socket, Type};

use super::wish::{ReloadWish, Wishes};
use super::{LINE, LINES, socket_path};
use crate::keeper::Tray;
use crate::mail::Hub;
use crate::pulse::Pulse;

/// Time for the whole request, and for each line of the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two lines that say that it is worked on.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// A shard that has not gone round for so long is stuck.
const ROUND: Duration = Duration::from_millis(if cfg!(test) { 200 } else { 5_000 });
/// Between two looks whether all have.
const LOOK: Duration = Duration::from_millis(5);
/// Clients that wait for their turn.
const BACKLOG: i32 = 4;

const STOP: Token = Token(0);
const DOOR: Token = Token(1);

/// The running thread.
#[derive(Debug)]
pub(crate) struct Control {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    waker: Waker,
    wishes: Wishes,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    /// Opens the socket in the data directory. Nobody else may have that directory now: a socket that is there is an
    /// old one.
    pub(crate) fn start(directory: &Path, tray: Arc<Tray>, hub: Arc<Hub>) -> io::Result<Self> {
        let path = socket_path(directory);
        let mut listener = open(&path)?;
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), STOP)?;
        poll.registry().register(&mut listener, DOOR, Interest::READABLE)?;
        let (stop, wishes) = (Arc::new(AtomicBool::new(false)), Wishes::default());
        let server = Server {
            poll,
            listener,
            tray,
            hub,
            wishes: wishes.clone(),
            stop: Arc::clone(&stop),
        };
        let thread = thread::Builder::new()
            .name("burgee-control".to_owned())
            .spawn(move || server.run())?;
        Ok(Self {
            path,
            stop,
            waker,
            wishes,
            thread: Some(thread),
        })
    }

    /// Wishes for other settings are told here.
    pub(crate) fn hear_wishes(&self, hear: Box<dyn FnMut(ReloadWish) + Send>) {
        self.wishes.hear(hear);
    }

    /// Takes the socket away and waits for the thread.
    pub(crate) fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.stop.store(true, Ordering::SeqCst);
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "cannot end the control socket");
            return;
        }
        drop(thread.join());
        // Whoever starts next takes an old one away as well.
        drop(fs::remove_file(&self.path));
    }
}

/// Bound, closed to others, and only then listening.
fn open(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let listener = std::os::unix::net::UnixListener::from(OwnedFd::from(socket));
    Ok(UnixListener::from_std(listener))
}

struct Server {
    poll: Poll,
    listener: UnixListener,
    tray: Arc<Tray>,
    hub: Arc<Hub>,
    wishes: Wishes,
    stop: Arc<AtomicBool>,
}

impl Server {
    fn run(mut self) {
        let mut events = Events::with_capacity(4);
        while !self.stop.load(Ordering::SeqCst) {
            match self.listener.accept() {
                Ok((stream, _)) => self.serve(UnixStream::from(OwnedFd::from(stream))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Nobody is there. After an error (no file is left, say): whoever asks next is the next attempt.
                Err(_) => {
                    if let Err(error) = self.poll.poll(&mut events, None)
                        && error.kind() != io::ErrorKind::Interrupted
                    {
                        tracing::error!(%error, "the control socket is lost: no backup and no `burgee reload` before the broker is started again");
                        return;
                    }
                }
            }
        }
    }

    fn serve(&self, mut client: UnixStream) {
        // Whoever goes away, or does not say what is wanted, needs no answer.
        if let Ok(Some(request)) = request(&mut client) {
            drop(self.answer(&mut client, &request));
        }
    }

    /// Those who ask while a request is worked on.
    fn serve_others(&self) {
        while let Ok((stream, _)) = self.listener.accept() {
            let mut client = UnixStream::from(OwnedFd::from(stream));
            drop(match request(&mut client) {
                Ok(Some(request)) if request == b"alive" => self.tell_life(&mut client),
                Ok(Some(_)) => say(&mut client, "failed", "another request is worked on, perhaps a backup"),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            });
        }
    }

    fn tell_life(&self, client: &mut UnixStream) -> io::Result<()> {
        let (until, mut pulse) = (Instant::now() + ROUND, Pulse::new(Arc::clone(&self.hub)));
        while !pulse.beats() {
            if self.stop.load(Ordering::SeqCst) {
                return say(client, "failed", "the broker ends");
            }
            if Instant::now() >= until {
                return say(client, "failed", "a thread that serves clients does not go on");
            }
            thread::sleep(LOOK);
        }
        say(client, "done", "")
    }

    fn answer(&self, client: &mut UnixStream, request: &[u8]) -> io::Result<()> {
        if request == b"alive" {
            return self.tell_life(client);
        }
        if request == b"reload" {
            let Some(answer) = self.wishes.tell() else {
                return say(client, "failed", "this broker has no settings that it could read again");
            };
            return match self.wait(client, &answer)? {
                Ok((said, done)) => {
                    for line in said.iter().filter(|line| !line.trim().is_empty()).take(LINES) {
                        say(client, "said", line)?;
                    }
                    tell(client, done)
                }
                Err(why) => say(client, "failed", why),
            };
        }
        let Some(to) = request.strip_prefix(b"backup /") else {
            let what = "no such request: there are alive, reload, and backup PATH with an absolute path";
            return say(client, "failed", what);
        };
        let to = Path::new("/").join(OsStr::from_bytes(to));
        let answer = self.tray.ask_for_copy(to);
        match self.wait(client, &answer)? {
            Ok(done) => tell(client, done),
            Err(why) => say(client, "failed", why),
        }
    }

    /// Waits for an answer, and says so meanwhile; or why there will be none.
    fn wait<T>(&self, client: &mut UnixStream, answer: &Receiver<T>) -> io::Result<Result<T, &'static str>> {
        loop {
            match answer.recv_timeout(SIGN_OF_LIFE) {
                Ok(answer) => return Ok(Ok(answer)),
                Err(RecvTimeoutError::Disconnected) => return Ok(Err("the broker ends, or its store is lost")),
                Err(RecvTimeoutError::Timeout) if self.stop.load(Ordering::SeqCst) => {
                    return Ok(Err("the broker ends"));
                }
                Err(RecvTimeoutError::Timeout) => {
                    client.write_all(b"wait\n")?;
                    self.serve_others();
                }
            }
        }
    }
}

/// One line without its end; `None`: it is no line, or takes too long.
fn request(client: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    client.set_nonblocking(false)?;
    client.set_write_timeout(Some(PATIENCE))?;
    let (until, mut line, mut piece) = (Instant::now() + PATIENCE, Vec::new(), [0; 1024]);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || line.len() > LINE {
            return Ok(None);
        }
        client.set_read_timeout(Some(left))?;
        let count = client.read(&mut piece)?;
        if count == 0 {
            return Ok(None);
        }
        line.extend_from_slice(piece.get(..count).unwrap_or_default());
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            line.truncate(end);
            return Ok(Some(line));
        }
    }
}

fn tell(client: &mut UnixStream, done: Result<(), String>) -> io::Result<()> {
    match done {
        Ok(()) => say(client, "done", ""),
        Err(why) => say(client, "failed", &why),
    }
}

fn say(client: &mut UnixStream, word: &str, text: &str) -> io::Result<()> {
    let text: String = text.chars().filter(|c| !c.is_control()).take(LINE / 8).collect();
    client.write_all(format!("{word} {text}").trim_end().as_bytes())?;
    client.write_all(b"\n")
}
