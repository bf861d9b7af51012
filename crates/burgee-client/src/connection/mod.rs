//! One connection, for programs that want to see it end: a handle to ask with, a stream of messages, and receipts.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use burgee_client::connection::Connection;
//! use burgee_client::{Options, QoS};
//!
//! let options = Options::new("localhost", 1883).client_id("sensor-7");
//! let (connection, mut messages) = Connection::connect(&options).await?;
//! connection.subscribe(&[("commands/sensor-7", QoS::AtLeastOnce)]).await?;
//! let receipt = connection.publish("rooms/7/temperature", *b"21.5", QoS::AtLeastOnce, true).await?;
//! receipt.await?; // PUBACK came
//! if let Some(command) = messages.next().await {
//!     println!("{}: {} bytes", command.topic, command.payload.len());
//! }
//! connection.disconnect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! What must hold: everything invalid is refused here, before a byte is sent; every wait is bounded by the connection's
//! life. Deliberately absent: decisions, which are the engine's, and reconnecting: a lost session can be resumed by hand,
//! [`Connection::resume`].

mod driver;

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;
use std::time::Duration;

use burgee_codec::{
    FilterList, Filters, Packet, PacketId, Properties, Publish, QoS, Subscribe, SubscribeOptions, TopicFilter,
    TopicFilterBuf, TopicName, Unsubscribe, Version,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::engine::{self, Engine};
use crate::error::{ConnectError, End, Error, Invalid};
use crate::link::Link;
use crate::message::Message;
use crate::open::open;
use crate::options::Options;
use crate::transport::{Reader, Writer};
use driver::{Command, Driver, Ending, Ticket, Waiter, Wires};

/// Commands that may wait for the connection's task; behind them the callers wait.
const COMMANDS: usize = 16;

/// How long [`Connection::disconnect`] waits for what is unfinished.
const CLEAN_END: Duration = Duration::from_secs(30);

/// What is left of a session whose connection ended: unfinished work in both directions. Dropping it gives the work up.
#[derive(Debug)]
pub struct Session {
    inner: engine::Session<Ticket>,
    next_ticket: Ticket,
    client_id: String,
}

impl Session {
    /// Messages and requests that were not acknowledged.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.inner.unfinished()
    }

    /// QoS 2 messages among them that the server has taken over (PUBREC) and not completed (PUBCOMP). If it turns out to have
    /// lost the session, they are given up: they cannot be published anew, and may not have arrived.
    #[must_use]
    pub fn taken_over(&self) -> usize {
        self.inner.taken_over()
    }
}

/// [`Connection::resume`] failed: why, and the session for another attempt.
#[derive(Debug)]
pub struct NotResumed {
    /// Why there is no connection.
    pub error: ConnectError,
    /// As it was handed in.
    pub session: Session,
}

/// A handle to one connection. Cheap to clone; all clones speak through the same connection.
///
/// The connection ends with [`Connection::disconnect`]. If all clones and the [`Messages`] are dropped without it, it is cut,
/// and the server publishes the will.
#[derive(Clone, Debug)]
pub struct Connection {
    commands: mpsc::Sender<Command>,
    quit: mpsc::Sender<Duration>,
    ending: watch::Receiver<Option<Ending>>,
    version: Version,
    session_present: bool,
}

impl Connection {
    /// Connects and waits for the server's answer.
    ///
    /// Cancel-safe: dropped before it is done, it leaves nothing behind.
    ///
    /// # Errors
    /// Wrong options, no way to the server, no answer in time, or a refusal: see [`ConnectError`].
    pub async fn connect(options: &Options) -> Result<(Self, Messages), ConnectError> {
        // A session that was not there before has nothing to lose.
        let session = Session {
            inner: engine::Session::new(options.window),
            next_ticket: 0,
            client_id: options.client_id.clone(),
        };
        Self::resume(options, session).await.map_err(|failed| failed.error)
    }

