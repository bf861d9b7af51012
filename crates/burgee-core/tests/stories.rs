//! Stories about the core that no socket can tell: faults from inside, bounds, and turns that are left over.

mod world;

use burgee_core::Config;
use burgee_core::io::End;
use burgee_protocol::session::{Policy, QueueLimits};
use world::{World, connect, publish, subscribe};

const SESSION: u8 = 0;
const CLEAN: u8 = 2;

fn world(shards: u16) -> World {
    World::new(Config {
        shards,
        sys_interval_ms: 0,
        ..Config::default()
    })
}

#[test]
fn mqtt_4_8_0_2_transient_error_closes() {
    for shards in [1, 3] {
        let mut world = World::durable(shards);
        let (one, other, watcher) = (world.open(0), world.open(0), world.open(0));
        world.send(one, &connect("one", CLEAN));
        world.send(other, &connect("other", CLEAN));
        world.send(watcher, &connect("watcher", 0));
        world.send(watcher, &subscribe("t", 1));
        world.recv(watcher);
        world.fail_store();
        world.recv(one);
        world.send(one, &publish(0x32, "t", 9, b"kept by nobody"));
        assert!(
            world.is_closed(one) && world.recv(one).is_empty(),
            "closed without PUBACK"
        );
        assert!(
            !world.is_closed(other) && !world.is_closed(watcher),
            "others are not affected"
        );
        world.send(other, &publish(0x30, "t", 0, b"QoS 0 goes on"));
        assert_eq!(world.recv(watcher), publish(0x30, "t", 0, b"QoS 0 goes on"));
        assert_eq!(world.counters().faults, 1);
    }
}

#[test]
fn a_full_queue_drops_by_policy_and_counts() {
    for (policy, kept) in [(Policy::DropNewest, [0_u8, 1]), (Policy::DropOldest, [3, 4])] {
        let queue = QueueLimits {
            messages: 2,
            bytes: 1 << 20,
            policy,
        };
        let mut world = World::new(Config {
            queue,
            sys_interval_ms: 0,
            ..Config::default()
        });
        let (sleeper, publisher) = (world.open(0), world.open(0));
        world.send(sleeper, &connect("sleeper", SESSION));
        world.send(sleeper, &subscribe("t", 1));
        world.end(sleeper, End::Broken);
        world.send(publisher, &connect("publisher", CLEAN));
        for number in 0..5 {
            world.send(publisher, &publish(0x32, "t", number + 1, &[number]));
        }
        assert_eq!(
            world.recv(publisher).len(),
            4 + 5 * 4,
            "every one is acknowledged all the same"
        );
        assert_eq!(
            (world.counters().dropped_queue_full, world.counters().queued_messages),
            (3, 2)
        );
        let back = world.open(0);
        world.send(back, &connect("sleeper", SESSION));
        let mut expected = vec![0x20, 2, 1, 0];
        for (id, number) in (1..).zip(kept) {
            expected.extend(publish(0x32, "t", id, &[number]));
        }
        assert_eq!(world.recv(back), expected);
        world.send(back, &[0x40, 2, 0, 1, 0x40, 2, 0, 2]);
        assert_eq!(
            (world.counters().queued_messages, world.counters().queued_bytes),
            (0, 0)
        );
    }
}

#[test]
fn a_client_that_does_not_take_qos_0_loses_it_and_nobody_waits() {
    let mut world = World::new(Config {
        outbox_bytes: 1000,
        sys_interval_ms: 0,
        ..Config::default()
    });
    let (slow, quick, publisher) = (world.open(0), world.open(0), world.open(0));
    for (client, id) in [(slow, "slow"), (quick, "quick"), (publisher, "publisher")] {
        world.send(client, &connect(id, CLEAN));
        world.send(client, &subscribe(if id == "publisher" { "x" } else { "t" }, 0));
        world.recv(client);
    }
    world.set_reads(slow, false);
    for _ in 0..100 {
        world.send(publisher, &publish(0x30, "t", 0, &[7; 96]));
    }
    assert_eq!(world.recv(quick).len(), 100 * 101);
    assert_eq!(
        world.unsent(slow),
        10 * 101,
        "up to the limit and the one message that passed it"
    );
    assert_eq!(world.counters().dropped_outbox_full, 90);
    world.set_reads(slow, true);
    assert_eq!(world.recv(slow).len(), 1010);
    world.send(publisher, &publish(0x30, "t", 0, b"again"));
    assert_eq!(world.recv(slow), publish(0x30, "t", 0, b"again"));
}

