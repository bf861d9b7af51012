//! Stories about limits: who goes too fast waits and loses nothing, who has too many connections gets no more, and who
//! fights is named.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong may panic"
)]

mod world;

use std::sync::Arc;

use burgee_access::Users;
use burgee_core::io::{Admission, End, Event, Verdict};
use burgee_core::{Config, Fights, ListenerPolicy, Policy, Rate, UserLimits};
use world::{Client, World, connect, publish, subscribe};

const CLEAN: u8 = 2;

fn asking() -> ListenerPolicy {
    ListenerPolicy {
        ask: true,
        ..ListenerPolicy::default()
    }
}

fn limited(limits: UserLimits) -> Policy {
    Policy {
        listeners: vec![asking()],
        limits: vec![limits],
        ..Policy::default()
    }
}

fn world(shards: u16, policy: Policy) -> World {
    World::new(Config {
        shards,
        policy: Arc::new(policy),
        sys_interval_ms: 0,
        ..Config::default()
    })
}

fn enter(world: &mut World, id: &str, user: Option<&str>) -> Client {
    let client = world.open_on(0, "192.0.2.1");
    world.send(client, &connect(id, CLEAN));
    if let Some((_, ask)) = world.asks.pop() {
        let admission = Admission {
            user: user.map(Arc::from),
            ..Admission::default()
        };
        world.answer(&ask, Verdict::Admitted(admission));
    }
    client
}

#[test]
fn a_user_has_no_more_connections_than_it_may_on_all_shards_together() {
    for shards in [1, 4] {
        let ada = UserLimits {
            max_connections: 3,
            ..UserLimits::new(Users::Matching(vec!["ada".parse().unwrap()]))
        };
        let mut world = world(shards, limited(ada));
        let mut here: Vec<Client> = (0..3)
            .map(|n| enter(&mut world, &format!("c{n}"), Some("ada")))
            .collect();
        for client in &here {
            assert_eq!(world.recv(*client), [0x20, 2, 0, 0]);
        }
        let more = enter(&mut world, "c9", Some("ada"));
        assert_eq!((world.recv(more), world.is_closed(more)), (vec![0x20, 2, 0, 3], true));
        for other in [Some("bob"), None] {
            for n in 0..5 {
                let client = enter(&mut world, &format!("{other:?}{n}"), other);
                assert_eq!(world.recv(client), [0x20, 2, 0, 0]);
            }
        }
        // Whoever takes a connection of the same user over takes nobody's place, again and again.
        for _ in 0..5 {
            let heir = enter(&mut world, "c2", Some("ada"));
            assert_eq!(world.recv(heir), [0x20, 2, 0, 0]);
            here[2] = heir;
        }
        assert_eq!(world.counters().denied_connections, 1);
        world.end(here[0], End::Broken);
        let next = enter(&mut world, "c9", Some("ada"));
        assert_eq!(world.recv(next), [0x20, 2, 0, 0]);
        let more = enter(&mut world, "c0", Some("ada"));
        assert_eq!(world.recv(more), [0x20, 2, 0, 3]);
    }
}

#[test]
fn who_publishes_too_fast_waits_and_loses_nothing() {
    let limits = UserLimits {
        publish: Rate {
            messages: 10,
            message_burst: 20,
            ..Rate::default()
        },
        ..UserLimits::new(Users::Everybody)
    };
    let policy = Policy {
        limits: vec![limits],
        ..Policy::default()
    };
    for qos in [0x30, 0x32] {
        let mut world = world(1, policy.clone());
        let (watcher, sensor) = (enter(&mut world, "watcher", None), world.open(0));
        world.send(watcher, &subscribe("t", 0));
        world.recv(watcher);
        let mut bytes = connect("sensor", CLEAN);
        // With a keep alive that ends while it is not read.
        bytes[11] = 1;
        world.send(sensor, &bytes);
        let bytes: Vec<u8> = (0..120).flat_map(|n| publish(qos, "t", n + 1, &[n])).collect();
        world.send(sensor, &bytes);
        let mut came = world.recv(watcher);
        let one = publish(0x30, "t", 0, b"x").len();
        assert_eq!(came.len() / one, 20, "the burst");
        assert!(world.is_paused(sensor));
        for second in 1..=10 {
            world.pass(1000);
            came.extend(world.recv(watcher));
            let expected = 20 + 10 * second;
            assert!(
                (expected - 2..=expected + 2).contains(&(came.len() / one)),
                "{second}: {}",
                came.len() / one
            );
        }
        world.pass(1000);
        came.extend(world.recv(watcher));
        let expected: Vec<u8> = (0..120).flat_map(|n| publish(0x30, "t", 0, &[n])).collect();
        assert_eq!(came, expected, "all, in order");
        assert!(!world.is_closed(sensor) && world.counters().slowed > 0);
    }
}

