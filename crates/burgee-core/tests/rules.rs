//! Stories about rules: what they deny reaches nobody, whichever way it would have gone, and what they allow does.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong may panic"
)]

mod world;

use std::sync::Arc;

use burgee_access::{Action, Actions, Place, Reply, Rule, Rules, TopicPattern, Topics, Users, parse_acl_file};
use burgee_codec::QoS;
use burgee_core::io::{Admission, End, Event, Verdict};
use burgee_core::{Config, ListenerPolicy, Policy};
use world::{Client, World, connect, publish, subscribe};

const SESSION: u8 = 0;
const CLEAN: u8 = 2;
const WELCOME: [u8; 4] = [0x20, 2, 0, 0];

fn topics(filters: &[&str]) -> Topics {
    let parse = |filter: &&str| filter.parse::<TopicPattern>().unwrap();
    Topics::Matching(filters.iter().map(parse).collect())
}

fn place(line: u32) -> Place {
    Place {
        file: Arc::from("rules"),
        line,
    }
}

fn allow(actions: Actions, filters: &[&str]) -> Rule {
    Rule::allow(actions, topics(filters), place(1))
}

fn deny(actions: Actions, filters: &[&str]) -> Rule {
    Rule::deny(actions, topics(filters), place(2))
}

fn with(rules: Vec<Rule>) -> Policy {
    Policy {
        rules: Some(Arc::new(Rules::new(rules))),
        ..Policy::default()
    }
}

fn world(shards: u16, durable: bool, policy: Policy) -> World {
    World::new(Config {
        shards,
        durable,
        policy: Arc::new(policy),
        sys_interval_ms: 0,
        ..Config::default()
    })
}

fn enter(world: &mut World, id: &str, flags: u8) -> Client {
    let client = world.open(0);
    world.send(client, &connect(id, flags));
    world.recv(client);
    client
}

/// CONNECT with a will of QoS 0.
fn connect_with_will(id: &str, topic: &str, retain: bool) -> Vec<u8> {
    let mut bytes = connect(id, CLEAN | 4 | if retain { 0x20 } else { 0 });
    bytes.extend([0, u8::try_from(topic.len()).unwrap()]);
    bytes.extend(topic.as_bytes());
    bytes.extend([0, 1, b'x']);
    bytes[1] = u8::try_from(bytes.len() - 2).unwrap();
    bytes
}

/// Everybody may do everything but what is below `no/`.
fn open_but_no(actions: Actions) -> Policy {
    with(vec![
        deny(actions, &["no/#"]),
        Rule::allow(Actions::ALL, Topics::All, place(3)),
    ])
}

#[test]
fn what_may_not_be_published_is_acknowledged_and_reaches_nobody() {
    for (shards, durable) in [(1, false), (4, false), (4, true)] {
        let mut world = world(shards, durable, open_but_no(Actions::PUBLISH));
        let (watcher, sensor) = (
            enter(&mut world, "watcher", SESSION),
            enter(&mut world, "sensor", SESSION),
        );
        world.send(watcher, &subscribe("#", 2));
        world.recv(watcher);
        for (first, answer) in [
            (0x30, &[][..]),
            (0x31, &[]),
            (0x33, &[0x40, 2, 0, 7]),
            (0x35, &[0x50, 2, 0, 7]),
        ] {
            world.send(sensor, &publish(first, "no/way", 7, b"x"));
            assert_eq!(world.recv(sensor), answer, "acknowledged by its QoS");
        }
        // Sent again it is still the same, and still nobody's.
        world.send(sensor, &publish(0x3D, "no/way", 7, b"x"));
        assert_eq!(world.recv(sensor), [0x50, 2, 0, 7]);
        assert!(world.recv(watcher).is_empty() && !world.is_closed(sensor));
        world.send(watcher, &subscribe("no/way", 0));
        assert_eq!(world.recv(watcher), [0x90, 3, 0, 1, 0], "nothing is retained");
        assert_eq!(world.counters().dropped_denied, 4);
        world.send(sensor, &publish(0x30, "yes", 0, b"x"));
        assert_eq!(world.recv(watcher), publish(0x30, "yes", 0, b"x"));
    }
}

