//! `burgee-bench-durable`: the engine alone, with the broker's records and the broker's grouping, and the disk alone.
//!
//! What it must hold: it speaks to the engine by the port only, as the broker does, and does nothing that the broker
//! would not have to do as well. Its figures are what the broker's durable rates are told as a part of.
//! Deliberately absent: threads, connections. It serves nobody but scripts/durable.

#![expect(clippy::print_stdout, reason = "a command line tool speaks on its terminal")]

mod disk;
mod engine;
mod fill;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use burgee_store_sqlite::SyncPolicy;
use clap::{Parser, ValueEnum};
use serde_json::json;

/// The bare engine, measured
#[derive(Debug, Parser)]
enum Command {
    /// One sync of the disk, then messages through the engine, each number of messages in flight by itself
    Measure(Measure),
    /// Fills a store, for measuring how a broker starts with it
    Fill(Fill),
}

#[derive(Debug, Parser)]
struct Measure {
    /// Where files are made; those of a measurement are left there
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,

    /// Messages in flight: so many go into one commit
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,16,256,1024")]
    in_flight: Vec<usize>,

    /// Sessions that are owed each message
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1")]
    owing: Vec<u64>,

    /// Bytes of a payload
    #[arg(long, value_name = "BYTES", default_value_t = 256)]
    payload: usize,

    /// Seconds for each figure
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    seconds: f64,

    /// What a commit is worth
    #[arg(long, value_name = "POLICY", default_value = "sync")]
    policy: Policy,
}

#[derive(Debug, Parser)]
struct Fill {
    /// Where the store is made
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,

    /// Sessions; their clients are called queued-0, queued-1, ...
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    sessions: u64,

    /// Messages; each is owed to one session, in turn
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    messages: u64,

    /// Bytes of a payload
    #[arg(long, value_name = "BYTES", default_value_t = 256)]
    payload: usize,
}

#[derive(Copy, Clone, Debug, ValueEnum)]
enum Policy {
    /// It survives a power failure
    Sync,
    /// It survives the process
    Write,
}

fn main() -> Result<(), Box<dyn Error>> {
    match Command::parse() {
        Command::Measure(options) => measure(&options),
        Command::Fill(options) => {
            fill::fill(&options.directory, options.sessions, options.messages, options.payload)?;
            Ok(())
        }
    }
}

fn measure(options: &Measure) -> Result<(), Box<dyn Error>> {
    let time = Duration::try_from_secs_f64(options.seconds)?;
    let sync = disk::measure(&options.directory, time)?;
    let policy = match options.policy {
        Policy::Sync => SyncPolicy::Sync,
        Policy::Write => SyncPolicy::Write,
    };
    let mut cells = Vec::new();
    for &owing in &options.owing {
        for &in_flight in &options.in_flight {
            let load = engine::Load {
                in_flight,
                owing,
                payload: options.payload,
                time,
            };
            let directory = options.directory.join(format!("store-{owing}-{in_flight}"));
            let figure = engine::measure(&directory, policy, load)?;
            cells.push(json!({
                "in_flight": in_flight,
                "owing": owing,
                "messages_per_second": figure.messages_per_second,
                "cpu_us_per_message": figure.cpu_us_per_message,
            }));
        }
    }
    println!(
        "{}",
        json!({ "sync_us": { "p50": sync.p50, "p90": sync.p90, "mean": sync.mean }, "engine": cells })
    );
    Ok(())
}
