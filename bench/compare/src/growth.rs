//! How cost grows: CPU time of a message as the number of subscribers, subscriptions, connections or bytes rises.

use std::time::Duration;

use crate::case::{Case, Scale};
use crate::contestant::Contestant;
use crate::figure::{Figure, grouped, three};
use crate::results::Results;
use crate::svg::{self, Anchor, Svg, label};
use crate::table::{Rows, cell};

/// Who is asked.
pub(crate) const CONTESTANTS: [Contestant; 3] = [Contestant::Burgee, Contestant::Floor, Contestant::Mosquitto];

/// One way to grow.
#[derive(Debug)]
pub(crate) struct Series {
    title: &'static str,
    /// What is counted along the way, and the case for each count.
    unit: &'static str,
    points: Vec<(u32, Case)>,
    figure: Figure,
}

impl Series {
    pub(crate) fn cases(&self) -> impl Iterator<Item = &Case> {
        self.points.iter().map(|(_, case)| case)
    }
}

/// Each way to grow, with its steps. Mosquitto goes as far as it is quick.
pub(crate) fn series(scale: Scale) -> Vec<Series> {
    let subscribers = Series {
        title: "1 publisher, QoS 0, window 4",
        unit: "subscribers",
        points: points(scale, "subscribers", &[1, 10, 100, 1_000, 10_000], |count, case| {
            case.arguments.extend(words(&format!("--subscribers {count}")));
            limit_mosquitto(case, count <= 1_000);
        }),
        figure: Figure::Cpu,
    };
    let subscriptions = Series {
        title: "997 clients, mixed; per published one",
        unit: "subscriptions",
        points: points(
            scale,
            "subscriptions",
            &[1_000, 10_000, 100_000, 1_000_000],
            |count, case| {
                case.arguments = words(&scale.subscriptions(count)).collect();
                case.figures = &[Figure::CpuPerPublished];
                limit_mosquitto(case, count <= 100_000);
                // The floor knows no wildcards.
                case.contestants.retain(|who| *who != Contestant::Floor);
            },
        ),
        figure: Figure::CpuPerPublished,
    };
    let connections = Series {
        title: "50 pairs, QoS 0, window 4, the others idle",
        unit: "connections",
        points: points(scale, "connections", &[100, 1_000, 5_000, 15_000], |count, case| {
            case.arguments.extend(words("--window 4"));
            // The pairs count, too.
            case.beside = count.saturating_sub(100) as usize;
        }),
        figure: Figure::Cpu,
    };
    let payloads = Series {
        title: "50 pairs, QoS 0, window 4",
        unit: "bytes of payload",
        points: points(
            scale,
            "payload",
            &[16, 64, 256, 1_024, 4_096, 16_384, 65_536],
            |count, case| {
                case.arguments.extend(words(&format!("--window 4 --payload {count}")));
            },
        ),
        figure: Figure::Cpu,
    };
    vec![subscribers, subscriptions, connections, payloads]
}

/// Mosquitto goes as far as it is quick.
fn limit_mosquitto(case: &mut Case, quick: bool) {
    case.contestants.retain(|who| quick || *who != Contestant::Mosquitto);
}

fn points(scale: Scale, name: &str, counts: &[u32], set: impl Fn(u32, &mut Case)) -> Vec<(u32, Case)> {
    let scenario = if name == "subscribers" { "fanout" } else { "p2p" };
    let case = |count: u32| {
        let mut case = scale.traffic(&format!("{name}-{count}"), &format!("{count} {name}"), scenario);
        case.figures = &[Figure::Cpu];
        case.contestants = CONTESTANTS.into();
        case.patience = Duration::from_secs(60);
        set(count, &mut case);
        (count, case)
    };
    counts.iter().copied().map(case).collect()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().map(str::to_owned)
}

/// CPU time at each step, and how many times the first step's it is.
pub(crate) fn table(results: &Results, all: &[Series]) -> Rows {
    let mut heading = vec!["what grows".to_owned(), "to".to_owned()];
    heading.extend(CONTESTANTS.iter().map(|who| format!("{} CPU µs/message", who.name())));
    heading.extend(["burgee × floor".to_owned(), "burgee × first step".to_owned()]);
    let mut rows = vec![heading];
    for series in all {
        let Some((_, first)) = series.points.first() else {
            continue;
        };
        for (count, case) in &series.points {
            let name = case.name.as_str();
            let ours = (name, Contestant::Burgee);
            let ratio = |other| {
                results
                    .ratio(series.figure, ours, other)
                    .map_or_else(String::new, three)
            };
            let mut row = vec![format!("{} ({})", series.unit, series.title), grouped(*count)];
            row.extend(CONTESTANTS.iter().map(|&who| cell(results, case, who, series.figure)));
            row.push(ratio((name, Contestant::Floor)));
            row.push(ratio((first.name.as_str(), Contestant::Burgee)));
            rows.push(row);
        }
    }
    rows
}

