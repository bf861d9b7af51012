//! The same client for programs without async: each call waits for its answer.
//!
//! ```no_run
//! use burgee_client::blocking::Client;
//! use burgee_client::{Options, QoS};
//!
//! let client = Client::connect(Options::new("localhost", 1883).client_id("sensor-7"))?;
//! let mut commands = client.subscribe("commands/sensor-7", QoS::AtLeastOnce)?;
//! client.publish("rooms/7/temperature", "21.5", QoS::AtLeastOnce)?; // PUBACK came
//! for command in &mut commands {
//!     println!("{}: {:?}", command.topic, command.text());
//! }
//! client.disconnect()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What must hold: it is the async client, on one thread of its own, so it keeps every promise of that one; it may be used from
//! any thread, but not from inside of an async runtime, where waiting would stop others. Deliberately absent: anything that
//! the async client cannot do.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use burgee_codec::QoS;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::client::{Event, Payload, Received, State};
use crate::error::{ConnectError, End, Error};
use crate::options::Options;

/// A handle to a client that looks after its connection: see [`crate::Client`]. Cheap to clone.
///
/// ```no_run
/// # use burgee_client::{Options, QoS, blocking::Client};
/// let client = Client::connect(Options::new("localhost", 1883))?;
/// client.publish("greetings", "hello", QoS::AtLeastOnce)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    inner: crate::Client,
    runtime: Arc<Runtime>,
}

impl Client {
    /// As [`crate::Client::connect`].
    ///
    /// # Errors
    /// As there.
    pub fn connect(options: Options) -> Result<Self, ConnectError> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder
            .worker_threads(1)
            .thread_name("burgee-client")
            .enable_all()
            .build();
        let runtime = Arc::new(runtime.map_err(|error| ConnectError::Lost(End::from(error)))?);
        let inner = runtime.block_on(crate::Client::connect(options))?;
        Ok(Self { inner, runtime })
    }

    /// Publishes a message and waits until it is taken over: QoS 0 written, QoS 1 PUBACK, QoS 2 PUBCOMP.
    ///
    /// # Errors
    /// As [`crate::Publish`].
    pub fn publish(&self, topic: &str, payload: impl Into<Payload>, qos: QoS) -> Result<(), Error> {
        self.run(self.inner.publish(topic, payload).qos(qos))
    }

    /// The same, and the server keeps it for those who subscribe later.
    ///
    /// # Errors
    /// As [`crate::Publish`].
    pub fn publish_retained(&self, topic: &str, payload: impl Into<Payload>, qos: QoS) -> Result<(), Error> {
        self.run(self.inner.publish(topic, payload).qos(qos).retain())
    }

    /// Waits until the client has taken the message, and gives the receipt to be waited for later.
    ///
    /// # Errors
    /// As [`crate::Publish::send`].
    pub fn send(&self, topic: &str, payload: impl Into<Payload>, qos: QoS) -> Result<Receipt, Error> {
        let inner = self.run(self.inner.publish(topic, payload).qos(qos).send())?;
        Ok(Receipt {
            inner,
            runtime: Arc::clone(&self.runtime),
        })
    }

    /// Subscribes and waits until the server has granted it.
    ///
    /// # Errors
    /// As [`crate::Subscribe`].
    pub fn subscribe(&self, filter: &str, qos: QoS) -> Result<Subscription, Error> {
        let inner = self.run(self.inner.subscribe(filter, qos))?;
        Ok(Subscription {
            inner,
            runtime: Arc::clone(&self.runtime),
        })
    }

    /// What the client is doing about its connection.
    #[must_use]
    pub fn state(&self) -> State {
        self.inner.state().borrow().clone()
    }

    /// What happens from now on; each waits for the next.
    pub fn events(&self) -> impl Iterator<Item = Event> + use<> {
        let mut events = self.inner.events();
        let runtime = Arc::clone(&self.runtime);
        std::iter::from_fn(move || runtime.block_on(events.next()))
    }

    /// As [`crate::Client::disconnect`].
    ///
    /// # Errors
    /// As there.
    pub fn disconnect(&self) -> Result<(), Error> {
        self.run(self.inner.disconnect())
    }

    /// As [`crate::Client::disconnect_within`].
    ///
    /// # Errors
    /// As there.
    pub fn disconnect_within(&self, limit: Duration) -> Result<(), Error> {
        self.run(self.inner.disconnect_within(limit))
    }

    fn run<T>(&self, what: impl IntoFuture<Output = T>) -> T {
        self.runtime.block_on(what.into_future())
    }
}

/// The acknowledgement of one message: see [`crate::Receipt`].
///
/// ```no_run
/// # use burgee_client::{Error, QoS, blocking::Client};
/// # fn example(client: &Client) -> Result<(), Error> {
/// let receipt = client.send("numbers", "1", QoS::AtLeastOnce)?;
/// receipt.wait()
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nobody knows whether the message arrived, unless this is waited for"]
pub struct Receipt {
    inner: crate::Receipt,
    runtime: Arc<Runtime>,
}

impl Receipt {
    /// Waits for it.
    ///
    /// # Errors
    /// As [`crate::Receipt`].
    pub fn wait(self) -> Result<(), Error> {
        self.runtime.block_on(self.inner)
    }
}

/// The messages of one subscription: see [`crate::Subscription`]. It is an iterator that waits.
///
/// ```no_run
/// # use burgee_client::{Error, QoS, blocking::Client};
/// # fn example(client: &Client) -> Result<(), Error> {
/// for message in client.subscribe("rooms/#", QoS::AtMostOnce)? {
///     println!("{}", message.topic);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subscription {
    inner: crate::Subscription,
    runtime: Arc<Runtime>,
}

impl Subscription {
    /// The QoS that the server granted.
    #[must_use]
    pub const fn granted(&self) -> QoS {
        self.inner.granted()
    }

    /// How many messages found no room and were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.inner.dropped()
    }

    /// The next message if there is one already.
    pub fn try_next(&mut self) -> Option<Received> {
        self.inner.try_next()
    }

    /// The next message, if it comes within this time. `None`: it did not, or the stream has ended.
    pub fn next_within(&mut self, time: Duration) -> Option<Received> {
        let Self { inner, runtime } = self;
        runtime.block_on(async { timeout(time, inner.next()).await.ok().flatten() })
    }

    /// Gives the subscription up and waits until the server has let go of it.
    ///
    /// # Errors
    /// As [`crate::Subscription::unsubscribe`].
    pub fn unsubscribe(self) -> Result<(), Error> {
        let Self { inner, runtime } = self;
        runtime.block_on(inner.unsubscribe())
    }
}

impl Iterator for Subscription {
    type Item = Received;

    fn next(&mut self) -> Option<Received> {
        self.runtime.block_on(self.inner.next())
    }
}
