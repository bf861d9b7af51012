//! Files that Debian's Mosquitto wrote.

use super::{EXCHANGES, MQTT5, found, found_at};
use burgee_codec::QoS;
use burgee_mosquitto::db::{Left, Summary, read};
use burgee_store::{MessageNo, Op, SessionNo, Stage};
use std::io::Cursor;

/// The session of a client.
fn session(ops: &[Op], client: &str) -> SessionNo {
    let mut all = ops.iter().filter_map(|op| match op {
        Op::SessionCreated { session, client_id, .. } if &**client_id == client => Some(*session),
        _ => None,
    });
    all.next().unwrap()
}

/// Number, topic and payload, QoS and RETAIN of what it is owed.
fn owed(ops: &[Op], client: &str) -> Vec<(MessageNo, String, Vec<u8>, QoS, bool)> {
    let whose = session(ops, client);
    let mut all = Vec::new();
    for op in ops {
        let Op::Owed {
            message,
            body,
            retain,
            owing,
        } = op
        else {
            continue;
        };
        for (_, qos) in owing.iter().filter(|(session, _)| *session == whose) {
            all.push((
                *message,
                body.topic().as_str().to_owned(),
                body.payload().to_vec(),
                *qos,
                *retain,
            ));
        }
    }
    all
}

fn deliveries(ops: &[Op], client: &str) -> Vec<(MessageNo, u16, Stage)> {
    let whose = session(ops, client);
    let one = |op: &Op| match op {
        Op::Delivery {
            session,
            message,
            id,
            stage,
        } if *session == whose => Some((*message, id.get(), *stage)),
        _ => None,
    };
    ops.iter().filter_map(one).collect()
}

#[test]
fn exchanges_of_qos_2_stand_where_they_stood() {
    let found = found(EXCHANGES).unwrap();
    let summary = Summary {
        format: 6,
        sessions: 10,
        subscriptions: 9,
        owed: 20,
        under_way: 5,
        received: 2,
        retained: 3,
    };
    assert_eq!(found.summary, summary);
    let sent = owed(&found.ops, "sent-client");
    let topics: Vec<&str> = sent.iter().map(|(_, topic, ..)| topic.as_str()).collect();
    assert_eq!(topics, ["sent/0", "sent/1", "sent/2", "sent/later"]);
    let under_way: Vec<_> = (1..=3)
        .map(|id| (sent[usize::from(id) - 1].0, id, Stage::Published))
        .collect();
    assert_eq!(deliveries(&found.ops, "sent-client"), under_way);
    let released = deliveries(&found.ops, "released-client");
    let stages: Vec<_> = released.iter().map(|(_, id, stage)| (*id, *stage)).collect();
    assert_eq!(stages, [(1, Stage::Released), (2, Stage::Released)]);
}

#[test]
fn what_a_publisher_had_not_released_is_owed_to_its_subscribers() {
    let found = found(EXCHANGES).unwrap();
    assert_eq!(found.left, [(Left::Unreleased, 2)]);
    let publisher = session(&found.ops, "held-publisher");
    let received: Vec<u16> = found
        .ops
        .iter()
        .filter_map(|op| match op {
            Op::Received { session, id } if *session == publisher => Some(id.get()),
            _ => None,
        })
        .collect();
    assert_eq!(received, [77, 78]);
    for (client, greatest) in [("held-receiver", QoS::ExactlyOnce), ("held-lesser", QoS::AtLeastOnce)] {
        let owed = owed(&found.ops, client);
        let owed: Vec<_> = owed
            .iter()
            .map(|(_, topic, _, qos, retain)| (topic.as_str(), *qos, *retain))
            .collect();
        let expected = [
            ("held/before", QoS::AtLeastOnce, false),
            ("held/0", greatest, false),
            ("held/1", greatest, false),
        ];
        assert_eq!(owed, expected, "{client}");
    }
    let kept = |op: &Op| matches!(op, Op::Retained { body, .. } if body.topic().as_str().starts_with("held/"));
    assert_eq!(found.ops.iter().filter(|op| kept(op)).count(), 2);
}

#[test]
fn an_older_message_that_waits_behind_a_younger_one_stays_there() {
    let found = found(EXCHANGES).unwrap();
    let owed = owed(&found.ops, "behind-client");
    let payloads: Vec<_> = owed
        .iter()
        .map(|(_, _, payload, _, retain)| (payload.as_slice(), *retain))
        .collect();
    assert_eq!(payloads, [(&b"1"[..], false), (b"kept", true), (b"2", false)]);
    assert!(owed.is_sorted_by_key(|(number, ..)| *number));
}

/// When `mqtt5.db` was written, its message was to live for 500 seconds more.
const WRITTEN: i64 = 1_795_893_019;

#[test]
fn what_cannot_be_taken_along_is_counted() {
    let found = found_at(MQTT5, WRITTEN).unwrap();
    let left = [
        (Left::SessionExpiry, 1),
        (Left::SubscriptionOptions, 1),
        (Left::MessageExpiry, 1),
        (Left::Properties, 3),
        (Left::Unkept, 1),
    ];
    assert_eq!(found.left, left);
    let topics: Vec<_> = owed(&found.ops, "sub1")
        .into_iter()
        .map(|(_, topic, payload, ..)| (topic, payload))
        .collect();
    assert_eq!(
        topics,
        [
            ("a/b".to_owned(), b"hello".to_vec()),
            ("a/b".to_owned(), b"q1".to_vec())
        ]
    );
    assert_eq!(found.summary.sessions, 2);
}

#[test]
fn what_is_over_is_left_out_and_counted() {
    let message_over = found_at(MQTT5, WRITTEN + 501).unwrap();
    assert!(
        message_over.left.contains(&(Left::MessageExpired, 1)),
        "{:?}",
        message_over.left
    );
    assert_eq!(owed(&message_over.ops, "sub1").len(), 1);
    let session_over = found_at(MQTT5, WRITTEN + 1001).unwrap();
    assert!(
        session_over.left.contains(&(Left::SessionExpired, 1)),
        "{:?}",
        session_over.left
    );
    assert_eq!(session_over.summary.sessions, 1);
    assert_eq!(session_over.summary.subscriptions, 1);
}

#[test]
fn a_remark_says_what_how_often_and_what_became_of_it() {
    let snapshot = read(Cursor::new(MQTT5), WRITTEN).unwrap();
    let said: Vec<String> = snapshot.remarks().iter().map(ToString::to_string).collect();
    let unkept = "messages of QoS 0 that waited (queue_qos0_messages): 1; left out: QoS 0 is not kept over a restart (the \
                  first: \"sub1\")";
    assert_eq!(said.last().map(String::as_str), Some(unkept));
}
