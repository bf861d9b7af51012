//! Runs seeds, on all cores, and prints how to replay those that fail.
//!
//! What must hold: the result depends on the seeds alone; exit code 1 if one failed. Deliberately absent: everything
//! that happens in a world.
#![expect(clippy::print_stdout, reason = "a command line program prints")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use burgee_sim::oracle::Tally;
use burgee_sim::{Crash, Story, run, run_small};

const USAGE: &str = "\
burgee-sim [--seeds N] [--from N]     runs N seeds (BURGEE_SIM_SEEDS overrides N; 2000 if nothing is said)
burgee-sim --seed N [--trace]         runs one seed, and tells its story
burgee-sim --first [--seeds N]        stops at the first seed that fails
burgee-sim --crash-everywhere N       a small world of this seed: crashes at each event of it, one world after another
burgee-sim --small N [--crash STEP [--within]] [--trace]   one of those worlds
burgee-sim --soak SECONDS [--from N]  runs seeds for so long";

/// After so many failures nobody reads on.
const ENOUGH: usize = 10;

#[derive(Debug)]
struct Options {
    from: u64,
    seeds: u64,
    one: Option<u64>,
    everywhere: Option<u64>,
    small: Option<u64>,
    crash: Option<Crash>,
    trace: bool,
    soak: Option<Duration>,
    /// So many failures are enough.
    enough: usize,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(problem) => {
            println!("{problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if let Some(seed) = options.everywhere {
        return crash_everywhere(seed, options.enough);
    }
    match (options.one, options.small) {
        (Some(seed), _) => run_one(&run(seed, options.trace)),
        (None, Some(seed)) => run_one(&run_small(seed, options.trace, options.crash)),
        (None, None) => run_many(&options),
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        from: 0,
        seeds: 2_000,
        one: None,
        everywhere: None,
        small: None,
        crash: None,
        trace: false,
        soak: None,
        enough: ENOUGH,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().ok_or(format!("{word} needs a number"))?;
            value
                .parse::<u64>()
                .map_err(|_| format!("{word} needs a number, not {value:?}"))
        };
        match word.as_str() {
            "--seeds" => options.seeds = number()?,
            "--from" => options.from = number()?,
            "--seed" => options.one = Some(number()?),
            "--soak" => options.soak = Some(Duration::from_secs(number()?)),
            "--crash-everywhere" => options.everywhere = Some(number()?),
            "--small" => options.small = Some(number()?),
            "--crash" => {
                let (step, within) = (number()?, false);
                options.crash = Some(Crash { step, within });
            }
            "--within" => {
                let crash = options.crash.as_mut().ok_or("--within belongs behind --crash")?;
                crash.within = true;
            }
            "--trace" => options.trace = true,
            "--first" => options.enough = 1,
            _ => return Err(format!("{word}: not known")),
        }
    }
    if let Ok(value) = std::env::var("BURGEE_SIM_SEEDS") {
        options.seeds = value
            .parse()
            .map_err(|_| format!("BURGEE_SIM_SEEDS must be a number, not {value:?}"))?;
    }
    Ok(options)
}

fn run_one(story: &Story) -> ExitCode {
    for line in &story.lines {
        println!("{line}");
    }
    println!(
        "{} turns in {} virtual ms, hash {:016x}, {:?}",
        story.turns, story.lasted, story.hash, story.tally
    );
    if story.failure.is_none() {
        println!("1 passed, 0 failed");
        return ExitCode::SUCCESS;
    }
    report(story);
    println!("0 passed, 1 failed");
    ExitCode::FAILURE
}

fn report(story: &Story) {
    let failure = story.failure.as_deref().unwrap_or_default();
    println!("seed {} failed {failure}", story.seed);
    println!(
        "    replay: cargo run --release -p burgee-sim -- --seed {} --trace",
        story.seed
    );
}

/// The same small world again and again, each time with a crash one event later.
fn crash_everywhere(seed: u64, enough: usize) -> ExitCode {
    let started = Instant::now();
    let whole = run_small(seed, false, None);
    if whole.failure.is_some() {
        report(&whole);
        println!("without any crash; see --small {seed}");
        return ExitCode::FAILURE;
    }
    let (next, failed, sum) = (AtomicU64::new(0), Mutex::new(Vec::new()), Mutex::new(Tally::default()));
    in_parallel(|| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let (step, within) = (number / 2, number % 2 == 1);
            let over = failed
                .lock()
                .is_ok_and(|failed: MutexGuard<'_, Vec<(Crash, Story)>>| failed.len() >= enough);
            if step >= whole.steps || over {
                return;
            }
            let crash = Crash { step, within };
            let story = run_small(seed, false, Some(crash));
            if let Ok(mut sum) = sum.lock() {
                sum.add(&story.tally);
            }
            if story.failure.is_some()
                && let Ok(mut failed) = failed.lock()
            {
                failed.push((crash, story));
            }
        }
    });
    let mut failed = failed.into_inner().unwrap_or_default();
    failed.sort_by_key(|(crash, _)| (crash.step, crash.within));
    for (Crash { step, within }, story) in &failed {
        let failure = story.failure.as_deref().unwrap_or_default();
        let within = if *within { " --within" } else { "" };
        println!("seed {seed} with a crash at {step}{within} failed {failure}");
        println!("    replay: cargo run --release -p burgee-sim -- --small {seed} --crash {step}{within} --trace");
    }
    if let Ok(sum) = sum.into_inner() {
        println!("checked in {:.1} s: {sum:?}", started.elapsed().as_secs_f64());
    }
    println!("{} events, {} failed", whole.steps, failed.len());
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn in_parallel(work: impl Fn() + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(&work);
        }
    });
}

fn run_many(options: &Options) -> ExitCode {
    let started = Instant::now();
    let (next, passed) = (AtomicU64::new(options.from), AtomicU64::new(0));
    let (failed, sum) = (Mutex::new(Vec::new()), Mutex::new(Tally::default()));
    let end = options.from.saturating_add(options.seeds);
    let enough = || {
        failed
            .lock()
            .is_ok_and(|failed: MutexGuard<'_, Vec<Story>>| failed.len() >= options.enough)
    };
    in_parallel(|| {
        while !enough() && options.soak.is_none_or(|most| started.elapsed() < most) {
            // Whoever takes a seed runs it: no seed before the first failure is left out.
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if options.soak.is_none() && seed >= end {
                return;
            }
            let story = run(seed, false);
            if let Ok(mut sum) = sum.lock() {
                sum.add(&story.tally);
            }
            if story.failure.is_none() {
                passed.fetch_add(1, Ordering::Relaxed);
            } else if let Ok(mut failed) = failed.lock() {
                failed.push(story);
            }
        }
    });
    let mut failed = failed.into_inner().unwrap_or_default();
    failed.sort_by_key(|story| story.seed);
    failed.iter().for_each(report);
    if let Ok(sum) = sum.into_inner() {
        println!("checked in {:.1} s: {sum:?}", started.elapsed().as_secs_f64());
    }
    println!("{} passed, {} failed", passed.into_inner(), failed.len());
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
