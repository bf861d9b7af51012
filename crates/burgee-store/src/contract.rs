//! The contract of the port as a program: what every engine has to pass.
//!
//! [`Contract::run`] tells named stories first, small enough to be read, then plays random scripts against the engine
//! and a naive model side by side and compares everything that can be read after each step. A script that ends in a
//! difference is made as short as it gets before it is reported, with the seed that replays it.
//!
//! What must hold: the same seeds give the same scripts; nothing here reads a clock or guesses. The model shares no
//! code with any store: it is tables that are searched from top to bottom.
//! Deliberately absent: speed, and what only an engine with files can get wrong (torn writes, missing syncs): crash the
//! store with [`Contract::crash_with`] in a way that shows it.

mod ground;
mod image;
mod model;
mod ops;
mod play;
mod rng;
mod script;
mod shrink;
mod stories;
mod told;

use std::fmt;

use self::ground::{Ground, Held};
use crate::store::Store;

/// How much chance is given a chance. The default takes the reference a few seconds.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Effort {
    /// The seed of the first script; the next ones count on from it.
    pub first_seed: u64,
    /// How many random scripts are played.
    pub scripts: u64,
    /// Of these, how many are played again with a crash at each of their steps.
    pub crashed_everywhere: u64,
    /// Steps of a script.
    pub steps: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            first_seed: 1,
            scripts: 200,
            crashed_everywhere: 10,
            steps: 40,
        }
    }
}

/// A promise that the store broke.
#[derive(Clone, Eq, PartialEq)]
pub struct Finding {
    /// The story, or the seed of the script.
    pub story: String,
    /// What was promised, and what happened.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.story, self.what)
    }
}

/// As [`Display`](fmt::Display): this is what an `unwrap` in a test shows.
impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Finding {}

/// The contract with one engine.
#[derive(Debug)]
pub struct Contract<M, S> {
    make: M,
    crash: Option<fn(&mut S)>,
    fail: Option<fn(&mut S)>,
    effort: Effort,
}

impl<S: Store + 'static, M: FnMut() -> S> Contract<M, S> {
    /// `make` opens an empty store, another one each time.
    #[must_use]
    pub fn new(make: M) -> Self {
        Self {
            make,
            crash: None,
            fail: None,
            effort: Effort::default(),
        }
    }

    /// How the store is crashed and opened again: what was not durable should be lost.
    #[must_use]
    pub const fn crash_with(mut self, crash: fn(&mut S)) -> Self {
        self.crash = Some(crash);
        self
    }

    /// How the store is made to fail in its next commit that changes anything. After a crash it works again.
    #[must_use]
    pub const fn fail_with(mut self, fail: fn(&mut S)) -> Self {
        self.fail = Some(fail);
        self
    }

    /// Another effort than the default.
    #[must_use]
    pub const fn effort(mut self, effort: Effort) -> Self {
        self.effort = effort;
        self
    }

    /// Everything.
    ///
    /// # Errors
    /// The first promise that was seen broken.
    pub fn run(mut self) -> Result<(), Finding> {
        self.stories()?;
        self.scripts()
    }

    /// The named stories.
    ///
    /// # Errors
    /// The first one that ended badly.
    pub fn stories(&mut self) -> Result<(), Finding> {
        for (story, tell) in stories::all(self.crash.is_some(), self.fail.is_some()) {
            let mut ground = self.ground();
            tell(&mut ground).map_err(|what| Finding {
                story: story.to_owned(),
                what,
            })?;
        }
        Ok(())
    }

    /// The random scripts.
    ///
    /// # Errors
    /// The first one that ended badly, cut down.
    pub fn scripts(&mut self) -> Result<(), Finding> {
        let Effort {
            first_seed,
            scripts,
            crashed_everywhere,
            steps,
        } = self.effort;
        let kinds = script::Kinds {
            crashes: self.crash.is_some(),
            failures: self.crash.is_some() && self.fail.is_some(),
        };
        for seed in first_seed..first_seed.saturating_add(scripts) {
            self.play(seed, &script::write(seed, steps, kinds))?;
        }
        if self.crash.is_none() {
            return Ok(());
        }
        for seed in first_seed..first_seed.saturating_add(crashed_everywhere) {
            let written = script::write(seed, steps, kinds);
            for at in 0..=written.len() {
                let mut crashed = written.clone();
                crashed.insert(at, script::Step::Crash);
                self.play(seed, &crashed)?;
            }
        }
        Ok(())
    }

    fn play(&mut self, seed: u64, script: &[script::Step]) -> Result<(), Finding> {
        let Err(what) = play::play(self.ground(), script) else {
            return Ok(());
        };
        let (script, what) = shrink::shrink(script, what, |script| play::play(self.ground(), script).err());
        let what = format!("{what}\nthe shortest script that shows it:\n{}", script::print(&script));
        let story = format!("script of seed {seed}");
        Err(Finding { story, what })
    }

    fn ground(&mut self) -> Ground {
        Ground::new(Box::new(Held {
            store: (self.make)(),
            crash: self.crash,
            fail: self.fail,
        }))
    }
}
