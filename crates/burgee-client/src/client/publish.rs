//! Publishing: the message as it is put together, and the receipt for it.
//!
//! What must hold: everything invalid is refused before anything is taken over. Deliberately absent: packets.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use burgee_codec::{Packet, PacketId, Properties, Publish as WirePublish, QoS, TopicName};
use tokio::sync::{oneshot, watch};

use super::{Client, Command, Ending, end_of};
use crate::error::Error;
use crate::message::Message;

/// What a message carries: any bytes, from text or numbers of them.
///
/// ```
/// use burgee_client::Payload;
///
/// let payloads: [Payload; 3] = ["21.5".into(), [0, 255].into(), vec![1, 2, 3].into()];
/// # let _ = payloads;
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Payload(Arc<[u8]>);

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self(text.into_bytes().into())
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl<const N: usize> From<&[u8; N]> for Payload {
    fn from(bytes: &[u8; N]) -> Self {
        Self(bytes.as_slice().into())
    }
}

impl<const N: usize> From<[u8; N]> for Payload {
    fn from(bytes: [u8; N]) -> Self {
        Self(bytes.into())
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

/// Shared, not copied.
impl From<Arc<[u8]>> for Payload {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self(bytes)
    }
}

/// A message that is being put together. Awaited, it is published, and the answer comes when the protocol says that the
/// message was taken over: QoS 0 written, QoS 1 PUBACK, QoS 2 PUBCOMP, over as many connections as it takes.
///
/// ```no_run
/// # async fn example(client: burgee_client::Client) -> Result<(), burgee_client::Error> {
/// use burgee_client::QoS;
///
/// client.publish("rooms/7/temperature", "21.5").qos(QoS::AtLeastOnce).retain().await?;
/// # Ok(())
/// # }
/// ```
///
/// Not cancel-safe: dropped before it is done, the message may or may not have been taken; once it is, it goes out. Who has
/// to know uses [`Publish::send`].
#[must_use = "nothing is published unless it is awaited"]
pub struct Publish<'a> {
    client: &'a Client,
    topic: &'a str,
    payload: Payload,
    qos: QoS,
    retain: bool,
}

impl fmt::Debug for Publish<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "publish to {} with {:?}", self.topic, self.qos)
    }
}

impl<'a> Publish<'a> {
    pub(super) const fn new(client: &'a Client, topic: &'a str, payload: Payload) -> Self {
        Self {
            client,
            topic,
            payload,
            qos: QoS::AtMostOnce,
            retain: false,
        }
    }

    /// With this QoS; 0 unless it is said.
    pub const fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// The server shall keep it for those who subscribe later.
    pub const fn retain(mut self) -> Self {
        self.retain = true;
        self
    }

    /// Waits until the client has taken the message, and gives the [`Receipt`] to be awaited later: this is how many messages
    /// are on their way at once. With an outbox, the message is on disk by then.
    ///
    /// Cancel-safe: dropped before it is done, nothing is published. (With an outbox: it may be on disk, and be published.)
    ///
    /// # Errors
    /// The topic is invalid, the message too long, the queue full and its policy not to wait, or the client has ended.
    pub async fn send(self) -> Result<Receipt, Error> {
        let message = self.message()?;
        let Ok(place) = self.client.commands.reserve().await else {
            return Err(Error::Ended(end_of(&self.client.ending)));
        };
        let (answer, done) = oneshot::channel();
        let (stored, on_disk) = if self.client.has_outbox && self.qos > QoS::AtMostOnce {
            let (stored, on_disk) = oneshot::channel();
            (Some(stored), Some(on_disk))
        } else {
            (None, None)
        };
        place.send(Command::Publish {
            message,
            answer,
            stored,
        });
        if let Some(on_disk) = on_disk
            && on_disk.await.is_err()
        {
            return Err(Error::Ended(end_of(&self.client.ending)));
        }
        Ok(Receipt {
            done,
            ending: self.client.ending.clone(),
        })
    }

    fn message(&self) -> Result<Message, Error> {
        // [MQTT-3.3.2-2] [MQTT-4.7.3-1] no wildcard, not empty, no NUL, not above 65,535 bytes.
        let topic = TopicName::parse(self.topic)?;
        let packet = Packet::Publish(WirePublish {
            dup: false,
            qos: self.qos,
            retain: self.retain,
            topic,
            packet_id: (self.qos > QoS::AtMostOnce).then_some(PacketId::MIN),
            payload: &self.payload.0,
            properties: Properties::default(),
        });
        packet.encoded_len(self.client.version)?;
        Ok(Message {
            topic: topic.into(),
            payload: Arc::clone(&self.payload.0),
            qos: self.qos,
            retain: self.retain,
            packet_id: None,
            dup: false,
        })
    }
}

impl<'a> IntoFuture for Publish<'a> {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.send().await?.await })
    }
}

/// What a receipt is answered with.
pub(super) type Answer = oneshot::Sender<Result<(), Error>>;

/// The acknowledgement of one message, to be awaited: QoS 0 is written, PUBACK came, PUBCOMP came, on this connection or a
/// later one.
///
/// Cancel-safe: it may be polled by reference, put aside and awaited later. Dropped, the message is sent all the same.
///
/// ```no_run
/// # async fn example(client: burgee_client::Client) -> Result<(), burgee_client::Error> {
/// use burgee_client::QoS;
///
/// let mut receipts = Vec::new();
/// for number in 0..100 {
///     receipts.push(client.publish("numbers", number.to_string()).qos(QoS::AtLeastOnce).send().await?);
/// }
/// for receipt in receipts {
///     receipt.await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nobody knows whether the message arrived, unless this is awaited"]
pub struct Receipt {
    done: oneshot::Receiver<Result<(), Error>>,
    ending: watch::Receiver<Option<Ending>>,
}

impl Future for Receipt {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let done = Pin::new(&mut self.done).poll(context);
        done.map(|done| done.unwrap_or_else(|_| Err(lost(&self.ending))))
    }
}

/// Why nobody answers.
fn lost(ending: &watch::Receiver<Option<Ending>>) -> Error {
    match &*ending.borrow() {
        Some(ending) => Error::Ended(ending.end.clone()),
        None => Error::SessionLost,
    }
}
