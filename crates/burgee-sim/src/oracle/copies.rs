//! Retained messages that were sent, and which subscription each of them is for.
//!
//! What must hold: each is for one that asked before it came; no copy says for which, so where several wanted it, any way
//! to share the copies out is as good as another, and what is missing is judged by the best for the broker. Deliberately
//! absent: what a subscription has to bring (`routing`).

use burgee_codec::{Publish, QoS};

use super::state::{Conn, Copied, Given, Message, MessageNo, RESTORED, Replay, Want, Wanted};
use crate::net::LinkId;

impl Want {
    /// The part of this topic in a replay.
    pub(super) fn of(replay: &Replay, wanted: &Wanted) -> Self {
        Self {
            wanted: wanted.clone(),
            granted: replay.granted,
            conn: replay.conn,
            question: replay.question,
        }
    }

    fn takes(&self, copy: &Copied, messages: &[Message]) -> bool {
        let in_time = self.question <= copy.until && copy.again_on != Some(self.conn);
        let qos = |held: &Message| held.qos.min(self.granted);
        in_time
            && self
                .any_of(messages)
                .any(|held| *held.payload == *copy.payload && qos(held) == copy.qos)
    }

    fn any_of<'m>(&self, messages: &'m [Message]) -> impl Iterator<Item = &'m Message> {
        self.wanted.any_of.iter().filter_map(|number| messages.get(*number))
    }

    /// Whether it may be missing on this connection: QoS 0 of an earlier one is mostly lost.
    pub(super) fn is_excused(&self, link: LinkId, messages: &[Message]) -> bool {
        self.wanted.optional || (self.conn != link && self.may_have(QoS::AtMostOnce, messages))
    }

    /// Whether it may have been with QoS 0, or else with another.
    pub(super) fn may_have(&self, qos: QoS, messages: &[Message]) -> bool {
        let unacknowledged = qos == QoS::AtMostOnce;
        self.any_of(messages)
            .any(|held| (held.qos.min(self.granted) == QoS::AtMostOnce) == unacknowledged)
    }

    /// The message that it has to be.
    pub(super) fn only(&self) -> Option<MessageNo> {
        match self.wanted.any_of.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    pub(super) fn may_repeat(&self, link: LinkId) -> bool {
        self.conn != link
    }

    pub(super) fn is_restored(&self) -> bool {
        self.conn == RESTORED
    }
}

impl Copied {
    /// What goes to this connection now, after so many SUBSCRIBEs of all clients.
    pub(super) fn of(publish: &Publish<'_>, (link, conn): (LinkId, &Conn), questions: u64) -> Self {
        let unanswered = conn.answers.suback.front();
        Self {
            payload: publish.payload.into(),
            qos: publish.qos,
            until: unanswered.map_or(questions, |(.., first)| first - 1),
            again_on: publish.dup.then_some(link),
        }
    }

    /// The same, as if every SUBSCRIBE had been answered.
    pub(super) fn without_haste(&self) -> Self {
        Self {
            until: u64::MAX,
            ..self.clone()
        }
    }
}

impl Given {
    /// Whether this went out, whatever for.
    pub(super) fn is(&self, topic: &str, payload: &[u8], qos: QoS) -> bool {
        self.topic == topic && *self.copy.payload == *payload && self.copy.qos == qos
    }
}

/// Counts a copy for one of the replays: for the first that needs it, as what a subscription brings comes before what a
/// later one brings, or for one whose copy another replay can take. Returns what it was counted for.
pub(super) fn count(
    (replays, given): (&mut [Replay], &mut Vec<Given>),
    topic: &str,
    mut copy: Copied,
    messages: &[Message],
) -> Option<Want> {
    let mut seen = vec![false; given.len()];
    let (path, place) = way((replays, given), (topic, &copy), &mut seen, messages)?;
    let replay = replays.get_mut(place)?;
    let wanted = replay.wanted.remove(topic)?;
    let last = Want::of(replay, &wanted);
    let mut first = None;
    for place in path {
        let held = given.get_mut(place)?;
        first.get_or_insert_with(|| held.want.clone());
        std::mem::swap(&mut held.copy, &mut copy);
    }
    given.push(Given {
        topic: topic.to_owned(),
        want: last.clone(),
        copy,
    });
    first.or(Some(last))
}

/// The copies that have to change hands, one after the other, and the replay that takes the last.
fn way(
    (replays, given): (&[Replay], &[Given]),
    (topic, copy): (&str, &Copied),
    seen: &mut [bool],
    messages: &[Message],
) -> Option<(Vec<usize>, usize)> {
    let need = |replay: &Replay| {
        let wanted = replay.wanted.get(topic)?;
        let takes = Want::of(replay, wanted).takes(copy, messages);
        takes.then_some(wanted.optional)
    };
    let needy = replays.iter().enumerate();
    let needy = needy.filter_map(|(place, replay)| Some((need(replay)?, place)));
    if let Some((_, place)) = needy.min_by_key(|(optional, _)| *optional) {
        return Some((Vec::new(), place));
    }
    for (place, held) in given.iter().enumerate().filter(|(_, held)| held.topic == topic) {
        if held.want.takes(copy, messages)
            && seen.get_mut(place).is_some_and(|seen| !std::mem::replace(seen, true))
            && let Some((mut path, end)) = way((replays, given), (topic, &held.copy), seen, messages)
        {
            path.insert(0, place);
            return Some((path, end));
        }
    }
    None
}

