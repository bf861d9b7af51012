//! TLS: what is asked for, what it is made of, and the layer that speaks it.
//!
//! What must hold: what is loaded has been checked, so a bad file is known before anybody connects; connections keep the
//! context that they began with. Deliberately absent: sockets, and TLS itself, which is rustls's.

mod context;
mod files;
mod identity;
mod names;
mod records;
mod slot;
mod watch;

use std::fmt;
use std::path::{Path, PathBuf};

pub use context::TlsContext;
pub use identity::TlsIdentity;
pub(crate) use records::Tls;
pub(crate) use slot::{Prepared, Reloaded, TlsSlot};
pub(crate) use watch::Watch;

/// The files of one certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateFiles {
    /// The certificate and behind it those that lead to the authority, in PEM.
    pub chain: PathBuf,
    /// Its private key in PEM, without a pass phrase.
    pub key: PathBuf,
}

/// Whether clients have to show certificates.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub enum ClientCertificates {
    /// They are not asked for one.
    #[default]
    Off,
    /// Who shows one must show a good one.
    Optional,
    /// Without a good one nobody comes in.
    Required,
}

/// Which part of a client's certificate becomes its user name.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum IdentityField {
    /// The common name of the subject.
    CommonName,
    /// The first e-mail address among the alternative names.
    Email,
    /// The first DNS name.
    Dns,
    /// The first URI.
    Uri,
}

/// The oldest version of TLS that is spoken.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub enum TlsVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 only.
    Tls13,
}

/// What a listener needs to speak TLS, as paths.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsSettings {
    /// At least one. A client that names a host (SNI) gets the one that is for it; others get the first.
    pub certificates: Vec<CertificateFiles>,
    /// Whether clients have to show certificates.
    pub clients: ClientCertificates,
    /// The authorities whose certificates clients may show, in PEM. Needed unless they are off.
    pub ca: Option<PathBuf>,
    /// Lists of revoked certificates, in PEM.
    pub crls: Vec<PathBuf>,
    /// What becomes the user name of a client that has shown a certificate.
    pub user_from: Option<IdentityField>,
    /// The oldest version spoken.
    pub min_version: TlsVersion,
}

/// Why a file cannot be used for TLS, and the way out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsError {
    /// Which, where it is about one.
    pub file: Option<PathBuf>,
    /// The line where the piece of PEM begins that it is about.
    pub line: Option<u32>,
    /// What is wrong with it.
    pub what: String,
}

impl TlsError {
    fn of(file: &Path, what: impl Into<String>) -> Self {
        Self {
            file: Some(file.to_owned()),
            line: None,
            what: what.into(),
        }
    }

    fn at(file: &Path, line: u32, what: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            ..Self::of(file, what)
        }
    }

    pub(crate) fn none_given() -> Self {
        Self::general("it needs a certificate and its key: none is given")
    }

    pub(crate) fn general(what: impl Into<String>) -> Self {
        Self {
            file: None,
            line: None,
            what: what.into(),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{}:{line}: {}", file.display(), self.what),
            (Some(file), None) => write!(f, "{}: {}", file.display(), self.what),
            (None, _) => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for TlsError {}