#[test]
fn bytes_are_measured_as_well_and_what_is_larger_than_the_burst_gets_through() {
    let limits = UserLimits {
        publish: Rate {
            bytes: 1000,
            byte_burst: 100,
            ..Rate::default()
        },
        ..UserLimits::new(Users::Everybody)
    };
    let mut world = world(
        1,
        Policy {
            limits: vec![limits],
            ..Policy::default()
        },
    );
    let sensor = enter(&mut world, "sensor", None);
    let bytes: Vec<u8> = (0..3).flat_map(|_| publish(0x30, "t", 0, &[0; 500])).collect();
    world.send(sensor, &bytes);
    assert_eq!(world.counters().publish_received, 1);
    world.pass(350);
    assert_eq!(world.counters().publish_received, 1);
    world.pass(1500);
    assert_eq!(world.counters().publish_received, 3);
}

#[test]
fn who_goes_on_too_fast_for_too_long_is_closed_if_the_operator_wants_it() {
    let rate = Rate {
        messages: 10,
        close_after_ms: 3_000,
        ..Rate::default()
    };
    let limits = UserLimits {
        publish: rate,
        ..UserLimits::new(Users::Everybody)
    };
    let mut world = world(
        1,
        Policy {
            limits: vec![limits],
            ..Policy::default()
        },
    );
    let (flood, calm) = (enter(&mut world, "flood", None), enter(&mut world, "calm", None));
    world.send(flood, &publish(0x30, "t", 0, b"x").repeat(1000));
    for _ in 0..28 {
        world.pass(100);
        world.send(calm, &publish(0x30, "t", 0, b"x"));
        assert!(!world.is_closed(flood));
    }
    world.pass(400);
    assert!(world.is_closed(flood) && !world.is_closed(calm));
    assert_eq!(world.counters().faults, 1);
}

#[test]
fn a_rate_of_a_user_holds_for_all_its_connections_and_coming_again_brings_nothing() {
    for shards in [1, 4] {
        let publish_rate = Rate {
            messages: 10,
            message_burst: 20,
            per_user: true,
            ..Rate::default()
        };
        let limits = UserLimits {
            publish: publish_rate,
            ..UserLimits::new(Users::Everybody)
        };
        let mut world = world(shards, limited(limits));
        let burst = publish(0x30, "t", 0, b"x").repeat(100);
        let came = |world: &World| world.counters().publish_received;
        for id in ["a", "b", "c"] {
            let client = enter(&mut world, id, Some("ada"));
            world.send(client, &burst);
        }
        assert_eq!(came(&world), 20, "one burst for all three");
        world.pass(1000);
        let now = came(&world);
        assert!((28..=32).contains(&now), "{now}");
        // Who leaves and comes back finds the rate as it was.
        let fourth = enter(&mut world, "d", Some("ada"));
        world.end(fourth, End::Broken);
        let again = enter(&mut world, "d", Some("ada"));
        world.send(again, &burst);
        assert!(came(&world) <= now + 1, "{} after {now}", came(&world));
        // Others have their own, and who has no name has it alone.
        for (id, user) in [("e", Some("bob")), ("f", None), ("g", None)] {
            let before = came(&world);
            let client = enter(&mut world, id, user);
            world.send(client, &burst);
            assert_eq!(came(&world) - before, 20, "{id}");
        }
    }
}

