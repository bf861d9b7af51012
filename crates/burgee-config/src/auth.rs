//! The options about who may come in: `[auth]`, `[auth_jwt]`, `[auth_http]`.
//!
//! What must hold: see `spec.rs`. Deliberately absent: what they do; see docs/users.md.

use std::num::{NonZeroU16, NonZeroUsize};
use std::time::Duration;

use burgee_auth::WhenDown;

use crate::draft::Draft;
use crate::spec::{Flag, Kind, Spec};

const NONE: Duration = Duration::ZERO;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const TEN_MINUTES: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn workers(count: u64) -> NonZeroU16 {
    u16::try_from(count)
        .ok()
        .and_then(NonZeroU16::new)
        .unwrap_or(NonZeroU16::MIN)
}

fn many(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

pub(crate) const PASSWORDS_FILE: Spec<Draft> = Spec::new(
    "auth.passwords_file",
    Kind::Path(|draft: &mut Draft, path| draft.auth.passwords = Some(path)),
    "",
    "The password file: users, and their hashed passwords.",
)
.said("none")
.more("`burgee passwd` makes and changes it; files of Mosquitto are read as they are.")
.live()
.flag(Flag::Value("users"));
pub(crate) const ALLOW_ANONYMOUS: Spec<Draft> = Spec::new(
        "auth.allow_anonymous",
        Kind::Bool(|draft: &mut Draft, value| draft.auth.anonymous = value),
        "false",
        "Let clients in that give neither user name nor password, on all listeners.",
    )
    .more("Without it they come in only where nothing else is set here and nobody but this machine can reach the listener. Each listener can say it for itself.")
    .live()
    .flag(Flag::On("allow-anonymous"));
pub(crate) const REMEMBER: Spec<Draft> = Spec::new(
    "auth.remember",
    Kind::Time {
        least: NONE,
        most: WEEK,
        set: |draft: &mut Draft, time| draft.auth.remember.time = time,
    },
    "1h",
    "How long a password that was found right is known again without hashing; 0: not at all.",
)
.more("As a keyed hash that leaves the process never; dropped when users change.")
.live();
pub(crate) const REMEMBER_ENTRIES: Spec<Draft> = Spec::new(
    "auth.remember_entries",
    Kind::Count {
        least: 0,
        most: 100_000_000,
        set: |draft: &mut Draft, n| draft.auth.remember.entries = many(n),
    },
    "100000",
    "How many of them.",
)
.live();
pub(crate) const HASH_WORKERS: Spec<Draft> = Spec::new(
    "auth.hash_workers",
    Kind::Count {
        least: 1,
        most: 64,
        set: |draft: &mut Draft, n| draft.auth.limits.hash_workers = workers(n),
    },
    "2",
    "Threads that check passwords.",
);
pub(crate) const QUEUE: Spec<Draft> = Spec::new(
    "auth.queue",
    Kind::Count {
        least: 1,
        most: 1_000_000,
        set: |draft: &mut Draft, n| draft.auth.limits.queue = NonZeroUsize::new(many(n)).unwrap_or(NonZeroUsize::MIN),
    },
    "1024",
    "Logins that wait to be checked; one address can take half of the places.",
)
.more("Beyond: CONNACK 3.");
pub(crate) const LONGEST_WAIT: Spec<Draft> = Spec::new(
    "auth.longest_wait",
    Kind::Time {
        least: SECOND,
        most: TEN_MINUTES,
        set: |draft: &mut Draft, time| draft.auth.limits.longest_wait = time,
    },
    "10s",
    "How long a login waits there.",
)
.more("Beyond: CONNACK 3.");
pub(crate) const FAILED_LOGINS: Spec<Draft> = Spec::new(
    "auth.failed_logins",
    Kind::Count {
        least: 0,
        most: 1_000_000,
        set: |draft: &mut Draft, n| draft.auth.limits.failures.failures = u32::try_from(n).unwrap_or(u32::MAX),
    },
    "10",
    "Failed logins with one user name from one address within the window; 0: no limit.",
)
.more("Beyond: CONNACK 3 without a check for this name from there, until the window is over. Of IPv6 the first 64 bits count.")
.live();
pub(crate) const FAILED_ADDRESS: Spec<Draft> = Spec::new(
    "auth.failed_logins_per_address",
    Kind::Count {
        least: 0,
        most: 1_000_000,
        set: |draft: &mut Draft, n| draft.auth.limits.failures.of_origin = u32::try_from(n).unwrap_or(u32::MAX),
    },
    "100",
    "Failed logins from one address within the window, whatever the names; 0: no limit.",
)
.more("Beyond: CONNACK 3 without a check for all from there, until the window is over.")
.live();
pub(crate) const FAILED_WINDOW: Spec<Draft> = Spec::new(
    "auth.failed_window",
    Kind::Time {
        least: SECOND,
        most: DAY,
        set: |draft: &mut Draft, time| draft.auth.limits.failures.window = time,
    },
    "1min",
    "The window for that.",
)
.live();
pub(crate) const JWT_KEYS_FILE: Spec<Draft> = Spec::new(
    "auth_jwt.keys_file",
    Kind::Path(|draft: &mut Draft, path| draft.auth.keys_file = Some(path)),
    "",
    "A file with public keys that tokens are checked with: PEM, or a JSON key set.",
)
.said("none")
.live();
pub(crate) const JWT_SECRET_FILE: Spec<Draft> = Spec::new(
    "auth_jwt.secret_file",
    Kind::Path(|draft: &mut Draft, path| draft.auth.secret_file = Some(path)),
    "",
    "A file with a shared secret instead.",
)
.said("none")
.live();
pub(crate) const JWT_KEYS_URL: Spec<Draft> = Spec::new(
    "auth_jwt.keys_url",
    Kind::Text("a URL", |draft: &mut Draft, text| {
        text.clone_into(&mut draft.auth.keys.url);
        Ok(())
    }),
    "",
    "The URL of a JSON key set instead, which is fetched and kept.",
)
.said("none")
.live();
pub(crate) const JWT_CA_FILE: Spec<Draft> = Spec::new(
    "auth_jwt.ca_file",
    Kind::Path(|draft: &mut Draft, path| draft.auth.keys.ca_file = Some(path)),
    "",
    "Who is trusted to vouch for the server with the keys, in PEM.",
)
.said("whom the system trusts")
.live();
pub(crate) const JWT_REFRESH: Spec<Draft> = Spec::new(
    "auth_jwt.refresh",
    Kind::Time {
        least: MINUTE,
        most: WEEK,
        set: |draft: &mut Draft, time| draft.auth.refresh = time,
    },
    "1h",
    "How often keys are fetched.",
)
.live();
pub(crate) const JWT_KEEP: Spec<Draft> = Spec::new(
    "auth_jwt.keep",
    Kind::Time {
        least: MINUTE,
        most: YEAR,
        set: |draft: &mut Draft, time| draft.auth.keep = time,
    },
    "1d",
    "How long keys are used that could not be fetched anew.",
)
.live();
pub(crate) const JWT_TIME_LIMIT: Spec<Draft> = Spec::new(
    "auth_jwt.time_limit",
    Kind::Time {
        least: SECOND,
        most: TEN_MINUTES,
        set: |draft: &mut Draft, time| draft.auth.keys.time_limit = time,
    },
    "5s",
    "For fetching them.",
)
.live();
pub(crate) const JWT_ISSUER: Spec<Draft> = Spec::new(
    "auth_jwt.issuer",
    Kind::Text("a text", |draft: &mut Draft, text| {
        draft.auth.tokens.issuer = some(text);
        Ok(())
    }),
    "",
    "What `iss` has to be.",
)
.said("anything")
.live();
pub(crate) const JWT_AUDIENCE: Spec<Draft> = Spec::new(
    "auth_jwt.audience",
    Kind::Text("a text", |draft: &mut Draft, text| {
        draft.auth.tokens.audience = some(text);
        Ok(())
    }),
    "",
    "What `aud` has to be, or to have.",
)
.said("anything")
.live();
pub(crate) const JWT_LEEWAY: Spec<Draft> = Spec::new(
    "auth_jwt.leeway",
    Kind::Time {
        least: NONE,
        most: TEN_MINUTES,
        set: |draft: &mut Draft, time| draft.auth.tokens.leeway = time,
    },
    "30s",
    "How far clocks may differ.",
)
.live();
pub(crate) const JWT_REQUIRE_EXPIRY: Spec<Draft> = Spec::new(
    "auth_jwt.require_expiry",
    Kind::Bool(|draft: &mut Draft, value| draft.auth.tokens.require_expiry = value),
    "true",
    "Refuse tokens that never expire.",
)
.live();
pub(crate) const JWT_CLOSE_WHEN_EXPIRED: Spec<Draft> = Spec::new(
    "auth_jwt.close_when_expired",
    Kind::Bool(|draft: &mut Draft, value| draft.auth.tokens.close_when_expired = value),
    "true",
    "End a connection with its token.",
)
.live();
pub(crate) const JWT_USER_MUST_MATCH: Spec<Draft> = Spec::new(
    "auth_jwt.user_must_match",
    Kind::Bool(|draft: &mut Draft, value| draft.auth.tokens.user_must_match = value),
    "false",
    "The user name of the client has to be that of the token.",
)
.live();
pub(crate) const JWT_USER_CLAIM: Spec<Draft> = Spec::new(
    "auth_jwt.user_claim",
    Kind::Text("the name of a claim", |draft: &mut Draft, text| {
        text.clone_into(&mut draft.auth.tokens.user_claim);
        Ok(())
    }),
    "sub",
    "The claim with the user.",
)
.live();
pub(crate) const JWT_CLIENT_CLAIM: Spec<Draft> = Spec::new(
    "auth_jwt.client_claim",
    Kind::Text("the name of a claim", |draft: &mut Draft, text| {
        text.clone_into(&mut draft.auth.tokens.client_claim);
        Ok(())
    }),
    "client_id",
    "The claim with the client identifier; a token that has it is for that client alone.",
)
.live();
pub(crate) const JWT_PUBLISH_CLAIM: Spec<Draft> = Spec::new(
    "auth_jwt.publish_claim",
    Kind::Text("the name of a claim", |draft: &mut Draft, text| {
        text.clone_into(&mut draft.auth.tokens.publish_claim);
        Ok(())
    }),
    "publish",
    "The claim with the topic filters to which the client may publish.",
)
.live();
pub(crate) const JWT_SUBSCRIBE_CLAIM: Spec<Draft> = Spec::new(
    "auth_jwt.subscribe_claim",
    Kind::Text("the name of a claim", |draft: &mut Draft, text| {
        text.clone_into(&mut draft.auth.tokens.subscribe_claim);
        Ok(())
    }),
    "subscribe",
    "The claim with those that it may subscribe to.",
)
.live();
pub(crate) const HTTP_URL: Spec<Draft> = Spec::new(
    "auth_http.url",
    Kind::Text("a URL", |draft: &mut Draft, text| {
        text.clone_into(&mut draft.auth.http.web.url);
        Ok(())
    }),
    "",
    "A server that is asked who somebody is; see docs/users.md for what is sent and answered.",
)
.said("none")
.live();
pub(crate) const HTTP_CA_FILE: Spec<Draft> = Spec::new(
    "auth_http.ca_file",
    Kind::Path(|draft: &mut Draft, path| draft.auth.http.web.ca_file = Some(path)),
    "",
    "Who is trusted to vouch for it, in PEM.",
)
.said("whom the system trusts")
.live();
pub(crate) const HTTP_BEARER_FILE: Spec<Draft> = Spec::new(
    "auth_http.bearer_file",
    Kind::Path(|draft: &mut Draft, path| draft.auth.http.bearer_file = Some(path)),
    "",
    "A file with the token that we show it.",
)
.said("none")
.live();
pub(crate) const HTTP_TIME_LIMIT: Spec<Draft> = Spec::new(
    "auth_http.time_limit",
    Kind::Time {
        least: SECOND,
        most: TEN_MINUTES,
        set: |draft: &mut Draft, time| draft.auth.http.web.time_limit = time,
    },
    "5s",
    "For one answer, all in all.",
)
.live();
pub(crate) const HTTP_ALLOW_PLAIN: Spec<Draft> = Spec::new(
    "auth_http.allow_plain",
    Kind::Bool(|draft: &mut Draft, value| draft.auth.http.web.allow_plain = value),
    "false",
    "Ask other machines over http://, in the clear.",
)
.live();
pub(crate) const HTTP_WORKERS: Spec<Draft> = Spec::new(
    "auth_http.workers",
    Kind::Count {
        least: 1,
        most: 64,
        set: |draft: &mut Draft, n| draft.auth.limits.http_workers = workers(n),
    },
    "8",
    "Requests under way at once.",
);
pub(crate) const HTTP_KEEP_YES: Spec<Draft> = Spec::new(
    "auth_http.keep_yes",
    Kind::Time {
        least: NONE,
        most: DAY,
        set: |draft: &mut Draft, time| draft.auth.http.keep_yes = time,
    },
    "1min",
    "How long a yes is kept; 0: not at all.",
)
.more("The answer can say it for itself.")
.live();
pub(crate) const HTTP_KEEP_NO: Spec<Draft> = Spec::new(
    "auth_http.keep_no",
    Kind::Time {
        least: NONE,
        most: DAY,
        set: |draft: &mut Draft, time| draft.auth.http.keep_no = time,
    },
    "10s",
    "How long a no is kept; 0: not at all.",
)
.live();
pub(crate) const HTTP_ENTRIES: Spec<Draft> = Spec::new(
    "auth_http.entries",
    Kind::Count {
        least: 0,
        most: 100_000_000,
        set: |draft: &mut Draft, n| draft.auth.http.entries = many(n),
    },
    "100000",
    "Answers kept.",
)
.live();
pub(crate) const HTTP_WHEN_DOWN: Spec<Draft> = Spec::new(
    "auth_http.when_down",
    Kind::Choice {
        of: &[
            ("refuse", "nobody is let in: CONNACK 3"),
            ("next", "as if it had said that it does not know"),
            ("cached", "who was let in lately is let in, nobody else"),
        ],
        set: |draft: &mut Draft, word| {
            draft.auth.http.when_down = match word {
                "next" => WhenDown::Next,
                "cached" => WhenDown::Cached,
                _ => WhenDown::Refuse,
            }
        },
    },
    "refuse",
    "What happens while it does not answer.",
)
.live();
pub(crate) const HTTP_STALE: Spec<Draft> = Spec::new(
    "auth_http.stale",
    Kind::Time {
        least: NONE,
        most: WEEK,
        set: |draft: &mut Draft, time| draft.auth.http.stale = time,
    },
    "1h",
    "With cached: how long ago that may have been.",
)
.live();
