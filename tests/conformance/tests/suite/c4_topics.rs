//! Section 4.7: topic names, filters, and what matches.

use burgee_conformance::packet::DISCONNECT;
use burgee_conformance::{Connect, Server, Wire, proofs, publish, subscribe, unsubscribe};

proofs![
    mqtt_4_7_1_1_no_wildcards_in_topic_names,
    mqtt_4_7_1_2_hash_is_last_and_alone,
    mqtt_4_7_1_3_plus_fills_a_level,
    mqtt_4_7_2_1_leading_wildcard_does_not_match_dollar,
    mqtt_4_7_3_1_topics_are_not_empty,
    mqtt_4_7_3_2_topics_have_no_nul,
    mqtt_4_7_3_3_topics_up_to_65535_bytes,
    mqtt_4_7_3_4_no_normalisation_when_matching,
    d12_control_characters_and_noncharacters_are_characters,
    d14_dollar_topics_reach_explicit_subscribers,
    d15_a_topic_of_slashes_alone,
];

/// Each filter gets exactly the topics of its row; all topics of all rows are published.
#[track_caller]
fn matches(s: &Server, table: &[(&str, &[&str])]) {
    let mut publisher = s.client("p");
    let mut names: Vec<&str> = table.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    names.sort_unstable();
    names.dedup();
    for (filter, expected) in table {
        let mut watcher = s.client("w");
        watcher.subscribe(&[(s.topic(filter), 1), (s.topic("marker/marker/marker/marker"), 1)]);
        for name in &names {
            publisher.publish(0x32, s.topic(name), "x");
        }
        let mut got = s.until_marker(&mut watcher, &mut publisher, &s.topic("marker/marker/marker/marker"));
        got.sort_unstable();
        let mut wanted: Vec<String> = expected.iter().map(|name| s.topic(name)).collect();
        wanted.sort_unstable();
        assert_eq!(got, wanted, "filter {filter}");
    }
}

#[track_caller]
fn closes(s: &Server, packet: impl AsRef<[u8]>) {
    let mut wire = s.client("x");
    wire.send(packet);
    wire.closed();
}

fn mqtt_4_7_1_1_no_wildcards_in_topic_names(s: &Server) {
    for name in ["+", "#", "a/#", "a+", "#a", "+/a", "a/+/b", "a#b", "/#", "/+"] {
        for topic in [name.to_owned(), s.topic(name)] {
            closes(s, publish(0x30, &topic, 0, "x"));
            closes(s, publish(0x33, &topic, 1, "x"));
            closes(s, publish(0x34, &topic, 1, "x"));
            let mut wire = s.raw();
            wire.send(Connect::new(s.id("x")).will(0x04, &topic, "x").bytes());
            wire.closed();
        }
    }
}

fn mqtt_4_7_1_2_hash_is_last_and_alone(s: &Server) {
    for bad in [
        "a#", "#a", "a/#/b", "a/##", "a/#/", "#/a", "##", "#/", "/#/", "a/b#", "#+", "+#", "a/+#",
    ] {
        for filter in [bad.to_owned(), s.topic(bad)] {
            closes(s, subscribe(1, &[(&filter, 0)]));
            closes(s, subscribe(1, &[(&s.topic("good"), 0), (&filter, 0)]));
            closes(s, unsubscribe(1, &[&filter]));
        }
    }
    matches(
        s,
        &[
            ("a/#", &["a", "a/", "a/b", "a/b/c", "a//c"]),
            ("#", &["a", "a/", "a/b", "a/b/c", "a//c", "/", "/a", "ab"]),
            ("/#", &["/", "/a"]),
            ("a/b/#", &["a/b", "a/b/c"]),
            ("ab/#", &["ab"]),
            ("b/#", &[]),
        ],
    );
    // Alone, it matches everything but $-topics.
    let mut wire = s.watcher("#", 0);
    s.publish(0x30, &s.topic("x"), "all");
    while wire.message().topic() != s.topic("x") {}
}

fn mqtt_4_7_1_3_plus_fills_a_level(s: &Server) {
    for bad in ["a+", "+a", "a/+b", "a/++", "a/b+/c", "++", "+a/b", "a/+b/#", "+/a+"] {
        for filter in [bad.to_owned(), s.topic(bad)] {
            closes(s, subscribe(1, &[(&filter, 0)]));
            closes(s, unsubscribe(1, &[&filter]));
        }
    }
    matches(
        s,
        &[
            ("+", &["a", ""]),
            ("+/a", &["a/a", "b/a", "/a"]),
            ("a/+", &["a/a", "a/", "a/b"]),
            ("a/+/c/+", &["a/b/c/d", "a//c/"]),
            ("/+/a", &["/b/a"]),
            (
                "+/+/#",
                &[
                    "a/a", "b/a", "/a", "a/", "a/b", "a/b/c/d", "a//c/", "/b/a", "a/b/c", "/", "//",
                ],
            ),
            ("+/+", &["a/a", "b/a", "/a", "a/", "a/b", "/"]),
            ("+/", &["a/", "/"]),
            ("+/+/+", &["a/b/c", "/b/a", "//"]),
        ],
    );
    // + alone is one level without a slash.
    let lone = s.level();
    let mut wire = s.watcher("+", 0);
    s.publish(0x30, &format!("{lone}/"), "no");
    s.publish(0x30, &format!("/{lone}"), "no");
    s.publish(0x30, &lone, "yes");
    loop {
        let message = wire.message();
        assert!(!message.topic().contains('/'), "{}", message.topic());
        if message.topic() == lone {
            break;
        }
    }
}

