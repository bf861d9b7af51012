//! A feed: message after message for as long as lines come, over one connection after the other.
//!
//! What must hold: what is not acknowledged when a connection is lost goes out again on the next one, in order, so that a feed
//! outlives a restart of the server: as it was where the session is kept, published anew where it is not. What waits is
//! bounded by the window. Deliberately absent: messages of QoS 0 that were on their way; nobody knows of them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use burgee_client::connection::{Connection as Client, Messages, Receipt, Session};
use burgee_client::{End, Error, Options as ClientOptions, QoS};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::connect::again::{Waits, is_passing};
use crate::connect::trace::Trace;
use crate::failure::{Failure, say};

/// A message that went out.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) topic: String,
    pub(super) payload: Arc<[u8]>,
    pub(super) how: (QoS, bool),
}

/// How a feed goes on after a lost connection.
#[derive(Copy, Clone, Debug)]
pub(super) struct Manner {
    /// Without a word.
    pub(super) quiet: bool,
    /// In the session that the server keeps.
    pub(super) kept: bool,
    /// The version of MQTT lets the server say whether it has kept it.
    pub(super) knows_sessions: bool,
}

/// The feed.
pub(super) struct Feed {
    options: ClientOptions,
    client: Client,
    trace: Trace,
    quiet: bool,
    /// The server says whether it has kept the session.
    knows_sessions: bool,
    /// What the connection leaves of a session that is kept.
    kept: Option<JoinHandle<Option<Session>>>,
    /// Without a kept session: what is not known to be acknowledged. A receipt is gone once it has said that it will never be.
    waiting: VecDeque<(Parcel, Option<Receipt>)>,
    waits: Waits,
    pub(super) sent: u64,
    /// Messages of QoS 2 that the server had taken over, and of which nobody knows any more what became of them.
    lost: usize,
}

impl Feed {
    /// Makes the first connection, which has to succeed.
    pub(super) async fn begin(
        options: ClientOptions,
        trace: Trace,
        Manner {
            quiet,
            kept,
            knows_sessions,
        }: Manner,
    ) -> Result<Self, Failure> {
        trace.connecting();
        let (client, messages) = Client::connect(&options).await?;
        trace.connected(0);
        Ok(Self {
            options,
            client,
            trace,
            quiet,
            knows_sessions,
            kept: kept.then(|| keep(messages)),
            waiting: VecDeque::new(),
            waits: Waits::new(),
            sent: 0,
            lost: 0,
        })
    }

    /// Why the connection has ended. Cancel-safe.
    pub(super) async fn ended(&self) -> End {
        self.client.ended().await
    }

