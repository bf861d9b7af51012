//! What a process has cost so far, as the Linux kernel tells it.
//!
//! Must hold: CPU time is that of all threads alive, in nanoseconds; memory is what the process alone has written.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// CPU time of all threads of a process.
///
/// # Errors
/// What the system says.
pub fn cpu(process: u32) -> io::Result<Duration> {
    let mut total = 0;
    for text in of_each_thread(process, "schedstat")? {
        total += text
            .split_whitespace()
            .next()
            .and_then(|n| n.parse::<u64>().ok())
            .ok_or_else(|| odd("schedstat"))?;
    }
    Ok(Duration::from_nanos(total))
}

/// Context switches of all threads of a process: because they waited, and because their time was up.
///
/// # Errors
/// What the system says.
pub fn switches(process: u32) -> io::Result<(u64, u64)> {
    let (mut voluntary, mut involuntary) = (0, 0);
    for text in of_each_thread(process, "status")? {
        for (name, value) in text.lines().filter_map(|line| line.split_once(":\t")) {
            let count = || value.trim().parse::<u64>().unwrap_or_default();
            match name {
                "voluntary_ctxt_switches" => voluntary += count(),
                "nonvoluntary_ctxt_switches" => involuntary += count(),
                _ => {}
            }
        }
    }
    Ok((voluntary, involuntary))
}

/// What the system writes of each thread. One that ends while we look has nothing to say.
fn of_each_thread(process: u32, file: &str) -> io::Result<Vec<String>> {
    let mut texts = Vec::new();
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        match fs::read_to_string(task?.path().join(file)) {
            Ok(text) => texts.push(text),
            Err(e) if e.kind() == io::ErrorKind::NotFound || e.raw_os_error() == Some(GONE) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(texts)
}

/// What the system says of a thread that has just ended.
const GONE: i32 = rustix::io::Errno::SRCH.raw_os_error();

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Pages that only this process has, and has written: heap and stacks. This is the figure compared.
    pub private_dirty: u64,
    /// All resident pages, code that was touched included.
    pub resident: u64,
}

/// Memory of a process now.
///
/// # Errors
/// What the system says.
pub fn memory(process: u32) -> io::Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let field = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .ok_or_else(|| odd("smaps_rollup"))?;
        let kib = line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok());
        kib.map(|n| n * 1024).ok_or_else(|| odd("smaps_rollup"))
    };
    Ok(Memory {
        private_dirty: field("Private_Dirty:")?,
        resident: field("Rss:")?,
    })
}

/// The memory of a process once it has not changed for a second, or after ten, or when `stopped` says so: brokers give
/// back what a burst took with a delay.
///
/// # Errors
/// What the system says.
pub fn settled(process: u32, stopped: impl Fn() -> bool) -> io::Result<Memory> {
    const STILL: Duration = Duration::from_secs(1);
    const AT_MOST: Duration = Duration::from_secs(10);
    let begun = Instant::now();
    let mut last = (memory(process)?, begun);
    while last.1.elapsed() < STILL && begun.elapsed() < AT_MOST && !stopped() {
        // There is no event for "its memory no longer changes".
        std::thread::sleep(Duration::from_millis(100));
        let now = memory(process)?;
        if now.private_dirty != last.0.private_dirty {
            last = (now, Instant::now());
        }
    }
    Ok(last.0)
}

/// The machine in one line: cores, processor, kernel. No names.
#[must_use]
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": "))
            .map_or("?", |(_, value)| value)
            .trim()
            .to_owned()
    };
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.split('-').next().unwrap_or_default().trim();
    format!(
        "{cores} cores, {} (family {}, model {}), Linux {kernel}",
        field("model name"),
        field("cpu family"),
        field("model\t")
    )
}

fn odd(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc: cannot read {file}"))
}
