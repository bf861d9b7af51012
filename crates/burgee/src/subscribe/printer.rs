//! Messages onto standard output.
//!
//! What must hold: a batch is printed before the next message is asked for; what is to be removed at the server is removed
//! before it is printed. Deliberately absent: the connection.

use std::io;
use std::time::SystemTime;

use burgee_client::connection::Connection as Client;
use burgee_client::{Message, QoS};

use super::choice::{Verdict, Wanted};
use crate::connect::trace::Trace;
use crate::failure::{Failure, say};
use crate::follow::{Next, Take};
use crate::print::{Reader, Received, Style, print};

/// A batch of output is not longer, unless one message is.
const BATCH: usize = 64 * 1024;

/// Prints what is wanted.
pub(super) struct Printer {
    style: Style,
    wanted: Wanted,
    remove_retained: bool,
    out: Vec<u8>,
    done: bool,
}

impl Printer {
    pub(super) const fn new(style: Style, wanted: Wanted, remove_retained: bool) -> Self {
        Self {
            style,
            wanted,
            remove_retained,
            out: Vec::new(),
            done: false,
        }
    }

    /// Whether everything has come that was asked for.
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    async fn add(&mut self, message: &Message, client: &Client, trace: &Trace) -> Next {
        let received = Received {
            message,
            time: SystemTime::now(),
        };
        trace.received(message, &mut self.out);
        let verdict = self.wanted.judge(message);
        match verdict {
            Verdict::End => return Next::Done,
            Verdict::Ignored => return Next::GoOn,
            Verdict::Counted | Verdict::Printed => {}
        }
        if self.remove_retained && message.retain {
            let topic = message.topic.as_str();
            let removal = client.publish(topic, Vec::new(), QoS::AtLeastOnce, true).await;
            // If it fails the connection has ended, and the loop that reads it says why.
            drop(removal);
        }
        if verdict == Verdict::Printed && self.style.write(&received, &mut self.out).is_err() {
            say(
                "sub",
                &format!(
                    "the payload is no JSON, on topic {}; %j takes any payload",
                    message.topic
                ),
            );
        }
        self.done = self.wanted.count();
        if self.done { Next::Done } else { Next::GoOn }
    }
}

impl Take for Printer {
    fn takes_one_by_one(&self) -> bool {
        // What is acknowledged and not printed would be lost, so the next message has to wait for us.
        self.wanted.left.is_some() || self.wanted.retained_only
    }

    fn owes(&self) -> bool {
        self.remove_retained
    }

    async fn take(
        &mut self,
        message: Message,
        client: &Client,
        trace: &Trace,
        mut more: impl FnMut() -> Option<Message>,
    ) -> Result<Next, Failure> {
        let mut next = self.add(&message, client, trace).await;
        while next == Next::GoOn
            && self.out.len() < BATCH
            && let Some(message) = more()
        {
            next = self.add(&message, client, trace).await;
        }
        if self.out.is_empty() {
            return Ok(next);
        }
        let unwritable = |error: io::Error| Failure::refused(format!("cannot write to standard output: {error}"));
        let (reader, buffer) = print(std::mem::take(&mut self.out)).await.map_err(unwritable)?;
        self.out = buffer;
        Ok(if reader == Reader::Gone { Next::Done } else { next })
    }
}
