//! What has to be durable before what: each row of the table, told with a disk that takes its time, and with crashes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong may panic"
)]

mod world;

use burgee_core::Config;
use burgee_core::io::End;
use burgee_protocol::session::{Policy, QueueLimits};
use burgee_store::{Fault, MessageNo, Op, Page, SessionNo, Store};
use world::talk::{ACCEPTED, CLEAN, RESUMED, STAYS, SUBACK_1, SUBACK_2, ack, join, joined, subscribed};
use world::{World, connect, publish, subscribe};

fn owed(world: &mut World, session: u64) -> Vec<u64> {
    let all = burgee_store::Limit {
        items: usize::MAX,
        bytes: usize::MAX,
    };
    let mut out = Vec::new();
    let page = world
        .store
        .owed(SessionNo(session), MessageNo(0), all, &mut out)
        .unwrap();
    assert_eq!(page, Page::End);
    out.iter().map(|owed| owed.message.0).collect()
}

#[test]
fn connack_waits_until_the_session_exists_and_nothing_is_read_before() {
    let mut world = World::durable(1);
    world.wait_for_disk();
    let client = world.open(0);
    world.send(client, &[connect("a", STAYS), subscribe("x", 1)].concat());
    assert_eq!(world.recv(client), []);
    world.commit();
    assert_eq!(world.recv(client), ACCEPTED);
    world.commit();
    assert_eq!(world.recv(client), SUBACK_1);
}

#[test]
fn connack_of_a_clean_session_waits_only_until_an_old_one_is_gone() {
    let mut world = World::durable(1);
    subscribed(&mut world, "a", "x", 1);
    world.wait_for_disk();
    let other = join(&mut world, "b", CLEAN);
    assert_eq!(world.recv(other), ACCEPTED, "nobody was called so");
    let client = join(&mut world, "a", CLEAN);
    assert_eq!(world.recv(client), []);
    world.commit();
    assert_eq!(world.recv(client), ACCEPTED);
    let mut world = world.crash(0);
    let client = join(&mut world, "a", STAYS);
    assert_eq!(world.recv(client), ACCEPTED, "it does not come back");
}

#[test]
fn a_resumed_session_waits_for_nothing_but_for_its_will() {
    let mut world = World::durable(1);
    subscribed(&mut world, "a", "x", 1);
    world.wait_for_disk();
    let client = join(&mut world, "a", STAYS);
    assert_eq!(world.recv(client), RESUMED);
    let client = world.open(0);
    world.send(client, b"\x10\x13\0\x04MQTT\x04\x04\0\0\0\x01a\0\x01w\0\x01!");
    assert_eq!(world.recv(client), []);
    world.commit();
    assert_eq!(world.recv(client), RESUMED);
}

#[test]
fn suback_and_unsuback_wait_for_the_changed_subscriptions() {
    let mut world = World::durable(1);
    let client = joined(&mut world, "a", STAYS);
    world.wait_for_disk();
    world.send(client, &subscribe("x", 1));
    assert_eq!(world.recv(client), []);
    world.commit();
    assert_eq!(world.recv(client), SUBACK_1);
    world.send(client, b"\xA2\x05\0\x02\0\x01x");
    assert_eq!(world.recv(client), []);
    world.commit();
    assert_eq!(world.recv(client), [0xB0, 2, 0, 2]);
    let clean = joined(&mut world, "b", CLEAN);
    world.send(clean, &subscribe("x", 1));
    assert_eq!(world.recv(clean), SUBACK_1, "a clean session asks no disk");
}

