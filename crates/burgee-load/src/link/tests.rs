//! A link at one end of a socket, and bytes in odd portions at the other.

use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use mio::{Events, Poll};

use super::*;
use crate::wire::{Filler, Mark, Payload};

fn pair() -> (Link, TcpStream, Poll) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    stream.set_nonblocking(true).unwrap();
    let (other, _) = listener.accept().unwrap();
    let poll = Poll::new().unwrap();
    let stream = mio::net::TcpStream::from_std(stream);
    let link = Link::adopt(stream, poll.registry(), Token(0)).unwrap();
    (link, other, poll)
}

fn message(sequence: u32, payload: usize, out: &mut Vec<u8>) {
    let mark = Mark {
        source: 0,
        sequence,
        sent_at: 0,
    };
    let mut body = Vec::new();
    Filler::new(payload).put(&mut body, mark);
    wire::put_publish(out, (0, 0), b"t", &body);
}

/// Reads until so many packets have come, and gives what they were.
fn sequences(link: &mut Link, poll: &mut Poll, count: usize) -> io::Result<Vec<u32>> {
    let (mut all, begun) = (Vec::new(), Instant::now());
    while all.len() < count && begun.elapsed() < Duration::from_secs(20) {
        all.extend(some(link, poll)?);
    }
    Ok(all)
}

/// What comes next, or soon.
fn some(link: &mut Link, poll: &mut Poll) -> io::Result<Vec<u32>> {
    let (mut events, mut scratch, mut all) = (Events::with_capacity(8), vec![0; SCRATCH], Vec::new());
    poll.poll(&mut events, Some(Duration::from_millis(100))).unwrap();
    link.receive(&mut scratch, |frame, _| {
        let Frame::Publish { payload, .. } = frame else {
            panic!("{frame:?}")
        };
        let Payload::Sound(mark) = Payload::read(payload) else {
            panic!("a corrupt message")
        };
        all.push(mark.sequence);
    })?;
    Ok(all)
}

#[test]
fn packets_are_whole_however_their_bytes_arrive() {
    let (mut link, mut other, mut poll) = pair();
    link.expect(2 << 20);
    let sizes = [16, 64, 40_000, 17, 300_000, 100, 33_000, 1_000_000, 16, 200_000, 20_000];
    let mut bytes = Vec::new();
    for (n, &size) in (0..).zip(&sizes) {
        message(n, size, &mut bytes);
    }
    let writer = std::thread::spawn(move || {
        other.set_nodelay(true).unwrap();
        let mut rest = bytes.as_slice();
        for size in [1, 2, 5, 30, 31, 3, 7_000, 1, 13_000, 300_000, 77, 2]
            .into_iter()
            .cycle()
        {
            let (portion, behind) = rest.split_at(rest.len().min(size));
            other.write_all(portion).unwrap();
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        other
    });
    let all = sequences(&mut link, &mut poll, sizes.len()).unwrap();
    assert_eq!(all, (0..11).collect::<Vec<_>>());
    drop(writer.join().unwrap());
    let gone = sequences(&mut link, &mut poll, 1).unwrap_err();
    assert_eq!(gone.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_rest_is_kept_once_and_only_once() {
    let (mut link, mut other, mut poll) = pair();
    let mut bytes = Vec::new();
    (0..3).for_each(|n| message(n, 64, &mut bytes));
    let third = bytes.len() / 3;
    // Each portion ends within a message, and is read before the next one is written.
    let ends = [10, third + 10, 2 * third + 10, 3 * third];
    let (mut from, mut all) = (0, Vec::new());
    for (n, end) in ends.into_iter().enumerate() {
        other.write_all(&bytes[from..end]).unwrap();
        from = end;
        let begun = Instant::now();
        let done = |all: &Vec<u32>, link: &Link| all.len() == n && link.tail.len() == [10, 10, 10, 0][n];
        while !done(&all, &link) && begun.elapsed() < Duration::from_secs(5) {
            all.extend(some(&mut link, &mut poll).unwrap());
        }
    }
    assert_eq!(all, [0, 1, 2]);
}

#[test]
fn a_packet_larger_than_expected_is_refused_before_it_has_come() {
    let (mut link, mut other, mut poll) = pair();
    other.write_all(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0]).unwrap();
    let refused = sequences(&mut link, &mut poll, 1).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    assert!(link.large.buffer.is_empty());
}

#[test]
fn an_end_that_comes_with_the_last_bytes_is_seen() {
    for payload in [64, 40_000] {
        let (mut link, mut other, mut poll) = pair();
        let mut bytes = Vec::new();
        message(0, payload, &mut bytes);
        // Of the second message only a part ever comes.
        message(1, payload, &mut bytes);
        other.write_all(&bytes[..bytes.len() - 10]).unwrap();
        drop(other);
        let (mut events, mut scratch, begun) = (Events::with_capacity(8), vec![0; SCRATCH], Instant::now());
        let mut ended = None;
        // One event tells of both: none comes after it.
        while begun.elapsed() < Duration::from_secs(5) && ended.is_none() {
            poll.poll(&mut events, Some(Duration::from_millis(100))).unwrap();
            let told = events.iter().find(|event| event.is_read_closed());
            if told.is_some_and(|event| link.note(event)) {
                let mut count = 0;
                ended = Some((link.receive(&mut scratch, |_, _| count += 1), count));
            }
        }
        let (end, count) = ended.unwrap();
        assert_eq!((end.unwrap_err().kind(), count), (io::ErrorKind::UnexpectedEof, 1));
    }
}
