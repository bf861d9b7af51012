//! Numbers as people read them.

/// A count with its thousands apart.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number that need not be whole: three or four digits tell enough.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        small if small < 10.0 => trimmed(format!("{value:.3}")),
        middle if middle < 1000.0 => trimmed(format!("{value:.1}")),
        _ => whole(value),
    }
}

/// Microseconds, in the unit that fits.
pub(super) fn time(micros: f64) -> String {
    match micros.abs() {
        small if small < 1000.0 => format!("{} us", number(micros)),
        middle if middle < 1e6 => format!("{} ms", digits(micros / 1e3)),
        _ => format!("{} s", digits(micros / 1e6)),
    }
}

/// Bytes, in the unit that fits.
pub(super) fn bytes(value: f64) -> String {
    const KIB: f64 = 1024.0;
    match value.abs() {
        small if small < 10.0 * KIB => format!("{} B", whole(value)),
        middle if middle < 10.0 * KIB * KIB => format!("{} KiB", digits(value / KIB)),
        _ => format!("{} MiB", digits(value / KIB / KIB)),
    }
}

fn digits(value: f64) -> String {
    match value.abs() {
        small if small < 10.0 => format!("{value:.2}"),
        middle if middle < 100.0 => format!("{value:.1}"),
        _ => whole(value),
    }
}

fn whole(value: f64) -> String {
    let sign = if value <= -0.5 { "-" } else { "" };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a figure of a run; what is beyond the range is shown at its edge"
    )]
    let rounded = value.abs().round() as u64;
    format!("{sign}{}", count(rounded))
}

fn trimmed(text: String) -> String {
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            [0, 12, 123, 1234, 1_234_567].map(count),
            ["0", "12", "123", "1,234", "1,234,567"]
        );
        assert_eq!(
            [0.0, 0.4, 1.0, 12.345, 999.94, 246_913.4, -3.0].map(number),
            ["0", "0.4", "1", "12.3", "999.9", "246,913", "-3"]
        );
        assert_eq!(
            [0.0, 0.25, 12.5, 1234.0, 45_600.0, 999_000.0, 12_000_000.0].map(time),
            ["0 us", "0.25 us", "12.5 us", "1.23 ms", "45.6 ms", "999 ms", "12.0 s"]
        );
        assert_eq!(
            [0.0, 569.4, 8192.0, 65_536.0, 1_048_576.0, 20_000_000.0].map(bytes),
            ["0 B", "569 B", "8,192 B", "64.0 KiB", "1,024 KiB", "19.1 MiB"]
        );
    }
}
