//! A kept session whose state is lost: what the server may still hold of it.

use super::*;
use crate::engine::Outgoing;

fn kept() -> Options {
    options().clean_session(false)
}

#[test]
fn a_message_waits_until_the_server_has_let_go_of_its_identifier() {
    let mut engine = open(&kept(), RESUMED);
    publish(&mut engine, 1, QoS::ExactlyOnce);
    publish(&mut engine, 2, QoS::AtLeastOnce);
    assert_eq!(
        heads(&written(&mut engine)),
        [(0x62, 1), (0x62, 2), (0x62, 3), (0x62, 4)],
        "and as many ahead as are in flight"
    );
    receive(&mut engine, &[0x70, 2, 0, 2]);
    assert_eq!(written(&mut engine), [], "another identifier's answer; the order stays");
    receive(&mut engine, &[0x70, 2, 0, 1]);
    assert_eq!(heads(&written(&mut engine)), [(0x34, 1), (0x32, 2)]);
    assert_eq!(done(&mut engine), [], "nothing was acknowledged yet");
    receive(
        &mut engine,
        &[0x70, 2, 0, 3, 0x50, 2, 0, 1, 0x70, 2, 0, 1, 0x40, 2, 0, 2],
    );
    assert_eq!(heads(&written(&mut engine)), [(0x62, 1)]);
    assert_eq!(done(&mut engine), [1, 2]);
    assert!(engine.is_settled());
}

#[test]
fn who_sends_nothing_of_qos_2_asks_nothing() {
    let mut engine = open(&kept(), RESUMED);
    publish(&mut engine, 1, QoS::AtLeastOnce);
    let filter = TopicFilterBuf::parse("f").expect("valid");
    engine
        .subscribe(vec![(filter, QoS::ExactlyOnce)], 2, at(0))
        .expect("writable");
    assert_eq!(heads(&written(&mut engine)), [(0x32, 1), (0x82, 2)]);
    // An answer that nobody asked for says nothing.
    receive(&mut engine, &[0x70, 2, 0, 3]);
    publish(&mut engine, 3, QoS::ExactlyOnce);
    assert_eq!(
        heads(&written(&mut engine)),
        [(0x62, 3), (0x62, 4), (0x62, 5), (0x62, 6)]
    );
}

#[test]
fn only_the_first_window_waits_for_an_answer() {
    let mut engine = open(&kept().window(2), RESUMED);
    publish(&mut engine, 1, QoS::ExactlyOnce);
    publish(&mut engine, 2, QoS::ExactlyOnce);
    assert_eq!(
        heads(&written(&mut engine)),
        [(0x62, 1), (0x62, 2), (0x62, 3), (0x62, 4)]
    );
    receive(
        &mut engine,
        &[0x70, 2, 0, 1, 0x70, 2, 0, 2, 0x70, 2, 0, 3, 0x70, 2, 0, 4],
    );
    assert_eq!(heads(&written(&mut engine)), [(0x34, 1), (0x34, 2)]);
    receive(&mut engine, &[0x50, 2, 0, 1, 0x70, 2, 0, 1]);
    assert_eq!(heads(&written(&mut engine)), [(0x62, 1)]);
    publish(&mut engine, 3, QoS::ExactlyOnce);
    assert_eq!(heads(&written(&mut engine)), [(0x62, 5), (0x34, 3)]);
}

#[test]
fn a_question_that_the_cut_took_along_is_asked_again() {
    let mut engine = open(&kept(), RESUMED);
    publish(&mut engine, 1, QoS::ExactlyOnce);
    publish(&mut engine, 2, QoS::ExactlyOnce);
    receive(&mut engine, &[0x70, 2, 0, 1]);
    written(&mut engine);
    engine.lost();
    reconnect(&mut engine, RESUMED);
    assert_eq!(
        heads(&written(&mut engine)),
        [(0x62, 2), (0x62, 3), (0x62, 4), (0x3C, 1)],
        "no PUBREL for what may be there already: it would be delivered twice"
    );
    receive(&mut engine, &[0x70, 2, 0, 2]);
    assert_eq!(
        heads(&written(&mut engine)),
        [(0x34, 2)],
        "no DUP: it was never written"
    );
    receive(
        &mut engine,
        &[0x50, 2, 0, 1, 0x50, 2, 0, 2, 0x70, 2, 0, 1, 0x70, 2, 0, 2],
    );
    assert_eq!(done(&mut engine), [1, 2]);
}

#[test]
fn a_request_that_waited_goes_with_its_connection() {
    let mut engine = open(&kept(), RESUMED);
    publish(&mut engine, 1, QoS::ExactlyOnce);
    let filter = || TopicFilterBuf::parse("f").expect("valid");
    engine
        .subscribe(vec![(filter(), QoS::ExactlyOnce)], 2, at(0))
        .expect("writable");
    engine.unsubscribe(vec![filter()], 3, at(0)).expect("writable");
    assert!(heads(&written(&mut engine)).iter().all(|(head, _)| *head == 0x62));
    engine.lost();
    reconnect(&mut engine, RESUMED);
    receive(&mut engine, &[0x70, 2, 0, 1]);
    let heads = heads(&written(&mut engine));
    assert_eq!(heads.last(), Some(&(0x34, 1)));
    assert!(
        heads.iter().all(|(head, _)| *head != 0x82 && *head != 0xA2),
        "{heads:?}"
    );
    assert_eq!(engine.unfinished(), 1, "whoever wants it asks again");
}

