//! The wishes of a turn carried out on real sockets: closing in order, closing at once, moving, room.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use burgee_core::io::{Input, Inputs};
use mio::{Events, Poll, Token, Waker};

use super::*;
use crate::config::{AcceptLimits, BrokerConfig};
use crate::door::{Doors, Gate};
use crate::mail::Inbox;
use crate::reading::TurnInputs;

/// One listener, no limits.
fn doors() -> Doors {
    let listen = BrokerConfig::loopback(0).swap_remove(0);
    Doors::new(
        vec![Arc::new(Gate::new(0, &listen, 1 << 20).unwrap())],
        usize::MAX,
        AcceptLimits::default(),
    )
}

struct Bench {
    poll: Poll,
    connections: Connections,
    effects: Effects,
    inbox: Inbox,
    now: Time,
}

impl Bench {
    fn new() -> Self {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(usize::MAX)).unwrap();
        let hub = Arc::new(Hub::new(vec![waker], 1 << 20, doors()));
        Self {
            poll,
            connections: Connections::new(hub, 1 << 10, 1 << 20),
            effects: Effects::new(1, 1 << 20),
            inbox: Inbox::new(0, 1),
            now: Time::ZERO,
        }
    }

    fn connect(&mut self) -> (ConnKey, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (server, peer) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        let socket = mio::net::TcpStream::from_std(server);
        let arrival = Arrival::plain(socket, peer);
        self.enter(&arrival);
        self.connections.admit(self.now, arrival, self.poll.registry());
        let key = self.connections.news.accepted.pop_back().unwrap();
        self.effects.outboxes.open(key);
        (key, client)
    }

    fn enter(&self, arrival: &Arrival) {
        let doors = self.connections.hub.doors();
        assert_eq!(doors.enter(self.now, &doors.gate(0).unwrap(), arrival.peer), Ok(false));
    }

    fn open(&self) -> usize {
        assert_eq!(self.connections.hub.doors().open(), self.connections.table.len());
        self.connections.table.len()
    }

    /// Takes events in for a moment.
    fn poll(&mut self) {
        let mut events = Events::with_capacity(16);
        self.poll.poll(&mut events, Some(Duration::from_millis(10))).unwrap();
        for event in &events {
            self.connections.event(self.now, event, &mut self.effects.outboxes);
        }
    }

    fn poll_until(&mut self, mut reached: impl FnMut(&mut Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while !reached(self) {
            assert!(Instant::now() < until, "it did not come to that");
            self.poll();
        }
    }

    /// The bytes that a turn is handed; all are used up.
    fn turn(&mut self) -> Vec<u8> {
        let Connections {
            table, reader, news, ..
        } = &mut self.connections;
        let mut inputs = TurnInputs::new(table, reader, &mut self.inbox, news);
        let mut got = Vec::new();
        while let Some(input) = inputs.next() {
            if let Input::Bytes { bytes, .. } = input {
                let used = bytes.len();
                got.extend_from_slice(bytes);
                inputs.consumed(used, 1);
            }
        }
        got
    }

    fn close(&mut self, key: ConnKey, mode: CloseMode) {
        self.effects.closes.push((key, mode));
        self.connections.carry_out(self.now, &mut self.effects);
    }
}

fn read_to_end(mut client: TcpStream) -> Vec<u8> {
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    got
}

#[test]
fn an_orderly_close_sends_the_rest_although_input_was_not_read() {
    let mut bench = Bench::new();
    let (key, mut client) = bench.connect();
    client.write_all(&vec![0; 100_000]).unwrap();
    bench.effects.outboxes.writer(key).unwrap().append(b"refused");
    bench.close(key, CloseMode::AfterFlush);
    let reader = std::thread::spawn(move || read_to_end(client));
    // Closed with unread input, the kernel would send a reset, and the answer would be lost.
    bench.poll_until(|bench| bench.open() == 0);
    assert_eq!(reader.join().unwrap(), b"refused");
}

