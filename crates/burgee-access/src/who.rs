//! Who asks.
//!
//! What must hold: the user name is proven, or there is none. Deliberately absent: how.

use core::net::IpAddr;

/// Who asks.
#[derive(Copy, Clone, Debug)]
pub struct Who<'a> {
    /// The user name, if there is one.
    pub user: Option<&'a str>,
    /// The client identifier.
    pub client_id: &'a str,
    /// The address, where there is one.
    pub address: Option<IpAddr>,
}

impl Who<'_> {
    /// Whether a name has one of these in it.
    pub(crate) fn has(&self, wanted: &[char]) -> bool {
        self.client_id.contains(wanted) || self.user.is_some_and(|user| user.contains(wanted))
    }
}