#[test]
fn a_rule_may_close_whoever_publishes() {
    let mut refused = deny(Actions::PUBLISH, &["no/#"]);
    refused.reply = Reply::Close;
    let all = Rule::allow(Actions::ALL, Topics::All, place(3));
    let mut world = world(1, false, with(vec![refused, all]));
    let watcher = enter(&mut world, "watcher", CLEAN);
    world.send(watcher, &subscribe("#", 0));
    world.recv(watcher);
    let sensor = world.open(0);
    world.send(sensor, &connect_with_will("sensor", "gone", false));
    world.recv(sensor);
    let mut bytes = publish(0x32, "no/way", 7, b"x");
    bytes.extend(publish(0x30, "yes", 0, b"behind it"));
    world.send(sensor, &bytes);
    assert!(world.is_closed(sensor) && world.recv(sensor).is_empty());
    assert_eq!(
        world.recv(watcher),
        publish(0x30, "gone", 0, b"x"),
        "its will and nothing else"
    );
}

#[test]
fn a_topic_is_looked_up_once_and_again_after_a_reload() {
    let mut list: Vec<Rule> = (0..10_000)
        .map(|n| allow(Actions::ALL, &[&format!("site/{n}/#")]))
        .collect();
    let mut world = world(1, false, with(list.clone()));
    let (watcher, sensor) = (enter(&mut world, "watcher", CLEAN), enter(&mut world, "sensor", CLEAN));
    world.send(watcher, &subscribe("site/9999/#", 1));
    world.recv(watcher);
    let before = world.counters().rule_lookups;
    for _ in 0..1000 {
        world.send(sensor, &publish(0x30, "site/9999/t", 0, b"x"));
    }
    world.send(sensor, &publish(0x32, "site/9999/t", 1, b"x"));
    assert_eq!(
        world.counters().rule_lookups - before,
        2,
        "one for publishing, one for receiving"
    );
    world.recv(watcher);
    // What is remembered, the route of the short way included, is of the rules before.
    list[9999] = deny(Actions::PUBLISH, &["site/9999/#"]);
    world.rule(with(list.clone()));
    world.send(sensor, &publish(0x30, "site/9999/t", 0, b"x"));
    assert!(world.recv(watcher).is_empty() && world.counters().dropped_denied == 1);
    list[9999] = allow(Actions::PUBLISH, &["site/9999/#"]);
    world.rule(with(list.clone()));
    world.send(sensor, &publish(0x30, "site/9999/t", 0, b"x"));
    assert!(world.recv(watcher).is_empty(), "published, and not to be received");
    assert_eq!(world.counters().denied_deliveries, 1);
    world.rule(Policy::default());
    world.send(sensor, &publish(0x30, "site/9999/t", 0, b"x"));
    assert_eq!(
        world.recv(watcher),
        publish(0x30, "site/9999/t", 0, b"x"),
        "no rules, no limits"
    );
}

#[test]
fn retain_and_qos_are_part_of_what_is_remembered() {
    let mut small = allow(Actions::ALL, &["t"]);
    (small.retain, small.max_qos) = (Some(false), QoS::AtMostOnce);
    let mut world = world(1, false, with(vec![small]));
    let sensor = enter(&mut world, "sensor", CLEAN);
    world.send(sensor, &subscribe("t", 2));
    assert_eq!(world.recv(sensor), [0x90, 3, 0, 1, 0], "granted with less");
    for (first, arrives) in [
        (0x30, true),
        (0x30, true),
        (0x32, false),
        (0x31, false),
        (0x30, true),
        (0x34, false),
        (0x30, true),
    ] {
        world.send(sensor, &publish(first, "t", 1, b"x"));
        let came = world.recv(sensor);
        let copy = publish(0x30, "t", 0, b"x");
        assert_eq!(came.windows(copy.len()).any(|part| part == copy), arrives, "{first:x}");
    }
    assert_eq!(world.counters().dropped_denied, 3);
}

