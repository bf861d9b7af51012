//! Messages: one record for all, gone with the last; deliveries of QoS 2; retained messages.

use burgee_codec::QoS;

use super::super::ground::Ground;
use super::super::ops::{
    ONE, TWO, body, created, deleted, delivery, id, owed, retained, retained_at, settled, subscribed, unretained,
    unretained_at,
};
use super::super::told::{Told, same};
use super::Story;
use crate::batch::{MessageNo, Op, SessionNo, Stage};
use crate::record::{Backlog, Delivery};

pub(super) const STORIES: &[Story] = &[
    (
        "a message is there until the last session has settled it",
        until_the_last_settles,
    ),
    (
        "a long backlog drains to nothing, in whatever order",
        long_backlog_drains,
    ),
    (
        "deleting a session settles its messages, and no others",
        deletion_settles,
    ),
    ("a message that nobody is owed is not kept", nobody_is_owed),
    (
        "each session has its own QoS of a message, and the last word counts",
        own_qos,
    ),
    ("settling twice settles once", settled_twice),
    (
        "a backlog is counted, with its bytes and its oldest message",
        backlog_is_counted,
    ),
    ("a delivery is kept with its identifier and its stage", delivery_is_kept),
    ("an identifier belongs to one delivery", identifier_belongs_to_one),
    ("a delivery has one identifier", delivery_has_one),
    ("the last retained message of a topic is kept", last_retained),
    (
        "of two words about a retained message the greater stamp has it, whichever comes first",
        greater_stamp,
    ),
    ("operations of one batch work in their order", order_in_a_batch),
];

/// How many messages there are, and their bytes: "t" with its length takes three.
fn count(ground: &mut Ground, messages: u64, bytes: u64) -> Told {
    let recovered = ground.recovered()?;
    let found = (recovered.messages, recovered.message_bytes);
    same("owed messages and their bytes", &(messages, bytes), &found)
}

fn until_the_last_settles(ground: &mut Ground) -> Told {
    ground.put(vec![created(1, "a"), created(2, "b"), owed(5, "four", &[1, 2])])?;
    count(ground, 1, 7)?;
    ground.put(vec![settled(1, 5)])?;
    same("owed to the first", &vec![], &ground.owed(1)?)?;
    same("owed to the second", &vec![5], &ground.owed(2)?)?;
    count(ground, 1, 7)?;
    ground.put(vec![settled(2, 5)])?;
    same("owed to the second", &vec![], &ground.owed(2)?)?;
    count(ground, 0, 0)
}

fn long_backlog_drains(ground: &mut Ground) -> Told {
    ground.put(vec![created(1, "a")])?;
    ground.put((1..=60).map(|message| owed(message, "x", &[1])).collect())?;
    let mut left: Vec<u64> = (1..=60).collect();
    // 7 and 61 have no common divisor, so this is each number once.
    for step in 1..=60 {
        let message = step * 7 % 61;
        left.retain(|held| *held != message);
        ground.put(vec![settled(1, message)])?;
        same("owed", &left, &ground.owed(1)?)?;
    }
    count(ground, 0, 0)
}

fn deletion_settles(ground: &mut Ground) -> Told {
    ground.put(vec![
        created(1, "a"),
        created(2, "b"),
        owed(1, "", &[1]),
        owed(2, "", &[1, 2]),
        owed(3, "", &[2]),
    ])?;
    ground.put(vec![deleted(1)])?;
    count(ground, 2, 6)?;
    same("owed to the other", &vec![2, 3], &ground.owed(2)?)?;
    ground.put(vec![deleted(2)])?;
    count(ground, 0, 0)
}

fn nobody_is_owed(ground: &mut Ground) -> Told {
    ground.put(vec![
        created(1, "a"),
        deleted(1),
        owed(1, "m", &[]),
        owed(2, "m", &[1, 9]),
    ])?;
    count(ground, 0, 0)
}

fn own_qos(ground: &mut Ground) -> Told {
    let owing = [(1, ONE), (2, TWO), (1, QoS::AtMostOnce)];
    let message = Op::Owed {
        message: MessageNo(1),
        body: body("t", "m"),
        retain: true,
        owing: owing
            .map(|(session, qos)| (SessionNo(session), qos))
            .into_iter()
            .collect(),
    };
    ground.put(vec![created(1, "a"), created(2, "b"), message])?;
    let image = ground.image()?;
    let owed = image.backlogs.iter().flat_map(|(_, owed)| owed);
    let found: Vec<_> = owed.map(|owed| (owed.qos, owed.retain)).collect();
    same("QoS and RETAIN", &vec![(QoS::AtMostOnce, true), (TWO, true)], &found)?;
    ground.put(vec![settled(1, 1), settled(2, 1)])?;
    count(ground, 0, 0)
}

fn settled_twice(ground: &mut Ground) -> Told {
    ground.put(vec![created(1, "a"), created(2, "b"), owed(1, "", &[1, 2])])?;
    ground.put(vec![settled(1, 1), settled(1, 1)])?;
    ground.put(vec![settled(1, 1)])?;
    same("owed to the other", &vec![1], &ground.owed(2)?)?;
    count(ground, 1, 3)
}

fn backlog_is_counted(ground: &mut Ground) -> Told {
    ground.put(vec![
        created(1, "a"),
        owed(4, "1", &[1]),
        owed(6, "22", &[1]),
        owed(9, "333", &[1]),
    ])?;
    ground.put(vec![settled(1, 4)])?;
    let expected = Backlog {
        messages: 2,
        bytes: 11,
        first: Some(MessageNo(6)),
    };
    same("the backlog", &expected, &ground.living(1)?.backlog)
}

