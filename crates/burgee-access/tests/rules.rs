//! Stories about rules: order, names in topics, limits, cost, explanations.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong may panic"
)]

use std::sync::Arc;

use burgee_access::{Action, Actions, Place, Reply, Request, Rule, Rules, Topics, Users, Who};
use burgee_codec::{QoS, TopicFilter, TopicName};

fn topics(filters: &[&str]) -> Topics {
    Topics::Matching(filters.iter().map(|filter| filter.parse().unwrap()).collect())
}

fn place(line: u32) -> Place {
    Place {
        file: Arc::from("burgee.toml"),
        line,
    }
}

fn who<'a>(user: &'a str, client_id: &'a str) -> Who<'a> {
    Who {
        user: Some(user).filter(|user| !user.is_empty()),
        client_id,
        address: None,
    }
}

fn allowed(rules: &Rules, who: &Who<'_>, action: Action, name: &str) -> bool {
    rules
        .decide(who, action, name, false)
        .is_some_and(|decision| decision.allowed)
}

#[test]
fn the_first_rule_that_fits_decides_and_none_means_no() {
    let rules = Rules::new(vec![
        Rule::deny(Actions::PUBLISH, topics(&["plant/stop"]), place(1)),
        Rule::allow(Actions::PUBLISH, topics(&["plant/#"]), place(2)),
        Rule::deny(Actions::ALL, topics(&["plant/late"]), place(3)),
    ]);
    let ada = who("ada", "c");
    assert!(!allowed(&rules, &ada, Action::Publish, "plant/stop"));
    assert!(allowed(&rules, &ada, Action::Publish, "plant/late") && allowed(&rules, &ada, Action::Publish, "plant"));
    assert_eq!(rules.decide(&ada, Action::Publish, "other", false), None);
    assert_eq!(rules.decide(&ada, Action::Receive, "plant/stop", false), None);
    assert!(
        Rules::new(Vec::new())
            .decide(&ada, Action::Publish, "a", false)
            .is_none()
    );
}

#[test]
fn a_filter_is_granted_if_a_rule_allows_all_that_it_matches() {
    let subscribe: Actions = "subscribe".parse().unwrap();
    let rules = Rules::new(vec![
        Rule::deny(subscribe, topics(&["secret/#"]), place(1)),
        Rule::allow(subscribe, topics(&["+/temperature", "logs/#", "secret/hint"]), place(2)),
    ]);
    let ada = who("ada", "c");
    for granted in [
        "kitchen/temperature",
        "+/temperature",
        "logs",
        "logs/#",
        "logs/+/x",
        "logs/a/#",
    ] {
        assert!(allowed(&rules, &ada, Action::Subscribe, granted), "{granted}");
    }
    for refused in [
        "#",
        "+",
        "+/+",
        "kitchen/#",
        "$SYS/temperature",
        "secret/#",
        "secret/hint",
        "secret",
    ] {
        assert!(!allowed(&rules, &ada, Action::Subscribe, refused), "{refused}");
    }
    // What a wider filter brings is looked at when it is sent.
    assert!(!allowed(&rules, &ada, Action::Receive, "secret/temperature"));
}

#[test]
fn names_are_put_into_topics_and_odd_names_are_not() {
    let rules = Rules::new(vec![
        Rule::allow(Actions::ALL, topics(&["open/#"]), place(1)),
        Rule::allow(Actions::ALL, topics(&["devices/%c/#", "users/%u/x-%c"]), place(2)),
        Rule::allow(Actions::ALL, topics(&["last/#"]), place(3)),
    ]);
    let ada = who("ada", "c1");
    for (topic, expected) in [
        ("devices/c1/up", true),
        ("devices/c1", true),
        ("devices/c12", false),
        ("devices/c2/up", false),
        ("users/ada/x-c1", true),
        ("users/ada/x-c2", false),
        ("users/bob/x-c1", false),
        ("last/a", true),
    ] {
        assert_eq!(allowed(&rules, &ada, Action::Publish, topic), expected, "{topic}");
    }
    assert!(allowed(&rules, &who("", "c1"), Action::Publish, "devices/c1/up"));
    for odd in ["+", "#", "c1/up", "a+"] {
        let odd = who("ada", odd);
        assert!(allowed(&rules, &odd, Action::Publish, "open/a"));
        let denied = rules.decide(&odd, Action::Publish, "last/a", false).unwrap();
        assert!(
            !denied.allowed && denied.rule == Some(1),
            "the first rule that would put it in denies"
        );
    }
    // A client cannot name itself into $SYS.
    let rules = Rules::new(vec![Rule::allow(Actions::ALL, topics(&["%c/#"]), place(1))]);
    assert!(!allowed(&rules, &who("ada", "$SYS"), Action::Receive, "$SYS/broker"));
}

