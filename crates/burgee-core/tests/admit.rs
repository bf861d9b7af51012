//! Stories about who comes in: somebody else is asked, and answers, too late, or never.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong may panic"
)]

mod world;

use std::sync::Arc;

use burgee_codec::{Version, Versions};
use burgee_core::io::{Admission, End, Event, Verdict};
use burgee_core::{Config, ListenerPolicy, Policy};
use burgee_store::{Batch, Fault, Op, SessionNo, Source, Store};
use world::{Client, World, connect, publish, subscribe};

const SESSION: u8 = 0;
const CLEAN: u8 = 2;
/// CONNACK without a session; and behind it CONNACK with a code.
const WELCOME: [u8; 4] = [0x20, 2, 0, 0];

/// A broker whose second listener asks.
fn world(shards: u16) -> World {
    let policy = Policy {
        listeners: vec![
            ListenerPolicy::default(),
            ListenerPolicy {
                ask: true,
                ..ListenerPolicy::default()
            },
        ],
        ..Policy::default()
    };
    World::new(Config {
        shards,
        policy: Arc::new(policy),
        sys_interval_ms: 0,
        ..Config::default()
    })
}

/// CONNECT with user name and password.
fn connect_as(id: &str, flags: u8, user: &str) -> Vec<u8> {
    let mut packet = connect(id, flags | 0xC0);
    for field in [user, "secret"] {
        packet.extend([0, u8::try_from(field.len()).unwrap()]);
        packet.extend(field.as_bytes());
    }
    packet[1] = u8::try_from(packet.len() - 2).unwrap();
    packet
}

fn admitted(user: Option<&str>) -> Verdict {
    Verdict::Admitted(Admission {
        user: user.map(Arc::from),
        ..Admission::default()
    })
}

/// A client of the asking listener that is let in.
fn enter(world: &mut World, id: &str, flags: u8, user: &str) -> Client {
    let client = world.open_on(1, "192.0.2.1");
    world.send(client, &connect_as(id, flags, user));
    let (_, ask) = world.asks.pop().unwrap();
    world.answer(&ask, admitted(Some(user)));
    client
}

#[test]
fn a_connect_waits_for_its_verdict_and_is_asked_about_once() {
    for shards in [1, 4] {
        let mut world = world(shards);
        let client = world.open_on(1, "192.0.2.1");
        let mut bytes = connect_as("sensor", CLEAN, "ada");
        bytes.extend(subscribe("t", 0));
        world.send(client, &bytes);
        assert!(world.recv(client).is_empty() && world.is_paused(client));
        assert_eq!(world.asks.len(), 1, "on one shard, whichever is its home");
        let (who, ask) = world.asks.pop().unwrap();
        assert_eq!(
            (who, &*ask.client_id, ask.user.as_deref()),
            (client, "sensor", Some("ada"))
        );
        assert_eq!((ask.password.as_deref(), ask.listener.0), (Some(&b"secret"[..]), 1));
        assert!(!format!("{ask:?}").contains("secret"), "a password is in no log");
        world.answer(&ask, admitted(Some("ada")));
        // [MQTT-3.1.4-5] what came behind the CONNECT is looked at now.
        let mut expected = WELCOME.to_vec();
        expected.extend([0x90, 3, 0, 1, 0]);
        assert_eq!(world.recv(client), expected);
        world.answer(&ask, Verdict::Refused(5));
        assert!(
            !world.is_closed(client) && world.asks.is_empty(),
            "a second verdict is none"
        );
    }
}

#[test]
fn a_refusal_is_said_with_its_code_and_nothing_else_is_looked_at() {
    for (code, said) in [(2, 2), (4, 4), (5, 5), (0, 5), (9, 5)] {
        let mut world = world(1);
        let (watcher, client) = (world.open(0), world.open_on(1, ""));
        world.send(watcher, &connect("watcher", CLEAN));
        world.send(watcher, &subscribe("t", 0));
        world.recv(watcher);
        let mut bytes = connect_as("sensor", CLEAN, "ada");
        bytes.extend(publish(0x30, "t", 0, b"not admitted"));
        world.send(client, &bytes);
        let (_, ask) = world.asks.pop().unwrap();
        world.answer(&ask, Verdict::Refused(code));
        assert_eq!(world.recv(client), [0x20, 2, 0, said]);
        assert!(world.is_closed(client) && world.recv(watcher).is_empty());
        assert_eq!(world.counters().refused, 1);
    }
}

#[test]
fn a_verdict_that_never_comes_ends_the_connection() {
    let mut world = world(1);
    let client = world.open_on(1, "");
    world.send(client, &connect_as("sensor", CLEAN, "ada"));
    world.pass(9_999);
    assert!(!world.is_closed(client));
    world.pass(1);
    assert!(world.is_closed(client) && world.counters().timeouts == 1);
    let (_, ask) = world.asks.pop().unwrap();
    world.answer(&ask, admitted(Some("ada")));
    assert_eq!(world.counters().sessions, 0, "it finds nobody");
}

