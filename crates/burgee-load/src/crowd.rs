//! Many clients on one readiness loop: none is waited for alone, each is known by its number.
//!
//! Must hold: what goes wrong with one client is told and harms no other; a turn handles a bounded number of events, so
//! that whoever turns several crowds in turn starves none. Clients close without leaving their ports in `TIME_WAIT`.
//! Deliberately absent: what the clients say to each other; that is the scenarios' business.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Poll, Token};

use crate::error::Error;
use crate::link::{Link, SCRATCH};
use crate::target::{Target, Ticker};
use crate::wire::{self, Frame, Hello};

/// Events handled in one turn.
const BITE: usize = 64;

/// Clients in the making at one time, where nobody asked for a storm.
const AT_ONCE: usize = 64;

/// Local ports taken of one address: Linux offers some 28,000, others may want some of them.
const PORTS: usize = 20_000;

/// How long a broker may say nothing while it is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How long it may say nothing while a run cleans up behind itself.
pub(crate) const HASTE: Duration = Duration::from_secs(3);

/// Long enough never to fall due during a run, and not zero: the broker has to keep its deadline.
const KEEP_ALIVE: u16 = 3600;

/// What a client learns.
#[derive(Debug)]
pub(crate) enum News<'a> {
    /// The connection stands; CONNECT is on its way.
    Established,
    /// A packet has come.
    Packet(Frame<'a>),
    /// The connection has ended, or could not be made. Nothing comes after this.
    Gone(io::Error),
}

/// Clients by number.
#[derive(Debug)]
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    clients: Vec<Client>,
    /// Those with something to send.
    talking: Vec<usize>,
    patience: Duration,
}

#[derive(Debug)]
struct Client {
    link: Option<Link>,
    established: bool,
}

/// Who comes, and what each says first.
pub(crate) struct Party<'a> {
    /// How many clients.
    pub(crate) count: usize,
    /// The identifier of each.
    pub(crate) name: &'a dyn Fn(usize) -> String,
    /// Whether their sessions end with their connections.
    pub(crate) clean_session: bool,
    /// What each says once it is accepted.
    pub(crate) greeting: &'a dyn Fn(usize, &mut Vec<u8>),
    /// Packets that answer the greeting: SUBACK and PINGRESP.
    pub(crate) answers: usize,
}