#[test]
fn a_forbidden_will_is_refused_at_connect_and_not_published_later() {
    let mut world = world(1, false, open_but_no(Actions::PUBLISH));
    let watcher = enter(&mut world, "watcher", CLEAN);
    world.send(watcher, &subscribe("#", 0));
    world.recv(watcher);
    let refused = world.open(0);
    world.send(refused, &connect_with_will("sensor", "no/will", false));
    assert_eq!(
        (world.recv(refused), world.is_closed(refused)),
        (vec![0x20, 2, 0, 5], true)
    );
    let sensor = world.open(0);
    world.send(sensor, &connect_with_will("sensor", "will", true));
    assert_eq!(world.recv(sensor), WELCOME);
    world.rule(with(vec![
        deny(Actions::PUBLISH, &["will"]),
        Rule::allow(Actions::ALL, Topics::All, place(3)),
    ]));
    world.end(sensor, End::Broken);
    assert!(world.recv(watcher).is_empty(), "it may not any more");
    assert_eq!(world.counters().denied_wills, 2);
    // The end of the broker publishes wills as well.
    let sensor = world.open(0);
    world.send(sensor, &connect_with_will("sensor", "other", false));
    world.rule(with(vec![
        deny(Actions::PUBLISH, &["other"]),
        Rule::allow(Actions::ALL, Topics::All, place(3)),
    ]));
    world.shut_down();
    assert!(world.recv(watcher).is_empty() && world.counters().denied_wills == 3);
}

#[test]
fn a_will_of_a_lost_client_is_looked_at_after_a_restart() {
    for (policy, published) in [(open_but_no(Actions::PUBLISH), false), (Policy::default(), true)] {
        let mut world = world(1, true, Policy::default());
        let watcher = enter(&mut world, "watcher", SESSION);
        world.send(watcher, &subscribe("#", 1));
        let sensor = world.open(0);
        let mut bytes = connect_with_will("sensor", "no/will", false);
        bytes[9] = 4 | 8;
        world.send(sensor, &bytes);
        let mut world = world.crash_to(policy);
        world.jump(1);
        let watcher = world.open(0);
        world.send(watcher, &connect("watcher", SESSION));
        assert_eq!(world.recv(watcher).len() > 4, published);
        assert_eq!(world.counters().denied_wills, u64::from(!published));
    }
}

#[test]
fn filters_are_refused_lowered_or_granted() {
    let subscribe_and_receive = Actions::SUBSCRIBE | Actions::RECEIVE;
    let mut low = allow(subscribe_and_receive, &["low/#"]);
    low.max_qos = QoS::AtLeastOnce;
    let rules = vec![
        deny(subscribe_and_receive, &["yes/secret"]),
        low,
        allow(subscribe_and_receive, &["yes/#"]),
        allow(Actions::PUBLISH, &["#"]),
    ];
    let mut world = world(1, true, with(rules));
    let client = enter(&mut world, "client", SESSION);
    for (filter, code) in [
        ("yes/#", 2),
        ("yes/secret", 0x80),
        ("low/a", 1),
        ("low/#", 1),
        ("#", 0x80),
        ("+/x", 0x80),
        ("$share/g/yes/x", 2),
        ("$share/g/no", 0x80),
        ("$share/g/yes/secret", 0x80),
        ("$SYS/#", 0x80),
    ] {
        world.send(client, &subscribe(filter, 2));
        assert_eq!(world.recv(client), [0x90, 3, 0, 1, code], "{filter}");
    }
    assert_eq!(world.counters().denied_subscriptions, 6);
    let publisher = enter(&mut world, "publisher", CLEAN);
    world.send(publisher, &publish(0x30, "yes/secret", 0, b"x"));
    assert!(world.recv(client).is_empty(), "a wider filter does not bring it");
    // What is refused is not kept either.
    assert_eq!(
        world
            .ops
            .iter()
            .filter(|op| matches!(op, burgee_store::Op::Subscribed { .. }))
            .count(),
        4
    );
}