#[test]
fn a_verdict_in_the_last_moment_lets_in() {
    let mut world = world(1);
    let client = world.open_on(1, "");
    world.send(client, &connect_as("sensor", CLEAN, "ada"));
    world.pass(9_999);
    let (_, ask) = world.asks.pop().unwrap();
    world.answer_unheard(&ask, admitted(Some("ada")));
    // Its time is over in the turn that hears it.
    world.pass(1);
    assert_eq!(world.recv(client), WELCOME);
    world.pass(1_000);
    assert_eq!(world.counters().timeouts, 0);
}

#[test]
fn a_verdict_for_somebody_who_left_finds_nobody_else() {
    let mut world = world(1);
    let gone = world.open_on(1, "");
    world.send(gone, &connect_as("sensor", SESSION, "ada"));
    let (_, late) = world.asks.pop().unwrap();
    world.end(gone, End::Broken);
    let next = world.open_on(1, "");
    world.send(next, &connect_as("other", SESSION, "bob"));
    world.answer(&late, admitted(Some("ada")));
    assert!(world.recv(next).is_empty() && world.counters().sessions == 0);
}

#[test]
fn nobody_loses_its_identifier_to_a_newcomer_that_is_not_admitted() {
    let mut world = world(1);
    let old = enter(&mut world, "sensor", SESSION, "ada");
    let thief = world.open_on(1, "");
    world.send(thief, &connect_as("sensor", SESSION, "ada"));
    assert!(!world.is_closed(old), "not before the verdict");
    let (_, ask) = world.asks.pop().unwrap();
    world.answer(&ask, Verdict::Refused(4));
    assert!(!world.is_closed(old) && world.is_closed(thief));
    let heir = enter(&mut world, "sensor", SESSION, "ada");
    assert!(world.is_closed(old) && !world.is_closed(heir));
    assert_eq!(world.counters().taken_over, 1);
}

#[test]
fn a_session_belongs_to_the_user_that_began_it() {
    let mut world = world(1);
    let ada = enter(&mut world, "sensor", SESSION, "ada");
    // Another user gets neither the connection nor, later, the session; and nobody without a name does.
    for round in 0..2 {
        for flags in [SESSION, CLEAN] {
            let bob = enter(&mut world, "sensor", flags, "bob");
            assert_eq!((world.recv(bob), world.is_closed(bob)), (vec![0x20, 2, 0, 2], true));
            let nobody = world.open(0);
            world.send(nobody, &connect("sensor", flags));
            assert_eq!(world.recv(nobody), [0x20, 2, 0, 2]);
        }
        if round == 0 {
            assert!(!world.is_closed(ada));
            world.end(ada, End::Broken);
        }
    }
    assert_eq!(world.counters().denied_identifiers, 8);
    let told = world.events.iter().filter_map(|event| match event {
        Event::NotTheirs { client_id, user, .. } => Some((&**client_id, user.as_deref())),
        Event::Connected { .. }
        | Event::Closed { .. }
        | Event::Denied { .. }
        | Event::Fight { .. }
        | Event::QueueFull { .. } => None,
    });
    let each = [("sensor", Some("bob")), ("sensor", None)];
    assert_eq!(told.collect::<Vec<_>>(), each.repeat(4), "a person is told who");
    let ada = enter(&mut world, "sensor", SESSION, "ada");
    assert_eq!(world.recv(ada), [0x20, 2, 1, 0]);
}

/// The same with a store. In it is a session that is nobody's yet, called `found`.
fn world_with_a_store() -> World {
    let world = world(1);
    let mut world = World::new(Config {
        durable: true,
        ..world.config().clone()
    });
    let found = Op::SessionCreated {
        session: SessionNo(900),
        client_id: "found".into(),
        user: None,
    };
    let batch = Batch {
        source: Source(9),
        number: 1,
        ops: vec![found],
    };
    world.store.submit(batch).unwrap();
    world.store.commit(&mut Vec::new()).unwrap();
    world.crash(0)
}

/// Whom of ada, bob and somebody without a name this session lets in.
fn heirs(world: &mut World, id: &str) -> Vec<&'static str> {
    let mut heirs = Vec::new();
    for user in ["bob", "", "ada"] {
        let client = if user.is_empty() {
            let client = world.open(0);
            world.send(client, &connect(id, SESSION));
            client
        } else {
            enter(world, id, SESSION, user)
        };
        let connack = world.recv(client);
        if connack == [0x20, 2, 1, 0] {
            heirs.push(user);
            world.end(client, End::Broken);
        } else {
            assert_eq!(connack, [0x20, 2, 0, 2]);
        }
    }
    heirs
}

#[test]
fn after_a_restart_a_session_belongs_to_whom_it_belonged_to_with_a_name_or_without() {
    let mut world = world_with_a_store();
    enter(&mut world, "named", SESSION, "ada");
    let nameless = world.open(0);
    world.send(nameless, &connect("nameless", SESSION));
    for _ in 0..2 {
        world = world.crash(0);
        assert_eq!(heirs(&mut world, "named"), ["ada"]);
        assert_eq!(heirs(&mut world, "nameless"), [""]);
    }
}

