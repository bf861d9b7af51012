//! The generator against a relay, honest and not.

use std::net::TcpListener;

use super::*;
use crate::relay::{Mischief, Relay};

fn against(mischief: Mischief, shape: Shape) -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let broker = listener.local_addr().unwrap();
    // The thread ends with the test's process.
    std::thread::spawn(move || Relay::new(listener, mischief).unwrap().run().unwrap());
    let (warm_up, measured) = (Duration::from_millis(20), Duration::from_millis(200));
    let plan = Plan {
        shape,
        qos: 0,
        window: 8,
        payload: 64,
        warm_up,
        measured,
    };
    run(broker, &plan, || Ok(())).unwrap()
}

#[test]
fn an_honest_relay_passes_in_every_shape() {
    for shape in [Shape::Pairs(5), Shape::FanIn(5), Shape::FanOut(5)] {
        let outcome = against(Mischief::None, shape);
        assert_eq!(outcome.faults, Faults::default(), "{shape:?}");
        assert!(outcome.delivered > 0, "{shape:?}");
    }
}

#[test]
fn a_lost_message_is_seen_and_does_not_stop_the_run() {
    let outcome = against(Mischief::Lose, Shape::Pairs(1));
    assert_eq!(
        outcome.faults,
        Faults {
            lost: 1,
            ..Faults::default()
        }
    );
    assert!(outcome.delivered > 2000);
}

#[test]
fn a_repeated_message_is_seen() {
    assert_eq!(
        against(Mischief::Repeat, Shape::Pairs(1)).faults,
        Faults {
            duplicated: 1,
            ..Faults::default()
        }
    );
}

#[test]
fn swapped_messages_are_seen() {
    assert_eq!(
        against(Mischief::Swap, Shape::Pairs(1)).faults,
        Faults {
            reordered: 1,
            ..Faults::default()
        }
    );
}
