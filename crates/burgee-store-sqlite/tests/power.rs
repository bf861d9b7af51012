//! The power goes at any moment: with syncs nothing is lost that was reported, without them the loss is seen.
//!
//! `kill -9` cannot tell a store that syncs from one that does not; a disk that forgets what was not synced can.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a panic is how they speak"
)]

mod common;

use burgee_faulty_disk::{Disk, Luck};
use burgee_store::Batch;
use burgee_store_sqlite::{Settings, SqliteStore, SyncPolicy};
use common::{Image, TempDir, Work, commit, is_reopened, open, plan};

/// What happened while the work was done, on a disk that remembers it.
struct Story {
    _directory: TempDir,
    disk: Disk,
    images: Vec<Image>,
}

const REOPENED: usize = 45;

/// Marks each commit as reported; now and then closes the store, which copies the log and removes it.
fn tell(seed: u64, payload: u64, commits: usize, sync: SyncPolicy) -> Story {
    let mut work = Work::new(seed);
    work.payload = payload;
    let (plan, images): (Vec<Vec<Batch>>, _) = plan(&mut work, commits, REOPENED);
    let directory = TempDir::new();
    drop(open(directory.path()));
    let disk = Disk::watch(directory.path()).unwrap();
    let mut store = SqliteStore::open(directory.path(), Settings { sync }).unwrap();
    for (at, batches) in plan.iter().enumerate() {
        if is_reopened(at, REOPENED) {
            drop(store);
            store = SqliteStore::open(directory.path(), Settings { sync }).unwrap();
        }
        commit(&mut store, batches).unwrap();
        disk.mark(at as u64 + 1);
    }
    assert_eq!(Image::of(&mut store).unwrap(), *images.last().unwrap());
    drop(store);
    Story {
        _directory: directory,
        disk,
        images,
    }
}

/// How many commits were reported at this moment, and how many are there after the power went.
fn survived(story: &Story, moment: usize, luck: Luck) -> (usize, usize) {
    let left = TempDir::with(&story.disk.after_power_cut(moment, luck));
    // Only so that nothing waits for the real disk.
    let _disk = Disk::watch(left.path()).unwrap();
    let reported = usize::try_from(story.disk.marked(moment).unwrap_or(0)).unwrap();
    let mut opened = SqliteStore::open(left.path(), Settings::default())
        .unwrap_or_else(|error| panic!("moment {moment}, {luck:?}: {error}"));
    let found = Image::of(&mut opened).unwrap_or_else(|error| panic!("moment {moment}, {luck:?}: {error}"));
    // Of several that look alike the youngest.
    let there = story.images.iter().rposition(|image| *image == found);
    let there = there.unwrap_or_else(|| panic!("moment {moment}, {luck:?}: no whole number of commits is there"));
    (reported, there)
}

fn nothing_is_lost(story: &Story, moments: impl Iterator<Item = usize>) {
    for moment in moments {
        let seed = moment as u64;
        for luck in [Luck::Bad, Luck::Good, Luck::Mixed(seed), Luck::Mixed(seed + (1 << 32))] {
            let (reported, there) = survived(story, moment, luck);
            assert!(
                there >= reported,
                "moment {moment}, {luck:?}: {reported} reported, {there} there"
            );
        }
    }
}

#[test]
fn with_syncs_no_reported_commit_is_lost_wherever_the_power_goes() {
    let story = tell(1, 300, 50, SyncPolicy::Sync);
    let moments = story.disk.moments();
    assert!(moments > 300, "{moments}");
    nothing_is_lost(&story, (0..=moments).step_by(2));
}

#[test]
fn without_syncs_losses_are_seen_and_what_is_left_is_whole() {
    let story = tell(2, 300, 50, SyncPolicy::Write);
    let mut lost = 0;
    for moment in (0..=story.disk.moments()).step_by(3) {
        for luck in [Luck::Bad, Luck::Mixed(moment as u64)] {
            let (reported, there) = survived(&story, moment, luck);
            lost += usize::from(there < reported);
        }
    }
    assert!(
        lost > 20,
        "only {lost} losses were seen: this test would not notice a missing sync"
    );
}

#[test]
fn with_a_log_that_is_copied_while_it_grows_no_reported_commit_is_lost() {
    // Some 25 MiB: the log is copied at 16.
    let story = tell(3, 24_000, 120, SyncPolicy::Sync);
    let moments = story.disk.moments();
    // Everything around the copy and the new beginning of the log, which are the long runs without a mark.
    let long = |moment: &usize| story.disk.marked(*moment) == story.disk.marked(moment + 400);
    let around: Vec<usize> = (0..moments).filter(long).step_by(97).collect();
    nothing_is_lost(&story, around.into_iter().chain((0..=moments).step_by(1009)));
}

#[test]
#[ignore = "takes minutes: scripts/store-tests runs it"]
fn with_syncs_no_reported_commit_is_lost_for_long() {
    for seed in 100..110 {
        let story = tell(seed, 50 + seed * 7, 80, SyncPolicy::Sync);
        nothing_is_lost(&story, 0..=story.disk.moments());
    }
}