#[test]
fn puback_waits_for_the_message_and_for_nothing_else() {
    for shards in [1, 3] {
        let mut world = World::durable(shards);
        let away = subscribed(&mut world, "away", "kept", 1);
        world.end(away, End::Broken);
        let there = joined(&mut world, "there", CLEAN);
        world.send(there, &subscribe("#", 1));
        world.recv(there);
        let publisher = joined(&mut world, "p", CLEAN);
        world.wait_for_disk();
        world.send(publisher, &publish(0x32, "free", 1, b"1"));
        assert_eq!(world.recv(publisher), ack(0x40, 1), "no persistent session is owed it");
        world.send(publisher, &publish(0x32, "kept", 2, b"2"));
        assert_eq!(world.recv(publisher), []);
        let came = world.recv(there);
        assert_eq!(came.len(), 22, "subscribers need not wait");
        world.send(publisher, &publish(0x32, "free", 3, b"3"));
        assert_eq!(world.recv(publisher), [], "acknowledgements keep their order");
        world.send(publisher, b"\xC0\0");
        assert_eq!(world.recv(publisher), [0xD0, 0], "PINGRESP waits behind nothing");
        world.commit();
        assert_eq!(world.recv(publisher), [ack(0x40, 2), ack(0x40, 3)].concat());
    }
}

#[test]
fn puback_waits_for_the_retained_message() {
    let mut world = World::durable(1);
    let publisher = joined(&mut world, "p", CLEAN);
    world.wait_for_disk();
    world.send(publisher, &publish(0x33, "r", 1, b"kept"));
    assert_eq!(world.recv(publisher), []);
    world.commit();
    assert_eq!(world.recv(publisher), ack(0x40, 1));
    let mut world = world.crash(0);
    let reader = joined(&mut world, "c", CLEAN);
    world.send(reader, &subscribe("r", 0));
    assert_eq!(world.recv(reader)[5..], publish(0x31, "r", 0, b"kept"));
}

#[test]
fn a_qos_2_message_reaches_nobody_before_it_and_its_identifier_are_durable() {
    for shards in [1, 3] {
        let mut world = World::durable(shards);
        let readers = ["r", "s", "t"].map(|name| joined(&mut world, name, CLEAN));
        for reader in readers {
            world.send(reader, &subscribe("#", 0));
            world.recv(reader);
        }
        let publisher = joined(&mut world, "p", STAYS);
        world.wait_for_disk();
        world.send(publisher, &publish(0x34, "x", 1, b"1"));
        world.send(publisher, &publish(0x34, "x", 2, b"2"));
        assert_eq!(world.recv(publisher), []);
        for reader in readers {
            assert_eq!(world.recv(reader), []);
        }
        // It is here, and not acknowledged: what comes again is the same one.
        world.send(publisher, &publish(0x3C, "x", 1, b"1"));
        assert_eq!(world.recv(publisher), []);
        world.commit();
        assert_eq!(
            world.recv(publisher),
            [ack(0x50, 1), ack(0x50, 2), ack(0x50, 1)].concat()
        );
        for reader in readers {
            let once = [publish(0x30, "x", 0, b"1"), publish(0x30, "x", 0, b"2")].concat();
            assert_eq!(world.recv(reader), once);
        }
        world.send(publisher, &ack(0x62, 1));
        assert_eq!(world.recv(publisher), [], "PUBCOMP: the identifier is free for good");
        world.commit();
        assert_eq!(world.recv(publisher), ack(0x70, 1));
        // The second one is held after a crash, the first is not.
        let mut world = world.crash(0);
        let publisher = joined(&mut world, "p", STAYS);
        let reader = joined(&mut world, "r", CLEAN);
        world.send(reader, &subscribe("#", 0));
        world.recv(reader);
        world.send(publisher, &publish(0x3C, "x", 2, b"2"));
        world.send(publisher, &publish(0x34, "x", 1, b"3"));
        assert_eq!(world.recv(publisher), [ack(0x50, 2), ack(0x50, 1)].concat());
        assert_eq!(world.recv(reader), publish(0x30, "x", 0, b"3"));
    }
}

#[test]
fn a_qos_2_message_of_a_clean_publisher_to_clean_subscribers_asks_no_disk() {
    let mut world = World::durable(1);
    let reader = joined(&mut world, "r", CLEAN);
    world.send(reader, &subscribe("#", 2));
    world.recv(reader);
    let publisher = joined(&mut world, "p", CLEAN);
    world.wait_for_disk();
    let batches = world.batches;
    world.send(publisher, &publish(0x34, "x", 1, b"1"));
    assert_eq!(world.recv(publisher), ack(0x50, 1));
    assert_eq!(world.recv(reader), publish(0x34, "x", 1, b"1"));
    world.send(publisher, &ack(0x62, 1));
    assert_eq!(world.recv(publisher), ack(0x70, 1));
    world.pass(1_000);
    assert_eq!(world.batches, batches);
}

