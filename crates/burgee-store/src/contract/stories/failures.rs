//! Failures: a failed commit is the end until the store is opened again, and loses nothing that was reported.

use super::super::ground::Ground;
use super::super::ops::{created, deleted, owed, retained};
use super::super::told::{Told, same};
use super::Story;
use crate::batch::Op;
use crate::error::{Failure, Fault, SubmitError};

pub(super) const CLAIMS: &[Story] = &[
    ("a session number in use cannot be claimed", session_number),
    ("a client identifier in use cannot be claimed", client_identifier),
    ("a message number in use cannot be claimed", message_number),
    ("a false claim in one batch fails the whole commit", whole_commit),
    (
        "whoever deletes the old session first may take its client identifier",
        no_claim,
    ),
    (
        "of two that claim one session number in one commit none gets it",
        rival_numbers,
    ),
    (
        "of two that claim one client identifier in one commit none gets it",
        rival_clients,
    ),
];

pub(super) const STORIES: &[Story] = &[("a failed commit is never tried again", never_again)];

pub(super) const AFTER_A_CRASH: &[Story] = &[("opened again, a store that failed works", works_again)];

/// The next commit fails, and so does everything behind it; what was there can be read.
fn ends(ground: &mut Ground) -> Result<Failure, String> {
    let before = ground.image()?;
    let failure = ground.commit_fails()?;
    before.compare(&ground.image()?)?;
    for _ in 0..2 {
        same("the next commit", &failure, &ground.commit_fails()?)?;
        let batch = ground.batch(5, vec![retained("late", "x")]);
        let found = ground.store.submit(batch);
        same("the next batch", &Err(SubmitError::Failed(failure.clone())), &found)?;
    }
    before.compare(&ground.image()?)?;
    Ok(failure)
}

/// Somebody claims from another source what source 0 has.
fn claim(ground: &mut Ground, op: Op) -> Told {
    ground.put(vec![created(4, "a"), owed(7, "", &[4])])?;
    ground.submit(1, vec![retained("never", "x"), op])?;
    let failure = ends(ground)?;
    same("whose fault", &Fault::Ours, &failure.fault)
}

fn session_number(ground: &mut Ground) -> Told {
    claim(ground, created(4, "b"))
}

fn client_identifier(ground: &mut Ground) -> Told {
    claim(ground, created(5, "a"))
}

fn message_number(ground: &mut Ground) -> Told {
    claim(ground, owed(7, "", &[4]))
}

fn whole_commit(ground: &mut Ground) -> Told {
    ground.put(vec![created(1, "a")])?;
    ground.submit(0, vec![owed(1, "", &[1])])?;
    ground.submit(1, vec![owed(2, "", &[1]), owed(4, "", &[1])])?;
    ground.submit(2, vec![owed(3, "", &[1]), owed(4, "", &[1])])?;
    ground.submit(3, vec![owed(5, "", &[1])])?;
    ends(ground)?;
    same("owed", &vec![], &ground.owed(1)?)
}

/// Two claim the same in one commit, so that there is no telling whose it is.
fn rivals(ground: &mut Ground, ops: [Op; 2]) -> Told {
    for (source, op) in (1..).zip(ops) {
        ground.submit(source, vec![op])?;
    }
    let failure = ends(ground)?;
    same("whose fault", &Fault::Ours, &failure.fault)?;
    same("sessions", &Vec::new(), &ground.image()?.sessions)
}

fn rival_numbers(ground: &mut Ground) -> Told {
    rivals(ground, [created(1, "a"), created(1, "b")])
}

fn rival_clients(ground: &mut Ground) -> Told {
    rivals(ground, [created(1, "a"), created(2, "a")])
}

fn no_claim(ground: &mut Ground) -> Told {
    ground.put(vec![created(1, "a"), created(2, "b")])?;
    ground.submit(0, vec![deleted(1), created(3, "a"), deleted(3), created(4, "a")])?;
    ground.submit(0, vec![deleted(4), deleted(2), created(5, "b"), created(6, "a")])?;
    ground.commit()?;
    let found: Vec<_> = ground.image()?.sessions.iter().map(|held| held.session.0).collect();
    same("sessions", &vec![5, 6], &found)
}

fn never_again(ground: &mut Ground) -> Told {
    ground.put(vec![created(1, "a"), owed(1, "", &[1])])?;
    ground.store.fail_next_commit();
    ground.submit(0, vec![owed(2, "", &[1])])?;
    ends(ground)?;
    same("owed", &vec![1], &ground.owed(1)?)
}

fn works_again(ground: &mut Ground) -> Told {
    ground.put(vec![created(1, "a"), owed(1, "", &[1])])?;
    ground.store.fail_next_commit();
    ground.submit(0, vec![owed(2, "", &[1])])?;
    ground.commit_fails()?;
    ground.crash()?;
    // The failed commit may have reached the disk or not.
    let found = ground.owed(1)?;
    if found != [1] && found != [1, 2] {
        return Err(format!("1 was committed, 2 perhaps, and this is owed: {found:?}"));
    }
    let next = ground.recovered()?.next_message.0.max(3);
    ground.put(vec![owed(next, "", &[1])])?;
    same("the last that is owed", &Some(next), &ground.owed(1)?.last().copied())
}
