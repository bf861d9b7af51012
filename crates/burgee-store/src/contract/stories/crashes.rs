//! Crashes: what was committed is there, what was not is there whole or not at all.

use super::super::ground::Ground;
use super::super::ops::{
    ONE, created, deleted, delivery, owed, received, retained, settled, subscribed, will, will_set,
};
use super::super::told::{Told, same};
use super::Story;
use crate::batch::{MessageNo, SessionNo, Stage};
use crate::error::{Breach, SubmitError};

pub(super) const STORIES: &[Story] = &[
    ("a crash takes nothing back that was committed", committed_stays),
    (
        "of batches that were not committed a crash leaves a prefix, in whole batches",
        prefix_is_left,
    ),
    ("a deleted session does not rise after a crash", no_resurrection),
    (
        "a settled message is not owed again after a crash",
        settled_stays_settled,
    ),
    ("numbers do not come back after a crash", numbers_go_on),
    ("batch numbers begin anew after a crash", batches_begin_anew),
    ("crashing twice is crashing once", twice),
];

fn committed_stays(ground: &mut Ground) -> Told {
    ground.put(vec![
        created(1, "a"),
        created(2, "b"),
        subscribed(1, "f", ONE),
        owed(1, "one", &[1, 2]),
        owed(2, "two", &[2]),
        delivery(1, 1, 5, Stage::Released),
        received(2, 9),
        will_set(1, will("w")),
        retained("r", "x"),
    ])?;
    let before = ground.image()?;
    ground.crash()?;
    before.compare(&ground.image()?)
}

fn prefix_is_left(ground: &mut Ground) -> Told {
    ground.put(vec![created(1, "a")])?;
    for batch in 1..=5_u64 {
        let source = u16::try_from(batch % 2).unwrap_or(0);
        // Lanes: odd numbers of one source, even ones of the other.
        let first = batch * 10 + batch % 2;
        ground.submit(source, vec![owed(first, "", &[1]), owed(first + 2, "", &[1])])?;
    }
    ground.crash()?;
    let found = ground.owed(1)?;
    let all: Vec<u64> = (1..=5)
        .flat_map(|batch| [batch * 10 + batch % 2, batch * 10 + batch % 2 + 2])
        .collect();
    let whole = found.len() % 2 == 0;
    let prefix = all.get(..found.len()).unwrap_or_default();
    if !whole {
        return Err(format!("half a batch is there: {found:?}"));
    }
    same("a prefix", prefix, &found)
}

fn no_resurrection(ground: &mut Ground) -> Told {
    ground.put(vec![created(1, "a"), subscribed(1, "f", ONE), owed(1, "", &[1])])?;
    ground.put(vec![deleted(1)])?;
    ground.crash()?;
    same("sessions", &Vec::new(), &ground.image()?.sessions)?;
    // Nor under its client's next session.
    ground.put(vec![created(2, "a")])?;
    ground.crash()?;
    same("owed to the heir", &vec![], &ground.owed(2)?)?;
    same("its subscriptions", &Vec::new(), &ground.living(2)?.subscriptions)
}

fn settled_stays_settled(ground: &mut Ground) -> Told {
    ground.put(vec![
        created(1, "a"),
        owed(1, "", &[1]),
        owed(2, "", &[1]),
        owed(3, "", &[1]),
        delivery(1, 3, 5, Stage::Published),
    ])?;
    // Out of order, as acknowledgements of different QoS may come.
    ground.put(vec![settled(1, 3)])?;
    ground.crash()?;
    same("owed", &vec![1, 2], &ground.owed(1)?)?;
    ground.put(vec![settled(1, 1)])?;
    ground.crash()?;
    same("owed", &vec![2], &ground.owed(1)?)?;
    same("deliveries", &Vec::new(), &ground.living(1)?.deliveries)
}

fn numbers_go_on(ground: &mut Ground) -> Told {
    ground.put(vec![created(4, "a"), owed(7, "", &[4])])?;
    ground.put(vec![settled(4, 7), deleted(4)])?;
    ground.crash()?;
    let recovered = ground.recovered()?;
    if recovered.next_session.0 <= 4 || recovered.next_message.0 <= 7 {
        return Err(format!("session 4 and message 7 were used, and yet: {recovered:?}"));
    }
    let session = Breach::Session {
        found: SessionNo(4),
        least: recovered.next_session,
    };
    let message = Breach::Message {
        found: MessageNo(7),
        least: recovered.next_message,
    };
    for (op, breach) in [(created(4, "b"), session), (owed(7, "", &[]), message)] {
        let batch = ground.batch(0, vec![op]);
        let found = ground.store.submit(batch);
        same("a used number", &Err(SubmitError::Breach(breach)), &found)?;
    }
    Ok(())
}

fn batches_begin_anew(ground: &mut Ground) -> Told {
    ground.put(vec![created(1, "a")])?;
    ground.put(vec![owed(1, "", &[1])])?;
    ground.crash()?;
    // The ground counts from 1 again. The store may have skipped numbers that nobody was told of.
    let next = ground.recovered()?.next_message.0;
    ground.put(vec![owed(next, "", &[1])])?;
    same("owed", &vec![1, next], &ground.owed(1)?)
}

fn twice(ground: &mut Ground) -> Told {
    ground.put(vec![created(1, "a"), owed(1, "", &[1])])?;
    ground.submit(0, vec![settled(1, 1)])?;
    ground.crash()?;
    let once = ground.image()?;
    ground.crash()?;
    once.compare(&ground.image()?)
}
