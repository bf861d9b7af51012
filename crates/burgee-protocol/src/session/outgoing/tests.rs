//! Stories of the sender's half: what goes out, in which order, under which identifier.

use super::*;
use crate::session::Policy;

#[derive(Clone, Debug, Eq, PartialEq)]
struct Note(u32, QoS);

impl Deliverable for Note {
    fn qos(&self) -> QoS {
        self.1
    }
    fn weight(&self) -> usize {
        10
    }
}

const WIDE: QueueLimits = QueueLimits {
    messages: 100_000,
    bytes: usize::MAX,
    policy: Policy::DropNewest,
};

fn id(value: u16) -> PacketId {
    PacketId::new(value).expect("not zero")
}

fn push(outgoing: &mut Outgoing<Note>, number: u32, qos: QoS) {
    assert_eq!(outgoing.push(Note(number, qos), &WIDE), None);
}

/// What goes out now, as text: `p` PUBLISH, `d` PUBLISH with DUP, `r` PUBREL, and the identifier.
fn written(outgoing: &mut Outgoing<Note>) -> String {
    let mut text = String::new();
    while let Some(send) = outgoing.next() {
        let word = match send {
            Send::Publish { id, dup: false, .. } => format!("p{} ", id.get()),
            Send::Publish { id, dup: true, .. } => format!("d{} ", id.get()),
            Send::Release { id } => format!("r{} ", id.get()),
        };
        text.push_str(&word);
    }
    text.trim_end().to_owned()
}

#[test]
fn unfinished_flows_resume_in_the_order_of_first_sending() {
    let mut outgoing = Outgoing::new(10);
    for number in 0..6 {
        push(
            &mut outgoing,
            number,
            if number % 2 == 0 {
                QoS::ExactlyOnce
            } else {
                QoS::AtLeastOnce
            },
        );
    }
    assert_eq!(written(&mut outgoing), "p1 p2 p3 p4 p5 p6");
    assert!(outgoing.puback(id(2)).expect("QoS 1").is_some());
    assert!(outgoing.pubrec(id(3)).expect("QoS 2").is_some());
    assert_eq!(
        written(&mut outgoing),
        "",
        "PUBREL answers PUBREC at once, outside the list"
    );
    push(&mut outgoing, 9, QoS::AtLeastOnce);
    outgoing.disconnected();
    assert_eq!(written(&mut outgoing), "d1 r3 d4 d5 d6 p7");
    assert_eq!(outgoing.pubcomp(id(3)).expect("released"), Some(0));
    outgoing.disconnected();
    assert_eq!(written(&mut outgoing), "d1 d4 d5 d6 d7");
}

#[test]
fn releases_are_repeated_where_their_messages_stood() {
    let mut outgoing = Outgoing::new(10);
    for number in 0..4 {
        push(&mut outgoing, number, QoS::ExactlyOnce);
    }
    assert_eq!(written(&mut outgoing), "p1 p2 p3 p4");
    for value in [3, 1, 2] {
        assert!(outgoing.pubrec(id(value)).expect("QoS 2").is_some());
    }
    outgoing.disconnected();
    assert_eq!(written(&mut outgoing), "r1 r2 r3 d4");
}

#[test]
fn the_window_bounds_what_is_unacknowledged() {
    let mut outgoing = Outgoing::new(3);
    for number in 0..5 {
        push(&mut outgoing, number, QoS::AtLeastOnce);
    }
    assert_eq!(written(&mut outgoing), "p1 p2 p3");
    assert_eq!((outgoing.in_flight(), outgoing.queue().len()), (3, 2));
    assert!(outgoing.puback(id(2)).expect("QoS 1").is_some());
    assert_eq!(written(&mut outgoing), "p4");
    assert!(outgoing.puback(id(2)).expect("unknown is ignored").is_none());
}

#[test]
fn identifiers_wrap_past_zero_and_past_those_in_use() {
    let mut outgoing = Outgoing::new(2);
    push(&mut outgoing, 0, QoS::AtLeastOnce);
    assert_eq!(written(&mut outgoing), "p1");
    for round in 2..=u16::MAX {
        push(&mut outgoing, 1, QoS::AtLeastOnce);
        assert_eq!(written(&mut outgoing), format!("p{round}"));
        assert!(outgoing.puback(id(round)).expect("QoS 1").is_some());
    }
    push(&mut outgoing, 2, QoS::AtLeastOnce);
    assert_eq!(written(&mut outgoing), "p2", "0 is no identifier and 1 is still in use");
}

