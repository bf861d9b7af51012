//! All that a listener's TLS is made of, loaded and checked.
//!
//! What must hold: a context that exists works; whom it trusts is fixed with it, and so are its session tickets: a ticket
//! that was given under another trust opens nothing. Deliberately absent: connections.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, version};

use super::files::{self, Dates, Loaded};
use super::identity::{self, TlsIdentity};
use super::names::ByName;
use super::{CertificateFiles, ClientCertificates, IdentityField, TlsError, TlsSettings, TlsVersion};

/// See the module.
#[derive(Debug)]
pub struct TlsContext {
    pub(super) config: Arc<ServerConfig>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    user_from: Option<IdentityField>,
    /// What was loaded, to see whether it changes.
    pub(super) files: Vec<Loaded>,
    trust: Trust,
    expires: Vec<(PathBuf, SystemTime)>,
    warnings: Vec<TlsError>,
    expired: bool,
}

/// Whom a context trusts: what it was loaded from.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Trust {
    clients: ClientCertificates,
    files: Vec<Loaded>,
}

/// What loading gathers on its way.
#[derive(Default)]
struct Loading {
    files: Vec<Loaded>,
    expires: Vec<(PathBuf, SystemTime)>,
    warnings: Vec<TlsError>,
    /// A certificate of the broker's own has expired.
    expired: bool,
}

impl TlsContext {
    /// Loads and checks everything. What has expired is told by [`Self::warnings`]: time alone must not keep a broker from
    /// starting, with all that its other listeners do, nor from taking other settings over.
    ///
    /// # Errors
    /// A file that is missing, is no PEM or does not fit to the others; authorities or lists that would let nobody in.
    pub fn load(settings: &TlsSettings) -> Result<Self, TlsError> {
        Self::load_after(settings, None)
    }

