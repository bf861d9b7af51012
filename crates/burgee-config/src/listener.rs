//! The options of one `[[listener]]`.
//!
//! What must hold: see `spec.rs`. Deliberately absent: opening it.

use burgee_broker::{IpNet, Listen, ListenUrl};

use crate::problem::Place;
use crate::spec::{Kind, Spec, UNLIMITED};
use crate::tls::{self, HasTls, TlsDraft};

/// One listener while it is read.
#[derive(Clone, Debug)]
pub(crate) struct ListenerDraft {
    pub(crate) url: Option<ListenUrl>,
    pub(crate) optional: bool,
    pub(crate) tls: TlsDraft,
    origins: Vec<String>,
    proxy: Vec<IpNet>,
    max_connections: usize,
    mode: u32,
    pub(crate) anonymous: Option<bool>,
    /// Where it begins.
    pub(crate) place: Place,
}

impl ListenerDraft {
    pub(crate) fn at(place: Place) -> Self {
        Self {
            url: None,
            optional: false,
            tls: TlsDraft::default(),
            origins: Vec::new(),
            proxy: Vec::new(),
            max_connections: usize::MAX,
            mode: 0o660,
            anonymous: None,
            place,
        }
    }

    /// A listener of which nothing else is said than where.
    pub(crate) fn plain(url: ListenUrl, place: Place) -> Self {
        let mut draft = Self::at(place);
        draft.url = Some(url);
        draft
    }

    pub(crate) fn checked(&self) -> Option<Listen> {
        Some(Listen {
            optional: self.optional,
            origins: self.origins.clone(),
            proxy: self.proxy.clone(),
            max_connections: self.max_connections,
            mode: self.mode,
            ..Listen::new(self.url.clone()?)
        })
    }
}

impl HasTls for ListenerDraft {
    fn tls(&mut self) -> &mut TlsDraft {
        &mut self.tls
    }
}

/// What holds of TLS where a listener says nothing.
const OF_ALL: &str = "that of [tls]";

/// See the module.
pub(crate) static LISTENER: &[Spec<ListenerDraft>] = &[
    Spec::new(
        "url",
        Kind::Text("a URL like tcp://127.0.0.1:1883", |draft: &mut ListenerDraft, text| {
            draft.url = Some(
                text.parse()
                    .map_err(|error: burgee_broker::InvalidUrl| error.to_string())?,
            );
            Ok(())
        }),
        "",
        "Where to listen, and what is spoken there: `tcp://ADDRESS:PORT`, `mqtts://`, `ws://ADDRESS:PORT/PATH`, `wss://`, \
         `unix:///PATH`, `systemd:NAME`.",
    )
    .said("must be given")
    .more("Port 0 takes any free port; IPv6 addresses stand in brackets. A listener that is removed takes its connections along.")
    .live(),
    Spec::new(
        "optional",
        Kind::Bool(|draft: &mut ListenerDraft, value| draft.optional = value),
        "false",
        "Start without it where this host does not have the address.",
    )
    .live(),
    Spec::new(
        "max_connections",
        Kind::Count {
            least: 1,
            most: UNLIMITED,
            set: |draft: &mut ListenerDraft, n| draft.max_connections = usize::try_from(n).unwrap_or(usize::MAX),
        },
        "unlimited",
        "Connections of this listener.",
    )
    .more("Beyond: closed as they come.")
    .live(),
    Spec::new(
        "mode",
        Kind::Text("octal digits like 660", |draft: &mut ListenerDraft, text| {
            draft.mode = u32::from_str_radix(text, 8)
                .ok()
                .filter(|mode| *mode <= 0o777)
                .ok_or("write three octal digits, as in 660")?;
            Ok(())
        }),
        "660",
        "Permissions of the file of a Unix socket.",
    ),
    Spec::new(
        "origins",
        Kind::Texts("an origin like https://example.org", |draft: &mut ListenerDraft, text| {
            if text != "*" && text != "null" && !text.split_once("://").is_some_and(|(_, host)| is_authority(host)) {
                return Err(format!("{text} is no origin; write for example https://example.org, or * for all"));
            }
            draft.origins.push(text.to_owned());
            Ok(())
        }),
        "",
        "WebSocket: pages of these origins may connect, and of all with \"*\". Programs are not concerned.",
    )
    .said("pages of the host that they connect to")
    .live(),
    Spec::new(
        "proxy",
        Kind::Texts("a network like 10.0.0.0/8", |draft: &mut ListenerDraft, text| {
            let network = text.parse().or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into()));
            draft.proxy.push(network.map_err(|_| format!("{text} is no network; write for example 10.0.0.0/8"))?);
            Ok(())
        }),
        "",
        "Proxies in these networks begin with a header of the PROXY protocol, and have to.",
    )
    .said("none")
    .live(),
    tls::certificate().said(OF_ALL),
    tls::key().said(OF_ALL),
    tls::certificates().said(OF_ALL),
    tls::clients().said(OF_ALL),
    tls::ca().said(OF_ALL),
    tls::crl().said(OF_ALL),
    tls::user_from().said(OF_ALL),
    tls::min_version().said(OF_ALL),
    Spec::new(
        "allow_anonymous",
        Kind::Bool(|draft: &mut ListenerDraft, value| draft.anonymous = Some(value)),
        "",
        "Let clients in that give neither user name nor password.",
    )
    .said("as `auth` says")
    .live(),
];

/// A host, perhaps with a port, and no path: an origin has none, so one with a path would never fit.
fn is_authority(text: &str) -> bool {
    !text.is_empty() && !text.contains(['/', '?', '#', '@'])
}
