//! The settings of TLS: those of one listener, and those that all have in common.
//!
//! What must hold: what a listener says of itself goes before what is said of all. Deliberately absent: reading the files;
//! see `checked.rs`.

use std::path::PathBuf;

use burgee_broker::{CertificateFiles, ClientCertificates, IdentityField, TlsSettings, TlsVersion};

use crate::spec::{Kind, Spec};

/// What of a certificate becomes the user name.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum UserFrom {
    Nothing,
    Field(IdentityField),
}

/// TLS while it is read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct TlsDraft {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    more: Vec<CertificateFiles>,
    ca: Option<PathBuf>,
    crl: Option<PathBuf>,
    clients: Option<ClientCertificates>,
    user_from: Option<UserFrom>,
    min_version: Option<TlsVersion>,
}

impl TlsDraft {
    /// Nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The pair, if there is one, and the others behind it.
    fn certificates(&self) -> Result<Vec<CertificateFiles>, &'static str> {
        let first = match (&self.certificate, &self.key) {
            (Some(chain), Some(key)) => Some(CertificateFiles {
                chain: chain.clone(),
                key: key.clone(),
            }),
            (None, None) if !self.more.is_empty() => None,
            _ => return Err("set tls.certificate and tls.key, for the listener or below [tls] for all"),
        };
        Ok(first.into_iter().chain(self.more.iter().cloned()).collect())
    }

    /// The settings, with what is said of all for what is not said here. What is missing is told with the way out.
    pub(crate) fn over(&self, all: &Self) -> Result<TlsSettings, &'static str> {
        let path = |here: &Option<PathBuf>, there: &Option<PathBuf>| here.clone().or_else(|| there.clone());
        // All or nothing: a certificate from here and a key from there would not fit, and which of several is the first
        // one should be seen in one place.
        let own = self.certificate.is_some() || self.key.is_some() || !self.more.is_empty();
        let certificates = if own { self } else { all }.certificates()?;
        let ca = path(&self.ca, &all.ca);
        let clients = self.clients.or(all.clients);
        Ok(TlsSettings {
            certificates,
            clients: clients.unwrap_or(if ca.is_some() {
                ClientCertificates::Required
            } else {
                ClientCertificates::Off
            }),
            ca,
            crls: path(&self.crl, &all.crl).into_iter().collect(),
            user_from: match self.user_from.or(all.user_from) {
                Some(UserFrom::Field(field)) => Some(field),
                Some(UserFrom::Nothing) | None => None,
            },
            min_version: self.min_version.or(all.min_version).unwrap_or_default(),
        })
    }
}

/// What has settings of TLS.
pub(crate) trait HasTls: 'static {
    fn tls(&mut self) -> &mut TlsDraft;
}

pub(crate) const fn certificate<T: HasTls>() -> Spec<T> {
    Spec::new(
        "tls.certificate",
        Kind::Path(|draft: &mut T, path| draft.tls().certificate = Some(path)),
        "",
        "The certificate, and behind it those that lead to its authority, in PEM.",
    )
    .said("must be given")
    .more("Watched: a new one is taken over, and open connections are not touched.")
    .live()
}

pub(crate) const fn key<T: HasTls>() -> Spec<T> {
    Spec::new(
        "tls.key",
        Kind::Path(|draft: &mut T, path| draft.tls().key = Some(path)),
        "",
        "Its private key, in PEM and without a pass phrase.",
    )
    .said("must be given")
    .live()
}

pub(crate) const fn certificates<T: HasTls>() -> Spec<T> {
    Spec::new(
        "tls.certificates",
        Kind::Pairs(["certificate", "key"], |draft: &mut T, [chain, key]| {
            draft.tls().more.push(CertificateFiles { chain, key });
        }),
        "",
        "Further certificates for other names, each with its key. Clients that name a host get the one that is for it.",
    )
    .said("none")
    .more("Who names none, or an unknown one, gets the first: that of `tls.certificate`, if there is one.")
    .live()
}

pub(crate) const fn ca<T: HasTls>() -> Spec<T> {
    Spec::new(
        "tls.ca",
        Kind::Path(|draft: &mut T, path| draft.tls().ca = Some(path)),
        "",
        "The authorities whose certificates clients may show, in PEM.",
    )
    .said("none")
    .more("Watched: who is not trusted any more is disconnected.")
    .live()
}

