//! The client that looks after its connection itself: a handle to ask with.
//!
//! What must hold: everything invalid is refused here, before anything is sent; a handle is cheap to clone and may be used
//! from any task. Deliberately absent: decisions. Those about the protocol are the engine's, those about the connection the
//! task's.

mod course;
mod hub;
mod prepared;
mod publish;
mod queue;
mod registry;
#[cfg(feature = "simulation")]
pub mod simulation;
mod state;
mod subscription;
mod task;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use burgee_codec::{QoS, TopicFilterBuf, Version};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::error::{ConnectError, End, Error};
use crate::message::Message;
use crate::options::Options;
pub use prepared::Prepared;
pub use publish::{Payload, Publish, Receipt};
pub use state::{Event, Events, State};
pub use subscription::{Received, Subscribe, Subscription};

use publish::Answer;
use queue::{Notices, Queue};
use registry::{Granted, Key};

/// Commands that may wait for the task; behind them the callers wait.
const COMMANDS: usize = 64;
/// Events that may wait for somebody who listens.
const EVENTS: usize = 64;

/// How long [`Client::disconnect`] waits for what is unfinished.
const CLEAN_END: Duration = Duration::from_secs(30);

/// What a handle asks of the task.
#[derive(Debug)]
enum Command {
    Publish {
        message: Message,
        answer: Answer,
        /// Hears when the message is on disk.
        stored: Option<oneshot::Sender<()>>,
    },
    Subscribe {
        key: Key,
        filter: TopicFilterBuf,
        qos: QoS,
        queue: Arc<Queue>,
        answer: Option<Granted>,
    },
    Unsubscribe {
        key: Key,
        told: oneshot::Sender<()>,
    },
}

/// How a client ended, and how much was left undone.
#[derive(Clone, Debug)]
struct Ending {
    end: End,
    unfinished: usize,
}

/// A handle to a client that keeps its connection: it reconnects by itself, subscribes again where the server has lost the
/// session, and sends again what was not acknowledged, in order. Cheap to clone; all clones are the same client.
///
/// It ends with [`Client::disconnect`]. If all handles and all streams are dropped without it, the connection is cut, and the
/// server publishes the will.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use burgee_client::{Client, Options, QoS};
///
/// let client = Client::connect(Options::new("localhost", 1883).client_id("sensor-7")).await?;
/// client.publish("rooms/7/temperature", "21.5").qos(QoS::AtLeastOnce).retain().await?;
/// client.disconnect().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    quit: mpsc::Sender<Duration>,
    ending: watch::Receiver<Option<Ending>>,
    state: watch::Receiver<State>,
    events: broadcast::WeakSender<Event>,
    notices: Arc<Notices>,
    keys: Arc<AtomicU64>,
    version: Version,
    manual_ack: bool,
    has_outbox: bool,
    /// For how long a stream may keep acknowledgements to itself while messages are there.
    patience: Duration,
}

impl Client {
    /// Connects and waits for the server's answer. From then on the connection is looked after.
    ///
    /// Messages that a kept session has for us come at once, before anything can be subscribed to: who has such a session
    /// uses [`Client::prepare`].
    ///
    /// Cancel-safe: dropped before it is done, it leaves nothing behind.
    ///
    /// # Errors
    /// Wrong options, no way to the server, no answer in time, or a refusal: see [`ConnectError`]. Only this first attempt
    /// fails; later ones are made again and again.
    pub async fn connect(options: Options) -> Result<Self, ConnectError> {
        Self::prepare(options)?.connect().await
    }

    /// A client that is not connected yet: streams can be made before the first message comes, and the first connection can
    /// be left to it, too.
    ///
    /// # Errors
    /// Wrong options.
    pub fn prepare(options: Options) -> Result<Prepared, ConnectError> {
        Prepared::new(options)
    }

    /// A message to be published: put it together, then await it.
    pub fn publish<'a>(&'a self, topic: &'a str, payload: impl Into<Payload>) -> Publish<'a> {
        Publish::new(self, topic, payload.into())
    }

    /// A subscription: put it together, then await it.
    pub const fn subscribe<'a>(&'a self, filter: &'a str, qos: QoS) -> Subscribe<'a> {
        Subscribe::new(self, filter, qos)
    }

    /// What the client is doing about its connection, to be looked at or waited for.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        let receiver = match self.events.upgrade() {
            Some(sender) => sender.subscribe(),
            // The client has ended: nothing happens any more.
            None => broadcast::channel(1).1,
        };
        Events { receiver, missed: 0 }
    }

    /// [`Client::disconnect_within`] 30 seconds. Cancel-safe as that is.
    ///
    /// # Errors
    /// As there.
    pub async fn disconnect(&self) -> Result<(), Error> {
        self.disconnect_within(CLEAN_END).await
    }

    /// Ends in order: takes nothing new, waits for what is unfinished (at most `limit`, and over new connections if need be),
    /// says DISCONNECT, closes. All streams end.
    ///
    /// Cancel-safe: dropped before it is done, the client ends all the same, and whoever asks again waits for the same end.
    ///
    /// # Errors
    /// [`Error::Unfinished`] says how many messages were left (with an outbox they are on disk, and the next start sends
    /// them); [`Error::Ended`], that it was over before.
    pub async fn disconnect_within(&self, limit: Duration) -> Result<(), Error> {
        // An error means that somebody else asked before, or that it is over already: the ending says which.
        self.quit.try_send(limit).ok();
        let mut watched = self.ending.clone();
        let ending = watched
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|ending| ending.clone());
        match ending {
            Some(Ending {
                end: End::Disconnected,
                unfinished: 0,
            }) => Ok(()),
            Some(Ending {
                end: End::Disconnected,
                unfinished,
            }) => Err(Error::Unfinished(unfinished)),
            Some(Ending { end, .. }) => Err(Error::Ended(end)),
            // The task is gone without a word: only a stopped runtime does that.
            None => Err(Error::Ended(End::Abandoned)),
        }
    }

    fn next_key(&self) -> Key {
        self.keys.fetch_add(1, Ordering::Relaxed)
    }
}

fn end_of(ending: &watch::Receiver<Option<Ending>>) -> End {
    ending
        .borrow()
        .as_ref()
        .map_or(End::Disconnected, |ending| ending.end.clone())
}
