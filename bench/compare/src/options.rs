//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::contestant::Contestant;

/// Measure burgee, the floor and other brokers side by side, and write tables and charts.
///
/// Use scripts/compare: it installs the other brokers and builds what is measured.
#[derive(Debug, Parser)]
#[command(name = "scripts/compare")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own on the command line"
)]
pub(crate) struct Options {
    /// How often each case is run with each broker, the brokers taking turns [default: 3, with --quick 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) rounds: Option<u8>,

    /// One round, short times, small numbers: shows that everything works
    #[arg(long)]
    pub(crate) quick: bool,

    /// Only these, by commas: burgee, burgee-2-shards, floor, mosquitto, rumqttd, nats, aedes
    #[arg(long, value_name = "BROKER", value_delimiter = ',', value_parser = contestant)]
    pub(crate) only: Vec<Contestant>,

    /// Only cases whose name begins so; several, or several by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',', num_args = 1..)]
    pub(crate) scenario: Vec<String>,

    /// How cost grows, instead of the comparison
    #[arg(long)]
    pub(crate) growth: bool,

    /// Write the page also after a run that was quick or left something out
    #[arg(long)]
    pub(crate) write: bool,

    /// Print the names of the cases and end
    #[arg(long)]
    pub(crate) list: bool,

    /// Measure nothing: take the samples from a file that an earlier run left
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,

    /// Where samples are left
    #[arg(
        long,
        value_name = "FILE",
        hide = true,
        default_value = "target/compare/results.json"
    )]
    pub(crate) samples: PathBuf,

    /// Where another broker's program is
    #[arg(long, value_name = "NAME=PATH", hide = true)]
    pub(crate) program: Vec<String>,
}

impl Options {
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.map_or(if self.quick { 1 } else { 3 }, usize::from)
    }

    /// Whether the page is to be written: after whole runs, or when asked.
    pub(crate) fn writes(&self) -> bool {
        self.write || !(self.quick || !self.only.is_empty() || !self.scenario.is_empty())
    }

    /// Whether a case was asked for.
    pub(crate) fn wants(&self, case: &str) -> bool {
        self.scenario.is_empty() || self.scenario.iter().any(|name| case.starts_with(name.as_str()))
    }

    /// Whether a contestant was asked for.
    pub(crate) fn invites(&self, who: Contestant) -> bool {
        self.only.is_empty() || self.only.contains(&who)
    }
}

fn contestant(name: &str) -> Result<Contestant, String> {
    Contestant::named(name).ok_or_else(|| {
        let names = Contestant::ALL.map(Contestant::name);
        format!("one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_runs_write_the_page_unasked() {
        let writes = |words: &[&str]| {
            let words = ["compare"].iter().chain(words);
            Options::try_parse_from(words).unwrap().writes()
        };
        assert!(writes(&[]) && writes(&["--rounds", "5"]) && writes(&["--quick", "--write"]));
        assert!(!writes(&["--quick"]) && !writes(&["--only", "floor"]) && !writes(&["--scenario", "p2p"]));
    }

    #[test]
    fn cases_are_chosen_by_how_their_name_begins() {
        let options = Options::try_parse_from(["compare", "--scenario", "p2p", "idle"]).unwrap();
        assert!(options.wants("p2p-qos0") && options.wants("idle") && !options.wants("fanin"));
        assert!(Options::try_parse_from(["compare", "--only", "nobody"]).is_err());
    }
}
