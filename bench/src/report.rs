//! Samples into a table: median, least and greatest for each broker, and burgee's part of Mosquitto's.

use crate::brokers::Broker;
use crate::load::check::Faults;
use crate::scenario::{Figure, Sample, Scenario};

/// All samples of a comparison, in the order in which they were taken.
#[derive(Debug, Default)]
pub(crate) struct Report {
    samples: Vec<(Scenario, Broker, Sample)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    median: f64,
    least: f64,
    greatest: f64,
}

/// What this piece of work promises; each is burgee's figure, and what it is held against.
const PROMISES: [(Scenario, Figure, &str); 2] = [
    (
        Scenario::Idle,
        Figure::Bytes,
        "an idle connection costs under 800 bytes",
    ),
    (
        Scenario::Pairs(0),
        Figure::CpuPerMessage,
        "a QoS 0 message costs under a quarter of Mosquitto's CPU time",
    ),
];

impl Report {
    pub(crate) fn add(&mut self, scenario: Scenario, broker: Broker, sample: Sample) {
        self.samples.push((scenario, broker, sample));
    }

    /// Messages that went wrong with one broker at QoS 1 or 2.
    pub(crate) fn broken_promises(&self, broker: Broker) -> bool {
        self.samples
            .iter()
            .any(|(scenario, by, sample)| *by == broker && scenario.qos() > 0 && sample.faults.any())
    }

    /// The whole report.
    pub(crate) fn print(&self, brokers: &[Broker], markdown: bool) -> String {
        let mut rows = vec![heading(brokers)];
        for scenario in Scenario::ALL {
            for figure in self.figures(scenario) {
                rows.push(self.row(scenario, figure, brokers));
            }
        }
        let mut text = if markdown {
            as_markdown(&rows)
        } else {
            as_columns(&rows)
        };
        text.push('\n');
        for &broker in brokers {
            let faults = self.faults(broker);
            text.push_str(&account(broker, faults));
        }
        for (scenario, figure, promise) in PROMISES {
            if let Some(kept) = self.kept(scenario, figure) {
                text.extend([promise, if kept { ": yes\n" } else { ": NO\n" }]);
            }
        }
        text
    }

    fn figures(&self, scenario: Scenario) -> Vec<Figure> {
        let sample = self.samples.iter().find(|(of, _, _)| *of == scenario);
        sample.map_or_else(Vec::new, |(_, _, sample)| {
            sample.figures.iter().map(|(figure, _)| *figure).collect()
        })
    }

    fn row(&self, scenario: Scenario, figure: Figure, brokers: &[Broker]) -> Vec<String> {
        let mut row = vec![scenario.name().to_owned(), figure.name().to_owned()];
        for &broker in brokers {
            row.push(
                self.spread(scenario, figure, broker)
                    .map_or_else(|| "-".to_owned(), |spread| spread.print(figure)),
            );
        }
        let ours = self.spread(scenario, figure, Broker::Burgee);
        let theirs = self.spread(scenario, figure, Broker::Mosquitto);
        row.push(match (ours, theirs) {
            (Some(ours), Some(theirs)) if theirs.median > 0.0 && figure.compares() => {
                format!("{:.3}", ours.median / theirs.median)
            }
            _ => String::new(),
        });
        row
    }

    fn spread(&self, scenario: Scenario, figure: Figure, broker: Broker) -> Option<Spread> {
        let samples = self
            .samples
            .iter()
            .filter(|(of, by, _)| *of == scenario && *by == broker);
        let values = samples
            .flat_map(|(_, _, sample)| &sample.figures)
            .filter(|(of, _)| *of == figure);
        Spread::of(values.map(|(_, value)| *value).collect())
    }

    fn faults(&self, broker: Broker) -> Faults {
        let mut all = Faults::default();
        for (_, _, sample) in self.samples.iter().filter(|(_, by, _)| *by == broker) {
            all += sample.faults;
        }
        all
    }

    fn kept(&self, scenario: Scenario, figure: Figure) -> Option<bool> {
        let ours = self.spread(scenario, figure, Broker::Burgee)?.median;
        if figure == Figure::Bytes {
            return Some(ours < 800.0);
        }
        Some(ours < self.spread(scenario, figure, Broker::Mosquitto)?.median / 4.0)
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (&least, &greatest) = (values.first()?, values.last()?);
        let (low, high) = (values.get((values.len() - 1) / 2)?, values.get(values.len() / 2)?);
        Some(Self {
            median: f64::midpoint(*low, *high),
            least,
            greatest,
        })
    }

