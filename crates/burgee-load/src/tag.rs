//! What tells the names and topics of this generator from those of every other one.
//!
//! Must hold: chosen once; not the process id, which is the same in every container; letters and digits only, and so few
//! that a name with a number behind it keeps to the 23 bytes that every broker has to take.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;
use std::time::SystemTime;

/// Digits of a tag, in base 36: 51 bits.
const DIGITS: usize = 10;

/// The tag of this process.
pub(crate) fn tag() -> &'static str {
    static TAG: OnceLock<String> = OnceLock::new();
    TAG.get_or_init(fresh)
}

/// The keys of the hasher come from the system's random numbers; clock and process id go in as well.
fn fresh() -> String {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    hasher.write_u128(since.map_or(0, |since| since.as_nanos()));
    let mut rest = hasher.finish();
    let digits = (0..DIGITS).map(|_| {
        let digit = u32::try_from(rest % 36).unwrap_or_default();
        rest /= 36;
        char::from_digit(digit, 36).unwrap_or('0')
    });
    digits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_chosen_once_and_no_two_are_the_same() {
        assert_eq!(tag(), tag());
        let (one, other) = (fresh(), fresh());
        assert_ne!(one, other, "one process, as two containers have it");
        assert_eq!(one.len(), DIGITS);
        assert!(one.bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}
