//! Sources: who takes a message over names sessions of any source; the sessions' own sources settle it. The numbers of
//! two sources have no order between them.

use super::super::ground::Ground;
use super::super::ops::{created, deleted, owed, settled};
use super::super::told::{Told, same};
use super::Story;
use crate::batch::Op;

pub(super) const STORIES: &[Story] = &[
    (
        "one record is owed to sessions of several sources, and each source settles for its own",
        one_record_for_all,
    ),
    (
        "a lower number of another source is owed although higher ones are settled",
        lower_number_is_owed,
    ),
    (
        "what is owed from several sources comes in the order of the numbers",
        in_order_of_numbers,
    ),
    (
        "a message may be settled in the commit that brings it, by another source",
        settled_at_once,
    ),
    (
        "a session that is gone keeps no message of another source",
        deleted_by_its_own,
    ),
];

pub(super) const AFTER_A_CRASH: &[Story] = &[
    (
        "what a session settled of one source says nothing of another, after a crash neither",
        apart_after_a_crash,
    ),
    (
        "a source may go on with another's numbers after a crash",
        numbers_change_hands,
    ),
];

/// Sessions 1 and 2 of the sources 1 and 2.
fn settle_in(ground: &mut Ground) -> Told {
    ground.submit(1, vec![created(1, "a")])?;
    ground.submit(2, vec![created(2, "b")])?;
    ground.commit()
}

fn put(ground: &mut Ground, source: u16, ops: Vec<Op>) -> Told {
    ground.submit(source, ops)?;
    ground.commit()
}

fn messages(ground: &mut Ground, expected: u64) -> Told {
    same("owed messages", &expected, &ground.recovered()?.messages)
}

fn one_record_for_all(ground: &mut Ground) -> Told {
    settle_in(ground)?;
    put(ground, 0, vec![owed(5, "four", &[1, 2])])?;
    same("messages and bytes", &(1, 7), &{
        let recovered = ground.recovered()?;
        (recovered.messages, recovered.message_bytes)
    })?;
    put(ground, 2, vec![settled(2, 5)])?;
    same("owed to the second", &vec![], &ground.owed(2)?)?;
    same("owed to the first", &vec![5], &ground.owed(1)?)?;
    messages(ground, 1)?;
    put(ground, 1, vec![settled(1, 5)])?;
    messages(ground, 0)
}

fn lower_number_is_owed(ground: &mut Ground) -> Told {
    settle_in(ground)?;
    put(ground, 0, vec![owed(900, "", &[1, 2])])?;
    put(ground, 1, vec![settled(1, 900)])?;
    put(ground, 2, vec![owed(17, "", &[1]), owed(18, "", &[1, 2])])?;
    same("owed to the first", &vec![17, 18], &ground.owed(1)?)?;
    same("owed to the second", &vec![18, 900], &ground.owed(2)?)?;
    put(ground, 1, vec![settled(1, 18)])?;
    put(ground, 1, vec![owed(16, "", &[1])])?;
    same("owed to the first", &vec![16, 17], &ground.owed(1)?)
}

fn in_order_of_numbers(ground: &mut Ground) -> Told {
    settle_in(ground)?;
    ground.submit(0, vec![owed(3, "", &[1]), owed(12, "", &[1])])?;
    ground.submit(1, vec![owed(1, "", &[1]), owed(7, "", &[1])])?;
    ground.submit(2, vec![owed(2, "", &[1])])?;
    ground.submit(0, vec![owed(15, "", &[1])])?;
    ground.submit(2, vec![owed(11, "", &[1]), owed(14, "", &[1])])?;
    ground.commit()?;
    same("owed", &vec![1, 2, 3, 7, 11, 12, 14, 15], &ground.owed(1)?)
}

fn settled_at_once(ground: &mut Ground) -> Told {
    settle_in(ground)?;
    ground.submit(0, vec![owed(4, "", &[1, 2]), owed(6, "", &[1])])?;
    ground.submit(1, vec![settled(1, 4), settled(1, 6)])?;
    ground.commit()?;
    same("owed to the first", &vec![], &ground.owed(1)?)?;
    same("owed to the second", &vec![4], &ground.owed(2)?)?;
    messages(ground, 1)
}

fn deleted_by_its_own(ground: &mut Ground) -> Told {
    settle_in(ground)?;
    put(ground, 0, vec![owed(4, "", &[1, 2]), owed(6, "", &[1])])?;
    put(ground, 1, vec![deleted(1)])?;
    same("owed to the other", &vec![4], &ground.owed(2)?)?;
    messages(ground, 1)?;
    put(ground, 0, vec![owed(8, "", &[1])])?;
    messages(ground, 1)
}

fn apart_after_a_crash(ground: &mut Ground) -> Told {
    settle_in(ground)?;
    // The other session holds all records, so that only the settled numbers tell what the first is owed.
    put(ground, 0, (50..60).map(|message| owed(message, "", &[1, 2])).collect())?;
    put(
        ground,
        1,
        vec![settled(1, 50), settled(1, 51), settled(1, 55), settled(1, 59)],
    )?;
    put(ground, 2, (10..20).map(|message| owed(message, "", &[1, 2])).collect())?;
    put(ground, 1, vec![settled(1, 10), settled(1, 12)])?;
    put(ground, 1, vec![owed(1, "", &[1, 2]), owed(80, "", &[1, 2])])?;
    put(ground, 1, vec![settled(1, 80)])?;
    let expected = vec![1, 11, 13, 14, 15, 16, 17, 18, 19, 52, 53, 54, 56, 57, 58];
    same("owed", &expected, &ground.owed(1)?)?;
    ground.crash()?;
    same("owed after the crash", &expected, &ground.owed(1)?)?;
    put(ground, 1, vec![settled(1, 1), settled(1, 52)])?;
    ground.crash()?;
    let expected: Vec<_> = expected
        .into_iter()
        .filter(|message| ![1, 52].contains(message))
        .collect();
    same("owed after the next", &expected, &ground.owed(1)?)
}

fn numbers_change_hands(ground: &mut Ground) -> Told {
    settle_in(ground)?;
    put(ground, 0, vec![owed(10, "", &[1, 2]), owed(12, "", &[1, 2])])?;
    put(ground, 2, vec![owed(11, "", &[1, 2])])?;
    put(ground, 1, vec![settled(1, 11), settled(1, 12)])?;
    ground.crash()?;
    // What was the lane of source 0 is now that of source 2, and the other way round.
    let next = ground.recovered()?.next_message.0;
    let (a, b, c) = (next, next + 1, next + 3);
    put(ground, 2, vec![owed(b, "", &[1, 2]), owed(c, "", &[1])])?;
    put(ground, 0, vec![owed(a, "", &[1, 2])])?;
    put(ground, 1, vec![settled(1, b)])?;
    same("owed to the first", &vec![10, a, c], &ground.owed(1)?)?;
    ground.crash()?;
    same("owed to the first", &vec![10, a, c], &ground.owed(1)?)?;
    same("owed to the second", &vec![10, 11, 12, a, b], &ground.owed(2)?)
}
