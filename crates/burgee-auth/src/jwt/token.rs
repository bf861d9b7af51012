//! One token: taken apart, its signature checked, its claims read.
//!
//! What must hold: total for every input; no claim is looked at before the signature was found right; what a token
//! says must be understood (`crit`) is refused. Deliberately absent: encrypted tokens, and tokens without a signature.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::{Algorithm, KeySet};
use crate::login::TokenFault;

/// Longer ones do not exist outside of attacks.
pub(super) const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Keys tried for one token that names none.
const MAX_TRIED: usize = 16;

pub(super) type Claims = Map<String, Value>;

#[derive(Deserialize)]
struct Header {
    alg: Algorithm,
    kid: Option<String>,
    crit: Option<Value>,
    /// An encrypted token has it.
    enc: Option<Value>,
}

/// Whether this is meant to be a token at all: three parts, of which the first begins as a JSON object does.
pub(super) fn looks_like_one(password: &[u8]) -> bool {
    password.starts_with(b"ey") && password.split(|byte| *byte == b'.').count() == 3
}

/// The claims of a token whose signature is right.
///
/// # Errors
/// What is wrong with it.
pub(super) fn claims(token: &[u8], keys: &KeySet) -> Result<Claims, TokenFault> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenFault::Malformed);
    }
    let mut ends = token
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'.')
        .map(|(at, _)| at);
    let (Some(first), Some(second), None) = (ends.next(), ends.next(), ends.next()) else {
        return Err(TokenFault::Malformed);
    };
    let (message, mark) = token.split_at(second);
    let (header, payload) = message.split_at(first);
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| TokenFault::Malformed)?;
    if header.crit.is_some() || header.enc.is_some() {
        return Err(TokenFault::Malformed);
    }
    check_signature(&header, message, &decode(after_dot(mark))?, keys)?;
    serde_json::from_slice(&decode(after_dot(payload))?).map_err(|_| TokenFault::Malformed)
}

fn after_dot(part: &[u8]) -> &[u8] {
    part.strip_prefix(b".").unwrap_or(part)
}

fn decode(part: &[u8]) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Malformed)
}

fn check_signature(header: &Header, message: &[u8], mark: &[u8], keys: &KeySet) -> Result<(), TokenFault> {
    let mut fault = TokenFault::UnknownKey;
    for key in keys.candidates(header.kid.as_deref()).take(MAX_TRIED) {
        match key.verify(header.alg, message, mark) {
            Some(true) => return Ok(()),
            Some(false) => fault = TokenFault::Signature,
            None if fault == TokenFault::UnknownKey => fault = TokenFault::Algorithm,
            None => {}
        }
    }
    Err(fault)
}

/// What has to be so besides the signature.
#[derive(Clone, Debug)]
pub(super) struct Demands {
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) leeway: Duration,
    pub(super) require_expiry: bool,
}

impl Demands {
    /// When the token ends, leeway included; none: never.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(&self, claims: &Claims, now: SystemTime) -> Result<Option<SystemTime>, TokenFault> {
        let until = match moment(claims, "exp")? {
            None if self.require_expiry => return Err(TokenFault::NoExpiry),
            None => None,
            // What cannot be reckoned with is too far away to ever come.
            Some(expiry) => expiry.checked_add(self.leeway),
        };
        if until.is_some_and(|until| until <= now) {
            return Err(TokenFault::Expired);
        }
        let latest = now.checked_add(self.leeway).unwrap_or(now);
        if moment(claims, "nbf")?.is_some_and(|begin| begin > latest) {
            return Err(TokenFault::NotYet);
        }
        let issuer = claims.get("iss").and_then(Value::as_str);
        if self.issuer.is_some() && self.issuer.as_deref() != issuer {
            return Err(TokenFault::IssuerOrAudience);
        }
        if let Some(wanted) = &self.audience {
            let meant = match claims.get("aud") {
                Some(Value::String(one)) => one == wanted,
                Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(wanted)),
                _ => false,
            };
            if !meant {
                return Err(TokenFault::IssuerOrAudience);
            }
        }
        Ok(until)
    }
}

/// A date in seconds since 1970, perhaps with a fraction. One that is none spoils the token.
fn moment(claims: &Claims, name: &str) -> Result<Option<SystemTime>, TokenFault> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = value.as_f64().ok_or(TokenFault::Malformed)?;
    if !seconds.is_finite() || seconds < 0.0 {
        return Err(TokenFault::Malformed);
    }
    // Year 9999: what lies beyond is as good as never, and safe to reckon with.
    let since = Duration::try_from_secs_f64(seconds.min(253_402_300_799.0)).map_err(|_| TokenFault::Malformed)?;
    Ok(Some(UNIX_EPOCH + since))
}
