//! Tokens: a JSON web token that a client gives in the place of a password.
//!
//! What must hold: a token is somebody's only if its signature is right with a key of ours, it is valid now, and it is
//! for us and for this client. Deliberately absent: revocation lists; a token is short-lived, and the connection ends with
//! it.

mod fetch;
mod keys;
mod token;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::login::{Grant, Login, Method, Refusal, Rights, Said, TokenFault};
use crate::web::{InvalidWeb, WebSettings};
use fetch::Fetched;
pub use keys::InvalidKeys;
use keys::KeySet;
use token::{Claims, Demands};

/// A key file, at most.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// Topic filters that one token may bring.
pub(crate) const MAX_FILTERS: usize = 1000;

/// Where the keys come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeySource {
    /// A file with public keys: PEM, or a JSON key set.
    Public(PathBuf),
    /// A file with a shared secret.
    Secret(PathBuf),
    /// A JSON key set that is fetched and kept.
    Fetched {
        /// From where.
        web: WebSettings,
        /// How often.
        refresh: Duration,
        /// How long keys are used that could not be fetched anew.
        keep: Duration,
    },
}

/// What tokens have to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenSettings {
    /// Where the keys come from.
    pub keys: KeySource,
    /// `iss` has to be this.
    pub issuer: Option<String>,
    /// `aud` has to be, or to have, this.
    pub audience: Option<String>,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// Tokens without `exp` are refused.
    pub require_expiry: bool,
    /// The claim with the user.
    pub user_claim: String,
    /// The claim with the client identifier; a token that has it is for that client alone.
    pub client_claim: String,
    /// The claim with the topic filters to which the client may publish.
    pub publish_claim: String,
    /// The claim with those that it may subscribe to.
    pub subscribe_claim: String,
    /// The user name of the CONNECT has to be that of the token.
    pub user_must_match: bool,
    /// The connection ends with the token.
    pub close_when_expired: bool,
}

impl TokenSettings {
    /// The usual claims, and the cautious choice everywhere.
    #[must_use]
    pub fn new(keys: KeySource) -> Self {
        Self {
            keys,
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(30),
            require_expiry: true,
            user_claim: "sub".to_owned(),
            client_claim: "client_id".to_owned(),
            publish_claim: "publish".to_owned(),
            subscribe_claim: "subscribe".to_owned(),
            user_must_match: false,
            close_when_expired: true,
        }
    }
}

/// Settings that cannot be used.
#[derive(Debug)]
pub enum InvalidTokens {
    /// A file that cannot be read.
    File(PathBuf, std::io::Error),
    /// A file that is too large to be one of keys.
    TooLarge(PathBuf),
    /// What is in it.
    Keys(PathBuf, InvalidKeys),
    /// Where keys are to be fetched.
    Web(InvalidWeb),
}

impl fmt::Display for InvalidTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: cannot read the keys: {error}", path.display()),
            Self::TooLarge(path) => write!(f, "{}: too large for a file of keys", path.display()),
            Self::Keys(path, invalid) => write!(f, "{}: {invalid}", path.display()),
            Self::Web(invalid) => invalid.fmt(f),
        }
    }
}

impl std::error::Error for InvalidTokens {}

enum Source {
    Fixed(Arc<KeySet>),
    Fetched(Fetched),
}

/// Checks tokens.
pub(crate) struct Tokens {
    source: Source,
    demands: Demands,
    settings: TokenSettings,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Tokens {
    /// Reads the keys. Those that are to be fetched are not yet.
    ///
    /// # Errors
    /// There are none, or settings that cannot be used.
    pub(crate) fn new(settings: TokenSettings) -> Result<Self, InvalidTokens> {
        let source = match &settings.keys {
            KeySource::Public(path) => Source::Fixed(read(path, KeySet::public)?),
            KeySource::Secret(path) => Source::Fixed(read(path, KeySet::secret)?),
            KeySource::Fetched { web, refresh, keep } => Source::Fetched(Fetched::new(web, *refresh, *keep)?),
        };
        let demands = Demands {
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            leeway: settings.leeway,
            require_expiry: settings.require_expiry,
        };
        Ok(Self {
            source,
            demands,
            settings,
        })
    }

    /// Begins to fetch keys, where that is to be done.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn begin(&self) -> std::io::Result<()> {
        match &self.source {
            Source::Fixed(_) => Ok(()),
            Source::Fetched(fetched) => fetched.begin(),
        }
    }

