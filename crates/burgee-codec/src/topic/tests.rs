//! Topic names and filters against the tables of the standard, and against a matcher that is slow but plain.

use alloc::string::String;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{InvalidTopic, SharedFilter, TopicFilter, TopicFilterBuf, TopicName, TopicNameBuf};
use crate::types::Version;

fn filter(raw: &str) -> TopicFilter<'_> {
    TopicFilter::parse(raw).unwrap()
}

fn name(raw: &str) -> TopicName<'_> {
    TopicName::parse(raw).unwrap()
}

#[test]
fn a_name_has_neither_wildcards_nor_nul_and_is_not_empty() {
    for (raw, fault) in [
        ("", InvalidTopic::Empty),
        ("+", InvalidTopic::WildcardInName),
        ("a/#", InvalidTopic::WildcardInName),
        ("a+b", InvalidTopic::WildcardInName),
        ("a\0b", InvalidTopic::Nul),
        ("\0", InvalidTopic::Nul),
        ("+\0", InvalidTopic::Nul),
    ] {
        assert_eq!(TopicName::parse(raw), Err(fault), "{raw:?}");
    }
    for raw in [
        "a",
        "/",
        "//",
        " ",
        "a b",
        "$SYS/x",
        "\u{feff}a",
        "\u{ffff}",
        "\u{1}",
        "ä/日本",
    ] {
        assert_eq!(name(raw).as_str(), raw);
    }
}

#[test]
fn topics_have_at_most_65535_bytes() {
    let longest = "ä".repeat(32_767) + "a";
    assert_eq!(longest.len(), 65_535);
    assert!(TopicName::parse(&longest).is_ok());
    assert!(TopicFilter::parse(&longest).is_ok());
    let longer = longest + "a";
    assert_eq!(TopicName::parse(&longer), Err(InvalidTopic::TooLong));
    assert_eq!(TopicFilter::parse(&longer), Err(InvalidTopic::TooLong));
}

#[test]
fn wildcards_stand_alone_in_their_level() {
    use InvalidTopic::{MultiLevelWildcard, SingleLevelWildcard};
    for (raw, fault) in [
        ("", InvalidTopic::Empty),
        ("a\0", InvalidTopic::Nul),
        ("#/", MultiLevelWildcard),
        ("a/#/b", MultiLevelWildcard),
        ("a#", MultiLevelWildcard),
        ("##", MultiLevelWildcard),
        ("a/#b", MultiLevelWildcard),
        ("a/b#", MultiLevelWildcard),
        ("+#", SingleLevelWildcard),
        ("#+", MultiLevelWildcard),
        ("a+", SingleLevelWildcard),
        ("+a", SingleLevelWildcard),
        ("++", SingleLevelWildcard),
        ("a/+b/c", SingleLevelWildcard),
        ("a/b+/c", SingleLevelWildcard),
    ] {
        assert_eq!(TopicFilter::parse(raw), Err(fault), "{raw:?}");
    }
    for raw in [
        "#", "+", "/", "+/", "/+", "+/+", "a/#", "/#", "+/#", "a/+/b", "$SYS/#", "a/+/+/#", " /+",
    ] {
        assert_eq!(filter(raw).as_str(), raw);
    }
}

#[test]
fn a_fault_names_the_statement_of_its_version() {
    for (fault, v311, v5) in [
        (InvalidTopic::Empty, "MQTT-4.7.3-1", "MQTT5-4.7.3-1"),
        (InvalidTopic::TooLong, "MQTT-4.7.3-3", "MQTT5-4.7.3-3"),
        (InvalidTopic::Nul, "MQTT-1.5.3-2", "MQTT5-1.5.4-2"),
        (InvalidTopic::WildcardInName, "MQTT-4.7.1-1", "MQTT5-4.7.0-1"),
        (InvalidTopic::MultiLevelWildcard, "MQTT-4.7.1-2", "MQTT5-4.7.1-1"),
        (InvalidTopic::SingleLevelWildcard, "MQTT-4.7.1-3", "MQTT5-4.7.1-2"),
    ] {
        assert_eq!(fault.statement(Version::V31), v311);
        assert_eq!(fault.statement(Version::V311), v311);
        assert_eq!(fault.statement(Version::V5), v5);
    }
}

#[test]
fn matching_follows_the_table() {
    let yes: [(&str, &[&str]); 12] = [
        ("a/#", &["a", "a/", "a/b", "a/b/c"]),
        ("a/+", &["a/", "a/b"]),
        ("+/+", &["/", "/b", "a/b"]),
        ("+", &["a", "\u{feff}"]),
        ("#", &["a", "/", "a/b", "a/$x"]),
        ("$SYS/#", &["$SYS", "$SYS/x"]),
        ("a/+/#", &["a/b", "a/", "a/b/c"]),
        ("/+", &["/a", "/"]),
        ("+/", &["a/", "/"]),
        ("$SYS/+", &["$SYS/x"]),
        ("a/$b", &["a/$b"]),
        ("+/a/+", &["/a/", "x/a/y"]),
    ];
    for (raw, names) in yes {
        for topic in names {
            assert!(filter(raw).matches(name(topic)), "{raw} {topic}");
        }
    }
    let no: [(&str, &[&str]); 12] = [
        ("a/#", &["ab", "/a", "A", "A/b"]),
        ("a/+", &["a", "a/b/c"]),
        ("+/+", &["a", "a/b/c", "$a/b"]),
        ("+", &["/a", "a/", "$x"]),
        ("#", &["$SYS/x", "$"]),
        ("+/x", &["$SYS/x"]),
        ("$SYS/#", &["SYS/x", "$SYSx"]),
        ("a/+/#", &["a"]),
        ("a", &["\u{feff}a", "a ", "A"]),
        ("\u{e9}", &["e\u{301}"]),
        ("/", &["//", "a"]),
        ("+/#", &["$a", "$a/b"]),
    ];
    for (raw, names) in no {
        for topic in names {
            assert!(!filter(raw).matches(name(topic)), "{raw} {topic}");
        }
    }
}

