//! Values as Mosquitto reads them.

use std::fmt::Write as _;

/// `true` or `1`, `false` or `0`.
pub(super) fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!(
            "{value:?} is neither true nor false, and Mosquitto would not start with it"
        )),
    }
}

/// A number that is not negative.
pub(super) fn number(value: &str) -> Result<u64, String> {
    value
        .parse()
        .map_err(|_| format!("{value:?} is no number that can stand here"))
}

/// A number in which `none` means that there is no limit.
pub(super) fn limit(value: &str, none: &str) -> Result<Option<u64>, String> {
    if value == none {
        Ok(None)
    } else {
        number(value).map(Some)
    }
}

/// A number and h, d, w, m or y: as days or hours.
pub(super) fn period(value: &str) -> Result<String, String> {
    let wrong = || format!("{value:?} is no duration: Mosquitto has a number and h, d, w, m or y");
    let unit = value.chars().last().ok_or_else(wrong)?;
    let count: u64 = value
        .get(..value.len() - unit.len_utf8())
        .unwrap_or_default()
        .parse()
        .map_err(|_| wrong())?;
    let (times, unit) = match unit {
        'h' => (1, 'h'),
        'd' => (1, 'd'),
        'w' => (7, 'd'),
        'm' => (30, 'd'),
        'y' => (365, 'd'),
        _ => return Err(wrong()),
    };
    let count = count.checked_mul(times).ok_or_else(wrong)?;
    Ok(format!("{count}{unit}"))
}

/// A text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(letter)).ok();
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_counted_in_hours_and_days() {
        for (given, meant) in [
            ("2h", "2h"),
            ("14d", "14d"),
            ("2w", "14d"),
            ("1m", "30d"),
            ("2y", "730d"),
        ] {
            assert_eq!(period(given).as_deref(), Ok(meant));
        }
        for wrong in [
            "",
            "d",
            "2",
            "2s",
            "-1d",
            "99999999999999999999d",
            "9999999999999999999y",
            "2ü",
        ] {
            assert!(period(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_quoted_is_one_text() {
        assert_eq!(quoted("a\"b\\c\nü"), r#""a\"b\\c\u000Aü""#);
    }
}
