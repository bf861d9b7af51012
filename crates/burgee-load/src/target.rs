//! Whom to load, and who watches.

use std::net::SocketAddr;
use std::time::Duration;

use crate::histogram::Percentiles;

/// A broker, as everybody may know it.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// The user name to log in with, if any.
    pub user: Option<String>,
    /// The password to log in with, if any; needs a user name.
    pub password: Option<Vec<u8>>,
    /// Its process on this machine, if its costs are to be read.
    pub process: Option<u32>,
}

impl Target {
    /// A broker at an address: no login, costs not read.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            user: None,
            password: None,
            process: None,
        }
    }
}

/// How a run stands, for a live line. Handed over about ten times a second.
#[derive(Debug, Clone, Copy)]
pub struct Live {
    /// What is being done now, in a word or two: `warm-up`, `connecting`, `measuring`, `draining`.
    pub phase: &'static str,
    /// Time since the phase began.
    pub elapsed: Duration,
    /// Things done in this phase: messages delivered, clients connected, filters subscribed.
    pub done: u64,
    /// How many will be done, where that is known.
    pub of: Option<u64>,
    /// Things done a second, lately.
    pub rate: f64,
    /// Latencies of the last second, where they are taken.
    pub latency: Option<Percentiles>,
}

/// Somebody who looks on. It must be quick: the generator waits for it.
pub type Watch<'a> = &'a mut dyn FnMut(&Live);
