//! Two shards retain something of one topic at the same moment: store and index agree, whatever a crash leaves.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong may panic"
)]

use std::sync::Arc;

use burgee_codec::TopicName;
use burgee_core::io::{ConnKey, Effects, Input, Inputs, ListenerNo, ShardId};
use burgee_core::{Config, Shard, Shared};
use burgee_protocol::Time;
use burgee_store::{Batch, Limit, MemoryStore, Page, Store};

const CONN: ConnKey = ConnKey { slot: 0, generation: 1 };

/// What one turn is handed.
#[derive(Default)]
struct Feed {
    inputs: Vec<Input<'static>>,
}

impl Inputs for Feed {
    fn next(&mut self) -> Option<Input<'_>> {
        (!self.inputs.is_empty()).then(|| self.inputs.remove(0))
    }

    fn consumed(&mut self, _used: usize, _needed: usize) {}
}

struct Side {
    shard: Shard,
    fx: Effects,
}

impl Side {
    fn turn(&mut self, inputs: Vec<Input<'static>>) -> Vec<Batch> {
        let mut feed = Feed { inputs };
        self.shard.turn(Time::ZERO, &mut feed, &mut self.fx);
        self.fx.batches.drain(..).collect()
    }
}

/// CONNECT of a client with a clean session, and a retained PUBLISH of QoS 1.
fn packets(client: &str, payload: &[u8]) -> &'static [u8] {
    let mut bytes = b"\x10\x0e\0\x04MQTT\x04\x02\0\0\0\x02".to_vec();
    bytes.extend_from_slice(client.as_bytes());
    bytes.extend_from_slice(&[0x33, u8::try_from(payload.len()).unwrap() + 5, 0, 1, b'r', 0, 1]);
    bytes.extend_from_slice(payload);
    Box::leak(bytes.into_boxed_slice())
}

fn retained(store: &mut MemoryStore) -> Vec<Vec<u8>> {
    let all = Limit {
        items: usize::MAX,
        bytes: usize::MAX,
    };
    let mut out = Vec::new();
    assert_eq!(store.retained(None::<TopicName<'_>>, all, &mut out).unwrap(), Page::End);
    out.iter().map(|message| message.body.payload().to_vec()).collect()
}

/// Shard 0 says the first of these of one topic, then shard 1 the second; the store hears of the second first, and of as
/// much more as `heard` says before the broker dies. What the store has then.
fn told(payloads: [&[u8]; 2], heard: usize) -> Vec<Vec<u8>> {
    let config = Arc::new(Config {
        shards: 2,
        durable: true,
        sys_interval_ms: 0,
        ..Config::default()
    });
    let shared = Arc::new(Shared::new([1, 2, 3, 4]));
    let mut sides: Vec<Side> = (0..2)
        .map(|id| Side {
            shard: Shard::new(id, Arc::clone(&config), Arc::clone(&shared), [5, 6, 7, u64::from(id)]),
            fx: Effects::new(2, 1 << 20),
        })
        .collect();
    let name = |shard: ShardId| {
        let mut names = (10..99).map(|number: u32| number.to_string());
        names.find(|name| shared.home(name, 2) == shard).unwrap()
    };
    let said = |shard, payload: &[u8]| {
        let bytes = packets(&name(shard), payload);
        vec![
            Input::Accepted {
                conn: CONN,
                listener: ListenerNo::default(),
                address: None,
            },
            Input::Bytes { conn: CONN, bytes },
        ]
    };
    let first = sides[0].turn(said(0, payloads[0]));
    let second = sides[1].turn(said(1, payloads[1]));
    assert!(first.len() == 1 && second.len() == 1);
    let mut store = MemoryStore::new();
    for batch in second.into_iter().chain(first).take(heard) {
        store.submit(batch).unwrap();
        // Each in a commit of its own: what was removed is remembered beyond that.
        store.commit(&mut Vec::new()).unwrap();
    }
    store.crash(0);
    retained(&mut store)
}

#[test]
fn the_store_has_what_the_index_has_whichever_batch_came_first() {
    for heard in [1, 2] {
        assert_eq!(told([b"first", b"second"], heard), [b"second"], "heard {heard}");
        assert!(
            told([b"first", b""], heard).is_empty(),
            "it was removed last, heard {heard}"
        );
        assert_eq!(
            told([b"", b"second"], heard),
            [b"second"],
            "it was removed first, heard {heard}"
        );
    }
}
