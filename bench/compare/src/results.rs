//! What the runs came to, and what can be asked of it: medians, spreads, ratios.
//!
//! Must hold: a ratio is taken within a round, where both sides had the same minutes of the machine, and the median
//! is taken of those.

use serde_json::{Value, json};

use crate::contestant::Contestant;
use crate::figure::Figure;

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) case: String,
    pub(crate) who: Contestant,
    pub(crate) round: usize,
    /// The generator's report, or why there is none.
    pub(crate) report: Result<Value, String>,
}

/// All runs, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Results {
    samples: Vec<Sample>,
}

/// The middle of several values, the least and the greatest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (&least, &greatest) = (values.first()?, values.last()?);
        let (low, high) = (values.get((values.len() - 1) / 2)?, values.get(values.len() / 2)?);
        Some(Self {
            median: f64::midpoint(*low, *high),
            least,
            greatest,
        })
    }
}

impl Results {
    pub(crate) fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    #[cfg(test)]
    pub(crate) fn extend(&mut self, more: Self) {
        self.samples.extend(more.samples);
    }

    fn of(&self, case: &str, who: Contestant) -> impl Iterator<Item = &Sample> {
        self.samples
            .iter()
            .filter(move |sample| sample.who == who && sample.case == case)
    }

    /// A figure of each round in which there is one.
    fn values(&self, case: &str, who: Contestant, figure: Figure) -> Vec<(usize, f64)> {
        let values = self.of(case, who).filter_map(|sample| {
            let value = figure.of(sample.report.as_ref().ok()?)?;
            Some((sample.round, value))
        });
        values.collect()
    }

    pub(crate) fn spread(&self, case: &str, who: Contestant, figure: Figure) -> Option<Spread> {
        let values = self.values(case, who, figure);
        Spread::of(values.into_iter().map(|(_, value)| value).collect())
    }

    pub(crate) fn median(&self, case: &str, who: Contestant, figure: Figure) -> Option<f64> {
        Some(self.spread(case, who, figure)?.median)
    }

    /// How many times the second's figure the first's is.
    pub(crate) fn ratio(
        &self,
        figure: Figure,
        (case, who): (&str, Contestant),
        (other_case, other): (&str, Contestant),
    ) -> Option<f64> {
        let theirs = self.values(other_case, other, figure);
        let ours = self.values(case, who, figure);
        let ratios = ours.iter().filter_map(|(round, ours)| {
            let (_, theirs) = theirs.iter().find(|(other, _)| other == round)?;
            (*theirs > 0.0).then(|| ours / theirs)
        });
        Some(Spread::of(ratios.collect())?.median)
    }

    /// Why there is no report: the first reason.
    pub(crate) fn reason(&self, case: &str, who: Contestant) -> Option<&str> {
        self.of(case, who)
            .find_map(|sample| sample.report.as_ref().err().map(String::as_str))
    }

    /// Whether the promise of the QoS was kept in all rounds of a case.
    pub(crate) fn kept(&self, case: &str, who: Contestant) -> bool {
        self.of(case, who).all(|sample| !broke(sample))
    }

    /// What broke the promise of its QoS, as sentences.
    pub(crate) fn broken(&self, who: impl Fn(Contestant) -> bool) -> Vec<String> {
        let broken = self.samples.iter().filter(|sample| who(sample.who) && broke(sample));
        let broken = broken.map(|sample| {
            let faults = sample.report.as_ref().ok().and_then(|report| report.get("faults"));
            let faults = faults.cloned().unwrap_or_default();
            format!(
                "{}, {}, round {}: {faults}",
                sample.who.name(),
                sample.case,
                sample.round
            )
        });
        broken.collect()
    }

    /// Whether the generator was the limit in some run of a case.
    pub(crate) fn generator_limited(&self, case: &str, who: Contestant) -> bool {
        self.of(case, who).any(|sample| {
            let limited = sample.report.as_ref().ok().and_then(|report| {
                let generator = report.get("generator")?;
                generator.get("limited")?.as_bool()
            });
            limited == Some(true)
        })
    }

    /// Whether there is anything, even a reason, of this contestant.
    pub(crate) fn has(&self, who: Contestant) -> bool {
        self.samples.iter().any(|sample| sample.who == who)
    }

