//! The time of a message, in words of strftime, in the zone that the system or `TZ` names.
//!
//! What must hold: what comes out is what C's strftime gives in the "C" locale; a letter that it does not know stays as it
//! is. Deliberately absent: other locales, and calendars other than the Gregorian.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tz::{DateTime, TimeZone};

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// What turns an instant into a date.
#[derive(Debug)]
pub(crate) struct Clock(TimeZone);

impl Clock {
    /// The zone of `TZ` where it is set and known, else the system's, else UTC.
    pub(crate) fn system() -> Self {
        let named = std::env::var("TZ").ok().filter(|name| !name.is_empty());
        let zone = named.map_or_else(TimeZone::local, |name| TimeZone::from_posix_tz(&name));
        Self(zone.unwrap_or_else(|_| TimeZone::utc()))
    }

    /// For tests, and for who wants no zone.
    #[cfg(test)]
    pub(super) fn utc() -> Self {
        Self(TimeZone::utc())
    }

    /// An instant as a date.
    pub(crate) fn date(&self, time: SystemTime) -> Date {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        let nanos = since.subsec_nanos();
        let date = DateTime::from_timespec(seconds, nanos, self.0.as_ref())
            .or_else(|_| DateTime::from_timespec(seconds, nanos, TimeZone::utc().as_ref()));
        Date {
            seconds,
            nanos,
            parts: date.ok(),
        }
    }
}

/// A date and time, to be written in parts.
#[derive(Debug)]
pub(crate) struct Date {
    seconds: i64,
    nanos: u32,
    /// `None` only billions of years from now.
    parts: Option<DateTime>,
}

impl Date {
    /// Seconds since 1970 with nanoseconds.
    pub(crate) fn unix(&self, out: &mut Vec<u8>) {
        put(out, format_args!("{}.{:09}", self.seconds, self.nanos));
    }

    /// `2026-11-29T09:47:38+0100`.
    pub(crate) fn iso(&self, out: &mut Vec<u8>) {
        self.each("Y-m-dTH:M:Sz", out);
    }

    /// `2026-11-29T09:47:38.123456+0100`.
    pub(crate) fn iso_micros(&self, out: &mut Vec<u8>) {
        self.each("Y-m-dTH:M:S", out);
        put(out, format_args!(".{:06}", self.nanos / 1000));
        self.letter('z', out);
    }

    /// What the letter stands for.
    pub(crate) fn letter(&self, letter: char, out: &mut Vec<u8>) {
        if letter == 'N' {
            return put(out, format_args!("{:09}", self.nanos));
        }
        let Some(date) = &self.parts else {
            return;
        };
        match letter {
            'a' => put(out, format_args!("{:.3}", name(&DAYS, date.week_day()))),
            'A' => put(out, format_args!("{}", name(&DAYS, date.week_day()))),
            'b' | 'h' => put(out, format_args!("{:.3}", name(&MONTHS, date.month() - 1))),
            'B' => put(out, format_args!("{}", name(&MONTHS, date.month() - 1))),
            'C' => put(out, format_args!("{:02}", date.year() / 100)),
            'd' => put(out, format_args!("{:02}", date.month_day())),
            'e' => put(out, format_args!("{:2}", date.month_day())),
            'H' => put(out, format_args!("{:02}", date.hour())),
            'I' => put(out, format_args!("{:02}", hour_of_12(date.hour()))),
            'k' => put(out, format_args!("{:2}", date.hour())),
            'l' => put(out, format_args!("{:2}", hour_of_12(date.hour()))),
            'j' => put(out, format_args!("{:03}", date.year_day() + 1)),
            'm' => put(out, format_args!("{:02}", date.month())),
            'M' => put(out, format_args!("{:02}", date.minute())),
            'p' => put(out, format_args!("{}", if date.hour() < 12 { "AM" } else { "PM" })),
            'P' => put(out, format_args!("{}", if date.hour() < 12 { "am" } else { "pm" })),
            's' => put(out, format_args!("{}", self.seconds)),
            'S' => put(out, format_args!("{:02}", date.second())),
            'u' => put(out, format_args!("{}", day_of_week(date))),
            'w' => put(out, format_args!("{}", date.week_day())),
            'y' => put(out, format_args!("{:02}", date.year().rem_euclid(100))),
            'Y' => put(out, format_args!("{}", date.year())),
            'n' => out.push(b'\n'),
            't' => out.push(b'\t'),
            '%' => out.push(b'%'),
            'Z' => put(out, format_args!("{}", date.local_time_type().time_zone_designation())),
            'z' => offset(date, out),
            'U' | 'W' | 'V' | 'g' | 'G' => weeks(letter, date, out),
            'c' | 'D' | 'F' | 'r' | 'R' | 'T' | 'x' | 'X' => self.composed(letter, out),
            other => put(out, format_args!("%{other}")),
        }
    }

