//! The table, and what follows from it.
//!
//! What must hold: a count that has grown fails; so does one that is not written down, because nobody would notice
//! when it grows. With other tools than those of the file nothing can be said, and nothing fails.

use crate::ledger::Ledger;
use crate::runner::Count;
use crate::tools::Tools;

/// How it ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Fine,
    Grown,
}

/// More than this is a change that somebody has to speak about, or write down.
const TOLERANCE: f64 = 0.05;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Same,
    Grown,
    Better,
    New,
}

fn judge(before: Option<f64>, now: f64) -> Verdict {
    match before {
        None => Verdict::New,
        Some(before) if now > before * (1.0 + TOLERANCE) => Verdict::Grown,
        Some(before) if now < before * (1.0 - TOLERANCE) => Verdict::Better,
        Some(_) => Verdict::Same,
    }
}

/// Prints all counts beside what is written down. `all`: what is written down should all be there.
pub(crate) fn compare(ledger: &Ledger, tools: &Tools, counts: &[Count], all: bool) -> Outcome {
    println!("instructions for one operation, {tools}");
    println!("{:<30} {:>11} {:>11} {:>7}", "case", "before", "now", "ratio");
    let (mut grown, mut better, mut new) = (0, 0, 0);
    for (name, now) in counts {
        let before = ledger.get(name);
        let said = match judge(before, *now) {
            Verdict::Same => "",
            Verdict::Grown => {
                grown += 1;
                "  GREW"
            }
            Verdict::Better => {
                better += 1;
                "  better"
            }
            Verdict::New => {
                new += 1;
                "  new"
            }
        };
        let shown = before.map_or_else(|| "-".to_owned(), |before| format!("{before:.1}"));
        let ratio = before.map_or_else(|| "-".to_owned(), |before| format!("{:.3}", now / before));
        println!("{name:<30} {shown:>11} {now:>11.1} {ratio:>7}{said}");
    }
    let gone = |name: &&str| all && !counts.iter().any(|(known, _)| known == name);
    let gone: Vec<&str> = ledger.names().filter(gone).collect();
    println!();
    if ledger.tools != *tools {
        println!("The counts that are written down were made with {}.", ledger.tools);
        println!("Between other tools they differ without a reason in our code: not judged.");
        return Outcome::Fine;
    }
    if better > 0 {
        println!("{better} fell by more than 5 %: scripts/counts --write keeps what was won.");
    }
    if !gone.is_empty() {
        println!("Written down, and no case any more: {}", gone.join(", "));
    }
    if new > 0 {
        println!("{new} are not written down yet.");
    }
    if grown > 0 {
        println!("{grown} grew by more than 5 %. Where: scripts/counts --profile CASE.");
    }
    if grown + new + gone.len() > 0 {
        println!("If that is as it should be: scripts/counts --write, and a word in the commit that says why.");
        return Outcome::Grown;
    }
    Outcome::Fine
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(compiler: &str) -> Tools {
        Tools {
            compiler: compiler.to_owned(),
            ..Tools::default()
        }
    }

    fn outcome(before: &[Count], now: &[Count], all: bool) -> Outcome {
        let mut ledger = Ledger::default();
        ledger.replace(before, true);
        compare(&ledger, &Tools::default(), now, all)
    }

    #[test]
    fn more_than_five_percent_of_growth_fails() {
        assert_eq!(outcome(&[("a", 100.0)], &[("a", 104.9)], true), Outcome::Fine);
        assert_eq!(outcome(&[("a", 100.0)], &[("a", 105.1)], true), Outcome::Grown);
        assert_eq!(outcome(&[("a", 100.0)], &[("a", 50.0)], true), Outcome::Fine);
        assert_eq!(judge(Some(100.0), 94.9), Verdict::Better);
    }

    #[test]
    fn what_is_not_written_down_fails_and_so_does_what_is_gone() {
        assert_eq!(outcome(&[], &[("a", 1.0)], true), Outcome::Grown);
        assert_eq!(outcome(&[("a", 1.0), ("b", 1.0)], &[("a", 1.0)], true), Outcome::Grown);
        assert_eq!(outcome(&[("a", 1.0), ("b", 1.0)], &[("a", 1.0)], false), Outcome::Fine);
    }

    #[test]
    fn other_tools_are_not_judged() {
        let mut ledger = Ledger::default();
        ledger.replace(&[("a", 1.0)], true);
        ledger.tools = tools("1.0");
        assert_eq!(compare(&ledger, &tools("2.0"), &[("a", 9.0)], true), Outcome::Fine);
        assert_eq!(compare(&ledger, &tools("1.0"), &[("a", 9.0)], true), Outcome::Grown);
    }
}
