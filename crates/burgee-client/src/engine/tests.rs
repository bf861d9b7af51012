//! Stories of the engine in virtual time: what it writes, when it speaks, what survives a connection.

mod past;

use super::past::Past;
use super::*;
use crate::options::Options;
use burgee_codec::TopicNameBuf;

const CONNACK: &[u8] = &[0x20, 2, 0, 0];
const RESUMED: &[u8] = &[0x20, 2, 1, 0];

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn idle(options: &Options) -> Engine<u32> {
    Engine::new(options.check().expect("valid"), Session::new(options.window))
}

fn options() -> Options {
    Options::new("h", 1).client_id("c").keep_alive(10)
}

/// An engine behind its CONNACK, with nothing left to write.
fn open(options: &Options, connack: &[u8]) -> Engine<u32> {
    let mut engine = idle(options);
    reconnect(&mut engine, connack);
    engine
}

fn reconnect(engine: &mut Engine<u32>, connack: &[u8]) {
    engine.connected(at(0));
    assert_eq!(written(engine).first(), Some(&0x10));
    receive(engine, connack);
    assert!(std::iter::from_fn(|| engine.next_event()).any(|event| matches!(event, Event::Connected { .. })));
}

/// Takes everything that is to be written.
fn written(engine: &mut Engine<u32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !engine.outbox().is_empty() {
        let chunk: Vec<u8> = engine.outbox().chunks().flatten().copied().collect();
        engine.wrote(chunk.len(), at(0)).expect("writable");
        bytes.extend(chunk);
    }
    bytes
}

fn receive(engine: &mut Engine<u32>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let taken = engine
            .receive(bytes, at(0))
            .expect("no violation")
            .expect("whole packets");
        bytes = &bytes[taken..];
    }
}

fn fault(engine: &mut Engine<u32>, bytes: &[u8]) -> &'static str {
    engine.receive(bytes, at(0)).expect_err("a violation").statement()
}

fn message(qos: QoS, payload: &[u8]) -> Message {
    let topic = TopicNameBuf::parse("t").expect("valid");
    Message {
        topic,
        payload: payload.into(),
        qos,
        retain: false,
        packet_id: None,
        dup: false,
    }
}

fn publish(engine: &mut Engine<u32>, ticket: u32, qos: QoS) {
    engine.publish(message(qos, b"p"), ticket, 0, at(0)).expect("writable");
}

fn done(engine: &mut Engine<u32>) -> Vec<u32> {
    let mut tickets = Vec::new();
    while let Some(event) = engine.next_event() {
        if let Event::Done { ticket, .. } = event {
            tickets.push(ticket);
        }
    }
    tickets
}

/// First byte and identifier of each packet in `bytes`, all of which are short.
fn heads(mut bytes: &[u8]) -> Vec<(u8, u8)> {
    let mut heads = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        let (body, behind) = rest.split_at(usize::from(*length));
        // In a PUBLISH the identifier stands behind the topic `t`.
        let at = if first >> 4 == 3 { 4 } else { 1 };
        heads.push((*first, body.get(at).copied().unwrap_or(0)));
        bytes = behind;
    }
    heads
}

#[test]
fn nothing_goes_out_between_connect_and_connack() {
    let mut engine = idle(&options().clean_session(false));
    publish(&mut engine, 1, QoS::AtLeastOnce);
    engine.connected(at(0));
    assert_eq!(
        written(&mut engine),
        [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 10, 0, 1, b'c']
    );
    assert!(!engine.has_room());
    receive(&mut engine, CONNACK);
    assert_eq!(heads(&written(&mut engine)), [(0x32, 1)]);
}