    /// Connects and goes on with a session whose connection was lost. If the server still has it, what was unacknowledged
    /// is sent again as it was, in order; else ([`Connection::session_present`] is false) messages are published anew, and the
    /// application has to subscribe again. With a clean session nothing of the old one is used.
    ///
    /// Not cancel-safe: dropped before it is done, it takes the session with it. Who wants to give up in time sets
    /// [`Options::connect_timeout`].
    ///
    /// # Errors
    /// As [`Connection::connect`]; the session comes back.
    pub async fn resume(options: &Options, session: Session) -> Result<(Self, Messages), Box<NotResumed>> {
        let settings = match options.check() {
            // [MQTT-3.1.3-2] a session belongs to its client identifier.
            Ok(_) if session.client_id != options.client_id => {
                return Err(Box::new(NotResumed {
                    error: Invalid::OtherClientId.into(),
                    session,
                }));
            }
            Ok(settings) => settings,
            Err(invalid) => {
                return Err(Box::new(NotResumed {
                    error: invalid.into(),
                    session,
                }));
            }
        };
        let Session {
            inner,
            next_ticket,
            client_id,
        } = session;
        let engine = Engine::new(settings, inner);
        let (error, engine) = match open(&options.way, options.connect_timeout, engine).await {
            Ok((link, session_present)) => return Ok(start(link, options, (client_id, next_ticket), session_present)),
            Err(failed) => failed,
        };
        Err(Box::new(NotResumed {
            error,
            session: Session {
                inner: engine.into_session(),
                next_ticket,
                client_id,
            },
        }))
    }

    /// Whether the server had a session for this client when we connected: then subscriptions of before still stand.
    #[must_use]
    pub const fn session_present(&self) -> bool {
        self.session_present
    }

    /// Publishes a message. Waits until the connection has room for it (so a fast publisher is slowed down, and nothing
    /// piles up), then gives a [`Receipt`] that can be awaited for *this* message's acknowledgement.
    ///
    /// Cancel-safe: dropped before it is done, nothing is published.
    ///
    /// # Errors
    /// The topic is invalid, the message too long, or the connection ended.
    pub async fn publish(
        &self,
        topic: &str,
        payload: impl Into<Arc<[u8]>>,
        qos: QoS,
        retain: bool,
    ) -> Result<Receipt, Error> {
        // [MQTT-3.3.2-2] [MQTT-4.7.3-1] no wildcard, not empty, no NUL, not above 65,535 bytes.
        let topic = TopicName::parse(topic)?;
        let payload: Arc<[u8]> = payload.into();
        let packet = Packet::Publish(Publish {
            dup: false,
            qos,
            retain,
            topic,
            packet_id: (qos > QoS::AtMostOnce).then_some(PacketId::MIN),
            payload: &payload,
            properties: Properties::default(),
        });
        packet.encoded_len(self.version)?;
        let message = Message {
            topic: topic.into(),
            payload,
            qos,
            retain,
            packet_id: None,
            dup: false,
        };
        self.ask(|waiter| Command::Publish(message, waiter)).await
    }

    /// Asks for subscriptions and waits for the answer: one [`Grant`] for each filter, in order.
    ///
    /// Not cancel-safe: dropped before it is done, the request may or may not have been sent; its answer is ignored.
    ///
    /// # Errors
    /// No filter, an invalid one, too many for a packet, or the connection ended.
    pub async fn subscribe(&self, filters: &[(&str, QoS)]) -> Result<Vec<Grant>, Error> {
        // [MQTT-3.8.3-3]
        if filters.is_empty() {
            return Err(Invalid::NoFilter.into());
        }
        let parsed: Vec<_> = filters
            .iter()
            .map(|(raw, qos)| Ok((TopicFilter::parse(raw)?, *qos)))
            .collect::<Result<_, Error>>()?;
        let items: Vec<_> = parsed
            .iter()
            .map(|(filter, qos)| (*filter, SubscribeOptions::from(*qos)))
            .collect();
        let packet = Packet::Subscribe(Subscribe {
            packet_id: PacketId::MIN,
            filters: Filters::from_slice(&items),
            properties: Properties::default(),
        });
        packet.encoded_len(self.version)?;
        let owned = parsed
            .into_iter()
            .map(|(filter, qos)| (TopicFilterBuf::from(filter), qos))
            .collect();
        let receipt = self.ask(|waiter| Command::Subscribe(owned, waiter)).await?;
        let codes = receipt.codes().await?;
        // [MQTT-3.8.4-6] what was granted counts, not what was asked for.
        Ok(codes
            .into_iter()
            .map(|code| QoS::from_bits(code).map_or(Grant::Refused, Grant::Granted))
            .collect())
    }

