//! What was acknowledged is there after an end, however that came.

use super::support::{Folder, Serving, ack, burgee, connect, publish, publish_0, serve};

/// How a broker ends between two lives.
#[derive(Copy, Clone, Debug)]
enum Ending {
    InOrder,
    Killed,
}

const ENDINGS: [Ending; 2] = [Ending::InOrder, Ending::Killed];

/// One life after another in one directory; the number of shards differs.
fn lives(proofs: &[&dyn Fn(&Serving)]) {
    for ending in ENDINGS {
        for shards in [["1", "1", "1"], ["3", "3", "3"], ["1", "3", "2"]] {
            for durability in ["sync", "write"] {
                let folder = Folder::new();
                for (proof, shards) in proofs.iter().zip(shards) {
                    let options = ["--shards", shards, "--durability", durability, "--sys-interval", "0"];
                    let serving = Serving::start(&folder.join("data"), &options);
                    proof(&serving);
                    match ending {
                        Ending::InOrder => serving.stop(),
                        Ending::Killed => serving.kill(),
                    }
                }
            }
        }
    }
}

#[test]
fn queued_messages_subscriptions_and_retained_messages_survive() {
    lives(&[
        &|broker| {
            let mut worker = broker.session("worker", false);
            worker.subscribe("jobs/#", 2);
            worker.leave();
            let mut boss = broker.client("boss");
            boss.publish_1("jobs/1", "paint");
            boss.publish_2("jobs/2", "dig");
            boss.publish_1("jobs/3", "rest");
            boss.send(&publish(0x33, "door", 5, b"open"));
            boss.expect(&ack(0x40, 5));
            boss.send(&publish(0x33, "window", 6, b"open"));
            boss.expect(&ack(0x40, 6));
            boss.send(&publish(0x33, "window", 7, b""));
            boss.expect(&ack(0x40, 7));
        },
        &|broker| {
            let mut worker = broker.session("worker", true);
            let jobs = [("jobs/1", 1, "paint"), ("jobs/2", 2, "dig"), ("jobs/3", 1, "rest")];
            let jobs = jobs.map(|(topic, qos, payload)| (topic.to_owned(), qos, payload.to_owned()));
            assert_eq!(worker.take_all(3), jobs);
            worker.ping();
            // Its subscription lives, too.
            broker.client("boss").publish_1("jobs/4", "home");
            assert_eq!(worker.take(), ("jobs/4".to_owned(), 1, "home".to_owned()));
            worker.leave();
            let mut visitor = broker.client("visitor");
            visitor.subscribe("+", 1);
            assert_eq!(visitor.take(), ("door".to_owned(), 1, "open".to_owned()));
            visitor.ping();
        },
        &|broker| {
            // What a kill may bring again is what was acknowledged last: with DUP, or the last step of QoS 2.
            let mut worker = broker.session("worker", true);
            worker.send(&[0xC0, 0]);
            loop {
                let packet = worker.next().unwrap();
                if packet[0] == 0xD0 {
                    break;
                }
                assert!(matches!(packet[0], 0x3A | 0x62), "{packet:02x?}");
            }
        },
    ]);
}

#[test]
fn a_delivery_of_qos_2_goes_on_where_it_was() {
    lives(&[
        &|broker| {
            let mut reader = broker.session("reader", false);
            reader.subscribe("t", 2);
            let mut writer = broker.client("writer");
            writer.publish_2("t", "released");
            writer.publish_2("t", "published");
            let first = reader.message();
            reader.message();
            reader.send(&ack(0x50, first.id));
            reader.expect(&ack(0x62, first.id));
        },
        &|broker| {
            let mut reader = broker.session("reader", true);
            let mut seen = [reader.next().unwrap(), reader.next().unwrap()];
            seen.sort_unstable();
            assert_eq!(
                (seen[0][0], seen[1][0]),
                (0x3C, 0x62),
                "PUBLISH with DUP, and PUBREL: {seen:02x?}"
            );
            assert!(seen[0].ends_with(b"published"), "{seen:02x?}");
            let id = |packet: &[u8], at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
            let (published, released) = (id(&seen[0], 4), id(&seen[1], 1));
            reader.send(&ack(0x70, released));
            reader.send(&ack(0x50, published));
            reader.expect(&ack(0x62, published));
            reader.send(&ack(0x70, published));
            reader.ping();
        },
    ]);
}

