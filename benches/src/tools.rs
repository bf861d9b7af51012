//! What a count depends on besides the code.

use std::fmt;
use std::process::Command;

/// See the module.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tools {
    /// Version and commit of the compiler.
    pub(crate) compiler: String,
    /// What it compiles for.
    pub(crate) target: String,
    /// The C library: copying and the allocator are its.
    pub(crate) libc: String,
}

impl Tools {
    /// Asks the compiler that cargo uses, and the system.
    pub(crate) fn of_this_machine() -> Result<Self, String> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let said = output(Command::new(rustc).arg("-vV"))?;
        let field = |name: &str| {
            let line = said
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or("unknown").to_owned()
        };
        let hash: String = field("commit-hash").chars().take(9).collect();
        let libc = output(Command::new("getconf").arg("GNU_LIBC_VERSION"));
        Ok(Self {
            compiler: format!("{} ({hash})", field("release")),
            target: field("host"),
            libc: libc.map_or_else(|_| "unknown".to_owned(), |said| said.trim().to_owned()),
        })
    }
}

impl fmt::Display for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rustc {} for {} on {}", self.compiler, self.target, self.libc)
    }
}

/// What a program says on its standard output.
fn output(command: &mut Command) -> Result<String, String> {
    let done = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !done.status.success() {
        return Err(format!("{command:?} ended with {}", done.status));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
