//! Settings of what each user and each address may use, and of fights over one client identifier.
//!
//! What must hold: without any of them nobody is limited. Deliberately absent: limits for some users only; see `limit.rs`.

use std::time::Duration;

use crate::draft::Draft;
use crate::spec::{Kind, Spec, UNLIMITED};
use crate::units::{machine, millis, small};

const HOUR: Duration = Duration::from_secs(3600);

const fn rate(key: &'static str, set: fn(&mut Draft, u64), help: &'static str) -> Spec<Draft> {
    let kind = Kind::Count {
        least: 0,
        most: 1_000_000_000,
        set,
    };
    Spec::new(key, kind, "0", help)
}

const fn size(key: &'static str, set: fn(&mut Draft, u64), help: &'static str) -> Spec<Draft> {
    let kind = Kind::Size {
        least: 0,
        most: 1 << 40,
        set,
    };
    Spec::new(key, kind, "0", help)
}

const fn time(
    key: &'static str,
    set: fn(&mut Draft, Duration),
    default: &'static str,
    help: &'static str,
) -> Spec<Draft> {
    let kind = Kind::Time {
        least: Duration::ZERO,
        most: HOUR,
        set,
    };
    Spec::new(key, kind, default, help)
}

pub(crate) const fn handshakes_per_address() -> Spec<Draft> {
    Spec::new(
        "limits.handshakes_per_address",
        Kind::Count {
            least: 1,
            most: UNLIMITED,
            set: |draft: &mut Draft, n| draft.accept.handshakes_per_address = machine(n),
        },
        "128",
        "So many of them from one address once more than half of these places are taken; of IPv6 the first 64 bits count.",
    )
    .more("Beyond: closed as they come. Who comes through a proxy is exempt.")
    .live()
}

pub(crate) const fn unfinished_bytes() -> Spec<Draft> {
    Spec::new(
        "limits.unfinished_bytes",
        Kind::Size {
            least: 1 << 20,
            most: UNLIMITED,
            set: |draft: &mut Draft, n| draft.accept.unfinished_bytes = machine(n),
        },
        "64MiB",
        "Bytes that all connections together hold of handshakes, and of CONNECTs that are not complete or not decided.",
    )
    .more("Beyond: whoever holds the most is closed, the newest among equals; counted in `connections/closed_unfinished`.")
    .live()
}

pub(crate) const fn connections() -> Spec<Draft> {
    Spec::new(
        "limits.connections_per_user",
        Kind::Count {
            least: 1,
            most: UNLIMITED,
            set: |draft: &mut Draft, n| draft.usage.connections = small(n),
        },
        "unlimited",
        "Connections of one user at a time. Clients without a user name are not counted.",
    )
    .more("Beyond: CONNACK 3.")
    .live()
}

pub(crate) const fn messages() -> Spec<Draft> {
    rate(
        "limits.publish_messages",
        |draft, n| draft.usage.publish.messages = small(n),
        "Messages that each client may publish in a second; 0: no limit.",
    )
    .more("Beyond: it is not read until it is within the limit again.")
    .live()
}

pub(crate) const fn message_burst() -> Spec<Draft> {
    rate(
        "limits.publish_message_burst",
        |draft, n| draft.usage.publish.message_burst = small(n),
        "So many may come at once after a rest; 0: as many as in a second.",
    )
    .live()
}

pub(crate) const fn bytes() -> Spec<Draft> {
    size(
        "limits.publish_bytes",
        |draft, n| draft.usage.publish.bytes = n,
        "Bytes that each client may publish in a second; 0: no limit.",
    )
    .more("Beyond: it is not read until it is within the limit again.")
    .live()
}

pub(crate) const fn byte_burst() -> Spec<Draft> {
    size(
        "limits.publish_byte_burst",
        |draft, n| draft.usage.publish.byte_burst = n,
        "So many may come at once after a rest; 0: as many as in a second.",
    )
    .live()
}

pub(crate) const fn close_after() -> Spec<Draft> {
    time(
        "limits.publish_close_after",
        |draft, time| draft.usage.publish.close_after_ms = millis(time),
        "0s",
        "Who has been beyond these limits for so long without a rest is disconnected; 0: nobody is.",
    )
    .live()
}

pub(crate) const fn per_user() -> Spec<Draft> {
    Spec::new(
        "limits.publish_per",
        Kind::Choice {
            of: &[
                ("connection", "each connection has them for itself"),
                (
                    "user",
                    "all connections of a user have them in common; who has no user name has them alone",
                ),
            ],
            set: |draft: &mut Draft, word| draft.usage.publish.per_user = word == "user",
        },
        "connection",
        "Whose these rates are.",
    )
    .more("With `user`, who connects again finds them as they were left.")
    .live()
}

pub(crate) const fn takeovers() -> Spec<Draft> {
    Spec::new(
        "takeovers.count",
        Kind::Count {
            least: 0,
            most: 1_000_000,
            set: |draft: &mut Draft, n| draft.usage.fights.takeovers = small(n),
        },
        "5",
        "So many takeovers of one client identifier are a fight, which is named in the log; 0: nobody looks.",
    )
    .live()
}

pub(crate) const fn within() -> Spec<Draft> {
    time(
        "takeovers.within",
        |draft, time| draft.usage.fights.within_ms = millis(time),
        "1min",
        "Within this time.",
    )
    .live()
}

pub(crate) const fn slow() -> Spec<Draft> {
    time(
        "takeovers.slow",
        |draft, time| draft.usage.fights.slow_ms = millis(time),
        "0s",
        "In a fight a newcomer waits so long, twice as long each time, up to half of the time for CONNECT; 0: nobody waits.",
    )
    .live()
}