#[test]
fn a_client_that_asks_without_reading_is_not_read() {
    let mut world = World::new(Config {
        outbox_bytes: 1000,
        sys_interval_ms: 0,
        ..Config::default()
    });
    let rude = world.open(0);
    world.send(rude, &connect("rude", CLEAN));
    world.recv(rude);
    world.set_reads(rude, false);
    world.send(rude, &[0xC0, 0].repeat(5000));
    assert!(world.is_paused(rude));
    assert_eq!(world.unsent(rude), 2000, "twice the limit, then it is not read");
    world.set_reads(rude, true);
    assert!(!world.is_paused(rude));
    assert_eq!(
        world.recv(rude),
        [0xD0, 0].repeat(5000),
        "and every ping is answered in the end"
    );
}

#[test]
fn qos_1_waits_behind_a_full_outbox_and_comes_in_order() {
    let mut world = World::new(Config {
        outbox_bytes: 500,
        sys_interval_ms: 0,
        ..Config::default()
    });
    let (slow, publisher) = (world.open(0), world.open(0));
    world.send(slow, &connect("slow", CLEAN));
    world.send(slow, &subscribe("t", 1));
    world.recv(slow);
    world.set_reads(slow, false);
    world.send(publisher, &connect("publisher", CLEAN));
    for number in 0..50 {
        world.send(publisher, &publish(0x32, "t", 1, &[number; 96]));
    }
    assert!(world.unsent(slow) < 500 + 103);
    world.set_reads(slow, true);
    let expected: Vec<u8> = (0..50)
        .flat_map(|number| publish(0x32, "t", number + 1, &[number; 96]))
        .collect();
    assert_eq!(world.recv(slow), expected);
}

#[test]
fn a_fan_out_larger_than_a_turn_is_finished_before_its_publisher_goes_on() {
    for shards in [1, 3] {
        let slices = Config {
            fanout_slice: 3,
            shards,
            sys_interval_ms: 0,
            ..Config::default()
        };
        let mut world = World::new(slices);
        let watchers: Vec<_> = (0..20)
            .map(|number| {
                let watcher = world.open(0);
                world.send(watcher, &connect(&format!("w{number}"), CLEAN));
                world.send(watcher, &subscribe("t", 2));
                world.recv(watcher);
                watcher
            })
            .collect();
        let publisher = world.open(0);
        // A will on top: it must not overtake what was published before.
        let mut with_will = connect("p", CLEAN | 4);
        with_will.extend([0, 1, b't', 0, 1, b'W']);
        with_will[1] += 6;
        world.send(publisher, &with_will);
        world.recv(publisher);
        let mut burst: Vec<u8> = (1..=4).flat_map(|id| publish(0x32, "t", id, &[id])).collect();
        burst.extend(publish(0x34, "t", 5, &[5]));
        world.send(publisher, &burst);
        assert_eq!(
            world.recv(publisher),
            [
                0x40, 2, 0, 1, 0x40, 2, 0, 2, 0x40, 2, 0, 3, 0x40, 2, 0, 4, 0x50, 2, 0, 5
            ]
        );
        world.end(publisher, End::Broken);
        for watcher in watchers {
            let mut expected: Vec<u8> = (1..=4).flat_map(|id| publish(0x32, "t", id, &[id])).collect();
            expected.extend(publish(0x34, "t", 5, &[5]));
            expected.extend(publish(0x30, "t", 0, b"W"));
            assert_eq!(world.recv(watcher), expected);
        }
    }
}

