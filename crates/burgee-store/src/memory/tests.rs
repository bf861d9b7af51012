//! What only the reference can do: waiting, crashing with luck, failing on request; and that nothing is left behind.

use burgee_codec::{QoS, TopicName};

use super::*;
use crate::batch::Op;
use crate::body::Body;

fn created(session: u64) -> Op {
    Op::SessionCreated {
        session: SessionNo(session),
        client_id: session.to_string().into(),
        user: None,
    }
}

fn owed(message: u64, session: u64) -> Op {
    Op::Owed {
        message: MessageNo(message),
        body: Body::of(TopicName::trusted("t"), b"payload"),
        retain: false,
        owing: [(SessionNo(session), QoS::AtLeastOnce)].into(),
    }
}

fn submit(store: &mut MemoryStore, number: u64, ops: Vec<Op>) {
    let source = Source::default();
    store.submit(Batch { source, number, ops }).unwrap();
}

fn committed() -> MemoryStore {
    let mut store = MemoryStore::new();
    submit(&mut store, 1, vec![created(1)]);
    store.commit(&mut Vec::new()).unwrap();
    for number in 2..=4 {
        submit(&mut store, number, vec![owed(number * 2, 1), owed(number * 2 + 1, 1)]);
    }
    store
}

#[test]
fn a_crash_keeps_as_many_waiting_batches_as_it_is_told() {
    for kept in 0..5 {
        let mut store = committed();
        assert_eq!(store.waiting(), 3);
        store.crash(kept);
        assert_eq!(store.waiting(), 0);
        let there = u64::try_from(kept.min(3) * 2).unwrap();
        assert_eq!(store.recover().unwrap().messages, there);
    }
}

#[test]
fn the_commit_that_is_told_to_fail_fails_and_no_other_before() {
    let mut store = MemoryStore::new();
    store.fail_commit(3, Fault::Full);
    for number in 1..=3 {
        // A commit of nothing is none.
        assert_eq!(store.commit(&mut Vec::new()), Ok(()));
        submit(&mut store, number, vec![created(number)]);
        let failed = store.commit(&mut Vec::new()).err();
        assert_eq!(
            failed.map(|failure| failure.fault),
            (number == 3).then_some(Fault::Full)
        );
    }
    assert_eq!(store.recover().unwrap().sessions, 2);
    store.crash(1);
    assert_eq!(
        store.recover().unwrap().sessions,
        3,
        "the failed commit may have reached the disk"
    );
    submit(&mut store, 1, vec![created(4)]);
    assert_eq!(store.commit(&mut Vec::new()), Ok(()));
}

#[test]
fn nothing_is_left_of_a_hundred_thousand_messages() {
    let mut store = MemoryStore::new();
    submit(&mut store, 1, vec![created(1), created(2)]);
    let mut number = 1;
    for message in 1..=100_000 {
        number += 1;
        let session = SessionNo(1);
        let settled = Op::Settled {
            session,
            message: MessageNo(message),
        };
        submit(&mut store, number, vec![owed(message, 1), settled]);
        if message % 100 == 0 {
            store.commit(&mut Vec::new()).unwrap();
        }
    }
    let recovered = store.recover().unwrap();
    assert_eq!((recovered.messages, recovered.message_bytes), (0, 0));
    assert_eq!(recovered.next_message, MessageNo(100_001));
    assert_eq!(store.waiting(), 0);
}

#[test]
fn a_failure_says_what_to_do() {
    let failure = Failure::new(Fault::Full, "the disk is full");
    assert_eq!(
        failure.to_string(),
        "the store failed: the disk is full; make room, then start the broker again: nothing that was acknowledged is lost"
    );
}

#[test]
fn a_batch_weighs_what_it_holds() {
    let empty = Batch::default();
    assert!(empty.is_empty() && empty.weight() == 0);
    let op = size_of::<Op>();
    let mut fan_out = owed(2, 1);
    let mut room = 0;
    if let Op::Owed { owing, .. } = &mut fan_out {
        // Of unknown number beforehand, as the recipients of a message are.
        let sessions = (1..6).map(SessionNo).filter(|session| session.0 % 2 == 1);
        *owing = sessions.map(|session| (session, QoS::AtLeastOnce)).collect();
        room = owing.capacity();
        assert!(room > owing.len(), "{room}");
    }
    let batch = Batch {
        ops: vec![owed(1, 1), created(12), fan_out],
        ..Batch::default()
    };
    // Only from the second session on the list of them has memory of its own.
    let list = room * size_of::<(SessionNo, QoS)>();
    assert_eq!(batch.weight(), 3 * op + 2 * "..tpayload".len() + "12".len() + list);
}
