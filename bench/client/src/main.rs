//! `burgee-bench-client`: what a message costs the process that publishes or receives it, by client library.
//!
//! What must hold: each library does what its documentation shows for that use, with the same window and nothing switched off
//! that users leave on; every message is counted when the library says that it is over (QoS 0: written; 1: PUBACK; 2: PUBCOMP).
//! Deliberately absent: judging, and a broker; `run.py` starts one and makes the table.

#![expect(clippy::print_stdout, reason = "a command line tool speaks on its terminal")]

mod burgee;
mod mqtt5;
mod rumqttc;

use std::error::Error;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

#[cfg(feature = "allocations")]
#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

type Outcome = Result<(), Box<dyn Error>>;

#[derive(Copy, Clone, Debug, ValueEnum)]
enum Library {
    Burgee,
    Rumqttc,
    Mqtt5,
}

#[derive(Copy, Clone, Debug, ValueEnum)]
enum Way {
    /// Publishes to a topic that nobody subscribes to
    Publish,
    /// Says "ready", and takes messages that somebody else publishes
    Receive,
}

/// Publishes or receives with one library, and tells what it cost
#[derive(Clone, Debug, Parser)]
struct Load {
    library: Library,
    way: Way,
    /// QoS: 0, 1 or 2
    #[arg(long, default_value_t = 0)]
    qos: u8,
    /// How many messages
    #[arg(long, default_value_t = 100_000)]
    messages: u32,
    /// Bytes of a payload
    #[arg(long, default_value_t = 64)]
    payload: usize,
    /// Messages that may be unacknowledged at once
    #[arg(long, default_value_t = 100)]
    window: u16,
    #[arg(long, default_value = "bench/client")]
    topic: String,
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    #[arg(long)]
    port: u16,
}

impl Load {
    fn payload(&self) -> Vec<u8> {
        vec![b'.'; self.payload]
    }

    fn client_id(&self) -> String {
        format!("{:?}-{:?}-{}", self.library, self.way, std::process::id()).to_lowercase()
    }
}

/// From the first message to the last one.
#[derive(Debug)]
struct Measure {
    begun: Option<Spent>,
}

/// What was spent so far.
#[derive(Copy, Clone, Debug)]
struct Spent {
    at: Instant,
    cpu: Duration,
    allocations: u64,
}

impl Spent {
    fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Self {
            at: Instant::now(),
            cpu: Duration::new(
                u64::try_from(cpu.tv_sec).unwrap_or(0),
                u32::try_from(cpu.tv_nsec).unwrap_or(0),
            ),
            #[cfg(feature = "allocations")]
            allocations: dhat::HeapStats::get().total_blocks,
            #[cfg(not(feature = "allocations"))]
            allocations: 0,
        }
    }
}

impl Measure {
    fn begin(&mut self) {
        self.begun.get_or_insert_with(Spent::now);
    }

    fn tell(&self, messages: u32) {
        let Some(begun) = self.begun else { return };
        let end = Spent::now();
        let each = |whole: f64| whole / f64::from(messages.max(1));
        let allocations = end.allocations - begun.allocations;
        println!(
            "{}",
            json!({
                "messages": messages,
                "rate": f64::from(messages) / (end.at - begun.at).as_secs_f64(),
                "cpu_us": each((end.cpu - begun.cpu).as_secs_f64() * 1e6),
                "allocations": cfg!(feature = "allocations").then(|| each(allocations as f64)),
            })
        );
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    #[cfg(feature = "allocations")]
    let _profiler = dhat::Profiler::builder().testing().build();
    let load = Load::parse();
    let mut measure = Measure { begun: None };
    match (load.library, load.way) {
        (Library::Burgee, Way::Publish) => burgee::publish(&load, &mut measure).await?,
        (Library::Burgee, Way::Receive) => burgee::receive(&load, &mut measure).await?,
        (Library::Rumqttc, Way::Publish) => rumqttc::publish(&load, &mut measure).await?,
        (Library::Rumqttc, Way::Receive) => rumqttc::receive(&load, &mut measure).await?,
        (Library::Mqtt5, Way::Publish) => mqtt5::publish(&load, &mut measure).await?,
        (Library::Mqtt5, Way::Receive) => mqtt5::receive(&load, &mut measure).await?,
    }
    measure.tell(load.messages);
    Ok(())
}
