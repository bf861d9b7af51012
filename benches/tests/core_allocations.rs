//! How often the core's turn asks the allocator for memory, for each message, once everything has been done before.
//!
//! What must hold: no more often than is written here; a bound is lowered with what lowers the number. QoS 0 within a
//! shard never does. A test of its own, with one test function: the counter is the whole process's.

mod heap;

use burgee_benches::{Case, cases};

/// Allocations for one message, at most, by the beginning of the case's name. The first that fits counts.
const BOUNDS: &[(&str, f64)] = &[
    // A bundle that grows, and is given away.
    ("turn/crossing/qos0", 0.19),
    ("turn/crossing/qos1", 0.19),
    // The message, once for all copies.
    ("turn/fan-out/qos1/1000", 0.001),
    // A list of shared payloads for each outbox.
    ("turn/fan-out/qos0/100x64KiB", 2.01),
    // The messages of one read, eight together.
    ("turn/pairs/qos1/batch1", 1.0),
    ("turn/pairs/qos1/batch64", 0.125),
    ("turn/pairs/qos2/batch1", 1.0),
    ("turn/pairs/qos2/batch64", 0.125),
    ("turn/visit/clean", 5.0),
    ("turn/visit/persistent", 1.0),
    ("", 0.0),
];

fn bound(name: &str) -> f64 {
    let found = BOUNDS.iter().find(|(beginning, _)| name.starts_with(beginning));
    found.map_or(0.0, |(_, bound)| *bound)
}

/// Steps before counting: every table and every pool has its final size.
const WARM_UP: u64 = 200;
const STEPS: u64 = 200;

fn allocations(case: &Case) -> f64 {
    let mut work = (case.make)();
    for _ in 0..WARM_UP {
        work.step();
    }
    let counted = heap::allocations_while(case.name, || {
        for _ in 0..STEPS {
            work.step();
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let each = counted as f64 / (STEPS * case.per) as f64;
    each
}

#[test]
fn a_turn_allocates_what_is_written_here() {
    let mut wrong = Vec::new();
    let turns = cases::all();
    for case in turns.iter().filter(|case| case.name.starts_with("turn/")) {
        let (each, bound) = (allocations(case), bound(case.name));
        println!("{:<30} {each:>8.4} allocations, at most {bound}", case.name);
        if each > bound {
            wrong.push(format!("{}: {each:.4}, written down: {bound}", case.name));
        }
    }
    assert!(wrong.is_empty(), "allocations for each message: {wrong:#?}");
}
