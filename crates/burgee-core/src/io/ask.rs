//! A CONNECT that somebody else has to judge: the question, and the answer.
//!
//! What must hold: a connection asks at most once, and once more for each reload before it is in; one answer is used for
//! one CONNECT. A password is in a question and
//! nowhere else. Deliberately absent: passwords, tokens and certificates as such; who judges them is not the core's
//! business.

use core::fmt;
use core::net::IpAddr;
use std::sync::Arc;

use burgee_access::Rules;
use burgee_codec::Version;

use super::ConnKey;
use crate::policy::ListenerNo;

/// A CONNECT on a listener that asks. Its connection is not read until [`Input::Verdict`](super::Input::Verdict) comes,
/// and closed if none comes within the time for CONNECT. What else is known of it, the event loop adds by the key.
#[derive(Clone, Eq, PartialEq)]
pub struct Ask {
    /// Whose.
    pub conn: ConnKey,
    /// Where it came in.
    pub listener: ListenerNo,
    /// As it was sent; empty if the broker is to make one.
    pub client_id: Box<str>,
    /// The user name, if there is one.
    pub user: Option<Box<str>>,
    /// The password, if there is one.
    pub password: Option<Box<[u8]>>,
    /// The version of the protocol.
    pub version: Version,
}

impl fmt::Debug for Ask {
    /// Without the password: what is printed is kept.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("conn", &self.conn)
            .field("listener", &self.listener)
            .field("client_id", &self.client_id)
            .field("user", &self.user)
            .field("has_password", &self.password.is_some())
            .field("version", &self.version)
            .finish()
    }
}

/// The answer to an [`Ask`].
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It may come in, unless a rule or a limit of the core says otherwise.
    Admitted(Admission),
    /// CONNACK with this return code, 2 to 5; any other counts as 5.
    Refused(u8),
}

/// As whom a client comes in.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// Its user name, proven. `None`: anonymous.
    pub user: Option<Arc<str>>,
    /// Where it really is, if that is not what [`Input::Accepted`](super::Input::Accepted) said.
    pub address: Option<IpAddr>,
    /// Rules of its own, which come before the common ones. What they do not speak of is left to those.
    pub client_rules: Option<Arc<Rules>>,
}
