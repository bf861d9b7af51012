//! The load generator: everything here knows a broker only by its address.
//!
//! Must hold: one thread, one readiness loop, no knowledge of who is measured and how the result is printed, so that
//! these modules can serve another command too.

pub(crate) mod check;
pub(crate) mod idle;
pub(crate) mod link;
pub(crate) mod traffic;
pub(crate) mod wire;
