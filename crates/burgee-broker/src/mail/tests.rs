//! The slots between two shards, and who is woken when.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::Duration;

use burgee_codec::{QoS, TopicName};
use burgee_core::Message;
use burgee_core::io::{Effects, Input};
use mio::{Events, Poll, Token};

use super::*;
use crate::config::AcceptLimits;

fn hub(shards: u16, slot_bytes: usize) -> (Hub, Vec<Poll>) {
    let polls: Vec<Poll> = (0..shards).map(|_| Poll::new().unwrap()).collect();
    let wakers = polls
        .iter()
        .map(|poll| Waker::new(poll.registry(), Token(0)).unwrap())
        .collect();
    let doors = Doors::new(Vec::new(), usize::MAX, AcceptLimits::default());
    (Hub::new(wakers, slot_bytes, doors), polls)
}

fn parcel(number: u32) -> Parcel {
    let topic = TopicName::parse("t").unwrap();
    Parcel::Publish {
        message: Message::new(topic, &number.to_be_bytes(), QoS::AtMostOnce),
        copies: Vec::new(),
    }
}

fn number(parcel: &Parcel) -> u32 {
    let Parcel::Publish { message, .. } = parcel else {
        panic!("{parcel:?}")
    };
    u32::from_be_bytes(message.payload().try_into().unwrap())
}

fn wakes(poll: &mut Poll) -> bool {
    let mut events = Events::with_capacity(4);
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    !events.is_empty()
}

#[test]
fn mail_keeps_its_order_and_its_bound() {
    let weight = parcel(0).weight();
    let (hub, _polls) = hub(2, 3 * weight);
    let mut mail = Effects::new(2, usize::MAX).mail.remove(1);
    for at in 0..10 {
        mail.push(parcel(at));
    }
    let (mut inbox, mut got) = (Inbox::new(1, 2), Vec::new());
    for round in 0..4 {
        hub.deliver(0, 1, &mut mail, &mut VecDeque::new());
        inbox.fetch(&hub);
        let before = got.len();
        while let Some((from, parcel)) = inbox.pop() {
            assert_eq!(from, 0);
            got.push(number(&parcel));
        }
        assert_eq!(got.len() - before, if round < 3 { 3 } else { 1 });
    }
    assert_eq!(got, (0..10).collect::<Vec<_>>());
    assert!(mail.is_empty() && inbox.is_empty());
}

#[test]
fn a_parcel_heavier_than_a_slot_goes_alone() {
    let (hub, _polls) = hub(2, 1);
    let mut mail = Effects::new(2, usize::MAX).mail.remove(1);
    mail.push(parcel(1));
    mail.push(parcel(2));
    let mut inbox = Inbox::new(1, 2);
    for expected in [1, 2] {
        hub.deliver(0, 1, &mut mail, &mut VecDeque::new());
        inbox.fetch(&hub);
        assert_eq!(inbox.pop().map(|(_, parcel)| number(&parcel)), Some(expected));
        assert!(inbox.is_empty());
    }
}

#[test]
fn only_a_sleeping_shard_is_woken_and_only_once() {
    let (hub, mut polls) = hub(2, 1 << 20);
    let mut mail = Effects::new(2, usize::MAX).mail.remove(1);
    let mut none = VecDeque::new();
    mail.push(parcel(1));
    hub.deliver(0, 1, &mut mail, &mut none);
    assert!(!wakes(&mut polls[1]), "it is awake");
    assert!(!hub.may_sleep(1, false), "mail is waiting");
    let mut inbox = Inbox::new(1, 2);
    inbox.fetch(&hub);
    while inbox.pop().is_some() {}
    assert!(hub.may_sleep(1, false));
    mail.push(parcel(2));
    hub.deliver(0, 1, &mut mail, &mut none);
    assert!(wakes(&mut polls[1]));
    mail.push(parcel(3));
    hub.deliver(0, 1, &mut mail, &mut none);
    assert!(!wakes(&mut polls[1]), "it was woken already");
}

#[test]
fn the_board_is_looked_at_without_the_mail() {
    let (hub, mut polls) = hub(2, 1 << 20);
    let mut inbox = Inbox::new(1, 2);
    assert!(hub.may_sleep(1, false));
    let mut mail = Effects::new(2, usize::MAX).mail.remove(1);
    mail.push(parcel(1));
    hub.deliver(0, 1, &mut mail, &mut VecDeque::new());
    hub.tell_durable(1, 7);
    assert!(wakes(&mut polls[1]));
    inbox.fetch_notices(&hub);
    let durable = Input::Durable { batch: 7 };
    assert_eq!(
        inbox.notices.next(&mut 1).map(|it| format!("{it:?}")),
        Some(format!("{durable:?}"))
    );
    assert!(inbox.is_empty(), "the mail waits for its time");
    assert!(!hub.may_sleep(1, false), "and keeps the shard awake");
    inbox.fetch(&hub);
    assert_eq!(inbox.pop().map(|(_, parcel)| number(&parcel)), Some(1));
    assert!(inbox.is_empty() && hub.may_sleep(1, false));
}

