//! What happened to the files of a directory, in order, and what of it survives.

use std::collections::BTreeMap;

/// What SQLite asks of a file.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Call {
    /// Read bytes.
    Read,
    /// Write bytes.
    Write,
    /// Make it shorter.
    Truncate,
    /// Make it durable.
    Sync,
}

/// What becomes of writes that were not synced when the power goes.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Luck {
    /// All are lost.
    Bad,
    /// All are there.
    Good,
    /// Each is there, or lost, or there up to some byte, as this seed decides.
    Mixed(u64),
}

#[derive(Debug)]
enum Event {
    Write { file: String, at: usize, bytes: Vec<u8> },
    Truncate { file: String, len: usize },
    Sync { file: String },
    Delete { file: String },
    Mark(u64),
}

/// What is to fail.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Failing {
    /// These calls,
    pub calls: &'static [Call],
    /// of the file of this name, or of any.
    pub file: Option<&'static str>,
    /// The how-manieth of them, from 1.
    pub nth: u64,
    /// With this code of SQLite's.
    pub code: i32,
    /// Whether all behind it fail as well.
    pub stays: bool,
}

#[derive(Debug)]
pub(crate) struct Log {
    before: BTreeMap<String, Vec<u8>>,
    events: Vec<Event>,
    failing: Option<Failing>,
    /// Whether one has.
    happened: bool,
}

