//! Subscribing: the stream of the messages that match one subscription.
//!
//! What must hold: a message is acknowledged when the application is done with it, in the order of arrival; nothing piles up
//! without bound. Deliberately absent: which messages match, which is the registry's.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use burgee_codec::{
    Filters, Packet, PacketId, Properties, QoS, Subscribe as WireSubscribe, SubscribeOptions, TopicFilter,
    TopicFilterBuf,
};
use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};

use super::queue::{Ack, Notices, Queue, lock};
use super::registry::Key;
use super::{Client, Command, end_of};
use crate::care::Overflow;
use crate::engine::Serial;
use crate::error::Error;
use crate::message::Message;

/// Messages that a stream holds unless it is said.
pub(super) const CAPACITY: usize = 100;
/// Acknowledgements are told to the task in heaps of so many, as long as more messages are there,
const HEAP: usize = 16;

/// A subscription that is being put together. Awaited, it gives the [`Subscription`] once the server has granted it.
///
/// ```no_run
/// # async fn example(client: burgee_client::Client) -> Result<(), burgee_client::Error> {
/// use burgee_client::{Overflow, QoS};
///
/// let prices = client.subscribe("prices/#", QoS::AtMostOnce).capacity(10_000).overflow(Overflow::DropOldest).await?;
/// # drop(prices);
/// # Ok(())
/// # }
/// ```
///
/// Cancel-safe: dropped before it is done, the subscription is given up again.
#[must_use = "nothing is subscribed unless it is awaited"]
pub struct Subscribe<'a> {
    client: &'a Client,
    filter: &'a str,
    qos: QoS,
    capacity: usize,
    overflow: Overflow,
}

impl fmt::Debug for Subscribe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subscribe to {} with {:?}", self.filter, self.qos)
    }
}

impl<'a> Subscribe<'a> {
    pub(super) const fn new(client: &'a Client, filter: &'a str, qos: QoS) -> Self {
        Self {
            client,
            filter,
            qos,
            capacity: CAPACITY,
            overflow: Overflow::Wait,
        }
    }

    /// How many messages may wait in the stream (at least 1, 100 unless it is said).
    pub const fn capacity(mut self, messages: usize) -> Self {
        self.capacity = messages;
        self
    }

    /// What happens beyond; [`Overflow::Wait`] unless it is said. Then the server keeps what finds no room: messages of QoS
    /// 1 and 2 are not acknowledged before they are taken, so its window closes; for QoS 0 the connection is not read. Only
    /// when an acknowledgement or an answer is awaited behind them for a tenth of a second, we read on, and what is above
    /// the capacity with QoS 0 is dropped and counted: a handler may therefore publish and await the receipt.
    pub const fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }
}

impl<'a> IntoFuture for Subscribe<'a> {
    type Output = Result<Subscription, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let filter = check(self.client, self.filter, self.qos)?;
            let mut subscription =
                Subscription::new(self.client, (filter.clone(), self.qos), (self.capacity, self.overflow));
            let (answer, granted) = oneshot::channel();
            let command = Command::Subscribe {
                key: subscription.key,
                filter,
                qos: self.qos,
                queue: Arc::clone(&subscription.queue),
                answer: Some(answer),
            };
            if self.client.commands.send(command).await.is_err() {
                return Err(Error::Ended(end_of(&self.client.ending)));
            }
            match granted.await {
                Ok(granted) => {
                    subscription.granted = granted?;
                    Ok(subscription)
                }
                Err(_) => Err(Error::Ended(end_of(&self.client.ending))),
            }
        })
    }
}

/// A filter that can be written into a packet.
pub(super) fn check(client: &Client, filter: &str, qos: QoS) -> Result<TopicFilterBuf, Error> {
    let filter = TopicFilter::parse(filter)?;
    let items = [(filter, SubscribeOptions::from(qos))];
    let packet = Packet::Subscribe(WireSubscribe {
        packet_id: PacketId::MIN,
        filters: Filters::from_slice(&items),
        properties: Properties::default(),
    });
    packet.encoded_len(client.version)?;
    Ok(filter.into())
}

/// A message that came, and the duty to acknowledge it.
///
/// ```no_run
/// # async fn example(mut orders: burgee_client::Subscription) {
/// while let Some(order) = orders.next().await {
///     println!("{}: {:?}", order.topic, order.text());
///     order.ack(); // needed with Options::manual_ack only
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Received {
    message: Message,
    ack: std::sync::Mutex<Ack>,
    notices: Option<Arc<Notices>>,
}

impl Received {
    /// The application has this message for good: the server need not send it again. Without
    /// [`Options::manual_ack`](crate::Options::manual_ack), and for QoS 0, nothing happens.
    ///
    /// Acknowledgements leave in the order in which the messages came, so one that is left out holds up all behind it: the
    /// server stops sending when its window is full, and sends all of them again on the next connection.
    pub fn ack(&self) {
        if let Some(notices) = &self.notices {
            let ack = std::mem::replace(&mut *lock(&self.ack), Ack::None);
            if let Some(serial) = ack.done() {
                notices.acknowledge([serial]);
            }
        }
    }

