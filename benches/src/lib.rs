//! Pieces of the data path, each ready to be run any number of times: what `counts` counts the instructions of, and
//! the tests the allocations.
//!
//! Read `cases.rs` for what there is. What must hold: a case does the same in every run, whatever the machine does
//! besides: fixed seeds, fixed time, bytes made beforehand. Deliberately absent: clocks. Nothing here is timed.

pub mod cases;
mod packets;
mod work;
mod world;

pub use work::{Case, Work};
