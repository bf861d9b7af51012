//! Records against a sorted map, and the bound on their room.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[test]
fn a_class_has_room_for_its_bytes_and_at_most_an_eighth_more() {
    for bytes in 1..=70_000 {
        let class = class_of(bytes);
        let size = size_of_class(class);
        assert!(
            size >= bytes && size <= (bytes + 3).max(bytes + bytes / 8 + 1),
            "{bytes} bytes in {size}"
        );
        assert!(
            class == 1 || size_of_class(class - 1) < bytes,
            "{bytes} bytes fit into less than {size}"
        );
        assert!(cells_of(size).is_power_of_two() && cells_of(size) <= 1 << CELL_BITS);
    }
}

#[test]
fn the_room_is_what_the_records_need_whatever_came_and_went() {
    let mut records = Records::default();
    let mut ids: Vec<_> = (0..10_000_u32)
        .map(|number| {
            let text = format!("{number:040}");
            records.insert((text.as_bytes(), &[]), &[0; HELD]).unwrap()
        })
        .collect();
    // 40 bytes and 21 before them, in cells of 64.
    assert!(records.room() <= 10_000 * 64 + PAGE, "{}", records.room());
    while ids.len() > 100 {
        // Always the one in the middle: what moves into its place is the last one.
        let id = ids[ids.len() / 2];
        let moved = records.remove(id);
        match moved {
            Some(moved) => {
                assert_eq!((moved.to, Some(&moved.from)), (id, ids.last()));
                ids.pop();
            }
            None => assert_eq!(ids.pop(), Some(id)),
        }
        assert!(records.room() <= ids.len() * 64 + 2 * PAGE);
    }
    for id in ids.into_iter().rev() {
        assert_eq!(records.remove(id), None);
    }
    assert_eq!((records.len(), records.room(), records.pages.len()), (0, 0, 0));
}

#[test]
fn the_longest_string_has_a_place() {
    let mut records = Records::default();
    let long = vec![b'x'; 65_535];
    let ids: Vec<_> = (0..5_u32)
        .map(|number| records.insert((&number.to_le_bytes(), &long), &[7; HELD]).unwrap())
        .collect();
    assert_eq!(records.bytes(ids[3]).len(), 65_539);
    assert_eq!(records.bytes(ids[3])[..4], [3, 0, 0, 0]);
    assert_eq!(records.held(ids[4]), Some(&[7; HELD]));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn they_keep_what_was_put_in(
        steps in prop::collection::vec((0_usize..400, any::<prop::sample::Index>(), 0_u8..4), 1..800),
    ) {
        let mut records = Records::default();
        let mut model: BTreeMap<u32, (Vec<u8>, Held)> = BTreeMap::new();
        for (count, (length, which, what)) in steps.into_iter().enumerate() {
            let number = u8::try_from(count % 251).unwrap();
            if what < 2 || model.is_empty() {
                // Lengths of few classes, so that pages fill, and now and then a long one.
                let text = vec![number; if length < 395 { length % 30 } else { length * 20 }];
                let (front, back) = text.split_at(text.len() / 3);
                let id = records.insert((front, back), &[number; HELD]).unwrap();
                prop_assert!(id < NUMBERS && model.insert(id, (text, [number; HELD])).is_none());
            } else {
                let id = *which.get(&model.keys().copied().collect::<Vec<_>>());
                if what == 2 {
                    *records.held_mut(id).unwrap() = [number; HELD];
                    model.get_mut(&id).unwrap().1 = [number; HELD];
                } else {
                    let moved = records.remove(id);
                    model.remove(&id);
                    if let Some(Moved { from, to }) = moved {
                        prop_assert_eq!(to, id);
                        let record = model.remove(&from).unwrap();
                        model.insert(to, record);
                    }
                }
            }
            prop_assert_eq!(records.len(), model.len());
        }
        for (id, (text, held)) in &model {
            prop_assert_eq!((records.bytes(*id), records.held(*id)), (&text[..], Some(held)));
        }
    }
}