#[test]
fn a_kept_qos_2_delivery_waits_for_its_identifier_and_pubrel_for_its_pubrec() {
    for shards in [1, 3] {
        let mut world = World::durable(shards);
        let reader = subscribed(&mut world, "r", "#", 2);
        let publisher = joined(&mut world, "p", CLEAN);
        world.wait_for_disk();
        world.send(publisher, &publish(0x34, "x", 1, b"1"));
        world.commit();
        assert_eq!(world.recv(publisher), ack(0x50, 1));
        assert_eq!(world.recv(reader), [], "its identifier is not durable");
        world.commit();
        assert_eq!(world.recv(reader), publish(0x34, "x", 1, b"1"));
        world.send(reader, &ack(0x50, 1));
        assert_eq!(world.recv(reader), [], "a restart would send PUBLISH again");
        world.send(reader, &ack(0x50, 1));
        assert_eq!(world.recv(reader), []);
        world.commit();
        assert_eq!(world.recv(reader), ack(0x62, 1));
        let mut world = world.crash(0);
        let reader = join(&mut world, "r", STAYS);
        assert_eq!(world.recv(reader), [RESUMED, ack(0x62, 1)].concat());
        world.send(reader, &ack(0x70, 1));
        world.pass(200);
        let mut world = world.crash(0);
        let reader = join(&mut world, "r", STAYS);
        assert_eq!(world.recv(reader), RESUMED);
    }
}

#[test]
fn after_a_crash_a_qos_2_message_goes_out_again_under_its_identifier() {
    let mut world = World::durable(1);
    let reader = subscribed(&mut world, "r", "#", 2);
    let publisher = joined(&mut world, "p", CLEAN);
    for id in 1..=3 {
        world.send(publisher, &publish(0x34, "x", id, &[id]));
    }
    assert_eq!(world.recv(reader).len(), 3 * 8);
    world.send(reader, &ack(0x50, 2));
    let mut world = world.crash(0);
    let reader = join(&mut world, "r", STAYS);
    let expected = [
        RESUMED.to_vec(),
        publish(0x3C, "x", 1, &[1]),
        ack(0x62, 2).to_vec(),
        publish(0x3C, "x", 3, &[3]),
    ];
    assert_eq!(world.recv(reader), expected.concat());
    let publisher = joined(&mut world, "p", CLEAN);
    world.send(publisher, &publish(0x34, "x", 1, b"new"));
    assert_eq!(
        world.recv(reader),
        publish(0x34, "x", 4, b"new"),
        "no identifier is used again"
    );
}

#[test]
fn acknowledgements_of_subscribers_are_kept_within_a_tenth_of_a_second_and_hurry_nobody() {
    let mut world = World::durable(1);
    let reader = subscribed(&mut world, "r", "#", 1);
    let publisher = joined(&mut world, "p", CLEAN);
    world.send(publisher, &publish(0x32, "x", 1, b"1"));
    assert_eq!(owed(&mut world, 1).len(), 1);
    let batches = world.batches;
    world.send(reader, &ack(0x40, 1));
    assert_eq!(world.batches, batches);
    world.pass(99);
    assert_eq!(world.batches, batches);
    world.pass(1);
    assert_eq!((world.batches, owed(&mut world, 1).len()), (batches + 1, 0));
}

