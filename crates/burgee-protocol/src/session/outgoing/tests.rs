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
    assert!(outgoing.pubcomp(id(3)).expect("released"));
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
    assert!(!outgoing.pubcomp(id(77)).expect("unknown is ignored"));
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
