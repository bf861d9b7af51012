//! Shared subscriptions for 3.1.1 clients: `$share/group/filter` (an addition of ours, D14).

use std::collections::BTreeMap;

use burgee_conformance::{Next, PATIENCE, QUIET, Server, Wire, ack, proofs, subscribe};

proofs![
    share_each_message_goes_to_one_member,
    share_groups_and_plain_subscriptions_are_independent,
    share_wildcards_and_qos,
    share_members_leave,
    share_retained_messages_are_not_sent,
    share_unsubscribe_and_resubscribe,
    share_offline_members_do_not_swallow_messages,
    share_dollar_rule_looks_at_the_filter_behind,
    share_malformed_filters_are_not_granted,
];

/// Reads what came for each of the members until all is quiet: payloads with the place of the member that got them.
fn collect(members: &mut [Wire], count: usize) -> BTreeMap<String, usize> {
    let mut got = BTreeMap::new();
    let start = std::time::Instant::now();
    while got.len() < count && start.elapsed() < PATIENCE {
        for (place, wire) in members.iter_mut().enumerate() {
            if let Next::Packet(packet) = wire.next(std::time::Duration::from_millis(5)) {
                let message = burgee_conformance::Message::parse(&packet);
                wire.settle(&message);
                let twice = got.insert(message.text(), place);
                assert_eq!(twice, None, "{} came twice", message.text());
            }
        }
    }
    assert_eq!(got.len(), count, "{got:?}");
    for wire in members {
        wire.quiet_for(QUIET);
    }
    got
}

fn publish_numbers(publisher: &mut Wire, topic: &str, first: u8, numbers: std::ops::Range<usize>) {
    for number in numbers {
        publisher.publish(first, topic, number.to_string());
    }
}

fn share_each_message_goes_to_one_member(s: &Server) {
    let t = s.topic("t");
    let shared = format!("$share/g/{t}");
    let mut members: Vec<Wire> = (0..3).map(|_| s.watcher(&shared, 1)).collect();
    let mut publisher = s.client("p");
    publish_numbers(&mut publisher, &t, 0x32, 0..60);
    let got = collect(&mut members, 60);
    for place in 0..3 {
        assert!(got.values().any(|got| *got == place), "member {place} got nothing");
    }
}

fn share_groups_and_plain_subscriptions_are_independent(s: &Server) {
    let t = s.topic("t");
    let mut one: Vec<Wire> = (0..2).map(|_| s.watcher(&format!("$share/one/{t}"), 1)).collect();
    let mut two: Vec<Wire> = (0..2).map(|_| s.watcher(&format!("$share/two/{t}"), 1)).collect();
    let mut plain = s.watcher(&t, 1);
    let mut publisher = s.client("p");
    publish_numbers(&mut publisher, &t, 0x32, 0..20);
    collect(&mut one, 20);
    collect(&mut two, 20);
    for number in 0..20 {
        plain.take(0x32, &t, number.to_string());
    }
    plain.quiet();
    // One client with a plain and a shared subscription gets the message for each.
    let mut both = s.watcher(&s.topic("u"), 1);
    both.subscribe(&[(format!("$share/three/{}", s.topic("u")), 0)]);
    publisher.publish(0x32, s.topic("u"), "x");
    let mut firsts = [both.message(), both.message()].map(|message| {
        both.settle(&message);
        message.first
    });
    firsts.sort_unstable();
    assert_eq!(firsts, [0x30, 0x32]);
}

fn share_wildcards_and_qos(s: &Server) {
    let mut publisher = s.client("p");
    for granted in 0..3 {
        let mut member = s.watcher(&format!("$share/g/{}", s.topic("+/#")), granted);
        for published in 0..3 {
            publisher.publish(0x30 | published << 1, s.topic("a/b"), "x");
            member.take(0x30 | published.min(granted) << 1, s.topic("a/b"), "x");
        }
        member.disconnect();
    }
}