#[test]
fn retain_qos_and_addresses_are_looked_at() {
    let mut small = Rule::allow(Actions::PUBLISH | Actions::SUBSCRIBE, topics(&["t"]), place(1));
    (small.retain, small.max_qos) = (Some(false), QoS::AtLeastOnce);
    let mut inside = Rule::allow(Actions::PUBLISH, topics(&["t"]), place(2));
    inside.addresses = vec!["10.0.0.0/8".parse().unwrap()];
    let mut refused = Rule::deny(Actions::PUBLISH, topics(&["t"]), place(3));
    refused.reply = Reply::Close;
    let rules = Rules::new(vec![small, inside, refused]);
    let mut ada = who("ada", "c");
    let plain = rules.decide(&ada, Action::Publish, "t", false).unwrap();
    assert!(plain.allows(QoS::AtLeastOnce) && !plain.allows(QoS::ExactlyOnce));
    let retained = rules.decide(&ada, Action::Publish, "t", true).unwrap();
    assert!(!retained.allows(QoS::AtMostOnce) && retained.reply == Reply::Close && retained.rule == Some(2));
    ada.address = "::ffff:10.2.3.4".parse().ok();
    assert!(
        rules
            .decide(&ada, Action::Publish, "t", true)
            .unwrap()
            .allows(QoS::ExactlyOnce)
    );
    assert_eq!(
        rules.decide(&ada, Action::Subscribe, "t", true).unwrap().max_qos,
        QoS::AtLeastOnce
    );
}

#[test]
fn users_are_all_some_or_none() {
    let rule = |users, line| {
        let mut rule = Rule::allow(Actions::PUBLISH, topics(&[&format!("t{line}")]), place(line));
        rule.users = users;
        rule
    };
    let rules = Rules::new(vec![
        rule(Users::Anonymous, 1),
        rule(Users::Named, 2),
        rule(Users::Matching(vec!["ada".parse().unwrap(), "b*".parse().unwrap()]), 3),
    ]);
    for (user, expected) in [
        ("", [true, false, false]),
        ("ada", [false, true, true]),
        ("bob", [false, true, true]),
        ("eve", [false, true, false]),
    ] {
        let may = ["t1", "t2", "t3"].map(|topic| allowed(&rules, &who(user, "c"), Action::Publish, topic));
        assert_eq!(may, expected, "{user}");
    }
}

#[test]
fn ten_thousand_rules_cost_a_question_a_handful() {
    let mut list = Vec::new();
    for number in 0..10_000_u32 {
        let mut rule = Rule::allow(
            Actions::ALL,
            topics(&[&format!("site/{number}/#"), "status/+/now"]),
            place(number),
        );
        match number % 4 {
            0 => rule.users = Users::Matching(vec![format!("user{number}").parse().unwrap()]),
            1 => rule.clients = vec![format!("client{number}").parse().unwrap()],
            2 => rule.topics = topics(&[&format!("fleet/{number}/+/speed")]),
            _ => {
                rule.topics = topics(&[&format!("house/{number}/%u")]);
                rule.effect = burgee_access::Effect::Deny;
            }
        }
        list.push(rule);
    }
    let rules = Rules::new(list);
    for (user, client, topic, expected) in [
        ("user8000", "client1", "site/8000/a/b", Some(8000)),
        ("user8000", "client8001", "site/8001/a/b", Some(8001)),
        ("user8000", "client8001", "status/x/now", Some(8000)),
        ("bob", "b", "fleet/9998/car/speed", Some(9998)),
        ("bob", "b", "house/9999/bob", Some(9999)),
        ("bob", "b", "house/9999/eve", None),
        ("bob", "b", "nothing/at/all", None),
    ] {
        let who = who(user, client);
        let decided = rules.decide(&who, Action::Publish, topic, false);
        assert_eq!(decided.and_then(|decision| decision.rule), expected, "{topic}");
        let cost = rules.looked_at(&who, Action::Publish, topic, false);
        assert!(cost <= 3, "{cost} rules were looked at for {topic}");
    }
}

#[test]
fn a_decision_is_explained_with_its_rule_and_place() {
    let mut small = Rule::allow(
        Actions::PUBLISH | Actions::SUBSCRIBE,
        topics(&["devices/%c/#"]),
        place(12),
    );
    (small.max_qos, small.users) = (QoS::AtLeastOnce, Users::Named);
    let mut stop = Rule::deny(Actions::PUBLISH, topics(&["stop"]), place(14));
    stop.reply = Reply::Close;
    let rules = Rules::new(vec![small, stop]);
    let ada = who("ada", "c1");
    let topic = |topic| TopicName::parse(topic).unwrap();
    let publish = |name, qos| Request::Publish {
        topic: topic(name),
        qos,
        retain: false,
    };
    let filter = TopicFilter::parse("$share/g/devices/c1/+").unwrap();
    let qos = QoS::ExactlyOnce;
    let rule = "burgee.toml:12: allow publish, subscribe (the filter alone) on devices/%c/#, user: any, QoS at most 1";
    for (who, request, said) in [
        (
            &ada,
            publish("devices/c1/up", QoS::AtLeastOnce),
            format!("allowed by {rule}; QoS 1"),
        ),
        (
            &ada,
            publish("devices/c1/up", qos),
            format!("denied by {rule}; the QoS is greater"),
        ),
        (
            &ada,
            Request::Subscribe { filter, qos },
            format!("allowed by {rule}; QoS 1"),
        ),
        (
            &ada,
            publish("stop", qos),
            "denied by burgee.toml:14: deny publish on stop, closing the connection".to_owned(),
        ),
        (
            &ada,
            Request::Receive { topic: topic("x") },
            "denied: no rule fits, and what no rule allows is denied".to_owned(),
        ),
    ] {
        let explained = rules.explain(who, &request);
        assert_eq!(explained.to_string(), said);
        assert_eq!(explained.allowed, said.starts_with("allowed"));
    }
    let odd = who("ada", "+");
    let odd = rules.explain(&odd, &publish("stop", qos)).to_string();
    assert!(
        odd.starts_with("denied by burgee.toml:12") && odd.ends_with("which no rule puts into a topic"),
        "{odd}"
    );
}
