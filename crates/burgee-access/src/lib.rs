//! Access rules: who may publish, subscribe to and receive what.
//!
//! What must hold: rules stand in an order, and the first that fits decides; where there are rules, what none of them
//! allows is denied. A compiled set decides exactly as its list read from top to bottom, and looks only at rules whose
//! user, client and topic may fit. No text makes a parser panic. Deliberately absent: who a client really is, files, and
//! what is done with a decision.

mod acl_file;
mod actions;
mod address;
mod explain;
mod glob;
mod index;
mod pattern;
mod problem;
mod rule;
mod rules;
mod who;

pub use acl_file::parse_acl_file;
pub use actions::{Action, Actions, InvalidAction};
pub use address::{AddressRange, InvalidAddress};
pub use explain::{Explanation, Request};
pub use glob::{Glob, InvalidGlob};
pub use pattern::{InvalidPattern, TopicPattern};
pub use problem::{Problem, What};
pub use rule::{Effect, Place, Reply, Rule, Topics, Users};
pub use rules::{Decision, Rules};
pub use who::Who;
