//! The end of a run: what is still due is sent, what is under way is waited for, and what is lost is told from what is
//! only in doubt.
//!
//! Must hold: nothing is called lost on account of a clock alone. A broker that stalls answers no ping; one that answers
//! a ping sent after a silence, and then still says nothing, has nothing more. Whatever the broker does, this ends.

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::target::Ticker;
use crate::traffic::Traffic;
use crate::traffic::schedule::Schedule;
use crate::wire;

/// After so long without a message the broker is asked whether it still lives. What could not be sent in time is given
/// as long, and so is a broker that closes its connections one after the other.
const SILENCE: Duration = Duration::from_secs(2);

/// So long after its answer still nothing: there is nothing more.
const SETTLED: Duration = Duration::from_millis(500);

/// So long a broker may be without an answer and without a message.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 4 } else { 30 });

/// What is still under way at the end gets at most so long, even if messages still arrive.
const DRAIN: Duration = Duration::from_secs(300);

/// After the last message that was waited for: time for those that nobody waits for.
const QUIET: Duration = Duration::from_millis(30);

/// Why what was still under way was no longer waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GaveUp {
    /// Somebody ended the run.
    Interrupted,
    /// So many connections had no answer to a ping for so long.
    Stalled(usize, Duration),
    /// Messages still arrived after so long.
    Endless(Duration),
}

/// How far the waiting has come.
#[derive(Debug)]
struct Vigil {
    begun: Instant,
    /// What was under way and what had been delivered when last that changed, and when that was.
    news: (u64, u64, Instant),
    /// When the last pings were sent, and when all of them had been answered.
    asked: Instant,
    answered: Option<Instant>,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Wait,
    /// Ping everybody.
    Ask,
    /// There is nothing more: what has not come is lost.
    Settled,
    GiveUp(GaveUp),
}

impl Vigil {
    fn new(under_way: u64, delivered: u64, now: Instant) -> Self {
        Self {
            begun: now,
            news: (under_way, delivered, now),
            asked: now,
            answered: None,
        }
    }

    /// So much is under way, so much has been delivered, and so many connections owe an answer to a ping.
    fn look(&mut self, (under_way, delivered): (u64, u64), unanswered: usize, now: Instant) -> Next {
        if (under_way, delivered) != (self.news.0, self.news.1) {
            self.news = (under_way, delivered, now);
        }
        let last = self.news.2;
        if now - self.begun >= DRAIN {
            return Next::GiveUp(GaveUp::Endless(DRAIN));
        }
        if unanswered > 0 {
            let stalled = now - last.max(self.asked) >= PATIENCE;
            let gave_up = GaveUp::Stalled(unanswered, now - last);
            return if stalled { Next::GiveUp(gave_up) } else { Next::Wait };
        }
        let answered = *self.answered.get_or_insert(now);
        // A ping sent before the silence does not say that the broker has lived through it.
        let asked_in_silence = self.asked >= last + SILENCE;
        if asked_in_silence && now - answered >= SETTLED {
            Next::Settled
        } else if !asked_in_silence && now - last >= SILENCE {
            (self.asked, self.answered) = (now, None);
            Next::Ask
        } else {
            Next::Wait
        }
    }
}