fn mqtt_4_7_2_1_leading_wildcard_does_not_match_dollar(s: &Server) {
    let own = s.level();
    let marker = format!("{own}/{own}/m");
    let filters = [
        "#".to_owned(),
        format!("+/{own}/m"),
        "+/#".to_owned(),
        format!("+/{own}/#"),
    ];
    let dollar = [
        format!("$x/{own}/m"),
        format!("$x{own}"),
        format!("${own}/a"),
        "$".to_owned(),
        format!("$SYS/{own}/m"),
        format!("$sys/{own}/m"),
        format!("$/{own}/m"),
    ];
    let mut publisher = s.client("p");
    let publish_all = |publisher: &mut Wire, first| {
        for topic in &dollar {
            if topic.starts_with("$SYS") {
                // A server may close for this one.
                s.client("sys").publish(first, topic, "dollar");
            } else {
                publisher.publish(first, topic, "dollar");
            }
        }
    };
    let check = |watcher: &mut Wire, publisher: &mut Wire, when: &str| {
        let seen = s.until_marker(watcher, publisher, &marker);
        assert!(!seen.iter().any(|topic| topic.starts_with('$')), "{when}: {seen:?}");
    };
    for (place, filter) in filters.iter().enumerate() {
        let mut live = s.watcher(filter, 1);
        publish_all(&mut publisher, 0x32);
        check(&mut live, &mut publisher, "live");
        // Offline.
        let id = place.to_string();
        let mut offline = s.session(&id, false);
        offline.subscribe(&[(filter, 1)]);
        // Retained messages of others may lie in between, on a foreign server.
        offline.send(DISCONNECT);
        offline.drained();
        publish_all(&mut publisher, 0x32);
        let mut offline = s.session(&id, true);
        check(&mut offline, &mut publisher, "offline");
        offline.unsubscribe(&[filter]);
        // Retained.
        publish_all(&mut publisher, 0x33);
        let mut late = s.watcher(filter, 1);
        check(&mut late, &mut publisher, "retained");
        publish_empty(&mut publisher, &dollar);
    }
    // Only the first character counts.
    let mut watcher = s.watcher(&s.topic("+"), 0);
    s.publish(0x30, &s.topic("$x"), "x");
    watcher.take(0x30, s.topic("$x"), "x");
}

fn publish_empty(publisher: &mut Wire, topics: &[String]) {
    for topic in topics.iter().filter(|topic| !topic.starts_with("$SYS")) {
        publisher.publish(0x33, topic, "");
    }
}

fn mqtt_4_7_3_1_topics_are_not_empty(s: &Server) {
    for first in [0x30, 0x32, 0x34] {
        closes(s, publish(first, "", 1, "x"));
    }
    closes(s, subscribe(1, &[("", 0)]));
    closes(s, subscribe(1, &[(s.topic("t").as_str(), 0), ("", 0)]));
    closes(s, unsubscribe(1, &[""]));
    closes(s, unsubscribe(1, &[s.topic("t").as_str(), ""]));
    let mut wire = s.raw();
    wire.send(Connect::new(s.id("x")).will(0x04, "", "x").bytes());
    wire.closed();
    // One character is enough: / has two empty levels.
    let mut wire = s.watcher("/", 0);
    let mut publisher = s.client("p");
    publisher.publish(0x30, "/", s.level());
    while wire.message().text() != s.level() {}
}

fn mqtt_4_7_3_2_topics_have_no_nul(s: &Server) {
    let (bad, good) = (s.topic("a\0b"), s.topic("good"));
    let mut watcher = s.watcher(&s.topic("#"), 1);
    for first in [0x30, 0x31, 0x32, 0x34] {
        closes(s, publish(first, &bad, 1, "x"));
    }
    closes(s, subscribe(1, &[(&bad, 0)]));
    closes(s, subscribe(1, &[(&good, 0), (&bad, 0)]));
    closes(s, unsubscribe(1, &[&bad]));
    closes(s, unsubscribe(1, &[&good, &bad]));
    closes(s, subscribe(1, &[("\0", 0)]));
    closes(s, publish(0x30, "\0", 0, "x"));
    s.only_marker(&mut watcher, &s.topic("marker"));
}

