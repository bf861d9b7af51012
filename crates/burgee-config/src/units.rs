//! Sizes and durations as people write them: `64KiB`, `1M`, `10s`, `5min`.
//!
//! What must hold: what [`show_size`] and [`show_duration`] write is read back as the same value. K, M and G mean powers of
//! 1024, with or without `iB`; a duration without unit is in seconds. Deliberately absent: fractions, months and years.

use std::time::Duration;

/// Reads a number of bytes.
///
/// # Errors
/// Says what to write instead.
pub fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => {
            return Err(format!(
                "unknown unit {unit:?}: write bytes, or KiB, MiB, GiB, as in 64MiB"
            ));
        }
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "a size is a number, perhaps with a unit, as in 64MiB".to_owned())?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "that is more than can be counted".to_owned())
}

/// The shortest exact form.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes != 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// Unit names, longest first, with their milliseconds.
const UNITS: &[(&str, u64)] = &[
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("min", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Reads a duration.
///
/// # Errors
/// Says what to write instead.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let number: u64 = number
        .parse()
        .map_err(|_| "a duration is a number with a unit, as in 10s, 5min, 2h or 7d".to_owned())?;
    let unit = if unit.is_empty() { "s" } else { unit };
    let Some((_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!(
            "unknown unit {unit:?}: write ms, s, min, h or d, as in 10s or 5min"
        ));
    };
    let millis = number.checked_mul(*millis);
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| "that is more than can be counted".to_owned())
}

/// The shortest exact form, to the millisecond.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let exact = UNITS.iter().find(|(_, unit)| millis.is_multiple_of(*unit));
    exact.map_or_else(String::new, |(name, unit)| format!("{}{name}", millis / unit))
}

fn split(text: &str) -> (&str, &str) {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    (number, unit.trim())
}

/// As the broker counts.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The largest number means no limit.
pub(crate) fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What this machine can count; the largest number means no limit.
pub(crate) fn machine(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_have_units_of_1024() {
        assert_eq!(size("0"), Ok(0));
        assert_eq!(size("1000"), Ok(1000));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("64 k"), Ok(65_536));
        assert_eq!(size("2M"), Ok(2 << 20));
        assert_eq!(size("1gib"), Ok(1 << 30));
        for wrong in ["", "MiB", "1.5M", "-1", "1T", "99999999999999999999", "99999999999G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_have_units_and_without_one_mean_seconds() {
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("10 s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("5min"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        // "5m" may be minutes, months or metres.
        for wrong in [
            "",
            "s",
            "1.5s",
            "-1s",
            "5m",
            "1 week",
            "99999999999999999999s",
            "9999999999999999d",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(bytes: u64, millis in 0_u64..u64::MAX) {
            prop_assert_eq!(size(&show_size(bytes)), Ok(bytes));
            let span = Duration::from_millis(millis);
            prop_assert_eq!(duration(&show_duration(span)), Ok(span));
        }

        #[test]
        fn no_text_panics(text: String) {
            drop((size(&text), duration(&text)));
        }
    }
}