impl Crowd {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(BITE),
            scratch: vec![0; SCRATCH],
            clients: Vec::new(),
            talking: Vec::new(),
            patience: PATIENCE,
        })
    }

    /// Begins to connect a client and gives its number; CONNECT follows as soon as the connection stands.
    pub(crate) fn dial(&mut self, target: &Target, name: &str, clean_session: bool) -> Result<usize, Error> {
        let number = self.clients.len();
        let stream = connect(target.address, number).map_err(|e| no_connection(name, target.address, e))?;
        stream.set_nodelay(true)?;
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).map_err(io::Error::from)?;
        let mut link = Link::adopt(stream, self.poll.registry(), Token(number))?;
        link.wait_until_connected();
        link.out().extend(wire::connect(&Hello {
            client: name,
            clean_session,
            keep_alive: KEEP_ALIVE,
            user: target.user.as_deref(),
            password: target.password.as_deref(),
        }));
        self.clients.push(Client {
            link: Some(link),
            established: false,
        });
        Ok(number)
    }

    /// Where to write what a client shall say; it leaves with the next turn. None once the client is gone.
    pub(crate) fn say(&mut self, client: usize) -> Option<&mut Vec<u8>> {
        let link = self.clients.get_mut(client)?.link.as_mut()?;
        self.talking.push(client);
        Some(link.out())
    }

    /// Takes leave of a broker that owes this client nothing, and does not wait for it.
    pub(crate) fn part(&mut self, client: usize) {
        if let Some(mut link) = self.clients.get_mut(client).and_then(|client| client.link.take()) {
            link.out().extend_from_slice(&wire::DISCONNECT);
            // It is closed next: whether it was still there does not matter.
            drop(link.flush());
        }
    }

    /// Clients whose connections have not ended.
    pub(crate) fn alive(&self) -> usize {
        self.clients.iter().filter(|client| client.link.is_some()).count()
    }

    /// Sends what was said, waits for something to happen, and tells it. What is put into the buffer is the answer.
    pub(crate) fn turn(
        &mut self,
        patience: Duration,
        mut tell: impl FnMut(usize, News<'_>, &mut Vec<u8>),
    ) -> Result<(), Error> {
        self.flush(&mut tell);
        match self.poll.poll(&mut self.events, Some(patience)) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(()),
            done => done?,
        }
        let Self {
            events,
            scratch,
            clients,
            talking,
            ..
        } = self;
        for event in &*events {
            let Token(number) = event.token();
            let Some(client) = clients.get_mut(number) else {
                continue;
            };
            if let Err(error) = client.event(event, scratch, |news, out| tell(number, news, out)) {
                client.link = None;
                tell(number, News::Gone(error), &mut Vec::new());
            }
            talking.push(number);
        }
        self.flush(&mut tell);
        Ok(())
    }

    fn flush(&mut self, tell: &mut impl FnMut(usize, News<'_>, &mut Vec<u8>)) {
        for number in self.talking.drain(..) {
            let Some(client) = self.clients.get_mut(number) else {
                continue;
            };
            if let Some(Err(error)) = client.link.as_mut().map(Link::flush) {
                client.link = None;
                tell(number, News::Gone(error), &mut Vec::new());
            }
        }
    }

    /// Connects a party, some at a time, and waits until all are greeted; `tell` hears of each CONNACK and of messages
    /// that come meanwhile.
    /// Ends early when the run is to be stopped.
    pub(crate) fn gather(
        &mut self,
        target: &Target,
        party: &Party<'_>,
        ticker: &mut Ticker<'_>,
        tell: &mut dyn FnMut(usize, Frame<'_>, &mut Vec<u8>),
    ) -> Result<(), Error> {
        let first = self.clients.len();
        let mut guests = Guests::new(party, first);
        let mut last = (0, Instant::now());
        while guests.ready < party.count {
            if target.stopped() {
                return Err(Error::Interrupted);
            }
            while guests.awaited.len() < party.count && guests.awaited.len() - guests.ready < AT_ONCE {
                self.dial(target, &(party.name)(guests.awaited.len()), party.clean_session)?;
                guests.awaited.push(party.answers + 1);
            }
            self.turn(Duration::from_millis(100), |number, news, out| {
                guests.hear(number, news, out, tell);
            })?;
            if let Some(error) = guests.trouble.take() {
                return Err(error);
            }
            let now = Instant::now();
            if guests.progress > last.0 {
                last = (guests.progress, now);
            } else if now - last.1 > self.patience {
                return Err(Error::Silent {
                    client: (party.name)(guests.slowest()),
                    awaited: "its connection",
                });
            }
            ticker.tick(now, guests.ready as u64, || None);
        }
        Ok(())
    }

    /// Takes leave of all clients in order, and waits until the broker has closed every connection: what they said
    /// before has been heard. A broker that does not close is not waited for longer than a few seconds.
    pub(crate) fn leave(&mut self) -> Result<(), Error> {
        const AT_MOST: Duration = Duration::from_secs(5);
        for number in 0..self.clients.len() {
            if let Some(out) = self.say(number) {
                out.extend_from_slice(&wire::DISCONNECT);
            }
        }
        let begun = Instant::now();
        while self.alive() > 0 && begun.elapsed() < AT_MOST {
            self.turn(Duration::from_millis(50), |_, _, _| {})?;
        }
        Ok(())
    }
}

impl Client {
    fn event(
        &mut self,
        event: &mio::event::Event,
        scratch: &mut [u8],
        mut tell: impl FnMut(News<'_>, &mut Vec<u8>),
    ) -> io::Result<()> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        if event.is_writable() {
            if !self.established {
                link.connected()?;
                self.established = true;
                tell(News::Established, link.out());
            }
            link.writable();
        }
        if event.is_readable() {
            link.receive(scratch, |frame, out| tell(News::Packet(frame), out))?;
        }
        if event.is_read_closed() || event.is_error() {
            // The end may have come together with the last bytes, and raises no event of its own.
            link.connected()?;
            link.receive(scratch, |frame, out| tell(News::Packet(frame), out))?;
        }
        Ok(())
    }
}

struct Guests<'a, 'p> {
    party: &'a Party<'p>,
    first: usize,
    /// Packets that each still waits for, CONNACK included.
    awaited: Vec<usize>,
    ready: usize,
    progress: u64,
    trouble: Option<Error>,
}

impl<'a, 'p> Guests<'a, 'p> {
    fn new(party: &'a Party<'p>, first: usize) -> Self {
        Self {
            party,
            first,
            awaited: Vec::new(),
            ready: 0,
            progress: 0,
            trouble: None,
        }
    }

    fn slowest(&self) -> usize {
        self.awaited.iter().position(|&left| left > 0).unwrap_or_default()
    }

    fn hear(
        &mut self,
        number: usize,
        news: News<'_>,
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(usize, Frame<'_>, &mut Vec<u8>),
    ) {
        self.progress += 1;
        let Some(guest) = number.checked_sub(self.first) else {
            return;
        };
        let name = || (self.party.name)(guest);
        let trouble = match news {
            News::Established => return,
            News::Gone(error) => Some(Error::on_connection(&name(), "setting up", error)),
            News::Packet(frame @ Frame::ConnAck { code: 0, .. }) => {
                tell(guest, frame, out);
                (self.party.greeting)(guest, out);
                None
            }
            News::Packet(Frame::ConnAck { code, .. }) => Some(Error::refused(&name(), code)),
            News::Packet(Frame::SubAck { codes, .. }) if codes.iter().any(|&code| code > 2) => Some(Error::Refused {
                client: name(),
                what: "its subscription".to_owned(),
            }),
            News::Packet(Frame::SubAck { .. } | Frame::Other(13)) => None,
            News::Packet(frame) => {
                tell(guest, frame, out);
                return;
            }
        };
        if let Some(trouble) = trouble {
            self.trouble.get_or_insert(trouble);
        } else if let Some(left @ 1..) = self.awaited.get_mut(guest) {
            *left -= 1;
            self.ready += usize::from(*left == 0);
        }
    }
}

/// Takes sessions away from the broker: a client that comes with a clean session leaves none.
pub(crate) fn forget(
    target: &Target,
    count: usize,
    name: &dyn Fn(usize) -> String,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    // Also, and above all, when the run was ended early.
    let target = Target {
        stop: Arc::default(),
        ..target.clone()
    };
    let party = Party {
        count,
        name,
        clean_session: true,
        greeting: &|_, out| out.extend_from_slice(&wire::PINGREQ),
        answers: 1,
    };
    ticker.phase("cleaning up", Some(count as u64), 0);
    let mut crowd = Crowd::new()?;
    crowd.patience = HASTE;
    crowd.gather(&target, &party, ticker, &mut |_, _, _| {})?;
    crowd.leave()
}

/// Begins to connect. Loopback has addresses enough: each lends some of its ports.
fn connect(address: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let Some(local) = local_address(address, number) else {
        return TcpStream::connect(address);
    };
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None)?;
    rustix::net::bind(&socket, &SocketAddr::new(local, 0))?;
    let stream = std::net::TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    match rustix::net::connect(&stream, &address) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(TcpStream::from_std(stream)),
        Err(error) => Err(error.into()),
    }
}

