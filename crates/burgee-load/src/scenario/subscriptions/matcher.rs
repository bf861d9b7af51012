//! Which filters match a topic: by asking for every filter that could.
//!
//! Must hold: the answer is that of the standard, and owes nothing to the way in which brokers find it. A topic of seven
//! levels can be matched by 383 different filters; each is looked up.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::filters::Filters;

/// Finds filters by their text. Texts are not kept, for there may be millions: a hit is verified.
#[derive(Debug)]
pub(super) struct Matcher<'a> {
    filters: &'a Filters,
    numbers: HashMap<u64, u32>,
}

impl<'a> Matcher<'a> {
    pub(super) fn new(filters: &'a Filters) -> Self {
        let each = (0..filters.count()).filter_map(|n| Some((hash(&filters.filter(n)), u32::try_from(n).ok()?)));
        Self {
            filters,
            numbers: each.collect(),
        }
    }

    /// The numbers of the filters that match, in no order that means anything.
    pub(super) fn matching(&self, topic: &str) -> Vec<usize> {
        let mut could = vec![String::new()];
        let mut found = Vec::new();
        for level in topic.split('/') {
            // `#` stands for any number of levels from here on, also for none.
            self.add(could.iter().map(|head| joined(head, "#")), &mut found);
            could = could
                .iter()
                .flat_map(|head| [joined(head, level), joined(head, "+")])
                .collect();
        }
        self.add(could.iter().map(|head| joined(head, "#")), &mut found);
        self.add(could.into_iter(), &mut found);
        found
    }

    fn add(&self, could: impl Iterator<Item = String>, found: &mut Vec<usize>) {
        for text in could {
            let number = self.numbers.get(&hash(&text)).and_then(|&n| usize::try_from(n).ok());
            found.extend(number.filter(|&n| self.filters.filter(n) == text));
        }
    }
}

fn joined(head: &str, level: &str) -> String {
    if head.is_empty() {
        return level.to_owned();
    }
    format!("{head}/{level}")
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::super::outline::float;
    use super::super::filters::Mix;
    use super::*;

    /// The rule of the standard, level by level.
    fn matches(filter: &str, topic: &str) -> bool {
        let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
        loop {
            match (filter.next(), topic.next()) {
                (Some("#"), _) | (None, None) => return true,
                (Some(one), Some(other)) if one == "+" || one == other => {}
                _ => return false,
            }
        }
    }

    #[test]
    fn finds_what_the_rule_says() {
        for mix in [[80, 12, 8], [10, 60, 30], [0, 50, 50], [0, 0, 100]] {
            let [exact, plus, hash] = mix;
            let filters = Filters::new("t".to_owned(), 1500, Mix { exact, plus, hash }).unwrap();
            let matcher = Matcher::new(&filters);
            let mut in_all = 0;
            for device in 0..filters.devices() {
                let topic = filters.topic(device, device / 2);
                let mut found = matcher.matching(&topic);
                found.sort_unstable();
                let should: Vec<usize> = (0..1500).filter(|&n| matches(&filters.filter(n), &topic)).collect();
                assert_eq!(found, should, "{topic}");
                in_all += should.len();
            }
            assert!(in_all > 0, "{mix:?}");
        }
    }

    #[test]
    fn the_number_of_matches_does_not_grow_with_the_number_of_filters() {
        let mean = |count: usize| {
            let filters = Filters::new("t".to_owned(), count, Mix::default()).unwrap();
            let matcher = Matcher::new(&filters);
            let devices = count / 10;
            let each = (0..devices).map(|device| matcher.matching(&filters.topic(device, device)).len());
            float(each.sum::<usize>() as u64) / float(devices as u64)
        };
        let (few, many) = (mean(1000), mean(20_000));
        assert!((few / many - 1.0).abs() < 0.05, "{few} and {many}");
    }
}