#[test]
fn each_acknowledgement_finds_its_ticket() {
    let mut engine = open(&options(), CONNACK);
    publish(&mut engine, 10, QoS::AtLeastOnce);
    publish(&mut engine, 20, QoS::ExactlyOnce);
    publish(&mut engine, 30, QoS::AtMostOnce);
    let filter = || TopicFilterBuf::parse("f").expect("valid");
    engine
        .subscribe(vec![(filter(), QoS::AtMostOnce)], 40, at(0))
        .expect("writable");
    engine.unsubscribe(vec![filter()], 50, at(0)).expect("writable");
    assert_eq!(done(&mut engine), [], "nothing is written yet");
    assert_eq!(
        heads(&written(&mut engine)),
        [(0x32, 1), (0x34, 2), (0x30, b'p'), (0x82, 3), (0xA2, 4)].map(|head| {
            // The payload of QoS 0 is too short for an identifier.
            if head.0 == 0x30 { (0x30, 0) } else { head }
        })
    );
    assert_eq!(done(&mut engine), [30], "QoS 0 is done when it is written");
    receive(&mut engine, &[0xB0, 2, 0, 4, 0x90, 3, 0, 3, 0, 0x50, 2, 0, 2]);
    assert_eq!(done(&mut engine), [50, 40]);
    assert_eq!(written(&mut engine), [0x62, 2, 0, 2]);
    receive(&mut engine, &[0x70, 2, 0, 2, 0x40, 2, 0, 1]);
    assert_eq!(done(&mut engine), [20, 10]);
    assert!(engine.is_settled());
}

#[test]
fn unfinished_work_resumes_in_order_with_dup_and_the_old_identifiers() {
    let options = options().clean_session(false);
    let mut engine = open(&options, CONNACK);
    for (ticket, qos) in [
        (1, QoS::ExactlyOnce),
        (2, QoS::AtLeastOnce),
        (3, QoS::ExactlyOnce),
        (4, QoS::AtLeastOnce),
    ] {
        publish(&mut engine, ticket, qos);
    }
    let filter = TopicFilterBuf::parse("f").expect("valid");
    engine
        .subscribe(vec![(filter, QoS::AtMostOnce)], 9, at(0))
        .expect("writable");
    written(&mut engine);
    receive(&mut engine, &[0x50, 2, 0, 1, 0x40, 2, 0, 2]);
    assert_eq!(done(&mut engine), [2]);
    engine.lost();
    let mut engine = Engine::new(options.check().expect("valid"), engine.into_session());
    reconnect(&mut engine, RESUMED);
    publish(&mut engine, 5, QoS::AtLeastOnce);
    assert_eq!(
        heads(&written(&mut engine)),
        [(0x62, 1), (0x3C, 3), (0x3A, 4), (0x32, 6)],
        "no SUBSCRIBE: its asker is gone"
    );
    receive(
        &mut engine,
        &[
            0x70, 2, 0, 1, 0x50, 2, 0, 3, 0x70, 2, 0, 3, 0x40, 2, 0, 6, 0x40, 2, 0, 4,
        ],
    );
    assert_eq!(done(&mut engine), [1, 3, 5, 4]);
}

#[test]
fn a_server_without_the_session_gets_the_rest_anew() {
    let mut engine = open(&options().clean_session(false).window(3), CONNACK);
    for ticket in 1..=5 {
        publish(
            &mut engine,
            ticket,
            if ticket == 2 {
                QoS::ExactlyOnce
            } else {
                QoS::AtLeastOnce
            },
        );
    }
    receive(&mut engine, &[0x34, 6, 0, 1, b't', 0, 7, b'x']);
    written(&mut engine);
    receive(&mut engine, &[0x40, 2, 0, 1]);
    assert_eq!(heads(&written(&mut engine)), [(0x32, 4)]);
    engine.lost();
    reconnect(&mut engine, CONNACK);
    assert_eq!(
        heads(&written(&mut engine)),
        [(0x34, 1), (0x32, 2), (0x32, 3)],
        "new identifiers, no DUP, old order"
    );
    receive(&mut engine, &[0x40, 2, 0, 2]);
    assert_eq!(heads(&written(&mut engine)), [(0x32, 4)]);
    // What was received in the lost session is no repetition any more.
    receive(&mut engine, &[0x34, 6, 0, 1, b't', 0, 7, b'x']);
    assert!(std::iter::from_fn(|| engine.next_event()).any(|event| matches!(event, Event::Message(..))));
}

