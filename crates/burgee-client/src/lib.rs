//! An MQTT client that keeps its connection: a publish can be awaited until *this* message is acknowledged, a subscription is
//! a stream of the messages that match it, and there is no event loop to poll.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use burgee_client::{Client, Options, QoS};
//!
//! let client = Client::connect(Options::new("localhost", 1883).client_id("sensor-7")).await?;
//! let mut commands = client.subscribe("commands/sensor-7", QoS::AtLeastOnce).await?;
//! client.publish("rooms/7/temperature", "21.5").qos(QoS::AtLeastOnce).retain().await?; // PUBACK came
//! if let Some(command) = commands.next().await {
//!     println!("{}: {:?}", command.topic, command.text());
//! }
//! client.disconnect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Client`] reconnects by itself. Who wants to see a connection end, and to decide what then, takes
//! [`connection::Connection`], which stands on the same engine.
//!
//! What must hold: the protocol is decided in the engine, which has no socket and no clock and stands on the same halves as
//! the broker; every queue is bounded. Deliberately absent: MQTT 5.0.

#[cfg(feature = "blocking")]
pub mod blocking;
mod care;
mod client;
pub mod connection;
mod engine;
mod error;
mod link;
mod message;
mod open;
mod options;
#[cfg(not(feature = "outbox"))]
#[path = "no_outbox.rs"]
mod outbox;
#[cfg(feature = "outbox")]
mod outbox;
mod transport;
mod url;

pub use burgee_codec::{InvalidTopic, QoS, TopicFilter, TopicName, TopicNameBuf, Version};
pub use burgee_protocol::Fault;
pub use care::{Overflow, QueueLimit};
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub use client::simulation;
pub use client::{
    Client, Event, Events, Payload, Prepared, Publish, Receipt, Received, State, Subscribe, Subscription,
};
pub use error::{ConnectError, End, Error, Invalid, Refused, TlsFault};
pub use message::Message;
pub use options::{Options, Will};
#[cfg(feature = "tls")]
pub use transport::{Tls, TlsVersion};
pub use url::Scheme;

/// The README works when it is pasted.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
