//! What is wrong with a file of rules, line by line.
//!
//! What must hold: all that is wrong is told at once, up to a limit, with file and line and the way out.

use core::fmt;
use std::sync::Arc;

use crate::pattern::InvalidPattern;

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line, from 1; 0: the file as a whole.
    pub line: u32,
    /// What.
    pub what: What,
}

/// See [`Problem`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum What {
    /// The first word is none that means something.
    Word(Box<str>),
    /// `topic` or `pattern` without a topic.
    NoTopic,
    /// `user` without a name.
    NoUser,
    /// More than one word, and the first is no kind of access.
    Access(Box<str>),
    /// What stands for a topic is none.
    Topic(Box<str>, InvalidPattern),
    /// The line is not UTF-8.
    NotText,
    /// The name of a user is longer than any can be.
    LongUser,
    /// The file is larger than this many bytes.
    TooLarge(usize),
    /// So many more problems were found.
    More(usize),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        write!(f, " {}", self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(
                f,
                "\"{}\" begins no line: a line is \"user NAME\", \"topic [read|write|readwrite|deny] TOPIC\", \
                 \"pattern ...\" of the same form, or a comment behind \"#\"",
                word.escape_debug()
            ),
            Self::NoTopic => f.write_str("no topic follows"),
            Self::NoUser => f.write_str("no user name follows"),
            Self::Access(word) => write!(
                f,
                "\"{}\" is no access: \"read\", \"write\", \"readwrite\" or \"deny\" (a topic with blanks needs one of them \
                 before it)",
                word.escape_debug()
            ),
            Self::Topic(topic, why) => write!(f, "\"{}\" is no topic filter: {why}", topic.escape_debug()),
            Self::NotText => f.write_str("the line is not UTF-8"),
            Self::LongUser => f.write_str("a user name has at most 65535 bytes"),
            Self::TooLarge(most) => write!(f, "the file is larger than {most} bytes"),
            Self::More(count) => write!(f, "and {count} more like these"),
        }
    }
}

impl core::error::Error for Problem {}
