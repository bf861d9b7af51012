//! A client before its first connection.
//!
//! What must hold: streams that are made here are there before the first message comes. Deliberately absent: the connection.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use burgee_codec::QoS;
use tokio::sync::{broadcast, mpsc, watch};

use super::hub::{Hub, Wires};
use super::queue::Notices;
use super::subscription::{CAPACITY, check};
use super::task::{Task, connect};
use super::{COMMANDS, Client, EVENTS, State, Subscription};
use crate::care::Overflow;
use crate::engine::{Engine, Session};
use crate::error::{ConnectError, End, Error};
use crate::options::Options;

/// A client that is not connected yet. See [`Client::prepare`].
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use burgee_client::{Client, Options, QoS};
///
/// let options = Options::new("localhost", 1883).client_id("archive").clean_session(false);
/// let mut prepared = Client::prepare(options)?;
/// let mut orders = prepared.subscribe("orders/#", QoS::ExactlyOnce)?;
/// let client = prepared.start(); // the broker need not be there yet
/// while let Some(order) = orders.next().await {
///     println!("{}", order.topic);
/// }
/// # drop(client);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Prepared {
    client: Client,
    hub: Hub,
    engine: Engine<super::hub::Ticket>,
    options: Options,
}

impl Prepared {
    pub(super) fn new(options: Options) -> Result<Self, ConnectError> {
        let settings = options.check_for_client()?;
        let (commands, take_commands) = mpsc::channel(COMMANDS);
        let (quit, take_quit) = mpsc::channel(1);
        let (give_ending, ending) = watch::channel(None);
        let (give_state, state) = watch::channel(State::Connecting { attempt: 1 });
        let (give_events, _) = broadcast::channel(EVENTS);
        let notices = Arc::new(Notices::default());
        let client = Client {
            commands,
            quit,
            ending,
            state,
            events: give_events.downgrade(),
            notices: Arc::clone(&notices),
            keys: Arc::new(AtomicU64::new(1)),
            version: options.version,
            manual_ack: options.care.manual_ack,
            has_outbox: options.care.has_outbox(),
            patience: options.care.patience(),
        };
        let wires = Wires {
            commands: take_commands,
            quit: take_quit,
            ending: give_ending,
            state: give_state,
            events: give_events,
            notices,
        };
        let hub = Hub::new(wires, options.care.queue);
        let engine = Engine::new(settings, Session::new(options.window));
        Ok(Self {
            client,
            hub,
            engine,
            options,
        })
    }

    /// A stream for this filter. The server is asked when there is a connection.
    ///
    /// # Errors
    /// The filter is invalid.
    pub fn subscribe(&mut self, filter: &str, qos: QoS) -> Result<Subscription, Error> {
        self.subscribe_with(filter, qos, CAPACITY, Overflow::Wait)
    }

    /// The same with its own capacity and policy: see [`Subscribe`](super::Subscribe).
    ///
    /// # Errors
    /// The filter is invalid.
    pub fn subscribe_with(
        &mut self,
        filter: &str,
        qos: QoS,
        capacity: usize,
        overflow: Overflow,
    ) -> Result<Subscription, Error> {
        let filter = check(&self.client, filter, qos)?;
        let subscription = Subscription::new(&self.client, (filter, qos), (capacity, overflow));
        let (key, filter, queue) = subscription.entry();
        self.hub.registry.add(key, (filter, qos), queue, None);
        Ok(subscription)
    }

    /// What a simulation goes on with.
    #[cfg(feature = "simulation")]
    pub(super) fn into_parts(self) -> (Client, Hub, Engine<super::hub::Ticket>, Options) {
        (self.client, self.hub, self.engine, self.options)
    }

    /// Connects and waits for the server's answer.
    ///
    /// Cancel-safe: dropped before it is done, it leaves nothing behind; the streams end.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let Self {
            client,
            mut hub,
            engine,
            options,
        } = self;
        let engine = hub.open_outbox(&options, engine).await.map_err(ConnectError::Outbox)?;
        match connect(&options, engine).await {
            Ok((link, session_present)) => {
                // Whoever looks at the state behind this call sees the connection.
                hub.set(State::Connected { session_present });
                let task = Task::new(hub, options);
                tokio::spawn(task.run_connected(link, session_present));
                Ok(client)
            }
            Err((error, _)) => {
                hub.registry.close();
                Err(error)
            }
        }
    }

    /// Goes to work at once: connects in the background, as often as it takes. What is published meanwhile waits.
    ///
    /// Has to be called in a Tokio runtime.
    #[must_use]
    pub fn start(self) -> Client {
        let Self {
            client,
            mut hub,
            engine,
            options,
        } = self;
        tokio::spawn(async move {
            match hub.open_outbox(&options, engine).await {
                Ok(engine) => Task::new(hub, options).run(engine, Duration::ZERO).await,
                Err(what) => hub.finish(End::OutboxFailed(what), 0),
            }
        });
        client
    }
}