#[test]
fn a_publish_of_qos_2_that_is_sent_again_is_not_delivered_again() {
    lives(&[
        &|broker| {
            let mut reader = broker.session("reader", false);
            reader.subscribe("t", 2);
            reader.leave();
            let mut writer = broker.session("writer", false);
            writer.send(&publish(0x34, "t", 3, b"once"));
            writer.expect(&ack(0x50, 3));
        },
        &|broker| {
            let mut writer = broker.session("writer", true);
            writer.send(&publish(0x3C, "t", 3, b"once"));
            writer.expect(&ack(0x50, 3));
            writer.send(&ack(0x62, 3));
            writer.expect(&ack(0x70, 3));
            // The identifier is free now, and stays so: the next message that uses it is a new one.
            writer.send(&publish(0x34, "t", 4, b"twice"));
            writer.expect(&ack(0x50, 4));
            writer.send(&ack(0x62, 4));
            writer.expect(&ack(0x70, 4));
        },
        &|broker| {
            let mut writer = broker.session("writer", true);
            writer.publish_2("t", "eight");
            writer.send(&publish(0x34, "t", 4, b"anew"));
            writer.expect(&ack(0x50, 4));
            let mut reader = broker.session("reader", true);
            for payload in ["once", "twice", "eight", "anew"] {
                assert_eq!(reader.take(), ("t".to_owned(), 2, payload.to_owned()));
            }
            reader.ping();
        },
    ]);
}

#[test]
fn the_will_of_a_persistent_session_is_published_once() {
    lives(&[
        &|broker| {
            let mut heir = broker.session("heir", false);
            heir.subscribe("gone/#", 1);
            heir.leave();
            // Will flag, will QoS 1, and no clean session: connected until the end of the broker.
            let mut testator = broker.raw();
            testator.send(&connect("testator", 0b0000_1100, &["gone/1", "lost"]));
            testator.expect(&[0x20, 2, 0, 0]);
            let mut peaceful = broker.raw();
            peaceful.send(&connect("peaceful", 0b0000_1100, &["gone/2", "never"]));
            peaceful.expect(&[0x20, 2, 0, 0]);
            peaceful.leave();
            // Nobody waits for a will to be forgotten; what follows of the same client is behind it.
            let mut peaceful = broker.session("peaceful", true);
            peaceful.subscribe("x", 0);
            peaceful.leave();
            testator.ping();
            // Held open until the broker is gone.
            std::mem::forget(testator);
        },
        &|broker| {
            let mut heir = broker.session("heir", true);
            assert_eq!(heir.take(), ("gone/1".to_owned(), 1, "lost".to_owned()));
            heir.ping();
            // Its acknowledgement is kept behind this one.
            heir.subscribe("other", 1);
            heir.leave();
        },
        &|broker| {
            let mut heir = broker.session("heir", true);
            heir.ping();
        },
    ]);
}

#[test]
fn sessions_that_were_ended_stay_ended() {
    lives(&[
        &|broker| {
            for id in ["stays", "goes"] {
                let mut session = broker.session(id, false);
                session.subscribe("t", 1);
                session.leave();
            }
            broker.client("writer").publish_1("t", "x");
            broker.client("goes").leave();
        },
        &|broker| {
            broker.session("goes", false).ping();
            let mut stays = broker.session("stays", true);
            stays.take();
        },
    ]);
}

#[test]
fn a_thousand_messages_of_many_lengths_come_back_in_order() {
    let payload = |number: u32| format!("{number} {}", "x".repeat(usize::try_from(number * 37 % 3000).unwrap()));
    lives(&[
        &|broker| {
            let mut reader = broker.session("reader", false);
            reader.subscribe("t", 1);
            reader.leave();
            let mut writer = broker.client("writer");
            for number in 0..1000 {
                let id = u16::try_from(number + 1).unwrap();
                writer.send(&publish(0x32, "t", id, payload(number).as_bytes()));
            }
            for id in 1..=1000 {
                writer.expect(&ack(0x40, id));
            }
        },
        &|broker| {
            let mut reader = broker.session("reader", true);
            for number in 0..1000 {
                assert_eq!(reader.take(), ("t".to_owned(), 1, payload(number)));
            }
        },
    ]);
}

#[test]
fn memory_keeps_nothing_and_writes_nothing() {
    let folder = Folder::new();
    for _ in 0..2 {
        let broker = Serving::start(&folder.join("data"), &["--durability", "memory"]);
        let mut reader = broker.session("reader", false);
        reader.subscribe("t", 1);
        reader.leave();
        let mut writer = broker.client("writer");
        writer.send(&publish_0(0x31, "kept", b"x"));
        writer.publish_1("t", "x");
        broker.stop();
    }
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn the_directory_comes_from_the_environment_if_no_option_says_it() {
    let folder = Folder::new();
    let mut command = burgee(&["serve", "--listen", "tcp://127.0.0.1:0"]);
    command.env("BURGEE_DATA", folder.join("data"));
    let broker = Serving::of(command);
    broker.session("s", false).ping();
    broker.says(&folder.join("data"));
    broker.stop();
    assert_eq!(folder.names(), ["data"]);
    let broker = Serving::of(burgee(&serve(&folder.join("data"), &[])));
    broker.session("s", true).ping();
    broker.says("sessions=1");
}
