//! Certificates that Mosquitto sends and the broker would not.
//!
//! Where `certfile` holds one certificate alone, Mosquitto sends those of `cafile` behind it, as far as they lead to its
//! root. Here `certificate` is sent as it is, and clients that know the root alone would turn away.

use std::io;
use std::path::Path;

use super::draft::Draft;
use super::listener::Listener;
use super::remark::Weight;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// Tells of the listeners that may need more than they have. Whether they do stands in the certificates, which are not
/// looked into: it is told once too often rather than not at all.
pub(super) fn look(draft: &mut Draft, mut read: impl FnMut(&Path) -> io::Result<String>) {
    let remarks = &mut draft.remarks;
    for listener in draft.listeners.iter().chain([&draft.first]) {
        let Listener {
            at: Some(at),
            certificate: Some(certificate),
            key: Some(_),
            ca: Some(ca),
            ..
        } = listener
        else {
            continue;
        };
        let whole = read(certificate.as_ref()).is_ok_and(|text| text.matches(BEGIN).nth(1).is_some());
        if !whole {
            let what = format!(
                "only what is in {certificate} is sent to clients, not the authorities of {ca}: append to the former those that \
                 lead to the root, if there are any between"
            );
            remarks.push(at.remark(Weight::Look, "listener", what));
        }
    }
}
