//! The reader against real sockets on loopback: order, pauses, ends, and memory.

use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use burgee_core::io::{ConnKey, End, Input, Inputs};
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};

use super::*;
use crate::mail::Arrival;
use crate::socket::Socket;

/// What a turn saw, owned.
#[derive(Debug, Eq, PartialEq)]
enum Seen {
    Bytes(ConnKey, Vec<u8>),
    Ended(ConnKey, End),
}

fn peek(socket: &Socket, look: &mut [u8]) -> std::io::Result<usize> {
    match socket {
        Socket::Tcp(socket) => socket.peek(look),
        #[cfg(unix)]
        Socket::Unix(_) => unreachable!("the tests speak TCP"),
    }
}

struct Bench {
    table: Table,
    reader: Reader,
    inbox: Inbox,
    news: News,
}

impl Bench {
    fn new(budget: usize) -> Self {
        Self {
            table: Table::default(),
            reader: Reader::new(budget),
            inbox: Inbox::new(0, 1),
            news: News::default(),
        }
    }

    fn connect(&mut self) -> (ConnKey, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nodelay(true).unwrap();
        let (server, peer) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        let key = self
            .table
            .insert(Conn::new(Arrival::plain(mio::net::TcpStream::from_std(server), peer)))
            .unwrap();
        (key, client)
    }

    fn conn(&mut self, key: ConnKey) -> &mut Conn {
        self.table.get_mut(key).unwrap()
    }

    /// Waits until the kernel has `count` bytes for the connection, or its end.
    fn await_bytes(&mut self, key: ConnKey, count: usize) {
        let until = Instant::now() + Duration::from_secs(20);
        let mut look = vec![0; count];
        loop {
            match peek(&self.conn(key).socket, &mut look) {
                Ok(there) if there >= count => return,
                _ => assert!(Instant::now() < until, "the bytes did not come"),
            }
            thread::yield_now();
        }
    }

    /// Waits until the kernel knows that no more bytes come.
    fn await_end(&mut self, key: ConnKey) {
        let mut poll = Poll::new().unwrap();
        let socket = &mut self.table.get_mut(key).unwrap().socket;
        poll.registry().register(socket, Token(0), Interest::READABLE).unwrap();
        let (mut events, until) = (Events::with_capacity(4), Instant::now() + Duration::from_secs(20));
        while !events.iter().any(Event::is_read_closed) {
            assert!(Instant::now() < until, "the end did not come");
            poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
        }
        poll.registry().deregister(socket).unwrap();
    }

    /// What an event of the kernel does.
    fn readable(&mut self, key: ConnKey, hangup: bool) {
        let conn = self.table.get_mut(key).unwrap();
        conn.flags.set(Flags::READABLE);
        if hangup {
            conn.flags.set(Flags::HANGUP);
        }
        self.reader.enqueue(key, conn);
    }

    /// A turn whose core answers each time with what `answer` says of the bytes: used and needed.
    fn turn(&mut self, mut answer: impl FnMut(&[u8]) -> (usize, usize)) -> Vec<Seen> {
        let mut seen = Vec::new();
        let mut inputs = TurnInputs::new(&mut self.table, &mut self.reader, &mut self.inbox, &mut self.news);
        while let Some(input) = inputs.next() {
            match input {
                Input::Bytes { conn, bytes } => {
                    let (used, needed) = answer(bytes);
                    seen.push(Seen::Bytes(conn, bytes.to_vec()));
                    inputs.consumed(used, needed);
                }
                Input::Ended { conn, how } => seen.push(Seen::Ended(conn, how)),
                Input::Accepted { .. }
                | Input::Room { .. }
                | Input::Mail { .. }
                | Input::Durable { .. }
                | Input::Bodies { .. }
                | Input::StoreFailed
                | Input::Verdict { .. }
                | Input::Policy(_)
                | Input::Reload(_)
                | Input::Kick { .. }
                | Input::Shutdown => panic!("only bytes and ends are to come"),
            }
        }
        seen
    }
}

fn all(bytes: &[u8]) -> (usize, usize) {
    (bytes.len(), 1)
}

#[test]
fn what_is_not_consumed_comes_again_in_front_of_the_next_bytes() {
    let mut bench = Bench::new(1 << 20);
    let (key, mut client) = bench.connect();
    client.write_all(b"one two th").unwrap();
    bench.await_bytes(key, 10);
    bench.readable(key, false);
    assert_eq!(bench.turn(|_| (8, 5)), [Seen::Bytes(key, b"one two th".to_vec())]);
    // Four bytes are not five: the core hears nothing of them.
    client.write_all(b"re").unwrap();
    bench.await_bytes(key, 2);
    bench.readable(key, false);
    assert_eq!(bench.turn(all), []);
    client.write_all(b"e four").unwrap();
    bench.await_bytes(key, 6);
    bench.readable(key, false);
    assert_eq!(bench.turn(all), [Seen::Bytes(key, b"three four".to_vec())]);
    assert!(bench.conn(key).tail.is_none(), "an idle connection owns no buffer");
}

