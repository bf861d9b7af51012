//! Limits for lines in the log: nobody outside may fill it.
//!
//! What must hold: how many lines were left out is said with the next one that is not. Deliberately absent: the lines.

use burgee_protocol::Time;

/// Lets so many lines through in a second.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    second: u64,
    let_through: u32,
    suppressed: u64,
}

impl Limiter {
    /// Whether this line may be written, and how many were left out before it.
    pub(crate) fn admit(&mut self, now: Time, limit: u32) -> Option<u64> {
        let second = now.as_millis() / 1000;
        if second != self.second {
            self.second = second;
            self.let_through = 0;
        }
        if self.let_through >= limit {
            self.suppressed += 1;
            return None;
        }
        self.let_through += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_limit_are_counted() {
        let mut limiter = Limiter::default();
        let at = Time::from_millis;
        assert_eq!(limiter.admit(at(5_000), 2), Some(0));
        assert_eq!(limiter.admit(at(5_001), 2), Some(0));
        assert_eq!(limiter.admit(at(5_002), 2), None);
        assert_eq!(limiter.admit(at(5_999), 2), None);
        assert_eq!(limiter.admit(at(6_000), 2), Some(2));
        assert_eq!(limiter.admit(at(6_001), 2), Some(0));
    }
}
