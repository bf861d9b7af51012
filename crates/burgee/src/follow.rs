//! One connection after the other: connect, subscribe, hand on what comes, and when the connection is lost begin again.
//!
//! What must hold: a kept session resumes with what was unfinished; where the server has lost it, we subscribe again.
//! Deliberately absent: giving up. Who wants that has -W.

use std::time::Duration;

use burgee_client::connection::{Connection as Client, Grant, Messages, Session};
use burgee_client::{ConnectError, End, Error, Message, Options as ClientOptions, QoS};
use tokio::pin;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::connect::Connection;
use crate::connect::again::{Waits, is_passing};
use crate::connect::trace::Trace;
use crate::failure::{Failure, say};
use crate::run::{FAREWELL, Stop, leave, leave_within};

/// How long the end may take when the work is done. Nobody takes messages then, so answers may stand behind one and never
/// come; what was asked has to go out all the same.
const BRIEF: Duration = Duration::from_millis(100);

/// What is asked of the server on a new connection.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) filters: Vec<String>,
    pub(crate) qos: QoS,
    /// To unsubscribe from.
    pub(crate) gone: Vec<String>,
}

/// How to go about it.
#[derive(Debug)]
pub(crate) struct Manner {
    pub(crate) connection: Connection,
    pub(crate) exit_when_subscribed: bool,
    /// Whose words stand on standard error.
    pub(crate) command: &'static str,
}

/// What a message means for the rest.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Next {
    GoOn,
    Done,
}

/// Who takes the messages.
pub(crate) trait Take {
    /// Whether the server may hear of a message only when the one before is dealt with.
    fn takes_one_by_one(&self) -> bool;

    /// Takes a message, and as many of those behind it as it likes.
    async fn take(
        &mut self,
        message: Message,
        client: &Client,
        trace: &Trace,
        more: impl FnMut() -> Option<Message>,
    ) -> Result<Next, Failure>;

    /// Whether something was asked of the server that has to be acknowledged before the end.
    fn owes(&self) -> bool {
        false
    }

    /// What there is to do while nothing comes. It may be dropped at any time and is begun again.
    async fn idle(&mut self) -> Next {
        std::future::pending().await
    }
}

/// Until the work is done, or `stopped` asks for the end.
pub(crate) async fn follow(
    manner: Manner,
    subscription: Subscription,
    taker: &mut impl Take,
    mut stopped: watch::Receiver<Option<Stop>>,
) -> Result<(), Failure> {
    let (mut client_options, trace) = manner.connection.options()?;
    if taker.takes_one_by_one() {
        client_options = client_options.backlog(1);
    }
    let mut follower = Follower {
        manner,
        subscription,
        trace,
        taker,
    };
    let mut session = None;
    let mut waits = Waits::new();
    let mut first = true;
    loop {
        waits.attempt();
        follower.trace.connecting();
        let attempt = connect(&client_options, session.take());
        let attempt = tokio::select! {
            attempt = attempt => attempt,
            _ = stopped.wait_for(Option::is_some) => return Ok(()),
        };
        let lost = match attempt {
            Ok((client, messages)) => {
                let again = first || !client.session_present();
                let ended = follower.receive(&client, messages, again, &mut stopped).await?;
                let Some((end, kept)) = ended else { return Ok(()) };
                session = kept.filter(|_| follower.manner.connection.keeps_session());
                first = false;
                end.to_string()
            }
            Err((error, kept)) if !first && is_passing(&error) => {
                session = kept;
                error.to_string()
            }
            Err((error, _)) => {
                if let ConnectError::Refused(refused) = &error {
                    follower.trace.connected(refused.0);
                }
                return Err(error.into());
            }
        };
        let wait = waits.take();
        follower.complain(&format!("{lost}; trying again in {} s", wait.as_secs()));
        tokio::select! {
            () = sleep(wait) => {}
            _ = stopped.wait_for(Option::is_some) => return Ok(()),
        }
    }
}

type Attempt = Result<(Client, Messages), (ConnectError, Option<Session>)>;

async fn connect(options: &ClientOptions, session: Option<Session>) -> Attempt {
    match session {
        None => Client::connect(options).await.map_err(|error| (error, None)),
        Some(session) => {
            let resumed = Client::resume(options, session).await;
            resumed.map_err(|failed| (failed.error, Some(failed.session)))
        }
    }
}