#[test]
fn limits_of_a_user_change_with_the_policy() {
    let mut small = UserLimits::new(Users::Matching(vec!["a*".parse().unwrap()]));
    (small.max_packet_bytes, small.max_subscriptions) = (100, 1);
    let mut world = world(1, limited(small.clone()));
    let (ada, bob) = (enter(&mut world, "a", Some("ada")), enter(&mut world, "b", Some("bob")));
    for (client, code) in [(ada, 0x80), (bob, 0)] {
        world.recv(client);
        world.send(client, &subscribe("one", 0));
        world.send(client, &subscribe("two", 0));
        assert_eq!(world.recv(client)[9], code);
    }
    small.users = Users::Everybody;
    small.publish.messages = 1;
    world.rule(limited(small));
    world.send(bob, &publish(0x30, "t", 0, b"x").repeat(3));
    assert_eq!(world.counters().publish_received, 1, "slowed from now on");
    world.rule(limited(UserLimits::new(Users::Everybody)));
    world.pass(5_000);
    assert_eq!(world.counters().publish_received, 3);
    world.send(ada, &publish(0x30, "t", 0, &[0; 100]));
    assert!(!world.is_closed(ada), "nobody is limited any more");
}

#[test]
fn a_fight_over_an_identifier_is_told_once_and_slowed_if_the_operator_wants_it() {
    for slow_ms in [0, 1_000] {
        let policy = Policy {
            fights: Fights {
                takeovers: 3,
                within_ms: 60_000,
                slow_ms,
            },
            ..Policy::default()
        };
        let mut world = world(1, policy);
        let addresses = ["192.0.2.1", "198.51.100.2"];
        let mut clients = Vec::new();
        for round in 0..6 {
            let client = world.open_on(0, addresses[round % 2]);
            world.send(client, &connect("both", CLEAN));
            let waits = slow_ms > 0 && round >= 3;
            assert_eq!(world.recv(client).is_empty(), waits, "{round}");
            if waits {
                assert!(!world.is_closed(clients[round - 1]), "who is there keeps it meanwhile");
                let wait = [1_000, 2_000, 4_000][round - 3];
                world.pass(wait - 1);
                assert!(world.recv(client).is_empty());
                world.pass(101);
                assert_eq!(world.recv(client), [0x20, 2, 0, 0]);
            }
            if round > 0 {
                assert!(world.is_closed(clients[round - 1]));
            }
            clients.push(client);
        }
        let told: Vec<&Event> = world
            .events
            .iter()
            .filter(|event| matches!(event, Event::Fight { .. }))
            .collect();
        let [
            Event::Fight {
                client_id,
                newcomer,
                holder,
                takeovers,
            },
        ] = &told[..]
        else {
            panic!("{told:?}");
        };
        assert_eq!((&**client_id, *takeovers), ("both", 3));
        assert_eq!(
            (newcomer.1, holder.1),
            (addresses[1].parse().ok(), addresses[0].parse().ok())
        );
        assert_eq!(world.counters().fights, 1);
    }
}

#[test]
fn who_waits_in_a_fight_is_let_in_however_late_its_login_was_judged() {
    let fights = Fights {
        takeovers: 1,
        within_ms: 60_000,
        slow_ms: 60_000,
    };
    let policy = Policy {
        listeners: vec![asking()],
        fights,
        ..Policy::default()
    };
    let mut world = world(1, policy);
    // Of the 10 seconds for CONNECT 7 pass before the answer; then it waits for 5.
    let mut judged_late = |late| {
        let client = world.open_on(0, "192.0.2.1");
        world.send(client, &connect("both", CLEAN));
        world.pass(late);
        let (_, ask) = world.asks.pop().unwrap();
        world.answer(&ask, Verdict::Admitted(Admission::default()));
        world.pass(5_100);
        assert_eq!(world.recv(client), [0x20, 2, 0, 0], "{late}");
        client
    };
    let holder = judged_late(0);
    let newcomer = judged_late(7_000);
    assert!(world.is_closed(holder) && !world.is_closed(newcomer));
}
