//! From options to an open connection: the way to the server, CONNECT, CONNACK, all within one time.
//!
//! What must hold: the engine comes back whatever happens. Deliberately absent: trying again.

use std::time::Duration;

use tokio::time::timeout;

use crate::engine::Engine;
use crate::error::{ConnectError, End};
use crate::link::Link;
use crate::transport::{Reader, Way, Wire, Writer, dial, in_words};

/// An open connection, and whether the server had a session.
type Opened<T> = (Link<Reader, Writer, T>, bool);

/// Connects; without success, the engine has lost its connection.
pub(crate) async fn open<T>(
    way: &Way,
    time: Duration,
    engine: Engine<T>,
) -> Result<Opened<T>, (ConnectError, Engine<T>)> {
    let (error, mut engine) = match timeout(time, dial(way)).await {
        Err(_) => (ConnectError::Timeout(time), engine),
        Ok(Err(error)) => (error, engine),
        Ok(Ok(wire)) => {
            let Wire {
                reader,
                writer,
                holds_back,
            } = wire;
            let mut link = Link::new(reader, writer, holds_back, engine);
            match link.open().await {
                Ok(session_present) => return Ok((link, session_present)),
                // [MQTT-3.2.0-1] no CONNACK in reasonable time.
                Err(ConnectError::Lost(End::Silent)) => (ConnectError::Timeout(time), link.into_engine()),
                Err(error) => (in_words(error, way), link.into_engine()),
            }
        }
    };
    engine.lost();
    Err((error, engine))
}