struct Follower<'a, T> {
    manner: Manner,
    subscription: Subscription,
    trace: Trace,
    taker: &'a mut T,
}

impl<T: Take> Follower<'_, T> {
    /// Serves one connection. `None`: the work is done, or the end was asked for.
    async fn receive(
        &mut self,
        client: &Client,
        mut messages: Messages,
        again: bool,
        stopped: &mut watch::Receiver<Option<Stop>>,
    ) -> Result<Option<(End, Option<Session>)>, Failure> {
        self.trace.connected(0);
        let asked = ask(
            client.clone(),
            again.then(|| self.subscription.clone()),
            self.trace.clone(),
        );
        pin!(asked);
        let (mut answered, mut stopping) = (false, false);
        loop {
            // All at once: a kept session sends before it answers, and nobody else takes the messages. In this order, so that
            // what is told is in the order in which it came, and messages without end hide nothing.
            let next: Result<Next, Failure> = tokio::select! {
                biased;
                answer = &mut asked, if !answered => {
                    answered = true;
                    self.judge(answer, again)
                }
                _ = stopped.wait_for(Option::is_some), if !stopping => {
                    stopping = true;
                    // What has come by then is still printed.
                    let client = client.clone();
                    self.trace.disconnecting();
                    tokio::spawn(async move { leave(&client).await });
                    Ok(Next::GoOn)
                }
                next = self.taker.idle() => Ok(next),
                message = messages.next() => match message {
                    Some(message) => {
                        let more = || messages.try_next();
                        self.taker.take(message, client, &self.trace, more).await
                    }
                    None => break,
                },
            };
            if !matches!(next, Ok(Next::GoOn)) {
                // Also where something went wrong: our will is for other cases.
                self.trace.disconnecting();
                leave_within(client, if self.taker.owes() { FAREWELL } else { BRIEF }).await;
                return next.map(|_| None);
            }
        }
        let (end, session) = messages.finish().await;
        Ok((!end.is_wanted()).then_some((end, session)))
    }

    /// What the server said to our subscriptions.
    fn judge(&self, answer: Result<Vec<Grant>, Error>, again: bool) -> Result<Next, Failure> {
        let grants = match answer {
            Ok(grants) => grants,
            // The stream of messages ends as well, and says why.
            Err(Error::Ended(_)) => return Ok(Next::GoOn),
            Err(error) => return Err(error.into()),
        };
        let refused: Vec<_> = self
            .subscription
            .filters
            .iter()
            .zip(&grants)
            .filter(|(_, grant)| **grant == Grant::Refused)
            .map(|(filter, _)| filter.as_str())
            .collect();
        if !refused.is_empty() && refused.len() == grants.len() {
            return Err(Failure::refused(format!(
                "the server refused to subscribe to {}; may this user read there? -u and -P name another",
                refused.join(", ")
            )));
        }
        for filter in refused {
            self.complain(&format!(
                "the server refused to subscribe to {filter}; the others are granted"
            ));
        }
        Ok(if self.manner.exit_when_subscribed && again {
            Next::Done
        } else {
            Next::GoOn
        })
    }

    fn complain(&self, text: &str) {
        if !self.manner.connection.quiet {
            say(self.manner.command, text);
        }
    }
}

async fn ask(client: Client, wishes: Option<Subscription>, trace: Trace) -> Result<Vec<Grant>, Error> {
    let mut grants = Vec::new();
    let Some(wishes) = wishes else { return Ok(grants) };
    if !wishes.filters.is_empty() {
        let filters: Vec<_> = wishes
            .filters
            .iter()
            .map(|filter| (filter.as_str(), wishes.qos))
            .collect();
        trace.subscribing(&wishes.filters, wishes.qos);
        grants = client.subscribe(&filters).await?;
        let codes: Vec<_> = grants
            .iter()
            .map(|grant| match grant {
                Grant::Granted(qos) => qos.bits(),
                Grant::Refused => 0x80,
            })
            .collect();
        trace.subscribed(&codes);
    }
    if !wishes.gone.is_empty() {
        let gone: Vec<_> = wishes.gone.iter().map(String::as_str).collect();
        client.unsubscribe(&gone).await?;
    }
    Ok(grants)
}
