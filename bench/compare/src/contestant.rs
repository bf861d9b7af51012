//! Who is measured.

/// A broker, or what stands in for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    Burgee,
    /// burgee with two shards.
    Sharded,
    /// The least that can pass for a broker.
    Floor,
    Mosquitto,
    Rumqttd,
    Nats,
    Aedes,
}

impl Contestant {
    pub(crate) const ALL: [Self; 7] = [
        Self::Burgee,
        Self::Sharded,
        Self::Floor,
        Self::Mosquitto,
        Self::Rumqttd,
        Self::Nats,
        Self::Aedes,
    ];

    /// The brokers that burgee is compared with.
    pub(crate) const PEERS: [Self; 4] = [Self::Mosquitto, Self::Rumqttd, Self::Nats, Self::Aedes];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Burgee => "burgee",
            Self::Sharded => "burgee-2-shards",
            Self::Floor => "floor",
            Self::Mosquitto => "mosquitto",
            Self::Rumqttd => "rumqttd",
            Self::Nats => "nats",
            Self::Aedes => "aedes",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|contestant| contestant.name() == name)
    }

    /// One of ours: what it breaks is our fault.
    pub(crate) fn is_burgee(self) -> bool {
        matches!(self, Self::Burgee | Self::Sharded)
    }
}
