//! The table against a sorted map, with hashes that meet.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A hash for a number: well mixed, or nearly the same for all.
fn hash(number: u32) -> u64 {
    let spread = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    spread ^ spread.rotate_left(29).wrapping_mul(0xA24B_AED4_963E_E407)
}

#[test]
fn no_piece_grows_beyond_its_size_and_all_are_found() {
    let mut table = Table::default();
    for number in 0..200_000 {
        table.insert(hash(number), number, hash);
    }
    assert_eq!(table.len(), 200_000);
    assert!(table.pieces.iter().all(|piece| piece.numbers.len() <= PIECE));
    assert!(table.room() <= 2 * 200_000 + PIECE, "{}", table.room());
    for number in 0..200_000 {
        assert_eq!(table.find(hash(number), |held| held == number), Some(number));
    }
    assert_eq!(table.find(hash(200_000), |held| held == 200_000), None);
    for number in 0..200_000 {
        table.replace(hash(number), number, number + 1_000_000);
        table.remove(hash(number), number + 1_000_000, |number| hash(number % 1_000_000));
    }
    assert_eq!((table.len(), table.room()), (0, 0));
}

#[test]
fn hashes_that_are_all_alike_end_in_one_large_piece() {
    let mut table = Table::default();
    let count = u32::try_from(PIECE).unwrap() + 10;
    for number in 0..count {
        table.insert(7, number, |_| 7);
    }
    for number in 0..count {
        assert_eq!(table.find(7, |held| held == number), Some(number));
    }
    // They cannot be told apart: nobody can make such hashes without knowing the seeds.
    assert!(table.pieces.len() <= usize::try_from(MOST_BITS).unwrap() + 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn it_holds_what_a_map_holds(
        start in 0_u32..20_000,
        steps in prop::collection::vec((0_u32..24_000, 0_u8..3), 1..3_000),
    ) {
        let mut table = Table::default();
        let mut model = BTreeMap::new();
        // What a number stands for is kept beside, so that it can be replaced.
        let owner = |number: u32| number % 100_000;
        let of = |number: u32| hash(owner(number));
        for number in 0..start {
            table.insert(of(number), number, of);
            model.insert(number, number);
        }
        for (key, what) in steps {
            let held = model.get(&key).copied();
            prop_assert_eq!(table.find(hash(key), |held| owner(held) == key), held);
            match (held, what) {
                (None, _) => {
                    table.insert(of(key), key, of);
                    model.insert(key, key);
                }
                (Some(held), 0) => {
                    table.replace(hash(key), held, held + 100_000);
                    model.insert(key, held + 100_000);
                }
                (Some(held), _) => {
                    table.remove(hash(key), held, of);
                    model.remove(&key);
                }
            }
            prop_assert_eq!(table.len(), model.len());
        }
        for (key, held) in model {
            prop_assert_eq!(table.find(hash(key), |held| owner(held) == key), Some(held));
        }
    }
}