    /// The payload, if it is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.message.payload).ok()
    }

    /// The message alone.
    #[must_use]
    pub fn into_message(self) -> Message {
        self.message
    }
}

impl Deref for Received {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

/// The messages of one subscription, in the order of arrival. It is a [`Stream`], too.
///
/// Unless [`Options::manual_ack`](crate::Options::manual_ack) is set, a message is acknowledged when the next one is asked
/// for: what the application was working on when it crashed comes again.
///
/// Dropped, it gives the subscription up if no other stream has the same filter; what waited in it is acknowledged.
///
/// ```no_run
/// # async fn example(client: burgee_client::Client) -> Result<(), burgee_client::Error> {
/// use burgee_client::QoS;
///
/// let mut temperatures = client.subscribe("rooms/+/temperature", QoS::AtLeastOnce).await?;
/// while let Some(message) = temperatures.next().await {
///     println!("{} is {}", message.topic, message.text().unwrap_or("no text"));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subscription {
    key: Key,
    filter: TopicFilterBuf,
    granted: QoS,
    queue: Arc<Queue>,
    notices: Arc<Notices>,
    commands: mpsc::Sender<Command>,
    manual: bool,
    /// What the application works on.
    current: Ack,
    /// What it is done with, and the task has not heard of.
    done: Vec<Serial>,
    told: Instant,
    /// The task hears of it not later than this.
    patience: Duration,
}

impl Subscription {
    pub(super) fn new(
        client: &Client,
        (filter, qos): (TopicFilterBuf, QoS),
        (capacity, overflow): (usize, Overflow),
    ) -> Self {
        Self {
            key: client.next_key(),
            filter,
            granted: qos,
            queue: Arc::new(Queue::new(capacity, overflow)),
            notices: Arc::clone(&client.notices),
            commands: client.commands.clone(),
            manual: client.manual_ack,
            current: Ack::None,
            done: Vec::new(),
            told: Instant::now(),
            patience: client.patience,
        }
    }

    /// What the task has to know of it.
    pub(super) fn entry(&self) -> (Key, TopicFilterBuf, Arc<Queue>) {
        (self.key, self.filter.clone(), Arc::clone(&self.queue))
    }

    /// The filter.
    #[must_use]
    pub fn filter(&self) -> &str {
        self.filter.as_str()
    }

    /// The QoS that the server granted, which may be less than what was asked for.
    #[must_use]
    pub const fn granted(&self) -> QoS {
        self.granted
    }

    /// How many messages found no room and were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }

    /// The next message; `None` once the client has ended, or the server refuses the subscription, and all messages are
    /// taken. A lost connection does not end it.
    ///
    /// Cancel-safe: no message is lost.
    pub async fn next(&mut self) -> Option<Received> {
        poll_fn(|context| self.poll_message(context)).await
    }

    /// The next message if there is one already.
    pub fn try_next(&mut self) -> Option<Received> {
        self.finish_current();
        let taken = self.take();
        if taken.is_none() {
            self.tell();
        }
        taken
    }

    /// Gives the subscription up and waits until the server has let go of it. If another stream has the same filter, the
    /// subscription stays for that one.
    ///
    /// Cancel-safe: dropped before it is done, it is given up all the same.
    ///
    /// # Errors
    /// The client has ended.
    pub async fn unsubscribe(mut self) -> Result<(), Error> {
        self.finish_current();
        self.done.extend(self.queue.abandon());
        self.tell();
        let (told, left) = oneshot::channel();
        let command = Command::Unsubscribe { key: self.key, told };
        if self.commands.send(command).await.is_err() {
            return Err(Error::Ended(crate::error::End::Disconnected));
        }
        left.await.map_err(|_| Error::Ended(crate::error::End::Disconnected))
    }

    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Received>> {
        self.finish_current();
        loop {
            if let Some(received) = self.take() {
                return Poll::Ready(Some(received));
            }
            self.tell();
            if !ready!(self.queue.poll_ready(context)) {
                return Poll::Ready(None);
            }
        }
    }

    /// To ask for the next message is to be done with the last one.
    fn finish_current(&mut self) {
        let current = std::mem::replace(&mut self.current, Ack::None);
        self.done.extend(current.done());
    }

    fn take(&mut self) -> Option<Received> {
        let (message, ack, was_last) = self.queue.pop(&self.notices)?;
        if !self.done.is_empty() && (was_last || self.done.len() >= HEAP || self.told.elapsed() > self.patience) {
            self.tell();
        }
        let (ack, notices) = if self.manual {
            (ack, Some(Arc::clone(&self.notices)))
        } else {
            self.current = ack;
            (Ack::None, None)
        };
        Some(Received {
            message,
            ack: std::sync::Mutex::new(ack),
            notices,
        })
    }

    fn tell(&mut self) {
        if !self.done.is_empty() {
            self.notices.acknowledge(self.done.drain(..));
            self.told = Instant::now();
        }
    }
}

impl Stream for Subscription {
    type Item = Received;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Received>> {
        self.get_mut().poll_message(context)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.finish_current();
        self.done.extend(self.queue.abandon());
        self.tell();
        self.notices.gone(self.key);
    }
}
