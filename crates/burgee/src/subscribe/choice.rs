//! Which messages are printed, and when it is enough.
//!
//! What must hold: what Mosquitto's options mean, in the order in which they are looked at. Deliberately absent: printing.

use std::num::NonZeroU64;
use std::str::FromStr;

use burgee_client::{Message, TopicFilter};
use regex_lite::Regex;

/// What the options want.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Messages still to be printed.
    pub(super) left: Option<NonZeroU64>,
    pub(super) filter_out: Vec<String>,
    pub(super) no_retained: bool,
    pub(super) retained_only: bool,
    pub(super) random_filter: Option<Percentage>,
    pub(super) expect: Option<Regex>,
}

/// What is done with a message.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It is as if it had not come: not printed, not counted, and left at the server.
    Ignored,
    /// It counts, but chance has left it out.
    Counted,
    Printed,
    /// It is not printed, and nothing after it.
    End,
}

impl Wanted {
    pub(super) fn judge(&self, message: &Message) -> Verdict {
        if self.retained_only && !message.retain {
            return Verdict::End;
        }
        let topic = message.topic.as_ref();
        // Checked at the start; what is no filter matches nothing.
        let matches = |raw: &String| TopicFilter::parse(raw).is_ok_and(|filter| filter.matches(topic));
        if self.filter_out.iter().any(matches) {
            return Verdict::Ignored;
        }
        if self.no_retained && message.retain {
            return Verdict::Ignored;
        }
        let is_expected = |pattern: &Regex| pattern.is_match(&String::from_utf8_lossy(&message.payload));
        if !self.expect.as_ref().is_none_or(is_expected) {
            return Verdict::Ignored;
        }
        if self.random_filter.is_some_and(|chance| !chance.falls()) {
            return Verdict::Counted;
        }
        Verdict::Printed
    }

    /// Whether this was the last one.
    pub(super) fn count(&mut self) -> bool {
        let Some(left) = self.left else { return false };
        match NonZeroU64::new(left.get() - 1) {
            Some(left) => {
                self.left = Some(left);
                false
            }
            None => true,
        }
    }
}

/// A chance from 0.1 to 100 percent.
#[derive(Copy, Clone, Debug)]
pub(super) struct Percentage(f64);

impl FromStr for Percentage {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let percent = text.parse().ok().filter(|percent| (0.1..=100.0).contains(percent));
        percent.map(Self).ok_or("this is a percentage from 0.1 to 100")
    }
}

impl Percentage {
    fn falls(self) -> bool {
        // Without random bytes everything is printed: rather too much than nothing.
        let drawn = getrandom::u32().unwrap_or(0);
        f64::from(drawn) < self.0 / 100.0 * 4_294_967_296.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burgee_client::{QoS, TopicNameBuf};

    fn message(topic: &str, retain: bool) -> Message {
        Message {
            topic: TopicNameBuf::parse(topic).expect("valid"),
            payload: b"hello".as_slice().into(),
            qos: QoS::AtMostOnce,
            retain,
            dup: false,
            packet_id: None,
        }
    }

    fn wanted() -> Wanted {
        Wanted {
            left: None,
            filter_out: vec!["no/#".to_owned()],
            no_retained: false,
            retained_only: false,
            random_filter: None,
            expect: None,
        }
    }

    #[test]
    fn filters_go_before_everything_but_the_end() {
        let only = Wanted {
            retained_only: true,
            ..wanted()
        };
        assert_eq!(only.judge(&message("no/a", true)), Verdict::Ignored);
        assert_eq!(only.judge(&message("no/a", false)), Verdict::End);
        assert_eq!(only.judge(&message("a", true)), Verdict::Printed);
        let none = Wanted {
            no_retained: true,
            ..wanted()
        };
        assert_eq!(none.judge(&message("a", true)), Verdict::Ignored);
        assert_eq!(none.judge(&message("a", false)), Verdict::Printed);
    }

    #[test]
    fn a_pattern_is_looked_for_in_the_payload() {
        for (pattern, verdict) in [("^he", Verdict::Printed), ("^lo", Verdict::Ignored)] {
            let expecting = Wanted {
                expect: Some(Regex::new(pattern).expect("a pattern")),
                ..wanted()
            };
            assert_eq!(expecting.judge(&message("a", false)), verdict);
        }
    }

    #[test]
    fn chance_leaves_out_what_it_is_told_to() {
        let drawn = |percent: &str| {
            let chance: Percentage = percent.parse().expect("a percentage");
            (0..2000).filter(|_| chance.falls()).count()
        };
        assert_eq!(drawn("100"), 2000);
        let half = drawn("50");
        assert!((700..1300).contains(&half), "{half}");
        for wrong in ["0", "101", "x", "-1", "NaN"] {
            assert!(wrong.parse::<Percentage>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_last_one_is_known() {
        let mut wanted = Wanted {
            left: NonZeroU64::new(2),
            ..wanted()
        };
        assert_eq!([wanted.count(), wanted.count()], [false, true]);
    }
}
