//! The cores: one for the broker, one for the generator.

use std::io;
use std::process::{Child, Command};

use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    allowed: CpuSet,
    broker: usize,
    generator: usize,
}

/// Where a child may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Broker,
    Generator,
    Anywhere,
}

impl Cores {
    /// The first two cores that this process may use.
    pub(crate) fn choose() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        let broker = cores.next().unwrap_or_default();
        let generator = cores.next().unwrap_or(broker);
        if broker == generator {
            eprintln!("burgee-compare: one core only: broker and generator share it, figures will be worse than true");
        }
        Ok(Self {
            allowed,
            broker,
            generator,
        })
    }

    /// Starts a process at its place. A child inherits the cores of the thread that starts it: no tool is needed.
    pub(crate) fn spawn(&self, place: Place, command: &mut Command) -> io::Result<Child> {
        let mut set = CpuSet::new();
        match place {
            Place::Broker => set.set(self.broker),
            Place::Generator => set.set(self.generator),
            Place::Anywhere => set = self.allowed,
        }
        sched_setaffinity(None, &set)?;
        let child = command.spawn();
        sched_setaffinity(None, &self.allowed)?;
        child.map_err(|e| {
            io::Error::new(
                e.kind(),
                format!("cannot start {}: {e}", command.get_program().display()),
            )
        })
    }
}

/// Raises the number of open files to what is allowed, for this process and those that it starts.
pub(crate) fn allow_files() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
