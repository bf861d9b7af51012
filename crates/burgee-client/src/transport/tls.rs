//! TLS: whom to believe, who we are, and how it is begun on a stream.
//!
//! What must hold: files are read anew for each connection, so that a renewed certificate is used at the next one;
//! whoever turns the checks off has written so. Deliberately absent: TLS itself, which is rustls's, and revocation lists.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::spawn_blocking;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio_rustls::{TlsConnector, rustls};

use super::verify::{AnyName, Anyone, explain};
use crate::error::ConnectError;

static BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
static ONLY_12: &[&SupportedProtocolVersion] = &[&TLS12];
static ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];

/// A version of TLS.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Where PEM comes from.
#[derive(Clone)]
enum Pem {
    File(PathBuf),
    Bytes(Arc<[u8]>),
}

impl Pem {
    fn read(&self) -> Result<Vec<u8>, ConnectError> {
        match self {
            Self::File(path) => fs::read(path)
                .map_err(|error| ConnectError::TlsSettings(format!("{} cannot be read: {error}", path.display()))),
            Self::Bytes(bytes) => Ok(bytes.to_vec()),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            // It may be a private key.
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
        }
    }
}

/// What is looked at in the server's certificate.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
enum Checks {
    #[default]
    All,
    NotTheName,
    Nothing,
}

/// How to speak TLS. The default believes the authorities that the system believes, and checks everything.
///
/// ```
/// use burgee_client::{Options, Tls};
///
/// let options = Options::new("broker.example", 8883)
///     .tls(Tls::new().ca_file("/etc/ssl/our-ca.pem").identity_files("client.pem", "client.key"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tls {
    system: bool,
    authorities: Vec<Pem>,
    directories: Vec<PathBuf>,
    identity: Option<(Pem, Pem)>,
    server_name: Option<String>,
    checks: Checks,
    alpn: Vec<Vec<u8>>,
    versions: Option<(TlsVersion, TlsVersion)>,
    ciphers: Vec<String>,
}

impl Tls {
    /// The system's authorities, all checks, TLS 1.2 and 1.3.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Believes the system's authorities beside those that are given. Without any given, they are believed anyway.
    #[must_use]
    pub const fn system_roots(mut self) -> Self {
        self.system = true;
        self
    }

    /// Believes the authorities in this PEM file.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.authorities.push(Pem::File(path.into()));
        self
    }

    /// Believes the authorities in this PEM text.
    #[must_use]
    pub fn ca_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.authorities.push(Pem::Bytes(pem.as_ref().into()));
        self
    }

    /// Believes the authorities in the PEM files of this directory.
    #[must_use]
    pub fn ca_path(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directories.push(directory.into());
        self
    }

    /// Shows this certificate (with those that lead to the authority behind it), which has this key: PEM files.
    #[must_use]
    pub fn identity_files(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((Pem::File(certificate.into()), Pem::File(key.into())));
        self
    }

    /// The same as PEM text.
    #[must_use]
    pub fn identity_pem(mut self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.identity = Some((Pem::Bytes(certificate.as_ref().into()), Pem::Bytes(key.as_ref().into())));
        self
    }

    /// The name that the server's certificate has to carry, if it is not the host that we connect to.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Dangerous: any name in the certificate will do, as long as a believed authority signed it. Who has any certificate
    /// of that authority can pretend to be the server.
    #[must_use]
    pub const fn insecure_name(mut self) -> Self {
        self.checks = Checks::NotTheName;
        self
    }

    /// Dangerous: any certificate will do. Anybody on the way can read and change everything.
    #[must_use]
    pub const fn insecure(mut self) -> Self {
        self.checks = Checks::Nothing;
        self
    }

    /// Offers these protocols (ALPN), most wanted first, `mqtt` for example.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// Speaks these versions only.
    #[must_use]
    pub const fn versions(mut self, oldest: TlsVersion, newest: TlsVersion) -> Self {
        self.versions = Some((oldest, newest));
        self
    }

    /// Offers these cipher suites only, by the standard's or OpenSSL's names.
    #[must_use]
    pub fn ciphers(mut self, names: &[&str]) -> Self {
        self.ciphers = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Reads the files and says what is wrong with these settings, without connecting.
    ///
    /// # Errors
    /// [`ConnectError::TlsSettings`], in words.
    pub fn check(&self) -> Result<(), ConnectError> {
        self.config().map(drop)
    }

    /// Begins TLS on `stream`.
    pub(super) async fn connect<S>(&self, stream: S, host: &str) -> Result<TlsStream<S>, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = self.server_name.as_deref().unwrap_or(host);
        let server = ServerName::try_from(name.to_owned())
            .map_err(|_| ConnectError::TlsSettings(format!("{name:?} is no name that a certificate could carry")))?;
        let settings = self.clone();
        let config = spawn_blocking(move || settings.config())
            .await
            .map_err(|error| ConnectError::TlsSettings(error.to_string()))??;
        let connected = TlsConnector::from(Arc::new(config)).connect(server, stream).await;
        connected.map_err(|error| ConnectError::Tls(explain(&error, name)))
    }

    fn config(&self) -> Result<ClientConfig, ConnectError> {
        let provider = Arc::new(self.provider()?);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(self.spoken())
            .map_err(|error| wrong(&error))?
            .dangerous();
        let builder = if self.checks == Checks::Nothing {
            builder.with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        } else {
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(self.roots()?), provider)
                .build()
                .map_err(|error| ConnectError::TlsSettings(format!("no authority is believed: {error}")))?;
            match self.checks {
                Checks::NotTheName => builder.with_custom_certificate_verifier(Arc::new(AnyName(verifier))),
                Checks::All | Checks::Nothing => builder.with_custom_certificate_verifier(verifier),
            }
        };
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let key = PrivateKeyDer::from_pem_slice(&key.read()?).map_err(|error| {
                    ConnectError::TlsSettings(format!("the key {key:?} is no private key: {error}"))
                })?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| wrong(&error))?
            }
        };
        config.alpn_protocols.clone_from(&self.alpn);
        Ok(config)
    }

    fn provider(&self) -> Result<CryptoProvider, ConnectError> {
        let mut provider = ring::default_provider();
        if !self.ciphers.is_empty() {
            let wanted: Vec<String> = self.ciphers.iter().map(|name| plain(name)).collect();
            provider
                .cipher_suites
                .retain(|suite| wanted.contains(&plain(&format!("{:?}", suite.suite()))));
        }
        if provider.cipher_suites.is_empty() {
            return Err(ConnectError::TlsSettings(format!(
                "no cipher suite of {} is supported",
                self.ciphers.join(", ")
            )));
        }
        Ok(provider)
    }

    const fn spoken(&self) -> &'static [&'static SupportedProtocolVersion] {
        match self.versions {
            None | Some((TlsVersion::Tls12, TlsVersion::Tls13)) => BOTH,
            Some((TlsVersion::Tls12, TlsVersion::Tls12)) => ONLY_12,
            Some((TlsVersion::Tls13, _)) => ONLY_13,
        }
    }

    fn roots(&self) -> Result<RootCertStore, ConnectError> {
        let mut roots = RootCertStore::empty();
        let mut given: Vec<Pem> = self.authorities.clone();
        for directory in &self.directories {
            given.extend(files(directory)?.into_iter().map(Pem::File));
        }
        for pem in &given {
            for certificate in certificates(pem)? {
                roots.add(certificate).map_err(|error| wrong(&error))?;
            }
        }
        if self.system || (self.authorities.is_empty() && self.directories.is_empty()) {
            // One bad file of the system's spoils nothing.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Ok(roots)
    }
}