pub(crate) const fn crl<T: HasTls>() -> Spec<T> {
    Spec::new(
        "tls.crl",
        Kind::Path(|draft: &mut T, path| draft.tls().crl = Some(path)),
        "",
        "Lists of revoked certificates, in PEM; there can be several in the file.",
    )
    .said("none")
    .more("Watched. A list that is out of date lets nobody in.")
    .live()
}

pub(crate) const fn clients<T: HasTls>() -> Spec<T> {
    Spec::new(
        "tls.clients",
        Kind::Choice {
            of: &[
                ("off", "they are not asked for a certificate"),
                ("optional", "who shows one must show a good one"),
                ("required", "without a good one nobody comes in"),
            ],
            set: |draft: &mut T, word| {
                draft.tls().clients = Some(match word {
                    "required" => ClientCertificates::Required,
                    "optional" => ClientCertificates::Optional,
                    _ => ClientCertificates::Off,
                });
            },
        },
        "",
        "Whether clients have to show certificates.",
    )
    .said("required where there is tls.ca, else off")
    .live()
}

pub(crate) const fn user_from<T: HasTls>() -> Spec<T> {
    Spec::new(
        "tls.user_from",
        Kind::Choice {
            of: &[
                ("nothing", "it has no say in that"),
                ("common-name", "the common name of the subject"),
                ("email", "the first e-mail address"),
                ("dns", "the first DNS name"),
                ("uri", "the first URI"),
            ],
            set: |draft: &mut T, word| {
                draft.tls().user_from = Some(match word {
                    "common-name" => UserFrom::Field(IdentityField::CommonName),
                    "email" => UserFrom::Field(IdentityField::Email),
                    "dns" => UserFrom::Field(IdentityField::Dns),
                    "uri" => UserFrom::Field(IdentityField::Uri),
                    _ => UserFrom::Nothing,
                });
            },
        },
        "",
        "What of a client's certificate becomes its user name.",
    )
    .said("nothing")
    .live()
}

pub(crate) const fn min_version<T: HasTls>() -> Spec<T> {
    Spec::new(
        "tls.min_version",
        Kind::Choice {
            of: &[("1.2", "TLS 1.2 and 1.3"), ("1.3", "TLS 1.3 alone")],
            set: |draft: &mut T, word| {
                draft.tls().min_version = Some(if word == "1.3" {
                    TlsVersion::Tls13
                } else {
                    TlsVersion::Tls12
                });
            },
        },
        "",
        "The oldest version that is spoken.",
    )
    .said("1.2")
    .live()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_goes_before_all_and_pairs_stay_pairs() {
        let path = |text: &str| Some(PathBuf::from(text));
        let all = TlsDraft {
            certificate: path("all.pem"),
            key: path("all.key"),
            ca: path("ca.pem"),
            ..TlsDraft::default()
        };
        let nothing = TlsDraft::default();
        assert!(nothing.over(&nothing).is_err());
        let settings = nothing.over(&all).unwrap();
        assert_eq!(settings.certificates[0].chain, PathBuf::from("all.pem"));
        assert_eq!(settings.clients, ClientCertificates::Required);
        let own = TlsDraft {
            certificate: path("own.pem"),
            clients: Some(ClientCertificates::Optional),
            user_from: Some(UserFrom::Field(IdentityField::Dns)),
            ..TlsDraft::default()
        };
        assert!(
            own.over(&all).is_err(),
            "its key is missing, and the other one does not fit"
        );
        let own = TlsDraft {
            key: path("own.key"),
            ..own
        };
        let settings = own.over(&all).unwrap();
        assert_eq!(settings.certificates[0].key, PathBuf::from("own.key"));
        assert_eq!(
            (settings.clients, settings.ca),
            (ClientCertificates::Optional, path("ca.pem"))
        );
        assert_eq!(settings.user_from, Some(IdentityField::Dns));
        let files = |name: &str| CertificateFiles {
            chain: PathBuf::from(format!("{name}.pem")),
            key: PathBuf::from(format!("{name}.key")),
        };
        let several = TlsDraft {
            more: vec![files("a"), files("b")],
            ..TlsDraft::default()
        };
        let settings = several.over(&all).unwrap();
        assert_eq!(settings.certificates, [files("a"), files("b")], "and not that of all");
        let with_first = TlsDraft {
            more: vec![files("a")],
            ..all.clone()
        };
        let settings = nothing.over(&with_first).unwrap();
        assert_eq!(settings.certificates, [files("all"), files("a")]);
        let half = TlsDraft {
            certificate: path("half.pem"),
            ..several
        };
        assert!(half.over(&all).is_err());
    }
}
