//! Asking a server: one request, one answer, with a limit on time and on size.
//!
//! What must hold: no answer takes longer or more memory than was said, whatever the other side does; nothing secret goes
//! over the network in the clear. Deliberately absent: redirects and proxies out of the environment; a login is sent
//! where the operator said, and nowhere else.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, AsSendBody, Body};

/// The largest header of an answer.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Where to ask, and how long to wait.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebSettings {
    /// `https://…`; or `http://…` on loopback, and elsewhere where that was allowed.
    pub url: String,
    /// Who is trusted to vouch for the server, in PEM; none: whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// For everything: finding, connecting, asking, hearing.
    pub time_limit: Duration,
    /// `http://` to other machines.
    pub allow_plain: bool,
}

/// Settings that cannot be used.
#[derive(Debug)]
pub enum InvalidWeb {
    /// Not a URL.
    Url(String),
    /// In the clear, to another machine.
    Plain(String),
    /// The trusted certificates.
    Roots(PathBuf, String),
    /// The system's trusted certificates.
    NoRoots(String),
    /// A time limit of nothing.
    TimeLimit,
}

impl fmt::Display for InvalidWeb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(f, "{url}: not a URL of the form https://HOST[:PORT]/PATH"),
            Self::Plain(url) => write!(
                f,
                "{url}: http:// to another machine sends in the clear who logs in; use https://, or say explicitly that \
                 plain HTTP is allowed"
            ),
            Self::Roots(path, why) => write!(f, "{}: no certificates to trust: {why}", path.display()),
            Self::NoRoots(why) => write!(
                f,
                "the system has no certificates to trust ({why}); install ca-certificates, or name a file with them"
            ),
            Self::TimeLimit => f.write_str("a time limit of 0 leaves no time to answer"),
        }
    }
}

impl std::error::Error for InvalidWeb {}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// Not reached, too slow, too large, or not HTTP.
    Failed(ureq::Error),
    /// Another status than 200.
    Status(u16),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Status(status) => write!(f, "status {status}"),
        }
    }
}

/// A server to ask.
#[derive(Debug)]
pub(crate) struct Web {
    agent: Agent,
    url: String,
}

impl Web {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub(crate) fn new(settings: &WebSettings, idle: usize) -> Result<Self, InvalidWeb> {
        let secure = check_url(settings)?;
        if settings.time_limit.is_zero() {
            return Err(InvalidWeb::TimeLimit);
        }
        let roots = match (&settings.ca_file, secure) {
            (Some(path), _) => read_roots(path)?,
            (None, true) => system_roots()?,
            (None, false) => Vec::new(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(settings.time_limit))
            .max_redirects(0)
            .proxy(None)
            .http_status_as_error(false)
            .user_agent(concat!("burgee/", env!("CARGO_PKG_VERSION")))
            .max_response_header_size(MAX_HEADER_BYTES)
            .max_idle_connections_per_host(idle)
            .build();
        Ok(Self {
            agent: config.new_agent(),
            url: settings.url.clone(),
        })
    }

    /// Where it asks.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// # Errors
    /// No answer, or one of more than `most` bytes.
    pub(crate) fn get(&self, most: u64) -> Result<Vec<u8>, NoAnswer> {
        read(self.agent.get(&self.url).call(), most)
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// No answer, or one of more than `most` bytes.
    pub(crate) fn post(&self, json: impl AsSendBody, bearer: Option<&str>, most: u64) -> Result<Vec<u8>, NoAnswer> {
        let mut request = self.agent.post(&self.url).content_type("application/json");
        if let Some(bearer) = bearer {
            request = request.header("Authorization", format!("Bearer {bearer}"));
        }
        read(request.send(json), most)
    }
}

fn read(answer: Result<ureq::http::Response<Body>, ureq::Error>, most: u64) -> Result<Vec<u8>, NoAnswer> {
    let mut answer = answer.map_err(NoAnswer::Failed)?;
    if answer.status() != 200 {
        return Err(NoAnswer::Status(answer.status().as_u16()));
    }
    let body = answer.body_mut().with_config().limit(most);
    body.read_to_vec().map_err(NoAnswer::Failed)
}

/// Whether it is asked over TLS.
fn check_url(settings: &WebSettings) -> Result<bool, InvalidWeb> {
    let invalid = || InvalidWeb::Url(settings.url.clone());
    let uri: Uri = settings.url.parse().map_err(|_| invalid())?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(invalid)?;
    match uri.scheme_str() {
        Some("https") => Ok(true),
        Some("http") if settings.allow_plain || is_loopback(host) => Ok(false),
        Some("http") => Err(InvalidWeb::Plain(settings.url.clone())),
        _ => Err(invalid()),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn read_roots(path: &Path) -> Result<Vec<Certificate<'static>>, InvalidWeb> {
    let invalid = |why: String| InvalidWeb::Roots(path.to_owned(), why);
    let bytes = std::fs::read(path).map_err(|error| invalid(error.to_string()))?;
    let mut roots = Vec::new();
    for item in parse_pem(&bytes) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| invalid(error.to_string()))? {
            roots.push(certificate);
        }
    }
    if roots.is_empty() {
        return Err(invalid("there is no BEGIN CERTIFICATE in it".to_owned()));
    }
    Ok(roots)
}

fn system_roots() -> Result<Vec<Certificate<'static>>, InvalidWeb> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map(ToString::to_string);
        return Err(InvalidWeb::NoRoots(why.unwrap_or_else(|| "none found".to_owned())));
    }
    let own = |der: &rustls::pki_types::CertificateDer<'_>| Certificate::from_der(der).to_owned();
    Ok(found.certs.iter().map(own).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> WebSettings {
        WebSettings {
            url: url.to_owned(),
            ca_file: None,
            time_limit: Duration::from_secs(1),
            allow_plain: false,
        }
    }

    #[test]
    fn logins_go_over_tls_or_stay_on_this_machine() {
        for (url, secure) in [
            ("https://auth.example/login", true),
            ("http://127.0.0.1:8080/", false),
            ("http://[::1]/x", false),
            ("http://localhost/x", false),
        ] {
            assert_eq!(check_url(&settings(url)).unwrap(), secure, "{url}");
        }
        for url in ["http://auth.example/", "http://127.0.0.1.example/", "http://192.0.2.1/"] {
            let error = check_url(&settings(url)).unwrap_err();
            assert!(matches!(error, InvalidWeb::Plain(_)), "{url}: {error}");
            let allowed = WebSettings {
                allow_plain: true,
                ..settings(url)
            };
            assert!(!check_url(&allowed).unwrap());
        }
        for url in [
            "",
            "auth.example",
            "ftp://127.0.0.1/",
            "/login",
            "https://",
            "https:///x",
        ] {
            assert!(matches!(check_url(&settings(url)), Err(InvalidWeb::Url(_))), "{url}");
        }
    }
}
