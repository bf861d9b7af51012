//! Stories about settings that change while clients are connected: who is named goes, everybody else stays.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong may panic"
)]

mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use burgee_codec::Versions;
use burgee_core::io::{Admission, Banned, ListenerNo, Verdict};
use burgee_core::{Config, ListenerPolicy, Policy};
use world::{Client, World, connect, publish, subscribe};

const CLEAN: u8 = 2;
/// A will of QoS 0 for the topic `w`.
const WILL: u8 = CLEAN | 4;
const WELCOME: [u8; 4] = [0x20, 2, 0, 0];

/// Three listeners; the last one asks.
fn config(shards: u16) -> Config {
    let asks = ListenerPolicy {
        ask: true,
        ..ListenerPolicy::default()
    };
    let listeners = vec![ListenerPolicy::default(), ListenerPolicy::default(), asks];
    Config {
        shards,
        policy: Arc::new(Policy {
            listeners,
            ..Policy::default()
        }),
        sys_interval_ms: 0,
        ..Config::default()
    }
}

fn enter(world: &mut World, listener: u16, packet: &[u8]) -> Client {
    let client = world.open_on(listener, "192.0.2.1");
    world.send(client, packet);
    while let Some((_, ask)) = world.asks.pop() {
        let user = ask.user.clone().map(Arc::from);
        world.answer(
            &ask,
            Verdict::Admitted(Admission {
                user,
                ..Admission::default()
            }),
        );
    }
    assert_eq!(world.recv(client), WELCOME);
    client
}

fn with_user(id: &str, user: &str) -> Vec<u8> {
    let mut packet = connect(id, CLEAN | 0x80);
    packet.extend([0, u8::try_from(user.len()).unwrap()]);
    packet.extend(user.as_bytes());
    packet[1] = u8::try_from(packet.len() - 2).unwrap();
    packet
}

fn names(world: &mut World) -> BTreeSet<(Option<String>, bool)> {
    let dismissed = std::mem::take(&mut world.dismissed).into_iter();
    dismissed
        .map(|it| (it.client_id.map(String::from), it.why.contains("listener")))
        .collect()
}

#[test]
fn new_limits_hold_at_once_and_nobody_is_disconnected() {
    for shards in [1, 3] {
        let mut world = World::new(config(shards));
        let client = enter(&mut world, 0, &connect("a", CLEAN));
        world.send(client, &subscribe("t", 1));
        assert_eq!(world.recv(client), [0x90, 3, 0, 1, 1]);
        // QoS 1 under way to a client that has not acknowledged.
        world.send(client, &publish(0x32, "t", 9, b"before"));
        let received = world.recv(client);
        assert!(received.windows(6).any(|at| at == b"before"));
        let new = Config {
            max_subscriptions: 1,
            max_packet_bytes: 40,
            // What a restart needs is left as it was.
            shards: 9,
            outbox_bytes: 1,
            ..config(shards)
        };
        world.reload(new, Banned::default());
        assert!(!world.is_closed(client) && world.dismissed.is_empty());
        world.send(client, &subscribe("u", 0));
        assert_eq!(world.recv(client), [0x90, 3, 0, 1, 0x80], "the new limit");
        world.send(client, &[0x40, 2, 0, 1]);
        world.send(client, &publish(0x32, "t", 9, b"after"));
        assert!(world.recv(client).windows(5).any(|at| at == b"after"), "the old filter");
        world.send(client, &publish(0x30, "t", 0, &[0; 60]));
        assert!(world.is_closed(client), "the new limit of packets");
    }
}

