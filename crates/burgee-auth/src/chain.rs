//! The ways to find out who somebody is, in order. Each says yes, no, or that it is none of its business.
//!
//! What must hold: a yes or a no is final; who is nobody's business is refused, and takes as long as a wrong password
//! takes. A chain is made once from its settings, whole or not at all, and never changes: a reload makes another.
//!
//! What each takes for its own: the certificate, a client whose listener takes its certificate as the user; the password
//! file, names that stand in it; tokens, passwords that have the form of one; the call-out, everything.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::http::{CallOut, HttpSettings, InvalidHttp};
use crate::jwt::{InvalidTokens, TokenSettings, Tokens};
use crate::login::{Grant, Login, Method, Refusal, Said};
use crate::memory::{Memory, Tracer};
use crate::password::{Checked, FileProblems, Users, exposure};

/// One way, as it is set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MethodSettings {
    /// The certificate of the connection.
    Certificate,
    /// A password file.
    Passwords(PathBuf),
    /// Tokens.
    Tokens(Box<TokenSettings>),
    /// A server that is asked.
    Http(Box<HttpSettings>),
}

/// How long password checks that succeeded are known again; see `memory.rs`.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Remember {
    /// For how long; 0: not at all.
    pub time: Duration,
    /// How many.
    pub entries: usize,
}

impl Default for Remember {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(3600),
            entries: 100_000,
        }
    }
}

/// Why a chain cannot be made: everything that is wrong.
#[derive(Debug)]
pub enum InvalidMethod {
    /// A password file.
    Passwords(FileProblems),
    /// Tokens.
    Tokens(InvalidTokens),
    /// The call-out.
    Http(InvalidHttp),
    /// The system gives no random bytes.
    Random(getrandom::Error),
    /// One way twice, where only the first would ever decide.
    Twice(Method),
}

impl fmt::Display for InvalidMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passwords(problems) => problems.fmt(f),
            Self::Tokens(invalid) => invalid.fmt(f),
            Self::Http(invalid) => invalid.fmt(f),
            Self::Random(error) => write!(f, "the system gives no random bytes: {error}"),
            Self::Twice(method) => write!(f, "{method}: given twice, and only the first would ever decide"),
        }
    }
}

impl std::error::Error for InvalidMethod {}

/// Where a step does its work.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Bench {
    /// Microseconds of reckoning.
    Light,
    /// Hashing: tens of milliseconds and megabytes.
    Hash,
    /// Waiting for somebody else.
    Http,
}

#[derive(Debug)]
enum Step {
    Certificate,
    Passwords(Box<Passwords>),
    Tokens(Box<Tokens>),
    Http(Box<CallOut>),
}

/// See the module.
#[derive(Debug, Default)]
pub struct Chain {
    steps: Vec<Step>,
}

