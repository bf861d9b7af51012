//! What is counted about logins. Plain sums since the start; whoever wants rates takes differences.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::attempts::Blocked;
use crate::login::{Method, Outcome, Refusal};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A copy of the counters.
        #[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// As they are counted.
        #[derive(Debug, Default)]
        pub(crate) struct Tally {
            $($name: AtomicU64,)*
        }

        impl Tally {
            pub(crate) fn copy(&self) -> Counters {
                Counters { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Let in without a name.
    anonymous,
    /// Let in by certificate.
    certificate,
    /// Let in by the password file.
    passwords,
    /// Let in by a token.
    tokens,
    /// Let in by the server that is asked.
    http,
    /// Let in without a check, because the same was found right lately; counted above as well.
    remembered,
    /// Refused: no user name and no password.
    refused_anonymous,
    /// Refused: unknown user or wrong password.
    refused_credentials,
    /// Refused: a token that is not valid.
    refused_token,
    /// Refused by the server that is asked.
    refused_denied,
    /// Refused: too many failures from there.
    refused_failures,
    /// Refused: the queue was full.
    refused_queue,
    /// Refused: waited too long in the queue.
    refused_waited,
    /// Refused: whoever had to be asked did not answer.
    refused_down,
    /// Checks left out because the client had gone meanwhile.
    gone,
    /// Names that were blocked, each from one origin.
    blocked,
    /// Origins that were blocked.
    blocked_origins,
}

impl Tally {
    pub(crate) fn count(&self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Admitted(grant) => match grant.by {
                Method::Anonymous => &self.anonymous,
                Method::Certificate => &self.certificate,
                Method::Passwords => &self.passwords,
                Method::Token => &self.tokens,
                Method::Http => &self.http,
            },
            Outcome::Refused(refusal) => match refusal {
                Refusal::Anonymous => &self.refused_anonymous,
                Refusal::Credentials => &self.refused_credentials,
                Refusal::Token(_) => &self.refused_token,
                Refusal::Denied => &self.refused_denied,
                Refusal::TooManyFailures => &self.refused_failures,
                Refusal::QueueFull => &self.refused_queue,
                Refusal::WaitedTooLong => &self.refused_waited,
                Refusal::Down => &self.refused_down,
            },
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_remembered(&self) {
        self.remembered.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_gone(&self) {
        self.gone.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_blocked(&self, who: Option<Blocked>) {
        let counter = match who {
            Some(Blocked::Name) => &self.blocked,
            Some(Blocked::Origin) => &self.blocked_origins,
            None => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