#[test]
fn what_may_not_be_received_is_not_sent_by_any_way() {
    let acl = parse_acl_file("acl", b"topic write #\ntopic read yes/#\n").unwrap();
    for (shards, durable) in [(1, false), (4, false), (1, true), (4, true)] {
        let mut world = world(shards, durable, with(acl.clone()));
        let publisher = enter(&mut world, "publisher", CLEAN);
        for first in [0x31, 0x33] {
            world.send(publisher, &publish(first, &format!("no/retained{first}"), 9, b"old"));
        }
        world.send(publisher, &publish(0x31, "yes/retained", 0, b"old"));
        world.recv(publisher);
        let names: Vec<String> = (0..8).map(|n| format!("watcher{n}")).collect();
        let watchers: Vec<Client> = names.iter().map(|name| enter(&mut world, name, SESSION)).collect();
        for watcher in &watchers {
            world.send(*watcher, &subscribe("#", 2));
            let mut expected = vec![0x90, 3, 0, 1, 2];
            expected.extend(publish(0x31, "yes/retained", 0, b"old"));
            assert_eq!(world.recv(*watcher), expected, "mosquitto's file grants every filter");
        }
        for first in [0x30, 0x32, 0x34] {
            world.send(publisher, &publish(first, "no/live", 9, b"x"));
            if first == 0x34 {
                world.send(publisher, &[0x62, 2, 0, 9]);
            }
        }
        world.send(publisher, &publish(0x32, "yes/live", 8, b"x"));
        for watcher in &watchers {
            assert_eq!(world.recv(*watcher), publish(0x32, "yes/live", 1, b"x"));
        }
        // Two retained messages and three live ones for each of eight.
        assert_eq!(
            (world.counters().denied_deliveries, world.counters().queued_messages),
            (5 * 8, 8)
        );
        for watcher in watchers {
            world.send(watcher, &[0x40, 2, 0, 1]);
        }
        if durable {
            world.jump(200);
            assert_eq!(world.owed(), 0, "nothing is owed to anybody in the store");
        }
    }
}

#[test]
fn what_waited_is_looked_at_when_it_is_sent() {
    for durable in [false, true] {
        let mut world = world(1, durable, Policy::default());
        let sleeper = enter(&mut world, "sleeper", SESSION);
        world.send(sleeper, &subscribe("#", 2));
        world.end(sleeper, End::Broken);
        let publisher = enter(&mut world, "publisher", CLEAN);
        let mut expected = vec![0x20, 2, 1, 0];
        for number in 1..=40_u8 {
            let (first, topic) = (0x32, if number % 4 == 0 { "yes" } else { "no/x" });
            world.send(publisher, &publish(first, topic, number, &[number]));
            if number % 4 == 0 {
                expected.extend(publish(first, topic, number / 4, &[number]));
            }
        }
        assert_eq!(world.counters().queued_messages, 40);
        world.rule(open_but_no(Actions::RECEIVE));
        let back = world.open(0);
        world.send(back, &connect("sleeper", SESSION));
        assert_eq!(world.recv(back), expected, "what is allowed comes, in order");
        assert_eq!(
            (world.counters().denied_deliveries, world.counters().queued_messages),
            (30, 10)
        );
        for id in 1..=10 {
            world.send(back, &[0x40, 2, 0, id]);
        }
        if durable {
            world.jump(200);
            assert_eq!(world.owed(), 0);
        }
    }
}

#[test]
fn a_queue_of_nothing_that_may_be_sent_ends() {
    let mut world = world(1, false, Policy::default());
    let sleeper = enter(&mut world, "sleeper", SESSION);
    world.send(sleeper, &subscribe("#", 1));
    world.end(sleeper, End::Broken);
    let publisher = enter(&mut world, "publisher", CLEAN);
    for number in 0..5000_u32 {
        world.send(publisher, &publish(0x32, "no/x", 1, &number.to_be_bytes()));
    }
    world.send(publisher, &publish(0x32, "yes", 1, b"last"));
    world.rule(open_but_no(Actions::RECEIVE));
    let (back, turns) = (world.open(0), world.turns);
    world.send(back, &connect("sleeper", SESSION));
    let mut expected = vec![0x20, 2, 1, 0];
    expected.extend(publish(0x32, "yes", 1, b"last"));
    assert_eq!(world.recv(back), expected);
    assert!(world.turns >= turns + 4, "a turn takes out a bounded number");
}

#[test]
fn a_subscription_that_is_forbidden_later_stays_and_brings_nothing() {
    let mut world = world(2, false, Policy::default());
    let (watcher, publisher) = (
        enter(&mut world, "watcher", SESSION),
        enter(&mut world, "publisher", CLEAN),
    );
    world.send(watcher, &subscribe("no/x", 1));
    world.recv(watcher);
    for (policy, arrives) in [
        (open_but_no(Actions::SUBSCRIBE | Actions::RECEIVE), false),
        (Policy::default(), true),
        (with(Vec::new()), false),
        (with(vec![Rule::allow(Actions::ALL, Topics::All, place(1))]), true),
    ] {
        world.rule(policy);
        world.send(publisher, &publish(0x30, "no/x", 0, b"x"));
        assert_eq!(!world.recv(watcher).is_empty(), arrives);
    }
}

