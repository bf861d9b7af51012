//! Files that are cut or damaged: an answer, the place, and never a panic.

use super::made::Maker;
use super::{EXCHANGES, MQTT5, found};
use burgee_mosquitto::db::Wrong;
use proptest::prelude::*;

/// Where chunks end.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = vec![23];
    while let Some(head) = ends.last().and_then(|at| bytes.get(at + 4..at + 8)) {
        let length = u32::from_be_bytes(head.try_into().unwrap()) as usize;
        ends.push(ends.last().unwrap() + 8 + length);
    }
    ends
}

#[test]
fn a_part_is_refused_and_it_is_said_how_far_it_is_whole() {
    for whole in [EXCHANGES, MQTT5] {
        let ends = ends(whole);
        for length in 0..whole.len() {
            let result = found(&whole[..length]);
            if ends.contains(&length) {
                // Nothing in the format tells that something is missing here, but messages that nobody refers to.
                continue;
            }
            let error = result.unwrap_err();
            let before = ends.iter().filter(|end| **end <= length).count().saturating_sub(1);
            match error.wrong {
                Wrong::Foreign => assert!(length < 15),
                Wrong::Cut(_) if length < 23 => assert_eq!(error.at, 0),
                Wrong::Cut(_) => {
                    assert_eq!(error.at, ends[before] as u64, "cut after {length} bytes");
                    assert_eq!(error.chunk.unwrap().0, before as u64 + 1);
                    let said = error.to_string();
                    assert!(said.contains(&format!("byte {}", ends[before])), "{said}");
                }
                wrong => panic!("{length} bytes: {wrong:?}"),
            }
        }
    }
}

/// Adds what is wrong to a file that is right.
type Add<'a> = &'a dyn Fn(&mut Maker);

#[test]
#[expect(clippy::too_many_lines, reason = "a table, one case a row")]
fn damage_names_the_chunk() {
    let cases: &[(Add<'_>, &str)] = &[
        (&|m| m.chunk(9, b"x"), "kind 9"),
        (&|m| m.chunk(1, &[0; 16]), "beginning alone"),
        (&|m| m.chunk(2, &[0; 10]), "too short for its kind"),
        (
            &|m| {
                m.message(1, "a/#", b"", 1);
            },
            "topic cannot be",
        ),
        (
            &|m| {
                m.message(1, "", b"", 1);
            },
            "topic cannot be",
        ),
        (
            &|m| {
                m.message(1, "t", b"", 3);
            },
            "no QoS 3",
        ),
        (
            &|m| {
                m.message(1, "t", b"", 1).message(1, "t", b"", 1);
            },
            "two messages",
        ),
        (
            &|m| {
                m.client("c", "").client("c", "");
            },
            "two clients",
        ),
        (
            &|m| {
                m.client("c", "").owed("c", 4, (1, 1, 3, 1));
            },
            "no message 4",
        ),
        (
            &|m| {
                m.message(1, "t", b"", 1).client("c", "").owed("c", 1, (1, 1, 5, 1));
            },
            "state 5",
        ),
        (
            &|m| {
                m.message(1, "t", b"", 2).client("c", "").owed("c", 1, (0, 2, 5, 1));
            },
            "identifier 0",
        ),
        (
            &|m| {
                m.message(1, "t", b"", 2).client("c", "").owed("c", 1, (1, 2, 7, 3));
            },
            "direction 3",
        ),
        (
            &|m| {
                m.retained(8);
            },
            "no message 8",
        ),
    ];
    for (make, says) in cases {
        let mut maker = Maker::new(6, false, 9);
        make(&mut maker);
        let error = found(&maker.bytes).unwrap_err();
        assert!(matches!(error.wrong, Wrong::Damaged(_)), "{says}: {error}");
        let said = error.to_string();
        assert!(said.contains(says) && said.contains("at byte "), "{says}: {said}");
        assert!(error.chunk.is_some(), "{said}");
    }
}

#[test]
fn a_claim_costs_no_memory() {
    // A message of 256 MiB in a file of a few bytes, and a chunk of 4 GiB.
    let mut maker = Maker::new(6, false, 1);
    maker.message(1, "t", b"", 1);
    let payload = maker.bytes.len() - 1 - 32 + 16;
    maker.bytes[payload..payload + 4].copy_from_slice(&0x0fff_ffff_u32.to_be_bytes());
    assert!(
        found(&maker.bytes)
            .unwrap_err()
            .to_string()
            .contains("too short for its texts")
    );
    let mut maker = Maker::new(6, false, 1);
    maker.bytes.extend([0, 0, 0, 6, 0xff, 0xff, 0xff, 0xff]);
    assert!(matches!(found(&maker.bytes).unwrap_err().wrong, Wrong::Cut(_)));
}

/// A change of a real file: at which place in 10,000, how many bytes go, and what comes there.
fn change() -> impl Strategy<Value = (usize, usize, Vec<u8>)> {
    (
        0_usize..10_000,
        0_usize..9,
        proptest::collection::vec(any::<u8>(), 0..9),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_changed_file_gets_an_answer(
        second in any::<bool>(), changes in proptest::collection::vec(change(), 1..4), now in any::<i64>()
    ) {
        let mut bytes = if second { MQTT5 } else { EXCHANGES }.to_vec();
        for (place, gone, come) in changes {
            let at = place * bytes.len() / 10_000;
            let end = (at + gone).min(bytes.len());
            bytes.splice(at..end, come);
        }
        match super::found_at(&bytes, now) {
            Ok(found) => prop_assert!(found.ops.len() as u64 >= found.summary.sessions),
            Err(error) => {
                prop_assert!(error.at <= bytes.len() as u64);
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