    /// For a file.
    pub(crate) fn to_json(&self) -> Value {
        let samples = self.samples.iter().map(|sample| {
            let (report, error) = match &sample.report {
                Ok(report) => (report.clone(), Value::Null),
                Err(error) => (Value::Null, Value::from(error.as_str())),
            };
            json!({
                "case": sample.case, "broker": sample.who.name(), "round": sample.round,
                "report": report, "error": error,
            })
        });
        Value::Array(samples.collect())
    }

    /// From a file. `None`: it is none of ours.
    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let samples = value.as_array()?.iter().map(|sample| {
            let report = sample.get("report")?;
            let error = sample.get("error").and_then(Value::as_str);
            Some(Sample {
                case: sample.get("case")?.as_str()?.to_owned(),
                who: Contestant::named(sample.get("broker")?.as_str()?)?,
                round: usize::try_from(sample.get("round")?.as_u64()?).ok()?,
                report: error.map_or_else(|| Ok(report.clone()), |error| Err(error.to_owned())),
            })
        });
        let samples = samples.collect::<Option<Vec<_>>>()?;
        Some(Self { samples })
    }
}

/// Whether the promise of a QoS was broken in a run.
fn broke(sample: &Sample) -> bool {
    sample
        .report
        .as_ref()
        .is_ok_and(|report| report.get("promise_kept").and_then(Value::as_bool) != Some(true))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Results of one figure of one case: contestant and its value in each round.
    pub(crate) fn results(case: &str, figure: &str, values: &[(Contestant, &[f64])]) -> Results {
        let mut results = Results::default();
        let (group, name) = figure.split_once('.').unwrap();
        for &(who, values) in values {
            for (round, value) in (1..).zip(values) {
                results.add(Sample {
                    case: case.to_owned(),
                    who,
                    round,
                    report: Ok(json!({ group: { name: value }, "promise_kept": true })),
                });
            }
        }
        results
    }

    #[test]
    fn a_ratio_is_taken_within_rounds() {
        let ours = (Contestant::Burgee, &[1.0, 10.0, 2.0][..]);
        let theirs = (Contestant::Floor, &[1.0, 5.0, 1.0][..]);
        let results = results("p2p", "process.cpu_us_per_message", &[ours, theirs]);
        let at = |who| ("p2p", who);
        let ratio = results.ratio(Figure::Cpu, at(Contestant::Burgee), at(Contestant::Floor));
        assert_eq!(ratio, Some(2.0));
        let spread = results.spread("p2p", Contestant::Burgee, Figure::Cpu).unwrap();
        assert_eq!((spread.least, spread.median, spread.greatest), (1.0, 2.0, 10.0));
        assert_eq!(
            results.ratio(Figure::Cpu, at(Contestant::Burgee), at(Contestant::Nats)),
            None
        );
    }

    #[test]
    fn a_file_gives_back_what_was_put_into_it() {
        let mut before = results("p2p", "messages.rate", &[(Contestant::Nats, &[3.0])]);
        before.add(Sample {
            case: "idle".to_owned(),
            who: Contestant::Aedes,
            round: 2,
            report: Err("not done within 60 s".to_owned()),
        });
        let after = Results::from_json(&before.to_json()).unwrap();
        assert_eq!(after.median("p2p", Contestant::Nats, Figure::Rate), Some(3.0));
        assert_eq!(after.reason("idle", Contestant::Aedes), Some("not done within 60 s"));
        assert!(Results::from_json(&json!([{ "case": 1 }])).is_none());
    }

    #[test]
    fn a_broken_promise_is_told() {
        let mut results = Results::default();
        results.add(Sample {
            case: "p2p-qos1".to_owned(),
            who: Contestant::Burgee,
            round: 1,
            report: Ok(json!({ "promise_kept": false, "faults": { "lost": 1 } })),
        });
        let told = results.broken(Contestant::is_burgee);
        assert_eq!(told, [r#"burgee, p2p-qos1, round 1: {"lost":1}"#]);
        assert!(results.broken(|who| who == Contestant::Nats).is_empty());
    }
}
