//! Sessions: subscriptions, received identifiers, wills, and words that come too late.

use super::super::ground::Ground;
use super::super::image::Image;
use super::super::ops::{
    ONE, TWO, behind, claimed, created, created_by, deleted, delivery, filter, freed, id, owed, received, replayed,
    retained, settled, subscribed, subscribed_with, unsubscribed, will, will_cleared, will_set,
};
use super::super::told::{Told, same};
use super::Story;
use crate::batch::{Replay, Stage};
use crate::record::{Backlog, SessionRecord, Subscription};

pub(super) const STORIES: &[Story] = &[
    ("a new store is empty", new_is_empty),
    ("a session is kept with its client identifier", session_is_kept),
    (
        "a session belongs to a user, to one without a name, or to none",
        belongs_to_a_user,
    ),
    (
        "whoever claims a session has it, with or without a name",
        belongs_to_whoever_claims_it,
    ),
    (
        "of a subscription is known what is still to come of the retained messages",
        replays_are_kept,
    ),
    (
        "of two subscriptions with one filter the last word counts",
        last_subscription_counts,
    ),
    (
        "subscriptions come in the order of their bytes",
        subscriptions_are_sorted,
    ),
    ("a received identifier is kept until it is free", received_until_freed),
    ("a will is kept until it is cleared", will_until_cleared),
    (
        "a deleted session leaves nothing to the next of its client",
        nothing_is_inherited,
    ),
    (
        "operations about sessions that are gone do nothing",
        late_words_do_nothing,
    ),
];

fn new_is_empty(ground: &mut Ground) -> Told {
    let image = ground.image()?;
    Image::default().compare(&image)?;
    let recovered = ground.recovered()?;
    same(
        "the first numbers",
        &(1, 1),
        &(recovered.next_session.0, recovered.next_message.0),
    )
}

fn session_is_kept(ground: &mut Ground) -> Told {
    ground.put(vec![created(3, "alice")])?;
    let expected = SessionRecord {
        session: crate::batch::SessionNo(3),
        client_id: "alice".into(),
        user: None,
        subscriptions: Vec::new(),
        received: Vec::new(),
        deliveries: Vec::new(),
        will: None,
        backlog: Backlog::default(),
    };
    same("the session", &Some(expected), &ground.session(3)?)
}

fn belongs_to_a_user(ground: &mut Ground) -> Told {
    ground.put(vec![
        created(1, "a"),
        created_by("", 2, "b"),
        created_by("carol", 3, "c"),
    ])?;
    let users = [None, Some(""), Some("carol")];
    for (number, user) in (1..).zip(users) {
        same("the user", &user.map(Into::into), &ground.living(number)?.user)?;
    }
    Ok(())
}

fn belongs_to_whoever_claims_it(ground: &mut Ground) -> Told {
    ground.put(vec![
        created(1, "a"),
        created_by("carol", 2, "b"),
        created(3, "c"),
        claimed(3, "dave"),
    ])?;
    ground.put(vec![claimed(1, "carol"), claimed(2, ""), claimed(77, "x")])?;
    for (number, user) in (1..).zip(["carol", "", "dave"]) {
        same("the user", &Some(user.into()), &ground.living(number)?.user)?;
    }
    let claimed_twice = vec![claimed(1, "x"), claimed(1, "erin"), deleted(3), created(4, "c")];
    ground.put(claimed_twice)?;
    same("the user", &Some("erin".into()), &ground.living(1)?.user)?;
    same("the heir's user", &None, &ground.living(4)?.user)
}

fn replays_are_kept(ground: &mut Ground) -> Told {
    let left = |ground: &mut Ground| -> Result<Vec<Replay>, String> {
        let held = ground.living(1)?.subscriptions;
        Ok(held.into_iter().map(|held| held.replay).collect())
    };
    ground.put(vec![
        created(1, "c"),
        subscribed_with(1, "a", ONE, Replay::Whole),
        subscribed_with(1, "b", ONE, behind("b/1")),
        subscribed(1, "c", ONE),
    ])?;
    same(
        "left",
        &vec![Replay::Whole, behind("b/1"), Replay::Done],
        &left(ground)?,
    )?;
    ground.put(vec![
        replayed(1, "a", behind("a/7")),
        replayed(1, "b", Replay::Done),
        replayed(1, "c", Replay::Whole),
        replayed(1, "never", Replay::Whole),
    ])?;
    same(
        "left",
        &vec![behind("a/7"), Replay::Done, Replay::Whole],
        &left(ground)?,
    )?;
    ground.put(vec![
        subscribed(1, "a", TWO),
        unsubscribed(1, "c"),
        replayed(1, "c", Replay::Whole),
    ])?;
    same("left", &vec![Replay::Done, Replay::Done], &left(ground)?)
}

