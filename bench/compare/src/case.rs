//! The cases: what is done to each contestant, and which figures come of it.
//!
//! Must hold: each run is bounded in time. Deliberately absent: how it is done; the generator knows.

use std::time::Duration;

use crate::contestant::Contestant;
use crate::figure::{Figure, grouped};

/// One thing that is done to contestants.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// As the table says it.
    pub(crate) title: String,
    /// For the generator: the scenario and its options.
    pub(crate) arguments: Vec<String>,
    /// What is told of it.
    pub(crate) figures: &'static [Figure],
    pub(crate) contestants: Vec<Contestant>,
    /// The broker has one core to itself; otherwise the kernel decides.
    pub(crate) pinned: bool,
    /// Connections that stay open beside it and say nothing.
    pub(crate) beside: usize,
    /// How long one run may take.
    pub(crate) patience: Duration,
}

/// How much of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scale {
    /// Short times and small numbers: shows that it works.
    pub(crate) quick: bool,
}

const TRAFFIC: &[Figure] = &[Figure::Cpu, Figure::Rate];
const LATENCY: &[Figure] = &[Figure::P50, Figure::P99, Figure::P999, Figure::Cpu];
const IDLE: &[Figure] = &[Figure::BytesPerConnection, Figure::CpuPerClient, Figure::IdleCpu];
const SUBSCRIPTIONS: &[Figure] = &[
    Figure::BytesPerSubscription,
    Figure::SubscribeGrowth,
    Figure::CpuPerPublished,
    Figure::Receivers,
];
const RETAINED: &[Figure] = &[
    Figure::RetainedOverhead,
    Figure::RetainedRate,
    Figure::Lost,
    Figure::BystanderP99,
];
const CONNECT: &[Figure] = &[Figure::CpuPerConnect, Figure::ConnectRate];
const STORM: &[Figure] = &[
    Figure::CpuPerConnect,
    Figure::ConnectRate,
    Figure::Refused,
    Figure::BystanderP99,
];
const LARGE: &[Figure] = &[Figure::Throughput, Figure::Cpu, Figure::Grown];
const SLOW: &[Figure] = &[Figure::KeptRate, Figure::Grown];

impl Scale {
    /// A number, or less of it in a quick run.
    fn of(self, whole: u32, quick: u32) -> u32 {
        if self.quick { quick } else { whole }
    }

    /// The warm-up and the measured time of one run, in seconds.
    pub(crate) fn seconds(self) -> [&'static str; 2] {
        if self.quick { ["0.3", "1"] } else { ["1", "3"] }
    }

    /// A case from the words of its command line, timed.
    pub(crate) fn traffic(self, name: &str, title: &str, words: &str) -> Case {
        let [warm_up, duration] = self.seconds();
        let timed = format!("{words} --warm-up {warm_up} --duration {duration}");
        self.case(name, title, &timed, TRAFFIC)
    }

    fn case(self, name: &str, title: &str, words: &str, figures: &'static [Figure]) -> Case {
        let mut contestants = vec![Contestant::Burgee, Contestant::Floor];
        contestants.extend(Contestant::PEERS);
        Case {
            name: name.to_owned(),
            title: title.to_owned(),
            arguments: words.split_whitespace().map(str::to_owned).collect(),
            figures,
            contestants,
            pinned: true,
            beside: 0,
            patience: Duration::from_secs(if self.quick { 15 } else { 60 }),
        }
    }

    /// All cases of the comparison.
    pub(crate) fn cases(self) -> Vec<Case> {
        let [warm_up, duration] = self.seconds();
        let timed = |words: &str| format!("{words} --warm-up {warm_up} --duration {duration}");
        let mut cases = vec![
            self.traffic("p2p-qos0", "50 pairs, QoS 0", "p2p --qos 0"),
            self.traffic("p2p-qos1", "50 pairs, QoS 1", "p2p --qos 1"),
            self.traffic("p2p-qos2", "50 pairs, QoS 2", "p2p --qos 2"),
            self.traffic("p2p-window4", "50 pairs, QoS 0, window 4", "p2p --qos 0 --window 4"),
            self.traffic("fanin", "100 to 1, QoS 0", "fanin --publishers 100"),
            self.traffic("fanout-qos0", "1 to 1,000, QoS 0", "fanout --subscribers 1000"),
            self.traffic("fanout-qos1", "1 to 1,000, QoS 1", "fanout --subscribers 1000 --qos 1"),
            self.case(
                "latency-qos0",
                "20,000/s over 50 pairs, QoS 0",
                &timed("latency --rate 20000 --qos 0"),
                LATENCY,
            ),
            self.case(
                "latency-qos1",
                "20,000/s over 50 pairs, QoS 1",
                &timed("latency --rate 20000 --qos 1"),
                LATENCY,
            ),
        ];
        cases.extend(self.crowds());
        cases.extend(self.payloads());
        cases.extend(self.shards());
        cases
    }

