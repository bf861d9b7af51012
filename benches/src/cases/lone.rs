//! A turn of the core for one client that sends no messages.

use std::hint::black_box;

use burgee_codec::QoS;

use crate::packets::{DISCONNECT, PINGREQ, connect, subscribe};
use crate::work::{Case, Step, Work};
use crate::world::{Line, World};

/// Others who are there as well, so that tables are not empty.
const OTHERS: usize = 100;

const fn case(name: &'static str, steps: u64, make: fn() -> Box<dyn Work>) -> Case {
    Case {
        name,
        per: 1,
        steps,
        delivers: false,
        make,
    }
}

pub(super) const CASES: &[Case] = &[
    case("turn/nothing", 1000, nothing),
    case("turn/ping", 1000, ping),
    case("turn/visit/clean", 500, || visit(true)),
    case("turn/visit/persistent", 500, || visit(false)),
];

fn crowded() -> World {
    let mut world = World::new(1);
    for number in 0..OTHERS {
        let line = world.connect(0);
        world.subscribe(line, &format!("others/{number}"), QoS::AtMostOnce);
    }
    world
}

fn nothing() -> Box<dyn Work> {
    let mut world = crowded();
    Box::new(Step(move || world.turn(0, &[], |_, _| {})))
}

fn ping() -> Box<dyn Work> {
    let mut world = crowded();
    let lots = [(world.connect(0).conn, PINGREQ.to_vec())];
    Box::new(Step(move || {
        world.turn(0, &lots, |_, sent| {
            black_box(sent);
        });
    }))
}

/// CONNECT, SUBSCRIBE and DISCONNECT, each in a turn of its own.
fn visit(clean: bool) -> Box<dyn Work> {
    let mut world = crowded();
    let slot = world.next_slot();
    let somebody = world.next_key(slot);
    let mut lots = [
        (somebody, connect("visitor-0001", clean)),
        (somebody, subscribe(&["others/visitor-0001"], QoS::AtLeastOnce)),
        (somebody, DISCONNECT.to_vec()),
    ];
    Box::new(Step(move || {
        let conn = world.next_key(slot);
        for (who, _) in &mut lots {
            *who = conn;
        }
        let (first, others) = lots.split_at(1);
        world.accept_counted(Line { shard: 0, conn }, first);
        for lot in others.chunks(1) {
            world.turn(0, lot, |_, sent| {
                black_box(sent);
            });
        }
    }))
}