#[test]
fn a_sender_that_was_held_up_is_woken_when_there_is_room() {
    let (hub, mut polls) = hub(2, 1);
    let mut mail = Effects::new(2, usize::MAX).mail.remove(1);
    mail.push(parcel(1));
    mail.push(parcel(2));
    hub.deliver(0, 1, &mut mail, &mut VecDeque::new());
    assert!(hub.may_sleep(0, false));
    let mut inbox = Inbox::new(1, 2);
    inbox.fetch(&hub);
    assert!(wakes(&mut polls[0]));
    // Until what was fetched is worked through, nothing more is: that is what slows the sender down.
    hub.deliver(0, 1, &mut mail, &mut VecDeque::new());
    inbox.fetch(&hub);
    assert_eq!(inbox.pop().map(|(_, parcel)| number(&parcel)), Some(1));
    assert!(inbox.pop().is_none() && !inbox.is_empty());
    inbox.fetch(&hub);
    assert_eq!(inbox.pop().map(|(_, parcel)| number(&parcel)), Some(2));
}

#[test]
fn the_end_is_heard_by_a_sleeper_and_an_earlier_end_wins() {
    let (hub, mut polls) = hub(1, 1);
    assert!(hub.may_sleep(0, false));
    hub.stop(5000);
    assert!(wakes(&mut polls[0]));
    assert!(!hub.may_sleep(0, false) && hub.may_sleep(0, true));
    hub.stop(9000);
    assert_eq!(hub.stop_at(), Some(5000));
    hub.stop(100);
    assert_eq!(hub.stop_at(), Some(100));
}

#[test]
fn nothing_is_lost_between_two_threads_that_sleep_whenever_they_can() {
    const PARCELS: u32 = 20_000;
    let (hub, mut polls) = hub(2, 10 * parcel(0).weight());
    let (hub, mut reader_poll, mut writer_poll) = (Arc::new(hub), polls.remove(1), polls.remove(0));
    let reader = thread::spawn({
        let hub = Arc::clone(&hub);
        move || {
            let (mut inbox, mut expected, mut events) = (Inbox::new(1, 2), 0, Events::with_capacity(4));
            while expected < PARCELS {
                if inbox.is_empty() && hub.may_sleep(1, false) {
                    // The time limit is for a test that fails: a lost wake-up would sleep for ever.
                    reader_poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
                    assert!(!events.is_empty(), "nobody woke the reader");
                }
                hub.awake(1);
                inbox.fetch(&hub);
                while let Some((_, parcel)) = inbox.pop() {
                    assert_eq!(number(&parcel), expected);
                    expected += 1;
                }
            }
        }
    });
    let mut mail = Effects::new(2, usize::MAX).mail.remove(1);
    let (mut inbox, mut next, mut events) = (Inbox::new(0, 2), 0, Events::with_capacity(4));
    while next < PARCELS || !mail.is_empty() {
        if mail.is_empty() {
            for _ in 0..7.min(PARCELS - next) {
                mail.push(parcel(next));
                next += 1;
            }
        }
        hub.deliver(0, 1, &mut mail, &mut VecDeque::new());
        if !mail.is_empty() && hub.may_sleep(0, false) {
            writer_poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
            assert!(!events.is_empty(), "nobody woke the writer");
        }
        hub.awake(0);
        inbox.fetch(&hub);
    }
    reader.join().unwrap();
}

#[test]
fn a_lost_shard_is_told_whether_asked_before_or_after() {
    let (hub, _polls) = hub(1, 1);
    let told = Arc::new(AtomicUsize::new(0));
    let tell = || {
        let told = Arc::clone(&told);
        Box::new(move || {
            told.fetch_add(1, Ordering::SeqCst);
        })
    };
    hub.on_failure(tell());
    assert_eq!((told.load(Ordering::SeqCst), hub.has_failed()), (0, false));
    hub.fail(0);
    hub.fail(0);
    assert_eq!((told.load(Ordering::SeqCst), hub.has_failed()), (1, true));
    hub.on_failure(tell());
    assert_eq!(told.load(Ordering::SeqCst), 2);
}
