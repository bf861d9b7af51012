//! Mosquitto's `acl_file`: what it says is what comes of it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong may panic"
)]

use burgee_access::{Action, Rules, Who, parse_acl_file};
use proptest::prelude::*;

const FILE: &str = "\
# for clients without a name
topic read public/#
topic $SYS/broker/uptime

user ada
topic readwrite house/#
topic deny house/safe
topic write a topic with blanks
topic literal/%u

user bob the builder
topic read #
user ada
topic read more\t

pattern read devices/%c/#
pattern write users/%u/from-%c
pattern deny devices/%c/locked
";

fn rules(text: &str) -> Rules {
    Rules::new(parse_acl_file("acl", text.as_bytes()).unwrap())
}

fn access(rules: &Rules, user: &str, client_id: &str, topic: &str) -> &'static str {
    let who = Who {
        user: Some(user).filter(|user| !user.is_empty()),
        client_id,
        address: None,
    };
    let may = |action| {
        rules
            .decide(&who, action, topic, false)
            .is_some_and(|decision| decision.allowed)
    };
    assert!(may(Action::Subscribe), "every subscription is granted");
    match (may(Action::Receive), may(Action::Publish)) {
        (true, true) => "rw",
        (true, false) => "r",
        (false, true) => "w",
        (false, false) => "-",
    }
}

#[test]
fn it_gives_what_mosquitto_gives() {
    let rules = rules(FILE);
    for (user, client, topic, expected) in [
        ("", "c", "public/x", "r"),
        ("", "c", "public", "r"),
        ("", "c", "$SYS/broker/uptime", "rw"),
        ("", "c", "house/x", "-"),
        ("", "c", "devices/c/x", "r"),
        ("", "c", "devices/d/x", "-"),
        ("", "c", "users//from-c", "-"),
        ("ada", "c", "public/x", "-"),
        ("ada", "c", "house/kitchen", "rw"),
        // Denied though a line before allows it: in this file the order does not matter.
        ("ada", "c", "house/safe", "-"),
        ("ada", "c", "a topic with blanks", "w"),
        ("ada", "c", "literal/%u", "rw"),
        ("ada", "c", "literal/ada", "-"),
        ("ada", "c", "more", "r"),
        ("ada", "c", "users/ada/from-c", "w"),
        ("ada", "c", "devices/c/locked", "-"),
        ("bob the builder", "c", "any/thing", "r"),
        ("bob the builder", "c", "$SYS/x", "-"),
        ("bob the builder", "c", "devices/c/locked", "r"),
        ("eve", "c", "house/kitchen", "-"),
        // A name may be more than one level, as there.
        ("eve", "c/d", "devices/c/d/e", "r"),
    ] {
        assert_eq!(access(&rules, user, client, topic), expected, "{user} {client} {topic}");
    }
    for odd in ["+", "#", "a#"] {
        assert_eq!(
            access(&rules, "ada", odd, "house/x"),
            "rw",
            "lines for a user come first"
        );
        assert_eq!(access(&rules, "eve", odd, "devices/c/x"), "-");
        assert_eq!(
            access(&rules, odd, "c", "devices/c/x"),
            "-",
            "for any name with a wildcard, whatever the pattern"
        );
    }
}

#[test]
fn rules_know_their_lines() {
    let rules = rules(FILE);
    let who = Who {
        user: Some("ada"),
        client_id: "c",
        address: None,
    };
    for (topic, line) in [
        ("house/safe", 7),
        ("house/x", 6),
        ("devices/c/x", 16),
        ("devices/c/locked", 18),
    ] {
        let decision = rules.decide(&who, Action::Receive, topic, false).unwrap();
        let place = rules.rule(decision.rule.unwrap()).unwrap().place.to_string();
        assert_eq!(place, format!("acl:{line}"));
    }
}

#[test]
fn an_empty_file_allows_nothing() {
    for text in ["", "\n\n# nothing\n", "user ada\n"] {
        assert_eq!(access(&rules(text), "ada", "c", "t"), "-");
    }
}

#[test]
fn everything_that_is_wrong_is_told_with_its_line() {
    let text = b"user\ntopic\nuser  \ntopics a\ntopic wride a b\ntopic read a/#/b\npattern\n\xFF\ntopic read \r\ntopic deny +a\n";
    let problems = parse_acl_file("/etc/acl", text).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let starts = [
        "/etc/acl:1: no user name",
        "/etc/acl:2: no topic",
        "/etc/acl:3: no user name",
        "/etc/acl:4: \"topics\" begins no line",
        "/etc/acl:5: \"wride\" is no access",
        "/etc/acl:6: \"a/#/b\" is no topic filter",
        "/etc/acl:7: no topic",
        "/etc/acl:8: the line is not UTF-8",
        "/etc/acl:10: \"+a\" is no topic filter",
    ];
    assert_eq!(told.len(), starts.len(), "{told:#?}");
    for (told, start) in told.iter().zip(starts) {
        assert!(told.starts_with(start), "{told}");
    }
    let many = parse_acl_file("acl", "nonsense\n".repeat(1000).as_bytes()).unwrap_err();
    assert_eq!(
        (many.len(), many.last().unwrap().to_string().as_str()),
        (101, "acl: and 900 more like these")
    );
    assert_eq!(
        parse_acl_file("acl", format!("topic {}", "a/".repeat(200)).as_bytes())
            .unwrap_err()
            .len(),
        1
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        words in prop::collection::vec(prop::sample::select(&["user ", "topic ", "pattern ", "read ", "deny ", "#", "+", "%u", "%c", "/", "\n", "a", "$", " "][..]), 0..60),
    ) {
        let _nothing = parse_acl_file("acl", &bytes);
        let text = words.concat();
        if let Ok(rules) = parse_acl_file("acl", text.as_bytes()) {
            let rules = Rules::new(rules);
            let who = Who { user: Some("%c"), client_id: "%u/a", address: None };
            let _decided = rules.decide(&who, Action::Publish, "a/%u/b", true);
        }
    }
}

#[test]
fn the_example_of_the_documentation_does_what_is_said_of_it() {
    let page = include_str!("../../../docs/access.md");
    let (_, behind) = page.split_once("## Mosquitto's `acl_file`").unwrap();
    let example = behind.split("```").nth(1).unwrap();
    let rules = rules(example);
    for (user, client, topic, expected) in [
        ("", "c", "public/x", "r"),
        ("ada", "c", "public/x", "-"),
        ("ada", "c", "house/kitchen", "rw"),
        ("ada", "c", "house/safe", "-"),
        ("ada", "c", "devices/c/up", "r"),
        ("ada", "c", "users/ada/status", "w"),
        ("bob", "c", "users/ada/status", "-"),
    ] {
        assert_eq!(access(&rules, user, client, topic), expected, "{user} {topic}");
    }
}