impl Traffic<'_> {
    /// Sends nothing that is not due yet, and waits for what is under way.
    pub(crate) fn drain(&mut self, ticker: &mut Ticker<'_>) -> Result<(), Error> {
        self.catch_up()?;
        let first = self.under_way();
        ticker.phase("draining", Some(first), 0);
        let mut vigil = Vigil::new(first, self.delivered(), Instant::now());
        if first > 0 {
            self.ping();
        }
        loop {
            let left = self.under_way();
            if left == 0 {
                break;
            }
            if self.target.stopped() {
                self.give_up(GaveUp::Interrupted);
                break;
            }
            let now = Instant::now();
            match vigil.look((left, self.delivered()), self.unanswered(), now) {
                Next::Wait => {}
                Next::Ask => self.ping(),
                Next::Settled => break,
                Next::GiveUp(why) => {
                    self.give_up(why);
                    break;
                }
            }
            self.turn(Duration::from_millis(10))?;
            ticker.tick(now, first.saturating_sub(left), || None);
        }
        self.listen()
    }

    /// An open loop sends what was due before the end. It gets some time for it: what is left out would not be in the
    /// latencies.
    fn catch_up(&mut self) -> Result<(), Error> {
        let (begun, end) = (Instant::now(), self.end);
        let behind = |schedule: &Option<Schedule>| schedule.as_ref().map_or(0, |schedule| schedule.behind(end));
        let mut left = behind(&self.schedule);
        while left > 0 && !self.over && !self.target.stopped() && begun.elapsed() < SILENCE {
            self.step(end)?;
            left = behind(&self.schedule);
        }
        if !self.over && !self.target.stopped() {
            self.tally.unsent = left;
        }
        Ok(())
    }

    fn ping(&mut self) {
        for (n, member) in self.members.iter_mut().enumerate() {
            if let Some(link) = &mut member.link {
                link.out().extend_from_slice(&wire::PINGREQ);
                member.pings += 1;
                self.dirty.push(n);
            }
        }
    }

    /// Connections that owe an answer to a ping.
    fn unanswered(&self) -> usize {
        let owe = |member: &&super::Member| member.link.is_some() && member.pings > 0;
        self.members.iter().filter(owe).count()
    }

    /// What those have under way who were not waited for to the end is in doubt.
    fn give_up(&mut self, why: GaveUp) {
        self.tally.gave_up = Some(why);
        let stalled = matches!(why, GaveUp::Stalled(..));
        for (n, member) in self.members.iter_mut().enumerate() {
            member.doubted = !stalled || member.pings > 0;
            if member.doubted {
                let subscriber = n.checked_sub(self.publishers.len());
                self.ledger.end(subscriber.is_none().then_some(n), subscriber);
            }
        }
    }

    /// Waits until nothing more comes, for a short time: duplicates and strays come unasked.
    fn listen(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        let mut last = (self.delivered(), begun);
        while last.1.elapsed() < QUIET && begun.elapsed() < 10 * QUIET {
            self.turn(QUIET / 3)?;
            if self.delivered() != last.0 {
                last = (self.delivered(), Instant::now());
            }
        }
        // Whoever closes one connection after the other may be about to close them all.
        while self.over && self.anybody() && begun.elapsed() < SILENCE {
            self.turn(QUIET)?;
        }
        Ok(())
    }

    /// What the drain waits for: messages missing at any subscriber, and handshakes.
    fn under_way(&self) -> u64 {
        self.ledger.missing(&self.publishers) + self.owed_answers()
    }

    /// Handshakes open of publishers whose connection stands and who are not in doubt.
    pub(super) fn owed_answers(&self) -> u64 {
        let members = self.publishers.iter().zip(&self.members);
        let there = members.filter(|(_, member)| member.link.is_some() && !member.doubted);
        there.map(|(publisher, _)| publisher.open()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_a_living_broker_does_not_send_is_lost() {
        let begun = Instant::now();
        let mut vigil = Vigil::new(5, 0, begun);
        assert_eq!(vigil.look((5, 0), 2, begun), Next::Wait);
        assert_eq!(vigil.look((3, 2), 0, begun + SECOND), Next::Wait);
        let silent = begun + SECOND + SILENCE;
        assert_eq!(
            vigil.look((3, 2), 0, silent),
            Next::Ask,
            "the first ping came before the silence"
        );
        assert_eq!(vigil.look((3, 2), 2, silent + 3 * SECOND), Next::Wait);
        assert_eq!(vigil.look((3, 2), 0, silent + 3 * SECOND), Next::Wait);
        assert_eq!(vigil.look((3, 2), 0, silent + 4 * SECOND), Next::Settled);
    }

    #[test]
    fn a_message_ends_the_silence() {
        let begun = Instant::now();
        let mut vigil = Vigil::new(5, 0, begun);
        assert_eq!(vigil.look((5, 0), 0, begun + SILENCE), Next::Ask);
        assert_eq!(vigil.look((4, 1), 0, begun + 2 * SILENCE), Next::Wait);
        assert_eq!(vigil.look((4, 1), 0, begun + 3 * SILENCE), Next::Ask);
    }

    #[test]
    fn a_broker_without_an_answer_is_given_up_and_not_accused() {
        let begun = Instant::now();
        let mut vigil = Vigil::new(5, 0, begun);
        assert_eq!(vigil.look((5, 0), 2, begun + PATIENCE / 2), Next::Wait);
        let gave_up = GaveUp::Stalled(2, PATIENCE);
        assert_eq!(vigil.look((5, 0), 2, begun + PATIENCE), Next::GiveUp(gave_up));
        // As long as something comes it is waited for, but not for ever.
        let mut vigil = Vigil::new(1000, 0, begun);
        let mut now = begun;
        for left in (0..1000).rev() {
            now += SECOND;
            let next = vigil.look((left, 0), 2, now);
            if now < begun + DRAIN {
                assert_eq!(next, Next::Wait);
            } else {
                assert_eq!(next, Next::GiveUp(GaveUp::Endless(DRAIN)));
            }
        }
    }
}
