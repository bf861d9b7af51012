//! Pages: nothing is left out, nothing comes twice, no limit is exceeded; and what is read has happened.

use super::super::ground::Ground;
use super::super::image::Image;
use super::super::ops::{ONE, body, created, owed, retained, settled, subscribed};
use super::super::told::{ALL, Told, same, unreadable};
use super::Story;
use crate::batch::{MessageNo, SessionNo};
use crate::page::{Limit, Page};

pub(super) const STORIES: &[Story] = &[
    ("whatever the pages' size, together they hold everything", any_size),
    ("a page holds one item at least, however small the limit", one_at_least),
    ("a page may begin behind a number that is not there", behind_a_gap),
    ("a session that is not there is owed nothing", nobody),
    (
        "bodies come in the order asked, without those that nobody is owed",
        bodies_as_asked,
    ),
    ("reads show nothing that is not committed", nothing_uncommitted),
];

fn fill(ground: &mut Ground) -> Told {
    let clients = (1..=7).map(|session| created(session, &format!("client {session}")));
    ground.put(clients.collect())?;
    let messages = (1..=20).map(|message: u64| {
        let size = usize::try_from(message * 7 % 23).unwrap_or(0);
        owed(message * 3, &"x".repeat(size), &[1 + message % 3, 5])
    });
    ground.put(messages.collect())?;
    let topics = (1..=9).map(|topic| retained(&format!("topic/{topic}"), "payload"));
    ground.put(topics.collect())
}

fn any_size(ground: &mut Ground) -> Told {
    fill(ground)?;
    let whole = ground.image()?;
    same("owed messages", &20, &whole.messages.0)?;
    for items in 1..25 {
        for bytes in (0..50).chain([1_000_000]) {
            let pieced = Image::read(&mut *ground.store, Limit { items, bytes })?;
            whole
                .compare(&pieced)
                .map_err(|what| format!("pages of {items} items and {bytes} bytes: {what}"))?;
        }
    }
    Ok(())
}

fn one_at_least(ground: &mut Ground) -> Told {
    fill(ground)?;
    let none = Limit { items: 0, bytes: 0 };
    let mut owed = Vec::new();
    let failed = |failure| format!("a read failed: {failure}");
    let page = ground
        .store
        .backlog(SessionNo(5), MessageNo(0), none, &mut owed)
        .map_err(failed)?;
    same("a page and its items", &(Page::More, 1), &(page, owed.len()))?;
    let page = ground
        .store
        .backlog(SessionNo(5), MessageNo(57), none, &mut owed)
        .map_err(failed)?;
    same("the last page, appended", &(Page::End, 2), &(page, owed.len()))
}

fn behind_a_gap(ground: &mut Ground) -> Told {
    ground.put(vec![
        created(1, "a"),
        owed(5, "", &[1]),
        owed(6, "", &[1]),
        owed(7, "", &[1]),
    ])?;
    ground.put(vec![settled(1, 6)])?;
    for (after, expected) in [(4, vec![5, 7]), (5, vec![7]), (6, vec![7]), (7, vec![]), (99, vec![])] {
        let mut out = Vec::new();
        let limit = Limit { items: 9, bytes: 999 };
        let page = ground
            .store
            .backlog(SessionNo(1), MessageNo(after), limit, &mut out)
            .map_err(|failure| format!("a read failed: {failure}"))?;
        let found: Vec<_> = out.iter().map(|owed| owed.message.0).collect();
        same("the page", &(Page::End, expected), &(page, found))?;
    }
    Ok(())
}

fn nobody(ground: &mut Ground) -> Told {
    fill(ground)?;
    same("owed to nobody", &vec![], &ground.owed(99)?)?;
    let mut refs = Vec::new();
    let page = ground
        .store
        .owed(SessionNo(99), MessageNo(0), ALL, &mut refs)
        .map_err(|failure| unreadable(&failure))?;
    same("owed to nobody, without bodies", &(Page::End, 0), &(page, refs.len()))
}

fn bodies_as_asked(ground: &mut Ground) -> Told {
    ground.put(vec![
        created(1, "a"),
        owed(3, "three", &[1]),
        owed(5, "five", &[1]),
        owed(7, "seven", &[1]),
    ])?;
    ground.put(vec![settled(1, 5)])?;
    ground.submit(0, vec![owed(9, "nine", &[1]), settled(1, 3)])?;
    let mut found = Vec::new();
    ground
        .store
        .bodies(&[7, 9, 3, 5, 0, 7].map(MessageNo), &mut found)
        .map_err(|failure| unreadable(&failure))?;
    let expected = [(7, "seven"), (3, "three"), (7, "seven")];
    let expected: Vec<_> = expected
        .map(|(number, payload)| (MessageNo(number), body("t", payload)))
        .into();
    same("bodies", &expected, &found)
}

fn nothing_uncommitted(ground: &mut Ground) -> Told {
    ground.put(vec![created(1, "a"), owed(1, "", &[1])])?;
    let before = ground.image()?;
    ground.submit(
        0,
        vec![
            created(2, "b"),
            subscribed(1, "f", ONE),
            owed(2, "", &[1]),
            settled(1, 1),
            retained("r", "x"),
        ],
    )?;
    before.compare(&ground.image()?)?;
    ground.commit()?;
    same("owed", &vec![2], &ground.owed(1)?)
}
