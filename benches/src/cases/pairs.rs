//! A turn of the core with one publisher and one subscriber for each topic.
//!
//! What must hold: a message is counted from its PUBLISH to the last acknowledgement of its subscriber.

use std::hint::black_box;

use burgee_codec::QoS;

use crate::packets::{FILLER, PUBACK, PUBCOMP, PUBREC, PUBREL, acks, answer, publish, publishes};
use crate::work::{Case, Work};
use crate::world::{Lot, World};

/// As many as in the benchmark over sockets; each step is another pair's turn.
const PAIRS: u16 = 50;

const fn case(name: &'static str, batch: u16, make: fn() -> Box<dyn Work>) -> Case {
    Case {
        name,
        per: batch as u64,
        steps: if batch == 1 { 1000 } else { 100 },
        delivers: true,
        make,
    }
}

pub(super) const CASES: &[Case] = &[
    case("turn/pairs/qos0/batch1", 1, || pairs(QoS::AtMostOnce, 1, 0)),
    case("turn/pairs/qos0/batch64", 64, || pairs(QoS::AtMostOnce, 64, 0)),
    case("turn/pairs/qos1/batch1", 1, || pairs(QoS::AtLeastOnce, 1, 0)),
    case("turn/pairs/qos1/batch64", 64, || pairs(QoS::AtLeastOnce, 64, 0)),
    case("turn/pairs/qos2/batch1", 1, || pairs(QoS::ExactlyOnce, 1, 0)),
    case("turn/pairs/qos2/batch64", 64, || pairs(QoS::ExactlyOnce, 64, 0)),
    case("turn/crossing/qos0/batch64", 64, || pairs(QoS::AtMostOnce, 64, 1)),
    case("turn/crossing/qos1/batch64", 64, || pairs(QoS::AtLeastOnce, 64, 1)),
];

/// What one pair sends in the turns of its step.
struct Pair {
    publishes: [Lot; 1],
    /// PUBREL for the identifiers that the publisher used.
    releases: [Lot; 1],
    /// PUBACK or PUBREC, then PUBCOMP, filled as the identifiers become known.
    answers: [Lot; 1],
}

struct Pairs {
    world: World,
    all: Vec<Pair>,
    next: usize,
    qos: QoS,
    /// The subscribers' shard; the publishers are on 0.
    far: usize,
    /// Size of a PUBLISH and the place of its identifier.
    form: (usize, usize),
}

fn pairs(qos: QoS, batch: u16, far: usize) -> Box<dyn Work> {
    let mut world = World::new(if far == 0 { 1 } else { 2 });
    let mut form = (0, 0);
    let make = |number| {
        let topic = format!("bench/pair/{number:03}");
        let (publisher, subscriber) = (world.connect(0), world.connect(far));
        world.subscribe(subscriber, &topic, qos);
        form = (publish(&topic, qos, 1, FILLER).len(), 4 + topic.len());
        Pair {
            publishes: [(publisher.conn, publishes(&topic, qos, batch, FILLER))],
            releases: [(publisher.conn, acks(PUBREL, batch))],
            answers: [(subscriber.conn, Vec::new())],
        }
    };
    let all = (0..PAIRS).map(make).collect();
    Box::new(Pairs {
        world,
        all,
        next: 0,
        qos,
        far,
        form,
    })
}

impl Work for Pairs {
    fn step(&mut self) {
        let Self {
            world, far, form, qos, ..
        } = self;
        let Some(pair) = self.all.get_mut(self.next) else {
            return;
        };
        self.next = (self.next + 1) % usize::from(PAIRS);
        let [(subscriber, answers)] = &mut pair.answers;
        let subscriber = *subscriber;
        answers.clear();
        let first = if *qos == QoS::ExactlyOnce { PUBREC } else { PUBACK };
        world.turn(0, &pair.publishes, |conn, sent| {
            if conn == subscriber && *qos > QoS::AtMostOnce {
                answer(sent, *form, first, answers);
            }
            black_box(sent);
        });
        if *qos == QoS::AtMostOnce {
            return;
        }
        if *qos == QoS::ExactlyOnce {
            world.turn(0, &pair.releases, |_, sent| {
                black_box(sent);
            });
        }
        world.turn(*far, &pair.answers, |_, sent| {
            black_box(sent);
        });
        if *qos == QoS::ExactlyOnce {
            let [(_, answers)] = &mut pair.answers;
            for answer in answers.chunks_exact_mut(4) {
                if let Some(first) = answer.first_mut() {
                    *first = PUBCOMP;
                }
            }
            world.turn(*far, &pair.answers, |_, sent| {
                black_box(sent);
            });
        }
    }

    fn delivered(&self) -> u64 {
        self.world.delivered()
    }
}
