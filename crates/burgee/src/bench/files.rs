//! Each connection is an open file: sees to it that there are enough.
//!
//! What must hold: too few are told before the first connection, with the option that asked for them.

/// Open files beside the connections: event queues, standard input and output, what is read of a process.
const SPARE: usize = 32;

/// Raises the limit as far as needed and allowed.
pub(super) fn provide(connections: usize, option: &str) -> Result<(), String> {
    let needed = connections.saturating_add(SPARE);
    // Systems without such a limit say so with an error: there it does not stand in the way.
    let Ok(allowed) = rlimit::increase_nofile_limit(u64::MAX) else {
        return Ok(());
    };
    enough(needed, usize::try_from(allowed).unwrap_or(usize::MAX), option)
}

fn enough(needed: usize, allowed: usize, option: &str) -> Result<(), String> {
    if needed <= allowed {
        return Ok(());
    }
    Err(format!(
        "{option} needs {needed} open files, and the system allows {allowed}: give fewer, or raise the limit with \
         `ulimit -n {needed}`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_files_are_told_with_the_way_out() {
        assert_eq!(enough(100, 100, "--pairs"), Ok(()));
        let error = enough(101, 100, "--pairs").unwrap_err();
        assert!(error.contains("--pairs") && error.contains("ulimit -n 101"), "{error}");
    }
}