    /// Whether the password is meant to be a token.
    pub(crate) fn claims(login: &Login) -> bool {
        token::looks_like_one(login.secret())
    }

    /// Some 30 to 200 µs of reckoning.
    pub(crate) fn check(&self, login: &Login, now: SystemTime) -> Said {
        let Some(keys) = self.keys() else {
            return Said::No(Refusal::Down);
        };
        let mut found = self.grant(login, &keys, now);
        if found == Err(TokenFault::UnknownKey) {
            if self.asks_again() {
                return Said::No(Refusal::Down);
            }
            // They may have come between the look at them and the question for others.
            if let Some(newer) = self.keys().filter(|newer| !Arc::ptr_eq(newer, &keys)) {
                found = self.grant(login, &newer, now);
            }
        }
        match found {
            Ok(grant) => Said::Yes(grant),
            Err(fault) => Said::No(Refusal::Token(fault)),
        }
    }

    fn keys(&self) -> Option<Arc<KeySet>> {
        match &self.source {
            Source::Fixed(keys) => Some(Arc::clone(keys)),
            Source::Fetched(fetched) => fetched.keys(),
        }
    }

    /// Whether keys are fetched anew just now: the issuer may have changed them, and the client may come again.
    fn asks_again(&self) -> bool {
        match &self.source {
            Source::Fixed(_) => false,
            Source::Fetched(fetched) => fetched.ask_again(),
        }
    }

    fn grant(&self, login: &Login, keys: &KeySet, now: SystemTime) -> Result<Grant, TokenFault> {
        let claims = token::claims(login.secret(), keys)?;
        let until = self.demands.check(&claims, now)?;
        let user = claims.get(&self.settings.user_claim).and_then(Value::as_str);
        let user = user.filter(|user| is_usable(user)).ok_or(TokenFault::User)?;
        if self.settings.user_must_match && login.user.as_deref() != Some(user) {
            return Err(TokenFault::User);
        }
        let client = claims.get(&self.settings.client_claim);
        if client.is_some_and(|client| client.as_str() != Some(&login.client_id)) {
            return Err(TokenFault::ClientId);
        }
        let rights = Rights {
            publish: filters(&claims, &self.settings.publish_claim)?,
            subscribe: filters(&claims, &self.settings.subscribe_claim)?,
        };
        let some = rights.publish.is_some() || rights.subscribe.is_some();
        Ok(Grant {
            user: Some(user.into()),
            by: Method::Token,
            until: until.filter(|_| self.settings.close_when_expired),
            rights: some.then(|| Arc::new(rights)),
        })
    }
}

/// A user name that MQTT could carry, too.
pub(crate) fn is_usable(user: &str) -> bool {
    !user.is_empty() && u16::try_from(user.len()).is_ok() && !user.chars().any(char::is_control)
}

/// A list of strings; whatever else stands there is a mistake of the issuer, and no licence.
fn filters(claims: &Claims, name: &str) -> Result<Option<Vec<Box<str>>>, TokenFault> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let list = value.as_array().filter(|list| list.len() <= MAX_FILTERS);
    let list = list.ok_or(TokenFault::Rights)?;
    let filters = list.iter().map(|filter| filter.as_str().map(Into::into));
    filters.collect::<Option<Vec<_>>>().ok_or(TokenFault::Rights).map(Some)
}

fn read(path: &Path, parse: fn(&[u8]) -> Result<KeySet, InvalidKeys>) -> Result<Arc<KeySet>, InvalidTokens> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| InvalidTokens::File(path.to_owned(), error))?;
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| InvalidTokens::File(path.to_owned(), error))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(InvalidTokens::TooLarge(path.to_owned()));
    }
    let keys = parse(&bytes).map_err(|invalid| InvalidTokens::Keys(path.to_owned(), invalid))?;
    Ok(Arc::new(keys))
}

#[cfg(test)]
mod tests;