#[test]
fn a_listener_that_is_gone_takes_its_connections_along_and_no_others() {
    for shards in [1, 3] {
        let mut world = World::new(config(shards));
        let watcher = enter(&mut world, 0, &connect("watcher", CLEAN));
        world.send(watcher, &subscribe("w", 0));
        world.recv(watcher);
        let mut with_will = connect("gone", WILL);
        with_will.extend(b"\x00\x01w\x00\x04will");
        with_will[1] = u8::try_from(with_will.len() - 2).unwrap();
        let gone = enter(&mut world, 1, &with_will);
        let silent = world.open_on(1, "192.0.2.1");
        let mut listeners = config(shards).policy.listeners.clone();
        listeners[1].versions = Versions::NONE;
        let new = Config {
            policy: Arc::new(Policy {
                listeners,
                ..Policy::default()
            }),
            ..config(shards)
        };
        let banned = Banned {
            listeners: BTreeSet::from([ListenerNo(1)]),
            ..Banned::default()
        };
        world.reload(new, banned);
        assert!(world.is_closed(gone) && world.is_closed(silent) && !world.is_closed(watcher));
        assert_eq!(world.recv(watcher), b"\x30\x07\x00\x01wwill");
        assert_eq!(
            names(&mut world),
            BTreeSet::from([(Some("gone".to_owned()), true), (None, true)])
        );
        assert_eq!(world.counters().kicked, 2);
        // Who was accepted before, and comes to its shard only now, does not get in.
        let late = world.open_on(1, "192.0.2.1");
        world.send(late, &connect("late", CLEAN));
        assert!(world.is_closed(late));
    }
}

#[test]
fn a_user_that_is_gone_takes_its_connections_along_and_no_others() {
    for shards in [1, 3] {
        let mut world = World::new(config(shards));
        let ada = [
            enter(&mut world, 2, &with_user("a1", "ada")),
            enter(&mut world, 2, &with_user("a2", "ada")),
        ];
        let bob = enter(&mut world, 2, &with_user("b1", "bob"));
        // Without authentication a name proves nothing: it is nobody's.
        let named = enter(&mut world, 0, &with_user("c1", "ada"));
        let banned = Banned {
            users: BTreeSet::from(["ada".into()]),
            ..Banned::default()
        };
        world.reload(config(shards), banned);
        assert!(ada.iter().all(|client| world.is_closed(*client)));
        assert!(!world.is_closed(bob) && !world.is_closed(named));
        let expected = ["a1", "a2"].map(|id| (Some(id.to_owned()), false));
        assert_eq!(names(&mut world), BTreeSet::from(expected));
    }
}

#[test]
fn a_listener_that_asks_for_names_now_lets_those_without_go_and_no_others() {
    for shards in [1, 3] {
        let mut world = World::new(config(shards));
        let nameless = enter(&mut world, 2, &connect("n", CLEAN));
        let ada = enter(&mut world, 2, &with_user("a", "ada"));
        let elsewhere = enter(&mut world, 0, &connect("e", CLEAN));
        let silent = world.open_on(2, "192.0.2.1");
        let banned = Banned {
            nameless: BTreeSet::from([ListenerNo(2)]),
            ..Banned::default()
        };
        world.reload(config(shards), banned);
        assert!(world.is_closed(nameless));
        assert!(!world.is_closed(ada) && !world.is_closed(elsewhere) && !world.is_closed(silent));
        assert!(world.dismissed.iter().all(|it| it.why.contains("anonymous")));
        assert_eq!(names(&mut world), BTreeSet::from([(Some("n".to_owned()), true)]));
    }
}

#[test]
fn nobody_comes_in_by_a_verdict_of_the_old_users() {
    // The second one is admitted, and waits because the first one's identifier is fought for, when the user is removed.
    let mut config = config(1);
    let mut policy = Policy::clone(&config.policy);
    policy.fights = burgee_core::Fights {
        takeovers: 1,
        within_ms: 60_000,
        slow_ms: 1000,
    };
    config.policy = Arc::new(policy);
    let mut world = World::new(config.clone());
    let first = enter(&mut world, 2, &with_user("x", "ada"));
    let second = world.open_on(2, "192.0.2.1");
    world.send(second, &with_user("x", "ada"));
    let (_, ask) = world.asks.pop().unwrap();
    let user = ask.user.clone().map(Arc::from);
    let admitted = Admission {
        user,
        ..Admission::default()
    };
    world.answer(&ask, Verdict::Admitted(admitted));
    assert!(world.recv(second).is_empty(), "it waits");
    let banned = Banned {
        users: BTreeSet::from(["ada".into()]),
        ..Banned::default()
    };
    world.reload(config, banned);
    assert!(world.is_closed(first));
    world.pass(5000);
    assert!(world.recv(second).is_empty());
    let (_, ask) = world.asks.pop().expect("the new users are asked");
    world.answer(&ask, Verdict::Refused(4));
    assert_eq!(world.recv(second), [0x20, 2, 0, 4]);
}
