//! The scenarios: what is done to a broker, and which figures come of it.
//!
//! Must hold: each run bounds its time and its number of connections.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::load::check::Faults;
use crate::load::idle::Crowd;
use crate::load::traffic::{self, Plan, Shape};
use crate::usage;

/// What is done to a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Clients with one subscription each that say nothing.
    Idle,
    /// Pairs at this QoS.
    Pairs(u8),
    /// Pairs at QoS 0 with a window of four: little to batch.
    PairsNarrow,
    /// A hundred publishers, one subscriber, QoS 0.
    FanIn,
    /// One publisher, a thousand subscribers, QoS 0, window of four.
    FanOut,
}

/// How much of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) connections: usize,
    pub(crate) pairs: usize,
    pub(crate) payload: usize,
    pub(crate) window: u64,
}

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// CPU time of the broker, microseconds for each delivered message.
    CpuPerMessage,
    /// Delivered messages a second.
    Rate,
    /// Part of the measured time that the broker's core worked for it.
    BrokerBusy,
    /// The same for the generator.
    GeneratorBusy,
    /// Private dirty bytes for each connection.
    Bytes,
    /// Resident bytes for each connection.
    ResidentBytes,
    /// CPU time of the broker to connect, subscribe and ping, microseconds for each client.
    CpuPerClient,
}

/// What one run of a scenario came to.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) figures: Vec<(Figure, f64)>,
    pub(crate) faults: Faults,
}

const WARM_UP: Duration = Duration::from_millis(500);

impl Scenario {
    pub(crate) const ALL: [Self; 7] = [
        Self::Idle,
        Self::Pairs(0),
        Self::Pairs(1),
        Self::Pairs(2),
        Self::PairsNarrow,
        Self::FanIn,
        Self::FanOut,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Pairs(0) => "pairs-qos0",
            Self::Pairs(1) => "pairs-qos1",
            Self::Pairs(_) => "pairs-qos2",
            Self::PairsNarrow => "pairs-window4",
            Self::FanIn => "fan-in",
            Self::FanOut => "fan-out",
        }
    }

    pub(crate) fn qos(self) -> u8 {
        if let Self::Pairs(qos) = self { qos } else { 0 }
    }

    /// Runs against the broker at an address; its costs are read if its process is known.
    pub(crate) fn run(
        self,
        broker: SocketAddr,
        process: Option<u32>,
        size: Size,
        measured: Duration,
    ) -> io::Result<Sample> {
        let (shape, window) = match self {
            Self::Idle => return idle(broker, process, size.connections),
            Self::Pairs(_) => (Shape::Pairs(size.pairs), size.window),
            Self::PairsNarrow => (Shape::Pairs(size.pairs), 4),
            Self::FanIn => (Shape::FanIn(100), size.window),
            Self::FanOut => (Shape::FanOut(1000), 4),
        };
        let plan = Plan {
            shape,
            qos: self.qos(),
            window,
            payload: size.payload,
            warm_up: WARM_UP,
            measured,
        };
        let me = std::process::id();
        let outcome = traffic::run(broker, &plan, || {
            Ok((
                process.map(usage::cpu).transpose()?.unwrap_or_default(),
                usage::cpu(me)?,
            ))
        })?;
        let ((broker_from, own_from), (broker_to, own_to)) = outcome.snapshots;
        let seconds = outcome.elapsed.as_secs_f64();
        let delivered = as_float(outcome.delivered);
        let broker_cpu = broker_to.saturating_sub(broker_from).as_secs_f64();
        let figures = vec![
            (Figure::CpuPerMessage, broker_cpu * 1e6 / delivered.max(1.0)),
            (Figure::Rate, delivered / seconds),
            (Figure::BrokerBusy, broker_cpu / seconds),
            (
                Figure::GeneratorBusy,
                own_to.saturating_sub(own_from).as_secs_f64() / seconds,
            ),
        ];
        Ok(Sample {
            figures,
            faults: outcome.faults,
        })
    }
}

fn idle(broker: SocketAddr, process: Option<u32>, connections: usize) -> io::Result<Sample> {
    // One client first: what a broker allocates once, whoever comes, is no cost of a connection.
    drop(Crowd::gather(broker, "first", 1)?);
    let Some(process) = process else {
        Crowd::gather(broker, "idle", connections)?.all_alive()?;
        return Ok(Sample {
            figures: Vec::new(),
            faults: Faults::default(),
        });
    };
    let (before, cpu_before) = (settled(process)?, usage::cpu(process)?);
    let mut crowd = Crowd::gather(broker, "idle", connections)?;
    let cpu_after = usage::cpu(process)?;
    let after = settled(process)?;
    crowd.all_alive()?;
    let each = |from: u64, to: u64| as_float(to.saturating_sub(from)) / as_float(connections as u64);
    let figures = vec![
        (Figure::Bytes, each(before.private_dirty, after.private_dirty)),
        (Figure::ResidentBytes, each(before.resident, after.resident)),
        (
            Figure::CpuPerClient,
            cpu_after.saturating_sub(cpu_before).as_secs_f64() * 1e6 / as_float(connections as u64),
        ),
    ];
    Ok(Sample {
        figures,
        faults: Faults::default(),
    })
}

/// The memory of a process once it has not changed for a second, or after ten.
fn settled(process: u32) -> io::Result<usage::Memory> {
    let begun = Instant::now();
    let mut last = (usage::memory(process)?, Instant::now());
    while last.1.elapsed() < Duration::from_secs(1) && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(100));
        let now = usage::memory(process)?;
        if now.private_dirty != last.0.private_dirty {
            last = (now, Instant::now());
        }
    }
    Ok(last.0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a run are far below two to the 53rd"
)]
fn as_float(count: u64) -> f64 {
    count as f64
}