fn last_subscription_counts(ground: &mut Ground) -> Told {
    ground.put(vec![
        created(1, "c"),
        subscribed(1, "a/#", ONE),
        subscribed(1, "a/#", TWO),
    ])?;
    let two = Subscription {
        filter: filter("a/#"),
        qos: TWO,
        replay: Replay::Done,
    };
    same("subscriptions", &vec![two], &ground.living(1)?.subscriptions)?;
    ground.put(vec![unsubscribed(1, "a/#"), unsubscribed(1, "never")])?;
    same("subscriptions", &Vec::new(), &ground.living(1)?.subscriptions)
}

fn subscriptions_are_sorted(ground: &mut Ground) -> Told {
    let filters = ["ä", "b", "B", "a/b", "a", "+", "a/#"];
    let subscribe = |raw: &&str| subscribed(1, raw, ONE);
    let ops = [created(1, "c")].into_iter().chain(filters.iter().map(subscribe));
    ground.put(ops.collect())?;
    let found = ground.living(1)?.subscriptions;
    let found: Vec<_> = found.iter().map(|held| held.filter.as_str()).collect();
    same("filters", &vec!["+", "B", "a", "a/#", "a/b", "b", "ä"], &found)
}

fn received_until_freed(ground: &mut Ground) -> Told {
    let ops = [9, 65_535, 1, 9].map(|number| received(1, number));
    ground.put([created(1, "c")].into_iter().chain(ops).collect())?;
    same("received", &vec![id(1), id(9), id(65_535)], &ground.living(1)?.received)?;
    ground.put(vec![freed(1, 9), freed(1, 2)])?;
    same("received", &vec![id(1), id(65_535)], &ground.living(1)?.received)
}

fn will_until_cleared(ground: &mut Ground) -> Told {
    ground.put(vec![
        created(1, "c"),
        will_set(1, will("first")),
        will_set(1, will("second")),
    ])?;
    same("will", &Some(will("second")), &ground.living(1)?.will)?;
    ground.put(vec![will_cleared(1)])?;
    same("will", &None, &ground.living(1)?.will)
}

fn nothing_is_inherited(ground: &mut Ground) -> Told {
    ground.put(vec![
        created(1, "c"),
        subscribed(1, "a", ONE),
        received(1, 1),
        will_set(1, will("w")),
        owed(1, "m", &[1]),
        delivery(1, 1, 1, Stage::Published),
    ])?;
    ground.put(vec![deleted(1), created(2, "c")])?;
    let heir = ground.living(2)?;
    let bare = SessionRecord {
        session: heir.session,
        client_id: "c".into(),
        user: None,
        subscriptions: Vec::new(),
        received: Vec::new(),
        deliveries: Vec::new(),
        will: None,
        backlog: Backlog::default(),
    };
    same("the heir", &bare, &heir)?;
    same("sessions", &1, &ground.image()?.sessions.len())
}

fn late_words_do_nothing(ground: &mut Ground) -> Told {
    ground.put(vec![
        created(1, "c"),
        created(2, "d"),
        owed(1, "m", &[2]),
        retained("r", "x"),
    ])?;
    ground.put(vec![deleted(1)])?;
    let before = ground.image()?;
    for gone in [1, 77] {
        ground.put(vec![
            claimed(gone, "x"),
            subscribed(gone, "a", ONE),
            unsubscribed(gone, "a"),
            settled(gone, 1),
            delivery(gone, 1, 1, Stage::Published),
            received(gone, 1),
            freed(gone, 1),
            will_set(gone, will("w")),
            will_cleared(gone),
            deleted(gone),
        ])?;
        before.compare(&ground.image()?)?;
    }
    Ok(())
}
