//! A turn of the core with one publisher and many subscribers, or the other way round.

use std::hint::black_box;

use burgee_codec::QoS;

use crate::packets::{FILLER, PUBACK, answer, publish, publishes};
use crate::work::{Case, Work};
use crate::world::{Lot, World};

const TOPIC: &str = "bench/crowd/news";

const fn case(name: &'static str, per: u64, steps: u64, make: fn() -> Box<dyn Work>) -> Case {
    Case {
        name,
        per,
        steps,
        delivers: true,
        make,
    }
}

pub(super) const CASES: &[Case] = &[
    case("turn/fan-out/qos0/1", 1, 500, || fan_out(QoS::AtMostOnce, 1, FILLER)),
    case("turn/fan-out/qos0/10", 10, 200, || fan_out(QoS::AtMostOnce, 10, FILLER)),
    case("turn/fan-out/qos0/1000", 1000, 20, || {
        fan_out(QoS::AtMostOnce, 1000, FILLER)
    }),
    case("turn/fan-out/qos1/1000", 1000, 20, || {
        fan_out(QoS::AtLeastOnce, 1000, FILLER)
    }),
    case("turn/fan-out/qos0/100x64KiB", 100, 50, || {
        fan_out(QoS::AtMostOnce, 100, &[0x42; 64 * 1024])
    }),
    case("turn/fan-in/qos0/100x16", 1600, 20, || fan_in(100, 16)),
];

struct FanOut {
    world: World,
    publish: [Lot; 1],
    acks: Vec<Lot>,
    qos: QoS,
    form: (usize, usize),
}

fn fan_out(qos: QoS, subscribers: usize, payload: &[u8]) -> Box<dyn Work> {
    let mut world = World::new(1);
    let acks = (0..subscribers).map(|_| {
        let line = world.connect(0);
        world.subscribe(line, TOPIC, qos);
        (line.conn, Vec::new())
    });
    let acks = acks.collect();
    let publisher = world.connect(0).conn;
    let packet = publish(TOPIC, qos, 1, payload);
    Box::new(FanOut {
        world,
        form: (packet.len(), 4 + TOPIC.len()),
        publish: [(publisher, packet)],
        acks,
        qos,
    })
}

impl Work for FanOut {
    fn step(&mut self) {
        let Self {
            world,
            publish,
            acks,
            qos,
            form,
        } = self;
        let acknowledged = *qos > QoS::AtMostOnce;
        let [(publisher, _)] = publish;
        let publisher = *publisher;
        let mut answered = 0;
        world.turn(0, publish, |conn, sent| {
            if acknowledged
                && conn != publisher
                && let Some((who, answers)) = acks.get_mut(answered)
            {
                answered += 1;
                *who = conn;
                answers.clear();
                answer(sent, *form, PUBACK, answers);
            }
            black_box(sent);
        });
        if acknowledged {
            world.turn(0, acks, |_, sent| {
                black_box(sent);
            });
        }
    }

    fn delivered(&self) -> u64 {
        self.world.delivered()
    }
}

struct FanIn {
    world: World,
    lots: Vec<Lot>,
}

fn fan_in(publishers: usize, batch: u16) -> Box<dyn Work> {
    let mut world = World::new(1);
    let subscriber = world.connect(0);
    world.subscribe(subscriber, TOPIC, QoS::AtMostOnce);
    let bytes = publishes(TOPIC, QoS::AtMostOnce, batch, FILLER);
    let lots = (0..publishers)
        .map(|_| (world.connect(0).conn, bytes.clone()))
        .collect();
    Box::new(FanIn { world, lots })
}

impl Work for FanIn {
    fn step(&mut self) {
        self.world.turn(0, &self.lots, |_, sent| {
            black_box(sent);
        });
    }

    fn delivered(&self) -> u64 {
        self.world.delivered()
    }
}
