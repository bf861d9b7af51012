//! The options of one `[[listener]]`.
//!
//! What must hold: see `spec.rs`. Deliberately absent: opening it.

use burgee_broker::{Listen, ListenUrl};

use crate::problem::Place;
use crate::spec::{Kind, Spec};

/// One listener while it is read.
#[derive(Clone, Debug)]
pub(crate) struct ListenerDraft {
    pub(crate) url: Option<ListenUrl>,
    pub(crate) optional: bool,
    /// Where it begins.
    pub(crate) place: Place,
}

impl ListenerDraft {
    pub(crate) const fn at(place: Place) -> Self {
        Self {
            url: None,
            optional: false,
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
            ..Listen::new(self.url.clone()?)
        })
    }
}

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
        "Where to listen: `tcp://ADDRESS:PORT`.",
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
];