#[test]
fn a_clean_session_ends_with_its_connection() {
    let mut engine = open(&options(), CONNACK);
    publish(&mut engine, 1, QoS::AtLeastOnce);
    written(&mut engine);
    engine.lost();
    reconnect(&mut engine, CONNACK);
    assert!(written(&mut engine).is_empty() && engine.is_settled());
    engine.lost();
    engine.connected(at(0));
    assert_eq!(fault(&mut engine, RESUMED), "MQTT-3.2.2-1");
}

#[test]
fn a_repeated_qos_2_message_is_delivered_once_until_pubrel() {
    let mut engine = open(&options().clean_session(false), CONNACK);
    let publish = [0x34, 6, 0, 1, b't', 0, 7, b'x'];
    let repeated = [0x3C, 6, 0, 1, b't', 0, 7, b'x'];
    let messages = |engine: &mut Engine<u32>| std::iter::from_fn(|| engine.next_event()).count();
    receive(&mut engine, &publish);
    receive(&mut engine, &repeated);
    assert_eq!(written(&mut engine), [0x50, 2, 0, 7, 0x50, 2, 0, 7]);
    assert_eq!(messages(&mut engine), 1);
    engine.lost();
    reconnect(&mut engine, RESUMED);
    receive(&mut engine, &repeated);
    assert_eq!(messages(&mut engine), 0, "also on the next connection");
    receive(&mut engine, &[0x62, 2, 0, 7, 0x62, 2, 0, 7]);
    assert_eq!(written(&mut engine), [0x50, 2, 0, 7, 0x70, 2, 0, 7, 0x70, 2, 0, 7]);
    receive(&mut engine, &publish);
    assert_eq!(messages(&mut engine), 1);
}

#[test]
fn a_full_window_takes_no_more() {
    let mut engine = open(&options().window(2), CONNACK);
    publish(&mut engine, 1, QoS::AtLeastOnce);
    assert!(engine.has_room());
    publish(&mut engine, 2, QoS::AtLeastOnce);
    assert!(!engine.has_room());
    receive(&mut engine, &[0x40, 2, 0, 1]);
    assert!(engine.has_room());
}

#[test]
fn by_default_no_more_messages_of_qos_2_are_unfinished_than_mosquitto_allows() {
    let mut engine = open(&options().clean_session(false), CONNACK);
    for ticket in 1..=20 {
        assert!(engine.has_room());
        publish(&mut engine, ticket, QoS::ExactlyOnce);
    }
    assert!(!engine.has_room());
    // Whoever pushes all the same, as the end of a connection does with what it had accepted, has it wait.
    publish(&mut engine, 21, QoS::ExactlyOnce);
    assert_eq!(heads(&written(&mut engine)).len(), 20);
    receive(&mut engine, &[0x50, 2, 0, 1]);
    assert_eq!(heads(&written(&mut engine)), [(0x62, 1)]);
    receive(&mut engine, &[0x70, 2, 0, 1]);
    assert_eq!(heads(&written(&mut engine)), [(0x34, 21)]);
    engine.lost();
    reconnect(&mut engine, CONNACK);
    assert_eq!(
        heads(&written(&mut engine)).len(),
        20,
        "also of a session that begins anew"
    );
    assert!(!engine.has_room());
    for id in 1..=5 {
        receive(&mut engine, &[0x50, 2, 0, id, 0x70, 2, 0, id]);
    }
    for ticket in 22..=50 {
        publish(&mut engine, ticket, QoS::AtLeastOnce);
    }
    written(&mut engine);
    assert!(engine.has_room(), "those of QoS 1 have the whole window");
    let mut engine = open(&options().window(30), CONNACK);
    for ticket in 1..=30 {
        assert!(engine.has_room(), "a number that was set counts for all");
        publish(&mut engine, ticket, QoS::ExactlyOnce);
    }
}

