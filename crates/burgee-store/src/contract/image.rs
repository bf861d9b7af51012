//! Everything that can be read from a store, for comparison. On the way, each page is held against its limit, and the
//! two ways to read what is owed, with bodies and without, against each other.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::told::{Told, same, unreadable};
use crate::batch::{MessageNo, SessionNo};
use crate::body::Body;
use crate::page::{Limit, Page};
use crate::record::{OwedMessage, OwedRef, Recovered, RetainedMessage, SessionRecord};
use crate::store::Store;

/// See the module. The numbers that come next are no part: they may be greater than necessary.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Image {
    pub(super) sessions: Vec<SessionRecord>,
    pub(super) backlogs: Vec<(SessionNo, Vec<OwedMessage>)>,
    pub(super) retained: Vec<RetainedMessage>,
    /// Messages that somebody is owed, and the bytes of their bodies.
    pub(super) messages: (u64, u64),
}

impl Image {
    /// Reads in pages of this limit. `recover` is asked too, and must agree.
    pub(super) fn read<S: Store + ?Sized>(store: &mut S, limit: Limit) -> Result<Self, String> {
        let recovered = store.recover().map_err(|failure| unreadable(&failure))?;
        let sessions = pages(limit, SessionRecord::weight, |last: Option<&SessionRecord>, out| {
            let after = last.map_or(SessionNo(0), |last| last.session);
            store.sessions(after, limit, out)
        })?;
        let mut backlogs = Vec::new();
        for session in sessions.iter().map(|held| held.session) {
            let owed = pages(limit, OwedMessage::weight, |last: Option<&OwedMessage>, out| {
                let after = last.map_or(MessageNo(0), |last| last.message);
                store.backlog(session, after, limit, out)
            })?;
            let refs = pages(limit, OwedRef::weight, |last: Option<&OwedRef>, out| {
                let after = last.map_or(MessageNo(0), |last| last.message);
                store.owed(session, after, limit, out)
            })?;
            let expected: Vec<_> = owed.iter().map(without_body).collect();
            each("what is owed, without bodies", &expected, &refs)?;
            backlogs.push((session, owed));
        }
        let retained = pages(limit, RetainedMessage::weight, |last: Option<&RetainedMessage>, out| {
            store.retained(last.map(|last| last.body.topic()), limit, out)
        })?;
        let image = Self {
            sessions,
            backlogs,
            retained,
            messages: (recovered.messages, recovered.message_bytes),
        };
        image.agrees_with(&recovered)?;
        image.has_these_bodies(store, recovered.next_message)?;
        Ok(image)
    }

    /// Asks for the body of each message that somebody is owed, and of some that nobody is owed: the last first.
    fn has_these_bodies<S: Store + ?Sized>(&self, store: &mut S, next: MessageNo) -> Told {
        let owed = self.backlogs.iter().flat_map(|(_, owed)| owed);
        let mut known: BTreeMap<MessageNo, Option<&Body>> = (next.0.saturating_sub(NUMBERS_ASKED)..=next.0)
            .map(|number| (MessageNo(number), None))
            .collect();
        known.extend(owed.map(|owed| (owed.message, Some(&owed.body))));
        let mut asked: Vec<_> = known.keys().rev().copied().collect();
        asked.extend(known.keys().next());
        let held = |message: &MessageNo| {
            known
                .get(message)
                .copied()
                .flatten()
                .map(|body| (*message, body.clone()))
        };
        let expected: Vec<_> = asked.iter().filter_map(held).collect();
        let mut found = Vec::new();
        store
            .bodies(&asked, &mut found)
            .map_err(|failure| unreadable(&failure))?;
        each("bodies", &expected, &found)
    }

    fn agrees_with(&self, recovered: &Recovered) -> Told {
        let bytes = self.retained.iter().map(|held| held.body.len() as u64).sum();
        let counted = (self.sessions.len() as u64, self.retained.len() as u64, bytes);
        let told = (recovered.sessions, recovered.retained, recovered.retained_bytes);
        same(
            "sessions, retained messages and their bytes in `recover`",
            &counted,
            &told,
        )
    }

    /// Says where the two differ first.
    pub(super) fn compare(&self, found: &Self) -> Told {
        each("sessions", &self.sessions, &found.sessions)?;
        each("backlogs", &self.backlogs, &found.backlogs)?;
        each("retained messages", &self.retained, &found.retained)?;
        same(
            "owed messages and their bytes in `recover`",
            &self.messages,
            &found.messages,
        )
    }
}

/// So many of the numbers given last are asked for, whether somebody is owed them or not.
const NUMBERS_ASKED: u64 = 64;

fn without_body(owed: &OwedMessage) -> OwedRef {
    OwedRef {
        message: owed.message,
        bytes: u32::try_from(owed.body.len()).unwrap_or(u32::MAX),
        qos: owed.qos,
        retain: owed.retain,
        delivery: owed.delivery,
    }
}

fn each<T: Debug + PartialEq>(what: &str, expected: &[T], found: &[T]) -> Told {
    for (expected, found) in expected.iter().zip(found) {
        same(what, expected, found)?;
    }
    let common = expected.len().min(found.len());
    let rest = |all: &[T]| format!("{:?}", all.get(common..).unwrap_or_default());
    if expected.len() == found.len() {
        return Ok(());
    }
    Err(format!("{what}: missing {}, too many {}", rest(expected), rest(found)))
}

/// Reads page by page until the end.
fn pages<T>(
    limit: Limit,
    weight: fn(&T) -> usize,
    mut next: impl FnMut(Option<&T>, &mut Vec<T>) -> Result<Page, crate::error::Failure>,
) -> Result<Vec<T>, String> {
    let mut all: Vec<T> = Vec::new();
    loop {
        let mut page = Vec::new();
        let end = next(all.last(), &mut page).map_err(|failure| unreadable(&failure))?;
        let bytes: usize = page.iter().map(weight).sum();
        if page.len() > 1 && (page.len() > limit.items || bytes > limit.bytes) {
            return Err(format!(
                "a page of {} items and {bytes} bytes exceeds {limit:?}",
                page.len()
            ));
        }
        if page.is_empty() && end == Page::More {
            return Err("an empty page says that there is more".to_owned());
        }
        all.append(&mut page);
        if end == Page::End {
            return Ok(all);
        }
        if all.len() > 1_000_000 {
            return Err("the pages do not end".to_owned());
        }
    }
}
