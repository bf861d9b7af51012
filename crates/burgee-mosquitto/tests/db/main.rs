//! Persistence files: those that Debian's Mosquitto 2.0.11 wrote (`tests/files`), and made ones for what it does not write.
//! `exchanges.db` holds the stories `sent`, `released`, `held`, `unsure`, `behind` and `still` of `tests/import`; `mqtt5.db`
//! clients and messages of MQTT 5.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests: a panic is how they speak, and they look for one thing among many"
)]

mod broken;
mod made;
mod real;

use std::io::Cursor;

use burgee_mosquitto::db::{DbError, Left, Summary, read};
use burgee_store::Op;

/// What Debian's Mosquitto wrote.
const EXCHANGES: &[u8] = include_bytes!("../files/exchanges.db");
const MQTT5: &[u8] = include_bytes!("../files/mqtt5.db");

/// What a file comes to.
#[derive(Debug)]
struct Found {
    summary: Summary,
    left: Vec<(Left, u64)>,
    ops: Vec<Op>,
}

fn found_at(bytes: &[u8], now: i64) -> Result<Found, DbError> {
    let snapshot = read(Cursor::new(bytes), now)?;
    Ok(Found {
        summary: snapshot.summary(),
        left: snapshot
            .remarks()
            .iter()
            .map(|remark| (remark.left, remark.count))
            .collect(),
        ops: snapshot.ops().collect::<Result<_, _>>()?,
    })
}

fn found(bytes: &[u8]) -> Result<Found, DbError> {
    found_at(bytes, 0)
}