#[test]
fn an_orderly_close_of_a_peer_that_does_nothing_is_bounded() {
    let mut bench = Bench::new();
    // One that does not close its side, and one that does not read.
    let (waits, _client) = bench.connect();
    bench.close(waits, CloseMode::AfterFlush);
    let (blocked, _other) = bench.connect();
    bench
        .effects
        .outboxes
        .writer(blocked)
        .unwrap()
        .append(&vec![0; 30 << 20]);
    bench.close(blocked, CloseMode::AfterFlush);
    assert_eq!(bench.open(), 2);
    let mut ends = Vec::new();
    for _ in 0..10 {
        let Some(at) = bench.connections.deadline() else { break };
        bench.now = at;
        bench.connections.close_overdue(at, &mut bench.effects.outboxes);
        ends.push((at.as_millis(), bench.open()));
    }
    assert_eq!(ends, [(1_000, 1), (5_000, 0)]);
    assert_eq!(bench.connections.deadline(), None);
}

#[test]
fn a_peer_that_floods_a_closing_connection_is_cut_off() {
    let mut bench = Bench::new();
    let (key, mut client) = bench.connect();
    bench.close(key, CloseMode::AfterFlush);
    let writer = std::thread::spawn(move || while client.write_all(&[0; 4096]).is_ok() {});
    bench.poll_until(|bench| bench.open() == 0);
    writer.join().unwrap();
}

#[test]
fn closing_at_once_tries_to_send_and_then_drops() {
    let mut bench = Bench::new();
    let (key, client) = bench.connect();
    bench
        .effects
        .outboxes
        .writer(key)
        .unwrap()
        .append(b"answer to what was right");
    bench.close(key, CloseMode::Now);
    assert_eq!(bench.open(), 0);
    assert_eq!(read_to_end(client), b"answer to what was right");
    assert!(bench.effects.outboxes.get_mut(key).is_none());
}

#[test]
fn an_outbox_that_wants_room_gets_it_at_the_mark() {
    let mut bench = Bench::new();
    let (key, mut client) = bench.connect();
    let outbox = bench.effects.outboxes.writer(key).unwrap();
    outbox.append(&vec![9; 20 << 20]);
    outbox.wants_room = true;
    bench.connections.carry_out(bench.now, &mut bench.effects);
    assert!(bench.connections.news.rooms.is_empty());
    let reader = std::thread::spawn(move || client.read_exact(&mut vec![0; 20 << 20]).map(|()| client));
    bench.poll_until(|bench| !bench.connections.news.rooms.is_empty());
    assert_eq!(bench.connections.news.rooms, [key]);
    assert!(bench.effects.outboxes.unsent(key) <= 1 << 10);
    bench.poll_until(|bench| bench.effects.outboxes.unsent(key) == 0);
    reader.join().unwrap().unwrap();
}

#[test]
fn a_connection_moves_with_its_bytes() {
    let (mut from, mut to) = (Bench::new(), Bench::new());
    let (key, mut client) = from.connect();
    client.write_all(b"CONNECT and more").unwrap();
    from.poll_until(|bench| bench.connections.reader.has_ready());
    {
        let Connections {
            table, reader, news, ..
        } = &mut from.connections;
        let mut inputs = TurnInputs::new(table, reader, &mut from.inbox, news);
        assert!(matches!(inputs.next(), Some(Input::Bytes { .. })));
        inputs.consumed(0, 0);
    }
    let arrival = from
        .connections
        .take_leave(key, from.poll.registry(), &mut from.effects.outboxes)
        .unwrap();
    from.connections.hub.doors().leave(Stay {
        listener: 0,
        peer: arrival.peer,
        counted: false,
        handshake: false,
    });
    to.enter(&arrival);
    to.connections.admit(to.now, arrival, to.poll.registry());
    assert_eq!((from.open(), to.open()), (0, 1));
    assert_eq!(to.turn(), b"CONNECT and more");
    client.write_all(b", and still more").unwrap();
    to.poll_until(|bench| bench.connections.reader.has_ready());
    assert_eq!(to.turn(), b", and still more");
}