impl Log {
    pub(crate) const fn new(before: BTreeMap<String, Vec<u8>>) -> Self {
        Self {
            before,
            events: Vec::new(),
            failing: None,
            happened: false,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn mark(&mut self, number: u64) {
        self.events.push(Event::Mark(number));
    }

    pub(crate) fn marked(&self, moment: usize) -> Option<u64> {
        self.events.iter().take(moment).rev().find_map(|event| match event {
            Event::Mark(number) => Some(*number),
            Event::Write { .. } | Event::Truncate { .. } | Event::Sync { .. } | Event::Delete { .. } => None,
        })
    }

    pub(crate) fn write(&mut self, file: &str, at: usize, bytes: &[u8]) {
        self.events.push(Event::Write {
            file: file.to_owned(),
            at,
            bytes: bytes.to_vec(),
        });
    }

    pub(crate) fn truncate(&mut self, file: &str, len: usize) {
        let file = file.to_owned();
        self.events.push(Event::Truncate { file, len });
    }

    pub(crate) fn sync(&mut self, file: &str) {
        self.events.push(Event::Sync { file: file.to_owned() });
    }

    pub(crate) fn delete(&mut self, file: &str) {
        self.events.push(Event::Delete { file: file.to_owned() });
    }

    pub(crate) const fn fail(&mut self, failing: Failing) {
        self.failing = Some(failing);
        self.happened = false;
    }

    pub(crate) fn mend(&mut self) -> bool {
        self.failing = None;
        std::mem::take(&mut self.happened)
    }

    /// The code with which this call fails.
    pub(crate) fn fails(&mut self, call: Call, file: &str) -> Option<i32> {
        let failing = self.failing.as_mut()?;
        if !failing.calls.contains(&call) || failing.file.is_some_and(|only| only != file) {
            return None;
        }
        failing.nth = failing.nth.saturating_sub(1);
        if failing.nth > 0 || self.happened && !failing.stays {
            return None;
        }
        self.happened = true;
        Some(failing.code)
    }

    pub(crate) fn after_power_cut(&self, moment: usize, luck: Luck) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.before.clone();
        let mut pending: Vec<&Event> = Vec::new();
        for event in self.events.iter().take(moment) {
            match event {
                Event::Write { .. } | Event::Truncate { .. } => pending.push(event),
                Event::Sync { file } => {
                    pending.retain(|event| {
                        let synced = file_of(event) == Some(file);
                        if synced {
                            apply(&mut files, event, usize::MAX);
                        }
                        !synced
                    });
                    // A file that was synced is there, even when it is empty.
                    files.entry(file.clone()).or_default();
                }
                Event::Delete { file } => {
                    pending.retain(|event| file_of(event) != Some(file));
                    files.remove(file);
                }
                Event::Mark(_) => {}
            }
        }
        let mut chance = match luck {
            Luck::Mixed(seed) => seed,
            Luck::Bad | Luck::Good => 0,
        };
        for event in pending {
            let survives = match luck {
                Luck::Bad => None,
                Luck::Good => Some(usize::MAX),
                Luck::Mixed(_) => survives(event, &mut chance),
            };
            if let Some(bytes) = survives {
                apply(&mut files, event, bytes);
            }
        }
        files
    }
}

const fn file_of(event: &Event) -> Option<&String> {
    match event {
        Event::Write { file, .. } | Event::Truncate { file, .. } | Event::Sync { file } | Event::Delete { file } => {
            Some(file)
        }
        Event::Mark(_) => None,
    }
}

/// How many bytes of it are there; `None`: it is as if it had never been.
fn survives(event: &Event, chance: &mut u64) -> Option<usize> {
    // splitmix64
    *chance = chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *chance;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let len = match event {
        Event::Write { bytes, .. } => bytes.len(),
        Event::Truncate { .. } | Event::Sync { .. } | Event::Delete { .. } | Event::Mark(_) => 0,
    };
    match mixed % 5 {
        0 | 1 => None,
        2 | 3 => Some(usize::MAX),
        _ => usize::try_from(mixed / 5).ok().and_then(|mixed| mixed.checked_rem(len)),
    }
}

/// Does what was done, up to so many bytes.
fn apply(files: &mut BTreeMap<String, Vec<u8>>, event: &Event, most: usize) {
    match event {
        Event::Write { file, at, bytes } => {
            let bytes = bytes.get(..most).unwrap_or(bytes);
            let content = files.entry(file.clone()).or_default();
            if content.len() < at + bytes.len() {
                content.resize(at + bytes.len(), 0);
            }
            if let Some(place) = content.get_mut(*at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        }
        Event::Truncate { file, len } => files.entry(file.clone()).or_default().resize(*len, 0),
        Event::Sync { .. } | Event::Delete { .. } | Event::Mark(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Log {
        let mut log = Log::new(BTreeMap::from([("a".to_owned(), b"old.".to_vec())]));
        log.write("a", 0, b"new");
        log.sync("a");
        log.mark(1);
        log.write("a", 3, b"er!");
        log.write("b", 2, b"x");
        log.truncate("a", 1);
        log
    }

    fn text(files: &BTreeMap<String, Vec<u8>>, name: &str) -> Option<String> {
        files.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    #[test]
    fn what_was_synced_is_there_and_the_rest_is_a_matter_of_luck() {
        let log = log();
        assert_eq!(text(&log.after_power_cut(1, Luck::Bad), "a").as_deref(), Some("old."));
        assert_eq!(text(&log.after_power_cut(1, Luck::Good), "a").as_deref(), Some("new."));
        assert_eq!(text(&log.after_power_cut(6, Luck::Bad), "a").as_deref(), Some("new."));
        assert_eq!(text(&log.after_power_cut(6, Luck::Bad), "b"), None);
        assert_eq!(text(&log.after_power_cut(6, Luck::Good), "a").as_deref(), Some("n"));
        assert_eq!(text(&log.after_power_cut(6, Luck::Good), "b").as_deref(), Some("\0\0x"));
        let all: Vec<_> = (0..200)
            .filter_map(|seed| text(&log.after_power_cut(5, Luck::Mixed(seed)), "a"))
            .collect();
        for seen in ["new.", "newe", "newer", "newer!"] {
            assert!(all.iter().any(|found| found.starts_with(seen)), "{seen} in {all:?}");
        }
    }

    #[test]
    fn marks_are_found_from_behind() {
        assert_eq!(
            (log().marked(2), log().marked(3), log().marked(99)),
            (None, Some(1), Some(1))
        );
    }

    #[test]
    fn a_call_fails_once_or_from_then_on() {
        for stays in [false, true] {
            let mut log = log();
            log.fail(Failing {
                calls: &[Call::Write, Call::Sync],
                file: Some("a"),
                nth: 2,
                code: 7,
                stays,
            });
            assert_eq!(log.fails(Call::Write, "b"), None);
            let found = [Call::Write, Call::Read, Call::Sync, Call::Write].map(|call| log.fails(call, "a"));
            assert_eq!(found, [None, None, Some(7), stays.then_some(7)]);
            assert!(log.mend() && !log.mend());
            assert_eq!(log.fails(Call::Write, "a"), None);
        }
    }
}
