//! One login: what is known of whoever wants in, and what becomes of it.
//!
//! What must hold: a password is in no log line and no error. Deliberately absent: how it is decided, and the packet
//! that says so.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::origin::Origin;

/// Who wants in.
#[derive(Clone, Eq, PartialEq)]
pub struct Login {
    /// The client identifier.
    pub client_id: Box<str>,
    /// The user name, if one was given.
    pub user: Option<Box<str>>,
    /// The password, if one was given.
    pub password: Option<Box<[u8]>>,
    /// From where; none over a Unix socket.
    pub address: Option<IpAddr>,
    /// Who the client is by its certificate, where the listener takes that as the user.
    pub certificate: Option<Box<str>>,
    /// The listener, as it is called in the log.
    pub listener: Arc<str>,
    /// Whether the listener lets in who gives neither user name nor password.
    pub anonymous: bool,
}

impl Login {
    /// From where, as far as limits care.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin::from(self.address)
    }

    /// Whose failures count together: the name that is claimed, and from where.
    pub(crate) fn claim(&self) -> (Origin, &str) {
        (self.origin(), self.user.as_deref().unwrap_or_default())
    }

    /// Neither user name nor password nor certificate.
    pub(crate) const fn is_anonymous(&self) -> bool {
        self.user.is_none() && self.password.is_none() && self.certificate.is_none()
    }

    /// The password as bytes; a missing one is empty.
    pub(crate) fn secret(&self) -> &[u8] {
        self.password.as_deref().unwrap_or_default()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("client_id", &self.client_id)
            .field("user", &self.user)
            .field("address", &self.address)
            .field("certificate", &self.certificate)
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

/// What becomes of a login.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It is who it says.
    Admitted(Grant),
    /// It is not let in.
    Refused(Refusal),
}

/// Who was let in, and as what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    /// The user that rules are about; none for an anonymous client.
    pub user: Option<Arc<str>>,
    /// Who decided.
    pub by: Method,
    /// When the connection has to end, if it has.
    pub until: Option<SystemTime>,
    /// What whoever decided says that this client may do, beside the common rules.
    pub rights: Option<Arc<Rights>>,
}

/// Topic filters that came with a token or an answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rights {
    /// To these it may publish; none: the common rules alone decide.
    pub publish: Option<Vec<Box<str>>>,
    /// These it may subscribe to and receive; none: the common rules alone decide.
    pub subscribe: Option<Vec<Box<str>>>,
}

/// What one of the ways to find out who somebody is says: yes, no, or that it is none of its business.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Said {
    Yes(Grant),
    No(Refusal),
    NotMine,
}

/// A way to find out who somebody is.
#[derive(Copy, Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Method {
    /// Nobody had to be asked.
    Anonymous,
    /// The certificate of the TLS connection.
    Certificate,
    /// A password file.
    Passwords,
    /// A JSON web token in the place of the password.
    Token,
    /// A server that is asked over HTTP.
    Http,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "anonymous",
            Self::Certificate => "certificate",
            Self::Passwords => "password file",
            Self::Token => "token",
            Self::Http => "HTTP call-out",
        })
    }
}

/// Why somebody is not let in.
#[derive(Copy, Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Refusal {
    /// No user name and no password, and the listener wants one.
    Anonymous,
    /// Unknown user or wrong password: which of both is nobody's business.
    Credentials,
    /// A token that is not valid, for this reason.
    Token(TokenFault),
    /// The server that was asked says no.
    Denied,
    /// Too many failed logins with this name from this address lately, or from this address at all.
    TooManyFailures,
    /// Too many logins wait to be checked.
    QueueFull,
    /// It waited too long to be checked.
    WaitedTooLong,
    /// Whoever had to be asked does not answer.
    Down,
}

/// What is wrong with a token.
#[derive(Copy, Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum TokenFault {
    /// It is no token, or one with parts that we do not know and must not ignore.
    Malformed,
    /// No key is there for it.
    UnknownKey,
    /// Its algorithm does not belong to the key.
    Algorithm,
    /// Its signature does not fit.
    Signature,
    /// It says nothing of when it expires.
    NoExpiry,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYet,
    /// It is from or for somebody else.
    IssuerOrAudience,
    /// It names no user, or one that cannot be.
    User,
    /// It is for another client identifier.
    ClientId,
    /// The lists of topics in it cannot be understood.
    Rights,
}

/// What an answer to a client can say.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// Come again later: CONNACK 3.
    Unavailable,
    /// Wrong user name or password: CONNACK 4.
    BadCredentials,
    /// Not permitted: CONNACK 5.
    NotAuthorized,
}

impl Refusal {
    /// What the client is told. Who comes at a bad moment is told to come again, and nobody learns which of user name
    /// and password was wrong.
    #[must_use]
    pub const fn answer(self) -> Answer {
        match self {
            Self::Credentials | Self::Token(_) => Answer::BadCredentials,
            Self::Anonymous | Self::Denied => Answer::NotAuthorized,
            Self::TooManyFailures | Self::QueueFull | Self::WaitedTooLong | Self::Down => Answer::Unavailable,
        }
    }

    /// Whether it speaks against the address that it came from.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Credentials | Self::Token(_) | Self::Denied)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "no user name and no password",
            Self::Credentials => "unknown user or wrong password",
            Self::Token(fault) => return write!(f, "token: {fault}"),
            Self::Denied => "denied by the server that was asked",
            Self::TooManyFailures => "too many failed logins with this name or from this address",
            Self::QueueFull => "too many logins wait to be checked",
            Self::WaitedTooLong => "waited too long to be checked",
            Self::Down => "whoever had to be asked does not answer",
        })
    }
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed",
            Self::UnknownKey => "signed with a key that is not known here",
            Self::Algorithm => "its algorithm does not belong to the key",
            Self::Signature => "the signature does not fit",
            Self::NoExpiry => "it never expires",
            Self::Expired => "expired",
            Self::NotYet => "not valid yet",
            Self::IssuerOrAudience => "from another issuer or for another audience",
            Self::User => "it names no usable user",
            Self::ClientId => "for another client identifier",
            Self::Rights => "its lists of topics cannot be understood",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_no_log_line() {
        let login = Login {
            client_id: "c".into(),
            user: Some("ann".into()),
            password: Some((*b"sesame").into()),
            address: None,
            certificate: None,
            listener: "l".into(),
            anonymous: false,
        };
        let shown = format!("{login:?}");
        assert!(
            shown.contains("ann") && !shown.contains("sesame") && !shown.contains("115"),
            "{shown}"
        );
    }
}