impl Chain {
    /// Reads all files. Nobody is asked over the network yet. `http_at_once` requests may be under way at a time.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn new(
        methods: &[MethodSettings],
        remember: Remember,
        http_at_once: usize,
    ) -> Result<Self, Vec<InvalidMethod>> {
        let (mut steps, mut wrong) = (Vec::new(), Vec::new());
        for method in methods {
            let step = match method {
                MethodSettings::Certificate => Ok(Step::Certificate),
                MethodSettings::Passwords(path) => Passwords::read(path, remember).map(Step::Passwords),
                MethodSettings::Tokens(settings) => Tokens::new(TokenSettings::clone(settings))
                    .map(|tokens| Step::Tokens(Box::new(tokens)))
                    .map_err(InvalidMethod::Tokens),
                MethodSettings::Http(settings) => CallOut::new(HttpSettings::clone(settings), http_at_once)
                    .map(|call_out| Step::Http(Box::new(call_out)))
                    .map_err(InvalidMethod::Http),
            };
            match step {
                Ok(step) => steps.push(step),
                Err(invalid) => wrong.push(invalid),
            }
        }
        let kinds: Vec<_> = steps.iter().map(Step::method).collect();
        for method in [Method::Certificate, Method::Token] {
            if kinds.iter().filter(|kind| **kind == method).count() > 1 {
                wrong.push(InvalidMethod::Twice(method));
            }
        }
        if wrong.is_empty() {
            Ok(Self { steps })
        } else {
            Err(wrong)
        }
    }

    /// Users of one password file, for tests and for programs that have them at hand.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn of_users(users: Users, remember: Remember) -> Result<Self, InvalidMethod> {
        let passwords = Passwords::new(users, remember)?;
        Ok(Self {
            steps: vec![Step::Passwords(passwords)],
        })
    }

    /// Users of the password files here who in `newer` are gone, or have another password.
    #[must_use]
    pub fn users_changed(&self, newer: &Self) -> BTreeSet<Box<str>> {
        let mut changed = BTreeSet::new();
        for (name, hashed) in self.files().flat_map(|file| file.users.iter()) {
            // Of several files that know a name, the first decides.
            let now = newer.files().find_map(|file| file.users.find(name));
            if now != Some(hashed) && self.files().find_map(|file| file.users.find(name)) == Some(hashed) {
                changed.insert(name.into());
            }
        }
        changed
    }

    fn files(&self) -> impl Iterator<Item = &Passwords> {
        self.steps.iter().filter_map(|step| match step {
            Step::Passwords(passwords) => Some(&**passwords),
            Step::Certificate | Step::Tokens(_) | Step::Http(_) => None,
        })
    }

    /// There is no way to find out who somebody is: everybody is nobody.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Begins to fetch what is to be fetched.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn begin(&self) -> std::io::Result<()> {
        self.steps.iter().try_for_each(|step| match step {
            Step::Tokens(tokens) => tokens.begin(),
            Step::Certificate | Step::Passwords(_) | Step::Http(_) => Ok(()),
        })
    }

    /// Whether work of this kind can come up.
    pub(crate) fn uses(&self, bench: Bench) -> bool {
        self.steps.iter().any(|step| step.bench() == Some(bench))
    }

    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// What can be said at once; none: it has to be done at [`Chain::bench`].
    pub(crate) fn at_once(&self, step: usize, login: &Login) -> Option<Said> {
        match self.steps.get(step)? {
            Step::Certificate => Some(match &login.certificate {
                Some(user) => Said::Yes(Grant {
                    user: Some(user.as_ref().into()),
                    by: Method::Certificate,
                    until: None,
                    rights: None,
                }),
                None => Said::NotMine,
            }),
            Step::Passwords(passwords) => passwords.at_once(login),
            Step::Tokens(_) => (!Tokens::claims(login)).then_some(Said::NotMine),
            Step::Http(call_out) => call_out.kept(login),
        }
    }

    /// Where the step does its work. Behind the last step time is taken that a wrong password takes.
    pub(crate) fn bench(&self, step: usize) -> Option<Bench> {
        match self.steps.get(step) {
            Some(step) => step.bench(),
            None => self.uses(Bench::Hash).then_some(Bench::Hash),
        }
    }

    /// Does the work.
    pub(crate) fn work(&self, step: usize, login: &Login) -> Said {
        match self.steps.get(step) {
            Some(Step::Passwords(passwords)) => passwords.check(login),
            Some(Step::Tokens(tokens)) => tokens.check(login, SystemTime::now()),
            Some(Step::Http(call_out)) => call_out.ask(login),
            Some(Step::Certificate) => Said::NotMine,
            None => {
                if let Some(passwords) = self.files().next() {
                    passwords
                        .users
                        .feign(login.user.as_deref().unwrap_or_default(), login.secret());
                }
                Said::No(Refusal::Credentials)
            }
        }
    }
}

impl Step {
    const fn method(&self) -> Method {
        match self {
            Self::Certificate => Method::Certificate,
            Self::Passwords(_) => Method::Passwords,
            Self::Tokens(_) => Method::Token,
            Self::Http(_) => Method::Http,
        }
    }

    const fn bench(&self) -> Option<Bench> {
        match self {
            Self::Certificate => None,
            Self::Passwords(_) => Some(Bench::Hash),
            Self::Tokens(_) => Some(Bench::Light),
            Self::Http(_) => Some(Bench::Http),
        }
    }
}

/// A password file, and who was found right lately.
#[derive(Debug)]
struct Passwords {
    users: Users,
    tracer: Tracer,
    right: Mutex<Memory<()>>,
}

impl Passwords {
    fn read(path: &std::path::Path, remember: Remember) -> Result<Box<Self>, InvalidMethod> {
        let users = Users::read(path).map_err(InvalidMethod::Passwords)?;
        match exposure(path) {
            Some(exposure) if exposure.is_serious() => tracing::warn!("{exposure}"),
            Some(exposure) => tracing::info!("{exposure}"),
            None => {}
        }
        if users.is_empty() {
            tracing::warn!(file = %path.display(), "the password file has no users: burgee passwd FILE NAME adds one");
        }
        Self::new(users, remember)
    }

    fn new(users: Users, remember: Remember) -> Result<Box<Self>, InvalidMethod> {
        Ok(Box::new(Self {
            users,
            tracer: Tracer::new().map_err(InvalidMethod::Random)?,
            right: Mutex::new(Memory::new(remember.entries, remember.time)),
        }))
    }

    fn at_once(&self, login: &Login) -> Option<Said> {
        let user = login.user.as_deref().filter(|user| self.users.knows(user));
        let Some(user) = user else {
            return Some(Said::NotMine);
        };
        let known = self
            .lock()
            .get(&self.tracer.of_credentials(login), Instant::now())
            .is_some();
        known.then(|| Said::Yes(granted(user)))
    }

    fn check(&self, login: &Login) -> Said {
        let user = login.user.as_deref().unwrap_or_default();
        match self.users.check(user, login.secret()) {
            Checked::Right => {
                self.lock().put(self.tracer.of_credentials(login), (), Instant::now());
                Said::Yes(granted(user))
            }
            Checked::Wrong => Said::No(Refusal::Credentials),
            Checked::Unknown => Said::NotMine,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Memory<()>> {
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn granted(user: &str) -> Grant {
    Grant {
        user: Some(Arc::from(user)),
        by: Method::Passwords,
        until: None,
        rights: None,
    }
}
