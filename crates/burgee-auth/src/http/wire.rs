//! The JSON of the call-out, both ways; `docs/users.md` describes it for those who write the other side.
//!
//! What must hold: whatever is not exactly understood is a failure of the server, never a yes.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::jwt::{MAX_FILTERS, is_usable};
use crate::login::{Grant, Login, Method, Refusal, Rights, Said};

/// The longest that an answer can ask to be kept.
pub(super) const MAX_KEEP: Duration = Duration::from_secs(24 * 3600);

#[derive(Serialize)]
struct Question<'a> {
    client_id: &'a str,
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    /// A password may be any bytes; JSON has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    password_base64: Option<String>,
    address: Option<String>,
    certificate: Option<&'a str>,
    listener: &'a str,
}

/// What is asked.
pub(super) fn question(login: &Login) -> Vec<u8> {
    let text = login.password.as_deref().map(std::str::from_utf8);
    let question = Question {
        client_id: &login.client_id,
        user: login.user.as_deref(),
        password: text.and_then(Result::ok),
        password_base64: text.and_then(Result::err).map(|_| STANDARD.encode(login.secret())),
        address: login.address.map(|address| address.to_canonical().to_string()),
        certificate: login.certificate.as_deref(),
        listener: &login.listener,
    };
    serde_json::to_vec(&question).unwrap_or_default()
}

#[derive(Deserialize)]
struct Answer {
    result: Verdict,
    user: Option<String>,
    publish: Option<Vec<Box<str>>>,
    subscribe: Option<Vec<Box<str>>>,
    expires_in: Option<u64>,
    cache: Option<u64>,
}

#[derive(Copy, Clone, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Allow,
    Deny,
    Ignore,
}

/// Why an answer cannot be used.
#[derive(Debug)]
pub(super) enum InvalidAnswer {
    Json(serde_json::Error),
    User,
    Filters,
}

impl fmt::Display for InvalidAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "its answer is not the JSON that is expected: {error}"),
            Self::User => f.write_str("the user in its answer cannot be one"),
            Self::Filters => write!(f, "its answer has more than {MAX_FILTERS} filters"),
        }
    }
}

/// What was answered, and how long it may be kept, if the answer says so.
///
/// # Errors
/// It is not understood.
pub(super) fn answer(bytes: &[u8], login: &Login, now: SystemTime) -> Result<(Said, Option<Duration>), InvalidAnswer> {
    let answer: Answer = serde_json::from_slice(bytes).map_err(InvalidAnswer::Json)?;
    let keep = answer.cache.map(|seconds| Duration::from_secs(seconds).min(MAX_KEEP));
    let said = match answer.result {
        Verdict::Deny => Said::No(Refusal::Denied),
        Verdict::Ignore => Said::NotMine,
        Verdict::Allow => {
            let user = answer.user.as_deref().or(login.user.as_deref());
            if user.is_some_and(|user| !is_usable(user)) {
                // What the client calls itself is no fault of the server's.
                return match answer.user {
                    Some(_) => Err(InvalidAnswer::User),
                    None => Ok((Said::No(Refusal::Denied), keep)),
                };
            }
            let many = |list: &Option<Vec<Box<str>>>| list.as_ref().is_some_and(|list| list.len() > MAX_FILTERS);
            if many(&answer.publish) || many(&answer.subscribe) {
                return Err(InvalidAnswer::Filters);
            }
            let some = answer.publish.is_some() || answer.subscribe.is_some();
            let until = answer.expires_in.map(Duration::from_secs);
            Said::Yes(Grant {
                user: user.map(Into::into),
                by: Method::Http,
                until: until.and_then(|after| now.checked_add(after)),
                rights: some.then(|| {
                    std::sync::Arc::new(Rights {
                        publish: answer.publish,
                        subscribe: answer.subscribe,
                    })
                }),
            })
        }
    };
    Ok((said, keep))
}
