//! How many connections each address has, and how fast it opens new ones.
//!
//! What must hold: the table is bounded; when it is full of addresses that have something open, others are let in
//! uncounted, and that is counted. Looked at when a connection comes or goes, never for a message.
//! Deliberately absent: Unix sockets; who reaches them is the file system's business.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use burgee_protocol::Time;

use crate::config::AcceptLimits;

/// Addresses known at once.
const KNOWN: usize = 64 * 1024;
/// A thousandth of a connection: tokens are counted in these.
const WHOLE: u64 = 1000;

/// Why an address has to wait.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum TooMuch {
    /// Too many of its connections are open.
    Open,
    /// They come too fast.
    Rate,
}

#[derive(Debug)]
struct Entry {
    open: u32,
    /// Thousandths of connections that may come at once.
    tokens: u64,
    at: Time,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Addresses {
    table: HashMap<IpAddr, Entry>,
    max_open: u32,
    rate: u64,
    burst: u64,
    known: usize,
    swept: Option<Time>,
    /// Let in without being counted, because the table was full.
    pub(crate) uncounted: u64,
}

impl Addresses {
    /// None where there is no limit.
    pub(crate) fn new(limits: &AcceptLimits) -> Option<Self> {
        if limits.max_per_address == u32::MAX && limits.rate_per_address == 0 {
            return None;
        }
        Some(Self {
            table: HashMap::new(),
            max_open: limits.max_per_address,
            rate: u64::from(limits.rate_per_address),
            burst: u64::from(limits.burst_per_address.max(1)) * WHOLE,
            known: KNOWN,
            swept: None,
            uncounted: 0,
        })
    }

    /// Other limits hold from here on; what is open stays counted, also where nothing is limited any more.
    pub(crate) fn limit(&mut self, limits: &AcceptLimits) {
        self.max_open = limits.max_per_address;
        self.rate = u64::from(limits.rate_per_address);
        self.burst = u64::from(limits.burst_per_address.max(1)) * WHOLE;
    }

    /// A connection comes: whether it was counted, or why it must not come.
    pub(crate) fn enter(&mut self, now: Time, address: IpAddr) -> Result<bool, TooMuch> {
        let key = network(address);
        if !self.table.contains_key(&key) && self.table.len() >= self.known && !self.make_room(now) {
            self.uncounted += 1;
            return Ok(false);
        }
        let burst = self.burst;
        let entry = self.table.entry(key).or_insert(Entry {
            open: 0,
            tokens: burst,
            at: now,
        });
        entry.refill(now, self.rate, burst);
        if entry.open >= self.max_open {
            return Err(TooMuch::Open);
        }
        if self.rate > 0 {
            entry.tokens = entry.tokens.checked_sub(WHOLE).ok_or(TooMuch::Rate)?;
        }
        entry.open += 1;
        Ok(true)
    }

    /// A counted connection goes.
    pub(crate) fn leave(&mut self, address: IpAddr) {
        let key = network(address);
        let Some(entry) = self.table.get_mut(&key) else { return };
        entry.open = entry.open.saturating_sub(1);
        if entry.open == 0 && self.rate == 0 {
            self.table.remove(&key);
        }
    }

    /// Forgets addresses about which nothing is to be known any more; looks through them all at most once a second.
    fn make_room(&mut self, now: Time) -> bool {
        if self.swept.is_some_and(|last| now.millis_since(last) < 1000) {
            return false;
        }
        self.swept = Some(now);
        let (rate, burst) = (self.rate, self.burst);
        self.table.retain(|_, entry| {
            entry.refill(now, rate, burst);
            entry.open > 0 || entry.tokens < burst
        });
        self.table.len() < self.known
    }
}

impl Entry {
    fn refill(&mut self, now: Time, rate: u64, burst: u64) {
        // So many connections a second are as many thousandths a millisecond.
        let more = now.millis_since(self.at).saturating_mul(rate);
        self.tokens = self.tokens.saturating_add(more).min(burst);
        self.at = now;
    }
}

/// What counts as one address: of IPv6 whoever has one has 2^64 of them.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(max_per_address: u32, rate_per_address: u32, burst_per_address: u32) -> Addresses {
        Addresses::new(&AcceptLimits {
            max_per_address,
            rate_per_address,
            burst_per_address,
            ..AcceptLimits::default()
        })
        .unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    const T: fn(u64) -> Time = Time::from_millis;

    #[test]
    fn without_limits_there_is_no_table() {
        assert!(Addresses::new(&AcceptLimits::default()).is_none());
    }

    #[test]
    fn an_address_has_so_many_connections_and_no_more() {
        let mut table = table(2, 0, 1);
        let (one, other) = (ip("10.0.0.1"), ip("10.0.0.2"));
        assert_eq!(table.enter(T(0), one), Ok(true));
        assert_eq!(table.enter(T(0), ip("::ffff:10.0.0.1")), Ok(true));
        assert_eq!(table.enter(T(0), one), Err(TooMuch::Open));
        assert_eq!(table.enter(T(0), other), Ok(true));
        table.leave(one);
        assert_eq!(table.enter(T(0), one), Ok(true));
        for gone in [one, one, other] {
            table.leave(gone);
        }
        assert_eq!(table.table.len(), 0, "who has nothing open is forgotten");
    }

    #[test]
    fn hosts_of_one_ipv6_network_count_together() {
        let mut table = table(1, 0, 1);
        assert_eq!(table.enter(T(0), ip("2001:db8:0:1::5")), Ok(true));
        assert_eq!(table.enter(T(0), ip("2001:db8:0:1:ffff::6")), Err(TooMuch::Open));
        assert_eq!(table.enter(T(0), ip("2001:db8:0:2::5")), Ok(true));
    }

    #[test]
    fn a_rate_lets_a_burst_through_and_then_its_pace() {
        let mut table = table(u32::MAX, 10, 3);
        let one = ip("10.0.0.1");
        let mut at = |millis| table.enter(T(millis), one);
        assert_eq!(
            [at(0), at(0), at(0), at(0)],
            [Ok(true), Ok(true), Ok(true), Err(TooMuch::Rate)]
        );
        assert_eq!(at(99), Err(TooMuch::Rate));
        assert_eq!(at(100), Ok(true));
        assert_eq!(at(100), Err(TooMuch::Rate));
        // It does not gather beyond the burst.
        assert_eq!(
            [at(60_000), at(60_000), at(60_000), at(60_000)],
            [Ok(true), Ok(true), Ok(true), Err(TooMuch::Rate)]
        );
    }

    #[test]
    fn the_table_is_bounded_and_makes_room() {
        let mut table = table(u32::MAX, 1, 1);
        table.known = 2;
        assert_eq!(table.enter(T(0), ip("10.0.0.1")), Ok(true));
        assert_eq!(table.enter(T(0), ip("10.0.0.2")), Ok(true));
        assert_eq!(table.enter(T(0), ip("10.0.0.3")), Ok(false), "let in, but not counted");
        assert_eq!((table.table.len(), table.uncounted), (2, 1));
        table.leave(ip("10.0.0.1"));
        // Its tokens are not back yet: forgetting it would give it a new burst.
        assert_eq!(table.enter(T(500), ip("10.0.0.3")), Ok(false));
        assert_eq!(table.enter(T(1500), ip("10.0.0.3")), Ok(true));
        assert_eq!(table.table.len(), 2);
    }
}