#[test]
fn an_acknowledgement_of_the_wrong_kind_is_a_fault() {
    let mut outgoing = Outgoing::new(9);
    push(&mut outgoing, 0, QoS::AtLeastOnce);
    push(&mut outgoing, 1, QoS::ExactlyOnce);
    assert_eq!(written(&mut outgoing), "p1 p2");
    assert!(outgoing.pubrec(id(1)).is_err() && outgoing.pubcomp(id(1)).is_err());
    assert!(outgoing.puback(id(2)).is_err() && outgoing.pubcomp(id(2)).is_err());
    assert!(outgoing.pubrec(id(2)).expect("first").is_some() && outgoing.pubrec(id(2)).expect("again").is_none());
    assert!(outgoing.puback(id(2)).is_err());
    assert_eq!(outgoing.pubcomp(id(77)).expect("unknown is ignored"), None);
    assert!(outgoing.pubrec(id(77)).expect("unknown is answered").is_none());
}

#[test]
fn what_finds_no_room_is_returned() {
    let newest = QueueLimits {
        messages: 2,
        bytes: 1000,
        policy: Policy::DropNewest,
    };
    let mut outgoing = Outgoing::new(1);
    assert_eq!(outgoing.push(Note(0, QoS::AtLeastOnce), &newest), None);
    assert_eq!(outgoing.push(Note(1, QoS::AtLeastOnce), &newest), None);
    assert_eq!(
        outgoing.push(Note(2, QoS::AtLeastOnce), &newest),
        Some(Note(2, QoS::AtLeastOnce))
    );
    let oldest = QueueLimits {
        messages: 9,
        bytes: 20,
        policy: Policy::DropOldest,
    };
    assert_eq!(
        outgoing.push(Note(3, QoS::AtLeastOnce), &oldest),
        Some(Note(0, QoS::AtLeastOnce))
    );
    assert_eq!(outgoing.queue().bytes(), 20);
    let none = QueueLimits {
        messages: 0,
        bytes: 0,
        policy: Policy::DropNewest,
    };
    let mut empty = Outgoing::new(1);
    assert_eq!(
        empty.push(Note(4, QoS::AtLeastOnce), &none),
        None,
        "one message always fits"
    );
    assert_eq!(written(&mut empty), "p1");
}

#[test]
fn at_once_is_push_and_next_in_one() {
    let mut outgoing = Outgoing::new(2);
    let at_once = |outgoing: &mut Outgoing<Note>, number| {
        let mut under = None;
        let sent = outgoing.send_at_once(Note(number, QoS::AtLeastOnce), |id, _| under = Some(id.get()));
        assert_eq!(sent.is_ok(), under.is_some());
        under
    };
    assert_eq!(at_once(&mut outgoing, 0), Some(1));
    push(&mut outgoing, 1, QoS::AtLeastOnce);
    assert_eq!(at_once(&mut outgoing, 2), None, "one waits before it");
    assert_eq!(written(&mut outgoing), "p2");
    assert_eq!(at_once(&mut outgoing, 3), None, "the window is full");
    assert!(outgoing.puback(id(1)).expect("QoS 1").is_some());
    assert_eq!(at_once(&mut outgoing, 4), Some(3));
    outgoing.disconnected();
    assert!(outgoing.puback(id(2)).expect("QoS 1").is_some());
    assert_eq!(at_once(&mut outgoing, 5), None, "the unfinished one goes first");
    assert_eq!(written(&mut outgoing), "d3");
    assert_eq!(at_once(&mut outgoing, 6), Some(4));
}

/// Against a list that is searched from the front: whatever order acknowledgements come in, and when the circle closes.
#[test]
fn identifiers_are_found_and_unused_in_every_order() {
    let mut seed = 7_u32;
    let mut chance = move |below: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize % below
    };
    let mut outgoing = Outgoing::new(40);
    let mut held: Vec<(u16, u32)> = Vec::new();
    for number in 0..200_000 {
        push(&mut outgoing, number, QoS::AtLeastOnce);
        while let Some(Send::Publish { id, message, .. }) = outgoing.next() {
            assert!(held.iter().all(|(other, _)| *other != id.get()), "{id:?} is in use");
            held.push((id.get(), message.0));
        }
        // The first message of each stretch stays for longer than the circle is round.
        let stubborn = number % 100_000 < 70_000;
        while held.len() > 30 {
            let place = if stubborn {
                1 + chance(held.len() - 1)
            } else {
                chance(held.len())
            };
            let (value, was) = held.remove(place);
            let done = outgoing.puback(id(value)).expect("QoS 1");
            assert_eq!(done.map(|note| note.0), Some(was), "{value}");
            assert!(outgoing.puback(id(value)).expect("unknown is ignored").is_none());
        }
    }
}

/// A message whose body may lie elsewhere.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Kept(u64, QoS, bool);

