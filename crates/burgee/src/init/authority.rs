//! An authority of one's own, and what it signs.
//!
//! What must hold: a key is made for each certificate and leaves this module as text for one file; lifetimes are those
//! that clients accept. Deliberately absent: renewal; a new set is made into a new directory.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, Error, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::failure::Failure;

/// What Apple's and others' clients accept for a server, and no more.
pub(super) const DAYS: u64 = 397;
/// The authority outlives several rounds of certificates.
const AUTHORITY_DAYS: u64 = 3650;
const DAY: Duration = Duration::from_secs(86_400);
/// Clocks of devices go wrong: it begins before now.
const BEFORE: Duration = Duration::from_secs(86_400);

/// A certificate and its key, as PEM.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// All that was made.
pub(super) struct Signed {
    pub(super) authority: Pair,
    pub(super) server: Pair,
    pub(super) clients: Vec<(String, Pair)>,
}

/// See the module.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pair: Pair,
}

impl Authority {
    pub(super) fn new() -> Result<Self, Failure> {
        let make = || -> Result<Self, Error> {
            let mut params = lasting(CertificateParams::new(Vec::<String>::new())?, AUTHORITY_DAYS);
            params
                .distinguished_name
                .push(DnType::CommonName, "burgee's own authority");
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            let key = KeyPair::generate()?;
            let pair = Pair {
                certificate: params.self_signed(&key)?.pem(),
                key: key.serialize_pem(),
            };
            Ok(Self {
                issuer: Issuer::new(params, key),
                pair,
            })
        };
        make().map_err(|error| Failure::refused(format!("cannot make an authority: {error}")))
    }

    /// A server of these names, and of this machine's own; and clients.
    pub(super) fn sign_all(self, names: &[String], clients: &[String]) -> Result<Signed, Failure> {
        let mut all = names.to_vec();
        let local = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        all.extend(local.into_iter().filter(|name| !names.contains(name)));
        let unusable = |error: &Error| {
            let text = format!("no certificate can be made for {}: {error}", names.join(" "));
            Failure::misused(text)
        };
        let server = self
            .sign(all, names.first(), ExtendedKeyUsagePurpose::ServerAuth)
            .map_err(|error| unusable(&error))?;
        let mut made = Vec::new();
        for name in clients {
            let pair = self
                .sign(Vec::new(), Some(name), ExtendedKeyUsagePurpose::ClientAuth)
                .map_err(|error| Failure::misused(format!("no certificate can be made for {name}: {error}")))?;
            made.push((name.clone(), pair));
        }
        Ok(Signed {
            authority: self.pair,
            server,
            clients: made,
        })
    }

    fn sign(&self, names: Vec<String>, name: Option<&String>, used: ExtendedKeyUsagePurpose) -> Result<Pair, Error> {
        let mut params = lasting(CertificateParams::new(names)?, DAYS);
        if let Some(name) = name {
            params.distinguished_name.push(DnType::CommonName, name.as_str());
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![used];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        Ok(Pair {
            certificate: params.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn lasting(mut params: CertificateParams, days: u64) -> CertificateParams {
    let now = SystemTime::now();
    params.not_before = (now - BEFORE).into();
    params.not_after = (now + DAY * u32::try_from(days).unwrap_or(u32::MAX)).into();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}
