//! What a run is told as: text between markers of `docs/performance.md`, and charts beside it.

use std::fs;
use std::io;
use std::path::Path;

use crate::case::{Case, Scale};
use crate::chart;
use crate::contestant::Contestant;
use crate::growth::{self, Series};
use crate::page;
use crate::programs::{self, Programs};
use crate::results::Results;
use crate::table::{self, markdown};
use crate::target;

const PAGE: &str = "docs/performance.md";
const CHARTS: &str = "docs/performance";

/// See the module.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) text: String,
    /// Its place in the page.
    marker: &'static str,
    /// Name and content of its chart.
    chart: Option<(&'static str, String)>,
}

/// The machine, the versions and how often, in a sentence or two.
pub(crate) fn context(programs: &Programs, rounds: usize, scale: Scale) -> String {
    let versions = Contestant::ALL.into_iter().filter_map(|who| {
        let told = !matches!(who, Contestant::Sharded | Contestant::Floor);
        let version = programs.version(who).filter(|_| told)?;
        Some(format!("{} {version}", who.name()))
    });
    let versions: Vec<String> = versions.collect();
    let [warm_up, duration] = scale.seconds();
    let rounds = match rounds {
        1 => "One round".to_owned(),
        more => format!("{more} rounds"),
    };
    format!(
        "{rounds}, {warm_up} s of warm-up and {duration} s measured. {}. {}.",
        programs::machine(),
        versions.join(", ")
    )
}

impl Report {
    pub(crate) fn comparison(results: &Results, cases: &[Case], context: &str) -> Self {
        let mut contestants = vec![Contestant::Burgee, Contestant::Floor];
        contestants.extend(Contestant::PEERS);
        contestants.retain(|who| results.has(*who));
        let title = |name: &str| {
            let case = cases.iter().find(|case| case.name == name)?;
            Some(case.title.clone())
        };
        let (targets, met, all) = target::table(results, title);
        let main: Vec<Case> = cases
            .iter()
            .filter(|case| !case.contestants.contains(&Contestant::Sharded))
            .cloned()
            .collect();
        let chart = chart::multiples(results, &main, &contestants);
        let mut text = format!("{context}\n\n");
        if chart.is_some() {
            text.push_str("![CPU time as multiples of the floor](performance/compare.svg)\n\n");
        }
        text.push_str(&markdown(&table::figures(results, &main, &contestants)));
        let shards = table::shards(results, cases);
        if shards.len() > 1 {
            text.push_str("\nOne shard and two, both free to run on any core:\n\n");
            text.push_str(&markdown(&shards));
        }
        let remarks = table::remarks(results, cases, &Contestant::ALL);
        if !remarks.is_empty() {
            text.push_str("\nNot measured, or not as it should be:\n\n");
            text.push_str(&remarks);
        }
        text.extend([
            "\n### Targets: ",
            &met.to_string(),
            " of ",
            &all.to_string(),
            " met\n\n",
        ]);
        text.push_str(&markdown(&targets));
        Self {
            text,
            marker: "compare",
            chart: chart.map(|chart| ("compare.svg", chart)),
        }
    }

    pub(crate) fn growth(results: &Results, series: &[Series], context: &str) -> Self {
        let cases: Vec<Case> = series.iter().flat_map(Series::cases).cloned().collect();
        let mut text = format!("{context}\n\n![How cost grows](performance/growth.svg)\n\n");
        text.push_str(&markdown(&growth::table(results, series)));
        let remarks = table::remarks(results, &cases, &growth::CONTESTANTS);
        if !remarks.is_empty() {
            text.push_str("\nNot measured, or not as it should be:\n\n");
            text.push_str(&remarks);
        }
        Self {
            text,
            marker: "growth",
            chart: Some(("growth.svg", growth::chart(results, series))),
        }
    }

    /// Into the page, and the chart beside it.
    pub(crate) fn write(&self) -> io::Result<()> {
        page::replace(Path::new(PAGE), self.marker, &self.text)?;
        if let Some((name, chart)) = &self.chart {
            fs::create_dir_all(CHARTS)?;
            fs::write(Path::new(CHARTS).join(name), chart)?;
        }
        eprintln!("written into {PAGE}");
        Ok(())
    }
}
