//! What one sync costs: a page overwritten in a file that is written already, then synced.
//!
//! What must hold: the file does not grow meanwhile, as an engine's log does not once it is used again; a growing file
//! costs a multiple.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

const PAGE: usize = 4096;
const PAGES: u64 = 2048;

/// Microseconds of one write and one sync.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Sync {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) mean: f64,
}

/// Syncs for so long.
pub(crate) fn measure(directory: &Path, time: Duration) -> io::Result<Sync> {
    fs::create_dir_all(directory)?;
    let path = directory.join("sync");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)?;
    let page = [0x5a_u8; PAGE];
    for number in 0..PAGES {
        file.write_all_at(&page, number * PAGE as u64)?;
    }
    file.sync_all()?;
    let mut times = Vec::new();
    let begun = Instant::now();
    let mut number = 0;
    while begun.elapsed() < time || times.is_empty() {
        let before = Instant::now();
        file.write_all_at(&page, number % PAGES * PAGE as u64)?;
        file.sync_data()?;
        times.push(before.elapsed().as_secs_f64() * 1e6);
        number += 1;
    }
    fs::remove_file(path)?;
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        times
            .get((times.len() - 1) * percent / 100)
            .copied()
            .unwrap_or_default()
    };
    Ok(Sync {
        p50: at(50),
        p90: at(90),
        mean: times.iter().sum::<f64>() / count(times.len()),
    })
}

/// A count as a figure.
#[expect(
    clippy::cast_precision_loss,
    reason = "figures are read by people; counts stay far below 2^53"
)]
pub(crate) fn count(count: usize) -> f64 {
    count as f64
}