fn share_members_leave(s: &Server) {
    let t = s.topic("t");
    let shared = format!("$share/g/{t}");
    let mut members: Vec<Wire> = (0..3).map(|_| s.watcher(&shared, 1)).collect();
    let mut publisher = s.client("p");
    publish_numbers(&mut publisher, &t, 0x32, 0..9);
    collect(&mut members, 9);
    members.remove(1).disconnect();
    publish_numbers(&mut publisher, &t, 0x32, 9..18);
    collect(&mut members, 9);
    members.remove(0).cut();
    publish_numbers(&mut publisher, &t, 0x32, 18..27);
    collect(&mut members, 9);
}

fn share_retained_messages_are_not_sent(s: &Server) {
    let t = s.topic("t");
    s.publish(0x33, &t, "kept");
    let mut member = s.watcher(&format!("$share/g/{t}"), 1);
    s.only_marker(&mut member, &t);
    // Live, RETAIN is 0 as everywhere.
    s.publish(0x33, &t, "live");
    member.take(0x32, &t, "live");
}

fn share_unsubscribe_and_resubscribe(s: &Server) {
    let t = s.topic("t");
    let shared = format!("$share/g/{t}");
    let mut member = s.watcher(&shared, 1);
    member.subscribe(&[(&t, 1)]);
    member.unsubscribe(&[&shared]);
    s.publish(0x32, &t, "plain");
    member.take(0x32, &t, "plain");
    s.only_marker(&mut member, &t);
    member.unsubscribe(&[&t]);
    member.subscribe(&[(&shared, 0)]);
    member.subscribe(&[(&shared, 2)]);
    s.publish(0x34, &t, "shared");
    member.take(0x34, &t, "shared");
    s.only_marker(&mut member, &t);
}

fn share_offline_members_do_not_swallow_messages(s: &Server) {
    let t = s.topic("t");
    let shared = format!("$share/g/{t}");
    let mut stored = s.session("stored", false);
    stored.subscribe(&[(&shared, 1)]);
    stored.disconnect();
    let mut member = s.watcher(&shared, 1);
    let mut publisher = s.client("p");
    // While somebody is there, the messages are for those who are there.
    publish_numbers(&mut publisher, &t, 0x32, 0..10);
    let mut members = [member];
    collect(&mut members, 10);
    [member] = members;
    member.disconnect();
    // When nobody is, they are stored.
    publish_numbers(&mut publisher, &t, 0x32, 10..14);
    let mut stored = [s.session("stored", true)];
    collect(&mut stored, 4);
}

fn share_dollar_rule_looks_at_the_filter_behind(s: &Server) {
    let own = s.level();
    let mut member = s.client("m");
    member.subscribe(&[("$share/g/#".to_owned(), 1), (format!("$share/g/$x/{own}"), 1)]);
    let mut publisher = s.client("p");
    publisher.publish(0x32, format!("$y/{own}"), "not for #");
    let seen = s.until_marker(&mut member, &mut publisher, &s.topic("marker"));
    assert!(seen.iter().all(|topic| !topic.starts_with('$')), "{seen:?}");
    publisher.publish(0x32, format!("$x/{own}"), "explicit");
    let mut seen = s.until_marker(&mut member, &mut publisher, &s.topic("marker"));
    seen.retain(|topic| topic.starts_with('$'));
    assert_eq!(seen, [format!("$x/{own}")]);
}

fn share_malformed_filters_are_not_granted(s: &Server) {
    for bad in [
        "$share/g",
        "$share//t",
        "$share/g/",
        "$share/+/t",
        "$share/#/t",
        "$share/a+b/t",
        "$share/g/a/#/b",
    ] {
        let mut wire = s.client("a");
        wire.send(subscribe(1, &[(bad, 1)]));
        match wire.next(PATIENCE) {
            Next::Closed => {}
            Next::Packet(packet) => assert_eq!(packet, [0x90, 3, 0, 1, 0x80], "{bad}"),
            Next::Silent => panic!("{bad}: neither answered nor closed"),
        }
    }
    // The word alone, or another one, is a name like any other.
    let mut wire = s.client("a");
    wire.subscribe(&[("$shared/g/t", 1)]);
    wire.send(ack(0x62, 1));
    wire.expect(ack(0x70, 1));
}
