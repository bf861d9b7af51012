//! Mosquitto's `acl_file`, read as it is.
//!
//! What must hold: the rules that come of it decide as Mosquitto 2.0 does: every subscription is granted, and messages are
//! looked at when they are delivered; what is denied for a user goes before what is allowed, whatever the order in the
//! file; `topic` lines before the first `user` are for clients without a user name; `pattern` lines are for everybody, and
//! come after them. All problems are told at once. Deliberately absent: reading the file.

use std::sync::Arc;

use crate::actions::Actions;
use crate::glob::Glob;
use crate::pattern::TopicPattern;
use crate::problem::{Problem, What};
use crate::rule::{Effect, Place, Rule, Topics, Users};

/// A larger file is no list of rules.
const MOST_BYTES: usize = 64 << 20;
/// A longer list of problems helps nobody.
const MOST_PROBLEMS: usize = 100;

/// What a line gives.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Access {
    Allow(Actions),
    Deny,
}

#[derive(Debug, Default)]
struct Reader {
    file: Arc<str>,
    line: u32,
    user: Option<Glob>,
    denied: Vec<Rule>,
    allowed: Vec<Rule>,
    patterns_denied: Vec<Rule>,
    patterns_allowed: Vec<Rule>,
    first_pattern: u32,
    problems: Vec<Problem>,
    more: usize,
}

/// The rules of a file of which `name` is the name.
///
/// # Errors
/// All that is wrong with it.
pub fn parse_acl_file(name: &str, text: &[u8]) -> Result<Vec<Rule>, Vec<Problem>> {
    let mut reader = Reader {
        file: name.into(),
        ..Reader::default()
    };
    if text.len() > MOST_BYTES {
        reader.refuse(What::TooLarge(MOST_BYTES));
        return Err(reader.problems);
    }
    for line in text.split(|byte| *byte == b'\n') {
        reader.line += 1;
        match core::str::from_utf8(line) {
            Ok(line) => reader.read(line.trim_ascii_end()),
            Err(_) => reader.refuse(What::NotText),
        }
    }
    reader.finish()
}

impl Reader {
    fn refuse(&mut self, what: What) {
        if self.problems.len() < MOST_PROBLEMS {
            let (file, line) = (Arc::clone(&self.file), self.line);
            self.problems.push(Problem { file, line, what });
        } else {
            self.more += 1;
        }
    }

    fn place(&self, line: u32) -> Place {
        Place {
            file: Arc::clone(&self.file),
            line,
        }
    }

    fn read(&mut self, line: &str) {
        let line = line.trim_start_matches(' ');
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "user" => self.read_user(rest),
            "topic" => self.read_topic(rest, false),
            "pattern" => self.read_topic(rest, true),
            _ => self.refuse(What::Word(word.chars().take(64).collect())),
        }
    }

    fn read_user(&mut self, name: &str) {
        // A name may have blanks in it, and a "*" that is no more than one.
        match name.trim_matches(is_blank) {
            "" => self.refuse(What::NoUser),
            name if name.len() > 65_535 => self.refuse(What::LongUser),
            name => self.user = Some(Glob::literal(name)),
        }
    }

    fn read_topic(&mut self, rest: &str, is_pattern: bool) {
        let rest = rest.trim_start_matches(' ');
        let (access, topic) = match rest.split_once(' ') {
            None => ("readwrite", rest),
            Some((access, topic)) => (access, topic.trim_matches(is_blank)),
        };
        if topic.is_empty() {
            self.refuse(What::NoTopic);
            return;
        }
        let access = match access {
            "read" => Access::Allow(Actions::RECEIVE),
            "write" => Access::Allow(Actions::PUBLISH),
            "readwrite" => Access::Allow(Actions::PUBLISH | Actions::RECEIVE),
            "deny" => Access::Deny,
            other => {
                self.refuse(What::Access(other.chars().take(64).collect()));
                return;
            }
        };
        match topic.parse::<TopicPattern>() {
            Ok(topic) => self.add(access, topic, is_pattern),
            Err(why) => self.refuse(What::Topic(topic.chars().take(256).collect(), why)),
        }
    }

    fn add(&mut self, access: Access, topic: TopicPattern, is_pattern: bool) {
        let place = self.place(self.line);
        // Only in patterns does %u stand for a name.
        let topic = if is_pattern { topic } else { topic.literally() };
        let topics = Topics::Matching(vec![topic]);
        let mut rule = match access {
            Access::Allow(actions) => Rule::allow(actions, topics, place),
            Access::Deny => Rule::deny(Actions::PUBLISH | Actions::RECEIVE, topics, place),
        };
        rule.any_levels = true;
        if is_pattern {
            if self.first_pattern == 0 {
                self.first_pattern = self.line;
            }
        } else {
            rule.users = match &self.user {
                None => Users::Anonymous,
                Some(user) => Users::Matching(vec![user.clone()]),
            };
        }
        let list = match (is_pattern, rule.effect) {
            (false, Effect::Deny) => &mut self.denied,
            (false, Effect::Allow) => &mut self.allowed,
            (true, Effect::Deny) => &mut self.patterns_denied,
            (true, Effect::Allow) => &mut self.patterns_allowed,
        };
        list.push(rule);
    }

    fn finish(mut self) -> Result<Vec<Rule>, Vec<Problem>> {
        if self.more > 0 {
            let (file, line, what) = (Arc::clone(&self.file), 0, What::More(self.more));
            self.problems.push(Problem { file, line, what });
        }
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let mut rules = vec![Rule::allow(Actions::SUBSCRIBE, Topics::All, self.place(0))];
        rules.append(&mut self.denied);
        rules.append(&mut self.allowed);
        if self.first_pattern > 0 {
            // Where there are patterns, a name with a wildcard in it gets nothing that is not its own by name.
            let place = self.place(self.first_pattern);
            let mut guard = Rule::deny(Actions::PUBLISH | Actions::RECEIVE, Topics::All, place);
            guard.only_unsafe = true;
            rules.push(guard);
        }
        rules.append(&mut self.patterns_denied);
        rules.append(&mut self.patterns_allowed);
        Ok(rules)
    }
}

const fn is_blank(letter: char) -> bool {
    letter == ' ' || letter == '\t'
}
