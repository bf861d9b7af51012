//! The files of TLS: read whole, in PEM, and checked as far as a file can be checked alone.
//!
//! What must hold: an error names the file, what is wrong and what to do. Deliberately absent: how they fit together.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use x509_parser::prelude::{ASN1Time, CertificateRevocationList, FromDer, X509Certificate, X509Version};

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

/// Pieces of PEM: the line where each begins, counted from 1, and what it says that it is.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    lines.filter_map(|(number, line)| {
        let label = line.trim_ascii().strip_prefix(b"-----BEGIN ")?.strip_suffix(b"-----")?;
        Some((number, label))
    })
}

/// The lines where pieces of this kind begin.
fn lines_of(bytes: &[u8], kind: &str) -> Vec<u32> {
    let found = pieces(bytes).filter(|(_, label)| *label == kind.as_bytes());
    found.map(|(line, _)| line).collect()
}

/// What there is instead of what was looked for.
fn instead(bytes: &[u8]) -> String {
    let found: Vec<_> = pieces(bytes)
        .take(3)
        .map(|(line, label)| format!("{} in line {line}", String::from_utf8_lossy(label).escape_debug()))
        .collect();
    if found.is_empty() {
        "; there is no PEM in it at all".to_owned()
    } else {
        format!("; what it has is {}", found.join(", "))
    }
}

/// Pieces of one kind, each with the line where it begins.
fn every<T: PemObject>(file: &Loaded, kind: &str) -> Result<Vec<(u32, T)>, TlsError> {
    let lines = lines_of(&file.bytes, kind);
    let mut found = Vec::new();
    for piece in T::pem_slice_iter(&file.bytes) {
        // What is behind a piece that is broken is not reached, so the next one is that.
        let line = lines.get(found.len()).copied();
        match piece {
            Ok(piece) => found.push((line.unwrap_or(1), piece)),
            Err(error) => {
                let line = line.or_else(|| pieces(&file.bytes).last().map(|(line, _)| line));
                return Err(TlsError::at(
                    &file.path,
                    line.unwrap_or(1),
                    format!("is broken PEM: {error}"),
                ));
            }
        }
    }
    Ok(found)
}

/// The certificates of a file, at least one, each with its line.
pub(super) fn certificates(file: &Loaded) -> Result<Vec<(u32, CertificateDer<'static>)>, TlsError> {
    let found = every::<CertificateDer<'static>>(file, "CERTIFICATE")?;
    if found.is_empty() {
        let what = format!(
            "holds no certificate in PEM, that is, nothing between BEGIN CERTIFICATE and END CERTIFICATE{}",
            instead(&file.bytes)
        );
        return Err(TlsError::of(&file.path, what));
    }
    for (line, der) in &found {
        parse(&file.path, der).map_err(|error| TlsError {
            line: Some(*line),
            ..error
        })?;
    }
    Ok(found)
}

/// A certificate taken apart.
pub(super) fn parse<'a>(path: &Path, der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, TlsError> {
    X509Certificate::from_der(der)
        .map(|(_, certificate)| certificate)
        .map_err(|error| TlsError::of(path, format!("holds a certificate that cannot be read: {error}")))
}

/// Whether a certificate may be one of an authority: those of the oldest form do not say.
pub(super) fn is_authority(path: &Path, der: &CertificateDer<'_>) -> Result<bool, TlsError> {
    let certificate = parse(path, der)?;
    Ok(certificate.is_ca() || certificate.version() == X509Version::V1)
}

/// Between which times a certificate is good.
#[derive(Copy, Clone, Debug)]
pub(super) struct Dates {
    from: ASN1Time,
    until: ASN1Time,
}

impl Dates {
    pub(super) fn of(path: &Path, der: &CertificateDer<'_>) -> Result<Self, TlsError> {
        let certificate = parse(path, der)?;
        let validity = certificate.validity();
        Ok(Self {
            from: validity.not_before,
            until: validity.not_after,
        })
    }

    pub(super) fn end(self) -> SystemTime {
        time(self.until)
    }

    pub(super) fn is_over(self) -> bool {
        self.until < ASN1Time::now()
    }

    /// What is wrong with it now, in words.
    pub(super) fn fault(self) -> Option<String> {
        if self.is_over() {
            return Some(format!("expired on {}", self.until));
        }
        // The clock may be what is wrong, on devices without a battery.
        let early = self.from > ASN1Time::now();
        early.then(|| {
            format!(
                "is valid from {} on, which is still to come: look at the clock",
                self.from
            )
        })
    }
}

/// The kinds of private keys.
const KEYS: [&str; 3] = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];

/// The private key of a file, and its line.
pub(super) fn key(file: &Loaded) -> Result<(u32, PrivateKeyDer<'static>), TlsError> {
    let mut lines: Vec<_> = KEYS.iter().flat_map(|kind| lines_of(&file.bytes, kind)).collect();
    lines.sort_unstable();
    let line = lines.first().copied();
    PrivateKeyDer::from_pem_slice(&file.bytes)
        .map(|key| (line.unwrap_or(1), key))
        .map_err(|error| {
            let text = String::from_utf8_lossy(&file.bytes);
            let locked = lines_of(&file.bytes, "ENCRYPTED PRIVATE KEY").first().copied();
            if let Some(line) = locked.or(line.filter(|_| text.contains("Proc-Type: 4,ENCRYPTED"))) {
                let what = "the key is locked with a pass phrase: write it without one (openssl pkey -in OLD -out NEW) and \
                            protect the file by its permissions";
                return TlsError::at(&file.path, line, what);
            }
            if let Some(line) = line {
                return TlsError::at(&file.path, line, format!("is broken PEM: {error}"));
            }
            let what = format!(
                "holds no private key in PEM, that is, nothing between BEGIN PRIVATE KEY and END PRIVATE KEY{}",
                instead(&file.bytes)
            );
            TlsError::of(&file.path, what)
        })
}

/// The lists of revoked certificates of a file, at least one and none out of date; and when the first one will be.
pub(super) fn crls(
    file: &Loaded,
) -> Result<(Vec<CertificateRevocationListDer<'static>>, Option<SystemTime>), TlsError> {
    let found = every::<CertificateRevocationListDer<'static>>(file, "X509 CRL")?;
    if found.is_empty() {
        let what = format!(
            "holds no list of revoked certificates in PEM, that is, nothing between BEGIN X509 CRL and its end{}",
            instead(&file.bytes)
        );
        return Err(TlsError::of(&file.path, what));
    }
    let mut first = None;
    for (line, der) in &found {
        let (_, list) = CertificateRevocationList::from_der(der)
            .map_err(|error| TlsError::at(&file.path, *line, format!("holds a list that cannot be read: {error}")))?;
        let Some(next) = list.next_update() else { continue };
        if next < ASN1Time::now() {
            let what = format!("the list was to be replaced by {next}, and nobody would be let in: fetch a new one");
            return Err(TlsError::at(&file.path, *line, what));
        }
        let next = time(next);
        first = Some(first.map_or(next, |first: SystemTime| first.min(next)));
    }
    Ok((found.into_iter().map(|(_, list)| list).collect(), first))
}

fn time(time: ASN1Time) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or(0))
}