#[test]
fn retained_messages_come_whole_however_slow_the_client_and_small_the_slice() {
    let mut world = World::new(Config {
        outbox_bytes: 300,
        retained_slice: 7,
        window: 5,
        sys_interval_ms: 0,
        ..Config::default()
    });
    let publisher = world.open(0);
    world.send(publisher, &connect("publisher", CLEAN));
    for number in 0..200 {
        world.send(publisher, &publish(0x33, &format!("r/{number:03}"), 1, &[number; 40]));
    }
    for (qos, clean) in [(0, CLEAN), (1, SESSION)] {
        let reader = world.open(0);
        world.send(reader, &connect(&format!("reader{qos}"), clean));
        world.recv(reader);
        world.set_reads(reader, false);
        world.send(reader, &subscribe("r/#", qos));
        assert!(world.unsent(reader) < 300 + 64 * 60, "bounded: a page above the limit");
        world.set_reads(reader, true);
        let mut got = world.recv(reader);
        // QoS 1: every acknowledgement brings the next one.
        for id in 1..=if qos == 1 { 200 } else { 0 } {
            world.send(reader, &[0x40, 2, 0, id]);
            got.extend(world.recv(reader));
        }
        let mut expected = vec![0x90, 3, 0, 1, qos];
        for number in 0..200 {
            expected.extend(publish(
                0x31 | qos << 1,
                &format!("r/{number:03}"),
                number + 1,
                &[number; 40],
            ));
        }
        assert_eq!(got, expected);
    }
    assert_eq!(world.counters().dropped(), 0);
}

#[test]
fn shutting_down_publishes_wills_across_shards_and_closes() {
    for shards in [1, 3] {
        let mut world = world(shards);
        let (watcher, other) = (world.open(0), world.open(0));
        world.send(watcher, &connect("watcher", CLEAN));
        world.send(watcher, &subscribe("w", 0));
        let mut with_will = connect("mortal", CLEAN | 4);
        with_will.extend([0, 1, b'w', 0, 1, b'!']);
        with_will[1] += 6;
        world.send(other, &with_will);
        world.recv(watcher);
        world.shut_down();
        world.pass(200);
        assert_eq!(world.recv(watcher), publish(0x30, "w", 0, b"!"));
        assert!(world.is_closed(watcher) && world.is_closed(other));
        let late = world.open(0);
        world.send(late, &connect("late", CLEAN));
        assert!(world.is_closed(late));
        assert_eq!(world.recv(late), [0x20, 2, 0, 3], "refused: the broker ends");
    }
}

#[test]
fn silence_ends_a_connection_in_its_time() {
    let mut world = world(1);
    let (mute, silent) = (world.open(0), world.open(0));
    let mut hello = connect("silent", CLEAN);
    hello[11] = 2;
    world.send(silent, &hello);
    world.pass(2900);
    assert!(
        !world.is_closed(silent),
        "not before one and a half times the keep alive"
    );
    world.send(silent, &[0xC0, 0]);
    world.pass(2999);
    assert!(!world.is_closed(silent), "counted from the last packet");
    world.pass(200);
    assert!(world.is_closed(silent));
    assert!(!world.is_closed(mute));
    world.pass(10_000);
    assert!(world.is_closed(mute), "no CONNECT in time");
}

#[test]
fn sys_topics_tell_the_truth() {
    for shards in [1, 3] {
        let mut world = World::new(Config {
            shards,
            ..Config::default()
        });
        let reader = world.open(0);
        world.send(reader, &connect("reader", CLEAN));
        world.pass(10_000);
        world.recv(reader);
        world.send(reader, &subscribe("$SYS/broker/clients/#", 0));
        let text = String::from_utf8_lossy(&world.recv(reader)).into_owned();
        for expected in [
            "clients/connected1",
            "clients/total1",
            "clients/maximum1",
            "clients/disconnected0",
        ] {
            assert!(
                text.contains(&format!("$SYS/broker/{expected}")),
                "{expected} in {text:?}"
            );
        }
        world.send(reader, &publish(0x33, "$SYS/broker/version", 4, b"mine"));
        assert!(
            world.recv(reader).ends_with(&[0x40, 2, 0, 4]),
            "acknowledged and dropped"
        );
        world.send(reader, &subscribe("$SYS/broker/version", 0));
        assert!(String::from_utf8_lossy(&world.recv(reader)).contains("versionburgee "));
    }
}

