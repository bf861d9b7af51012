//! One publisher whose messages are all confirmed: by their acknowledgements, or at QoS 0 by the answer to a ping that
//! was sent after them.
//!
//! Must hold: no more than a window of messages is unconfirmed, so the broker is not flooded and an identifier is never
//! in use twice. Once nothing is open, the broker has taken every message. Once it has failed, it fails for ever: nobody
//! waits for a dead connection twice.

use std::io;
use std::time::{Duration, Instant};

use crate::crowd::{Crowd, HASTE, News, PATIENCE, Party};
use crate::error::Error;
use crate::target::{Target, Ticker};
use crate::wire::{self, Frame, Mark};

/// Messages unconfirmed at most: fewer than there are identifiers.
pub(crate) const WIDEST: u32 = 60_000;

/// `PINGRESP` as the reader names it.
pub(crate) const PINGRESP: u8 = 13;

/// The publisher.
#[derive(Debug)]
pub(crate) struct Feed {
    name: String,
    crowd: Crowd,
    qos: u8,
    window: u64,
    sent: u64,
    handshakes: Handshakes,
    progress: Instant,
    patience: Duration,
    failed: bool,
}

#[derive(Debug, Default)]
struct Handshakes {
    /// Messages not confirmed.
    open: u64,
    /// At QoS 0: a ping is on its way, and whatever came before it.
    asked: bool,
    gone: Option<io::Error>,
}

impl Feed {
    /// Connects it.
    pub(crate) fn join(
        target: &Target,
        name: String,
        (qos, window): (u8, u32),
        ticker: &mut Ticker<'_>,
    ) -> Result<Self, Error> {
        let mut crowd = Crowd::new()?;
        let party = Party {
            count: 1,
            name: &|_| name.clone(),
            clean_session: true,
            greeting: &|_, _| {},
            answers: 0,
        };
        crowd.gather(target, &party, ticker, &mut |_, _, _| {})?;
        Ok(Self {
            name,
            crowd,
            qos,
            window: window.clamp(1, WIDEST).into(),
            sent: 0,
            handshakes: Handshakes::default(),
            progress: Instant::now(),
            patience: PATIENCE,
            failed: false,
        })
    }

    /// Messages published so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether its connection ended, or the broker fell silent: there is no use in publishing more.
    pub(crate) fn failed(&self) -> bool {
        self.failed
    }

    /// From now on the broker may be silent for a short while only: what is still to be said is a courtesy.
    pub(crate) fn hurry(&mut self) {
        self.patience = self.patience.min(HASTE);
    }

    /// How many may be published now.
    pub(crate) fn room(&self) -> u64 {
        if self.handshakes.asked {
            return 0;
        }
        self.window.saturating_sub(self.handshakes.open)
    }

    /// Publishes a message, which `write` writes with the QoS and the identifier that it is given.
    pub(crate) fn put(&mut self, write: impl FnOnce(&mut Vec<u8>, (u8, u16))) {
        let id = u16::try_from(self.sent % 65_535 + 1).unwrap_or(1);
        let Some(out) = self.crowd.say(0) else {
            return;
        };
        write(out, (self.qos, id));
        self.sent += 1;
        self.handshakes.open += 1;
        if self.qos == 0 && self.handshakes.open == self.window {
            self.ask();
        }
    }

    /// Sends, and hears what the broker says.
    pub(crate) fn turn(&mut self, patience: Duration) -> Result<(), Error> {
        if self.failed {
            return Err(Error::Closed {
                client: self.name.clone(),
                during: "publishing",
            });
        }
        let Self { crowd, handshakes, .. } = self;
        let before = handshakes.open;
        crowd.turn(patience, |_, news, out| handshakes.hear(news, out))?;
        if let Some(error) = self.handshakes.gone.take() {
            self.failed = true;
            return Err(Error::on_connection(&self.name, "publishing", error));
        }
        let now = Instant::now();
        if self.handshakes.open != before || before == 0 {
            self.progress = now;
        } else if now - self.progress > self.patience {
            self.failed = true;
            return Err(Error::Silent {
                client: self.name.clone(),
                awaited: "an acknowledgement",
            });
        }
        Ok(())
    }

    /// Whether every message has been confirmed; asks for it if need be.
    pub(crate) fn all_confirmed(&mut self) -> bool {
        if self.qos == 0 && self.handshakes.open > 0 && !self.handshakes.asked {
            self.ask();
        }
        self.handshakes.open == 0
    }

    /// Publishes `count` messages as fast as they are confirmed and waits for the last confirmation. Ends early when
    /// the run is to be stopped. How many were published.
    pub(crate) fn pour(
        &mut self,
        (target, count): (&Target, u64),
        ticker: &mut Ticker<'_>,
        mut write: impl FnMut(u64, &mut Vec<u8>, (u8, u16)),
    ) -> Result<u64, Error> {
        let mut done = 0;
        loop {
            let more = if target.stopped() { 0 } else { count - done };
            for _ in 0..more.min(self.room()) {
                self.put(|out, packet| write(done, out, packet));
                done += 1;
            }
            if (done == count || target.stopped()) && self.all_confirmed() {
                return Ok(done);
            }
            self.turn(Duration::from_millis(100))?;
            ticker.tick(Instant::now(), done, || None);
        }
    }

    fn ask(&mut self) {
        if let Some(out) = self.crowd.say(0) {
            out.extend_from_slice(&wire::PINGREQ);
            self.handshakes.asked = true;
        }
    }
}

impl Handshakes {
    fn hear(&mut self, news: News<'_>, out: &mut Vec<u8>) {
        match news {
            News::Gone(error) => self.gone = Some(error),
            News::Packet(Frame::PubAck(_) | Frame::PubComp(_)) => self.open = self.open.saturating_sub(1),
            News::Packet(Frame::PubRec(id)) => wire::put_ack(out, wire::PUBREL, id),
            News::Packet(Frame::Other(PINGRESP)) => (self.open, self.asked) = (0, false),
            News::Established | News::Packet(_) => {}
        }
    }
}

/// Whether so many messages can be made.
pub(crate) fn check(count: usize, payload: usize, qos: u8) -> Result<(), Error> {
    let refuse = |what: &str| Err(Error::Option(what.to_owned()));
    if !(1..=100_000_000).contains(&count) {
        return refuse("a run has 1 to 100 million messages");
    }
    if !(Mark::LEN..=64 << 20).contains(&payload) {
        return refuse("a payload has 16 bytes, for the mark that every message carries, to 64 MiB");
    }
    if qos > 2 {
        return refuse("the QoS is 0, 1 or 2");
    }
    Ok(())
}

/// What a subscriber answers to a message, and to what follows it.
pub(crate) fn acknowledge(frame: Frame<'_>, out: &mut Vec<u8>) {
    match frame {
        Frame::Publish { qos: 1, id, .. } => wire::put_ack(out, wire::PUBACK, id),
        Frame::Publish { qos: 2, id, .. } => wire::put_ack(out, wire::PUBREC, id),
        Frame::PubRel(id) => wire::put_ack(out, wire::PUBCOMP, id),
        Frame::Connect { .. }
        | Frame::ConnAck { .. }
        | Frame::SubAck { .. }
        | Frame::Publish { .. }
        | Frame::PubAck(_)
        | Frame::PubRec(_)
        | Frame::PubComp(_)
        | Frame::Subscribe { .. }
        | Frame::PingReq
        | Frame::Other(_) => {}
    }
}

#[cfg(test)]
mod tests;