#[test]
fn a_short_read_means_drained_and_a_full_one_does_not() {
    let mut bench = Bench::new(1 << 20);
    let (key, mut client) = bench.connect();
    client.write_all(&vec![7; SLICE + 10]).unwrap();
    bench.await_bytes(key, SLICE + 10);
    bench.readable(key, false);
    assert_eq!(bench.turn(all), [Seen::Bytes(key, vec![7; SLICE])]);
    assert!(
        bench.reader.has_ready(),
        "one receive in each turn, the rest in the next"
    );
    assert_eq!(bench.turn(all), [Seen::Bytes(key, vec![7; 10])]);
    assert!(!bench.reader.has_ready() && !bench.conn(key).flags.any(Flags::READABLE));
}

#[test]
fn the_bytes_of_a_turn_are_bounded_and_the_ready_ones_take_turns() {
    let mut bench = Bench::new(SLICE);
    let (loud, mut loud_client) = bench.connect();
    let (quiet, mut quiet_client) = bench.connect();
    loud_client.write_all(&vec![1; 2 * SLICE]).unwrap();
    quiet_client.write_all(b"quiet").unwrap();
    bench.await_bytes(loud, SLICE);
    bench.await_bytes(quiet, 5);
    bench.readable(loud, false);
    bench.readable(loud, false);
    bench.readable(quiet, false);
    assert_eq!(bench.turn(all), [Seen::Bytes(loud, vec![1; SLICE])]);
    bench.await_bytes(loud, SLICE);
    let second = bench.turn(all);
    assert_eq!(second[0], Seen::Bytes(quiet, b"quiet".to_vec()));
    assert_eq!(second[1], Seen::Bytes(loud, vec![1; SLICE]));
}

#[test]
fn bytes_that_are_only_kept_count_in_a_turn_and_those_of_newcomers_for_more() {
    const PIECE: usize = 10_000;
    for (newcomers, least, most) in [(false, 10, 12), (true, 3, 4)] {
        let mut bench = Bench::new(10 * PIECE);
        let all: Vec<_> = (0..20).map(|_| bench.connect()).collect();
        for at in 0..2 {
            for (key, client) in &all {
                if !newcomers {
                    bench.conn(*key).flags.clear(Flags::NEWCOMER);
                }
                let mut client = client;
                client.write_all(&[b'x'; PIECE]).unwrap();
                bench.await_bytes(*key, PIECE);
                bench.readable(*key, false);
            }
            if at == 0 {
                // Each is at the beginning of something large.
                while bench.reader.has_ready() {
                    bench.turn(|_| (0, 1_000_000));
                }
            }
        }
        // The core hears of none of these, and the turn ends all the same.
        assert_eq!(bench.turn(|_| (0, 1_000_000)), []);
        let grown = all.iter().filter(|(key, _)| {
            let tail = bench.table.get(*key).and_then(|conn| conn.tail.as_deref());
            tail.is_some_and(|tail| tail.rest().len() == 2 * PIECE)
        });
        assert!((least..=most).contains(&grown.count()), "newcomers: {newcomers}");
    }
}

#[test]
fn the_end_comes_behind_all_bytes() {
    for (reset, how) in [(false, End::Finished), (true, End::Broken)] {
        let mut bench = Bench::new(1 << 20);
        let (key, mut client) = bench.connect();
        client.write_all(b"last words").unwrap();
        bench.await_bytes(key, 10);
        if reset {
            socket2::SockRef::from(&client)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
            drop(client);
        } else {
            client.shutdown(Shutdown::Write).unwrap();
        }
        bench.await_end(key);
        bench.readable(key, true);
        let (mut seen, mut turns) = (Vec::new(), 0);
        while bench.reader.has_ready() && turns < 10 {
            seen.extend(bench.turn(all));
            turns += 1;
        }
        assert_eq!(seen, [Seen::Bytes(key, b"last words".to_vec()), Seen::Ended(key, how)]);
    }
}

#[test]
fn after_a_failed_write_the_rest_is_read_and_the_end_is_broken() {
    let mut bench = Bench::new(1 << 20);
    let (key, mut client) = bench.connect();
    client.write_all(b"DISCONNECT").unwrap();
    bench.await_bytes(key, 10);
    bench.conn(key).flags.set(Flags::BROKEN);
    bench.readable(key, true);
    assert_eq!(bench.turn(all), [Seen::Bytes(key, b"DISCONNECT".to_vec())]);
    assert_eq!(bench.turn(all), [Seen::Ended(key, End::Broken)]);
}

