//! Tables in Markdown.

use crate::case::Case;
use crate::contestant::Contestant;
use crate::figure::{Figure, three};
use crate::results::Results;

/// Rows of cells; the first is the heading.
pub(crate) type Rows = Vec<Vec<String>>;

pub(crate) fn markdown(rows: &Rows) -> String {
    let mut text = String::new();
    for (n, row) in rows.iter().enumerate() {
        text.extend(["| ", &row.join(" | "), " |\n"]);
        if n == 0 {
            text.extend(["|", &"---|".repeat(row.len()), "\n"]);
        }
    }
    text
}

/// The figures of all contestants, and how burgee's relate to the floor's and to Mosquitto's.
pub(crate) fn figures(results: &Results, cases: &[Case], contestants: &[Contestant]) -> Rows {
    let mut heading = vec!["scenario".to_owned(), "figure".to_owned()];
    heading.extend(contestants.iter().map(|who| who.name().to_owned()));
    heading.extend(["× floor".to_owned(), "× mosquitto".to_owned()]);
    let mut rows = vec![heading];
    for case in cases {
        for &figure in case.figures {
            let cells = contestants.iter().map(|&who| cell(results, case, who, figure));
            let mut row = vec![case.title.clone(), figure.name().to_owned()];
            row.extend(cells);
            if row.iter().skip(2).all(|cell| cell == MISSING) {
                continue;
            }
            for other in [Contestant::Floor, Contestant::Mosquitto] {
                row.push(ratio(results, case, figure, other));
            }
            rows.push(row);
        }
    }
    rows
}

const MISSING: &str = "–";

/// The median, with the least and the greatest. A star: the generator was the limit.
pub(crate) fn cell(results: &Results, case: &Case, who: Contestant, figure: Figure) -> String {
    let Some(spread) = results.spread(&case.name, who, figure) else {
        return MISSING.to_owned();
    };
    let suffers = matches!(
        figure,
        Figure::Rate | Figure::Throughput | Figure::P50 | Figure::P99 | Figure::P999
    );
    let star = if suffers && results.generator_limited(&case.name, who) {
        "\\*"
    } else {
        ""
    };
    let [median, least, greatest] = [spread.median, spread.least, spread.greatest].map(|value| figure.print(value));
    if least == greatest {
        format!("{median}{star}")
    } else {
        format!("{median}{star} ({least}–{greatest})")
    }
}

fn ratio(results: &Results, case: &Case, figure: Figure, other: Contestant) -> String {
    let name = case.name.as_str();
    let ratio = results.ratio(figure, (name, Contestant::Burgee), (name, other));
    ratio.map_or_else(String::new, three)
}

/// One shard and two.
pub(crate) fn shards(results: &Results, cases: &[Case]) -> Rows {
    let mut rows = vec![
        ["scenario", "figure", "1 shard", "2 shards", "ratio"]
            .map(str::to_owned)
            .into(),
    ];
    for case in cases {
        let name = case.name.as_str();
        for &figure in case.figures {
            let (one, two) = ((name, Contestant::Burgee), (name, Contestant::Sharded));
            if let Some(ratio) = results.ratio(figure, two, one) {
                rows.push(vec![
                    case.title.clone(),
                    figure.name().to_owned(),
                    cell(results, case, Contestant::Burgee, figure),
                    cell(results, case, Contestant::Sharded, figure),
                    three(ratio),
                ]);
            }
        }
    }
    rows
}

/// What could not be measured, and what else the reader should know, as list items.
pub(crate) fn remarks(results: &Results, cases: &[Case], contestants: &[Contestant]) -> String {
    let mut text = String::new();
    for &who in contestants {
        for case in cases {
            if let Some(reason) = results.reason(&case.name, who) {
                text.extend(["- ", who.name(), ", ", &case.title, ": ", reason, "\n"]);
            }
            // A promise that was broken is told below.
            let lost = results
                .spread(&case.name, who, Figure::Lost)
                .map_or(0.0, |lost| lost.greatest);
            if lost > 0.0 && results.kept(&case.name, who) {
                let lost = format!("{lost:.0} messages of QoS 0 lost in a run");
                text.extend(["- ", who.name(), ", ", &case.title, ": up to ", &lost, "\n"]);
            }
        }
    }
    for broken in results.broken(|_| true) {
        text.extend(["- A promise of the QoS was broken: ", &broken, "\n"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Scale;
    use crate::results::tests::results;

    #[test]
    fn a_row_has_medians_spreads_and_ratios() {
        let cases = Scale { quick: true }.cases();
        let results = results(
            "p2p-qos0",
            "process.cpu_us_per_message",
            &[
                (Contestant::Burgee, &[0.2, 0.4, 0.3]),
                (Contestant::Floor, &[0.1, 0.2, 0.15]),
            ],
        );
        let rows = figures(
            &results,
            &cases,
            &[Contestant::Burgee, Contestant::Floor, Contestant::Nats],
        );
        assert_eq!(rows.len(), 2, "{rows:?}");
        let expected =
            "| 50 pairs, QoS 0 | CPU µs/message | 0.300 (0.200–0.400) | 0.150 (0.100–0.200) | – | 2.00 |  |\n";
        assert!(markdown(&rows).ends_with(expected), "{}", markdown(&rows));
    }
}
