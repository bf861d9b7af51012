//! The tables of the settings file.

/// The tables of the file, with what they are about.
pub(crate) const SECTIONS: &[(&str, &str)] = &[
    ("broker", "The broker as a whole."),
    ("store", "What it keeps over a restart, where, and how well."),
    (
        "session",
        "What one client may be owed. Each queue has a limit, something that happens there, and a counter.",
    ),
    (
        "limits",
        "How much there may be of everything. Counters are below `$SYS/broker/burgee`.",
    ),
    (
        "tls",
        "What all listeners with TLS have in common; each can say it for itself below `[listener.tls]`.",
    ),
    (
        "auth",
        "Who may come in: how it is found out, and the limits on trying; see docs/users.md.",
    ),
    (
        "auth_jwt",
        "Tokens (JSON web tokens) in the place of passwords. Used as soon as there are keys.",
    ),
    (
        "auth_http",
        "A server that is asked who somebody is. Used as soon as there is a URL.",
    ),
    (
        "access",
        "What clients may do: [[rule]] in this file, and behind them a file of Mosquitto's. Without any rule everybody who \
         comes in may do everything.",
    ),
    (
        "takeovers",
        "Two clients with one identifier throw each other out, for ever if nobody looks.",
    ),
    ("log", "What it says."),
];
