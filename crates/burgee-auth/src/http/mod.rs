//! The call-out: a server of the operator's is asked over HTTP who somebody is.
//!
//! What must hold: an answer that is not understood is no yes; while the server is down, logins do not each wait for the
//! time limit; answers are kept for a while, and yeses for longer where the operator wants to live through a failure.
//! Deliberately absent: asking about topics; an answer brings its rules along.

mod wire;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::login::{Grant, Login, Refusal, Said};
use crate::memory::{Memory, Trace, Tracer};
use crate::web::{InvalidWeb, Web, WebSettings};

/// The largest answer.
const MAX_ANSWER_BYTES: u64 = 256 * 1024;
/// A file with a bearer token, at most.
const MAX_BEARER_BYTES: usize = 8192;
/// So many failures in a row, and it is left alone for a moment.
const PATIENCE: u32 = 3;
const FIRST_REST: Duration = Duration::from_secs(1);
const LAST_REST: Duration = Duration::from_secs(30);

/// What happens while the server does not answer.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub enum WhenDown {
    /// Nobody is let in: CONNACK 3.
    #[default]
    Refuse,
    /// The next way to find out is tried.
    Next,
    /// Who was let in lately is let in; nobody else.
    Cached,
}

/// Whom to ask, and what to keep.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpSettings {
    /// Whom.
    pub web: WebSettings,
    /// A file with the token that we show: `Authorization: Bearer …`.
    pub bearer_file: Option<PathBuf>,
    /// How long a yes is kept, if the answer says nothing else; 0: not at all.
    pub keep_yes: Duration,
    /// How long a no is kept; 0: not at all.
    pub keep_no: Duration,
    /// Answers kept.
    pub entries: usize,
    /// What happens while the server does not answer.
    pub when_down: WhenDown,
    /// With [`WhenDown::Cached`]: how old a yes may be.
    pub stale: Duration,
}

impl HttpSettings {
    /// Careful choices for everything else.
    #[must_use]
    pub const fn new(web: WebSettings) -> Self {
        Self {
            web,
            bearer_file: None,
            keep_yes: Duration::from_secs(60),
            keep_no: Duration::from_secs(10),
            entries: 100_000,
            when_down: WhenDown::Refuse,
            stale: Duration::from_secs(3600),
        }
    }
}

/// Settings that cannot be used.
#[derive(Debug)]
pub enum InvalidHttp {
    /// Whom to ask.
    Web(InvalidWeb),
    /// The bearer token cannot be read.
    Bearer(PathBuf, std::io::Error),
    /// It cannot stand in a header.
    BearerForm(PathBuf),
    /// No random bytes.
    Random(getrandom::Error),
}

impl fmt::Display for InvalidHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web(invalid) => invalid.fmt(f),
            Self::Bearer(path, error) => write!(f, "{}: cannot read the bearer token: {error}", path.display()),
            Self::BearerForm(path) => write!(
                f,
                "{}: a bearer token is one line of visible ASCII characters, at most {MAX_BEARER_BYTES}",
                path.display()
            ),
            Self::Random(error) => write!(f, "the system gives no random bytes: {error}"),
        }
    }
}

impl std::error::Error for InvalidHttp {}

/// See the module.
#[derive(Debug)]
pub(crate) struct CallOut {
    web: Web,
    bearer: Option<String>,
    settings: HttpSettings,
    tracer: Tracer,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    kept: Memory<Kept>,
    failures: u32,
    /// Not asked again before.
    rests_until: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Kept {
    said: Said,
    fresh: Duration,
}

impl CallOut {
    /// Nothing is asked yet. `at_once` requests may be under way at a time.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub(crate) fn new(settings: HttpSettings, at_once: usize) -> Result<Self, InvalidHttp> {
        let web = Web::new(&settings.web, at_once).map_err(InvalidHttp::Web)?;
        let bearer = settings.bearer_file.as_ref().map(read_bearer).transpose()?;
        let longest = match settings.when_down {
            WhenDown::Cached => settings.stale.max(settings.keep_yes),
            WhenDown::Refuse | WhenDown::Next => wire::MAX_KEEP.max(settings.keep_yes),
        };
        let longest = longest.max(settings.keep_no);
        Ok(Self {
            web,
            bearer,
            tracer: Tracer::new().map_err(InvalidHttp::Random)?,
            state: Mutex::new(State {
                kept: Memory::new(settings.entries, longest),
                failures: 0,
                rests_until: None,
            }),
            settings,
        })
    }

