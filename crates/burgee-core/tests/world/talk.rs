//! What clients say in stories, in bytes, and how they come in.

use super::{Client, World, connect, subscribe};

pub(crate) const CLEAN: u8 = 2;
pub(crate) const STAYS: u8 = 0;
pub(crate) const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
pub(crate) const RESUMED: [u8; 4] = [0x20, 2, 1, 0];
pub(crate) const SUBACK_1: [u8; 5] = [0x90, 3, 0, 1, 1];
pub(crate) const SUBACK_2: [u8; 5] = [0x90, 3, 0, 1, 2];

pub(crate) const fn ack(kind: u8, id: u8) -> [u8; 4] {
    [kind, 2, 0, id]
}

pub(crate) fn join(world: &mut World, name: &str, flags: u8) -> Client {
    let client = world.open(0);
    world.send(client, &connect(name, flags));
    client
}

/// Connected, and CONNACK is read.
pub(crate) fn joined(world: &mut World, name: &str, flags: u8) -> Client {
    let client = join(world, name, flags);
    let connack = world.recv(client);
    assert_eq!((connack[0], connack[3]), (0x20, 0), "{name}");
    client
}

/// A client with a session that stays, and with a subscription.
pub(crate) fn subscribed(world: &mut World, name: &str, filter: &str, qos: u8) -> Client {
    let client = joined(world, name, STAYS);
    world.send(client, &subscribe(filter, qos));
    assert_eq!(world.recv(client)[0], 0x90);
    client
}

pub(crate) fn with_length(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    while length >= 128 {
        bytes.push(u8::try_from(length % 128).unwrap() | 128);
        length /= 128;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn field(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// CONNECT with a keep alive in seconds, and a will.
pub(crate) fn connect_with(name: &str, flags: u8, keep_alive: u8, will: Option<(&str, &[u8])>) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, keep_alive];
    body.extend(field(name.as_bytes()));
    if let Some((topic, payload)) = will {
        body.extend(field(topic.as_bytes()));
        body.extend(field(payload));
    }
    with_length(0x10, &body)
}

/// A client whose home is this shard.
pub(crate) fn at_home(world: &mut World, shard: usize, packet: impl Fn(&str) -> Vec<u8>) -> (Client, String) {
    for n in 0.. {
        let name = format!("{shard}-{n}");
        let client = world.open(0);
        world.send(client, &packet(&name));
        if world.shard_of(client) == shard {
            assert_eq!(world.recv(client)[0], 0x20);
            return (client, name);
        }
        world.send(client, b"\xE0\0");
    }
    unreachable!()
}
