//! The chart of the comparison: CPU time as multiples of the floor's, on a scale of multiples.

use crate::case::Case;
use crate::contestant::Contestant;
use crate::figure::{Figure, three};
use crate::results::Results;
use crate::svg::{Anchor, Scale, Svg, label};

const WIDTH: f64 = 820.0;
const LEFT: f64 = 230.0;
const RIGHT: f64 = 790.0;
const TOP: f64 = 64.0;
const ROW: f64 = 28.0;

/// One line of the chart: the case, and each contestant's multiple of the floor.
type Line<'a> = (&'a Case, Vec<(Contestant, f64)>);

/// The chart, if the floor was measured at all.
pub(crate) fn multiples(results: &Results, cases: &[Case], contestants: &[Contestant]) -> Option<String> {
    let lines: Vec<Line<'_>> = cases
        .iter()
        .filter_map(|case| line(results, case, contestants))
        .collect();
    let values = || {
        lines
            .iter()
            .flat_map(|(_, values)| values.iter().map(|(_, value)| *value))
    };
    let greatest = values().fold(2.0_f64, f64::max);
    let least = values().fold(1.0_f64, f64::min);
    if lines.is_empty() {
        return None;
    }
    let bottom = lines.iter().fold(TOP, |bottom, _| bottom + ROW);
    let mut svg = Svg::new(WIDTH, bottom + 34.0);
    svg.text(
        (16.0, 24.0),
        Anchor::Start,
        "title",
        "CPU time of the broker, as multiples of the floor (left is better)",
    );
    svg.legend((24.0, 48.0), contestants);
    let scale = Scale::new((least, greatest * 1.05), (LEFT, RIGHT));
    for tick in scale.ticks() {
        let x = scale.place(tick);
        svg.rule((x, TOP), (x, bottom));
        svg.text((x, bottom + 18.0), Anchor::Middle, "dim", &format!("{}×", label(tick)));
    }
    let mut y = TOP + ROW / 2.0;
    for (case, values) in &lines {
        svg.rule((LEFT, y), (RIGHT, y));
        svg.text((LEFT - 12.0, y + 4.0), Anchor::End, "", &case.title);
        // Ours comes last, to lie on top.
        for (who, value) in values.iter().rev() {
            let title = format!("{}, {}: {} × floor", case.title, who.name(), three(*value));
            svg.mark(*who, (scale.place(*value), y), &title);
        }
        y += ROW;
    }
    Some(svg.finish())
}

fn line<'a>(results: &Results, case: &'a Case, contestants: &[Contestant]) -> Option<Line<'a>> {
    let figure = *case
        .figures
        .iter()
        .find(|figure| matches!(figure, Figure::Cpu | Figure::CpuPerConnect | Figure::CpuPerClient))?;
    let name = case.name.as_str();
    let values = contestants.iter().filter_map(|&who| {
        let ratio = results.ratio(figure, (name, who), (name, Contestant::Floor))?;
        Some((who, ratio))
    });
    let values: Vec<_> = values.filter(|(_, ratio)| *ratio > 0.0).collect();
    (values.len() > 1).then_some((case, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case;
    use crate::results::tests::results;

    #[test]
    fn each_contestant_has_a_mark_on_its_line() {
        let contestants = [Contestant::Burgee, Contestant::Floor, Contestant::Mosquitto];
        let results = results(
            "p2p-qos0",
            "process.cpu_us_per_message",
            &[
                (Contestant::Burgee, &[0.3]),
                (Contestant::Floor, &[0.15]),
                (Contestant::Mosquitto, &[12.0]),
            ],
        );
        let cases = case::Scale { quick: true }.cases();
        let chart = multiples(&results, &cases, &contestants).unwrap();
        assert!(chart.contains("burgee: 2.00 × floor"), "{chart}");
        assert!(chart.contains("mosquitto: 80.0 × floor"), "{chart}");
        assert_eq!(multiples(&Results::default(), &cases, &contestants), None);
    }
}