impl Deliverable for Kept {
    fn qos(&self) -> QoS {
        self.1
    }
    fn weight(&self) -> usize {
        10
    }
    fn is_here(&self) -> bool {
        self.2
    }
    fn number(&self) -> u64 {
        self.0
    }
}

fn next_id(outgoing: &mut Outgoing<Kept>) -> Option<u16> {
    outgoing.next().map(|send| match send {
        Send::Publish { id, .. } | Send::Release { id } => id.get(),
    })
}

#[test]
fn a_sealed_message_holds_back_itself_and_what_follows_until_it_is_let_go() {
    let mut outgoing = Outgoing::new(3);
    for number in 1..=4 {
        let qos = if number == 2 {
            QoS::ExactlyOnce
        } else {
            QoS::AtLeastOnce
        };
        assert_eq!(outgoing.push(Kept(number, qos, true), &WIDE), None);
    }
    outgoing.fill(9, |_, message| message.1 == QoS::ExactlyOnce);
    assert_eq!((outgoing.in_flight(), outgoing.queue().len()), (3, 1));
    assert_eq!((next_id(&mut outgoing), next_id(&mut outgoing)), (Some(1), None));
    assert!(
        outgoing.is_sealed(id(2)) && !outgoing.unseal(id(2)),
        "it was not passed yet"
    );
    assert_eq!((next_id(&mut outgoing), next_id(&mut outgoing)), (Some(2), Some(3)));
    // PUBREC came: the PUBREL waits, here and on the next connection.
    assert!(outgoing.pubrec(id(2)).expect("QoS 2").is_some());
    outgoing.seal(id(2));
    let mut again = outgoing.unseal(id(2));
    assert!(again, "it is due on this connection");
    outgoing.seal(id(2));
    outgoing.disconnected();
    assert_eq!((next_id(&mut outgoing), next_id(&mut outgoing)), (Some(1), None));
    again = outgoing.unseal(id(2));
    assert!(!again, "its turn comes");
    assert_eq!(outgoing.next(), Some(Send::Release { id: id(2) }));
    assert_eq!(outgoing.pubcomp(id(2)).expect("released"), Some(2));
}

#[test]
fn what_lies_elsewhere_is_fetched_in_order_and_what_is_lost_there_holds_up_nothing() {
    let mut outgoing = Outgoing::new(2);
    for number in 1..=4 {
        let here = number == 1;
        assert_eq!(outgoing.push(Kept(number, QoS::AtLeastOnce, here), &WIDE), None);
    }
    outgoing.fill(9, |_, _| false);
    assert_eq!(next_id(&mut outgoing), Some(1));
    assert!(outgoing.next_is_away() && next_id(&mut outgoing).is_none());
    let away: Vec<u64> = outgoing.away().map(Deliverable::number).collect();
    assert_eq!(away, [2, 3, 4]);
    for message in outgoing.away_mut().filter(|message| message.0 == 3) {
        message.2 = true;
    }
    assert_eq!(outgoing.lose(|message| message.0 == 2), 1);
    outgoing.fill(9, |_, _| false);
    assert_eq!(next_id(&mut outgoing), Some(2));
    assert_eq!(outgoing.puback(id(1)).expect("QoS 1").map(|message| message.0), Some(1));
    assert!(outgoing.next_is_away(), "the fourth");
    assert_eq!(outgoing.queue().bytes(), 10);
}

#[test]
fn a_restored_session_goes_on_under_its_identifiers_and_takes_no_other_one_that_is_in_use() {
    let mut outgoing = Outgoing::new(4);
    outgoing.restore(vec![
        Unfinished::Waiting(Kept(1, QoS::AtLeastOnce, true)),
        Unfinished::Released(id(7), 2),
        Unfinished::Sent(id(9), Kept(3, QoS::ExactlyOnce, true)),
        Unfinished::Waiting(Kept(4, QoS::AtLeastOnce, true)),
        Unfinished::Waiting(Kept(5, QoS::AtLeastOnce, true)),
    ]);
    let mut sent = Vec::new();
    while let Some(send) = outgoing.next() {
        sent.push(match send {
            Send::Publish { id, dup, message } => (id.get(), dup, message.0),
            Send::Release { id } => (id.get(), true, 0),
        });
    }
    // The window holds for what comes back, too.
    assert_eq!(sent, [(7, true, 0), (9, true, 3), (10, false, 1), (11, false, 4)]);
    assert_eq!(outgoing.pubcomp(id(7)).expect("released"), Some(2));
    assert_eq!(
        outgoing.puback(id(10)).expect("QoS 1").map(|message| message.0),
        Some(1)
    );
    assert_eq!(outgoing.pubrec(id(9)).expect("QoS 2").map(|message| message.0), Some(3));
}