#[test]
fn a_message_has_one_record_whatever_the_shards_of_those_who_are_owed_it() {
    let mut world = World::durable(3);
    for name in ["a", "b", "c", "d", "e", "f"] {
        let client = subscribed(&mut world, name, "x/#", 1);
        world.end(client, End::Broken);
    }
    let publisher = joined(&mut world, "p", CLEAN);
    world.ops.clear();
    world.send(publisher, &publish(0x32, "x/1", 1, b"once"));
    assert_eq!(world.recv(publisher), ack(0x40, 1));
    let records: Vec<usize> = world
        .ops
        .iter()
        .filter_map(|op| {
            if let Op::Owed { owing, .. } = op {
                Some(owing.len())
            } else {
                None
            }
        })
        .collect();
    assert_eq!(records, [6]);
    for name in ["a", "b", "c", "d", "e", "f"] {
        let client = join(&mut world, name, STAYS);
        assert_eq!(
            world.recv(client),
            [RESUMED.to_vec(), publish(0x32, "x/1", 1, b"once")].concat()
        );
        world.send(client, &ack(0x40, 1));
    }
    world.pass(200);
    assert_eq!(world.store.recover().unwrap().messages, 0);
}

#[test]
fn an_offline_queue_is_read_back_in_pages_and_in_order_and_survives_crashes() {
    for shards in [1, 3] {
        let mut world = World::durable(shards);
        let reader = subscribed(&mut world, "r", "#", 1);
        world.end(reader, End::Broken);
        let publisher = joined(&mut world, "p", CLEAN);
        for number in 0..1_000_u16 {
            let id = u8::try_from(number % 50 + 1).unwrap();
            world.send(publisher, &publish(0x32, "x", id, &number.to_be_bytes()));
        }
        assert_eq!(world.recv(publisher).len(), 4_000);
        let mut world = world.crash(0);
        assert_eq!(world.counters().queued_messages, 1_000);
        let mut seen = Vec::new();
        let mut reader = join(&mut world, "r", STAYS);
        assert_eq!(world.recv(reader)[..4], RESUMED);
        // The connection that read the first page is lost; the messages are not.
        world.end(reader, End::Broken);
        reader = join(&mut world, "r", STAYS);
        let mut bytes = world.recv(reader).split_off(4);
        while !bytes.is_empty() {
            for packet in bytes.chunks(9) {
                seen.push(u16::from_be_bytes([packet[7], packet[8]]));
                world.send(reader, &[0x40, 2, packet[5], packet[6]]);
            }
            bytes = world.recv(reader);
        }
        assert_eq!(seen, (0..1_000).collect::<Vec<_>>());
        world.pass(200);
        assert_eq!(
            (
                world.store.recover().unwrap().messages,
                world.counters().queued_messages
            ),
            (0, 0)
        );
    }
}

#[test]
fn a_queue_in_the_store_keeps_its_limits() {
    for (policy, expected) in [(Policy::DropNewest, [0, 1, 2]), (Policy::DropOldest, [7, 8, 9])] {
        let mut world = World::new(Config {
            durable: true,
            queue: QueueLimits {
                messages: 3,
                bytes: usize::MAX,
                policy,
            },
            ..Config::default()
        });
        let reader = subscribed(&mut world, "r", "#", 1);
        world.end(reader, End::Broken);
        let publisher = joined(&mut world, "p", CLEAN);
        for number in 0..10 {
            world.send(publisher, &publish(0x32, "x", number + 1, &[number]));
        }
        world.pass(200);
        assert_eq!(world.store.recover().unwrap().messages, 3);
        assert_eq!(world.counters().dropped_queue_full, 7);
        let mut world = world.crash(0);
        let reader = join(&mut world, "r", STAYS);
        let bytes = world.recv(reader).split_off(4);
        let seen: Vec<u8> = bytes.chunks(8).map(|packet| packet[7]).collect();
        assert_eq!(seen, expected);
    }
}

#[test]
fn after_a_failure_nothing_that_needs_the_disk_is_acknowledged_and_the_rest_goes_on() {
    let mut world = World::durable(1);
    let away = subscribed(&mut world, "away", "kept", 1);
    world.end(away, End::Broken);
    let reader = joined(&mut world, "r", CLEAN);
    world.send(reader, &subscribe("#", 1));
    world.recv(reader);
    let waiting = joined(&mut world, "w", CLEAN);
    world.wait_for_disk();
    world.send(waiting, &publish(0x32, "kept", 1, b"1"));
    world.store.fail_commit(1, Fault::Full);
    world.commit();
    assert!(world.is_closed(waiting) && world.recv(waiting).is_empty());
    let publisher = joined(&mut world, "p", CLEAN);
    world.recv(reader);
    world.send(publisher, &publish(0x30, "kept", 0, b"0"));
    world.send(publisher, &publish(0x32, "free", 1, b"1"));
    assert_eq!(world.recv(publisher), ack(0x40, 1));
    assert_eq!(world.recv(reader).len(), 9 + 11);
    world.send(publisher, &publish(0x32, "kept", 2, b"2"));
    assert!(world.is_closed(publisher) && world.recv(publisher).is_empty());
    let new = join(&mut world, "new", STAYS);
    assert_eq!(world.recv(new), [0x20, 2, 0, 3], "a session that cannot be kept");
    assert_eq!(world.counters().store_failed, 1);
}