#[test]
fn tables_have_limits_and_say_so() {
    let limits = Config {
        max_connections: 2,
        max_sessions: 3,
        max_retained: 1,
        max_subscriptions: 1,
        sys_interval_ms: 0,
        ..Config::default()
    };
    let mut world = World::new(limits);
    let clients: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|id| {
            let client = world.open(0);
            world.send(client, &connect(id, SESSION));
            client
        })
        .collect();
    assert_eq!(world.recv(clients[2]), [0x20, 2, 0, 3], "two are connected");
    assert!(world.is_closed(clients[2]));
    let again = world.open(0);
    world.send(again, &connect("a", SESSION));
    assert_eq!(world.recv(again), [0x20, 2, 1, 0], "a take-over takes nobody's place");
    assert!(world.is_closed(clients[0]));
    for (id, expected) in [("d", 0), ("e", 3)] {
        world.end(again, End::Finished);
        let client = world.open(0);
        world.send(client, &connect(id, SESSION));
        assert_eq!(world.recv(client), [0x20, 2, 0, expected], "{id}");
        world.end(client, End::Finished);
    }
    let b = clients[1];
    world.recv(b);
    world.send(b, &publish(0x31, "r/1", 0, b"one"));
    world.send(b, &publish(0x31, "r/2", 0, b"two"));
    world.send(b, &publish(0x31, "r/1", 0, b"new"));
    assert_eq!(world.counters().dropped_retained_full, 1);
    world.send(b, &subscribe("r/#", 0));
    assert_eq!(
        world.recv(b),
        [&[0x90, 3, 0, 1, 0][..], &publish(0x31, "r/1", 0, b"new")].concat()
    );
    world.send(b, &subscribe("s", 0));
    assert_eq!(
        world.recv(b),
        [0x90, 3, 0, 1, 0x80],
        "one subscription is all it may have"
    );
}

#[test]
fn large_payloads_are_held_once_and_do_not_crowd_small_messages_out() {
    let config = Config {
        outbox_bytes: 1000,
        outbox_shared_bytes: 50_000,
        sys_interval_ms: 0,
        ..Config::default()
    };
    let mut world = World::new(config);
    let (slow, publisher) = (world.open(0), world.open(0));
    world.send(slow, &connect("slow", CLEAN));
    world.send(slow, &subscribe("t", 0));
    world.recv(slow);
    world.set_reads(slow, false);
    world.send(publisher, &connect("publisher", CLEAN));
    let large = publish(0x30, "t", 0, &vec![9; 20_000]);
    world.send(publisher, &large);
    world.send(publisher, &publish(0x30, "t", 0, b"small"));
    for _ in 0..5 {
        world.send(publisher, &large);
    }
    assert_eq!(
        world.counters().dropped_outbox_full,
        3,
        "two more fit below the limit, one of them passes it"
    );
    world.set_reads(slow, true);
    let expected = [&large[..], &publish(0x30, "t", 0, b"small"), &large, &large].concat();
    assert!(world.recv(slow) == expected);
}

#[test]
fn nothing_but_connect_is_waited_for() {
    let mut world = world(1);
    let stranger = world.open(0);
    world.send(stranger, &[0x32]);
    assert!(world.is_closed(stranger), "one byte is enough to know");
    assert!(world.recv(stranger).is_empty());
}