/// A step's label: bytes go in powers of two.
fn step(count: u32) -> String {
    if count >= 1024 && count.is_multiple_of(1024) {
        format!("{}Ki", count / 1024)
    } else {
        label(f64::from(count))
    }
}

const WIDTH: f64 = 410.0;
const HEIGHT: f64 = 270.0;

/// Four panels, each with a line for each contestant; both scales are of multiples.
pub(crate) fn chart(results: &Results, all: &[Series]) -> String {
    let mut svg = Svg::new(2.0 * WIDTH, 2.0 * HEIGHT + 60.0);
    svg.text(
        (16.0, 24.0),
        Anchor::Start,
        "title",
        "CPU time of the broker for each delivered message, in µs",
    );
    svg.legend((24.0, 48.0), &CONTESTANTS);
    let places = [(0.0, 60.0), (WIDTH, 60.0), (0.0, 60.0 + HEIGHT), (WIDTH, 60.0 + HEIGHT)];
    for (series, place) in all.iter().zip(places) {
        panel(&mut svg, results, series, place);
    }
    svg.finish()
}

fn panel(svg: &mut Svg, results: &Results, series: &Series, (left, top): (f64, f64)) {
    let lines = CONTESTANTS.map(|who| (who, line(results, series, who)));
    let values = || lines.iter().flat_map(|(_, points)| points);
    let (least, greatest) = values().fold((f64::MAX, 0.0_f64), |(least, greatest), &(_, value)| {
        (least.min(value), greatest.max(value))
    });
    let first = series.points.first().map_or(1.0, |(count, _)| f64::from(*count));
    let end = series.points.last().map_or(1.0, |(count, _)| f64::from(*count));
    svg.text(
        (left + 50.0, top + 18.0),
        Anchor::Start,
        "",
        &format!("{}: {}", series.unit, series.title),
    );
    if values().next().is_none() {
        return;
    }
    let (x0, x1, y0, y1) = (left + 50.0, left + WIDTH - 20.0, top + HEIGHT - 40.0, top + 32.0);
    let across = svg::Scale::new((first, end), (x0, x1));
    let up = svg::Scale::new((least * 0.8, greatest * 1.25), (y0, y1));
    for tick in up.ticks() {
        let y = up.place(tick);
        svg.rule((x0, y), (x1, y));
        svg.text((x0 - 6.0, y + 4.0), Anchor::End, "dim", &label(tick));
    }
    for (count, _) in &series.points {
        let x = across.place(f64::from(*count));
        svg.rule((x, y0), (x, y1));
        svg.text((x, y0 + 18.0), Anchor::Middle, "dim", &step(*count));
    }
    for (who, points) in lines.iter().rev() {
        let places: Vec<(f64, f64)> = points
            .iter()
            .map(|&(count, value)| (across.place(f64::from(count)), up.place(value)))
            .collect();
        svg.line(*who, &places);
        for (place, (count, value)) in places.iter().zip(points) {
            let title = format!(
                "{}, {} {}: {} µs",
                who.name(),
                grouped(*count),
                series.unit,
                three(*value)
            );
            svg.mark(*who, *place, &title);
        }
    }
}

fn line(results: &Results, series: &Series, who: Contestant) -> Vec<(u32, f64)> {
    let points = series.points.iter().filter_map(|(count, case)| {
        let value = results.median(&case.name, who, series.figure)?;
        (value > 0.0).then_some((*count, value))
    });
    points.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::results;

    #[test]
    fn steps_are_held_against_the_first() {
        let all = series(Scale { quick: true });
        let mut both = results(
            "subscribers-1",
            "process.cpu_us_per_message",
            &[(Contestant::Burgee, &[4.0])],
        );
        both.extend(results(
            "subscribers-1000",
            "process.cpu_us_per_message",
            &[(Contestant::Burgee, &[2.0]), (Contestant::Floor, &[1.6])],
        ));
        let rows = table(&both, &all);
        let row = rows.iter().find(|row| row[1] == "1,000").unwrap();
        assert_eq!(&row[2..], ["2.00", "1.60", "–", "1.25", "0.500"]);
        let chart = chart(&both, &all);
        assert!(chart.contains("burgee, 1,000 subscribers: 2.00 µs"), "{chart}");
    }
}