#[test]
fn what_the_turn_of_a_failure_took_is_not_acknowledged_when_it_is_repeated() {
    let mut world = World::durable(1);
    let publisher = joined(&mut world, "p", STAYS);
    world.send_unheard(publisher, &publish(0x34, "a", 1, b"1"));
    world.fail_store();
    assert!(world.is_closed(publisher) && world.recv(publisher).is_empty());
    let again = join(&mut world, "p", STAYS);
    assert_eq!(world.recv(again), RESUMED);
    world.send(again, &publish(0x3C, "a", 1, b"1"));
    assert!(world.is_closed(again), "nobody would know it after a restart");
    assert!(world.recv(again).is_empty());
}

#[test]
fn publishers_wait_when_too_much_is_on_its_way_to_the_disk() {
    let mut world = World::new(Config {
        durable: true,
        store_bytes: 2_000,
        ..Config::default()
    });
    let away = subscribed(&mut world, "away", "#", 1);
    world.end(away, End::Broken);
    let publisher = joined(&mut world, "p", CLEAN);
    world.wait_for_disk();
    for id in 1..=100 {
        world.send(publisher, &publish(0x32, "x", id, &[0; 50]));
    }
    assert!(world.is_paused(publisher));
    assert!(world.counters().store_bytes < 2_500, "{}", world.counters().store_bytes);
    world.hold_commits = false;
    world.commit();
    assert!(!world.is_paused(publisher));
    assert_eq!(world.recv(publisher).len(), 400);
}

#[test]
fn a_message_may_be_there_or_not_before_it_is_acknowledged_but_never_twice() {
    for kept in [0, 1] {
        let mut world = World::durable(1);
        let away = subscribed(&mut world, "away", "#", 2);
        world.end(away, End::Broken);
        let publisher = joined(&mut world, "p", STAYS);
        world.wait_for_disk();
        world.send(publisher, &publish(0x34, "x", 1, b"1"));
        let mut world = world.crash(kept);
        let publisher = joined(&mut world, "p", STAYS);
        world.send(publisher, &publish(0x3C, "x", 1, b"1"));
        assert_eq!(world.recv(publisher), ack(0x50, 1));
        let reader = join(&mut world, "away", STAYS);
        assert_eq!(world.recv(reader).split_off(4), publish(0x34, "x", 1, b"1"));
    }
}

#[test]
fn shared_groups_and_an_own_subscription_are_two_debts() {
    let mut world = World::durable(1);
    let reader = subscribed(&mut world, "r", "$share/g/x", 1);
    world.send(reader, &subscribe("x", 1));
    assert_eq!(world.recv(reader), SUBACK_1);
    let publisher = joined(&mut world, "p", CLEAN);
    world.send(publisher, &publish(0x32, "x", 1, b"1"));
    assert_eq!(world.recv(reader).len(), 16);
    world.send(reader, &ack(0x40, 1));
    world.pass(200);
    let mut world = world.crash(0);
    let reader = join(&mut world, "r", STAYS);
    assert_eq!(world.recv(reader).split_off(4), publish(0x3A, "x", 1, b"1"));
}

