//! The tree as lines.
//!
//! What must hold: no line is longer than the terminal is wide, and nothing in a topic or a payload reaches the terminal as
//! a control character. Deliberately absent: the terminal.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::screen::Key;
use super::topics::{Node, Topics};
use crate::print::Shown;

/// Where values begin, at most.
const VALUES_AT: usize = 40;

/// Marks what the server had retained.
const RETAINED: char = '*';

/// What of the tree is seen.
#[derive(Debug, Default)]
pub(super) struct View {
    cursor: usize,
    top: usize,
    /// Levels that are unfolded; 0 is all.
    levels: usize,
    /// Topics that are the other way.
    turned: HashSet<String>,
    /// The line under the cursor wants to be turned.
    turning: bool,
}

/// How lines look.
#[derive(Debug)]
pub(super) struct Look {
    shown: Shown,
    now: Instant,
    /// How long topics have been counted.
    age: Duration,
    /// Of the names, before the values.
    width: usize,
}

impl Look {
    pub(super) fn new(topics: &Topics, shown: Shown, now: Instant) -> Self {
        Self {
            shown,
            now,
            age: topics.age(now),
            width: widest(&topics.root, 0).min(VALUES_AT),
        }
    }
}

/// One line, not yet cut.
struct Line {
    path: String,
    text: String,
}

impl View {
    /// Does what the key says, as far as it can be done before the lines are known.
    pub(super) fn press(&mut self, key: Key, rows: usize) {
        let page = rows.saturating_sub(4).max(1);
        match key {
            Key::Up => self.cursor = self.cursor.saturating_sub(1),
            Key::Down => self.cursor += 1,
            Key::PageUp => self.cursor = self.cursor.saturating_sub(page),
            Key::PageDown => self.cursor += page,
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = usize::MAX,
            Key::Fold => self.turning = true,
            Key::Levels(levels) => {
                self.levels = usize::from(levels);
                self.turned.clear();
            }
            Key::Quit => {}
        }
    }

    /// A picture of the whole terminal.
    pub(super) fn draw(&mut self, topics: &Topics, look: &Look, (columns, rows): (usize, usize)) -> Vec<u8> {
        let mut lines = self.lines(topics, look);
        self.cursor = self.cursor.min(lines.len().saturating_sub(1));
        if std::mem::take(&mut self.turning)
            && let Some(line) = lines.get(self.cursor)
        {
            if !self.turned.remove(&line.path) {
                self.turned.insert(line.path.clone());
            }
            lines = self.lines(topics, look);
        }
        let body = rows.saturating_sub(2).max(1);
        // The cursor stays on the screen.
        self.top = self.top.min(self.cursor).max((self.cursor + 1).saturating_sub(body));
        let mut picture = String::from("\x1b[H");
        let rate = topics.root.rate.per_second(look.now, look.age);
        let more = if topics.unplaced > 0 {
            format!(", {} on more topics than have a place", topics.unplaced)
        } else {
            String::new()
        };
        let head = format!(
            "{} topics, {} messages{more}, {rate:.1}/s",
            topics.count, topics.messages
        );
        row(&mut picture, "1", &head, columns);
        for (at, line) in lines.iter().enumerate().skip(self.top).take(body) {
            row(
                &mut picture,
                if at == self.cursor { "7" } else { "0" },
                &line.text,
                columns,
            );
        }
        picture.push_str("\x1b[J");
        let place = format!("\x1b[{rows};1H");
        picture.push_str(&place);
        let keys = "arrows, space, b, g, G: move   enter: fold   1-9: levels, 0: all   q: end";
        picture.push_str("\x1b[2m");
        picture.extend(keys.chars().take(columns));
        picture.push_str("\x1b[0m");
        picture.into_bytes()
    }

    fn lines(&self, topics: &Topics, look: &Look) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut add = |path: &str, name: &str, node: &Node, depth: usize| {
            let open = self.is_open(path, depth);
            let text = text(name, node, (depth, open), look);
            lines.push(Line {
                path: path.to_owned(),
                text,
            });
            open
        };
        walk(&topics.root, &mut String::new(), 0, &mut add);
        lines
    }

    fn is_open(&self, path: &str, depth: usize) -> bool {
        let usual = self.levels == 0 || depth + 1 < self.levels;
        usual != self.turned.contains(path)
    }
}

/// Everything, as text.
pub(super) fn plain(topics: &Topics, look: &Look) -> Vec<u8> {
    let mut out = Vec::new();
    let mut add = |_: &str, name: &str, node: &Node, depth: usize| {
        let line = text(name, node, (depth, true), look);
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
        true
    };
    walk(&topics.root, &mut String::new(), 0, &mut add);
    out
}

/// Each node in order; what `add` calls closed is not entered.
fn walk(node: &Node, path: &mut String, depth: usize, add: &mut impl FnMut(&str, &str, &Node, usize) -> bool) {
    for (name, child) in &node.children {
        let length = path.len();
        path.push_str(name);
        if add(path, name, child, depth) {
            path.push('/');
            walk(child, path, depth + 1, add);
        }
        path.truncate(length);
    }
}

/// The longest name with its indentation.
fn widest(node: &Node, depth: usize) -> usize {
    let widths = node.children.iter().map(|(name, child)| {
        let own = depth * 2 + name.chars().count() + 1;
        own.max(if child.children.is_empty() {
            0
        } else {
            widest(child, depth + 1)
        })
    });
    widths.max().unwrap_or(0)
}

fn text(name: &str, node: &Node, (depth, open): (usize, bool), look: &Look) -> String {
    let mut line = "  ".repeat(depth);
    harmless(name.as_bytes(), Shown::Text, &mut line);
    if !node.children.is_empty() {
        line.push('/');
    }
    let missing = look.width.saturating_sub(line.chars().count());
    line.extend(std::iter::repeat_n(' ', missing + 1));
    let rate = node.rate.per_second(look.now, look.age);
    // Writing into memory cannot fail.
    if rate > 0.0 {
        write!(line, "{rate:>6.1}/s ").ok();
    } else {
        line.push_str("         ");
    }
    if let Some(value) = &node.value {
        line.push(if value.retained { RETAINED } else { ' ' });
        line.push(' ');
        harmless(&value.payload, look.shown, &mut line);
        if value.length > value.payload.len() {
            write!(line, "... ({} bytes)", value.length).ok();
        }
    }
    if !open && node.below > 0 {
        write!(line, "  ({} topics)", node.below).ok();
    }
    line.truncate(line.trim_end().len());
    line
}

/// On one line, and without power over the terminal.
fn harmless(bytes: &[u8], shown: Shown, line: &mut String) {
    let shown = if shown == Shown::Hex { Shown::Hex } else { Shown::Text };
    let mut out = Vec::new();
    shown.write(bytes, &mut out);
    line.push_str(&String::from_utf8_lossy(&out));
}

fn row(picture: &mut String, style: &str, text: &str, columns: usize) {
    // Writing into memory cannot fail.
    write!(picture, "\x1b[{style}m").ok();
    picture.extend(text.chars().take(columns));
    picture.push_str("\x1b[0m\x1b[K\r\n");
}

#[cfg(test)]
mod tests;
