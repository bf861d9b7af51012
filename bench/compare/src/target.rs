//! What burgee must reach, and whether it does.
//!
//! Must hold: a target is judged from the same runs that the table shows, in both scales; a target without figures is
//! told as such.

use crate::contestant::Contestant::{self, Burgee, Floor, Mosquitto, Sharded};
use crate::figure::{Figure, three};
use crate::results::Results;
use crate::table::Rows;

/// How a figure of burgee's is judged.
#[derive(Debug, Clone, Copy)]
enum Goal {
    /// At most so much.
    AtMost(f64),
    /// At most so many times another's figure of the same case.
    AtMostTimes(f64, Contestant),
    /// At least so many times another's figure of the same case.
    AtLeastTimes(f64, Contestant),
    /// At most so many times its own figure of another case.
    AtMostTimesCase(f64, &'static str),
    /// At most so many times that of burgee with one shard, by burgee with two.
    SecondShard(f64),
    /// At least so much.
    AtLeast(f64),
    /// Not below any other broker's.
    Highest,
    /// Not above any other broker's.
    Lowest,
}

use Goal::{AtLeast, AtLeastTimes, AtMost, AtMostTimes, AtMostTimesCase, Highest, Lowest, SecondShard};

const MIB: f64 = 1_048_576.0;

/// Case, figure, goal.
const TARGETS: &[(&str, Figure, Goal)] = &[
    ("p2p-qos0", Figure::Cpu, AtMostTimes(2.0, Floor)),
    ("p2p-qos1", Figure::Cpu, AtMostTimes(2.0, Floor)),
    ("p2p-qos2", Figure::Cpu, AtMostTimes(2.0, Floor)),
    ("p2p-qos0", Figure::Cpu, AtMostTimes(1.0 / 15.0, Mosquitto)),
    ("p2p-qos0", Figure::Rate, Highest),
    ("p2p-qos1", Figure::Rate, Highest),
    ("p2p-qos2", Figure::Rate, Highest),
    ("fanin", Figure::Cpu, AtMostTimes(2.0, Floor)),
    ("fanout-qos0", Figure::Cpu, AtMostTimes(1.7, Floor)),
    ("fanout-qos1", Figure::Cpu, AtMostTimes(1.7, Floor)),
    ("latency-qos0", Figure::P50, AtMostTimes(1.15, Floor)),
    ("latency-qos1", Figure::P50, AtMostTimes(1.15, Floor)),
    ("latency-qos0", Figure::P99, Lowest),
    ("latency-qos1", Figure::P99, Lowest),
    ("latency-qos0", Figure::P999, Lowest),
    ("latency-qos1", Figure::P999, Lowest),
    ("latency-qos0", Figure::Cpu, AtMostTimes(1.15, Floor)),
    ("latency-qos1", Figure::Cpu, AtMostTimes(1.15, Floor)),
    ("idle", Figure::BytesPerConnection, AtMost(650.0)),
    ("idle", Figure::IdleCpu, AtMost(0.1)),
    ("subscriptions", Figure::BytesPerSubscription, AtMost(150.0)),
    (
        "subscriptions",
        Figure::CpuPerPublished,
        AtMostTimesCase(1.5, "subscriptions-few"),
    ),
    ("subscriptions", Figure::SubscribeGrowth, AtMost(1.5)),
    ("retained", Figure::Lost, AtMost(0.0)),
    ("retained", Figure::RetainedOverhead, AtMost(100.0)),
    ("connect", Figure::CpuPerConnect, AtMostTimes(1.4, Floor)),
    ("storm", Figure::CpuPerConnect, AtMostTimes(1.4, Floor)),
    ("storm", Figure::Refused, AtMost(0.0)),
    ("large-64k", Figure::Throughput, AtLeastTimes(0.8, Floor)),
    ("large-1m", Figure::Throughput, AtLeastTimes(0.8, Floor)),
    ("slow", Figure::KeptRate, AtLeast(0.95)),
    ("slow", Figure::Grown, AtMost(65.0 * MIB)),
    ("shards-qos0", Figure::Cpu, SecondShard(1.35)),
    ("shards-qos1", Figure::Cpu, SecondShard(1.35)),
];

/// One target as judged.
#[derive(Debug, PartialEq)]
struct Judged {
    goal: String,
    figure: String,
    met: bool,
}

/// The targets of those cases that were run, as a table, and how many of how many are met.
pub(crate) fn table(results: &Results, title: impl Fn(&str) -> Option<String>) -> (Rows, usize, usize) {
    let mut rows: Rows = vec![
        ["scenario", "figure", "target", "measured", "met"]
            .map(str::to_owned)
            .into(),
    ];
    let (mut met, mut all) = (0, 0);
    for (case, figure, goal) in TARGETS {
        let Some(title) = title(case) else { continue };
        all += 1;
        let mut row = vec![title, figure.name().to_owned()];
        if let Some(judged) = judge(results, case, *figure, *goal) {
            met += usize::from(judged.met);
            let verdict = if judged.met { "yes" } else { "**no**" };
            row.extend([judged.goal, judged.figure, verdict.to_owned()]);
        } else {
            row.extend([describe(*figure, *goal), "–".to_owned(), "not measured".to_owned()]);
        }
        rows.push(row);
    }
    (rows, met, all)
}

fn describe(figure: Figure, goal: Goal) -> String {
    match goal {
        AtMost(most) => format!("≤ {}", figure.print(most)),
        AtLeast(least) => format!("≥ {}", figure.print(least)),
        AtMostTimes(most, other) => format!("≤ {} × {}", three(most), other.name()),
        AtLeastTimes(least, other) => format!("≥ {} × {}", three(least), other.name()),
        AtMostTimesCase(most, _) => format!("≤ {} × with 1,000 subscriptions", three(most)),
        SecondShard(most) => format!("≤ {} × one shard", three(most)),
        Highest => "the highest of all brokers".to_owned(),
        Lowest => "not above the best of the others".to_owned(),
    }
}

fn judge(results: &Results, case: &str, figure: Figure, goal: Goal) -> Option<Judged> {
    let own = || results.median(case, Burgee, figure);
    let (value, text, met) = match goal {
        AtMost(most) => {
            let value = own()?;
            (value, figure.print(value), value <= most)
        }
        AtLeast(least) => {
            let value = own()?;
            (value, figure.print(value), value >= least)
        }
        AtMostTimes(most, other) => {
            let ratio = results.ratio(figure, (case, Burgee), (case, other))?;
            (ratio, three(ratio), ratio <= most)
        }
        AtLeastTimes(least, other) => {
            let ratio = results.ratio(figure, (case, Burgee), (case, other))?;
            (ratio, three(ratio), ratio >= least)
        }
        AtMostTimesCase(most, other) => {
            let ratio = results.ratio(figure, (case, Burgee), (other, Burgee))?;
            (ratio, three(ratio), ratio <= most)
        }
        SecondShard(most) => {
            let ratio = results.ratio(figure, (case, Sharded), (case, Burgee))?;
            (ratio, three(ratio), ratio <= most)
        }
        Highest | Lowest => {
            let value = own()?;
            let (best, other) = best_peer(results, case, figure, matches!(goal, Highest))?;
            let met = if matches!(goal, Highest) {
                value >= best
            } else {
                value <= best
            };
            let text = format!("{}; {}: {}", figure.print(value), other.name(), figure.print(best));
            (value, text, met)
        }
    };
    value.is_finite().then(|| Judged {
        goal: describe(figure, goal),
        figure: text,
        met,
    })
}

/// The best of the other brokers. The floor is none.
fn best_peer(results: &Results, case: &str, figure: Figure, highest: bool) -> Option<(f64, Contestant)> {
    let peers = Contestant::PEERS
        .into_iter()
        .filter_map(|who| Some((results.median(case, who, figure)?, who)));
    if highest {
        peers.max_by(|a, b| a.0.total_cmp(&b.0))
    } else {
        peers.min_by(|a, b| a.0.total_cmp(&b.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::results;

    #[test]
    fn ratios_are_held_against_their_limit() {
        let results = results(
            "p2p-qos0",
            "process.cpu_us_per_message",
            &[(Burgee, &[0.30]), (Floor, &[0.15]), (Mosquitto, &[3.0])],
        );
        let met = |goal| judge(&results, "p2p-qos0", Figure::Cpu, goal).unwrap().met;
        assert!(met(AtMostTimes(2.0, Floor)));
        assert!(!met(AtMostTimes(1.9, Floor)));
        assert!(!met(AtMostTimes(1.0 / 15.0, Mosquitto)));
        assert_eq!(judge(&results, "p2p-qos0", Figure::Rate, Highest), None);
    }

    #[test]
    fn the_floor_is_no_rival() {
        let results = results(
            "p2p-qos0",
            "messages.rate",
            &[(Burgee, &[4e6]), (Floor, &[5e6]), (Contestant::Nats, &[3e6])],
        );
        let judged = judge(&results, "p2p-qos0", Figure::Rate, Highest).unwrap();
        assert_eq!((judged.met, judged.figure.as_str()), (true, "4.00M; nats: 3.00M"));
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        let (rows, met, all) = table(&Results::default(), |case| Some(case.to_owned()));
        assert_eq!((rows.len(), met, all), (TARGETS.len() + 1, 0, TARGETS.len()));
        assert!(rows.iter().skip(1).all(|row| row[4] == "not measured"));
    }
}