fn of(message: u64, number: u16, stage: Stage) -> Delivery {
    Delivery {
        message: MessageNo(message),
        id: id(number),
        stage,
    }
}

fn delivery_is_kept(ground: &mut Ground) -> Told {
    ground.put(vec![
        created(1, "a"),
        owed(1, "", &[1]),
        owed(2, "", &[1]),
        owed(3, "", &[1]),
        delivery(1, 3, 7, Stage::Published),
        delivery(1, 1, 9, Stage::Published),
        delivery(1, 8, 8, Stage::Published),
    ])?;
    let expected = vec![of(1, 9, Stage::Published), of(3, 7, Stage::Published)];
    same("deliveries", &expected, &ground.living(1)?.deliveries)?;
    ground.put(vec![delivery(1, 3, 7, Stage::Released), settled(1, 1)])?;
    same(
        "deliveries",
        &vec![of(3, 7, Stage::Released)],
        &ground.living(1)?.deliveries,
    )?;
    let image = ground.image()?;
    let owed = image.backlogs.iter().flat_map(|(_, owed)| owed);
    let found: Vec<_> = owed.map(|owed| owed.delivery).collect();
    same(
        "deliveries in the backlog",
        &vec![None, Some((id(7), Stage::Released))],
        &found,
    )
}

fn identifier_belongs_to_one(ground: &mut Ground) -> Told {
    ground.put(vec![created(1, "a"), owed(1, "", &[1]), owed(2, "", &[1])])?;
    ground.put(vec![
        delivery(1, 1, 5, Stage::Released),
        delivery(1, 2, 5, Stage::Published),
    ])?;
    same(
        "deliveries",
        &vec![of(2, 5, Stage::Published)],
        &ground.living(1)?.deliveries,
    )?;
    same("owed", &vec![1, 2], &ground.owed(1)?)?;
    ground.put(vec![settled(1, 1)])?;
    same(
        "deliveries",
        &vec![of(2, 5, Stage::Published)],
        &ground.living(1)?.deliveries,
    )
}

fn delivery_has_one(ground: &mut Ground) -> Told {
    ground.put(vec![created(1, "a"), owed(1, "", &[1]), owed(2, "", &[1])])?;
    ground.put(vec![
        delivery(1, 1, 5, Stage::Published),
        delivery(1, 1, 6, Stage::Published),
    ])?;
    same(
        "deliveries",
        &vec![of(1, 6, Stage::Published)],
        &ground.living(1)?.deliveries,
    )?;
    ground.put(vec![delivery(1, 2, 5, Stage::Published)])?;
    let both = vec![of(1, 6, Stage::Published), of(2, 5, Stage::Published)];
    same("deliveries", &both, &ground.living(1)?.deliveries)
}

fn last_retained(ground: &mut Ground) -> Told {
    ground.put(vec![retained("a", "old"), retained("b", "x"), retained("a", "new")])?;
    let payloads = |ground: &mut Ground| -> Result<Vec<Vec<u8>>, String> {
        let retained = ground.image()?.retained;
        Ok(retained.iter().map(|held| held.body.payload().to_vec()).collect())
    };
    same("payloads", &vec![b"new".to_vec(), b"x".to_vec()], &payloads(ground)?)?;
    ground.put(vec![retained("b", "y")])?;
    same("payloads", &vec![b"new".to_vec(), b"y".to_vec()], &payloads(ground)?)?;
    ground.put(vec![unretained("a"), unretained("never")])?;
    same("payloads", &vec![b"y".to_vec()], &payloads(ground)?)
}

fn greater_stamp(ground: &mut Ground) -> Told {
    let there = |ground: &mut Ground| -> Result<Vec<(String, u64)>, String> {
        let retained = ground.image()?.retained;
        let shown = |held: &crate::record::RetainedMessage| {
            let payload = String::from_utf8_lossy(held.body.payload());
            (format!("{}={payload}", held.body.topic().as_str()), held.stamp)
        };
        Ok(retained.iter().map(shown).collect())
    };
    let held = |what: &str, stamp: u64| (what.to_owned(), stamp);
    ground.put(vec![retained_at(5, "a", "new"), retained_at(3, "a", "old")])?;
    same("retained", &vec![held("a=new", 5)], &there(ground)?)?;
    ground.put(vec![unretained_at(4, "a", 2)])?;
    same("retained", &vec![held("a=new", 5)], &there(ground)?)?;
    // A removal is remembered: of what is there, and of what is not.
    ground.put(vec![unretained_at(8, "a", 6), unretained_at(9, "b", 6)])?;
    ground.put(vec![retained_at(7, "a", "late"), retained_at(6, "b", "late")])?;
    same("retained", &vec![], &there(ground)?)?;
    ground.put(vec![retained_at(10, "a", "next"), retained_at(11, "b", "next")])?;
    ground.put(vec![unretained_at(12, "c", 9), retained_at(9, "a", "late")])?;
    same(
        "retained",
        &vec![held("a=next", 10), held("b=next", 11)],
        &there(ground)?,
    )
}

fn order_in_a_batch(ground: &mut Ground) -> Told {
    ground.put(vec![
        created(1, "a"),
        deleted(1),
        created(2, "a"),
        owed(1, "", &[1, 2]),
        settled(2, 1),
        owed(2, "", &[2]),
        retained("r", "x"),
        unretained("r"),
        subscribed(2, "f", ONE),
    ])?;
    same("owed", &vec![2], &ground.owed(2)?)?;
    same("subscriptions", &1, &ground.living(2)?.subscriptions.len())?;
    let image = ground.image()?;
    same(
        "sessions, retained",
        &(1, 0),
        &(image.sessions.len(), image.retained.len()),
    )
}
