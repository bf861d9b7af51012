//! Looking for a number in an ascending list.
//!
//! What must hold: the answer is that of a binary search. Numbers of a source are spread nearly evenly, so a guess by
//! proportion is mostly right, or close; the search widens from there.

use std::cmp::Ordering;
use std::collections::VecDeque;

/// The place of `number`, or the place where it would be.
pub(crate) fn seek<T>(all: &VecDeque<T>, number: u64, key: impl Fn(&T) -> u64) -> Result<usize, usize> {
    let at = |index: usize| all.get(index).map_or(u64::MAX, &key);
    let Some(end) = all.len().checked_sub(1) else {
        return Err(0);
    };
    let first = at(0);
    match number.cmp(&first) {
        Ordering::Less => return Err(0),
        Ordering::Equal => return Ok(0),
        Ordering::Greater => {}
    }
    let last = at(end);
    match number.cmp(&last) {
        Ordering::Less => {}
        Ordering::Equal => return Ok(end),
        Ordering::Greater => return Err(end + 1),
    }
    // From here on: at(low) < number < at(high).
    let (mut low, mut high) = (0, end);
    let guess = guess(number - first, last - first, end).clamp(1, end);
    let mut step = 1;
    match at(guess).cmp(&number) {
        Ordering::Equal => return Ok(guess),
        Ordering::Less => {
            low = guess;
            while low + step < high && at(low + step) < number {
                low += step;
                step *= 2;
            }
            high = high.min(low + step);
        }
        Ordering::Greater => {
            high = guess;
            while high > low + step && at(high - step) > number {
                high -= step;
                step *= 2;
            }
            low = low.max(high.saturating_sub(step));
        }
    }
    // The ends may be the number itself now.
    for end in [low, high] {
        if at(end) == number {
            return Ok(end);
        }
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match at(middle).cmp(&number) {
            Ordering::Equal => return Ok(middle),
            Ordering::Less => low = middle,
            Ordering::Greater => high = middle,
        }
    }
    Err(high)
}

/// `end` in the proportion of `part` to `whole`.
fn guess(part: u64, whole: u64, end: usize) -> usize {
    let product = u64::try_from(end).ok().and_then(|end| part.checked_mul(end));
    let guess = product.and_then(|product| product.checked_div(whole));
    guess.and_then(|guess| usize::try_from(guess).ok()).unwrap_or(end / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_that_of_a_binary_search() {
        let lists: [Vec<u64>; 9] = [
            vec![],
            vec![5],
            vec![5, 6],
            vec![1, 1 << 59],
            (0..100).map(|n| 3 * n + 7).collect(),
            (0..40).map(|n| n * n).collect(),
            (0..59).map(|n| 1 << n).collect(),
            (0..50).chain(100_000..100_050).collect(),
            (0..3)
                .chain(10..14)
                .chain([1 << 40, (1 << 40) + 1, (1 << 59)])
                .collect(),
        ];
        for list in lists {
            let deque: VecDeque<u64> = list.iter().copied().collect();
            let near = list.iter().flat_map(|n| [n.saturating_sub(1), *n, n + 1]);
            for number in near.chain([0, 1, u64::MAX]) {
                assert_eq!(
                    seek(&deque, number, |n| *n),
                    list.binary_search(&number),
                    "{number} in {list:?}"
                );
            }
        }
    }
}
