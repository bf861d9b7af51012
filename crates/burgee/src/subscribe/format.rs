//! How a message becomes bytes: payload alone, topic and payload, or a format of the caller.
//!
//! What must hold: payloads come out as they are; nothing is escaped. Deliberately absent: time and JSON.

use std::io::Write as _;
use std::str::FromStr;

use burgee_client::Message;

/// A parsed `-F`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Format(Vec<Piece>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Literal(Vec<u8>),
    Topic,
    Payload,
    LowerHex,
    UpperHex,
    Length,
    QoS,
    Retain,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text.chars();
        while let Some(letter) = rest.next() {
            match letter {
                '%' => match placeholder(rest.next())? {
                    Some(piece) => pieces.extend([Piece::Literal(std::mem::take(&mut literal)), piece]),
                    None => literal.push(b'%'),
                },
                '\\' => literal.push(escape(rest.next())?),
                plain => literal.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        pieces.push(Piece::Literal(literal));
        Ok(Self(pieces))
    }
}

/// `None` is the sign itself.
fn placeholder(letter: Option<char>) -> Result<Option<Piece>, String> {
    Ok(Some(match letter {
        Some('%') => return Ok(None),
        Some('t') => Piece::Topic,
        Some('p') => Piece::Payload,
        Some('x') => Piece::LowerHex,
        Some('X') => Piece::UpperHex,
        Some('l') => Piece::Length,
        Some('q') => Piece::QoS,
        Some('r') => Piece::Retain,
        Some(other) => return Err(format!("%{other} is not known; there are %t %p %x %X %l %q %r %%")),
        None => return Err("nothing follows the last `%`; write `%%` for the sign itself".to_owned()),
    }))
}

fn escape(letter: Option<char>) -> Result<u8, String> {
    Ok(match letter {
        Some('n') => b'\n',
        Some('r') => b'\r',
        Some('t') => b'\t',
        Some('0') => 0,
        Some('a') => 7,
        Some('e') => 27,
        Some('v') => 11,
        Some('\\') => b'\\',
        Some(other) => {
            return Err(format!(
                "\\{other} is not known; there are \\n \\r \\t \\0 \\a \\e \\v \\\\"
            ));
        }
        None => return Err("nothing follows the last `\\`; write `\\\\` for the sign itself".to_owned()),
    })
}

impl Format {
    fn write(&self, message: &Message, out: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Topic => out.extend_from_slice(message.topic.as_str().as_bytes()),
                Piece::Payload => out.extend_from_slice(&message.payload),
                Piece::LowerHex => hex(&message.payload, b"0123456789abcdef", out),
                Piece::UpperHex => hex(&message.payload, b"0123456789ABCDEF", out),
                Piece::Length => number(message.payload.len(), out),
                Piece::QoS => number(usize::from(message.qos.bits()), out),
                Piece::Retain => number(usize::from(message.retain), out),
            }
        }
    }
}

fn number(value: usize, out: &mut Vec<u8>) {
    // Writing into memory cannot fail.
    write!(out, "{value}").ok();
}

fn hex(bytes: &[u8], digits: &[u8; 16], out: &mut Vec<u8>) {
    let digit = |value: u8| digits.get(usize::from(value)).copied();
    out.extend(
        bytes
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .flatten(),
    );
}

/// How messages are printed.
#[derive(Debug)]
pub(super) struct Style {
    pub(super) format: Option<Format>,
    /// The topic before the payload.
    pub(super) verbose: bool,
    pub(super) newline: bool,
    /// The topic in colour: for a terminal.
    pub(super) colour: bool,
}

impl Style {
    /// Adds a message to what is to be printed. As Mosquitto has it, an empty payload is no line at all, or `(null)`
    /// behind the topic.
    pub(super) fn write(&self, message: &Message, out: &mut Vec<u8>) {
        if let Some(format) = &self.format {
            format.write(message, out);
        } else if self.verbose {
            let (before, behind) = if self.colour { ("\x1b[36m", "\x1b[0m") } else { ("", "") };
            for part in [before, message.topic.as_str(), behind, " "] {
                out.extend_from_slice(part.as_bytes());
            }
            out.extend_from_slice(if message.payload.is_empty() {
                b"(null)"
            } else {
                &message.payload
            });
        } else if message.payload.is_empty() {
            return;
        } else {
            out.extend_from_slice(&message.payload);
        }
        if self.newline {
            out.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burgee_client::{QoS, TopicNameBuf};

    fn printed(style: &Style, payload: &[u8]) -> String {
        let topic = TopicNameBuf::parse("a/b").expect("valid");
        let message = Message {
            topic,
            payload: payload.into(),
            qos: QoS::ExactlyOnce,
            retain: true,
            packet_id: None,
            dup: false,
        };
        let mut out = Vec::new();
        style.write(&message, &mut out);
        String::from_utf8(out).expect("text")
    }

    fn style(format: Option<&str>, verbose: bool) -> Style {
        Style {
            format: format.map(|text| text.parse().expect(text)),
            verbose,
            newline: true,
            colour: false,
        }
    }

    #[test]
    fn every_placeholder_stands_for_its_part() {
        let all = style(Some(r"%t|%p|%x|%X|%l|%q|%r|%%\t\\"), false);
        assert_eq!(printed(&all, b"\nZ"), "a/b|\nZ|0a5a|0A5A|2|2|1|%\t\\\n");
        for wrong in ["%", "%y", "\\", "\\q"] {
            assert!(wrong.parse::<Format>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn payload_alone_or_behind_its_topic() {
        assert_eq!(printed(&style(None, false), b"x"), "x\n");
        assert_eq!(printed(&style(None, false), b""), "");
        assert_eq!(printed(&style(None, true), b"x"), "a/b x\n");
        assert_eq!(printed(&style(None, true), b""), "a/b (null)\n");
        let bare = Style {
            newline: false,
            colour: true,
            ..style(None, true)
        };
        assert_eq!(printed(&bare, b"x"), "\x1b[36ma/b\x1b[0m x");
    }
}