#[test]
fn an_outbox_that_nobody_reads_takes_no_more() {
    let mut engine = open(&options(), CONNACK);
    engine
        .publish(message(QoS::AtMostOnce, &vec![0; OUTBOX_LIMIT]), 1, 0, at(0))
        .expect("writable");
    assert!(!engine.has_room() && !engine.may_receive());
    written(&mut engine);
    assert!(engine.has_room() && engine.may_receive());
}

#[test]
fn ping_goes_out_in_time_from_the_last_packet() {
    let mut engine = open(&options(), CONNACK);
    assert_eq!(engine.deadline(), Some(at(9000)));
    engine
        .publish(message(QoS::AtMostOnce, b""), 1, 0, at(5000))
        .expect("writable");
    engine.receive(&[0xD0, 0], at(5000)).expect("no violation");
    written(&mut engine);
    assert_eq!(engine.deadline(), Some(at(14_000)));
    engine.tick(at(13_999), true).expect("alive");
    assert!(engine.outbox().is_empty());
    engine.tick(at(14_000), true).expect("alive");
    assert_eq!(written(&mut engine), [0xC0, 0]);
}

#[test]
fn a_server_that_says_nothing_for_a_keep_alive_after_a_ping_is_dead() {
    let mut engine = open(&options(), CONNACK);
    engine.tick(at(9000), true).expect("alive");
    engine.wrote(2, at(9001)).expect("writable");
    engine.tick(at(18_000), true).expect("alive: a second ping is due");
    engine.tick(at(19_000), true).expect("alive");
    engine
        .tick(at(19_000), false)
        .expect("who does not listen cannot judge");
    engine.tick(at(28_999), true).expect("alive");
    assert_eq!(engine.tick(at(29_000), true), Err(Silence::NoPingResp));
}

#[test]
fn a_pong_and_any_other_byte_are_signs_of_life() {
    let mut engine = open(&options(), CONNACK);
    engine.tick(at(9000), true).expect("alive");
    written(&mut engine);
    assert_eq!(engine.receive(&[0x30], at(15_000)).expect("a beginning"), None);
    engine.tick(at(24_999), true).expect("a byte came at 15 s");
    assert_eq!(engine.alive.dead_at(), Some(at(25_000)));
    engine.receive(&[0xD0, 0], at(24_999)).expect("no violation");
    engine.tick(at(34_000), true).expect("answered");
}

#[test]
fn a_client_that_talks_all_the_time_still_notices_a_dead_server() {
    let mut engine = open(&options(), CONNACK);
    let mut pinged = false;
    for second in 1..=9 {
        engine
            .publish(message(QoS::AtMostOnce, b""), 1, 0, at(second * 1000))
            .expect("writable");
        engine.tick(at(second * 1000), true).expect("alive");
        pinged |= written(&mut engine).ends_with(&[0xC0, 0]);
    }
    assert!(pinged);
}

#[test]
fn no_connack_in_time_is_the_end() {
    let mut engine = idle(&options().connect_timeout(std::time::Duration::from_secs(3)));
    engine.connected(at(1000));
    assert_eq!(engine.deadline(), Some(at(4000)));
    assert_eq!(engine.tick(at(3999), true), Ok(()));
    assert_eq!(engine.tick(at(4000), true), Err(Silence::NoConnAck));
}

#[test]
fn no_keep_alive_no_deadline() {
    let engine = open(&options().keep_alive(0), CONNACK);
    assert_eq!(engine.deadline(), None);
}

#[test]
fn nothing_follows_disconnect() {
    let mut engine = open(&options(), CONNACK);
    publish(&mut engine, 1, QoS::AtLeastOnce);
    written(&mut engine);
    engine.disconnect(at(0));
    assert_eq!(written(&mut engine), [0xE0, 0]);
    receive(&mut engine, &[0x32, 6, 0, 1, b't', 0, 7, b'x']);
    engine.disconnect(at(0));
    assert!(written(&mut engine).is_empty() && engine.next_event().is_none());
}

