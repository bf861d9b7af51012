//! The files of TLS: read whole, in PEM, and checked as far as a file can be checked alone.
//!
//! What must hold: an error names the file, what is wrong and what to do. Deliberately absent: how they fit together.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use x509_parser::prelude::{ASN1Time, CertificateRevocationList, FromDer, X509Certificate};

use super::TlsError;

/// Bytes of a file, at most: lists of revoked certificates can be long.
const LARGEST: u64 = 64 << 20;

/// What a file held when it was loaded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Loaded {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Loaded, TlsError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| TlsError::of(path, format!("cannot be opened: {error}")))?;
    let read = file.take(LARGEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| TlsError::of(path, format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > LARGEST {
        return Err(TlsError::of(path, "is larger than 64 MiB: this is no file for TLS"));
    }
    Ok(Loaded {
        path: path.to_owned(),
        bytes,
    })
}

/// The certificates of a file, at least one.
pub(super) fn certificates(file: &Loaded) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&file.bytes).collect();
    let found = found.map_err(|error| TlsError::of(&file.path, format!("is broken PEM: {error}")))?;
    if found.is_empty() {
        return Err(TlsError::of(
            &file.path,
            "holds no certificate in PEM, that is, nothing between BEGIN CERTIFICATE and END CERTIFICATE",
        ));
    }
    for der in &found {
        parse(&file.path, der)?;
    }
    Ok(found)
}

/// A certificate taken apart.
pub(super) fn parse<'a>(path: &Path, der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, TlsError> {
    X509Certificate::from_der(der)
        .map(|(_, certificate)| certificate)
        .map_err(|error| TlsError::of(path, format!("holds a certificate that cannot be read: {error}")))
}

/// Refuses a certificate that is over; returns when it will be.
pub(super) fn check_dates(path: &Path, der: &CertificateDer<'_>) -> Result<SystemTime, TlsError> {
    let certificate = parse(path, der)?;
    let (validity, now) = (certificate.validity(), ASN1Time::now());
    if validity.not_after < now {
        return Err(TlsError::of(
            path,
            format!("the certificate expired on {}: renew it", validity.not_after),
        ));
    }
    if validity.not_before > now {
        // The clock may be what is wrong, on devices without a battery.
        tracing::warn!(
            file = %path.display(),
            "the certificate is valid from {} on, which is still to come: look at the clock", validity.not_before
        );
    }
    Ok(time(validity.not_after))
}

/// The private key of a file.
pub(super) fn key(file: &Loaded) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&file.bytes).map_err(|_| {
        let text = String::from_utf8_lossy(&file.bytes);
        let what = if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
            "the key is locked with a pass phrase: write it without one (openssl pkey -in OLD -out NEW) and protect \
             the file by its permissions"
        } else {
            "holds no private key in PEM, that is, nothing between BEGIN PRIVATE KEY and END PRIVATE KEY"
        };
        TlsError::of(&file.path, what)
    })
}

/// The lists of revoked certificates of a file, at least one and none out of date; and when the first one will be.
pub(super) fn crls(
    file: &Loaded,
) -> Result<(Vec<CertificateRevocationListDer<'static>>, Option<SystemTime>), TlsError> {
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&file.bytes).collect();
    let found = found.map_err(|error| TlsError::of(&file.path, format!("is broken PEM: {error}")))?;
    if found.is_empty() {
        let what = "holds no list of revoked certificates in PEM, that is, nothing between BEGIN X509 CRL and its end";
        return Err(TlsError::of(&file.path, what));
    }
    let mut first = None;
    for der in &found {
        let (_, list) = CertificateRevocationList::from_der(der)
            .map_err(|error| TlsError::of(&file.path, format!("holds a list that cannot be read: {error}")))?;
        let Some(next) = list.next_update() else { continue };
        if next < ASN1Time::now() {
            let what = format!("the list was to be replaced by {next}, and nobody would be let in: fetch a new one");
            return Err(TlsError::of(&file.path, what));
        }
        let next = time(next);
        first = Some(first.map_or(next, |first: SystemTime| first.min(next)));
    }
    Ok((found, first))
}

fn time(time: ASN1Time) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or(0))
}
