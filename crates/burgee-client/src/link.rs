//! One byte stream with an engine on it: reads, writes and sleeps, whichever comes first.
//!
//! What must hold: nothing is decided here. A turn may be dropped at any await without losing a byte, so that its caller
//! can wait for other things beside it. Deliberately absent: how the stream came about.

use std::future::pending;
use std::io::{self, IoSlice};
use std::time::Duration;

use burgee_protocol::{Fault, Time};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use crate::engine::{Engine, Event, Silence};
use crate::error::{ConnectError, End, Refused};

/// Bytes that are read at once.
const CHUNK: usize = 32 * 1024;

/// How long a server may take to close after our DISCONNECT before we do not wait for it.
const FAREWELL: Duration = Duration::from_secs(1);

/// The engine's time.
#[derive(Copy, Clone, Debug)]
struct Clock(Instant);

impl Clock {
    fn now(self) -> Time {
        Time::ZERO + self.0.elapsed()
    }

    async fn reach(self, time: Option<Time>) {
        match time {
            Some(time) => sleep_until(self.0 + Duration::from_millis(time.as_millis())).await,
            None => pending().await,
        }
    }
}

/// Writes some of the slices, or flushes if there are none. Dropped before it is done, nothing was written.
async fn push<W: AsyncWrite + Unpin>(writer: &mut W, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    if slices.is_empty() {
        writer.flush().await?;
        return Ok(0);
    }
    match writer.write_vectored(slices).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        wrote => Ok(wrote),
    }
}

/// What came and is not used up.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pub(crate) bytes: Vec<u8>,
    /// So many of them are used up.
    used: usize,
}

impl Input {
    /// Hands one packet to the engine; `false` if none is complete.
    pub(crate) fn digest<T>(&mut self, engine: &mut Engine<T>, now: Time) -> Result<bool, Fault> {
        let unused = self.bytes.get(self.used..).unwrap_or_default();
        let taken = if unused.is_empty() {
            None
        } else {
            engine.receive(unused, now)?
        };
        self.used += taken.unwrap_or(0);
        if taken.is_none() && self.used > 0 {
            self.bytes.drain(..self.used);
            self.used = 0;
        }
        Ok(taken.is_some())
    }

    /// Bytes that no packet was made of yet.
    #[cfg(feature = "simulation")]
    pub(crate) const fn undigested(&self) -> usize {
        self.bytes.len() - self.used
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.used = 0;
    }
}

/// CONNACK, if this is it: whether the server had a session.
pub(crate) const fn welcome<T>(event: &Event<T>) -> Option<Result<bool, ConnectError>> {
    match event {
        Event::Connected { session_present } => Some(Ok(*session_present)),
        Event::Refused(code) => Some(Err(ConnectError::Refused(Refused(*code)))),
        Event::Message(..) | Event::Done { .. } => None,
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Link<R, W, T> {
    reader: R,
    writer: W,
    pub(crate) engine: Engine<T>,
    input: Input,
    clock: Clock,
    /// The writer may hold bytes back, and may do so now.
    holds_back: bool,
    unflushed: bool,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin, T> Link<R, W, T> {
    /// `holds_back`: the writer has to be flushed.
    pub(crate) fn new(reader: R, writer: W, holds_back: bool, engine: Engine<T>) -> Self {
        Self {
            reader,
            writer,
            engine,
            input: Input::default(),
            clock: Clock(Instant::now()),
            holds_back,
            unflushed: false,
        }
    }

    /// The engine's now.
    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// The stream is over.
    pub(crate) fn into_engine(self) -> Engine<T> {
        self.engine
    }

    /// CONNECT and CONNACK. Says whether the server had a session.
    pub(crate) async fn open(&mut self) -> Result<bool, ConnectError> {
        let violation = |fault: Fault| ConnectError::Violation(fault);
        self.engine.connected(self.now());
        loop {
            while self.digest().map_err(violation)? {
                if let Some(answer) = self.engine.next_event().as_ref().and_then(welcome) {
                    return answer;
                }
            }
            self.turn(true).await.map_err(ConnectError::Lost)?;
        }
    }

    /// Hands one packet to the engine; `false` if none is complete.
    pub(crate) fn digest(&mut self) -> Result<bool, Fault> {
        self.input.digest(&mut self.engine, self.clock.now())
    }

    /// Waits until bytes came (only if `listening`), bytes went, or a deadline of the engine passed.
    pub(crate) async fn turn(&mut self, listening: bool) -> Result<(), End> {
        let Self {
            reader,
            writer,
            engine,
            input,
            clock,
            holds_back,
            unflushed,
            ..
        } = self;
        let mut slices = [IoSlice::new(&[]); 16];
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(engine.outbox().chunks()) {
            *slice = IoSlice::new(chunk);
            count += 1;
        }
        let slices = slices.get(..count).unwrap_or_default();
        // Never the length that a packet announces: only what has come decides how much memory is taken.
        input.bytes.reserve(if listening { CHUNK } else { 0 });
        tokio::select! {
            read = reader.read_buf(&mut input.bytes), if listening => match read? {
                0 => Err(End::ClosedByServer),
                _ => Ok(()),
            },
            wrote = push(writer, slices), if count > 0 || *unflushed => {
                let wrote = wrote?;
                *unflushed = *holds_back && count > 0;
                Ok(engine.wrote(wrote, clock.now())?)
            }
            () = clock.reach(engine.deadline()) => match engine.tick(clock.now(), listening) {
                Ok(()) => Ok(()),
                Err(Silence::NoConnAck | Silence::NoPingResp) => Err(End::Silent),
            },
        }
    }

    /// DISCONNECT, the end of our stream, and for a moment the server's rest: unread bytes would make the system
    /// reset the connection, and the reset could overtake DISCONNECT.
    pub(crate) async fn close(mut self) -> Engine<T> {
        self.engine.disconnect(self.now());
        // An error now changes nothing: all that was owed is answered or counted.
        timeout(FAREWELL, self.say_farewell()).await.ok();
        self.engine
    }

    async fn say_farewell(&mut self) -> Result<(), End> {
        while !self.engine.outbox().is_empty() {
            self.turn(true).await?;
            while self.digest()? {}
        }
        // [MQTT-3.14.4-1] our side of the connection ends right behind DISCONNECT.
        self.writer.shutdown().await?;
        loop {
            self.input.clear();
            if self.reader.read_buf(&mut self.input.bytes).await? == 0 {
                return Ok(());
            }
        }
    }
}
