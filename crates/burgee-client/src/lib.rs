//! An MQTT client whose acknowledgements can be awaited: for *this* message, without an event loop to poll.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use burgee_client::{Client, Options, QoS};
//!
//! let (client, mut messages) = Client::connect(&Options::new("localhost", 1883).client_id("sensor-7")).await?;
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
//! by hand, [`Client::resume`]), transports other than TCP, MQTT 5.0.

mod client;
mod dial;
mod driver;
mod engine;
mod error;
mod link;
mod message;
mod options;

pub use burgee_codec::{InvalidTopic, QoS, TopicFilter, TopicName, TopicNameBuf, Version};
pub use burgee_protocol::Fault;
pub use client::{Client, Grant, Messages, NotResumed, Receipt, Session};
pub use error::{ConnectError, End, Error, Invalid, Refused};
pub use message::Message;
pub use options::{Options, Will};
