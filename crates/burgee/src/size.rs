//! Sizes as people write them: `1048576`, `64KiB`, `1M`.
//!
//! What must hold: K, M and G mean powers of 1024, with or without `iB`. Deliberately absent: fractions.

/// Reads a number of bytes.
pub(crate) fn parse(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
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
    let number: usize = number
        .parse()
        .map_err(|_| "a size is a number, perhaps with a unit, as in 64MiB".to_owned())?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "that is more than this machine can count".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024() {
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("1000"), Ok(1000));
        assert_eq!(parse("64KiB"), Ok(65_536));
        assert_eq!(parse("64 k"), Ok(65_536));
        assert_eq!(parse("2M"), Ok(2 << 20));
        assert_eq!(parse("1gib"), Ok(1 << 30));
        for wrong in ["", "MiB", "1.5M", "-1", "1T", "99999999999999999999", "9999999999999G"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