    /// Publishes; waits while the window is full, and while there is no connection.
    pub(super) async fn send(&mut self, parcel: Parcel) -> Result<(), Failure> {
        loop {
            match self.publish(parcel.clone()).await {
                Ok(()) => return Ok(()),
                Err(Error::Ended(end)) => self.again(end).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn publish(&mut self, parcel: Parcel) -> Result<(), Error> {
        let (qos, retain) = parcel.how;
        self.trace
            .publishing(self.sent + 1, &parcel.topic, parcel.payload.len(), parcel.how);
        let payload = Arc::clone(&parcel.payload);
        let receipt = self.client.publish(&parcel.topic, payload, qos, retain).await?;
        self.sent += 1;
        if qos > QoS::AtMostOnce && self.kept.is_none() {
            self.forget_acknowledged();
            self.waiting.push_back((parcel, Some(receipt)));
        }
        Ok(())
    }

    fn forget_acknowledged(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        while let Some((_, Some(receipt))) = self.waiting.front_mut() {
            match Pin::new(receipt).poll(&mut context) {
                Poll::Ready(Ok(())) => drop(self.waiting.pop_front()),
                Poll::Ready(Err(_)) => {
                    if let Some((_, receipt)) = self.waiting.front_mut() {
                        *receipt = None;
                    }
                }
                Poll::Pending => return,
            }
        }
    }

    /// Also those that stand behind others.
    fn forget_all_acknowledged(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        self.waiting.retain_mut(|(_, receipt)| {
            let told = receipt.as_mut().map(|receipt| Pin::new(receipt).poll(&mut context));
            match told {
                Some(Poll::Ready(Ok(()))) => return false,
                Some(Poll::Ready(Err(_))) => *receipt = None,
                Some(Poll::Pending) | None => {}
            }
            true
        });
    }

    /// Connects again, for as long as that may help, and sends again what was not acknowledged.
    pub(super) async fn again(&mut self, end: End) -> Result<(), Failure> {
        match self.kept.take() {
            Some(left) => self.resume(left, end).await,
            None => self.anew(end).await,
        }
    }

    /// The library goes on with the session that the connection left.
    async fn resume(&mut self, left: JoinHandle<Option<Session>>, end: End) -> Result<(), Failure> {
        let Some(mut session) = left.await.ok().flatten() else {
            return Err(end.into());
        };
        self.wait_after(&end.to_string()).await;
        loop {
            self.waits.attempt();
            self.trace.connecting();
            let taken_over = session.taken_over();
            match Client::resume(&self.options, session).await {
                Ok((client, messages)) => {
                    self.trace.connected(0);
                    // MQTT 3.1 does not say whether there was a session: there it is taken for kept.
                    if !client.session_present() && self.knows_sessions {
                        self.lost += taken_over;
                    }
                    self.client = client;
                    self.kept = Some(keep(messages));
                    return Ok(());
                }
                Err(failed) if is_passing(&failed.error) => {
                    session = failed.session;
                    self.wait_after(&failed.error.to_string()).await;
                }
                Err(failed) => return Err(failed.error.into()),
            }
        }
    }

    async fn anew(&mut self, mut end: End) -> Result<(), Failure> {
        loop {
            self.forget_all_acknowledged();
            self.wait_after(&end.to_string()).await;
            self.client = loop {
                self.waits.attempt();
                self.trace.connecting();
                match Client::connect(&self.options).await {
                    Ok((client, messages)) => {
                        self.trace.connected(0);
                        drop(messages);
                        break client;
                    }
                    Err(error) if is_passing(&error) => self.wait_after(&error.to_string()).await,
                    Err(error) => return Err(error.into()),
                }
            };
            let mut left: VecDeque<_> = self.waiting.drain(..).map(|(parcel, _)| parcel).collect();
            let mut lost = None;
            while let Some(parcel) = left.pop_front() {
                match self.publish(parcel.clone()).await {
                    Ok(()) => {}
                    Err(Error::Ended(end)) => {
                        left.push_front(parcel);
                        lost = Some(end);
                        break;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            match lost {
                None => return Ok(()),
                Some(why) => {
                    self.waiting.extend(left.into_iter().map(|parcel| (parcel, None)));
                    end = why;
                }
            }
        }
    }

    async fn wait_after(&mut self, why: &str) {
        let wait = self.waits.take();
        if !self.quiet {
            say("pub", &format!("{why}; trying again in {} s", wait.as_secs()));
        }
        sleep(wait).await;
    }

    /// Waits until everything is acknowledged, and ends.
    pub(super) async fn finish(mut self) -> Result<(), Failure> {
        loop {
            self.trace.disconnecting();
            // As long as the server lives it may take its time: keep alive notices when it does not.
            match self.client.disconnect_within(Duration::MAX).await {
                Ok(()) if self.lost == 0 => return Ok(()),
                Ok(()) => {
                    return Err(Failure::lost(format!(
                        "the server has lost the session; of QoS 2, {} taken over before may not have arrived",
                        self.lost
                    )));
                }
                Err(Error::Ended(end)) => self.again(end).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What the session is when its connection has ended. Messages that it brings are acknowledged and forgotten.
fn keep(messages: Messages) -> JoinHandle<Option<Session>> {
    tokio::spawn(async move { messages.finish().await.1 })
}

/// A connection whose messages, of a kept session, are acknowledged and forgotten.
pub(super) async fn connect(options: &ClientOptions, trace: &Trace) -> Result<Client, Failure> {
    trace.connecting();
    let (client, messages) = Client::connect(options).await?;
    trace.connected(0);
    drop(messages);
    Ok(client)
}