    /// The same in place of another one: session tickets stay good if the trust is the same.
    pub(super) fn load_after(settings: &TlsSettings, before: Option<&Self>) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let mut loading = Loading::default();
        let mut certificates = Vec::new();
        for files in &settings.certificates {
            certificates.push(loading.certificate(files, &provider)?);
        }
        if certificates.is_empty() {
            return Err(TlsError::general("TLS needs a certificate and its key: none is given"));
        }
        let own = loading.files.len();
        let verifier = loading.verifier(settings, &provider)?;
        let trust = Trust {
            clients: settings.clients,
            files: loading.files.get(own..).unwrap_or_default().to_vec(),
        };
        let versions: &[_] = match settings.min_version {
            TlsVersion::Tls12 => &[&version::TLS13, &version::TLS12],
            TlsVersion::Tls13 => &[&version::TLS13],
        };
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|error| TlsError::general(error.to_string()))?;
        let builder = match &verifier {
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(ByName::new(certificates)));
        // Tickets keep sessions with the clients: what many clients come back with costs no memory here.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = ticketer(before.filter(|before| before.trust == trust))?;
        Ok(Self {
            config: Arc::new(config),
            verifier,
            user_from: settings.user_from,
            files: loading.files,
            trust,
            expires: loading.expires,
            warnings: loading.warnings,
            expired: loading.expired,
        })
    }

    /// When the certificates and lists in its files expire.
    #[must_use]
    pub fn expires(&self) -> &[(PathBuf, SystemTime)] {
        &self.expires
    }

    /// What is not as it should be, and does not keep it from working.
    #[must_use]
    pub fn warnings(&self) -> &[TlsError] {
        &self.warnings
    }

    /// Says in the log what is not as it should be.
    pub(super) fn warn(&self) {
        for warning in &self.warnings {
            if self.expired {
                tracing::error!("{warning}");
            } else {
                tracing::warn!("{warning}");
            }
        }
    }

    /// A certificate of the broker's own has expired: clients that look at it do not connect.
    pub(super) const fn has_expired(&self) -> bool {
        self.expired
    }

    /// Whether it trusts the same clients as another one.
    pub(super) fn trusts_as(&self, other: &Self) -> bool {
        self.trust == other.trust
    }

    /// Who has shown these certificates, which were verified before.
    pub(super) fn identify(&self, chain: &[CertificateDer<'_>]) -> Result<TlsIdentity, String> {
        let leaf = chain.first().ok_or("no certificate was shown")?;
        TlsIdentity::of(leaf, self.user_from).map_err(|error| error.to_string())
    }

    /// Whether these certificates are good now.
    pub(super) fn check(&self, chain: &[CertificateDer<'_>]) -> Result<(), String> {
        let (Some(verifier), Some((leaf, rest))) = (&self.verifier, chain.split_first()) else {
            return Err("certificates of clients are not trusted here any more".to_owned());
        };
        let outcome = verifier.verify_client_cert(leaf, rest, UnixTime::now());
        outcome.map(drop).map_err(|error| error.to_string())
    }
}

impl Loading {
    fn read(&mut self, path: &Path) -> Result<Loaded, TlsError> {
        let file = files::read(path)?;
        self.files.push(file.clone());
        Ok(file)
    }

    /// Notes until when a certificate is good.
    fn look_at_dates(&mut self, path: &Path, (line, der): (u32, &CertificateDer<'_>)) -> Result<Dates, TlsError> {
        let dates = Dates::of(path, der).map_err(|error| TlsError {
            line: Some(line),
            ..error
        })?;
        self.expires.push((path.to_owned(), dates.end()));
        Ok(dates)
    }

    fn certificate(
        &mut self,
        files: &CertificateFiles,
        provider: &CryptoProvider,
    ) -> Result<(CertifiedKey, Vec<String>), TlsError> {
        let chain = files::certificates(&self.read(&files.chain)?)?;
        let names = chain
            .first()
            .map_or(Ok(Vec::new()), |(_, leaf)| identity::dns_names(&files.chain, leaf))?;
        let first = chain.first().map_or(1, |(line, _)| *line);
        for (place, (line, der)) in chain.iter().enumerate() {
            let own = place == 0;
            let dates = self.look_at_dates(&files.chain, (*line, der))?;
            if let Some(fault) = dates.fault() {
                let what = if own {
                    self.expired |= dates.is_over();
                    format!("the certificate {fault}: CLIENTS THAT CHECK IT DO NOT CONNECT until it is renewed")
                } else {
                    format!("a certificate behind the first {fault}: clients that need it do not connect")
                };
                self.warnings.push(TlsError::at(&files.chain, *line, what));
            }
        }
        let chain: Vec<_> = chain.into_iter().map(|(_, der)| der).collect();
        let (line, key) = files::key(&self.read(&files.key)?)?;
        let certified = CertifiedKey::from_der(chain, key, provider).map_err(|error| {
            let what = if matches!(error, rustls::Error::InconsistentKeys(_)) {
                format!(
                    "the key does not belong to the certificate in {}:{first}, which has to be the first one there",
                    files.chain.display()
                )
            } else {
                format!("the key cannot be used: {error}")
            };
            TlsError::at(&files.key, line, what)
        })?;
        Ok((certified, names))
    }

    fn verifier(
        &mut self,
        settings: &TlsSettings,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        if settings.clients == ClientCertificates::Off {
            return Ok(None);
        }
        let Some(ca) = &settings.ca else {
            return Err(TlsError::general(
                "certificates of clients are asked for: give the authority that makes them",
            ));
        };
        let mut roots = RootCertStore::empty();
        for (line, der) in files::certificates(&self.read(ca)?)? {
            let dates = self.look_at_dates(ca, (line, &der))?;
            if let Some(fault) = dates.fault() {
                let left_out = if dates.is_over() { "; it is left out" } else { "" };
                let what = format!("an authority of clients {fault}{left_out}");
                self.warnings.push(TlsError::at(ca, line, what));
            }
            // Of an authority nobody looks at the dates again.
            if dates.is_over() {
                continue;
            }
            if !files::is_authority(ca, &der)? {
                let what = "this certificate says that it is no authority's: those that it has signed are not let in";
                self.warnings.push(TlsError::at(ca, line, what));
            }
            roots
                .add(der)
                .map_err(|error| TlsError::at(ca, line, format!("this certificate is no authority's: {error}")))?;
        }
        if roots.is_empty() {
            let what =
                "all authorities in it have expired, and nobody would be let in: put in those that are there now";
            return Err(TlsError::of(ca, what));
        }
        let mut lists = Vec::new();
        for path in &settings.crls {
            let (found, until) = files::crls(&self.read(path)?)?;
            lists.extend(found);
            self.expires.extend(until.map(|until| (path.clone(), until)));
        }
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .with_crls(lists)
            // The list of the authority that made the client's certificate has to be there; those above it need none.
            .only_check_end_entity_revocation()
            .enforce_revocation_expiration();
        if settings.clients == ClientCertificates::Optional {
            builder = builder.allow_unauthenticated();
        }
        let built = builder.build();
        built
            .map(Some)
            .map_err(|error| TlsError::of(settings.crls.first().unwrap_or(ca), error.to_string()))
    }
}

fn ticketer(before: Option<&TlsContext>) -> Result<Arc<dyn ProducesTickets>, TlsError> {
    match before {
        Some(before) => Ok(Arc::clone(&before.config.ticketer)),
        None => {
            ring::Ticketer::new().map_err(|error| TlsError::general(format!("no keys for session tickets: {error}")))
        }
    }
}
