//! Which pages may connect: a browser says of each request of WebSocket from where the page came that makes it.
//!
//! Without this, any page that somebody looks at could speak to a broker on that machine, or in that network. What must hold:
//! without a word from the operator only pages of the broker's own host connect; who names no origin is no browser, and what
//! it may is not decided here. Deliberately absent: what a page says who it is; that is a matter of users.

use std::net::IpAddr;

/// See the module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Origins {
    /// All pages.
    Any,
    /// Pages of these origins.
    These(Vec<Box<str>>),
    /// Pages of the host that the request is for, whatever the port.
    SameHost,
    /// The same where only this machine can connect: the host has to be this machine by a name that nobody else can give
    /// it. A page of a stranger could have its own name lead here.
    ThisMachine,
}

impl Origins {
    /// As they are set: `*` is all, nothing is the host itself. `local`: nobody but this machine can come.
    pub(crate) fn new(set: &[String], local: bool) -> Self {
        if set.iter().any(|origin| origin == "*") {
            Self::Any
        } else if !set.is_empty() {
            Self::These(set.iter().map(|origin| origin.as_str().into()).collect())
        } else if local {
            Self::ThisMachine
        } else {
            Self::SameHost
        }
    }

    /// Whether a page of this origin may connect, with a request for this host.
    pub(super) fn admit(&self, origin: &str, host: &str) -> bool {
        let same = || {
            let of_page = origin.split_once("://").map(|(_, authority)| name(authority));
            of_page.is_some_and(|page| !page.is_empty() && page.eq_ignore_ascii_case(name(host)))
        };
        match self {
            Self::Any => true,
            Self::These(known) => known.iter().any(|known| known.eq_ignore_ascii_case(origin)),
            Self::SameHost => same(),
            Self::ThisMachine => same() && is_this_machine(name(host)),
        }
    }
}

/// A host without its port.
fn name(authority: &str) -> &str {
    match authority.split_once(']') {
        // An address of IPv6 stands in brackets.
        Some((address, _)) => address.strip_prefix('[').unwrap_or(address),
        None => authority.split_once(':').map_or(authority, |(name, _)| name),
    }
}

fn is_this_machine(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}