    /// Cases of many clients, subscriptions or messages that stay.
    fn crowds(self) -> Vec<Case> {
        let quiet = if self.quick { "1" } else { "3" };
        let idle = self.of(15_000, 2_000);
        let many = self.of(1_000_000, 100_000);
        let [connects, storm] = [self.of(3_000, 1_000), self.of(5_000, 1_000)];
        let retained = self.of(200_000, 20_000);
        let mut cases = vec![
            self.case(
                "idle",
                &format!("{} idle connections", grouped(idle)),
                &format!("idle --connections {idle} --quiet-seconds {quiet}"),
                IDLE,
            ),
            self.case(
                "subscriptions",
                &format!("{} subscriptions of 997 clients", grouped(many)),
                &self.subscriptions(many),
                SUBSCRIPTIONS,
            ),
            self.case(
                "subscriptions-few",
                "1,000 subscriptions of 997 clients",
                &self.subscriptions(1_000),
                SUBSCRIPTIONS,
            ),
            self.case(
                "retained",
                &format!("{} retained messages", grouped(retained)),
                &format!("retained --count {retained}"),
                RETAINED,
            ),
            self.case(
                "connect",
                &format!("{} clients, one after the other", grouped(connects)),
                &format!("connect --count {connects}"),
                CONNECT,
            ),
            self.case(
                "storm",
                &format!("{} persistent clients at once", grouped(storm)),
                &format!("connect --storm {storm} --persistent"),
                STORM,
            ),
        ];
        // The floor knows neither wildcards nor retained messages.
        for case in &mut cases {
            if case.name.starts_with("subscriptions") || case.name == "retained" {
                case.contestants.retain(|who| *who != Contestant::Floor);
            }
        }
        cases
    }

    /// So many filters, and messages to some of them. The number of clients is prime: with a round one, the topics of a
    /// million filters would all fall to a few clients, and sending together would hide what finding them costs.
    pub(crate) fn subscriptions(self, filters: u32) -> String {
        let messages = self.of(100_000, 10_000);
        format!("subscriptions --filters {filters} --clients 997 --messages {messages}")
    }

    fn payloads(self) -> Vec<Case> {
        let [warm_up, duration] = self.seconds();
        let timed = format!("--warm-up {warm_up} --duration {duration}");
        vec![
            self.case(
                "large-64k",
                "64 KiB, 1 to 100",
                &format!("large --payload 64KiB --subscribers 100 {timed}"),
                LARGE,
            ),
            self.case(
                "large-1m",
                "1 MiB, 1 to 100",
                &format!("large --payload 1MiB --subscribers 100 {timed}"),
                LARGE,
            ),
            self.case(
                "slow",
                "1 of 100 subscribers stalled, 16 KiB",
                &format!("slow --subscribers 100 --stalled 1 --payload 16KiB {timed}"),
                SLOW,
            ),
        ]
    }

    /// One shard and two, where the kernel puts them: half of the messages cross.
    fn shards(self) -> Vec<Case> {
        [0, 1]
            .map(|qos| Case {
                contestants: vec![Contestant::Burgee, Contestant::Sharded],
                pinned: false,
                ..self.traffic(
                    &format!("shards-qos{qos}"),
                    &format!("50 pairs, QoS {qos}, no core of its own"),
                    &format!("p2p --qos {qos}"),
                )
            })
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_arguments_begin_with_a_scenario() {
        let cases = Scale { quick: false }.cases();
        let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), cases.len());
        for case in &cases {
            assert!(!case.arguments[0].starts_with('-'), "{}", case.name);
            assert!(!case.figures.is_empty());
        }
    }
}
