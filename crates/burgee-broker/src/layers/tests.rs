//! Layers over real sockets: what is kept of a connection at rest, and of one that is not read.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::*;
use crate::config::{BrokerConfig, Listen};

fn web() -> Arc<Gate> {
    let url = "ws://127.0.0.1:0/mqtt".parse().unwrap();
    Arc::new(Gate::new(0, &Listen::new(url), 1 << 20).unwrap())
}

fn pair() -> (Socket, TcpStream, PeerAddress) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, peer) = listener.accept().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (mio::net::TcpStream::from_std(near).into(), far, peer.into())
}

const REQUEST: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

fn ping(payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0x89, 0x80 | length, 0, 0, 0, 0][..], payload].concat()
}

#[test]
fn a_plain_listener_has_no_layers() {
    let gate = Gate::new(0, &BrokerConfig::loopback(0)[0], 1).unwrap();
    assert!(Layers::new(&Arc::new(gate), PeerAddress::Unix).is_none());
}

#[test]
fn at_rest_no_buffer_is_left_and_pings_of_a_deaf_peer_pile_up_nowhere() {
    let (mut socket, mut far, peer) = pair();
    let mut layers = Layers::new(&web(), peer).unwrap();
    let mut work = Workspace::default();
    let received = layers.receive(&mut REQUEST.to_vec(), &mut work);
    assert!(received.opened && layers.is_open());
    assert_eq!(layers.send_out(&mut socket), Sent::All);
    assert_eq!((layers.out.capacity(), layers.kept.capacity()), (0, 0));
    // A message of 4096 bytes, until the kernel takes no more.
    let mut message = vec![0x30, 0xFD, 0x1F];
    message.resize(4096, 7);
    let mut outbox = Outbox::default();
    let mut sent = Sent::All;
    while sent != Sent::Blocked {
        outbox.append(&message);
        sent = layers.send_next(&mut socket, &mut outbox, &mut work).unwrap();
        assert!(layers.out.len() <= PIECE + 16, "{}", layers.out.len());
    }
    let waits = layers.out.len();
    for round in 0..1000_u16 {
        layers.receive(&mut ping(&round.to_be_bytes()), &mut work);
    }
    assert_eq!(layers.out.len(), waits);
    // Once it reads, it gets all that was promised, and the newest pong.
    let reader = std::thread::spawn(move || {
        let (mut all, mut piece) = (Vec::new(), vec![0; 1 << 20]);
        while !all.ends_with(&[0x8A, 2, 3, 0xE7]) {
            let count = far.read(&mut piece).unwrap();
            assert!(count > 0);
            all.extend_from_slice(&piece[..count]);
        }
    });
    while layers.has_unsent() {
        layers.send_out(&mut socket);
        std::thread::yield_now();
    }
    while let Some(sent) = layers.send_next(&mut socket, &mut outbox, &mut work) {
        while sent == Sent::Blocked && layers.has_unsent() {
            layers.send_out(&mut socket);
        }
    }
    reader.join().unwrap();
    assert_eq!(layers.out.capacity(), 0);
}
