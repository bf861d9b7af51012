//! Who publishes to whom, and by which topics.

/// Who publishes to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// So many pairs, each with a topic of its own.
    Pairs(usize),
    /// So many publishers, one subscriber, one topic.
    FanIn(usize),
    /// One publisher, so many subscribers, one topic.
    FanOut(usize),
}

impl Shape {
    pub(crate) fn publishers(self) -> usize {
        match self {
            Self::Pairs(n) | Self::FanIn(n) => n,
            Self::FanOut(_) => 1,
        }
    }

    pub(crate) fn subscribers(self) -> usize {
        match self {
            Self::Pairs(n) | Self::FanOut(n) => n,
            Self::FanIn(_) => 1,
        }
    }

    /// One stream for every publisher that a subscriber hears.
    pub(crate) fn streams(self) -> usize {
        self.publishers().max(self.subscribers())
    }

    /// The topic of a publisher and of its subscribers. Two generators at one broker do not hear each other.
    pub(crate) fn topic(self, member: usize) -> String {
        let run = crate::tag();
        match self {
            Self::Pairs(_) => format!("bench/{run}/{member:03}"),
            Self::FanIn(_) | Self::FanOut(_) => format!("bench/{run}/all"),
        }
    }

    /// The stream that a message of `source` belongs to when `subscriber` receives it, if it should receive it.
    pub(crate) fn stream(self, source: usize, subscriber: usize) -> Option<usize> {
        match self {
            Self::Pairs(_) => (source == subscriber).then_some(subscriber),
            Self::FanIn(n) => (source < n).then_some(source),
            Self::FanOut(_) => (source == 0).then_some(subscriber),
        }
    }

    /// Whose messages a stream carries.
    pub(crate) fn source(self, stream: usize) -> usize {
        match self {
            Self::Pairs(_) | Self::FanIn(_) => stream,
            Self::FanOut(_) => 0,
        }
    }

    /// Who receives a stream.
    pub(crate) fn receiver(self, stream: usize) -> usize {
        match self {
            Self::Pairs(_) | Self::FanOut(_) => stream,
            Self::FanIn(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_has_one_source_and_one_receiver() {
        for shape in [Shape::Pairs(5), Shape::FanIn(5), Shape::FanOut(5)] {
            for stream in 0..shape.streams() {
                let (source, receiver) = (shape.source(stream), shape.receiver(stream));
                assert_eq!(shape.stream(source, receiver), Some(stream), "{shape:?}");
                assert!(source < shape.publishers() && receiver < shape.subscribers());
            }
        }
        assert_eq!(Shape::Pairs(5).stream(1, 2), None);
        assert_eq!(Shape::FanOut(5).stream(1, 2), None);
        assert_eq!(Shape::FanIn(5).stream(5, 0), None);
    }
}
