//! What a file and a hash may cost, and how new ones are made.
//!
//! What must hold: whoever can write the password file cannot make one login take gigabytes or minutes. Deliberately
//! absent: a lower bound for what is read; an old cheap entry is still better than none, and `burgee passwd` renews it.

use std::fmt;
use std::num::NonZeroU32;

use argon2::Params;

/// The largest password file: half a million users or so.
pub const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;
/// The longest line.
pub const MAX_LINE_BYTES: usize = 4096;

/// Memory of one Argon2 hash, in KiB: 256 MiB.
pub(super) const MAX_MEMORY_KIB: u32 = 256 * 1024;
/// Passes over that memory.
pub(super) const MAX_PASSES: u32 = 32;
/// Lanes; they are worked off one after another, so they cost nothing but are no use either.
pub(super) const MAX_LANES: u32 = 64;
/// Memory times passes, in KiB: 1 GiB is about a second.
pub(super) const MAX_WORK_KIB: u64 = 1024 * 1024;
/// Rounds of PBKDF2: about two seconds.
pub(super) const MAX_ITERATIONS: u32 = 2_000_000;

/// How a new entry is hashed.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Recipe {
    /// Argon2id, version 19.
    Argon2id {
        /// KiB.
        memory_kib: u32,
        /// Passes.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// PBKDF2 with SHA-512 in Mosquitto's form, for files that Mosquitto has to read as well.
    Pbkdf2 {
        /// Rounds.
        iterations: NonZeroU32,
    },
}

impl Default for Recipe {
    /// What OWASP recommends as the least: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self::Argon2id {
            memory_kib: Params::DEFAULT_M_COST,
            passes: Params::DEFAULT_T_COST,
            lanes: Params::DEFAULT_P_COST,
        }
    }
}

/// A cost that a broker would not pay, or that does not exist.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum UnfitRecipe {
    /// Argon2's memory.
    Memory(u32),
    /// Argon2's passes.
    Passes(u32),
    /// Argon2's lanes.
    Lanes(u32),
    /// Argon2's memory times its passes.
    Work(u64),
    /// Rounds of PBKDF2.
    Iterations(u32),
}

impl fmt::Display for UnfitRecipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(kib) => write!(
                f,
                "{kib} KiB of memory; 8 KiB for each lane to {MAX_MEMORY_KIB} KiB are possible"
            ),
            Self::Passes(passes) => write!(f, "{passes} passes; 1 to {MAX_PASSES} are possible"),
            Self::Lanes(lanes) => write!(f, "{lanes} lanes; 1 to {MAX_LANES} are possible"),
            Self::Work(kib) => write!(
                f,
                "memory times passes is {kib} KiB; at most {MAX_WORK_KIB} KiB are possible, or one login would take seconds"
            ),
            Self::Iterations(rounds) => write!(f, "{rounds} rounds; 1 to {MAX_ITERATIONS} are possible"),
        }
    }
}

impl std::error::Error for UnfitRecipe {}

/// # Errors
/// Out of what a broker pays.
pub(super) fn argon2(memory_kib: u32, passes: u32, lanes: u32, output: usize) -> Result<Params, UnfitRecipe> {
    if !(1..=MAX_LANES).contains(&lanes) {
        return Err(UnfitRecipe::Lanes(lanes));
    }
    if !(8 * lanes..=MAX_MEMORY_KIB).contains(&memory_kib) {
        return Err(UnfitRecipe::Memory(memory_kib));
    }
    if !(1..=MAX_PASSES).contains(&passes) {
        return Err(UnfitRecipe::Passes(passes));
    }
    let work = u64::from(memory_kib) * u64::from(passes);
    if work > MAX_WORK_KIB {
        return Err(UnfitRecipe::Work(work));
    }
    Params::new(memory_kib, passes, lanes, Some(output)).map_err(|_| UnfitRecipe::Memory(memory_kib))
}

/// # Errors
/// Out of what a broker pays.
pub(super) fn pbkdf2(iterations: u32) -> Result<NonZeroU32, UnfitRecipe> {
    NonZeroU32::new(iterations)
        .filter(|rounds| rounds.get() <= MAX_ITERATIONS)
        .ok_or(UnfitRecipe::Iterations(iterations))
}

impl Recipe {
    /// # Errors
    /// A broker would refuse an entry of that cost.
    pub fn check(self) -> Result<(), UnfitRecipe> {
        match self {
            Self::Argon2id {
                memory_kib,
                passes,
                lanes,
            } => argon2(memory_kib, passes, lanes, Params::DEFAULT_OUTPUT_LEN).map(drop),
            Self::Pbkdf2 { iterations } => pbkdf2(iterations.get()).map(drop),
        }
    }
}
