//! How an option of Mosquitto is described: where it stands, and what becomes of it.

/// Where an option may stand.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// For the broker.
    Broker,
    /// For a listener.
    Listener,
    /// For a bridge.
    Bridge,
}

/// What becomes of an option.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Becomes {
    /// This setting.
    Setting(&'static str),
    /// Nothing is to be done with these values, `*` for all; others have no counterpart.
    Needless(&'static [&'static str]),
    /// There is no counterpart.
    Nothing,
}

/// An option of Mosquitto.
#[derive(Copy, Clone, Debug)]
pub struct Known {
    /// Its name; one that ends with `*` stands for all that begin so.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    /// What becomes of it.
    pub becomes: Becomes,
    /// What that means, and what to do where something is to be done.
    pub note: &'static str,
}

impl Known {
    /// Whether a line with this word is about it.
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(beginning) => word.starts_with(beginning),
            None => word == self.name,
        }
    }
}

pub(super) const fn broker(name: &'static str, becomes: Becomes, note: &'static str) -> Known {
    Known {
        name,
        place: Place::Broker,
        becomes,
        note,
    }
}

pub(super) const fn listener(name: &'static str, becomes: Becomes, note: &'static str) -> Known {
    Known {
        name,
        place: Place::Listener,
        becomes,
        note,
    }
}

pub(super) const fn bridge(name: &'static str) -> Known {
    Known {
        name,
        place: Place::Bridge,
        becomes: Becomes::Nothing,
        note: BRIDGE,
    }
}

const BRIDGE: &str = "bridges are not part of this version: let another program carry messages between the brokers, for \
                      instance a Mosquitto that has nothing but this bridge";
