//! Many clients that connect, subscribe to a topic of their own, ping once, and then say nothing.

use std::io;
use std::net::SocketAddr;

use super::link::Dialog;

/// Long enough never to fall due during a run, and not zero: the broker has to keep its deadline.
const KEEP_ALIVE: u16 = 3600;

/// Clients that stay connected until this is dropped.
#[derive(Debug)]
pub(crate) struct Crowd {
    clients: Vec<Dialog>,
}

impl Crowd {
    /// Connects `count` clients one after the other, each subscribed and answered to its ping.
    pub(crate) fn gather(broker: SocketAddr, name: &str, count: usize) -> io::Result<Self> {
        let mut clients = Vec::with_capacity(count);
        for n in 0..count {
            let mut client = Dialog::open(broker, &format!("{name}-{n:05}"), KEEP_ALIVE)?;
            client.subscribe(&format!("{name}/{n:05}/state"), 0)?;
            client.ping()?;
            clients.push(client);
        }
        Ok(Self { clients })
    }

    /// Pings every client again: proof that none was dropped.
    pub(crate) fn all_alive(&mut self) -> io::Result<()> {
        self.clients.iter_mut().try_for_each(Dialog::ping)
    }
}
