//! Where data are kept if nobody says: the same answer for `serve` and for the commands that look into it.
//!
//! What must hold: the first directory of a fixed list that fits; nothing is made here. Deliberately absent: whether it
//! can be used; opening it shows that.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// For a service that the system runs.
const SYSTEM: &str = "/var/lib/burgee";

/// The directory that was given, or that the environment names.
#[must_use]
pub fn named(given: Option<PathBuf>) -> Option<PathBuf> {
    given.or_else(|| variable("BURGEE_DATA").map(PathBuf::from))
}

/// The directory that was given, or the usual one.
///
/// # Errors
/// There is no usual one here; says what to do.
pub fn choose(given: Option<PathBuf>) -> Result<PathBuf, String> {
    if let Some(given) = given {
        return Ok(given);
    }
    let home = if cfg!(windows) { "LOCALAPPDATA" } else { "HOME" };
    let usual = Surroundings {
        named: variable("BURGEE_DATA"),
        system: cfg!(unix) && is_ours(Path::new(SYSTEM)),
        data_home: variable("XDG_DATA_HOME"),
        home: variable(home),
    };
    usual.choose().ok_or_else(|| {
        "no directory for data: give one with --data DIR or BURGEE_DATA, or keep nothing with --durability memory"
            .to_owned()
    })
}

/// What the choice depends on.
#[derive(Clone, Debug, Default)]
struct Surroundings {
    named: Option<OsString>,
    /// The system's directory may be used.
    system: bool,
    data_home: Option<OsString>,
    home: Option<OsString>,
}

impl Surroundings {
    fn choose(self) -> Option<PathBuf> {
        if let Some(named) = self.named {
            return Some(named.into());
        }
        if self.system {
            return Some(SYSTEM.into());
        }
        // By the XDG base directory specification a relative path counts as none.
        let data_home = self.data_home.map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || {
            let home = PathBuf::from(self.home?);
            Some(if cfg!(windows) { home } else { home.join(".local/share") })
        };
        Some(data_home.or_else(home)?.join("burgee"))
    }
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// We are the system's administrator, or may write there.
#[cfg(unix)]
fn is_ours(directory: &Path) -> bool {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    let may_write = || accessat(CWD, directory, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).is_ok();
    rustix::process::geteuid().is_root() || (directory.is_dir() && may_write())
}

#[cfg(not(unix))]
fn is_ours(_directory: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_goes_first() {
        assert_eq!(choose(Some("here".into())), Ok("here".into()));
    }

    #[cfg(unix)]
    #[test]
    fn the_first_that_fits_is_taken() {
        let all = Surroundings {
            named: Some("/named".into()),
            system: true,
            data_home: Some("/data".into()),
            home: Some("/people/ann".into()),
        };
        let without = |change: fn(&mut Surroundings)| {
            let mut some = all.clone();
            some.named = None;
            change(&mut some);
            some.choose()
        };
        assert_eq!(all.clone().choose(), Some("/named".into()));
        assert_eq!(without(|_| {}), Some("/var/lib/burgee".into()));
        assert_eq!(without(|some| some.system = false), Some("/data/burgee".into()));
        let relative = without(|some| {
            some.system = false;
            some.data_home = Some("data".into());
        });
        assert_eq!(relative, Some("/people/ann/.local/share/burgee".into()));
        assert_eq!(Surroundings::default().choose(), None);
    }
}
