//! `burgee-bench`: burgee and Debian's Mosquitto side by side in one run. See `docs/performance.md`.
//!
//! Must hold: loopback only; every run is bounded in time and number; only processes started here are ended; nothing
//! is written but to the terminal (and Mosquitto's settings, while it runs). A slow figure never fails a run: only a
//! broken promise about messages does.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool speaks on its terminal"
)]

mod brokers;
mod load;
mod options;
mod relay;
mod report;
mod scenario;
mod usage;

use std::io;
use std::process::ExitCode;

use rustix::process::{Resource, getrlimit, setrlimit};

use brokers::{Broker, Cores, Running};
use options::Options;
use relay::{Mischief, Relay};
use report::Report;
use scenario::{Sample, Scenario};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let done = match command.as_str() {
        "relay" => be_a_relay(&arguments.next().unwrap_or_default()),
        "compare" => Options::read(arguments).map_err(io::Error::other).and_then(compare),
        "load" => Options::read(arguments)
            .map_err(io::Error::other)
            .and_then(|options| load(&options)),
        "--help" | "-h" | "help" => {
            print!("{}", options::HELP);
            Ok(true)
        }
        _ => {
            eprint!("{}", options::HELP);
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("burgee-bench: {e}");
            ExitCode::from(2)
        }
    }
}

/// The whole comparison. False if burgee lost, doubled or reordered what it had promised not to.
fn compare(mut options: Options) -> io::Result<bool> {
    make_room(&mut options)?;
    if options.brokers.contains(&Broker::Burgee) {
        brokers::build_burgee()?;
    }
    println!("{}", usage::machine());
    if options.brokers.contains(&Broker::Mosquitto) {
        println!("against {}", brokers::mosquitto_version()?);
    }
    let cores = Cores::choose()?;
    let mut report = Report::default();
    for round in 1..=options.rounds {
        for &scenario in &options.scenarios {
            for &broker in &options.brokers {
                if broker == Broker::Relay && scenario.qos() > 0 {
                    continue;
                }
                let running = Running::start(broker, cores)?;
                let sample = scenario.run(
                    running.address(),
                    Some(running.process()),
                    options.size,
                    options.measured,
                );
                let sample = sample.map_err(|e| said_by(broker, scenario, &e))?;
                drop(running);
                eprintln!("round {round}: {}: {}", broker.name(), in_a_line(scenario, &sample));
                report.add(scenario, broker, sample);
            }
        }
    }
    print!("\n{}", report.print(&options.brokers, options.markdown));
    Ok(!report.broken_promises(Broker::Burgee))
}

/// Loads a broker that somebody else started.
fn load(options: &Options) -> io::Result<bool> {
    let address = options
        .address
        .ok_or_else(|| io::Error::other("load needs --address"))?;
    let mut options = options.clone();
    make_room(&mut options)?;
    for &scenario in &options.scenarios {
        let sample = scenario.run(address, options.process, options.size, options.measured)?;
        println!("{}", in_a_line(scenario, &sample));
    }
    Ok(true)
}

fn be_a_relay(mischief: &str) -> io::Result<bool> {
    let mischief = Mischief::named(mischief).ok_or_else(|| io::Error::other("a relay can lose, repeat or swap"))?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    println!("listening on tcp://{}", listener.local_addr()?);
    Relay::new(listener, mischief)?.run().map(|()| true)
}

/// Raises the number of open files to what is allowed, for this process and those it starts; asks for fewer
/// connections if that is too few.
fn make_room(options: &mut Options) -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    let most = limit
        .maximum
        .map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
        .saturating_sub(100);
    if options.size.connections > most {
        eprintln!("burgee-bench: only {most} connections: the limit of open files is no higher (ulimit -Hn)");
        options.size.connections = most;
    }
    Ok(())
}

fn in_a_line(scenario: Scenario, sample: &Sample) -> String {
    let figures: Vec<String> = sample
        .figures
        .iter()
        .map(|(figure, value)| figure.print(*value))
        .collect();
    let faults = if sample.faults.any() {
        format!(" {:?}", sample.faults)
    } else {
        String::new()
    };
    format!("{}: {}{faults}", scenario.name(), figures.join(", "))
}

fn said_by(broker: Broker, scenario: Scenario, e: &io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("{} in {}: {e}", broker.name(), scenario.name()))
}
