//! Random scripts. They speak of clients, and of a message as "the third that it is owed": which numbers that means is
//! found while playing, so that a script still makes sense after a crash and after a step was cut out.

use super::rng::Rng;
use crate::page::Limit;

/// How many sources submit; client `n` belongs to source `n % SOURCES`, which writes what is about it. Messages are owed
/// to clients of all sources.
pub(super) const SOURCES: u8 = 3;
const CLIENTS_OF_A_SOURCE: u8 = 2;
/// A word about a retained message comes behind so many younger ones, at most.
pub(super) const LATE: u8 = 3;

/// One step.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A source submits a batch.
    Submit(u8, Vec<Act>),
    /// Commit.
    Commit,
    /// Read everything in pages of this size.
    Look(Limit),
    /// Crash and open again.
    Crash,
    /// The next commit will fail.
    Fail,
}

/// What a batch does. The first number is the client, in all that begin with one.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Its session begins, and an old one ends.
    Create(u8),
    /// By the n-th of some users.
    Claim(u8, u8),
    Delete(u8),
    /// Filter, QoS, what of the retained messages is to come.
    Subscribe(u8, u8, u8, u8),
    /// Filter, what is left of them.
    Replay(u8, u8, u8),
    Unsubscribe(u8, u8),
    /// A message for these clients, whoever owns them, of this size, with RETAIN or without.
    Owe(Vec<(u8, u8)>, u8, bool),
    /// The n-th that it is owed.
    Settle(u8, u8),
    /// The n-th that it is owed, identifier, whether released.
    Deliver(u8, u8, u8, bool),
    Receive(u8, u8),
    Free(u8, u8),
    SetWill(u8, u8),
    ClearWill(u8),
    /// Topic, size, by how much its stamp comes late.
    Retain(u8, u8, u8),
    Unretain(u8, u8),
    /// An operation of some kind about a session or a message with that number, if it is gone.
    Late(u8, u8),
}

/// What a script may do beside submitting, committing and reading.
#[derive(Copy, Clone, Debug)]
pub(super) struct Kinds {
    pub(super) crashes: bool,
    pub(super) failures: bool,
}

pub(super) fn write(seed: u64, steps: usize, kinds: Kinds) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    // Without sessions most acts mean nothing.
    let settlers = (0..SOURCES).map(|source| {
        let clients = (0..CLIENTS_OF_A_SOURCE).map(|nth| Act::Create(source + SOURCES * nth));
        Step::Submit(source, clients.collect())
    });
    let mut script: Vec<_> = settlers.take(steps).collect();
    script.extend((script.len()..steps).map(|_| step(&mut rng, kinds)));
    script
}

pub(super) fn print(script: &[Step]) -> String {
    let lines: Vec<_> = script.iter().map(|step| format!("  {step:?}")).collect();
    lines.join("\n")
}

fn step(rng: &mut Rng, kinds: Kinds) -> Step {
    match rng.below(20) {
        0..=4 => Step::Commit,
        5..=6 => Step::Look(Limit {
            items: usize::from(rng.below(8)),
            bytes: usize::from(rng.below(150)),
        }),
        7 if kinds.crashes => Step::Crash,
        8 if kinds.failures && rng.one_in(3) => Step::Fail,
        _ => {
            let source = rng.below(SOURCES);
            let acts = (0..rng.below(9)).map(|_| act(rng, source)).collect();
            Step::Submit(source, acts)
        }
    }
}

fn act(rng: &mut Rng, source: u8) -> Act {
    let client = client(rng, source);
    match rng.below(45) {
        0..=1 => Act::Create(client),
        2 => Act::Delete(client),
        3..=5 => Act::Subscribe(client, rng.below(4), rng.below(3), rng.below(3)),
        6..=7 => Act::Unsubscribe(client, rng.below(4)),
        8..=16 => owe(rng),
        17..=22 => Act::Settle(client, rng.below(4)),
        23..=27 => Act::Deliver(client, rng.below(4), rng.below(4), rng.one_in(2)),
        28..=29 => Act::Receive(client, rng.below(4)),
        30 => Act::Free(client, rng.below(4)),
        31..=32 => Act::SetWill(client, rng.below(20)),
        33 => Act::ClearWill(client),
        34..=36 => Act::Retain(rng.below(5), rng.below(30), rng.below(LATE + 1)),
        37..=38 => Act::Unretain(rng.below(5), rng.below(LATE + 1)),
        39..=40 => Act::Replay(client, rng.below(4), rng.below(4)),
        41 => Act::Claim(client, rng.below(3)),
        _ => Act::Late(rng.below(10), rng.below(20)),
    }
}

fn client(rng: &mut Rng, source: u8) -> u8 {
    source + SOURCES * rng.below(CLIENTS_OF_A_SOURCE)
}

fn owe(rng: &mut Rng) -> Act {
    let anybody = |rng: &mut Rng| rng.below(SOURCES * CLIENTS_OF_A_SOURCE);
    let owing = (0..rng.below(4)).map(|_| (anybody(rng), rng.below(3))).collect();
    Act::Owe(owing, rng.below(30), rng.one_in(4))
}