#[test]
fn a_will_is_with_everybody_before_its_client_speaks_again() {
    for shards in [1, 3] {
        let slices = Config {
            fanout_slice: 1,
            shards,
            sys_interval_ms: 0,
            ..Config::default()
        };
        let mut world = World::new(slices);
        let watchers: Vec<_> = (0..9)
            .map(|number| {
                let watcher = world.open(0);
                world.send(watcher, &connect(&format!("w{number}"), CLEAN));
                world.send(watcher, &subscribe("+", 1));
                world.recv(watcher);
                watcher
            })
            .collect();
        let first = world.open(0);
        let mut with_will = connect("p", CLEAN | 4);
        with_will.extend([0, 1, b'w', 0, 1, b'W']);
        with_will[1] += 6;
        world.send(first, &with_will);
        // The same client takes over and speaks at once: everything in one turn.
        let second = world.open(0);
        world.send(second, &[connect("p", CLEAN), publish(0x30, "t", 0, b"next")].concat());
        assert!(world.is_closed(first));
        for watcher in watchers {
            let expected = [publish(0x30, "w", 0, b"W"), publish(0x30, "t", 0, b"next")].concat();
            assert_eq!(world.recv(watcher), expected);
        }
    }
}

#[test]
fn a_longer_length_than_needed_is_taken_and_never_sent() {
    let mut world = world(1);
    let (reader, publisher) = (world.open(0), world.open(0));
    world.send(reader, &connect("reader", CLEAN));
    world.send(reader, &subscribe("t", 0));
    world.recv(reader);
    world.send(publisher, &connect("publisher", CLEAN));
    world.send(publisher, &[0x30, 0x85, 0x80, 0x00, 0, 1, b't', b'h', b'i']);
    assert_eq!(world.recv(reader), publish(0x30, "t", 0, b"hi"));
}

#[test]
fn large_retained_messages_are_not_crowded_out_by_the_limits_of_the_queue() {
    let queue = QueueLimits {
        messages: 2,
        bytes: 1000,
        policy: Policy::DropOldest,
    };
    let config = Config {
        queue,
        outbox_shared_bytes: 5000,
        window: 3,
        sys_interval_ms: 0,
        ..Config::default()
    };
    let mut world = World::new(config);
    let publisher = world.open(0);
    world.send(publisher, &connect("publisher", CLEAN));
    for number in 0..20 {
        world.send(publisher, &publish(0x33, &format!("r/{number:02}"), 1, &[number; 3000]));
    }
    let reader = world.open(0);
    world.send(reader, &connect("reader", CLEAN));
    world.send(reader, &subscribe("r/#", 1));
    let mut got = world.recv(reader);
    for id in 1..=20 {
        world.send(reader, &[0x40, 2, 0, id]);
        got.extend(world.recv(reader));
    }
    let mut expected = vec![0x20, 2, 0, 0, 0x90, 3, 0, 1, 1];
    for number in 0..20 {
        expected.extend(publish(0x33, &format!("r/{number:02}"), number + 1, &[number; 3000]));
    }
    assert!(got == expected);
    assert_eq!(world.counters().dropped(), 0);
}

#[test]
fn shared_groups_count_in_a_turn_like_anybody() {
    let mut world = World::new(Config {
        fanout_slice: 4,
        sys_interval_ms: 0,
        ..Config::default()
    });
    let (member, publisher) = (world.open(0), world.open(0));
    world.send(member, &connect("member", CLEAN));
    for group in 0..30 {
        world.send(member, &subscribe(&format!("$share/g{group}/t"), 0));
    }
    world.recv(member);
    world.send(publisher, &connect("publisher", CLEAN));
    let before = world.turns;
    world.send(publisher, &publish(0x30, "t", 0, b"x"));
    assert_eq!(world.recv(member), publish(0x30, "t", 0, b"x").repeat(30));
    assert!(world.turns - before >= 30 / 4, "{} turns", world.turns - before);
}

#[test]
fn a_client_that_spoke_is_not_silent_because_nobody_listened() {
    let mut world = world(1);
    let client = world.open(0);
    let mut hello = connect("client", CLEAN);
    hello[11] = 2;
    world.send(client, &hello);
    world.set_waiting(client, true);
    world.pass(10_000);
    assert!(!world.is_closed(client), "its bytes may be waiting to be read");
    world.set_waiting(client, false);
    world.pass(200);
    assert!(world.is_closed(client));
}
