//! How a client fares: a state to be watched, and events.
//!
//! What must hold: the state is the latest and never stale; events may be missed by those who do not listen, and that is
//! told. Deliberately absent: logging. Who wants lines writes them from the events.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::error::{ConnectError, End};

/// What a client is doing about its connection.
///
/// ```no_run
/// # async fn example(client: burgee_client::Client) {
/// let mut state = client.state();
/// while state.changed().await.is_ok() {
///     println!("{:?}", *state.borrow());
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum State {
    /// It is connecting, for the so-manieth time in a row.
    Connecting {
        /// 1 is the first.
        attempt: u32,
    },
    /// It has a connection.
    Connected {
        /// Whether the server had a session for this client.
        session_present: bool,
    },
    /// It has none, and waits before it tries again.
    Waiting {
        /// How long.
        wait: Duration,
        /// Why the last attempt failed; `None`: the connection was lost.
        failure: Option<Arc<ConnectError>>,
    },
    /// It has ended.
    Closed(End),
}

impl State {
    /// Whether there is a connection.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        matches!(self, Self::Connected { .. })
    }
}

/// Something that happened to a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection stands.
    Connected {
        /// Whether the server had a session for this client.
        session_present: bool,
    },
    /// The server has no session any more although we had one: we subscribe again and publish anew what was unfinished.
    SessionLost,
    /// The connection is lost.
    Disconnected(End),
    /// An attempt to connect failed.
    Failed(Arc<ConnectError>),
    /// The server does not grant this subscription any more: its streams end.
    SubscriptionRefused(String),
    /// A message came that no stream asked for, with this topic. It was acknowledged and dropped.
    Unwanted(String),
}

/// The events of a client, from the moment at which it was asked for them. Bounded: who does not listen misses the oldest.
///
/// ```no_run
/// # async fn example(client: burgee_client::Client) {
/// let mut events = client.events();
/// while let Some(event) = events.next().await {
///     println!("{event:?}");
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Events {
    pub(super) receiver: broadcast::Receiver<Event>,
    pub(super) missed: u64,
}

impl Events {
    /// The next event; `None` once the client has ended.
    ///
    /// Cancel-safe: no event is lost.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.receiver.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(count)) => self.missed += count,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// How many events were missed.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.missed
    }
}
