//! The memory that Argon2id works in: one piece for each thread that hashes, used again and again.
//!
//! Why: allocated anew for each login, pieces of 19 MiB leave holes in the allocator's heaps that are not used again, and the
//! broker grows by hundreds of MiB. What must hold: a thread holds no more than [`KEPT`] between two passwords. Deliberately
//! absent: wiping; the next password is worked over it, and nobody else reads it.

use std::cell::RefCell;

use argon2::{Algorithm, Argon2, Block, Params, Version};

/// Blocks of a KiB that are kept: 32 MiB. What is larger the allocator takes from the system and gives back.
const KEPT: usize = 32 * 1024;

thread_local! {
    static BLOCKS: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

/// Hashes with Argon2id.
///
/// # Errors
/// As the algorithm says.
pub(super) fn work(params: Params, password: &[u8], salt: &[u8], output: &mut [u8]) -> Result<(), argon2::Error> {
    let needed = params.block_count();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    BLOCKS.with_borrow_mut(|blocks| {
        if blocks.len() < needed {
            *blocks = vec![Block::new(); needed];
        }
        let done = argon2.hash_password_into_with_memory(password, salt, output, blocks.as_mut_slice());
        if blocks.len() > KEPT {
            *blocks = Vec::new();
        }
        done
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_worked_on_before_changes_nothing() {
        let hash = |memory, password: &[u8]| {
            let mut output = [0; 32];
            let params = Params::new(memory, 1, 1, Some(32)).unwrap();
            work(params, password, b"salt of 16 bytes", &mut output).unwrap();
            output
        };
        let small = hash(8, b"a");
        let large = hash(64, b"a");
        assert_ne!(small, large);
        // Less memory than is there, and the same again.
        assert_eq!(hash(8, b"a"), small);
        assert_eq!(hash(64, b"a"), large);
        assert_ne!(hash(64, b"b"), large);
        let mut fresh = [0; 32];
        let params = Params::new(64, 1, 1, Some(32)).unwrap();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(b"a", b"salt of 16 bytes", &mut fresh)
            .unwrap();
        assert_eq!(fresh, large);
    }

    #[test]
    fn a_thread_keeps_one_piece_and_no_large_one() {
        let mut output = [0; 32];
        let mut kept_after = |memory| {
            let params = Params::new(memory, 1, 1, Some(32)).unwrap();
            work(params, b"a", b"salt of 16 bytes", &mut output).unwrap();
            BLOCKS.with_borrow(Vec::len)
        };
        assert_eq!(kept_after(64), 64);
        assert_eq!(kept_after(32), 64);
        assert_eq!(kept_after(40 * 1024), 0);
    }
}