/// Shares the copies of one session out anew, so that as few as possible of the wants that are left without are `missed`.
/// Returns who has the copies then, and those wants, each in the place of one of the same topic in `lacking`.
pub(super) fn share_out(
    given: &[Given],
    lacking: &[(&str, Want)],
    missed: &impl Fn(&Want) -> bool,
    messages: &[Message],
) -> (Vec<Given>, Vec<Want>) {
    let mut given = given.to_vec();
    let mut left: Vec<Want> = lacking.iter().map(|(_, want)| want.clone()).collect();
    // What one exchange makes possible, another may need.
    while left
        .iter_mut()
        .zip(lacking)
        .any(|(want, (topic, _))| missed(want) && exchange(&mut given, (topic, want), missed, messages))
    {}
    (given, left)
}

/// Gives a want the copy of another, which may take that of a third, and so on, until one has none that is not missed.
fn exchange(
    given: &mut [Given],
    (topic, want): (&str, &mut Want),
    missed: &impl Fn(&Want) -> bool,
    messages: &[Message],
) -> bool {
    let mut seen = vec![false; given.len()];
    let Some(path) = hands(given, (topic, want), missed, messages, &mut seen) else {
        return false;
    };
    for place in path {
        if let Some(held) = given.get_mut(place) {
            std::mem::swap(&mut held.want, want);
        }
    }
    true
}

fn hands(
    given: &[Given],
    (topic, want): (&str, &Want),
    missed: &impl Fn(&Want) -> bool,
    messages: &[Message],
    seen: &mut [bool],
) -> Option<Vec<usize>> {
    for (place, held) in given.iter().enumerate().filter(|(_, held)| held.topic == topic) {
        if !want.takes(&held.copy, messages) || seen.get_mut(place).is_none_or(|seen| std::mem::replace(seen, true)) {
            continue;
        }
        if !missed(&held.want) {
            return Some(vec![place]);
        }
        if let Some(mut path) = hands(given, (topic, &held.want), missed, messages, seen) {
            path.insert(0, place);
            return Some(path);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    fn message(payload: &str, qos: QoS) -> Message {
        Message {
            publisher: String::new(),
            topic: "t".to_owned(),
            payload: payload.as_bytes().into(),
            qos,
            taken: 0,
            sure: false,
            exactly: false,
            origin: None,
        }
    }

    fn replay(question: u64, any_of: &[MessageNo]) -> Replay {
        let wanted = Wanted {
            any_of: any_of.to_vec(),
            optional: false,
        };
        Replay {
            filter: "#".to_owned(),
            granted: QoS::AtLeastOnce,
            wanted: [("t".to_owned(), wanted)].into(),
            conn: 1,
            question,
            asked: 0,
            open: true,
        }
    }

    fn copy(message: &Message, until: u64) -> Copied {
        Copied {
            payload: Rc::clone(&message.payload),
            qos: message.qos,
            until,
            again_on: None,
        }
    }

    fn lacking(replays: &[Replay]) -> Vec<(&str, Want)> {
        let all = replays.iter().flat_map(|replay| {
            let wants = replay.wanted.iter();
            wants.map(move |(topic, wanted)| (topic.as_str(), Want::of(replay, wanted)))
        });
        all.collect()
    }

    /// Four subscriptions ask, one after the other; the first gets nothing, and each copy is counted for the one before.
    #[test]
    fn what_is_missing_may_be_what_any_chain_of_the_others_can_do_without() {
        let messages = [message("old", QoS::AtLeastOnce), message("new", QoS::AtMostOnce)];
        let [old, new] = &messages;
        let mut replays = [replay(1, &[0]), replay(2, &[0, 1]), replay(3, &[1]), replay(4, &[1])];
        let mut given = Vec::new();
        for (copied, question) in [(old, 2), (new, 3), (new, 4)] {
            let counted = count((&mut replays, &mut given), "t", copy(copied, question), &messages);
            assert_eq!(counted.map(|want| want.question), Some(question - 1));
        }
        let missed = |want: &Want| want.question != 1;
        let left = share_out(&given, &lacking(&replays), &missed, &messages).1;
        assert_eq!(left.first().map(|want| want.question), Some(1));
    }

    #[test]
    fn no_copy_is_for_what_was_asked_after_it() {
        let messages = [message("old", QoS::AtLeastOnce)];
        let [old] = &messages;
        let mut replays = [replay(1, &[0]), replay(2, &[0])];
        let mut given = Vec::new();
        assert!(count((&mut replays, &mut given), "t", copy(old, 1), &messages).is_some());
        assert!(count((&mut replays, &mut given), "t", copy(old, 1), &messages).is_none());
        let missed = |want: &Want| want.question == 2;
        let left = share_out(&given, &lacking(&replays), &missed, &messages).1;
        assert_eq!(left.first().map(|want| want.question), Some(2));
    }

    #[test]
    fn a_copy_that_nobody_who_waits_takes_may_be_for_one_whose_copy_goes_on() {
        let messages = ["1", "2", "3"].map(|payload| message(payload, QoS::AtLeastOnce));
        let [one, two, three] = &messages;
        let mut replays = [replay(1, &[0, 1]), replay(2, &[1, 2]), replay(3, &[2])];
        let mut given = Vec::new();
        for copied in [two, three, one] {
            assert!(count((&mut replays, &mut given), "t", copy(copied, 3), &messages).is_some());
        }
        assert!(lacking(&replays).is_empty());
    }
}
