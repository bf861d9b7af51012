//! `$SYS`: the names that Mosquitto made customary.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use burgee_conformance::{Next, Server, Wire, proofs};

proofs![
    sys_topics_have_customary_names,
    sys_topics_count,
    sys_topics_are_for_explicit_subscribers,
    sys_topics_can_be_off
];

const NAMES_WANTED: [&str; 22] = [
    "version",
    "uptime",
    "clients/total",
    "clients/connected",
    "clients/disconnected",
    "clients/maximum",
    "clients/active",
    "clients/inactive",
    "messages/received",
    "messages/sent",
    "messages/stored",
    "store/messages/count",
    "store/messages/bytes",
    "bytes/received",
    "bytes/sent",
    "publish/messages/received",
    "publish/messages/sent",
    "publish/messages/dropped",
    "subscriptions/count",
    "retained messages/count",
    "shared_subscriptions/count",
    "load/messages/received/1min",
];

fn broker(s: &Server) -> Server {
    s.sibling("", &["--sys-interval", "1"])
}

/// Reads `$SYS` messages until one satisfies `enough`, for at most a few intervals (a foreign server has its own).
#[track_caller]
fn read(wire: &mut Wire, mut enough: impl FnMut(&BTreeMap<String, String>) -> bool) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(14) {
        if let Next::Packet(packet) = wire.next(Duration::from_millis(200)) {
            let message = burgee_conformance::Message::parse(&packet);
            values.insert(
                message.topic().trim_start_matches("$SYS/broker/").to_owned(),
                message.text(),
            );
        }
        if enough(&values) {
            return values;
        }
    }
    panic!("waited in vain; got {values:#?}");
}

fn number(values: &BTreeMap<String, String>, name: &str) -> u64 {
    values.get(name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn sys_topics_have_customary_names(s: &Server) {
    let server = broker(s);
    let mut wire = server.watcher("$SYS/#", 0);
    let values = read(&mut wire, |values| {
        NAMES_WANTED.iter().all(|name| values.contains_key(*name))
    });
    assert!(!values["version"].is_empty());
    assert!(values["uptime"].ends_with("seconds"), "{}", values["uptime"]);
    // They are retained: whoever comes later sees them at once.
    let mut late = server.watcher("$SYS/broker/version", 1);
    let message = late.message();
    assert_eq!((message.first & 1, message.text()), (1, values["version"].clone()));
    server.finish();
}

fn sys_topics_count(s: &Server) {
    let server = broker(s);
    let mut wire = server.watcher("$SYS/broker/#", 0);
    let before = read(&mut wire, |values| values.contains_key("publish/messages/received"));
    let t = server.topic("t");
    let mut others: Vec<Wire> = (0..5).map(|_| server.watcher(&t, 1)).collect();
    let mut stored = server.session("stored", false);
    stored.subscribe(&[(&t, 1)]);
    stored.disconnect();
    for _ in 0..10 {
        server.publish(0x33, &t, "counted");
        for other in &mut others {
            other.take(0x32, &t, "counted");
        }
    }
    read(&mut wire, |values| {
        number(values, "clients/connected") >= 6
            && number(values, "clients/disconnected") >= 1
            && number(values, "subscriptions/count") >= 7
            && number(values, "retained messages/count") >= 1
            && number(values, "publish/messages/received") >= number(&before, "publish/messages/received") + 10
            && number(values, "publish/messages/sent") >= 50
            && number(values, "bytes/sent") > 500
    });
    server.finish();
}

fn sys_topics_are_for_explicit_subscribers(s: &Server) {
    let server = broker(s);
    let mut all = server.watcher("#", 0);
    let mut plus = server.watcher("+/broker/version", 0);
    let mut explicit = server.watcher("$SYS/broker/uptime", 0);
    // Two intervals pass.
    let first = explicit.message();
    assert_eq!(first.topic(), "$SYS/broker/uptime");
    match explicit.next(Duration::from_secs(14)) {
        Next::Packet(_) => {}
        Next::Closed | Next::Silent => panic!("no second value"),
    }
    let mut publisher = server.client("p");
    let seen = server.until_marker(&mut all, &mut publisher, &server.topic("marker"));
    assert!(seen.iter().all(|topic| !topic.starts_with('$')), "{seen:?}");
    plus.alive();
    server.finish();
}

fn sys_topics_can_be_off(s: &Server) {
    // All other tests run with --sys-interval 0.
    if s.process().is_some() {
        let mut wire = s.watcher("$SYS/#", 0);
        wire.quiet_for(Duration::from_millis(1500));
        wire.alive();
    }
}
