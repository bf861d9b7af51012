//! Who else on this machine can read a file with secrets.

use std::fmt;
use std::path::{Path, PathBuf};

/// More people than its owner can get at a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exposure {
    /// Which file.
    pub path: PathBuf,
    /// Others may read it.
    pub world_readable: bool,
    /// Its group, or others, may change it.
    pub writable: bool,
    /// Its group may read it.
    pub group_readable: bool,
}

impl Exposure {
    /// Whether it is more than what a service's own group is usually given.
    #[must_use]
    pub const fn is_serious(&self) -> bool {
        self.world_readable || self.writable
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let what = match self {
            Self { writable: true, .. } => "its group or others may change it",
            Self {
                world_readable: true, ..
            } => "everybody on this machine may read it",
            // Mode 600 alone would shut a service out from a file that is not its own.
            _ => {
                let way_out = format!("give it to the user that the broker runs as, then chmod 600 {path}");
                return write!(f, "{path}: its group may read it; the way out: {way_out}");
            }
        };
        write!(f, "{path}: {what}; the way out: chmod 600 {path}")
    }
}

/// None: only its owner gets at it, or that cannot be found out here.
#[must_use]
#[cfg(unix)]
pub fn exposure(path: &Path) -> Option<Exposure> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o066 != 0).then(|| Exposure {
        path: path.to_owned(),
        world_readable: mode & 0o004 != 0,
        writable: mode & 0o022 != 0,
        group_readable: mode & 0o040 != 0,
    })
}

/// Other systems have no mode that would tell.
#[must_use]
#[cfg(not(unix))]
pub fn exposure(_: &Path) -> Option<Exposure> {
    None
}
