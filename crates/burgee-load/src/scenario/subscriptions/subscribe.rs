//! The subscribing: tenth by tenth, each client with one SUBSCRIBE under way.
//!
//! Must hold: a tenth is over when every filter of it has been answered; each return code is looked at.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::super::outline::{Outline, float, per};
use super::filters::{Filters, of_round};
use super::{SILENCE, Subscriptions};
use crate::crowd::{Crowd, News};
use crate::error::Error;
use crate::target::{Target, Ticker};
use crate::wire::{self, Frame};

/// Bytes of a SUBSCRIBE at most; brokers have limits.
const PACKET: usize = 60 * 1024;

/// Names of the figures: microseconds a filter.
const TENTHS: [&str; 10] = [
    "tenth_1", "tenth_2", "tenth_3", "tenth_4", "tenth_5", "tenth_6", "tenth_7", "tenth_8", "tenth_9", "tenth_10",
];

/// How far everybody is.
#[derive(Debug)]
pub(super) struct Subscribing<'a> {
    filters: &'a Filters,
    plan: &'a Subscriptions,
    clients: Vec<Client>,
    answered: usize,
    /// Numbers of the filters that the broker did not take.
    pub(super) refused: BTreeSet<usize>,
    /// Filters granted with another QoS than was asked for.
    other_qos: u64,
    trouble: Option<Error>,
    /// Microseconds a filter, of each tenth.
    tenths: Vec<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Client {
    /// The round of which it asks for its filter next.
    round: usize,
    /// The first round of the SUBSCRIBE under way, and how many filters it has.
    asked: (usize, usize),
    id: u16,
}

impl<'a> Subscribing<'a> {
    pub(super) fn new(filters: &'a Filters, plan: &'a Subscriptions) -> Self {
        let client = Client {
            round: 0,
            asked: (0, 0),
            id: 0,
        };
        Self {
            filters,
            plan,
            clients: vec![client; plan.clients],
            answered: 0,
            refused: BTreeSet::new(),
            other_qos: 0,
            trouble: None,
            tenths: Vec::new(),
        }
    }

    pub(super) fn run(&mut self, crowd: &mut Crowd, target: &Target, ticker: &mut Ticker<'_>) -> Result<(), Error> {
        let count = self.filters.count();
        ticker.phase("subscribing", Some(count as u64), 0);
        for tenth in 1..=TENTHS.len() {
            let (from, to) = (self.answered, count * tenth / TENTHS.len());
            let begun = Instant::now();
            self.tenth(to, crowd, (target, &mut *ticker))?;
            self.tenths
                .push(per(begun.elapsed().as_secs_f64() * 1e6, float((to - from) as u64)));
        }
        Ok(())
    }

    fn tenth(
        &mut self,
        to: usize,
        crowd: &mut Crowd,
        (target, ticker): (&Target, &mut Ticker<'_>),
    ) -> Result<(), Error> {
        for n in 0..self.plan.clients {
            if let Some(out) = crowd.say(n) {
                self.ask(n, to, out);
            }
        }
        let mut last = (self.answered, Instant::now());
        while self.answered < to {
            if target.stopped() {
                return Err(Error::Interrupted);
            }
            crowd.turn(Duration::from_millis(100), |n, news, out| self.hear(n, news, to, out))?;
            if let Some(error) = self.trouble.take() {
                return Err(error);
            }
            let now = Instant::now();
            if self.answered > last.0 {
                last = (self.answered, now);
            } else if now - last.1 > 10 * SILENCE {
                return Err(Error::Silent {
                    client: "every client".to_owned(),
                    awaited: "SUBACK",
                });
            }
            ticker.tick(now, self.answered as u64, || None);
        }
        Ok(())
    }

    /// Writes the next SUBSCRIBE of a client, if it has filters left in this tenth.
    fn ask(&mut self, number: usize, to: usize, out: &mut Vec<u8>) {
        let Some(client) = self.clients.get_mut(number) else {
            return;
        };
        let (mut filters, mut bytes, first) = (Vec::new(), 0, client.round);
        while filters.len() < self.plan.per_packet && bytes < PACKET {
            let next = of_round(client.round, number, self.plan.clients);
            if next >= to {
                break;
            }
            let filter = self.filters.filter(next);
            bytes += filter.len() + 3;
            filters.push(filter);
            client.round += 1;
        }
        if filters.is_empty() {
            return;
        }
        client.asked = (first, filters.len());
        client.id = client.id.checked_add(1).unwrap_or(1);
        wire::put_subscribe(out, client.id, filters.iter().map(String::as_str), self.plan.qos);
    }

    fn hear(&mut self, number: usize, news: News<'_>, to: usize, out: &mut Vec<u8>) {
        match news {
            News::Packet(Frame::SubAck { id, codes }) => self.granted(number, id, codes),
            News::Gone(error) => {
                let error = Error::on_connection(&format!("client {number}"), "subscribing", error);
                self.trouble.get_or_insert(error);
                return;
            }
            News::Established | News::Packet(_) => return,
        }
        self.ask(number, to, out);
    }

    fn granted(&mut self, number: usize, id: u16, codes: &[u8]) {
        let Some(client) = self.clients.get_mut(number) else {
            return;
        };
        let (first, asked) = std::mem::take(&mut client.asked);
        if id != client.id || codes.len() != asked {
            self.trouble.get_or_insert(Error::Refused {
                client: format!("client {number}"),
                what: format!(
                    "SUBSCRIBE {} with {asked} filters was answered by SUBACK {id} with {} codes",
                    client.id,
                    codes.len()
                ),
            });
        }
        for (n, &code) in codes.iter().enumerate() {
            if code > 2 {
                self.refused.insert(of_round(first + n, number, self.plan.clients));
            } else if code != self.plan.qos {
                self.other_qos += 1;
            }
        }
        self.answered += asked;
    }

    pub(super) fn tell(&self, outline: &mut Outline) {
        for (name, tenth) in TENTHS.into_iter().zip(&self.tenths) {
            outline.figure(name, *tenth);
        }
        if let (Some(first), Some(last)) = (self.tenths.first(), self.tenths.last()) {
            outline.figure("growth", per(*last, *first));
        }
        outline.figure("filters_refused", float(self.refused.len() as u64));
        if !self.refused.is_empty() {
            outline.warn(format!("the broker refused {} filters", self.refused.len()));
        }
        if self.other_qos > 0 {
            outline.warn(format!(
                "{} filters were granted with another QoS than was asked for",
                self.other_qos
            ));
        }
    }
}
