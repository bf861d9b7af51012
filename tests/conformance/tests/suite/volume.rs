//! Many and much: fan-outs and replays that take several turns, floods, and the broker's own end.

use std::collections::BTreeSet;
use std::io::Write;
use std::thread;

use burgee_conformance::{Connect, Server, Wire, ack, proofs, publish, subscribe};

proofs![
    fan_out_to_thousands_is_whole_and_in_order,
    flood_of_qos_1_arrives_whole,
    flood_in_both_directions_does_not_lock_up,
    retained_replay_goes_on_after_a_cut,
    retained_replay_and_live_messages_do_not_block_each_other,
    d36_the_brokers_end_publishes_wills,
];

fn fan_out_to_thousands_is_whole_and_in_order(s: &Server) {
    // More recipients than a turn may serve: stored sessions, and some that are connected.
    const SESSIONS: usize = 5000;
    let t = s.topic("t");
    for number in 0..SESSIONS {
        let connect = Connect::new(s.id(&number.to_string())).persistent().bytes();
        let mut wire = s.raw();
        wire.send([connect, subscribe(1, &[(&t, 1)])].concat());
        wire.expect([0x20, 2, 0, 0]);
        wire.expect([0x90, 3, 0, 1, 1]);
        // Not before: whoever leaves gets no answers that wait for the disk.
        wire.disconnect();
    }
    let mut live: Vec<Wire> = (0..30).map(|_| s.watcher(&t, 1)).collect();
    // Eight messages, the end and the will, all at once.
    let mut publisher = s.open(&Connect::new(s.id("p")).will(0x0C, &t, "will"));
    publisher.send(
        (1..=8)
            .flat_map(|id| publish(0x32, &t, id, id.to_string()))
            .collect::<Vec<u8>>(),
    );
    publisher.finish_sending();
    let expected = ["1", "2", "3", "4", "5", "6", "7", "8", "will"];
    for wire in &mut live {
        for text in expected {
            wire.take(0x32, &t, text);
        }
        wire.quiet();
    }
    for number in (0..SESSIONS).step_by(97) {
        let mut wire = s.session(&number.to_string(), true);
        for text in expected {
            wire.take(0x32, &t, text);
        }
        wire.disconnect();
    }
}

fn flood_of_qos_1_arrives_whole(s: &Server) {
    // 40 MB written without waiting for anybody, towards subscribers on all shards.
    const COUNT: u16 = 10_000;
    let t = s.topic("t");
    let mut publisher = s.client("p");
    let mut writer = publisher.writer();
    let mut watchers: Vec<Wire> = (0..4).map(|_| s.watcher(&t, 1)).collect();
    let payload = vec![b'x'; 4000];
    thread::scope(|scope| {
        scope.spawn(|| {
            for id in 1..=COUNT {
                let packet = publish(0x32, &t, id, [&id.to_be_bytes(), &payload[..]].concat());
                writer.write_all(&packet).expect("the publisher was thrown out");
            }
        });
        for wire in &mut watchers {
            scope.spawn(|| {
                for id in 1..=COUNT {
                    let message = wire.message();
                    assert_eq!((message.first, &message.payload[..2]), (0x32, &id.to_be_bytes()[..]));
                    wire.settle(&message);
                }
            });
        }
        for id in 1..=COUNT {
            publisher.expect(ack(0x40, id));
        }
    });
    for wire in &mut watchers {
        s.only_marker(wire, &t);
    }
}

fn flood_in_both_directions_does_not_lock_up(s: &Server) {
    // Everybody publishes to everybody and reads only now and then: a ring of full buffers must not stand still.
    const CLIENTS: usize = 6;
    const COUNT: usize = 400;
    let t = s.topic("t");
    let payload = vec![b'x'; 2000];
    thread::scope(|scope| {
        let mut all: Vec<Wire> = (0..CLIENTS).map(|_| s.watcher(&t, 1)).collect();
        for wire in &mut all {
            let mut writer = wire.writer();
            let packet = publish(0x32, &t, 1, &payload);
            scope.spawn(move || {
                for _ in 0..COUNT {
                    writer.write_all(&packet).expect("a client was thrown out");
                }
            });
        }
        for mut wire in all {
            scope.spawn(move || {
                let (mut acks, mut messages) = (0, 0);
                while acks < COUNT || messages < COUNT * CLIENTS {
                    let packet = wire.recv();
                    if packet[0] == 0x40 {
                        acks += 1;
                    } else {
                        let message = burgee_conformance::Message::parse(&packet);
                        wire.settle(&message);
                        messages += 1;
                    }
                }
            });
        }
    });
}

fn retained_replay_goes_on_after_a_cut(s: &Server) {
    const COUNT: usize = 350;
    let mut publisher = s.client("p");
    for number in 0..COUNT {
        publisher.publish(0x33, s.topic(&number.to_string()), "kept");
    }
    let mut wire = s.session("a", false);
    wire.subscribe(&[(s.topic("+"), 1)]);
    let mut seen = BTreeSet::new();
    while seen.len() < COUNT {
        for _ in 0..40.min(COUNT - seen.len()) {
            let message = wire.message();
            assert_eq!(message.first & !0x08, 0x33);
            wire.settle(&message);
            seen.insert(message.topic());
        }
        wire.cut();
        wire = s.session("a", true);
    }
}

fn retained_replay_and_live_messages_do_not_block_each_other(s: &Server) {
    let mut publisher = s.client("p");
    for number in 0..300 {
        publisher.publish(0x33, s.topic(&format!("kept/{number}")), "kept");
    }
    let live = s.topic("live");
    let mut wire = s.client("a");
    wire.subscribe(&[(&s.topic("#"), 1)]);
    for number in 0..50 {
        publisher.publish(0x32, &live, number.to_string());
    }
    let (mut kept, mut next) = (BTreeSet::new(), 0);
    while kept.len() < 300 || next < 50 {
        let message = wire.message();
        wire.settle(&message);
        if message.topic() == live {
            assert_eq!((message.first, message.text()), (0x32, next.to_string()));
            next += 1;
        } else {
            assert_eq!((message.first, message.text().as_str()), (0x33, "kept"));
            assert!(kept.insert(message.topic()), "{} came twice", message.topic());
        }
    }
    wire.alive();
}

fn d36_the_brokers_end_publishes_wills(s: &Server) {
    if s.process().is_none() {
        return;
    }
    let ending = s.sibling("", &["--sys-interval", "0"]);
    let w = ending.topic("will");
    let mut watchers: Vec<Wire> = (0..5).map(|_| ending.watcher(&w, 1)).collect();
    let mut wills: Vec<Wire> = (0..5)
        .map(|number| ending.open(&Connect::new(ending.id(&number.to_string())).will(0x0C, &w, number.to_string())))
        .collect();
    ending.finish_while(|| {
        for wire in &mut watchers {
            let texts: BTreeSet<String> = (0..5).map(|_| wire.message().text()).collect();
            assert_eq!(texts.into_iter().collect::<String>(), "01234");
            wire.closed();
        }
        for wire in &mut wills {
            wire.closed();
        }
    });
}
