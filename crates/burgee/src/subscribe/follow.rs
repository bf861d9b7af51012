//! One connection after the other: connect, subscribe, print, and when the connection is lost begin again.
//!
//! What must hold: a kept session resumes with what was unfinished; where the server has lost it, we subscribe again.
//! Waits between attempts double from 1 s to 30 s. Deliberately absent: giving up. Who wants that has -W.

use std::io;
use std::time::Duration;

use burgee_client::connection::{Connection as Client, Grant, Messages, Session};
use burgee_client::{ConnectError, End, Error, Message, Options as ClientOptions, QoS, Refused, TopicFilter};
use tokio::pin;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::format::Style;
use super::output::{Reader, print, wants_colour};
use super::{Options, Stop, leave};
use crate::failure::{Failure, say};

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A batch of output is not longer, unless one message is.
const BATCH: usize = 64 * 1024;

/// Until the work is done, or `stopped` asks for the end.
pub(super) async fn follow(mut options: Options, mut stopped: watch::Receiver<Option<Stop>>) -> Result<(), Failure> {
    let mut client_options = options.connection.options()?;
    if options.count.is_some() || options.retained_only {
        // What is acknowledged and not printed would be lost, so the next message has to wait for us.
        client_options = client_options.backlog(1);
    }
    let style = Style {
        format: options.format.take(),
        verbose: options.verbose,
        newline: !options.no_newline,
        colour: wants_colour(),
    };
    let left = options.count.map(std::num::NonZeroU64::get);
    let mut follower = Follower {
        options,
        style,
        left,
        out: Vec::new(),
    };
    let mut session = None;
    let mut wait = FIRST_WAIT;
    let mut first = true;
    loop {
        let attempt = connect(&client_options, session.take());
        let attempt = tokio::select! {
            attempt = attempt => attempt,
            _ = stopped.wait_for(Option::is_some) => return Ok(()),
        };
        let began = Instant::now();
        let lost = match attempt {
            Ok((client, messages)) => {
                let again = first || !client.session_present();
                let ended = follower.receive(&client, messages, again, &mut stopped).await?;
                let Some((end, kept)) = ended else { return Ok(()) };
                session = kept.filter(|_| follower.options.connection.keeps_session());
                first = false;
                end.to_string()
            }
            Err((error, kept)) if !first && is_passing(&error) => {
                session = kept;
                error.to_string()
            }
            Err((error, _)) => return Err(error.into()),
        };
        // A connection that stood for a while starts the waits anew; one that is cut again and again does not.
        wait = if began.elapsed() > LONGEST_WAIT {
            FIRST_WAIT
        } else {
            wait
        };
        follower.complain(&format!("{lost}; trying again in {} s", wait.as_secs()));
        tokio::select! {
            () = sleep(wait) => {}
            _ = stopped.wait_for(Option::is_some) => return Ok(()),
        }
        wait = (wait * 2).min(LONGEST_WAIT);
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

/// Whether trying again may help.
const fn is_passing(error: &ConnectError) -> bool {
    match error {
        ConnectError::Invalid(_) | ConnectError::TlsSettings(_) => false,
        ConnectError::Refused(Refused(code)) => *code == 3,
        ConnectError::Resolve { .. }
        | ConnectError::Unreachable { .. }
        | ConnectError::Proxy { .. }
        | ConnectError::Tls(_)
        | ConnectError::Upgrade { .. }
        | ConnectError::Timeout(_)
        | ConnectError::Violation(_)
        | ConnectError::Lost(_) => true,
    }
}

/// What a message means for the rest.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Next {
    GoOn,
    Done,
}

struct Follower {
    options: Options,
    style: Style,
    /// Messages still to be printed.
    left: Option<u64>,
    out: Vec<u8>,
}

impl Follower {
    /// Serves one connection. `None`: the work is done, or the end was asked for.
    async fn receive(
        &mut self,
        client: &Client,
        mut messages: Messages,
        again: bool,
        stopped: &mut watch::Receiver<Option<Stop>>,
    ) -> Result<Option<(End, Option<Session>)>, Failure> {
        self.remark("connected");
        let asked = ask(client.clone(), if again { self.wishes() } else { Wishes::default() });
        pin!(asked);
        let (mut answered, mut stopping) = (false, false);
        loop {
            // Both at once: a kept session sends before it answers, and nobody else takes the messages.
            let next = tokio::select! {
                answer = &mut asked, if !answered => {
                    answered = true;
                    self.judge(answer)?
                }
                message = messages.next() => match message {
                    Some(message) => self.print(&message, &mut messages).await?,
                    None => break,
                },
                _ = stopped.wait_for(Option::is_some), if !stopping => {
                    stopping = true;
                    // What has come by then is still printed.
                    let client = client.clone();
                    tokio::spawn(async move { leave(&client).await });
                    Next::GoOn
                }
            };
            if next == Next::Done {
                leave(client).await;
                return Ok(None);
            }
        }
        let (end, session) = messages.finish().await;
        Ok((!end.is_wanted()).then_some((end, session)))
    }

    fn wishes(&self) -> Wishes {
        let filters = self.options.filters().into_iter().map(str::to_owned).collect();
        Wishes {
            filters,
            qos: self.options.qos,
            gone: self.options.unsubscribe.clone(),
        }
    }

    /// What the server said to our subscriptions.
    fn judge(&self, answer: Result<Vec<Grant>, Error>) -> Result<Next, Failure> {
        let grants = match answer {
            Ok(grants) => grants,
            // The stream of messages ends as well, and says why.
            Err(Error::Ended(_)) => return Ok(Next::GoOn),
            Err(error) => return Err(error.into()),
        };
        let filters = self.options.filters();
        let refused: Vec<_> = filters
            .iter()
            .zip(&grants)
            .filter(|(_, grant)| **grant == Grant::Refused)
            .map(|(filter, _)| *filter)
            .collect();
        if !refused.is_empty() && refused.len() == grants.len() {
            return Err(Failure::refused(format!(
                "the server refused to subscribe to {}",
                refused.join(", ")
            )));
        }
        for filter in refused {
            self.complain(&format!(
                "the server refused to subscribe to {filter}; the others are granted"
            ));
        }
        self.remark("subscribed");
        Ok(if self.options.exit_when_subscribed {
            Next::Done
        } else {
            Next::GoOn
        })
    }

    /// Prints a message and what has come behind it.
    async fn print(&mut self, message: &Message, messages: &mut Messages) -> Result<Next, Failure> {
        let mut next = self.add(message);
        while next == Next::GoOn
            && self.out.len() < BATCH
            && let Some(message) = messages.try_next()
        {
            next = self.add(&message);
        }
        if self.out.is_empty() {
            return Ok(next);
        }
        let unwritable = |error: io::Error| Failure::refused(format!("cannot write to standard output: {error}"));
        let (reader, buffer) = print(std::mem::take(&mut self.out)).await.map_err(unwritable)?;
        self.out = buffer;
        Ok(if reader == Reader::Gone { Next::Done } else { next })
    }

    /// Adds a message to what is to be printed, if it is wanted.
    fn add(&mut self, message: &Message) -> Next {
        if self.options.retained_only && !message.retain {
            return Next::Done;
        }
        let topic = message.topic.as_ref();
        // Checked at the start; what is no filter matches nothing.
        let matches = |raw: &String| TopicFilter::parse(raw).is_ok_and(|filter| filter.matches(topic));
        if (self.options.no_retained && message.retain) || self.options.filter_out.iter().any(matches) {
            return Next::GoOn;
        }
        self.style.write(message, &mut self.out);
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.left == Some(0) { Next::Done } else { Next::GoOn }
    }

    fn complain(&self, text: &str) {
        if !self.options.connection.quiet {
            say("sub", text);
        }
    }

    fn remark(&self, text: &str) {
        if self.options.connection.debug {
            say("sub", text);
        }
    }
}

/// What is asked of the server on a new connection.
#[derive(Default)]
struct Wishes {
    filters: Vec<String>,
    qos: QoS,
    gone: Vec<String>,
}

async fn ask(client: Client, wishes: Wishes) -> Result<Vec<Grant>, Error> {
    let mut grants = Vec::new();
    if !wishes.filters.is_empty() {
        let filters: Vec<_> = wishes
            .filters
            .iter()
            .map(|filter| (filter.as_str(), wishes.qos))
            .collect();
        grants = client.subscribe(&filters).await?;
    }
    if !wishes.gone.is_empty() {
        let gone: Vec<_> = wishes.gone.iter().map(String::as_str).collect();
        client.unsubscribe(&gone).await?;
    }
    Ok(grants)
}
