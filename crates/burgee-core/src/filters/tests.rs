//! Both forms against a plain set.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn hasher() -> RandomState {
    RandomState::with_seeds(1, 2, 3, 4)
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).unwrap()
}

#[test]
fn few_and_many_hold_the_same() {
    let mut filters = Filters::default();
    for round in 0..3 {
        for number in (0..100).rev() {
            filters.insert(filter(&format!("f/{number:03}")), &hasher());
        }
        assert_eq!(filters.iter().count(), 100, "round {round}");
    }
    assert!(matches!(filters, Filters::Many(_)) && filters.contains("f/042"));
    filters.remove("f/042");
    assert!(!filters.contains("f/042"));
    assert_eq!(filters.iter().count(), 99);
    for number in 0..90 {
        filters.remove(&format!("f/{number:03}"));
    }
    assert!(matches!(filters, Filters::Few(_)));
    let names: Vec<_> = filters.iter().map(TopicFilter::as_str).collect();
    assert!(names.is_sorted() && names.len() == 10);
}

#[test]
fn a_filter_of_many_levels_counts_for_many() {
    assert_eq!(weight(filter("a/b")), 1);
    assert_eq!(weight(filter(&"/".repeat(65_535))), 4097);
}

#[test]
fn a_session_without_filters_pays_three_words() {
    assert_eq!(size_of::<Filters>(), 24);
}

#[test]
fn filters_of_any_length_stand_side_by_side() {
    let mut filters = Filters::default();
    let texts: Vec<_> = (0..40)
        .map(|number| format!("{number}/{}", "x".repeat([1, 4090, 4093, 4094, 65_530][number % 5])))
        .collect();
    for text in &texts {
        filters.insert(filter(text), &hasher());
    }
    assert!(texts.iter().all(|text| filters.contains(text)));
    // The first that were there in their order of bytes, then the others as they came.
    let mut expected: Vec<_> = texts.iter().map(String::as_str).collect();
    expected[..FEW].sort_unstable();
    assert_eq!(filters.iter().map(TopicFilter::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn coming_and_going_for_ever_does_not_grow() {
    let mut filters = Filters::default();
    let mut most = 0;
    for number in 0..20_000 {
        filters.insert(filter(&format!("come/and/{number:06}")), &hasher());
        if number >= 500 {
            filters.remove(&format!("come/and/{:06}", number - 500));
        }
        if let Filters::Many(arena) = &filters {
            let (used, gone) = arena.bytes();
            assert!(gone * 2 <= used);
            most = most.max(used);
        }
    }
    assert!(most <= 2 * 502 * (2 + 15), "{most} bytes for 500 filters");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn it_is_a_set_whatever_comes(
        steps in prop::collection::vec((0_usize..120, any::<bool>()), 1..600),
    ) {
        let mut filters = Filters::default();
        let mut model = BTreeSet::new();
        for (number, adds) in steps {
            // Some are long, so that pages end early.
            let text = format!("{}{number}", "level/".repeat(number % 7 * (number % 7)));
            prop_assert_eq!(filters.contains(&text), model.contains(&text));
            if adds {
                filters.insert(filter(&text), &hasher());
                model.insert(text);
            } else {
                filters.remove(&text);
                model.remove(&text);
            }
            if let Filters::Many(arena) = &filters {
                prop_assert_eq!(arena.len(), model.len());
            }
        }
        let mut all: Vec<_> = filters.iter().map(|filter| filter.as_str().to_owned()).collect();
        all.sort_unstable();
        prop_assert_eq!(all, model.into_iter().collect::<Vec<_>>());
    }
}