fn mqtt_4_7_3_3_topics_up_to_65535_bytes(s: &Server) {
    let own = s.topic("");
    let mut wild = s.watcher(&s.topic("#"), 1);
    for length in [127, 128, 255, 256, 4096, 32_767, 32_768, 65_535] {
        let t = own.clone() + &"x".repeat(length - own.len());
        assert_eq!(t.len(), length);
        let mut watcher = s.watcher(&t, 1);
        s.publish(0x33, &t, "long");
        watcher.take(0x32, &t, "long");
        watcher.disconnect();
        wild.take(0x32, &t, "long");
        s.retained(&t, 1, 0x33, "long");
        let marker = wild.message();
        wild.settle(&marker);
        s.publish(0x33, &t, "");
        wild.take(0x32, &t, "");
    }
    // Bytes are counted, not characters: 65535 bytes with 21845 characters of three bytes at most.
    let t = own.clone() + &"€".repeat((65_535 - own.len()) / 3);
    s.publish(0x32, &t, "euro");
    wild.take(0x32, &t, "euro");
}

fn mqtt_4_7_3_4_no_normalisation_when_matching(s: &Server) {
    let names = [
        "accounts",
        "Accounts",
        "ACCOUNTS",
        "accounts/",
        "/accounts",
        "accounts//",
        "//accounts",
        "accounts ",
        " accounts",
        "acc ounts",
        "accounts/./x",
        "accounts/x",
        "accounts/../x",
        "accounts/%78",
        "%61ccounts",
        "caf\u{E9}",
        "cafe\u{301}",
        "ﬁle",
        "file",
        "ss",
        "ß",
        "ſ",
        "s",
        "Ⅳ",
        "IV",
        "K",
        "\u{212A}",
        "accounts//x",
        "a\u{200D}b",
        "ab",
        "İ",
        "i",
    ];
    let mut watchers: Vec<Wire> = names.iter().map(|name| s.watcher(&s.topic(name), 1)).collect();
    let mut publisher = s.client("p");
    for name in names {
        publisher.publish(0x33, s.topic(name), name);
    }
    for (watcher, name) in watchers.iter_mut().zip(names) {
        watcher.take(0x32, s.topic(name), name);
    }
    for (watcher, name) in watchers.iter_mut().zip(names) {
        publisher.publish(0x32, s.topic(name), "marker");
        watcher.take(0x32, s.topic(name), "marker");
        // The retained store compares alike.
        s.retained(&s.topic(name), 1, 0x33, name);
        let marker = watcher.message();
        watcher.settle(&marker);
    }
    for watcher in &mut watchers {
        watcher.alive();
    }
}

fn d12_control_characters_and_noncharacters_are_characters(s: &Server) {
    for odd in [
        "\u{1}",
        "\u{1F}",
        "\u{7F}",
        "\u{85}",
        "\u{FFFF}",
        "\u{FFFE}",
        "\u{10FFFF}",
        "\u{FDD0}",
        "\u{E000}",
    ] {
        let t = s.topic(&format!("a{odd}b"));
        let mut watcher = s.watcher(&t, 1);
        s.publish(0x32, &t, "odd");
        watcher.take(0x32, &t, "odd");
        s.open(&Connect::new(s.id(odd)).user(odd).will(0x04, &t, "x"))
            .disconnect();
    }
}

fn d14_dollar_topics_reach_explicit_subscribers(s: &Server) {
    let t = format!("$x{}/a", s.level());
    for filter in [t.clone(), format!("$x{}/#", s.level()), format!("$x{}/+", s.level())] {
        let mut watcher = s.watcher(&filter, 1);
        s.publish(0x32, &t, "x");
        watcher.take(0x32, &t, "x");
        s.only_marker(&mut watcher, &t);
    }
}

fn d15_a_topic_of_slashes_alone(s: &Server) {
    // 65536 empty levels: neither recursion nor quadratic cost.
    let deep = "/".repeat(65_535);
    let wide = "a/".repeat(32_767);
    let mut exact = s.watcher(&deep, 1);
    let mut plus = s.watcher(&("+/".repeat(32_767) + "+"), 1);
    let mut hash = s.watcher("/#", 1);
    let mut publisher = s.client("p");
    publisher.publish(0x33, &deep, "deep");
    exact.take(0x32, &deep, "deep");
    hash.take(0x32, &deep, "deep");
    publisher.publish(0x32, &wide, "wide");
    plus.take(0x32, &wide, "wide");
    let mut late = s.watcher("/#", 1);
    late.take(0x33, &deep, "deep");
    publisher.publish(0x33, &deep, "");
    late.take(0x32, &deep, "");
    publisher.alive();
}
