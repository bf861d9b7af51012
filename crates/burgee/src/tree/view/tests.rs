//! What is drawn.

use burgee_client::{Message, QoS, TopicNameBuf};

use super::*;

fn topics(all: &[(&str, &[u8], bool)]) -> Topics {
    let mut topics = Topics::default();
    for (topic, payload, retain) in all {
        let message = Message {
            topic: TopicNameBuf::parse(topic).expect("valid"),
            payload: (*payload).into(),
            qos: QoS::AtMostOnce,
            retain: *retain,
            dup: false,
            packet_id: None,
        };
        topics.add(&message, Instant::now());
    }
    topics
}

fn look(topics: &Topics) -> Look {
    Look::new(topics, Shown::Raw, Instant::now())
}

fn drawn(view: &mut View, topics: &Topics, rows: usize) -> Vec<String> {
    let out = view.draw(topics, &look(topics), (60, rows));
    let text = String::from_utf8(out).expect("text");
    text.split("\r\n").map(str::to_owned).collect()
}

#[test]
fn as_text_each_topic_has_a_line() {
    let topics = topics(&[
        ("a/b", b"on", true),
        ("a/c", b"\x1b[2J", true),
        ("a", b"", true),
        ("z", b"1", true),
    ]);
    let out = plain(&topics, &look(&topics));
    let expected = "a/            *\n  b           * on\n  c           * \\x1b[2J\nz             * 1\n";
    assert_eq!(String::from_utf8(out).expect("text"), expected);
}

#[test]
fn ten_thousand_topics_fit_and_the_cursor_stays_in_sight() {
    let names: Vec<_> = (0..10_000)
        .map(|number| format!("site/{}/{number:05}", number % 7))
        .collect();
    let all: Vec<_> = names.iter().map(|name| (name.as_str(), &b"x"[..], true)).collect();
    let topics = topics(&all);
    let mut view = View::default();
    let began = Instant::now();
    assert_eq!(drawn(&mut view, &topics, 24).len(), 24);
    view.press(Key::End, 24);
    let end = drawn(&mut view, &topics, 24);
    assert!(
        end.iter()
            .any(|line| line.contains("\x1b[7m") && line.contains("09995")),
        "{end:?}"
    );
    // Drawn five times a second: one picture has to be a matter of milliseconds, even on a slow machine.
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn levels_fold_and_a_line_can_be_turned() {
    let topics = topics(&[("a/b/c", b"1", true), ("a/b/d", b"2", true)]);
    let mut view = View::default();
    let has = |lines: &[String], what: &str| lines.iter().any(|line| line.contains(what));
    view.press(Key::Levels(2), 24);
    let folded = drawn(&mut view, &topics, 24);
    assert!(has(&folded, "(2 topics)") && !has(&folded, "    c"), "{folded:?}");
    view.press(Key::Down, 24);
    view.press(Key::Fold, 24);
    let unfolded = drawn(&mut view, &topics, 24);
    assert!(has(&unfolded, "    c"), "{unfolded:?}");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let topics = topics(&[("t", &[b'y'; 500], true)]);
    let out = View::default().draw(&topics, &look(&topics), (20, 5));
    let text = String::from_utf8(out).expect("text");
    assert!(text.matches('y').count() <= 20, "{text:?}");
}
