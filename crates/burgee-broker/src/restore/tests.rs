//! From a store into shards, seen from the shards: who knows a session, what it is owed, what is retained.

use std::collections::VecDeque;
use std::sync::Arc;

use burgee_codec::{QoS, TopicFilterBuf, TopicName};
use burgee_core::Config;
use burgee_core::io::{ConnKey, Effects, Input, Inputs, ListenerNo, ReadKey};
use burgee_protocol::Time;
use burgee_store::{Batch, MemoryStore, Op, Replay, Source};

use super::*;

const CLIENTS: u64 = 40;
/// More than a page holds.
const MANY: u64 = 5000;

/// Inputs from a list.
struct Listed(VecDeque<Input<'static>>);

impl Inputs for Listed {
    fn next(&mut self) -> Option<Input<'_>> {
        self.0.pop_front()
    }

    fn consumed(&mut self, _used: usize, _needed: usize) {}
}

fn machines(count: ShardId) -> (Vec<Shard>, Arc<Shared>) {
    let config = Arc::new(Config {
        shards: count,
        durable: true,
        sys_interval_ms: 0,
        ..Config::default()
    });
    let common = Arc::new(Shared::new([1, 2, 3, 4]));
    let shard = |id| Shard::new(id, Arc::clone(&config), Arc::clone(&common), [5, 6, 7, 8]);
    ((0..count).map(shard).collect(), common)
}

/// A session for each client with a subscription of its own and a message; the first one has many. And many retained.
fn store() -> MemoryStore {
    let body = |topic: &str| Body::of(TopicName::parse(topic).unwrap(), b"x");
    let created = |number| Op::SessionCreated {
        user: Some(Box::default()),
        session: SessionNo(number),
        client_id: client_id(number).into(),
    };
    let subscribed = |number| Op::Subscribed {
        replay: Replay::Done,
        session: SessionNo(number),
        filter: TopicFilterBuf::parse(&format!("t/{number}")).unwrap(),
        qos: QoS::AtLeastOnce,
    };
    let owed = |message, session| Op::Owed {
        message: MessageNo(message),
        body: body("t/1"),
        retain: false,
        owing: [(SessionNo(session), QoS::AtLeastOnce)].into(),
    };
    let retained = |number| Op::Retained {
        stamp: 1,
        body: body(&format!("r/{number}")),
        qos: QoS::AtMostOnce,
    };
    let sessions = (1..=CLIENTS).flat_map(|number| [created(number), subscribed(number), owed(number, number)]);
    let more = (1..MANY).map(|number| owed(CLIENTS + number, 1));
    let mut store = MemoryStore::new();
    let batch = Batch {
        source: Source(0),
        number: 1,
        ops: sessions.chain(more).chain((0..MANY).map(retained)).collect(),
    };
    store.submit(batch).unwrap();
    store.commit(&mut Vec::new()).unwrap();
    store
}

fn client_id(number: u64) -> String {
    format!("client {number:04}")
}

/// The client comes to this shard with a persistent session. What the shard wishes then.
fn connect(shard: &mut Shard, number: u64) -> (ConnKey, Effects) {
    let conn = ConnKey {
        slot: u32::try_from(number).unwrap(),
        generation: 1,
    };
    let id = client_id(number);
    let length = u8::try_from(id.len()).unwrap();
    let bytes = [
        b"\x10",
        &[12 + length][..],
        b"\0\x04MQTT\x04\0\0\x3c\0",
        &[length],
        id.as_bytes(),
    ]
    .concat();
    let bytes = bytes.leak();
    let inputs = [
        Input::Accepted {
            conn,
            listener: ListenerNo::default(),
            address: None,
        },
        Input::Bytes { conn, bytes },
    ];
    let mut effects = Effects::new(3, 1 << 20);
    shard.turn(Time::ZERO, &mut Listed(inputs.into()), &mut effects);
    assert!(effects.moves.is_empty(), "it is somebody else's");
    (conn, effects)
}

/// A key for tests that need one.
pub(crate) fn read_key() -> ReadKey {
    let (mut shards, common) = machines(1);
    restore(&mut store(), &mut shards, &common).unwrap();
    connect(&mut shards[0], 2).1.reads[0].key
}

#[test]
fn everything_goes_to_the_shard_that_owns_its_client() {
    for count in [1, 3] {
        let (mut shards, common) = machines(count);
        let found = restore(&mut store(), &mut shards, &common).unwrap();
        assert_eq!(
            (found.sessions, found.messages, found.retained),
            (CLIENTS, CLIENTS + MANY - 1, MANY)
        );
        assert_eq!((common.subscriptions(), common.retained()), (40, 5000));
        let mut homes = Vec::new();
        for number in 1..=CLIENTS {
            let home = common.home(&client_id(number), count);
            let (conn, effects) = connect(&mut shards[usize::from(home)], number);
            assert_eq!(effects.outboxes.unsent(conn), 4, "CONNACK of client {number}");
            let messages: Vec<MessageNo> = effects.reads.into_iter().flat_map(|read| read.messages).collect();
            assert_eq!(messages.first(), Some(&MessageNo(number)));
            assert!(
                number == 1 || messages.len() == 1,
                "client {number} is owed one: {messages:?}"
            );
            homes.push(home);
        }
        homes.sort_unstable();
        homes.dedup();
        assert_eq!(homes, (0..count).collect::<Vec<_>>());
    }
}

#[test]
fn numbers_go_on_behind_all_that_were_given() {
    let (mut shards, common) = machines(3);
    restore(&mut store(), &mut shards, &common).unwrap();
    let mut given = Vec::new();
    for number in CLIENTS + 1..CLIENTS + 10 {
        let home = common.home(&client_id(number), 3);
        let (_, effects) = connect(&mut shards[usize::from(home)], number);
        let ops = effects.batches.into_iter().flat_map(|batch| batch.ops);
        for op in ops {
            if let Op::SessionCreated { session, .. } = op {
                given.push(session.0);
            }
        }
    }
    assert_eq!(given.len(), 9);
    given.sort_unstable();
    given.dedup();
    assert!(given.len() == 9 && given[0] > CLIENTS, "{given:?}");
}