#[test]
fn who_asks_matters() {
    let named = |users, filters: &[&str]| {
        let mut rule = allow(Actions::ALL, filters);
        rule.users = users;
        rule
    };
    let own = Arc::new(Rules::new(vec![
        deny(Actions::PUBLISH, &["for/ada/but"]),
        allow(Actions::PUBLISH, &["own"]),
    ]));
    let mut near = allow(Actions::ALL, &["near"]);
    near.addresses = vec!["192.0.2.0/24".parse().unwrap()];
    let mut policy = with(vec![
        named(Users::Matching(vec!["ada".parse().unwrap()]), &["for/%u/#"]),
        named(Users::Anonymous, &["public"]),
        allow(Actions::ALL, &["device/%c"]),
        near,
    ]);
    policy.listeners.push(ListenerPolicy {
        ask: true,
        ..ListenerPolicy::default()
    });
    policy.listeners.push(ListenerPolicy {
        rules: Some(Arc::new(Rules::new(vec![allow(Actions::ALL, &["there"])]))),
        ..ListenerPolicy::default()
    });
    let mut world = world(1, false, policy);
    let may = |world: &mut World, client: Client, topic: &str| {
        let before = world.counters().dropped_denied;
        world.send(client, &publish(0x30, topic, 0, b"x"));
        world.counters().dropped_denied == before
    };
    let ada = world.open_on(1, "198.51.100.1");
    world.send(ada, &connect("c1", CLEAN));
    let (_, ask) = world.asks.pop().unwrap();
    let admission = Admission {
        user: Some(Arc::from("ada")),
        client_rules: Some(own),
        ..Admission::default()
    };
    world.answer(&ask, Verdict::Admitted(admission));
    let somebody = world.open_on(0, "::ffff:192.0.2.9");
    world.send(somebody, &connect("c2", CLEAN));
    let elsewhere = world.open_on(2, "");
    world.send(elsewhere, &connect("c3", CLEAN));
    for (topic, expected) in [
        ("for/ada/x", [true, false, false]),
        ("for/ada/but", [false; 3]),
        ("own", [true, false, false]),
        ("public", [false, true, false]),
        ("device/c1", [true, false, false]),
        ("device/c2", [false, true, false]),
        ("near", [false, true, false]),
        ("there", [false, false, true]),
    ] {
        let seen = [ada, somebody, elsewhere].map(|client| may(&mut world, client, topic));
        assert_eq!(seen, expected, "{topic}");
    }
    // Another policy leaves who it is, where it is, and its own rules.
    world.rule(Policy {
        listeners: vec![ListenerPolicy::default(); 3],
        ..with(vec![allow(Actions::ALL, &["new/%u"])])
    });
    assert!(may(&mut world, ada, "new/ada") && may(&mut world, ada, "own") && !may(&mut world, ada, "near"));
    assert!(!may(&mut world, somebody, "public") && !may(&mut world, elsewhere, "there"));
    assert!(!world.is_closed(ada));
}

#[test]
fn a_denial_is_told_once_in_a_while_with_its_rule() {
    let mut world = world(1, false, open_but_no(Actions::ALL));
    let sensor = enter(&mut world, "sensor", CLEAN);
    for _ in 0..5 {
        world.send(sensor, &publish(0x30, "no/way", 0, b"x"));
    }
    world.send(sensor, &subscribe("no/#", 0));
    let told = |world: &mut World| -> Vec<(Action, Box<str>, String, u64)> {
        let events = core::mem::take(&mut world.events).into_iter();
        let denied = events.filter_map(|event| match event {
            Event::Denied {
                action,
                topic,
                rule,
                untold,
                ..
            } => Some((action, topic, rule.unwrap().to_string(), untold)),
            Event::Connected { .. }
            | Event::Closed { .. }
            | Event::Fight { .. }
            | Event::NotTheirs { .. }
            | Event::QueueFull { .. } => None,
        });
        denied.collect()
    };
    let rule = "rules:2".to_owned();
    assert_eq!(told(&mut world), [(Action::Publish, "no/way".into(), rule.clone(), 0)]);
    world.jump(10_000);
    world.send(sensor, &subscribe("no/#", 0));
    assert_eq!(told(&mut world), [(Action::Subscribe, "no/#".into(), rule, 5)]);
}
