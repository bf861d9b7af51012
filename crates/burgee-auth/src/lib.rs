//! Who may come in: password files, tokens, a call-out over HTTP, and the limits on trying.
//!
//! Read `service/mod.rs` first, then `chain.rs`. What must hold: whoever asks never waits for a hash or for the network;
//! no file, token or answer makes it panic or take more than was said; when in doubt, nobody is let in. Deliberately
//! absent: sockets of clients, packets, and what a user may do.
//!
//! ```no_run
//! use burgee_auth::{Asked, Chain, Limits, Login, MethodSettings, Remember, Service};
//!
//! let methods = [MethodSettings::Passwords("/etc/burgee/users".into())];
//! let chain = Chain::new(&methods, Remember::default(), 8).expect("a password file that can be read");
//! let service = Service::start(Limits::default(), chain, Box::new(|ticket: u64, outcome| {
//!     println!("{ticket}: {outcome:?}");
//! }))?;
//! # let login: Login = unimplemented!();
//! match service.ask(login, 1) {
//!     Asked::Now(outcome) => println!("{outcome:?}"),
//!     Asked::Later(wanted) => drop(wanted), // Not wanted after all: it is not even checked.
//! }
//! # Ok::<(), std::io::Error>(())
//! ```

mod attempts;
mod chain;
mod counters;
mod http;
mod jwt;
mod login;
mod memory;
mod origin;
pub mod password;
#[cfg(test)]
mod scripted;
mod service;
mod web;

pub use attempts::FailureLimit;
pub use chain::{Chain, InvalidMethod, MethodSettings, Remember};
pub use counters::Counters;
pub use http::{HttpSettings, InvalidHttp, WhenDown};
pub use jwt::{InvalidKeys, InvalidTokens, KeySource, TokenSettings};
pub use login::{Answer, Grant, Login, Method, Outcome, Refusal, Rights, TokenFault};
pub use origin::Origin;
pub use service::{Asked, Limits, Reply, Service, Wanted};
pub use web::{InvalidWeb, WebSettings};
