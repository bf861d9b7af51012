//! The command line.

use std::time::Duration;

use crate::brokers::Broker;
use crate::scenario::{Scenario, Size};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
burgee-bench: burgee and Mosquitto measured side by side

Usage: burgee-bench compare [OPTIONS]    start the brokers in turn, print figures and ratios
       burgee-bench load --address ADDRESS:PORT [--process PID] [OPTIONS]
                                         load a broker that runs already; with its PID, its cost
       burgee-bench relay [MISCHIEF]     be the floor under all figures; or lose, repeat or swap a message

Options:
  --rounds N          rounds, each with a fresh process per broker and scenario [3]
  --seconds N         measured time per run [3]
  --connections N     idle connections [15000]
  --pairs N           publisher-subscriber pairs [50]
  --payload BYTES     payload [64]
  --window N          messages under way per publisher [64]
  --only BROKER       burgee, mosquitto or relay
  --floor             measure the relay too
  --scenario NAME     only scenarios whose name begins so; repeatable:
                      idle, pairs-qos0, pairs-qos1, pairs-qos2, pairs-window4, fan-in, fan-out
  --markdown          print the table for docs/performance.md
";

/// The command line, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) measured: Duration,
    pub(crate) size: Size,
    pub(crate) brokers: Vec<Broker>,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) markdown: bool,
    pub(crate) address: Option<std::net::SocketAddr>,
    pub(crate) process: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rounds: 3,
            measured: Duration::from_secs(3),
            size: Size {
                connections: 15_000,
                pairs: 50,
                payload: 64,
                window: 64,
            },
            brokers: vec![Broker::Burgee, Broker::Mosquitto],
            scenarios: Vec::new(),
            markdown: false,
            address: None,
            process: None,
        }
    }
}

impl Options {
    /// Reads what follows the subcommand.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(name) = arguments.next() {
            match name.as_str() {
                "--markdown" => options.markdown = true,
                "--floor" => options.brokers.push(Broker::Relay),
                _ => {
                    let value = arguments
                        .next()
                        .ok_or_else(|| format!("{name} needs a value (or is unknown)"))?;
                    options.set(&name, &value)?;
                }
            }
        }
        if options.scenarios.is_empty() {
            options.scenarios = Scenario::ALL.to_vec();
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--rounds" => self.rounds = at_least(name, value, &1)?,
            "--seconds" => self.measured = Duration::from_secs(at_least(name, value, &1)?),
            "--connections" => self.size.connections = at_least(name, value, &1)?,
            "--pairs" => self.size.pairs = at_least(name, value, &1)?,
            "--payload" => self.size.payload = at_least(name, value, &crate::load::wire::Mark::LEN)?,
            "--window" => self.size.window = at_least(name, value, &1)?,
            "--address" => self.address = Some(value.parse().map_err(|e| format!("{name} {value}: {e}"))?),
            "--process" => self.process = Some(at_least(name, value, &1)?),
            "--only" => {
                let broker = Broker::ALL.into_iter().find(|broker| broker.name() == value);
                self.brokers = vec![broker.ok_or_else(|| format!("{name} {value}: burgee, mosquitto or relay"))?];
            }
            "--scenario" => {
                let before = self.scenarios.len();
                self.scenarios.extend(
                    Scenario::ALL
                        .into_iter()
                        .filter(|scenario| scenario.name().starts_with(value)),
                );
                if self.scenarios.len() == before {
                    return Err(format!("{name} {value}: no such scenario, see --help"));
                }
            }
            _ => return Err(format!("{name}: unknown, see --help")),
        }
        Ok(())
    }
}

fn at_least<N: std::str::FromStr + PartialOrd + std::fmt::Display>(
    name: &str,
    value: &str,
    least: &N,
) -> Result<N, String> {
    let number = value.parse().ok().filter(|number| number >= least);
    number.ok_or_else(|| format!("{name} {value}: a number, {least} or more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        Options::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn defaults_are_the_documented_run() {
        let options = read("").unwrap();
        assert_eq!(
            (options.rounds, options.size.connections, options.size.pairs),
            (3, 15_000, 50)
        );
        assert_eq!(options.scenarios, Scenario::ALL);
    }

    #[test]
    fn a_scenario_is_named_by_its_beginning() {
        let options = read("--scenario pairs-qos --only relay --rounds 1").unwrap();
        assert_eq!(
            options.scenarios,
            [Scenario::Pairs(0), Scenario::Pairs(1), Scenario::Pairs(2)]
        );
        assert_eq!(options.brokers, [Broker::Relay]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for line in [
            "--rounds 0",
            "--rounds",
            "--only emqx",
            "--scenario x",
            "--payload 4",
            "--speed 9",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
