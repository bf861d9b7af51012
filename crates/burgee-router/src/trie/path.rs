//! What is left of a filter or a topic name below a node: some levels, or nothing more at all.
//!
//! Nothing and one empty level are two things (`a` and `a/`). As bytes, nothing is a zero, which no filter and no name
//! has. Deliberately absent: checks; what comes in is well-formed.

/// See the module. `None`: the last level was that of the node.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) struct Path<'a>(Option<&'a [u8]>);

/// Where a path goes next.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Step<'a> {
    Literal(&'a [u8]),
    Plus,
    /// It ends at the node.
    Here,
    /// It ends with `#`.
    Below,
}

const NOTHING: &[u8] = &[0];

impl<'a> Path<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self(Some(text.as_bytes()))
    }

    pub(super) fn from_bytes(bytes: &'a [u8]) -> Self {
        Self((bytes != NOTHING).then_some(bytes))
    }

    pub(super) fn bytes(self) -> &'a [u8] {
        self.0.unwrap_or(NOTHING)
    }

    /// What a filter asks for next.
    pub(super) fn step(self) -> Step<'a> {
        match self.literal() {
            None => Step::Here,
            Some(b"+") => Step::Plus,
            Some(b"#") => Step::Below,
            Some(level) => Step::Literal(level),
        }
    }

    /// The next level, whatever it is.
    pub(super) fn literal(self) -> Option<&'a [u8]> {
        self.0.map(|rest| split(rest).0)
    }

    /// The path without its next level.
    pub(super) fn behind(self) -> Self {
        Self(self.0.and_then(|rest| split(rest).1))
    }

    /// Whether its next level is this one.
    pub(super) fn begins_with(self, level: &[u8]) -> bool {
        let behind = self.0.and_then(|rest| rest.strip_prefix(level));
        behind.is_some_and(|behind| matches!(behind, [] | [b'/', ..]))
    }

    /// Whether a filter's path matches a topic's.
    pub(super) fn matches(self, topic: Self) -> bool {
        let (mut filter, mut topic) = (self, topic);
        loop {
            let level = topic.literal();
            match filter.step() {
                // [MQTT-4.7.1-2] `#` stands for its parent level too.
                Step::Below => return true,
                Step::Here => return level.is_none(),
                Step::Plus if level.is_some() => {}
                Step::Literal(wanted) if level == Some(wanted) => {}
                Step::Plus | Step::Literal(_) => return false,
            }
            (filter, topic) = (filter.behind(), topic.behind());
        }
    }
}

impl Step<'_> {
    /// Whether something may follow.
    pub(super) fn goes_on(self) -> bool {
        matches!(self, Self::Literal(_) | Self::Plus)
    }
}

fn split(rest: &[u8]) -> (&[u8], Option<&[u8]>) {
    match rest.iter().position(|byte| *byte == b'/') {
        Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..)),
        None => (rest, None),
    }
}