    /// An answer that is still fresh. Takes microseconds.
    pub(crate) fn kept(&self, login: &Login) -> Option<Said> {
        let trace = self.tracer.of_all(login);
        let state = self.lock();
        let (kept, age) = state.kept.get(&trace, Instant::now())?;
        (age < kept.fresh && is_current(&kept.said)).then(|| kept.said.clone())
    }

    /// Asks, for at most as long as the time limit.
    pub(crate) fn ask(&self, login: &Login) -> Said {
        let trace = self.tracer.of_all(login);
        if self.rests(Instant::now()) {
            return self.without(&trace);
        }
        let question = wire::question(login);
        let answer = self
            .web
            .post(question.as_slice(), self.bearer.as_deref(), MAX_ANSWER_BYTES);
        let answer = answer
            .map_err(|error| error.to_string())
            .and_then(|bytes| wire::answer(&bytes, login, SystemTime::now()).map_err(|invalid| invalid.to_string()));
        match answer {
            Ok((said, keep)) => {
                let keep = keep.unwrap_or(match &said {
                    Said::Yes(_) => self.settings.keep_yes,
                    Said::No(_) | Said::NotMine => self.settings.keep_no,
                });
                self.heard(trace, &said, keep);
                said
            }
            Err(why) => {
                self.failed(&why);
                self.without(&trace)
            }
        }
    }

    /// What happens without an answer.
    fn without(&self, trace: &Trace) -> Said {
        match self.settings.when_down {
            WhenDown::Refuse => Said::No(Refusal::Down),
            WhenDown::Next => Said::NotMine,
            WhenDown::Cached => {
                let state = self.lock();
                match state.kept.get(trace, Instant::now()) {
                    Some((kept, age)) if age < self.settings.stale && is_current(&kept.said) => match &kept.said {
                        Said::Yes(grant) => Said::Yes(Grant::clone(grant)),
                        Said::No(_) | Said::NotMine => Said::No(Refusal::Down),
                    },
                    _ => Said::No(Refusal::Down),
                }
            }
        }
    }

    /// Whether it is left alone just now. One at a time may look whether it is back.
    fn rests(&self, now: Instant) -> bool {
        let mut state = self.lock();
        match state.rests_until {
            Some(until) if now < until => true,
            Some(_) => {
                let pause = rest(state.failures);
                state.rests_until = Some(now + pause);
                false
            }
            None => false,
        }
    }

    fn heard(&self, trace: Trace, said: &Said, fresh: Duration) {
        let mut state = self.lock();
        if state.rests_until.take().is_some() {
            tracing::info!(
                url = self.web.url(),
                "the server that is asked about logins answers again"
            );
        }
        state.failures = 0;
        let worth = match said {
            Said::Yes(_) => !fresh.is_zero() || self.settings.when_down == WhenDown::Cached,
            Said::No(_) | Said::NotMine => !fresh.is_zero(),
        };
        if worth {
            let said = said.clone();
            state.kept.put(trace, Kept { said, fresh }, Instant::now());
        }
    }

    fn failed(&self, why: &str) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures < PATIENCE {
            tracing::warn!(
                url = self.web.url(),
                why,
                "the server that is asked about logins does not answer"
            );
            return;
        }
        let pause = rest(state.failures);
        state.rests_until = Some(Instant::now() + pause);
        if state.failures == PATIENCE {
            tracing::error!(
                url = self.web.url(),
                why,
                failures = state.failures,
                "the server that is asked about logins is taken for down, and looked after from time to time"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One second, doubled with each failure.
fn rest(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(PATIENCE).min(10));
    FIRST_REST.saturating_mul(doubled).min(LAST_REST)
}

/// A yes ends with the time that was set to it.
fn is_current(said: &Said) -> bool {
    match said {
        Said::Yes(grant) => grant.until.is_none_or(|until| until > SystemTime::now()),
        Said::No(_) | Said::NotMine => true,
    }
}

fn read_bearer(path: &PathBuf) -> Result<String, InvalidHttp> {
    let text = std::fs::read_to_string(path).map_err(|error| InvalidHttp::Bearer(path.clone(), error))?;
    let token = text.trim_end_matches(['\r', '\n']);
    let fits =
        !token.is_empty() && token.len() <= MAX_BEARER_BYTES && token.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| token.to_owned())
        .ok_or_else(|| InvalidHttp::BearerForm(path.clone()))
}

#[cfg(test)]
mod tests;