#[test]
fn no_filter_matches_the_empty_name() {
    assert!(TopicName::EMPTY.is_empty());
    for raw in ["#", "+", "/", "+/#"] {
        assert!(!filter(raw).matches(TopicName::EMPTY), "{raw}");
    }
}

#[test]
fn sixty_five_thousand_levels_are_matched_in_no_time() {
    let slashes = "/".repeat(65_535);
    assert!(filter(&slashes).matches(name(&slashes)));
    let wild = "+/".repeat(32_767);
    assert!(filter(&wild).matches(name(&"/".repeat(32_767))));
    assert!(!filter(&wild).matches(name(&slashes)));
    assert!(filter("#").matches(name(&slashes)));
    assert_eq!(name(&slashes).levels().count(), 65_536);
}

#[test]
fn shared_filters_come_apart() {
    let parse = |raw| SharedFilter::parse(filter(raw));
    for raw in ["a", "$share", "$shared/g/f", "share/g/f", "/$share/g/f", "$SHARE/g/f"] {
        assert_eq!(parse(raw), None, "{raw}");
    }
    for (raw, group, inner) in [
        ("$share/g/f", "g", "f"),
        ("$share/g/#", "g", "#"),
        ("$share/g//", "g", "/"),
        ("$share/$x/+/y", "$x", "+/y"),
        ("$share/g/$SYS/#", "g", "$SYS/#"),
    ] {
        assert_eq!(
            parse(raw),
            Some(Ok(SharedFilter {
                group,
                filter: filter(inner)
            })),
            "{raw}"
        );
    }
    for raw in [
        "$share/",
        "$share//",
        "$share//f",
        "$share/g",
        "$share/g/",
        "$share/+/f",
        "$share/#",
    ] {
        assert_eq!(parse(raw), Some(Err(InvalidTopic::ShareName)), "{raw}");
    }
}

#[test]
fn owned_topics_say_what_borrowed_ones_say() {
    assert_eq!(TopicNameBuf::parse("a/#"), Err(InvalidTopic::WildcardInName));
    let owned = TopicFilterBuf::parse("a/+").unwrap();
    assert!(owned.as_ref().matches(name("a/b")));
    assert_eq!(
        alloc::format!("{owned} {owned:?} {} {:?}", owned.as_ref(), owned.as_ref()),
        "a/+ \"a/+\" a/+ \"a/+\""
    );
    let mut map = alloc::collections::BTreeSet::new();
    map.insert(TopicNameBuf::from(name("x")));
    assert!(map.contains("x"));
    assert!(filter("a/+").has_wildcards() && filter("#").has_wildcards() && !filter("a/b").has_wildcards());
    assert!(name("$x").is_dollar() && !name("x$").is_dollar());
}

/// By the definition, level by level, with all levels in memory.
fn matches_plainly(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) | ([], []) => true,
        ([level, filter @ ..], [name, topic @ ..]) => {
            (*level == "+" || level == name) && matches_plainly(filter, topic)
        }
        _ => false,
    }
}

fn levels(choices: &'static str) -> impl Strategy<Value = String> {
    let level = proptest::sample::select(choices.split(',').collect::<Vec<_>>());
    proptest::collection::vec(level, 1..6).prop_map(|levels| levels.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn matching_agrees_with_a_plain_matcher(raw in levels("a,b,,+,+,#,$a"), topic in levels("a,b,,$a")) {
        let (Ok(filter), Ok(topic)) = (TopicFilter::parse(&raw), TopicName::parse(&topic)) else { return Ok(()) };
        let parts: Vec<&str> = filter.levels().collect();
        let names: Vec<&str> = topic.levels().collect();
        let hidden = topic.is_dollar() && (raw.starts_with('+') || raw.starts_with('#'));
        prop_assert_eq!(filter.matches(topic), !hidden && matches_plainly(&parts, &names));
    }

    #[test]
    fn a_filter_without_wildcards_is_a_name_that_matches_itself(raw in "\\PC{0,12}") {
        if let Ok(name) = TopicName::parse(&raw) {
            let filter = TopicFilter::parse(&raw).unwrap();
            prop_assert!(!filter.has_wildcards() && filter.matches(name));
        } else {
            let wild = TopicFilter::parse(&raw).is_ok_and(TopicFilter::has_wildcards);
            prop_assert!(wild || TopicFilter::parse(&raw).is_err());
        }
    }
}