#[test]
fn every_breach_by_the_server_ends_the_connection() {
    let cases: [(&str, &[u8]); 16] = [
        ("MQTT-4.8.0-1", &[0x20, 2, 0, 0]),
        ("MQTT-4.8.0-1", &[0x82, 6, 0, 1, 0, 1, b't', 0]),
        ("MQTT-4.8.0-1", &[0xC0, 0]),
        ("MQTT-4.8.0-1", &[0xE0, 0]),
        ("MQTT-2.2.2-2", &[0x41]),
        ("MQTT-3.6.1-1", &[0x60]),
        ("MQTT-3.3.1-4", &[0x36]),
        ("MQTT-3.3.1-2", &[0x38]),
        ("MQTT-2.3.1-1", &[0x32, 5, 0, 1, b't', 0, 0]),
        ("MQTT-4.7.3-1", &[0x30, 2, 0, 0]),
        ("MQTT-3.3.2-2", &[0x30, 3, 0, 1, b'#']),
        ("MQTT-1.5.3-1", &[0x30, 3, 0, 1, 0x80]),
        ("MQTT-1.5.3-2", &[0x30, 3, 0, 1, 0]),
        ("MQTT-3.9.3-2", &[0x90, 3, 0, 1, 3]),
        ("MQTT-4.8.0-1", &[0x50, 2, 0, 1]),
        ("MQTT-3.8.4-5", &[0x90, 4, 0, 2, 0, 0]),
    ];
    for (statement, bytes) in cases {
        let mut engine = open(&options(), CONNACK);
        publish(&mut engine, 1, QoS::AtLeastOnce);
        let filter = TopicFilterBuf::parse("f").expect("valid");
        engine
            .subscribe(vec![(filter, QoS::AtMostOnce)], 2, at(0))
            .expect("writable");
        written(&mut engine);
        assert_eq!(fault(&mut engine, bytes), statement, "{bytes:02X?}");
        engine.disconnect(at(0));
        assert!(
            engine.outbox().is_empty() && engine.next_event().is_none(),
            "{bytes:02X?}"
        );
    }
}

#[test]
fn an_acknowledgement_of_the_wrong_kind_is_a_breach() {
    for bytes in [[0x40, 2, 0, 1], [0x50, 2, 0, 1], [0x70, 2, 0, 1], [0xB0, 2, 0, 1]] {
        let mut engine = open(&options(), CONNACK);
        let filter = TopicFilterBuf::parse("f").expect("valid");
        engine
            .subscribe(vec![(filter, QoS::AtMostOnce)], 2, at(0))
            .expect("writable");
        assert_eq!(fault(&mut engine, &bytes), "MQTT-4.8.0-1");
    }
}

#[test]
fn acknowledgements_of_nothing_are_ignored() {
    let mut engine = open(&options(), CONNACK);
    receive(
        &mut engine,
        &[0x40, 2, 0, 9, 0x70, 2, 0, 9, 0x90, 3, 0, 9, 0, 0xB0, 2, 0, 9, 0xD0, 0],
    );
    assert!(written(&mut engine).is_empty() && engine.next_event().is_none());
    receive(&mut engine, &[0x50, 2, 0, 9, 0x62, 2, 0, 9]);
    assert_eq!(
        written(&mut engine),
        [0x62, 2, 0, 9, 0x70, 2, 0, 9],
        "these are answered: somebody waits"
    );
}

#[test]
fn a_message_of_qos_0_is_done_when_its_last_byte_is_written() {
    let mut engine = open(&options(), CONNACK);
    publish(&mut engine, 1, QoS::AtMostOnce);
    publish(&mut engine, 2, QoS::AtMostOnce);
    engine.wrote(5, at(0)).expect("writable");
    assert_eq!(done(&mut engine), []);
    engine.wrote(1, at(0)).expect("writable");
    assert_eq!(done(&mut engine), [1]);
    engine.wrote(6, at(0)).expect("writable");
    assert_eq!(done(&mut engine), [2]);
}
