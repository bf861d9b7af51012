//! Two shards retain something of one topic at the same moment: the store ends with what the index has.

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
use burgee_store::{Batch, Durable, Limit, MemoryStore, Page, Store};

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

#[test]
fn the_store_ends_with_what_the_index_has_whichever_batch_came_first() {
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
    // Shard 0 is first in the index, and last at the store.
    let first = sides[0].turn(said(0, b"first"));
    let second = sides[1].turn(said(1, b"second"));
    let mut store = MemoryStore::new();
    for batch in second.into_iter().chain(first) {
        store.submit(batch).unwrap();
    }
    let mut notices = Vec::new();
    store.commit(&mut notices).unwrap();
    assert_eq!(retained(&mut store), [b"first"], "that is what has to be mended");
    while !notices.is_empty() {
        for Durable { source, upto } in core::mem::take(&mut notices) {
            for batch in sides[usize::from(source.0)].turn(vec![Input::Durable { batch: upto }]) {
                store.submit(batch).unwrap();
            }
        }
        store.commit(&mut notices).unwrap();
    }
    assert_eq!(retained(&mut store), [b"second"]);
}
