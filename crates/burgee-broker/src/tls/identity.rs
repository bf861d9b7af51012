//! Who a client is by its certificate.
//!
//! What must hold: it is made of certificates that were verified, and of nothing else; names are as the authority wrote
//! them, and have to be escaped where they are shown. Deliberately absent: what the names allow.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{GeneralName, X509Certificate};

use super::files;
use super::{IdentityField, TlsError};

/// See the module.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsIdentity {
    /// The subject as one line.
    pub subject: Box<str>,
    /// Its common name.
    pub common_name: Option<Box<str>>,
    /// Alternative names: e-mail addresses.
    pub emails: Vec<Box<str>>,
    /// DNS names.
    pub dns_names: Vec<Box<str>>,
    /// URIs.
    pub uris: Vec<Box<str>>,
    /// The user name that follows from it, where the listener takes it from the certificate and there is one.
    pub user: Option<Box<str>>,
}

impl TlsIdentity {
    /// What stands in a certificate.
    pub(super) fn of(der: &CertificateDer<'_>, user_from: Option<IdentityField>) -> Result<Self, TlsError> {
        let certificate = files::parse(Path::new("the client's certificate"), der)?;
        let mut identity = Self {
            subject: certificate.subject().to_string().into(),
            common_name: common_name(&certificate),
            ..Self::default()
        };
        if let Ok(Some(names)) = certificate.subject_alternative_name() {
            for name in &names.value.general_names {
                if let GeneralName::RFC822Name(name) = *name {
                    identity.emails.push(name.into());
                } else if let GeneralName::DNSName(name) = *name {
                    identity.dns_names.push(name.into());
                } else if let GeneralName::URI(name) = *name {
                    identity.uris.push(name.into());
                }
            }
        }
        identity.user = user_from.and_then(|field| identity.field(field)).map(Into::into);
        Ok(identity)
    }

    /// The first name of a kind, if it could be the name of a user.
    fn field(&self, field: IdentityField) -> Option<&str> {
        let name = match field {
            IdentityField::CommonName => self.common_name.as_deref(),
            IdentityField::Email => self.emails.first().map(AsRef::as_ref),
            IdentityField::Dns => self.dns_names.first().map(AsRef::as_ref),
            IdentityField::Uri => self.uris.first().map(AsRef::as_ref),
        };
        // What no user name of MQTT can hold is none.
        name.filter(|name| !name.is_empty() && !name.contains('\0'))
    }
}

/// The common name, if there is just one: which of two would be meant, nobody can say.
fn common_name(certificate: &X509Certificate<'_>) -> Option<Box<str>> {
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?;
    names.next().is_none().then(|| name.into())
}

/// The DNS names that a server's certificate is for.
pub(super) fn dns_names(path: &Path, der: &CertificateDer<'_>) -> Result<Vec<String>, TlsError> {
    let certificate = files::parse(path, der)?;
    let mut found = Vec::new();
    if let Ok(Some(names)) = certificate.subject_alternative_name() {
        for name in &names.value.general_names {
            if let GeneralName::DNSName(name) = *name {
                found.push(name.to_owned());
            }
        }
    }
    Ok(found)
}
