//! An MQTT client whose acknowledgements can be awaited: for *this* message, without an event loop to poll.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use burgee_client::connection::Connection;
//! use burgee_client::{Options, QoS};
//!
//! let (client, mut messages) = Connection::connect(&Options::new("localhost", 1883).client_id("sensor-7")).await?;
//! client.subscribe(&[("commands/sensor-7", QoS::AtLeastOnce)]).await?;
//! let receipt = client.publish("rooms/7/temperature", *b"21.5", QoS::AtLeastOnce, true).await?;
//! receipt.await?; // PUBACK came
//! if let Some(command) = messages.next().await {
//!     println!("{}: {} bytes", command.topic, command.payload.len());
//! }
//! client.disconnect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! What must hold: the protocol is decided in the engine, which has no socket and no clock and stands on the same halves as
//! the broker; every queue is bounded. Deliberately absent so far: reconnecting by itself (a lost session can be resumed
//! by hand, [`connection::Connection::resume`]), MQTT 5.0.

pub mod connection;
mod engine;
mod error;
mod link;
mod message;
mod options;
mod transport;
mod url;

pub use burgee_codec::{InvalidTopic, QoS, TopicFilter, TopicName, TopicNameBuf, Version};
pub use burgee_protocol::Fault;
pub use error::{ConnectError, End, Error, Invalid, Refused, TlsFault};
pub use message::Message;
pub use options::{Options, Will};
#[cfg(feature = "tls")]
pub use transport::{Tls, TlsVersion};