    /// Gives subscriptions up and waits for the answer.
    ///
    /// Not cancel-safe: dropped before it is done, the request may or may not have been sent; its answer is ignored.
    ///
    /// # Errors
    /// As [`Connection::subscribe`].
    pub async fn unsubscribe(&self, filters: &[&str]) -> Result<(), Error> {
        // [MQTT-3.10.3-2]
        if filters.is_empty() {
            return Err(Invalid::NoFilter.into());
        }
        let parsed: Vec<_> = filters
            .iter()
            .map(|raw| Ok(TopicFilter::parse(raw)?))
            .collect::<Result<_, Error>>()?;
        let packet = Packet::Unsubscribe(Unsubscribe {
            packet_id: PacketId::MIN,
            filters: FilterList::from_slice(&parsed),
            properties: Properties::default(),
        });
        packet.encoded_len(self.version)?;
        let owned = parsed.into_iter().map(TopicFilterBuf::from).collect();
        self.ask(|waiter| Command::Unsubscribe(owned, waiter)).await?.await
    }

    /// [`Connection::disconnect_within`] 30 seconds. Cancel-safe as that is.
    ///
    /// # Errors
    /// As there.
    pub async fn disconnect(&self) -> Result<(), Error> {
        self.disconnect_within(CLEAN_END).await
    }

    /// Ends the connection in order: takes nothing new, waits for what is unacknowledged (at most `limit`), says
    /// DISCONNECT, closes.
    ///
    /// Cancel-safe: dropped before it is done, the connection ends all the same, and whoever asks again waits for the same
    /// end.
    ///
    /// # Errors
    /// Something stayed unacknowledged, or the connection broke before.
    pub async fn disconnect_within(&self, limit: Duration) -> Result<(), Error> {
        // An error means that somebody else asked before, or that it is over already: the ending says which.
        self.quit.try_send(limit).ok();
        let ending = self.ending().await;
        if !matches!(ending.end, End::Disconnected) {
            return Err(Error::Ended(ending.end));
        }
        match ending.unfinished {
            0 => Ok(()),
            unfinished => Err(Error::Unfinished(unfinished)),
        }
    }

    /// Waits for the end of the connection and says why it ended.
    ///
    /// Cancel-safe: it may be asked again, and by many.
    pub async fn ended(&self) -> End {
        self.ending().await.end
    }

    async fn ending(&self) -> Ending {
        let mut watched = self.ending.clone();
        let ending = watched
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|ending| ending.clone());
        // The task is gone without a word: only a stopped runtime does that.
        ending.unwrap_or(Ending {
            end: End::Abandoned,
            unfinished: 0,
        })
    }

    async fn ask(&self, command: impl FnOnce(Waiter) -> Command) -> Result<Receipt, Error> {
        let Ok(place) = self.commands.reserve().await else {
            return Err(Error::Ended(end_of(&self.ending)));
        };
        let (waiter, done) = oneshot::channel();
        place.send(command(waiter));
        Ok(Receipt {
            done,
            ending: self.ending.clone(),
        })
    }
}

fn end_of(ending: &watch::Receiver<Option<Ending>>) -> End {
    ending
        .borrow()
        .as_ref()
        .map_or(End::Disconnected, |ending| ending.end.clone())
}

