//! The limits of the process and the settings of the kernel.
//!
//! What must hold: what this system does not tell is left out. Deliberately absent: changing anything.

use std::fs;
use std::time::{Duration, SystemTime};

use burgee_broker::Endpoint;
use burgee_config::Checked;

use super::Finding;

/// Files that a broker needs beside its connections.
const BESIDE: u64 = 64;
/// Below this, a burst of devices that come back at once is turned away by the kernel.
const BACKLOG: u64 = 1024;
/// No clock of a machine that this was built for is right if it shows an earlier time: 1 January 2026.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);

pub(super) fn look(checked: &Checked) -> Vec<Finding> {
    let mut findings = vec![files(checked), clock(SystemTime::now())];
    findings.extend(backlogs());
    findings.extend(port_range(checked, read("net/ipv4/ip_local_port_range").as_deref()));
    findings.extend(overcommit(read("vm/overcommit_memory").as_deref()));
    findings.extend(memory(checked));
    findings
}

fn read(name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/sys/{name}")).ok()
}

fn files(checked: &Checked) -> Finding {
    // The broker raises the soft limit to the hard one by itself.
    let Ok((_, hard)) = rlimit::Resource::NOFILE.get() else {
        return Finding::fine("open files", "this system has no limit of open files that it tells");
    };
    let core = &checked.broker.core;
    let wanted = (core.max_connections as u64).saturating_mul(u64::from(checked.broker.shards.get()));
    if wanted > u64::from(u32::MAX) {
        let told = format!("up to {hard} files, which is about so many connections; the settings have no limit");
        return if hard < 10_000 {
            let way_out = "raise it (LimitNOFILE= in the unit, ulimit -Hn), or set limits.max_connections below it";
            Finding::warning("open files", told, way_out)
        } else {
            Finding::fine("open files", told)
        };
    }
    if hard < wanted.saturating_add(BESIDE) {
        let what = format!("{wanted} connections are allowed, but only {hard} files can be open");
        let way_out = format!(
            "LimitNOFILE={} in the unit, or a smaller limits.max_connections",
            wanted + 1024
        );
        Finding::wrong("open files", what, way_out)
    } else {
        Finding::fine(
            "open files",
            format!("{hard} files can be open, {wanted} connections are allowed"),
        )
    }
}

fn clock(now: SystemTime) -> Finding {
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) if since >= EARLIEST => Finding::fine("clock", "the clock shows a time that can be"),
        _ => Finding::wrong(
            "clock",
            "the clock is years behind: certificates look as if they were not valid yet",
            "set the clock by NTP (timedatectl set-ntp true)",
        ),
    }
}

fn backlogs() -> Vec<Finding> {
    let judge = |(name, what): (&'static str, &'static str)| {
        let value: u64 = read(name)?.trim().parse().ok()?;
        let told = format!("{} is {value}: {what}", name.replace('/', "."));
        Some(if value < BACKLOG {
            Finding::warning("kernel", told, format!("sysctl -w {}=4096", name.replace('/', ".")))
        } else {
            Finding::fine("kernel", told)
        })
    };
    let known = [
        ("net/core/somaxconn", "connections that wait to be accepted"),
        ("net/ipv4/tcp_max_syn_backlog", "connections that are being opened"),
    ];
    known.into_iter().filter_map(judge).collect()
}

/// A port from which the kernel serves outgoing connections may be gone when the broker wants it.
fn port_range(checked: &Checked, range: Option<&str>) -> Vec<Finding> {
    let numbers: Vec<u16> = range
        .iter()
        .flat_map(|text| text.split_whitespace())
        .filter_map(|word| word.parse().ok())
        .collect();
    let [low, high] = *numbers else {
        return Vec::new();
    };
    let inside = checked
        .broker
        .listeners
        .iter()
        .filter_map(|listen| match listen.url.endpoint() {
            Endpoint::Inet { port, .. } if (low..=high).contains(port) => Some(*port),
            Endpoint::Inet { .. } | Endpoint::Unix(_) | Endpoint::Systemd(_) => None,
        });
    inside
        .map(|port| {
            let what = format!("port {port} is among those of outgoing connections ({low} to {high}): one may have it");
            Finding::warning(
                "kernel",
                what,
                format!("sysctl -w net.ipv4.ip_local_reserved_ports={port}"),
            )
        })
        .collect()
}

fn overcommit(value: Option<&str>) -> Option<Finding> {
    (value?.trim() == "2").then(|| {
        let what = "vm.overcommit_memory is 2: memory that was only asked for counts as used";
        Finding::warning(
            "kernel",
            what,
            "sysctl -w vm.overcommit_memory=0, or leave much room for the broker",
        )
    })
}

fn memory(checked: &Checked) -> Option<Finding> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let limit = checked.broker.core.memory_limit;
    let told = format!("the machine has {} MiB of memory", kib >> 10);
    Some(if limit == usize::MAX {
        let way_out = "set limits.memory: beyond it slow clients get no more, instead of the kernel ending the broker";
        Finding::warning("memory", format!("{told}, and limits.memory is not set"), way_out)
    } else if limit as u64 > kib << 10 {
        let way_out = "a limit of half the memory leaves room for connections and subscriptions";
        Finding::warning("memory", format!("{told}, less than limits.memory"), way_out)
    } else {
        Finding::fine("memory", format!("{told}, limits.memory is {} MiB", limit >> 20))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    #[test]
    fn a_clock_that_lost_its_battery_is_seen() {
        assert_eq!(clock(SystemTime::UNIX_EPOCH).grade, Grade::Wrong);
        assert_eq!(clock(SystemTime::UNIX_EPOCH + EARLIEST).grade, Grade::Fine);
    }

    #[test]
    fn kernel_settings_are_judged_by_what_they_say() {
        assert_eq!(overcommit(Some("2\n")).unwrap().grade, Grade::Warning);
        assert!(overcommit(Some("0\n")).is_none() && overcommit(None).is_none());
        let sources = burgee_config::Sources {
            file: burgee_config::Chosen::None,
            flags: vec![("store.durability", vec!["memory".to_owned()])],
            ..burgee_config::Sources::default()
        };
        let checked = burgee_config::load(&sources).unwrap();
        assert_eq!(port_range(&checked, Some("1024\t60999\n")).len(), 2);
        assert!(port_range(&checked, Some("32768 60999")).is_empty());
        assert!(port_range(&checked, Some("x")).is_empty());
    }
}