    fn print(self, figure: Figure) -> String {
        let number = |value| figure.number(value);
        format!(
            "{} ({}-{})",
            number(self.median),
            number(self.least),
            number(self.greatest)
        )
    }
}

impl Figure {
    fn name(self) -> &'static str {
        match self {
            Self::CpuPerMessage => "CPU us/message",
            Self::Rate => "messages/s",
            Self::BrokerBusy => "broker busy %",
            Self::GeneratorBusy => "generator busy %",
            Self::Bytes => "bytes/connection",
            Self::ResidentBytes => "resident bytes/connection",
            Self::CpuPerClient => "CPU us/client",
        }
    }

    /// One figure with its name.
    pub(crate) fn print(self, value: f64) -> String {
        format!("{} {}", self.number(value), self.name())
    }

    /// Whether a ratio of this figure says anything.
    fn compares(self) -> bool {
        !matches!(self, Self::BrokerBusy | Self::GeneratorBusy)
    }

    fn number(self, value: f64) -> String {
        match self {
            Self::CpuPerMessage => format!("{value:.3}"),
            Self::Rate => format!("{:.0}k", value / 1000.0),
            Self::BrokerBusy | Self::GeneratorBusy => format!("{:.0}", value * 100.0),
            Self::Bytes | Self::ResidentBytes => format!("{value:.0}"),
            Self::CpuPerClient => format!("{value:.1}"),
        }
    }
}

fn heading(brokers: &[Broker]) -> Vec<String> {
    let mut row = vec!["scenario".to_owned(), "figure".to_owned()];
    row.extend(brokers.iter().map(|broker| broker.name().to_owned()));
    row.push("burgee / mosquitto".to_owned());
    row
}

fn account(broker: Broker, faults: Faults) -> String {
    let Faults {
        lost,
        duplicated,
        reordered,
        stray,
    } = faults;
    format!(
        "{}: {lost} lost, {duplicated} duplicated, {reordered} out of order, {stray} stray\n",
        broker.name()
    )
}

fn as_markdown(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (n, row) in rows.iter().enumerate() {
        text.extend(["| ", &row.join(" | "), " |\n"]);
        if n == 0 {
            text.extend(["|", &"---|".repeat(row.len()), "\n"]);
        }
    }
    text
}

fn as_columns(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |n: usize| {
        rows.iter()
            .filter_map(|row| row.get(n))
            .map(String::len)
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(ours: &[f64], theirs: &[f64]) -> Report {
        let mut report = Report::default();
        for (broker, values) in [(Broker::Burgee, ours), (Broker::Mosquitto, theirs)] {
            for &value in values {
                let sample = Sample {
                    figures: vec![(Figure::CpuPerMessage, value)],
                    faults: Faults::default(),
                };
                report.add(Scenario::Pairs(0), broker, sample);
            }
        }
        report
    }

    #[test]
    fn medians_spreads_and_the_ratio_are_printed() {
        let text = report(&[2.0, 1.0, 9.0], &[10.0, 20.0]).print(&[Broker::Burgee, Broker::Mosquitto], true);
        assert!(
            text.contains("| pairs-qos0 | CPU us/message | 2.000 (1.000-9.000) | 15.000 (10.000-20.000) | 0.133 |"),
            "{text}"
        );
        assert!(text.contains("quarter of Mosquitto's CPU time: yes"), "{text}");
    }

    #[test]
    fn a_promise_not_kept_is_said() {
        assert!(
            report(&[5.0], &[10.0])
                .print(&[Broker::Burgee], false)
                .contains("CPU time: NO")
        );
    }

    #[test]
    fn a_loss_at_qos_1_breaks_the_run() {
        let mut report = report(&[1.0], &[1.0]);
        let faults = Faults {
            lost: 1,
            ..Faults::default()
        };
        report.add(
            Scenario::Pairs(0),
            Broker::Burgee,
            Sample {
                figures: Vec::new(),
                faults,
            },
        );
        assert!(!report.broken_promises(Broker::Burgee));
        report.add(
            Scenario::Pairs(1),
            Broker::Burgee,
            Sample {
                figures: Vec::new(),
                faults,
            },
        );
        assert!(report.broken_promises(Broker::Burgee));
    }
}
