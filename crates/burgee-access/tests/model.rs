//! The compiled rules against their definition: a list that is read from top to bottom.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong may panic"
)]

use std::sync::Arc;

use burgee_access::{Action, Actions, Decision, Effect, Place, Reply, Rule, Rules, TopicPattern, Topics, Users, Who};
use burgee_codec::{QoS, TopicFilter, TopicName};
use proptest::prelude::*;
use proptest::sample::select;

fn place() -> Place {
    Place {
        file: Arc::from("rules"),
        line: 1,
    }
}

/// Whether a filter matches all that another does, or a topic: level by level.
fn covers(rule: &[&str], asked: &[&str], first: bool) -> bool {
    let dollar = first && asked.first().is_some_and(|level| level.starts_with('$'));
    match (rule.split_first(), asked.split_first()) {
        (Some((&"#", _)), _) => !dollar,
        (None, None) => true,
        (Some((&"+", rule)), Some((&level, asked))) => !dollar && level != "#" && covers(rule, asked, false),
        (Some((rule, rules)), Some((level, asked))) => rule == level && covers(rules, asked, false),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn topics_fit(pattern: &str, who: &Who<'_>, asked: &str) -> bool {
    let named_first = pattern.split('/').next().unwrap().contains('%');
    if pattern.contains("%u") && who.user.is_none() {
        return false;
    }
    if named_first && !pattern.starts_with('$') && asked.starts_with('$') {
        return false;
    }
    // What is put in is one text: putting it in cannot make anything else to be put in.
    let mut filter = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        filter.push_str(&rest[..at]);
        match rest.as_bytes().get(at + 1) {
            Some(b'u') => filter.push_str(who.user.unwrap()),
            Some(b'c') => filter.push_str(who.client_id),
            _ => {
                filter.push('%');
                rest = &rest[at + 1..];
                continue;
            }
        }
        rest = &rest[at + 2..];
    }
    filter.push_str(rest);
    let (rule, asked): (Vec<&str>, Vec<&str>) = (filter.split('/').collect(), asked.split('/').collect());
    covers(&rule, &asked, true)
}

/// The definition.
fn slow(list: &[Rule], who: &Who<'_>, (action, retain): (Action, bool), asked: &str) -> Option<Decision> {
    let odd = |letter: char| who.client_id.contains(letter) || who.user.is_some_and(|user| user.contains(letter));
    let is_unsafe = odd('+') || odd('#') || odd('/');
    (0..).zip(list).find_map(|(number, rule)| {
        let user = match &rule.users {
            Users::Everybody => true,
            Users::Anonymous => who.user.is_none(),
            Users::Named => who.user.is_some(),
            Users::Matching(globs) => who.user.is_some_and(|user| globs.iter().any(|glob| glob.fits(user))),
        };
        let client = rule.clients.is_empty() || rule.clients.iter().any(|glob| glob.fits(who.client_id));
        let address = rule.addresses.is_empty()
            || rule
                .addresses
                .iter()
                .any(|range| who.address.is_some_and(|address| range.has(address)));
        let retain = action != Action::Publish || rule.retain.is_none_or(|wanted| wanted == retain);
        if !(user && client && address && retain && rule.actions.has(action)) {
            return None;
        }
        let patterns: &[TopicPattern] = match &rule.topics {
            Topics::All => &[],
            Topics::Matching(patterns) => patterns,
        };
        let named = |pattern: &&TopicPattern| pattern.as_str().contains("%u") || pattern.as_str().contains("%c");
        if is_unsafe && patterns.iter().any(|pattern| named(&pattern)) {
            let asks = patterns.iter().any(|pattern| {
                pattern.as_str().contains("%c") || (pattern.as_str().contains("%u") && who.user.is_some())
            });
            return asks.then_some(Decision {
                rule: Some(number),
                ..Decision::NO_RULE
            });
        }
        let fits =
            rule.topics == Topics::All || patterns.iter().any(|pattern| topics_fit(pattern.as_str(), who, asked));
        fits.then(|| Decision {
            allowed: rule.effect == Effect::Allow,
            max_qos: rule.max_qos,
            reply: rule.reply,
            rule: Some(number),
        })
    })
}

const NAMES: [&str; 9] = ["a", "b", "ab", "u1", "$x", "a/b", "+", "#", "c%u"];
const LEVELS: [&str; 14] = [
    "a", "b", "ab", "u1", "", "+", "%u", "%c", "x%c", "%u%c", "$x", "$SYS", "5%", "%%c",
];

fn pattern() -> impl Strategy<Value = TopicPattern> {
    (prop::collection::vec(select(&LEVELS), 1..4), any::<bool>()).prop_filter_map("a filter", |(levels, hash)| {
        let mut text = levels.join("/");
        if hash {
            text.push_str("/#");
        }
        text.parse().ok()
    })
}

fn globs() -> impl Strategy<Value = Vec<burgee_access::Glob>> {
    let glob =
        select(&["a", "b", "ab", "u1", "*", "a*", "*b", "$x", "a/b", "+"][..]).prop_map(|text| text.parse().unwrap());
    prop::collection::vec(glob, 1..3)
}

prop_compose! {
    fn rule()(
        allow in any::<bool>(),
        actions in select(&[Actions::PUBLISH, Actions::SUBSCRIBE, Actions::RECEIVE, Actions::ALL][..]),
        topics in prop_oneof![
            1 => Just(Topics::All),
            9 => prop::collection::vec(pattern(), 1..3).prop_map(Topics::Matching),
        ],
        users in prop_oneof![
            4 => Just(Users::Everybody),
            1 => Just(Users::Anonymous),
            1 => Just(Users::Named),
            4 => globs().prop_map(Users::Matching),
        ],
        clients in prop_oneof![3 => Just(Vec::new()), 1 => globs()],
        address in select(&[None, None, None, Some("10.0.0.0/8"), Some("::/0")][..]),
        retain in select(&[None, None, Some(true), Some(false)][..]),
        max_qos in select(&[QoS::AtMostOnce, QoS::ExactlyOnce][..]),
        close in any::<bool>(),
    ) -> Rule {
        let mut rule = if allow {
            Rule::allow(actions, topics, place())
        } else {
            Rule::deny(actions, topics, place())
        };
        rule.users = users;
        rule.clients = clients;
        rule.addresses = address.map(|range| range.parse().unwrap()).into_iter().collect();
        (rule.retain, rule.max_qos) = (retain, max_qos);
        if close {
            rule.reply = Reply::Close;
        }
        rule
    }
}

fn question() -> impl Strategy<
    Value = (
        Option<&'static str>,
        &'static str,
        Option<&'static str>,
        (Action, bool),
        String,
    ),
> {
    let topic = prop::collection::vec(
        select(&["a", "b", "ab", "u1", "", "xa", "ab", "$x", "$SYS", "5%", "%a", "+"][..]),
        1..5,
    );
    (
        prop::option::of(select(&NAMES[..])),
        select(&NAMES[..]),
        select(&[None, Some("10.1.1.1"), Some("::ffff:10.0.0.1"), Some("2001:db8::1")][..]),
        (
            select(&[Action::Publish, Action::Subscribe, Action::Receive][..]),
            any::<bool>(),
        ),
        (topic, any::<bool>()),
    )
        .prop_map(|(user, client, address, (action, retain), (topic, hash))| {
            let mut text = topic.join("/");
            if action == Action::Subscribe {
                if hash {
                    text.push_str("/#");
                }
            } else {
                text = text.replace('+', "a");
            }
            (user, client, address, (action, retain), text)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn it_decides_as_the_list_read_from_top_to_bottom(
        list in prop::collection::vec(rule(), 0..12),
        questions in prop::collection::vec(question(), 1..12),
    ) {
        let rules = Rules::new(list.clone());
        for (user, client_id, address, (action, retain), name) in questions {
            let address = address.map(|address| address.parse().unwrap());
            let who = Who { user, client_id, address };
            let expected = slow(&list, &who, (action, retain), &name);
            let decided = rules.decide(&who, action, &name, retain);
            prop_assert_eq!(decided, expected, "{:?} {:?} {}", who, action, name);
        }
    }

    /// A granted filter matches no topic that the deciding rule does not.
    #[test]
    fn a_filter_that_is_granted_matches_nothing_outside_its_rule(
        pattern in pattern(),
        filter in pattern(),
        topic in prop::collection::vec(select(&["a", "b", "ab", "u1", "", "xa", "$x"][..]), 1..4),
    ) {
        let who = Who { user: Some("u1"), client_id: "a", address: None };
        let subscribe = Rule::allow(Actions::SUBSCRIBE | Actions::RECEIVE, Topics::Matching(vec![pattern]), place());
        let rules = Rules::new(vec![subscribe]);
        let topic = topic.join("/");
        let (Ok(filter), Ok(name)) = (TopicFilter::parse(filter.as_str()), TopicName::parse(&topic)) else {
            return Ok(());
        };
        if rules.decide(&who, Action::Subscribe, filter.as_str(), false).is_some() && filter.matches(name) {
            prop_assert!(rules.decide(&who, Action::Receive, &topic, false).is_some(), "{} {}", filter.as_str(), topic);
        }
    }
}
