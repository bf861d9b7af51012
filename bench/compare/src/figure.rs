//! Figures: where each stands in a generator's report, and how it is written down.

use serde_json::Value;

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// CPU time of the broker for each delivered message, in microseconds.
    Cpu,
    /// Delivered messages a second.
    Rate,
    /// Delivered payload bytes a second.
    Throughput,
    P50,
    P99,
    P999,
    /// CPU time of the broker for each connection, in microseconds.
    CpuPerConnect,
    /// The same with a subscription and a ping.
    CpuPerClient,
    ConnectRate,
    Refused,
    /// p99 of others that exchange messages while a storm blows.
    BystanderP99,
    BytesPerConnection,
    /// CPU time of a broker that nobody speaks to, in milliseconds a second.
    IdleCpu,
    BytesPerSubscription,
    /// How many times as long the last tenth of the subscriptions took as the first.
    SubscribeGrowth,
    /// CPU time of the broker for each published message, in microseconds.
    CpuPerPublished,
    /// Copies delivered of each published message.
    Receivers,
    /// Bytes beside topic and payload.
    RetainedOverhead,
    /// Retained messages delivered a second.
    RetainedRate,
    /// What the others keep of their rate while somebody is stalled.
    KeptRate,
    /// Messages of a QoS that promises them, and retained ones, that did not come.
    Lost,
    /// Bytes that the broker grew by in the measured time.
    Grown,
}

impl Figure {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU µs/message",
            Self::Rate => "messages/s",
            Self::Throughput => "payload/s",
            Self::P50 => "p50 µs",
            Self::P99 => "p99 µs",
            Self::P999 => "p99.9 µs",
            Self::CpuPerConnect => "CPU µs/connection",
            Self::CpuPerClient => "CPU µs/client",
            Self::ConnectRate => "connections/s",
            Self::Refused => "refused",
            Self::BystanderP99 => "others' p99 µs",
            Self::BytesPerConnection => "bytes/connection",
            Self::IdleCpu => "idle CPU ms/s",
            Self::BytesPerSubscription => "bytes/subscription",
            Self::SubscribeGrowth => "last tenth / first",
            Self::CpuPerPublished => "CPU µs/published",
            Self::Receivers => "receivers/message",
            Self::RetainedOverhead => "bytes of overhead",
            Self::RetainedRate => "messages read/s",
            Self::Lost => "lost",
            Self::KeptRate => "rate kept",
            Self::Grown => "memory grown",
        }
    }

    /// Where it stands in a report.
    fn path(self) -> [&'static str; 2] {
        match self {
            Self::Cpu => ["process", "cpu_us_per_message"],
            Self::Rate | Self::RetainedRate => ["messages", "rate"],
            Self::Throughput => ["messages", "bytes_per_second"],
            Self::P50 => ["latency_us", "p50"],
            Self::P99 => ["latency_us", "p99"],
            Self::P999 => ["latency_us", "p99_9"],
            Self::CpuPerConnect => ["figures", "cpu_us_per_connect"],
            Self::CpuPerClient => ["figures", "cpu_us_per_client"],
            Self::ConnectRate => ["figures", "connects_per_second"],
            Self::Refused => ["figures", "refused"],
            Self::BystanderP99 => ["figures", "bystander_p99_us"],
            Self::BytesPerConnection => ["figures", "bytes_per_connection"],
            Self::IdleCpu => ["figures", "idle_cpu_ms_per_second"],
            Self::BytesPerSubscription => ["figures", "bytes_per_subscription"],
            Self::SubscribeGrowth => ["figures", "growth"],
            Self::CpuPerPublished => ["figures", "cpu_us_per_published"],
            Self::Receivers => ["figures", "receivers_per_message"],
            Self::RetainedOverhead => ["figures", "overhead_bytes_per_message"],
            Self::Lost => ["faults", "lost"],
            Self::KeptRate => ["figures", "ratio"],
            Self::Grown => ["process", "private_after"],
        }
    }

    /// The figure in a report of the generator's, if it is there.
    pub(crate) fn of(self, report: &Value) -> Option<f64> {
        let at = |[group, name]: [&str; 2]| report.get(group)?.get(name)?.as_f64();
        let value = at(self.path())?;
        if self == Self::Grown {
            return Some(value - at(["process", "private_before"])?);
        }
        Some(value)
    }

    /// As a person writes it.
    pub(crate) fn print(self, value: f64) -> String {
        match self {
            Self::Rate | Self::ConnectRate | Self::RetainedRate => thousands(value),
            Self::Throughput => format!("{} MB", three(value / 1e6)),
            Self::BytesPerConnection
            | Self::BytesPerSubscription
            | Self::RetainedOverhead
            | Self::Refused
            | Self::Lost => format!("{value:.0}"),
            Self::Grown => format!("{:.1} MiB", value / f64::from(1 << 20)),
            Self::KeptRate => format!("{:.0} %", value * 100.0),
            Self::Cpu
            | Self::P50
            | Self::P99
            | Self::P999
            | Self::CpuPerConnect
            | Self::CpuPerClient
            | Self::CpuPerPublished
            | Self::Receivers
            | Self::BystanderP99
            | Self::IdleCpu
            | Self::SubscribeGrowth => three(value),
        }
    }
}

/// Large numbers in thousands or millions.
fn thousands(value: f64) -> String {
    if value >= 1e6 {
        format!("{}M", three(value / 1e6))
    } else if value >= 1e4 {
        format!("{}k", three(value / 1e3))
    } else {
        format!("{value:.0}")
    }
}

/// 15000 as 15,000.
pub(crate) fn grouped(count: u32) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits that matter.
pub(crate) fn three(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else if value >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_in_a_report() {
        let report: Value = serde_json::from_str(include_str!("../tests/p2p.json")).unwrap();
        assert_eq!(Figure::Cpu.of(&report), Some(0.25));
        assert_eq!(Figure::Rate.of(&report), Some(4e6));
        assert_eq!(Figure::P999.of(&report), Some(2100.5));
        assert_eq!(Figure::BytesPerConnection.of(&report), None);
        let without_process = serde_json::json!({ "process": null });
        assert_eq!(Figure::Cpu.of(&without_process), None);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(Figure::Rate.print(5_467_000.0), "5.47M");
        assert_eq!(Figure::Rate.print(83_100.0), "83.1k");
        assert_eq!(Figure::Cpu.print(0.1684), "0.168");
        assert_eq!(Figure::Throughput.print(3.9e9), "3900 MB");
        assert_eq!(Figure::KeptRate.print(0.977), "98 %");
        assert_eq!(
            [1, 999, 1_000, 1_000_000].map(grouped),
            ["1", "999", "1,000", "1,000,000"]
        );
    }
}
