//! Files as Mosquitto would write them where this one does not: format 5, another order of bytes, odd contents.

use super::{EXCHANGES, found};
use burgee_codec::QoS;
use burgee_mosquitto::db::{Left, MAGIC, Wrong};
use burgee_store::Op;

/// Writes chunks.
pub(super) struct Maker {
    pub(super) bytes: Vec<u8>,
    big_end: bool,
    version: u32,
}

impl Maker {
    pub(super) fn new(version: u32, big_end: bool, last: u64) -> Self {
        let mut maker = Self {
            bytes: MAGIC.to_vec(),
            big_end,
            version,
        };
        maker.bytes.extend([0; 4]);
        maker.bytes.extend(version.to_be_bytes());
        let mut head = maker.long(last).to_vec();
        head.extend([1, 8, 0, 0, 0, 0, 0, 0]);
        maker.chunk(1, &head);
        maker
    }

    fn long(&self, number: u64) -> [u8; 8] {
        if self.big_end {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    }

    pub(super) fn chunk(&mut self, kind: u32, bytes: &[u8]) {
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
        self.bytes.extend(bytes);
    }

    pub(super) fn message(&mut self, number: u64, topic: &str, payload: &[u8], qos: u8) -> &mut Self {
        let mut chunk = [self.long(number), self.long(0)].concat();
        chunk.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
        for short in [0, 0, 0, u16::try_from(topic.len()).unwrap(), 1883] {
            chunk.extend(short.to_be_bytes());
        }
        chunk.extend([qos, 0]);
        chunk.extend(topic.as_bytes());
        chunk.extend(payload);
        self.chunk(2, &chunk);
        self
    }

    pub(super) fn client(&mut self, name: &str, user: &str) -> &mut Self {
        let mut chunk = self.long(0).to_vec();
        chunk.extend(u32::MAX.to_be_bytes());
        chunk.extend(0_u16.to_be_bytes());
        chunk.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
        if self.version >= 6 {
            chunk.extend(1883_u16.to_be_bytes());
            chunk.extend(u16::try_from(user.len()).unwrap().to_be_bytes());
            chunk.extend([0; 4]);
        }
        chunk.extend(name.as_bytes());
        chunk.extend(user.as_bytes());
        self.chunk(6, &chunk);
        self
    }

    /// Identifier, QoS, state and direction (0: from the client).
    pub(super) fn owed(&mut self, name: &str, message: u64, how: (u16, u8, u8, u8)) -> &mut Self {
        let (id, qos, state, direction) = how;
        let mut chunk = self.long(message).to_vec();
        chunk.extend(id.to_be_bytes());
        chunk.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
        chunk.extend([qos, state, 0, direction]);
        chunk.extend(name.as_bytes());
        self.chunk(3, &chunk);
        self
    }

    pub(super) fn subscription(&mut self, name: &str, filter: &str) -> &mut Self {
        let mut chunk = 0_u32.to_be_bytes().to_vec();
        chunk.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
        chunk.extend(u16::try_from(filter.len()).unwrap().to_be_bytes());
        chunk.extend([2, 0, 0, 0]);
        chunk.extend(name.as_bytes());
        chunk.extend(filter.as_bytes());
        self.chunk(5, &chunk);
        self
    }

    pub(super) fn retained(&mut self, message: u64) -> &mut Self {
        let number = self.long(message);
        self.chunk(4, &number);
        self
    }
}

fn some(version: u32, big_end: bool) -> Vec<u8> {
    let mut maker = Maker::new(version, big_end, 3);
    maker
        .message(2, "a/b", b"two", 2)
        .message(3, "a/c", b"", 1)
        .client("c", "");
    maker
        .owed("c", 2, (7, 2, 5, 1))
        .owed("c", 3, (0, 1, 11, 1))
        .subscription("c", "a/#")
        .retained(2);
    maker.bytes
}

#[test]
fn formats_and_orders_of_bytes_say_the_same() {
    let ops = found(&some(6, false)).unwrap().ops;
    assert_eq!(ops.len(), 6, "{ops:?}");
    for (version, big_end) in [(5, false), (5, true), (6, true)] {
        assert_eq!(found(&some(version, big_end)).unwrap().ops, ops, "format {version}");
    }
}

#[test]
fn older_and_newer_formats_are_refused_with_the_way_out() {
    for (version, says) in [(3, "1.5 or older"), (4, "start Mosquitto 2"), (7, "newer")] {
        let mut bytes = some(6, false);
        bytes[22] = version;
        let error = found(&bytes).unwrap_err();
        assert!(matches!(error.wrong, Wrong::Version(found) if found == u32::from(version)));
        assert!(error.to_string().contains(says), "{error}");
    }
    let foreign = found(b"SQLite format 3\0 and more of it").unwrap_err();
    assert!(matches!(foreign.wrong, Wrong::Foreign), "{foreign}");
}

#[test]
fn an_identifier_that_is_there_twice_is_used_once_and_told() {
    let mut maker = Maker::new(6, false, 2);
    maker.message(1, "t", b"", 2).message(2, "t", b"", 2).client("c", "");
    maker.owed("c", 1, (5, 2, 5, 1)).owed("c", 2, (5, 2, 9, 1));
    let found = found(&maker.bytes).unwrap();
    assert_eq!(found.left, [(Left::IdTwice, 1)]);
    assert_eq!((found.summary.owed, found.summary.under_way), (2, 1));
}

#[test]
fn what_mosquitto_passes_over_is_passed_over_and_told() {
    let mut maker = Maker::new(6, false, 4);
    maker
        .message(1, "$SYS/broker/uptime", b"1", 0)
        .message(2, "t", b"", 1)
        .message(3, "t", b"", 1);
    maker.client("c", "ann").owed("stranger", 2, (0, 1, 11, 1));
    maker
        .subscription("unsaid", "a/b")
        .subscription("c", "a/#/b")
        .retained(1);
    let found = found(&maker.bytes).unwrap();
    let left = [
        (Left::ClientUnsaid, 1),
        (Left::ClientUnknown, 1),
        (Left::Filter, 1),
        (Left::Unowned, 1),
        (Left::Sys, 1),
    ];
    assert_eq!(found.left, left);
    assert_eq!(
        (
            found.summary.sessions,
            found.summary.subscriptions,
            found.summary.retained
        ),
        (2, 1, 0)
    );
}

#[test]
fn a_session_stays_its_users() {
    let mut maker = Maker::new(6, false, 0);
    maker.client("c", "ann").client("d", "");
    let users: Vec<_> = found(&maker.bytes)
        .unwrap()
        .ops
        .into_iter()
        .filter_map(|op| match op {
            Op::SessionCreated { client_id, user, .. } => Some((client_id, user)),
            _ => None,
        })
        .collect();
    assert_eq!(users, [("c".into(), Some("ann".into())), ("d".into(), None)]);
}

#[test]
fn an_unreleased_message_goes_to_one_of_a_group_and_to_everybody_else_once() {
    let mut maker = Maker::new(6, false, 1);
    maker.message(1, "a/b", b"x", 2);
    for name in ["one", "two", "all", "publisher"] {
        maker.client(name, "");
    }
    maker.owed("publisher", 1, (9, 2, 7, 0));
    for (name, filter) in [
        ("one", "$share/g/a/+"),
        ("two", "$share/g/a/+"),
        ("all", "a/#"),
        ("all", "#"),
    ] {
        maker.subscription(name, filter);
    }
    let found = found(&maker.bytes).unwrap();
    let owing: Vec<_> = found
        .ops
        .iter()
        .filter_map(|op| match op {
            Op::Owed { owing, .. } => Some(owing.to_vec()),
            _ => None,
        })
        .collect();
    assert_eq!(owing.len(), 1);
    assert_eq!(owing[0].len(), 2, "one of the group, and the other once: {owing:?}");
    assert!(owing[0].iter().all(|(_, qos)| *qos == QoS::ExactlyOnce));
}

#[test]
fn a_file_without_anything_is_an_empty_store() {
    let found = found(&Maker::new(6, false, 0).bytes).unwrap();
    assert_eq!((found.ops.len(), found.left.len()), (0, 0));
    assert!(super::found(&EXCHANGES[..23]).unwrap().ops.is_empty(), "a head alone");
}
