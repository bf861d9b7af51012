//! Identifiers that an earlier life of this client may have left with the server.
//!
//! A program that starts on a kept session without knowing its state knows nothing of the QoS 2 messages that the last one
//! left unfinished. The server holds such an identifier until PUBREL, and takes whatever comes under it for the same message
//! [MQTT-4.3.3-2]: it answers, and delivers nothing. So PUBREL goes first here, once for each identifier.
//!
//! What must hold: no message of QoS 2 is written under an identifier before PUBCOMP has shown that the server does not hold
//! it. PUBLISH right behind PUBREL would not do: if the connection broke behind the two, nobody could tell whether the server
//! had taken both or none, so whether a repetition is needed or a second delivery. No identifier under which we have sent a
//! message of QoS 2 that is unfinished is ever asked for.
//! Deliberately absent: bytes; a client that sends no message of QoS 2 asks nothing.

use burgee_codec::{PacketId, QoS};

/// What the server may hold of us.
#[derive(Debug, Default)]
pub(super) enum Past {
    /// Nobody has asked it: there was no CONNACK yet.
    #[default]
    Unknown,
    /// Only what this session knows of.
    Ours,
    /// The server had a session that we know nothing of.
    Strange(Box<Strange>),
}

/// What is known of the identifiers of a strange session.
#[derive(Debug, Default)]
pub(super) struct Strange {
    /// PUBREL is due or on its way, or PUBCOMP came.
    asked: Identifiers,
    /// PUBCOMP came, or the server holds the identifier because of a message that we know.
    clear: Identifiers,
    /// PUBREL is due, in this order. At most two windows.
    due: Vec<PacketId>,
    /// There was a message of QoS 2: from here on it is asked ahead.
    begun: bool,
    /// The identifier that was given out last.
    last: u16,
    /// So many behind it are asked for.
    ahead: usize,
}

impl Past {
    /// CONNACK says that the server has a session.
    pub(super) fn resumed(&mut self) {
        match self {
            Self::Unknown => *self = Self::Strange(Box::default()),
            Self::Ours => {}
            Self::Strange(strange) => {
                // Whatever was on its way may have been lost. To ask twice harms nobody: nothing was sent under it.
                strange.due = strange.asked.without(&strange.clear).collect();
            }
        }
    }

    /// The server has nothing that we do not know of: CONNACK says that it has no session, or ours was kept as a whole.
    pub(super) fn is_ours(&mut self) {
        *self = Self::Ours;
    }

    /// The server may hold this identifier for a message that we know.
    pub(super) fn knows(&mut self, id: PacketId) {
        if matches!(self, Self::Unknown) {
            *self = Self::Strange(Box::default());
        }
        if let Self::Strange(strange) = self {
            strange.asked.insert(id);
            strange.clear.insert(id);
        }
    }

    /// A piece of work gets this identifier: whether it has to wait for PUBCOMP before it is written.
    pub(super) fn must_wait(&mut self, id: PacketId, qos: QoS) -> bool {
        let Self::Strange(strange) = self else { return false };
        strange.given(id);
        if qos != QoS::ExactlyOnce || strange.clear.has(id) {
            return false;
        }
        strange.begun = true;
        strange.ask(id);
        true
    }

    /// Identifiers for which PUBREL has to go out now. Once there was a message of QoS 2, those that come next as well, as
    /// many as `in_flight`: then only the first window waits for an answer, and a single message costs one PUBREL more.
    pub(super) fn due(&mut self, in_flight: usize) -> Vec<PacketId> {
        let Self::Strange(strange) = self else {
            return Vec::new();
        };
        if strange.begun {
            strange.ask_ahead(in_flight);
        }
        core::mem::take(&mut strange.due)
    }

    /// PUBREC came: whether it is about a message of the life before, and none of ours. Our question is the answer to it, so
    /// PUBREL goes out once.
    pub(super) fn is_meant(&mut self, id: PacketId) -> bool {
        match self {
            Self::Strange(strange) if !strange.clear.has(id) => {
                strange.ask(id);
                true
            }
            Self::Unknown | Self::Ours | Self::Strange(_) => false,
        }
    }

    /// PUBCOMP came: whether it answers our question, and no message.
    pub(super) fn answered(&mut self, id: PacketId) -> bool {
        let Self::Strange(strange) = self else { return false };
        let answers = strange.asked.has(id) && strange.clear.insert(id);
        if answers && strange.clear.is_full() {
            *self = Self::Ours;
        }
        answers
    }

    /// Identifiers whose answer has not come.
    pub(super) fn unanswered(&self) -> Vec<PacketId> {
        match self {
            Self::Unknown | Self::Ours => Vec::new(),
            Self::Strange(strange) => strange.asked.without(&strange.clear).collect(),
        }
    }
}

impl Strange {
    fn ask(&mut self, id: PacketId) {
        if self.asked.insert(id) {
            self.due.push(id);
        }
    }

    fn ask_ahead(&mut self, count: usize) {
        let behind = (self.last..=u16::MAX).skip(1).chain(1..=u16::MAX);
        let (from, to) = (self.ahead, self.ahead.max(count));
        for id in behind.take(to).skip(from).filter_map(PacketId::new) {
            self.ask(id);
        }
        self.ahead = to;
    }

    fn given(&mut self, id: PacketId) {
        // Behind 65,535 comes 1.
        let round = if id.get() > self.last { 0 } else { usize::from(u16::MAX) };
        let steps = usize::from(id.get()) + round - usize::from(self.last);
        self.ahead = self.ahead.saturating_sub(steps);
        self.last = id.get();
    }
}

/// A set of identifiers; 8 KiB at most, and less as long as there are no high ones.
#[derive(Debug, Default)]
struct Identifiers {
    words: Vec<u64>,
    count: u16,
}

impl Identifiers {
    fn has(&self, id: PacketId) -> bool {
        let (word, bit) = place(id);
        self.words.get(word).is_some_and(|held| held & bit != 0)
    }

    /// Whether it is new.
    fn insert(&mut self, id: PacketId) -> bool {
        let (word, bit) = place(id);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let Some(held) = self.words.get_mut(word) else {
            return false;
        };
        let new = *held & bit == 0;
        *held |= bit;
        self.count += u16::from(new);
        new
    }

    /// All of them are in.
    const fn is_full(&self) -> bool {
        self.count == u16::MAX
    }

    /// Those that are not in `other`, in ascending order.
    fn without(&self, other: &Self) -> impl Iterator<Item = PacketId> {
        (1..=u16::MAX)
            .take(self.words.len() * 64)
            .filter_map(PacketId::new)
            .filter(|id| self.has(*id) && !other.has(*id))
    }
}

/// The word, and the bit in it.
fn place(id: PacketId) -> (usize, u64) {
    (usize::from(id.get() >> 6), 1 << (id.get() & 63))
}