#[test]
fn a_retained_message_that_a_kept_session_got_is_kept_until_it_is_acknowledged() {
    let mut world = World::durable(1);
    let publisher = joined(&mut world, "p", CLEAN);
    world.send(publisher, &publish(0x33, "r", 1, b"1"));
    let reader = subscribed(&mut world, "s", "none", 1);
    world.send(reader, &subscribe("r", 2));
    assert_eq!(
        world.recv(reader),
        [SUBACK_2.to_vec(), publish(0x33, "r", 1, b"1")].concat()
    );
    world.pass(200);
    let mut world = world.crash(0);
    let reader = join(&mut world, "s", STAYS);
    assert_eq!(world.recv(reader).split_off(4), publish(0x3B, "r", 1, b"1"));
}

#[test]
fn sessions_and_messages_expire_where_the_operator_wants_that() {
    let mut world = World::new(Config {
        durable: true,
        session_expiry_ms: 10_000,
        message_expiry_ms: 3_000,
        ..Config::default()
    });
    let reader = subscribed(&mut world, "r", "#", 1);
    world.end(reader, End::Broken);
    let publisher = joined(&mut world, "p", CLEAN);
    world.pass(2_000);
    world.send(publisher, &publish(0x32, "x", 1, b"1"));
    world.pass(2_000);
    world.send(publisher, &publish(0x32, "x", 2, b"2"));
    world.pass(2_500);
    assert_eq!(
        (
            world.counters().dropped_expired,
            world.store.recover().unwrap().messages
        ),
        (1, 1)
    );
    let reader = join(&mut world, "r", STAYS);
    assert_eq!(
        world.recv(reader),
        [RESUMED.to_vec(), publish(0x32, "x", 1, b"2")].concat()
    );
    world.pass(60_000);
    assert_eq!(world.counters().sessions_expired, 0, "it is connected");
    world.end(reader, End::Broken);
    world.pass(9_000);
    let reader = join(&mut world, "r", STAYS);
    assert_eq!(world.recv(reader)[..4], RESUMED);
    world.end(reader, End::Broken);
    world.pass(9_900);
    assert_eq!(world.counters().sessions_expired, 0);
    world.pass(400);
    assert_eq!((world.counters().sessions_expired, world.counters().sessions), (1, 1));
    let mut world = world.crash(0);
    let reader = join(&mut world, "r", STAYS);
    assert_eq!(world.recv(reader), ACCEPTED);
}

#[test]
fn no_message_expires_before_its_time_whenever_in_a_second_it_came() {
    for (begun, limit) in [(1_900, 1_000), (1_001, 1_500), (2_000, 1_000), (0, 1), (1_999, 700)] {
        let mut world = World::new(Config {
            durable: true,
            message_expiry_ms: limit,
            ..Config::default()
        });
        let reader = subscribed(&mut world, "r", "#", 1);
        world.end(reader, End::Broken);
        let publisher = joined(&mut world, "p", CLEAN);
        world.pass(begun);
        world.send(publisher, &publish(0x32, "x", 1, b"1"));
        world.pass(limit - 1);
        assert_eq!(world.counters().dropped_expired, 0, "{limit} ms are not over");
        // One second is lost with its stamp, and one until it is looked for.
        world.pass(2_001);
        assert_eq!(world.counters().dropped_expired, 1, "{limit} ms are over");
    }
}

#[test]
fn ages_begin_anew_with_the_first_turn_however_late_that_is() {
    let mut world = World::new(Config {
        durable: true,
        session_expiry_ms: 20_000,
        message_expiry_ms: 3_000,
        ..Config::default()
    });
    let reader = subscribed(&mut world, "r", "#", 1);
    world.end(reader, End::Broken);
    let publisher = joined(&mut world, "p", CLEAN);
    world.send(publisher, &publish(0x32, "x", 1, b"1"));
    let mut world = world.crash(0);
    // The store was read for so long.
    world.pass(60_000);
    world.pass(2_999);
    assert_eq!(world.counters().dropped_expired, 0);
    let reader = join(&mut world, "r", STAYS);
    assert_eq!(
        world.recv(reader),
        [RESUMED.to_vec(), publish(0x3A, "x", 1, b"1")].concat()
    );
    let mut world = world.crash(0);
    world.pass(60_000);
    world.pass(19_999);
    let counters = world.counters();
    assert_eq!((counters.sessions_expired, counters.dropped_expired), (0, 1));
    world.pass(1);
    assert_eq!(world.counters().sessions_expired, 1);
}

