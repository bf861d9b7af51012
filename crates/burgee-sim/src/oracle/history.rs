//! What may be on the disk of one fact: its values since the last one that was acknowledged.
//!
//! What must hold: an acknowledgement that left makes its fact sure, and nothing else does, save time: what was handed
//! to the disk before all that a crash took is there. Deliberately absent: how a broker writes it down.

/// A fact and the values that it had, the last of them the present one.
#[derive(Clone, Debug)]
pub(super) struct History<T> {
    values: Vec<Value<T>>,
}

/// One value of a fact.
#[derive(Clone, Debug)]
pub(super) struct Value<T> {
    pub(super) what: T,
    since: u64,
    cause: u64,
}

impl<T: Default> Default for History<T> {
    fn default() -> Self {
        Self::of(T::default())
    }
}

impl<T> History<T> {
    /// A fact that is known.
    pub(super) fn of(what: T) -> Self {
        let (since, cause) = (0, u64::MAX);
        Self {
            values: vec![Value { what, since, cause }],
        }
    }

    /// It has another value now, because of `cause`.
    pub(super) fn change(&mut self, what: T, since: u64, cause: u64) {
        self.values.push(Value { what, since, cause });
    }

    /// The value that came of `cause` is sure: those before it are not possible any more, and returned.
    pub(super) fn sure(&mut self, cause: u64) -> Vec<Value<T>> {
        let place = self.values.iter().rposition(|value| value.cause == cause);
        self.values.drain(..place.unwrap_or(0)).collect()
    }

    /// What may be there, if everything before `known` is.
    pub(super) fn possible(&self, known: u64) -> &[Value<T>] {
        let first = self.values.iter().rposition(|value| value.since < known);
        self.values.get(first.unwrap_or(0)..).unwrap_or_default()
    }

    /// All values, impossible ones included.
    pub(super) fn all(&self) -> &[Value<T>] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_possible_shrinks_with_acknowledgements_and_with_time() {
        let mut history = History::of('a');
        history.change('b', 10, 1);
        history.change('c', 20, 2);
        let possible = |history: &History<char>, known| {
            let values = history.possible(known);
            values.iter().map(|value| value.what).collect::<String>()
        };
        assert_eq!(possible(&history, 0), "abc");
        assert_eq!(possible(&history, 11), "bc");
        assert_eq!(history.sure(1).len(), 1);
        assert_eq!(possible(&history, 0), "bc");
        assert_eq!(possible(&history, 21), "c");
        assert!(history.sure(7).is_empty());
    }
}
