//! A few shapes of SVG, readable in light and dark: a chart stands on a card of its own colour.

use std::fmt::{Display, Write};

use crate::contestant::Contestant;

/// A drawing in the making.
#[derive(Debug)]
pub(crate) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// Which side of a point a text stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Plain rules first, for those who draw without knowing what a dark page is.
const STYLE: &str = "\
.card{fill:#ffffff}text{fill:#1f2328;font:12px system-ui,sans-serif}.dim{fill:#59636e}\
.title{font-weight:600;font-size:14px}.grid{stroke:#d1d9e0;stroke-width:1}\
.line{fill:none;stroke-width:2}.mark{stroke:#ffffff;stroke-width:1}\
@media(prefers-color-scheme:dark){.card{fill:#0d1117}text{fill:#f0f6fc}.dim{fill:#9198a1}\
.grid{stroke:#3d444d}.mark{stroke:#0d1117}}";

impl Svg {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            body: String::new(),
        }
    }

    fn put(&mut self, shape: impl Display) {
        // Writing into a string cannot fail.
        writeln!(self.body, "{shape}").ok();
    }

    pub(crate) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.put(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{text}</text>"#
        ));
    }

    /// A thin line for the eye.
    pub(crate) fn rule(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.put(format_args!(
            r#"<line class="grid" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        ));
    }

    /// A line through the points of a contestant.
    pub(crate) fn line(&mut self, who: Contestant, points: &[(f64, f64)]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let (points, color) = (points.join(" "), color(who));
        self.put(format_args!(
            r#"<polyline class="line" stroke="{color}" points="{points}"/>"#
        ));
    }

    /// The mark of a contestant: each has a colour and a shape. The title shows when pointed at.
    pub(crate) fn mark(&mut self, who: Contestant, (x, y): (f64, f64), title: &str) {
        let shape = match who {
            Contestant::Burgee | Contestant::Sharded => circle(x, y, 6.0),
            Contestant::Floor => square(x, y, 4.5, 0),
            Contestant::Mosquitto => square(x, y, 4.5, 45),
            Contestant::Rumqttd => triangle(x, y, 5.5),
            Contestant::Nats => triangle(x, y, -5.5),
            Contestant::Aedes => circle(x, y, 4.0),
        };
        let (title, color) = (escaped(title), color(who));
        self.put(format_args!(
            r#"<g class="mark" fill="{color}"><title>{title}</title>{shape}</g>"#
        ));
    }

    /// Marks and names in a row.
    pub(crate) fn legend(&mut self, (mut x, y): (f64, f64), contestants: &[Contestant]) {
        for &who in contestants {
            self.mark(who, (x, y - 4.0), who.name());
            self.text((x + 10.0, y), Anchor::Start, "", who.name());
            x += 95.0;
        }
    }

    pub(crate) fn finish(self) -> String {
        let Self { width, height, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\">\n<style>{STYLE}</style>\n<rect class=\"card\" width=\"{width:.0}\" \
             height=\"{height:.0}\" rx=\"8\"/>\n{body}</svg>\n"
        )
    }
}

/// Colours that people with any eyes can tell apart, on white and on black.
fn color(who: Contestant) -> &'static str {
    match who {
        Contestant::Burgee => "#2f81f7",
        Contestant::Sharded => "#56b4e9",
        Contestant::Floor => "#8b949e",
        Contestant::Mosquitto => "#d55e00",
        Contestant::Rumqttd => "#009e73",
        Contestant::Nats => "#cc79a7",
        Contestant::Aedes => "#e0a800",
    }
}

fn circle(x: f64, y: f64, radius: f64) -> String {
    format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}"/>"#)
}

fn square(x: f64, y: f64, half: f64, turned: u8) -> String {
    let (left, top, side) = (x - half, y - half, 2.0 * half);
    format!(
        r#"<rect x="{left:.1}" y="{top:.1}" width="{side}" height="{side}" transform="rotate({turned} {x:.1} {y:.1})"/>"#
    )
}

fn triangle(x: f64, y: f64, half: f64) -> String {
    let (left, right, top, bottom) = (x - half, x + half, y - half, y + half);
    format!(r#"<path d="M{left:.1} {bottom:.1}L{right:.1} {bottom:.1}L{x:.1} {top:.1}Z"/>"#)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Where values stand on a line whose steps are multiples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    least: f64,
    greatest: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Values `least` to `greatest`, both above zero, onto `from` to `to`.
    pub(crate) fn new((least, greatest): (f64, f64), (from, to): (f64, f64)) -> Self {
        Self {
            least: least.ln(),
            greatest: greatest.ln().max(least.ln() + 0.1),
            from,
            to,
        }
    }

    pub(crate) fn place(self, value: f64) -> f64 {
        let part = (value.ln() - self.least) / (self.greatest - self.least);
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// 1, 2 and 5 times the powers of ten in the range; the powers alone if there would be too many.
    pub(crate) fn ticks(self) -> Vec<f64> {
        let steps: &[f64] = if self.greatest - self.least > 6.0 {
            &[1.0]
        } else {
            &[1.0, 2.0, 5.0]
        };
        let mut ticks = Vec::new();
        for power in -6..=9 {
            for step in steps {
                let tick = step * 10_f64.powi(power);
                if (self.least - 1e-9..=self.greatest + 1e-9).contains(&tick.ln()) {
                    ticks.push(tick);
                }
            }
        }
        ticks
    }
}

/// A tick's label.
pub(crate) fn label(tick: f64) -> String {
    if tick >= 1e6 {
        format!("{:.0}M", tick / 1e6)
    } else if tick >= 1e3 {
        format!("{:.0}k", tick / 1e3)
    } else {
        format!("{tick}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_multiples_are_equally_far_apart() {
        let scale = Scale::new((1.0, 100.0), (0.0, 200.0));
        assert!((scale.place(10.0) - 100.0).abs() < 1e-9);
        assert!((scale.place(1000.0) - 200.0).abs() < 1e-9);
        let ticks: Vec<String> = scale.ticks().into_iter().map(label).collect();
        assert_eq!(ticks, ["1", "2", "5", "10", "20", "50", "100"]);
    }

    #[test]
    fn a_drawing_is_one_element_and_escapes_its_texts() {
        let mut svg = Svg::new(100.0, 50.0);
        svg.text((1.0, 2.0), Anchor::Start, "", "a < b & c");
        svg.mark(Contestant::Nats, (5.0, 5.0), "nats");
        let text = svg.finish();
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
        assert!(text.contains("a &lt; b &amp; c"));
    }
}