#[test]
fn pubcomp_waits_also_for_an_identifier_that_was_freed_on_an_earlier_connection() {
    let mut world = World::durable(1);
    let publisher = joined(&mut world, "p", STAYS);
    world.send(publisher, &publish(0x34, "x", 1, b"1"));
    assert_eq!(world.recv(publisher), ack(0x50, 1));
    world.wait_for_disk();
    world.send(publisher, &ack(0x62, 1));
    world.end(publisher, End::Broken);
    let publisher = joined(&mut world, "p", STAYS);
    world.send(publisher, &ack(0x62, 1));
    assert_eq!(world.recv(publisher), []);
    world.commit();
    assert_eq!(world.recv(publisher), ack(0x70, 1));
}

#[test]
fn connack_waits_also_for_what_an_earlier_connection_began() {
    let mut world = World::durable(1);
    world.wait_for_disk();
    // A session that is not durable yet is no session to come back to.
    let first = join(&mut world, "a", STAYS);
    world.end(first, End::Broken);
    let again = join(&mut world, "a", STAYS);
    assert_eq!(world.recv(again), []);
    world.commit();
    assert_eq!(world.recv(again), RESUMED);
    // And one that is not gone for good is not gone.
    let clean = join(&mut world, "a", CLEAN);
    world.end(clean, End::Broken);
    let clean = join(&mut world, "a", CLEAN);
    assert_eq!(world.recv(clean), []);
    world.commit();
    assert_eq!(world.recv(clean), ACCEPTED);
}

#[test]
fn an_orderly_end_leaves_nothing_for_later() {
    let mut world = World::durable(1);
    let reader = subscribed(&mut world, "r", "#", 1);
    let publisher = joined(&mut world, "p", CLEAN);
    world.send(publisher, &publish(0x32, "x", 1, b"1"));
    world.send(reader, &ack(0x40, 1));
    world.shut_down();
    assert_eq!(owed(&mut world, 1).len(), 0);
    assert!(world.is_closed(reader) && world.is_closed(publisher));
}

#[test]
fn at_the_end_what_waits_for_the_disk_is_answered_before_its_connection_ends() {
    let mut world = World::durable(1);
    let away = subscribed(&mut world, "r", "#", 1);
    world.end(away, End::Broken);
    let publisher = joined(&mut world, "p", CLEAN);
    world.wait_for_disk();
    world.send(publisher, &publish(0x32, "x", 1, b"1"));
    world.shut_down();
    assert!(!world.is_closed(publisher));
    world.commit();
    assert_eq!(world.recv(publisher), ack(0x40, 1));
    assert!(world.is_closed(publisher));
}

#[test]
fn a_full_queue_ends_the_connection_where_the_operator_wants_that() {
    let mut world = World::new(Config {
        window: 1,
        queue: QueueLimits {
            messages: 2,
            bytes: usize::MAX,
            policy: Policy::Disconnect,
        },
        ..Config::default()
    });
    let watcher = joined(&mut world, "watcher", CLEAN);
    world.send(watcher, &subscribe("w", 0));
    world.recv(watcher);
    let slow = world.open(0);
    world.send(slow, b"\x10\x13\0\x04MQTT\x04\x04\0\0\0\x01s\0\x01w\0\x01!");
    world.send(slow, &subscribe("x", 1));
    let publisher = joined(&mut world, "p", CLEAN);
    for id in 1..=3 {
        world.send(publisher, &publish(0x32, "x", id, b"1"));
    }
    assert!(!world.is_closed(slow), "one in flight, two wait");
    world.send(publisher, &publish(0x32, "x", 4, b"1"));
    assert!(world.is_closed(slow));
    assert_eq!(world.counters().dropped_queue_full, 1);
    assert_eq!(world.recv(watcher), publish(0x30, "w", 0, b"!"));
    for id in 5..=9 {
        world.send(publisher, &publish(0x32, "x", id, b"1"));
    }
    assert_eq!(
        (world.counters().dropped_queue_full, world.counters().queued_messages),
        (6, 3),
        "nobody is there to be ended"
    );
}
