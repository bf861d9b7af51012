//! The walk of a filter through sorted topic names: for each name, whether it matches and, if
//! not, how far the walk may jump without missing one that does.
//!
//! All names that begin with the bytes of `a/b/` lie side by side, whatever else is stored;
//! names that begin with the level `b` do not (`a/b!` lies between `a/b` and `a/b/c`). So the
//! walk jumps into and out of what begins with whole levels and a `/`.
//!
//! Must hold: no name between the one judged and the jump's target matches, and the target
//! lies behind the one judged.

use std::ops::Bound;

use burgee_codec::TopicFilter;

/// How far a search through the retained messages has come. Belongs to one filter.
#[derive(Clone, Debug, Default)]
pub struct RetainedCursor {
    place: Place,
    topic: String,
}

#[derive(Copy, Clone, Eq, PartialEq, Debug, Default)]
enum Place {
    #[default]
    Unstarted,
    /// The topic itself has not been seen yet.
    At,
    /// The topic has been seen.
    Behind,
    Ended,
}

/// What to do after a name was judged.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Move {
    /// It matches. Go on with the next one.
    Take,
    /// Go on with the next one.
    Pass,
    /// Go on from the cursor's new place.
    Seek,
    /// No more matches.
    End,
}

/// What follows `/` in the order of bytes: every name that begins with `a/` is less than `a0`.
const AFTER_SLASH: &str = "0";
/// What follows `$`.
const AFTER_DOLLAR: &str = "%";

impl RetainedCursor {
    /// Of a search that has come to this topic and goes on behind it.
    #[must_use]
    pub fn behind(topic: &str) -> Self {
        let mut cursor = Self::default();
        cursor.pass(topic);
        cursor
    }

    /// Goes to where the first match can be, unless the search has begun already.
    pub(crate) fn start(&mut self, filter: TopicFilter<'_>) {
        if self.place == Place::Unstarted {
            let text = filter.as_str();
            let literal = text
                .find(['+', '#'])
                .map_or(text, |wild| text.get(..wild).unwrap_or_default());
            // The slash goes as well: `a/#` matches `a`.
            self.seek(&[literal.strip_suffix('/').unwrap_or(literal)]);
        }
    }

    /// Where the names not seen yet begin.
    pub(crate) fn bound(&self) -> Bound<&str> {
        match self.place {
            Place::Unstarted => Bound::Unbounded,
            Place::At => Bound::Included(&self.topic),
            Place::Behind | Place::Ended => Bound::Excluded(&self.topic),
        }
    }

    /// Whether a name lies before the place that the last jump leads to.
    pub(crate) fn jumps_over(&self, topic: &str) -> bool {
        topic < self.topic.as_str()
    }

    /// The names up to this one have been seen.
    pub(crate) fn pass(&mut self, topic: &str) {
        self.topic.clear();
        self.topic.push_str(topic);
        self.place = Place::Behind;
    }

    /// Nothing more will be found. Returns true, as [`Self::has_ended`] does from now on.
    pub(crate) fn end(&mut self) -> bool {
        self.topic = String::new();
        self.place = Place::Ended;
        true
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.place == Place::Ended
    }

    /// Says what a stored name means for the search, and for a jump sets the place to go to.
    pub(crate) fn judge(&mut self, filter: TopicFilter<'_>, topic: &str) -> Move {
        // [MQTT-4.7.2-1] a leading wildcard matches nothing that begins with `$`.
        if topic.starts_with('$') && filter.as_str().starts_with(['+', '#']) {
            return self.seek(&[AFTER_DOLLAR]);
        }
        let mut wanted = filter.as_str().split('/');
        let mut before = 0;
        loop {
            let rest = topic.get(before..).unwrap_or_default();
            let (level, last) = rest.split_once('/').map_or((rest, true), |(level, _)| (level, false));
            match wanted.next() {
                Some("#") => return Move::Take,
                Some("+") => {}
                Some(wanted) if wanted == level => {}
                Some(wanted) => return self.miss(topic.get(..before).unwrap_or_default(), rest, wanted),
                None => return self.leave(topic.get(..before).unwrap_or_default()),
            }
            if last {
                // `a/#` matches `a` too.
                return if matches!(wanted.next(), None | Some("#")) {
                    Move::Take
                } else {
                    Move::Pass
                };
            }
            before += level.len() + 1;
        }
    }

    /// After `prefix`, which matches, comes `rest` where the filter wants the level `wanted`.
    fn miss(&mut self, prefix: &str, rest: &str, wanted: &str) -> Move {
        if rest < wanted {
            return self.seek(&[prefix, wanted]);
        }
        match rest.strip_prefix(wanted) {
            // Such as `a!` where `a` is wanted: behind it comes `a/`.
            Some(more) if more < "/" => self.seek(&[prefix, wanted, "/"]),
            Some(_) | None => self.leave(prefix),
        }
    }

    /// Nothing more that begins with this prefix, which is empty or ends with a slash, matches.
    fn leave(&mut self, prefix: &str) -> Move {
        match prefix.strip_suffix('/') {
            Some(levels) => self.seek(&[levels, AFTER_SLASH]),
            None => Move::End,
        }
    }

    fn seek(&mut self, target: &[&str]) -> Move {
        self.topic.clear();
        self.topic.extend(target.iter().copied());
        self.place = Place::At;
        Move::Seek
    }
}
