//! What some users may use: `[[limit]]`, one after the other.
//!
//! What must hold: the first that is for a user counts; what it does not say is as `[limits]` says for all. Deliberately
//! absent: what happens at a limit; the core does that.

use std::time::Duration;

use burgee_core::{Rate, UserLimits};

use crate::problem::{Place, Problem};
use crate::spec::{Kind, Spec, UNLIMITED};
use crate::units::{machine, millis, small};
use crate::whom::{self, ForSomebody, Whom};

const HOUR: Duration = Duration::from_secs(3600);

/// One of them while it is read.
#[derive(Clone, Debug)]
pub(crate) struct LimitDraft {
    whom: Whom,
    connections: Option<u32>,
    messages: Option<u32>,
    message_burst: Option<u32>,
    bytes: Option<u64>,
    byte_burst: Option<u64>,
    close_after: Option<u64>,
    per_user: Option<bool>,
    max_packet: Option<u32>,
    max_subscriptions: Option<usize>,
    place: Place,
}

impl ForSomebody for LimitDraft {
    fn whom(&mut self) -> &mut Whom {
        &mut self.whom
    }
}

impl LimitDraft {
    /// Nothing is said yet; it begins there.
    pub(crate) fn at(place: Place) -> Self {
        Self {
            whom: Whom::default(),
            connections: None,
            messages: None,
            message_burst: None,
            bytes: None,
            byte_burst: None,
            close_after: None,
            per_user: None,
            max_packet: None,
            max_subscriptions: None,
            place,
        }
    }

    /// Whether what is said fits together.
    pub(crate) fn problem(&self) -> Option<Problem> {
        self.whom.problem("a limit", &self.place)
    }

    /// The limits, with what holds for all where nothing is said here.
    pub(crate) fn over(&self, connections: u32, publish: Rate) -> UserLimits {
        // Who gets another rate gets another burst, too: one that belongs to the rate of all would not fit.
        let burst_of_all = self.messages.is_none();
        let byte_burst_of_all = self.bytes.is_none();
        UserLimits {
            max_connections: self.connections.unwrap_or(connections),
            publish: Rate {
                messages: self.messages.unwrap_or(publish.messages),
                message_burst: self
                    .message_burst
                    .unwrap_or(if burst_of_all { publish.message_burst } else { 0 }),
                bytes: self.bytes.unwrap_or(publish.bytes),
                byte_burst: self
                    .byte_burst
                    .unwrap_or(if byte_burst_of_all { publish.byte_burst } else { 0 }),
                close_after_ms: self.close_after.unwrap_or(publish.close_after_ms),
                per_user: self.per_user.unwrap_or(publish.per_user),
            },
            max_packet_bytes: self.max_packet.unwrap_or(u32::MAX),
            max_subscriptions: self.max_subscriptions.unwrap_or(usize::MAX),
            ..UserLimits::new(self.whom.users())
        }
    }
}

/// What holds where an entry says nothing.
const OF_ALL: &str = "that of [limits]";

const fn count(key: &'static str, least: u64, set: fn(&mut LimitDraft, u64), help: &'static str) -> Spec<LimitDraft> {
    let kind = Kind::Count {
        least,
        most: UNLIMITED,
        set,
    };
    Spec::new(key, kind, "", help).said(OF_ALL).live()
}

const fn size(key: &'static str, set: fn(&mut LimitDraft, u64), help: &'static str) -> Spec<LimitDraft> {
    let kind = Kind::Size {
        least: 0,
        most: 1 << 40,
        set,
    };
    Spec::new(key, kind, "", help).said(OF_ALL).live()
}

/// See the module.
pub(crate) static LIMIT: &[Spec<LimitDraft>] = &[
    whom::users("For these users; `*` stands for any characters."),
    whom::for_users(),
    count(
        "connections",
        1,
        |draft, n| draft.connections = Some(small(n)),
        "Connections of each of these users at a time; those without a user name are not counted.",
    ),
    count(
        "publish_messages",
        0,
        |draft, n| draft.messages = Some(small(n)),
        "Messages that each of their clients may publish in a second; 0: no limit.",
    ),
    count(
        "publish_message_burst",
        0,
        |draft, n| draft.message_burst = Some(small(n)),
        "So many may come at once after a rest; 0: as many as in a second.",
    ),
    size(
        "publish_bytes",
        |draft, n| draft.bytes = Some(n),
        "Bytes that each of their clients may publish in a second; 0: no limit.",
    ),
    size(
        "publish_byte_burst",
        |draft, n| draft.byte_burst = Some(n),
        "So many may come at once after a rest; 0: as many as in a second.",
    ),
    Spec::new(
        "publish_close_after",
        Kind::Time {
            least: Duration::ZERO,
            most: HOUR,
            set: |draft: &mut LimitDraft, time| draft.close_after = Some(millis(time)),
        },
        "",
        "Who has been beyond these rates for so long without a rest is disconnected; 0: nobody is.",
    )
    .said(OF_ALL)
    .live(),
    Spec::new(
        "publish_per",
        Kind::Choice {
            of: &[
                ("connection", "each connection has these rates for itself"),
                ("user", "all connections of a user have them in common"),
            ],
            set: |draft: &mut LimitDraft, word| draft.per_user = Some(word == "user"),
        },
        "",
        "Whose these rates are.",
    )
    .said(OF_ALL)
    .live(),
    Spec::new(
        "max_packet",
        Kind::Size {
            least: 1024,
            most: 268_435_455,
            set: |draft: &mut LimitDraft, n| draft.max_packet = Some(small(n)),
        },
        "",
        "The largest packet of their clients, without its fixed header, if it is less than for all.",
    )
    .said(OF_ALL)
    .live(),
    count(
        "max_subscriptions",
        1,
        |draft, n| draft.max_subscriptions = Some(machine(n)),
        "Subscriptions of each of their clients, if it is less than for all.",
    ),
];