    /// Letters that stand for several.
    fn composed(&self, letter: char, out: &mut Vec<u8>) {
        self.each(
            match letter {
                'c' => "a b e H:M:S Y",
                'D' | 'x' => "m/d/y",
                'F' => "Y-m-d",
                'r' => "I:M:S p",
                'R' => "H:M",
                _ => "H:M:S",
            },
            out,
        );
    }

    /// Each letter is replaced, except the `T` between date and time; every other sign stays.
    fn each(&self, pattern: &str, out: &mut Vec<u8>) {
        for sign in pattern.chars() {
            if sign.is_ascii_alphabetic() && sign != 'T' {
                self.letter(sign, out);
            } else {
                put(out, format_args!("{sign}"));
            }
        }
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing into memory cannot fail.
    out.write_fmt(text).ok();
}

fn name<const N: usize>(names: &[&'static str; N], at: u8) -> &'static str {
    names.get(usize::from(at)).copied().unwrap_or_default()
}

const fn hour_of_12(hour: u8) -> u8 {
    match hour % 12 {
        0 => 12,
        hour => hour,
    }
}

/// 1 is Monday, 7 is Sunday.
const fn day_of_week(date: &DateTime) -> u8 {
    match date.week_day() {
        0 => 7,
        day => day,
    }
}

fn offset(date: &DateTime, out: &mut Vec<u8>) {
    let seconds = date.local_time_type().ut_offset();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    put(out, format_args!("{sign}{:02}{:02}", minutes / 60, minutes % 60));
}

/// Weeks of the year: from its first Sunday, from its first Monday, and ISO's, whose year may be another one.
fn weeks(letter: char, date: &DateTime, out: &mut Vec<u8>) {
    let day = i32::from(date.year_day());
    match letter {
        'U' => return put(out, format_args!("{:02}", (day + 7 - i32::from(date.week_day())) / 7)),
        'W' => {
            let since_monday = i32::from(day_of_week(date)) - 1;
            return put(out, format_args!("{:02}", (day + 7 - since_monday) / 7));
        }
        _ => {}
    }
    // The week belongs to the year that has its Thursday.
    let thursday = day + 4 - i32::from(day_of_week(date));
    let year = date.year();
    let (year, thursday) = if thursday < 0 {
        (year - 1, thursday + days_of(year - 1))
    } else if thursday >= days_of(year) {
        (year + 1, thursday - days_of(year))
    } else {
        (year, thursday)
    };
    match letter {
        'V' => put(out, format_args!("{:02}", thursday / 7 + 1)),
        'g' => put(out, format_args!("{:02}", year.rem_euclid(100))),
        _ => put(out, format_args!("{year}")),
    }
}

const fn days_of(year: i32) -> i32 {
    if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) {
        366
    } else {
        365
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &str, seconds: u64, letters: &str) -> String {
        let clock = Clock(TimeZone::from_posix_tz(zone).expect(zone));
        let date = clock.date(UNIX_EPOCH + Duration::new(seconds, 7_000_123));
        let mut out = Vec::new();
        for letter in letters.chars() {
            date.letter(letter, &mut out);
            out.push(b'|');
        }
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn every_letter_is_what_strftime_makes_of_it() {
        // Compared with C's strftime: 2026-11-29 00:46:28 UTC.
        let all = at("UTC0", 1_795_913_188, "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZEN%");
        let expected = "Sun|Sunday|Nov|November|Sun Nov 29 00:46:28 2026|20|29|11/29/26|29|2026-11-29|26|2026|Nov|00|12|333\
            | 0|12|11|46|\n|AM|am|12:46:28 AM|00:46|1795913188|28|\t|00:46:28|7|48|48|0|47|11/29/26|00:46:28|26|2026|+0000|UTC\
            |%E|007000123|%|";
        assert_eq!(all, expected);
    }

    #[test]
    fn the_zone_shifts_hours_days_and_years() {
        assert_eq!(at("EST5", 1_795_913_188, "FTzZ"), "2026-11-28|19:46:28|-0500|EST|");
        assert_eq!(at("IST-5:30", 0, "FTz"), "1970-01-01|05:30:00|+0530|");
    }

    #[test]
    fn iso_weeks_belong_to_the_year_of_their_thursday() {
        // 2021-01-01 is a Friday, 2024-12-30 a Monday.
        assert_eq!(at("UTC0", 1_609_459_200, "GVguUW"), "2020|53|20|5|00|00|");
        assert_eq!(at("UTC0", 1_735_516_800, "GVguUW"), "2025|01|25|1|52|53|");
    }

    #[test]
    fn whole_stamps() {
        let clock = Clock(TimeZone::from_posix_tz("CET-1").expect("a zone"));
        let date = clock.date(UNIX_EPOCH + Duration::new(1_470_818_943, 786_368_637));
        let mut out = Vec::new();
        date.iso(&mut out);
        out.push(b' ');
        date.iso_micros(&mut out);
        out.push(b' ');
        date.unix(&mut out);
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "2016-08-10T09:49:03+0100 2016-08-10T09:49:03.786368+0100 1470818943.786368637"
        );
    }
}