#[test]
fn a_session_that_is_nobodys_is_for_good_whosever_comes_first() {
    for first in ["ada", "bob", ""] {
        let mut world = world_with_a_store();
        world.wait_for_disk();
        let heir = if first.is_empty() {
            let heir = world.open(0);
            world.send(heir, &connect("found", SESSION));
            heir
        } else {
            enter(&mut world, "found", SESSION, first)
        };
        assert_eq!(world.recv(heir), [], "nobody would know it after a crash");
        world.commit();
        assert_eq!(world.recv(heir), [0x20, 2, 1, 0]);
        for _ in 0..2 {
            world = world.crash(0);
            assert_eq!(heirs(&mut world, "found"), [first]);
        }
    }
}

#[test]
fn a_session_that_is_nobodys_goes_to_nobody_while_that_cannot_be_kept() {
    let mut world = world_with_a_store();
    world.wait_for_disk();
    let other = world.open(0);
    world.send(other, &connect("other", SESSION));
    world.store.fail_commit(0, Fault::Device);
    world.commit();
    assert!(world.is_closed(other));
    let client = world.open_on(1, "192.0.2.1");
    world.send(client, &connect_as("found", SESSION, "ada"));
    assert_eq!(world.recv(client), [0x20, 2, 0, 3]);
}

#[test]
fn what_clients_without_a_name_left_is_free_once_no_such_client_is_let_in() {
    let mut world = world_with_a_store();
    let nameless = world.open(0);
    world.send(nameless, &connect("left", SESSION));
    assert_eq!(world.recv(nameless), WELCOME);
    world.end(nameless, End::Broken);
    let policy = (*world.config().policy).clone();
    world.rule(Policy {
        nameless: false,
        ..policy.clone()
    });
    let bob = enter(&mut world, "left", SESSION, "bob");
    assert_eq!(world.recv(bob), [0x20, 2, 1, 0]);
    world.end(bob, End::Broken);
    // It is the user's from now on, and for good.
    let ada = enter(&mut world, "left", SESSION, "ada");
    assert_eq!(world.recv(ada), [0x20, 2, 0, 2]);
    world.rule(policy);
    assert_eq!(heirs(&mut world, "left"), ["bob"]);
    world = world.crash(0);
    assert_eq!(heirs(&mut world, "left"), ["bob"]);
}

#[test]
fn a_name_that_nobody_asked_about_is_none() {
    let mut world = world(1);
    let liar = world.open(0);
    world.send(liar, &connect_as("sensor", SESSION, "ada"));
    assert_eq!(world.recv(liar), WELCOME);
    let ada = enter(&mut world, "sensor", SESSION, "ada");
    assert_eq!(
        world.recv(ada),
        [0x20, 2, 0, 2],
        "the session is of somebody without a name"
    );
}

#[test]
fn each_listener_has_its_versions_and_limits() {
    let small = ListenerPolicy {
        versions: Versions::NONE.with(Version::V311),
        max_packet_bytes: 64,
        max_subscriptions: 1,
        ..ListenerPolicy::default()
    };
    let mut world = world(1);
    world.rule(Policy {
        listeners: vec![ListenerPolicy::default(), small],
        ..Policy::default()
    });
    let old = [
        0x10, 15, 0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, 2, 0, 0, 0, 1, b'a',
    ];
    let (here, there) = (world.open(0), world.open_on(1, ""));
    world.send(here, &old);
    world.send(there, &old);
    assert_eq!(world.recv(here), WELCOME);
    // [MQTT-3.1.2-1] there its name is unknown.
    assert!(world.is_closed(there) && world.recv(there).is_empty());
    let client = world.open_on(1, "");
    world.send(client, &connect("b", CLEAN));
    world.send(client, &subscribe("one", 0));
    world.send(client, &subscribe("two", 0));
    assert_eq!(world.recv(client)[4..], [0x90, 3, 0, 1, 0, 0x90, 3, 0, 1, 0x80]);
    world.send(client, &publish(0x30, "t", 0, &[0; 64]));
    assert!(world.is_closed(client));
    let stranger = world.open_on(2, "");
    world.send(stranger, &connect("c", CLEAN));
    assert_eq!(
        world.recv(stranger),
        [0x20, 2, 0, 3],
        "nobody has said what holds there"
    );
}

#[test]
fn who_is_kicked_leaves_a_will() {
    let mut world = world(1);
    let (watcher, client) = (world.open(0), world.open(0));
    world.send(watcher, &connect("watcher", CLEAN));
    world.send(watcher, &subscribe("will", 0));
    world.recv(watcher);
    let mut bytes = connect("sensor", CLEAN | 4);
    bytes.extend([0, 4, b'w', b'i', b'l', b'l', 0, 1, b'x']);
    bytes[1] += 9;
    world.send(client, &bytes);
    world.kick(client);
    assert!(world.is_closed(client) && world.counters().kicked == 1);
    assert_eq!(world.recv(watcher), publish(0x30, "will", 0, b"x"));
}
