//! How long a thread runs before others have their turn.
//!
//! A thread that only starts work of the disk and sleeps until it is done should not wait behind one that computes: each
//! microsecond until it has begun is one more until the disk has answered. Since Linux 6.12 a thread may ask for short
//! turns; in exchange for them it runs sooner after it was woken. It gets no more of the processor than before, and needs
//! no permission.
//!
//! What must hold: nothing else of how the thread is scheduled changes. Deliberately absent: priorities, other policies.

use std::io;

/// The shortest turn that Linux gives, in nanoseconds.
const SHORTEST: u64 = 100_000;

/// Asks for turns of 100 µs for the calling thread, of which it gets the more. A kernel before 6.12 says yes and does
/// nothing. A thread that is scheduled by another policy than the usual one stays as it is.
///
/// # Errors
/// The kernel has no such call, or whoever started the process forbids it; all is as it was.
pub fn ask_for_short_turns() -> io::Result<()> {
    imp::change(SHORTEST)
}

#[cfg(target_os = "linux")]
mod imp {
    use std::io;

    use libc::{SCHED_OTHER, SYS_sched_getattr, SYS_sched_setattr, c_long, c_uint, sched_attr};

    /// What both calls call the thread that calls.
    const MYSELF: c_uint = 0;
    const NO_FLAGS: c_uint = 0;
    #[expect(clippy::cast_possible_truncation, reason = "it has 48 bytes")]
    const SIZE: c_uint = size_of::<sched_attr>() as c_uint;

    pub(super) fn change(nanos: u64) -> io::Result<()> {
        let mut how = current()?;
        if i64::from(how.sched_policy) == i64::from(SCHED_OTHER) {
            how.sched_runtime = nanos;
            set(&how)?;
        }
        Ok(())
    }

    pub(super) fn current() -> io::Result<sched_attr> {
        let mut how = sched_attr {
            size: SIZE,
            sched_policy: 0,
            sched_flags: 0,
            sched_nice: 0,
            sched_priority: 0,
            sched_runtime: 0,
            sched_deadline: 0,
            sched_period: 0,
        };
        // SAFETY: the kernel writes at most `SIZE` bytes, and so many are there; it keeps no pointer.
        outcome(unsafe { libc::syscall(SYS_sched_getattr, MYSELF, &raw mut how, SIZE, NO_FLAGS) })?;
        // A later kernel may have more to tell than fits; what it is told has this size.
        how.size = SIZE;
        Ok(how)
    }

    fn set(how: &sched_attr) -> io::Result<()> {
        // SAFETY: the kernel reads `size` bytes, and so many are there; it keeps no pointer.
        outcome(unsafe { libc::syscall(SYS_sched_setattr, MYSELF, &raw const *how, NO_FLAGS) })
    }

    fn outcome(returned: c_long) -> io::Result<()> {
        if returned == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::io;

    pub(super) fn change(_nanos: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::imp::current;
    use super::*;

    #[test]
    fn turns_become_short_and_nothing_else_changes() {
        let Ok(before) = current() else {
            // Whoever runs this forbids to ask, and so to change.
            assert!(ask_for_short_turns().is_err());
            return;
        };
        ask_for_short_turns().unwrap();
        let after = current().unwrap();
        // An older kernel knows of no turns of its own for usual threads and says 0.
        assert!([0, SHORTEST].contains(&after.sched_runtime), "{}", after.sched_runtime);
        assert_eq!(before.sched_runtime == 0, after.sched_runtime == 0);
        assert_eq!(
            (
                before.sched_policy,
                before.sched_flags,
                before.sched_nice,
                before.sched_priority
            ),
            (
                after.sched_policy,
                after.sched_flags,
                after.sched_nice,
                after.sched_priority
            )
        );
    }

    #[test]
    fn a_thread_of_another_policy_stays_as_it_is() {
        let lazy = libc::sched_param { sched_priority: 0 };
        // SAFETY: the kernel reads the parameters and keeps no pointer.
        assert_eq!(
            unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const lazy) },
            0
        );
        let Ok(before) = current() else { return };
        ask_for_short_turns().unwrap();
        let after = current().unwrap();
        assert_eq!(i64::from(after.sched_policy), i64::from(libc::SCHED_IDLE));
        assert_eq!(before.sched_runtime, after.sched_runtime);
    }
}