/// The address to connect from, where the usual one may have no ports left.
fn local_address(address: SocketAddr, number: usize) -> Option<IpAddr> {
    let block = u8::try_from(number / PORTS).ok().filter(|&block| block > 0)?;
    let loopback = matches!(address.ip(), IpAddr::V4(ip) if ip.is_loopback());
    loopback.then(|| Ipv4Addr::new(127, 0, 1, block).into())
}

fn no_connection(client: &str, address: SocketAddr, error: io::Error) -> Error {
    if error.raw_os_error() == Some(rustix::io::Errno::ADDRNOTAVAIL.raw_os_error()) {
        return Error::Option(format!(
            "this machine has no local ports left to connect to {address}: use fewer connections, a broker at \
             127.0.0.1, or a wider net.ipv4.ip_local_port_range"
        ));
    }
    if error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) {
        return Error::System(error);
    }
    Error::on_connection(client, "connecting", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_lends_ports_of_other_addresses() {
        let target = SocketAddr::from(([127, 0, 0, 1], 1883));
        assert_eq!(local_address(target, PORTS - 1), None);
        assert_eq!(local_address(target, PORTS), Some([127, 0, 1, 1].into()));
        assert_eq!(local_address(target, 5 * PORTS + 7), Some([127, 0, 1, 5].into()));
        let elsewhere = SocketAddr::from(([192, 0, 2, 1], 1883));
        assert_eq!(local_address(elsewhere, 5 * PORTS), None);
    }

    #[test]
    fn a_borrowed_address_is_seen_by_the_other_end() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = connect(listener.local_addr().unwrap(), PORTS).unwrap();
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip(), IpAddr::from([127, 0, 1, 1]));
        drop(stream);
    }

    #[test]
    fn who_finds_nobody_is_told() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target::new(nobody.local_addr().unwrap());
        drop(nobody);
        let party = Party {
            count: 1,
            name: &|n| format!("c{n}"),
            clean_session: true,
            greeting: &|_, _| {},
            answers: 0,
        };
        let (mut crowd, mut watch) = (Crowd::new().unwrap(), |_: &crate::target::Live| {});
        let refused = crowd.gather(&target, &party, &mut Ticker::new(&mut watch), &mut |_, _, _| {});
        assert!(matches!(refused, Err(Error::Unreachable { client, .. }) if client == "c0"));
    }
}
