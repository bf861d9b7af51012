//! The format of `-F`, parsed: what stands between, and what is to be filled in.
//!
//! What must hold: what Mosquitto's programs accept is accepted and means the same; everything else is an error that
//! says what there is. Deliberately absent: messages; `fill` has them.

use std::str::FromStr;

/// No field is wider: a slip in a number shall not fill the disk.
const WIDEST: usize = 1 << 20;

/// A parsed `-F`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Format(pub(super) Vec<Piece>);

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Piece {
    Literal(Vec<u8>),
    /// A part of the message.
    Field(Field, Width),
    /// A letter of strftime.
    Time(char),
}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Field {
    Topic,
    Payload,
    LowerHex,
    UpperHex,
    Length,
    PacketId,
    QoS,
    Retain,
    Json,
    JsonPayload,
    Iso,
    Unix,
    /// A number of MQTT 5, which no message of 3.1.1 has: blanks, or zeros.
    NumberProperty,
    /// The same for a text: blanks.
    TextProperty,
    /// The same for what has no width.
    BareProperty,
}

/// How wide a field is.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Width {
    pub(super) left: bool,
    pub(super) zeros: bool,
    pub(super) least: usize,
    pub(super) most: Option<usize>,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text.chars();
        while let Some(letter) = rest.next() {
            let piece = match letter {
                '%' => field(&mut rest)?,
                '@' => time(rest.next())?,
                '\\' => {
                    literal.push(escape(rest.next())?);
                    continue;
                }
                plain => {
                    literal.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
            };
            match piece {
                Piece::Literal(bytes) => literal.extend(bytes),
                other @ (Piece::Field(..) | Piece::Time(_)) => {
                    pieces.extend([Piece::Literal(std::mem::take(&mut literal)), other]);
                }
            }
        }
        pieces.push(Piece::Literal(literal));
        pieces.retain(|piece| *piece != Piece::Literal(Vec::new()));
        Ok(Self(pieces))
    }
}

/// What follows a `%`: flags, width, greatest width, letter.
fn field(rest: &mut std::str::Chars<'_>) -> Result<Piece, String> {
    let mut width = Width::default();
    let mut letter = rest.next();
    while let Some(flag @ ('-' | '0')) = letter {
        width.left |= flag == '-';
        width.zeros |= flag == '0';
        letter = rest.next();
    }
    width.least = number(&mut letter, rest)?.unwrap_or(0);
    if letter == Some('.') {
        letter = rest.next();
        width.most = Some(number(&mut letter, rest)?.unwrap_or(0));
    }
    let field = match letter {
        Some('%') => return Ok(Piece::Literal(vec![b'%'])),
        Some('t') => Field::Topic,
        Some('p') => Field::Payload,
        Some('x') => Field::LowerHex,
        Some('X') => Field::UpperHex,
        Some('l') => Field::Length,
        Some('m') => Field::PacketId,
        Some('q') => Field::QoS,
        Some('r') => Field::Retain,
        Some('j') => Field::Json,
        Some('J') => Field::JsonPayload,
        Some('I') => Field::Iso,
        Some('U') => Field::Unix,
        Some('A' | 'E' | 'F' | 'S') => Field::NumberProperty,
        Some('C') => Field::TextProperty,
        Some('D' | 'P' | 'R') => Field::BareProperty,
        Some(other) => {
            return Err(format!(
                "%{other} is not known; there are %t %p %x %X %l %m %q %r %j %J %I %U %%, and @ for times"
            ));
        }
        None => return Err("no letter follows the last `%`; write `%%` for the sign itself".to_owned()),
    };
    Ok(Piece::Field(field, width))
}

/// The digits from `letter` on; `letter` is the sign behind them then.
fn number(letter: &mut Option<char>, rest: &mut std::str::Chars<'_>) -> Result<Option<usize>, String> {
    let mut value = None;
    while let Some(digit) = letter.and_then(|sign| sign.to_digit(10)) {
        let next = value.unwrap_or(0_usize) * 10 + digit as usize;
        if next > WIDEST {
            return Err(format!("no field is wider than {WIDEST}"));
        }
        value = Some(next);
        *letter = rest.next();
    }
    Ok(value)
}

fn time(letter: Option<char>) -> Result<Piece, String> {
    match letter {
        Some('@') => Ok(Piece::Literal(vec![b'@'])),
        Some(letter) => Ok(Piece::Time(letter)),
        None => Err("nothing follows the last `@`; write `@@` for the sign itself".to_owned()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_widths_are_found_in_any_order() {
        let width = Width {
            left: true,
            zeros: true,
            least: 12,
            most: Some(3),
        };
        for text in ["%-012.3t", "%0-12.3t"] {
            assert_eq!(text.parse(), Ok(Format(vec![Piece::Field(Field::Topic, width)])));
        }
        assert_eq!("%5%@@\\n".parse(), Ok(Format(vec![Piece::Literal(b"%@\n".to_vec())])));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for wrong in ["%", "%5", "%y", "%@", "\\", "\\q", "@", "%1048577t"] {
            assert!(wrong.parse::<Format>().is_err(), "{wrong}");
        }
    }
}