fn start(
    link: Link<Reader, Writer, Ticket>,
    options: &Options,
    (client_id, next_ticket): (String, Ticket),
    session_present: bool,
) -> (Connection, Messages) {
    let (commands, take_commands) = mpsc::channel(COMMANDS);
    let (quit, take_quit) = mpsc::channel(1);
    let (give_messages, arrived) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(options.backlog.min(Semaphore::MAX_PERMITS)));
    let (give_ending, ending) = watch::channel(None);
    let wires = Wires {
        commands: take_commands,
        quit: take_quit,
        messages: give_messages,
        room,
        ending: give_ending,
    };
    let task = tokio::spawn(async move {
        let (end, inner, next_ticket) = Driver::new(link, wires, next_ticket).run().await;
        (
            end,
            Session {
                inner,
                next_ticket,
                client_id,
            },
        )
    });
    let connection = Connection {
        commands,
        quit,
        ending,
        version: options.version,
        session_present,
    };
    (
        connection,
        Messages {
            arrived,
            current: None,
            task,
        },
    )
}

/// The answer to one filter of a subscription.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Grant {
    /// Granted, with at most this QoS.
    Granted(QoS),
    /// The server refused the subscription.
    Refused,
}

/// The acknowledgement of one message, to be awaited: QoS 0 is written, PUBACK came, PUBCOMP came.
///
/// Cancel-safe: it may be polled by reference, put aside and awaited later. Dropped, the message is sent all the same.
///
/// If the connection ends first, it fails. In a session that is kept the message is sent again all the same when the
/// session is resumed.
#[derive(Debug)]
#[must_use = "nobody knows whether the message arrived, unless this is awaited"]
pub struct Receipt {
    done: oneshot::Receiver<Vec<u8>>,
    ending: watch::Receiver<Option<Ending>>,
}

impl Receipt {
    async fn codes(self) -> Result<Vec<u8>, Error> {
        self.done.await.map_err(|_| Error::Ended(end_of(&self.ending)))
    }
}

impl Future for Receipt {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let done = Pin::new(&mut self.done).poll(context);
        done.map(|done| done.map(drop).map_err(|_| Error::Ended(end_of(&self.ending))))
    }
}

/// The messages of a connection, in the order of arrival. Bounded: while nobody takes them, the connection is not read, so
/// acknowledgements do not come either. Dropped, it lets the messages be acknowledged and forgotten.
#[derive(Debug)]
pub struct Messages {
    arrived: mpsc::UnboundedReceiver<(Message, OwnedSemaphorePermit)>,
    /// The place of the message that was taken last: the application works on it until it asks for the next one.
    current: Option<OwnedSemaphorePermit>,
    task: JoinHandle<(End, Session)>,
}

impl Messages {
    /// The next message; `None` once the connection has ended and all of its messages are taken.
    ///
    /// A message keeps its place in the [backlog](crate::Options::backlog) until the next one is asked for. With a backlog
    /// of 1, therefore, the server hears of no further message before the application is done with this one.
    ///
    /// Cancel-safe: no message is lost.
    pub async fn next(&mut self) -> Option<Message> {
        self.current = None;
        let (message, permit) = self.arrived.recv().await?;
        self.current = Some(permit);
        Some(message)
    }

    /// The next message if there is one already.
    pub fn try_next(&mut self) -> Option<Message> {
        self.current = None;
        let (message, permit) = self.arrived.try_recv().ok()?;
        self.current = Some(permit);
        Some(message)
    }

    /// Waits for the end of the connection and says why it ended. The session can be resumed if it was not clean.
    ///
    /// Not cancel-safe: dropped before it is done, it takes the session with it.
    pub async fn finish(mut self) -> (End, Option<Session>) {
        self.current = None;
        self.arrived.close();
        // What nobody will take holds no place.
        while self.arrived.try_recv().is_ok() {}
        match self.task.await {
            Ok((end, session)) => (end, Some(session)),
            Err(_) => (End::Abandoned, None),
        }
    }
}
