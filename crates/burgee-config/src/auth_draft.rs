//! What was set about who may come in, while it is read.
//!
//! What must hold: the ways are tried in this order: certificate, password file, token, call-out. Deliberately absent: how
//! the settings are written; see `auth.rs`.

use std::path::PathBuf;
use std::time::Duration;

use burgee_auth::{HttpSettings, KeySource, Limits, MethodSettings, Remember, TokenSettings, WebSettings};
use burgee_broker::AuthSettings;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct AuthDraft {
    pub(crate) passwords: Option<PathBuf>,
    /// For listeners that say nothing of it themselves.
    pub(crate) anonymous: bool,
    pub(crate) remember: Remember,
    pub(crate) limits: Limits,
    pub(crate) keys_file: Option<PathBuf>,
    pub(crate) secret_file: Option<PathBuf>,
    pub(crate) keys: WebSettings,
    pub(crate) refresh: Duration,
    pub(crate) keep: Duration,
    pub(crate) tokens: TokenSettings,
    pub(crate) http: HttpSettings,
}

fn web() -> WebSettings {
    WebSettings {
        url: String::new(),
        ca_file: None,
        time_limit: Duration::from_secs(5),
        allow_plain: false,
    }
}

impl Default for AuthDraft {
    fn default() -> Self {
        Self {
            passwords: None,
            anonymous: false,
            remember: Remember::default(),
            limits: Limits::default(),
            keys_file: None,
            secret_file: None,
            keys: web(),
            refresh: Duration::from_secs(3600),
            keep: Duration::from_secs(86_400),
            tokens: TokenSettings::new(KeySource::Public(PathBuf::new())),
            http: HttpSettings::new(web()),
        }
    }
}

impl AuthDraft {
    /// # Errors
    /// Keys of tokens from several places, or nothing to use what is set for.
    pub(crate) fn checked(&self) -> Result<AuthSettings, (&'static str, &'static str)> {
        let mut methods = Vec::new();
        methods.extend(self.passwords.clone().map(MethodSettings::Passwords));
        let fetched = (!self.keys.url.is_empty()).then(|| KeySource::Fetched {
            web: self.keys.clone(),
            refresh: self.refresh,
            keep: self.keep,
        });
        let public = self.keys_file.clone().map(KeySource::Public);
        let secret = self.secret_file.clone().map(KeySource::Secret);
        let mut sources = [public, secret, fetched].into_iter().flatten();
        if let Some(keys) = sources.next() {
            let settings = TokenSettings {
                keys,
                ..self.tokens.clone()
            };
            methods.push(MethodSettings::Tokens(Box::new(settings)));
        }
        if sources.next().is_some() {
            return Err(("auth_jwt.keys_file", "keep one of keys_file, secret_file and keys_url"));
        }
        if !self.http.web.url.is_empty() {
            methods.push(MethodSettings::Http(Box::new(self.http.clone())));
        }
        Ok(AuthSettings {
            methods,
            remember: self.remember,
            limits: self.limits,
        })
    }
}
