//! What is kept of an application message: topic name and payload in one shared piece.
//!
//! What must hold: the topic name is well-formed and its length is right, so that nobody behind this type asks again.
//! Deliberately absent: QoS and RETAIN; they belong to a delivery.

use std::fmt;
use std::sync::Arc;

use burgee_codec::TopicName;

/// Bytes of a body that is put together on the stack.
const SHORT: usize = 512;

/// The length of the topic name (two bytes, the high one first), the topic name, the payload. A clone is shared.
#[derive(Clone, Eq, PartialEq)]
pub struct Body(Arc<[u8]>);

/// These bytes are no body: too short for their topic name, or the name is malformed.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct NotABody;

impl fmt::Display for NotABody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes hold no topic name of the length that they say")
    }
}

impl std::error::Error for NotABody {}

impl Body {
    /// Copies topic name and payload.
    #[must_use]
    pub fn of(topic: TopicName<'_>, payload: &[u8]) -> Self {
        let name = topic.as_str().as_bytes();
        // A topic name has at most 65,535 bytes [MQTT-4.7.3-3].
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes();
        Self::joined([&length, name, payload])
    }

    /// Copies a topic field, as it stood in a PUBLISH that was found valid (two bytes of length, topic name), and a payload.
    #[must_use]
    pub fn of_field(topic_field: &[u8], payload: &[u8]) -> Self {
        debug_assert!(
            name_of(topic_field).is_some_and(|name| name.len() + 2 == topic_field.len()),
            "no topic field"
        );
        Self::joined([topic_field, payload, &[]])
    }

    /// Into shared memory in one step where they are short: most are, and an allocation more is a good part of what a message costs.
    fn joined(parts: [&[u8]; 3]) -> Self {
        let mut short = [0; SHORT];
        let mut len = 0;
        for part in parts {
            let Some(place) = short.get_mut(len..len + part.len()) else {
                return Self(parts.concat().into());
            };
            place.copy_from_slice(part);
            len += part.len();
        }
        Self(short.get(..len).unwrap_or_default().into())
    }

    /// Takes bytes of that form over without copying them.
    ///
    /// # Errors
    /// They are not of that form.
    pub fn parse(bytes: Arc<[u8]>) -> Result<Self, NotABody> {
        let name = name_of(&bytes).ok_or(NotABody)?;
        let name = str::from_utf8(name).map_err(|_| NotABody)?;
        TopicName::parse(name).map_err(|_| NotABody)?;
        Ok(Self(bytes))
    }

    /// The whole.
    #[must_use]
    pub const fn bytes(&self) -> &Arc<[u8]> {
        &self.0
    }

    /// The topic name.
    #[must_use]
    pub fn topic(&self) -> TopicName<'_> {
        TopicName::trusted(str::from_utf8(name_of(&self.0).unwrap_or_default()).unwrap_or_default())
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        let name = name_of(&self.0).unwrap_or_default().len();
        self.0.get(2 + name..).unwrap_or_default()
    }

    /// Length in bytes, the topic name's included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no body is empty: it has a topic name")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Payloads are long and not ours to print.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} + {} bytes", self.topic(), self.payload().len())
    }
}

fn name_of(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_gives_back_what_went_in() {
        let body = Body::of(TopicName::parse("a/ü").unwrap(), b"hello");
        assert_eq!(body.topic().as_str(), "a/ü");
        assert_eq!(body.payload(), b"hello");
        assert_eq!(Body::parse(Arc::clone(body.bytes())), Ok(body));
    }

    #[test]
    fn a_body_is_the_same_however_long_and_from_whatever_it_was_made() {
        let topic = TopicName::parse("a/ü").unwrap();
        for len in [0, 1, SHORT - 7, SHORT - 6, SHORT - 5, 5 * SHORT] {
            let payload: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
            let body = Body::of(topic, &payload);
            assert_eq!((body.len(), body.payload()), (6 + len, &payload[..]));
            assert_eq!(body, Body::of_field("\0\x04a/ü".as_bytes(), &payload));
        }
    }

    #[test]
    fn what_is_no_body_is_refused() {
        let bad: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"\0\x02a", b"\0\x01\xff", b"\0\x01#", b"\xff\xffa"];
        for bytes in bad {
            assert_eq!(Body::parse(bytes.into()), Err(NotABody), "{bytes:?}");
        }
    }

    #[test]
    fn a_body_prints_no_payload() {
        let body = Body::of(TopicName::parse("a").unwrap(), b"secret");
        assert_eq!(format!("{body:?}"), "\"a\" + 6 bytes");
    }
}