#[test]
fn a_paused_connection_is_not_read_and_its_kept_bytes_come_first() {
    let mut bench = Bench::new(1 << 20);
    let (key, mut client) = bench.connect();
    client.write_all(b"packet1packet2").unwrap();
    bench.await_bytes(key, 14);
    bench.readable(key, false);
    assert_eq!(bench.turn(|_| (7, 0)).len(), 1);
    bench.conn(key).flags.set(Flags::PAUSED);
    client.write_all(b"packet3").unwrap();
    bench.await_bytes(key, 7);
    bench.readable(key, false);
    assert_eq!(bench.turn(all), []);
    // As the resume of a turn does.
    let conn = bench.table.get_mut(key).unwrap();
    conn.flags.clear(Flags::PAUSED);
    conn.flags.set(Flags::HAND_OUT);
    bench.reader.enqueue(key, conn);
    assert_eq!(bench.turn(all), [Seen::Bytes(key, b"packet2".to_vec())]);
    assert_eq!(bench.turn(all), [Seen::Bytes(key, b"packet3".to_vec())]);
}

#[test]
fn bytes_that_the_core_could_have_used_come_again_without_new_ones() {
    let mut bench = Bench::new(1 << 20);
    let (key, mut client) = bench.connect();
    client.write_all(b"abcdef").unwrap();
    bench.await_bytes(key, 6);
    bench.readable(key, false);
    assert_eq!(bench.turn(|_| (2, 1)).len(), 1);
    assert_eq!(bench.turn(all), [Seen::Bytes(key, b"cdef".to_vec())]);
}

#[test]
fn a_declared_length_takes_no_memory_and_a_large_packet_leaves_none() {
    let mut bench = Bench::new(1 << 20);
    let (key, mut client) = bench.connect();
    client.write_all(&[3; 100]).unwrap();
    bench.await_bytes(key, 100);
    bench.readable(key, false);
    bench.turn(|_| (0, 200 << 20));
    let held = |bench: &mut Bench| bench.conn(key).tail.as_ref().map_or(0, |tail| tail.capacity());
    assert!(held(&mut bench) <= 16 * 1024, "{}", held(&mut bench));
    let writer = thread::spawn(move || {
        client.write_all(&vec![3; 1 << 20]).unwrap();
        client
    });
    let mut got = 100;
    while got < 100 + (1 << 20) {
        bench.readable(key, false);
        assert_eq!(bench.turn(|_| unreachable!()), []);
        got = bench.conn(key).tail.as_ref().unwrap().rest().len();
        assert!(held(&mut bench) <= 2 * got + SLICE, "{} for {got}", held(&mut bench));
    }
    bench.conn(key).tail.as_mut().unwrap().advance(0, 0);
    let mut client = writer.join().unwrap();
    client.write_all(b"x").unwrap();
    bench.await_bytes(key, 1);
    bench.readable(key, false);
    bench.turn(|bytes| (bytes.len() - 1, 5));
    assert!(held(&mut bench) <= 32 * 1024, "{}", held(&mut bench));
}

/// A small generator: the same numbers in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

#[test]
fn frames_of_all_sizes_arrive_whole_at_any_pace() {
    let mut dice = Dice(5);
    let mut sent = Vec::new();
    let mut frames = Vec::new();
    for number in 0..400_u32 {
        let length = if number % 40 == 0 {
            dice.below(400_000)
        } else {
            dice.below(300)
        };
        let body: Vec<u8> = (0..length)
            .map(|at| u8::try_from((at + number as usize) % 251).unwrap())
            .collect();
        sent.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
        sent.extend_from_slice(&body);
        frames.push(body);
    }
    let mut bench = Bench::new(1 << 20);
    let (key, mut client) = bench.connect();
    let writer = thread::spawn(move || {
        let mut dice = Dice(9);
        let mut rest = &sent[..];
        while !rest.is_empty() {
            let most = if dice.below(4) == 0 { 90_000 } else { 200 };
            let piece = (1 + dice.below(most)).min(rest.len());
            client.write_all(&rest[..piece]).unwrap();
            rest = &rest[piece..];
        }
    });
    let mut got: Vec<Vec<u8>> = Vec::new();
    let mut least = 0;
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        bench.readable(key, true);
        let seen = bench.turn(|bytes| {
            assert!(bytes.len() >= least);
            let mut used = 0;
            loop {
                let rest = &bytes[used..];
                let Some(head) = rest.first_chunk::<4>() else {
                    least = 4;
                    return (used, least);
                };
                let whole = 4 + u32::from_be_bytes(*head) as usize;
                let Some(body) = rest.get(4..whole) else {
                    least = whole;
                    return (used, least);
                };
                got.push(body.to_vec());
                used += whole;
            }
        });
        if seen.contains(&Seen::Ended(key, End::Finished)) {
            break;
        }
        assert!(Instant::now() < until, "{} of {} frames", got.len(), frames.len());
    }
    writer.join().unwrap();
    assert!(got == frames, "{} of {} frames", got.len(), frames.len());
}