fn wrong(error: &rustls::Error) -> ConnectError {
    ConnectError::TlsSettings(error.to_string())
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let bytes = pem.read()?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(ConnectError::TlsSettings(format!("{pem:?} has no certificate in PEM"))),
        Err(error) => Err(ConnectError::TlsSettings(format!("{pem:?} is no PEM: {error}"))),
    }
}

/// The files of a directory of authorities: those that hold a certificate in PEM.
fn files(directory: &Path) -> Result<Vec<PathBuf>, ConnectError> {
    let unreadable = |error| ConnectError::TlsSettings(format!("{} cannot be read: {error}", directory.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_pem = fs::read(&path).is_ok_and(|bytes| bytes.windows(16).any(|window| window == b"BEGIN CERTIFICAT"));
        if is_pem {
            files.push(path);
        }
    }
    Ok(files)
}

/// A cipher suite's name without what tells the two ways of writing it apart.
fn plain(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    let name = name
        .strip_prefix("TLS13_")
        .or(name.strip_prefix("TLS_"))
        .unwrap_or(&name);
    let plain: String = name
        .replace("_WITH_", "_")
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    match plain.strip_suffix("SHA256") {
        // OpenSSL leaves it away here.
        Some(short) if short.ends_with("POLY1305") => short.to_owned(),
        Some(_) | None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cipher_suites_are_known_by_both_names() {
        for (one, other) in [
            (
                "ECDHE-ECDSA-AES256-GCM-SHA384",
                "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            ),
            ("TLS_AES_128_GCM_SHA256", "TLS13_AES_128_GCM_SHA256"),
            (
                "ECDHE-RSA-CHACHA20-POLY1305",
                "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            ),
        ] {
            assert_eq!(plain(one), plain(other));
            let provider = Tls::new().ciphers(&[one]).provider().expect("supported");
            assert_eq!(provider.cipher_suites.len(), 1, "{one}");
        }
        assert!(Tls::new().ciphers(&["RC4-MD5"]).provider().is_err());
    }

    #[test]
    fn settings_that_cannot_work_are_told_in_words() {
        let missing = Tls::new().ca_file("/nowhere/ca.pem").check().expect_err("no such file");
        assert!(missing.to_string().contains("/nowhere/ca.pem"), "{missing}");
        let empty = Tls::new().ca_pem("nothing").check().expect_err("no certificate");
        assert!(empty.to_string().contains("no certificate"), "{empty}");
    }
}