#[test]
fn a_server_that_has_lost_the_session_has_let_go_of_all() {
    let mut engine = open(&kept(), RESUMED);
    for (ticket, qos) in [(1, QoS::ExactlyOnce), (2, QoS::AtLeastOnce), (3, QoS::ExactlyOnce)] {
        publish(&mut engine, ticket, qos);
    }
    written(&mut engine);
    engine.lost();
    reconnect(&mut engine, CONNACK);
    assert_eq!(
        heads(&written(&mut engine)),
        [(0x34, 1), (0x32, 2), (0x34, 3)],
        "what waited for an answer, and what stood behind it"
    );
    engine.lost();
    reconnect(&mut engine, RESUMED);
    publish(&mut engine, 4, QoS::ExactlyOnce);
    assert_eq!(
        heads(&written(&mut engine)),
        [(0x3C, 1), (0x3A, 2), (0x3C, 3), (0x34, 4)],
        "this session is ours"
    );
}

#[test]
fn a_session_that_began_with_us_is_asked_nothing() {
    let mut engine = open(&kept(), CONNACK);
    engine.lost();
    let mut engine = Engine::new(kept().check().expect("valid"), engine.into_session());
    reconnect(&mut engine, RESUMED);
    publish(&mut engine, 1, QoS::ExactlyOnce);
    assert_eq!(heads(&written(&mut engine)), [(0x34, 1)]);
}

#[test]
fn what_the_server_still_has_for_a_lost_session_is_taken() {
    let mut engine = open(&kept(), RESUMED);
    receive(&mut engine, &[0x62, 2, 0, 9, 0x3C, 6, 0, 1, b't', 0, 7, b'x']);
    assert_eq!(written(&mut engine), [0x70, 2, 0, 9, 0x50, 2, 0, 7]);
    assert!(matches!(engine.next_event(), Some(Event::Message(..))));
}

#[test]
fn mqtt_3_1_cannot_say_so_there_it_is_asked() {
    let mut engine = open(&kept().version(Version::V31), CONNACK);
    publish(&mut engine, 1, QoS::ExactlyOnce);
    assert_eq!(heads(&written(&mut engine)), [(0x62, 1), (0x62, 2)]);
}

fn with_outbox(is_whole: bool) -> Engine<u32> {
    let mut engine = idle(&kept());
    let sent = |id, message| Outgoing::Sent(PacketId::new(id).expect("not zero"), message);
    let restored = Kept {
        unfinished: vec![
            (1, sent(2, message(QoS::ExactlyOnce, b"p"))),
            (2, Outgoing::Released(PacketId::new(65_535).expect("not zero"))),
            (3, Outgoing::Waiting(message(QoS::ExactlyOnce, b"p"))),
        ],
        held: Vec::new(),
        next_number: 4,
        is_whole,
    };
    engine.restore(restored, || 0);
    reconnect(&mut engine, RESUMED);
    engine
}

#[test]
fn an_outbox_as_old_as_the_session_knows_everything() {
    let mut engine = with_outbox(true);
    assert_eq!(heads(&written(&mut engine)), [(0x3C, 2), (0x62, 255), (0x34, 1)]);
}

#[test]
fn a_younger_outbox_knows_what_is_in_it() {
    let mut engine = with_outbox(false);
    assert_eq!(
        heads(&written(&mut engine)),
        [(0x62, 1), (0x62, 3), (0x62, 4), (0x3C, 2), (0x62, 255)],
        "nothing about 2: that message would be delivered twice"
    );
    receive(&mut engine, &[0x70, 2, 255, 255]);
    assert_eq!(engine.unfinished(), 2, "the answer to a message's PUBREL");
    receive(&mut engine, &[0x70, 2, 0, 1]);
    assert_eq!(heads(&written(&mut engine)), [(0x34, 1)]);
}

#[test]
fn each_identifier_is_asked_for_once_and_then_nothing_is() {
    let mut past = Past::default();
    past.resumed();
    let (mut asked, mut waited) = (0_u32, 0_u32);
    for id in (1..=u16::MAX).chain(1..=u16::MAX).filter_map(PacketId::new) {
        waited += u32::from(past.must_wait(id, QoS::ExactlyOnce));
        for id in past.due(10) {
            asked += 1;
            assert!(past.answered(id) && !past.answered(id));
        }
    }
    assert_eq!((asked, waited), (65_535, 1));
    assert!(matches!(past, Past::Ours), "all are known");
}

#[test]
fn a_pubrec_of_the_life_before_is_no_answer_to_what_was_never_written() {
    let mut engine = open(&kept().window(2), RESUMED);
    publish(&mut engine, 1, QoS::ExactlyOnce);
    written(&mut engine);
    // Some servers repeat PUBREC: under the identifier that waits, under one ahead, and under one that nobody wants yet.
    receive(
        &mut engine,
        &[0x50, 2, 0, 1, 0x50, 2, 0, 2, 0x50, 2, 0, 9, 0x50, 2, 0, 9],
    );
    assert_eq!(heads(&written(&mut engine)), [(0x62, 9)], "each is asked for once");
    assert_eq!(engine.unfinished(), 1, "nothing was taken over");
    receive(&mut engine, &[0x70, 2, 0, 1, 0x70, 2, 0, 2, 0x70, 2, 0, 9]);
    assert_eq!(heads(&written(&mut engine)), [(0x34, 1)]);
    assert_eq!(done(&mut engine), []);
    receive(&mut engine, &[0x50, 2, 0, 1, 0x70, 2, 0, 1]);
    assert_eq!(heads(&written(&mut engine)).first(), Some(&(0x62, 1)));
    assert_eq!(done(&mut engine), [1]);
}
