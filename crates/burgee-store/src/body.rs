//! What is kept of an application message: topic name and payload in one shared piece.
//!
//! What must hold: the topic name is well-formed and its length is right, so that nobody behind this type asks again.
//! Deliberately absent: QoS and RETAIN; they belong to a delivery.

use std::fmt;
use std::sync::Arc;

use burgee_codec::TopicName;

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
        Self(shared([&length, name, payload]))
    }

    /// Copies a topic field (two bytes of length, topic name) of a PUBLISH that was found valid, and its payload.
    #[must_use]
    pub fn trusted(topic_field: &[u8], payload: &[u8]) -> Self {
        let bytes = shared([topic_field, payload]);
        debug_assert!(
            Self::parse(Arc::clone(&bytes)).is_ok_and(|body| body.payload().len() == payload.len()),
            "no topic field"
        );
        Self(bytes)
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

/// Copies parts into one piece of memory that can be shared.
#[must_use]
pub fn shared<const N: usize>(parts: [&[u8]; N]) -> Arc<[u8]> {
    // One allocation of the exact size, filled in place: nobody else can hold it yet.
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, parts.iter().map(|part| part.len()).sum()).collect();
    if let Some(mut rest) = Arc::get_mut(&mut bytes) {
        for part in parts {
            let Some((here, behind)) = rest.split_at_mut_checked(part.len()) else {
                break;
            };
            here.copy_from_slice(part);
            rest = behind;
        }
    }
    bytes
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
        for len in [0, 1, 300, 5000] {
            let payload: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
            let body = Body::of(topic, &payload);
            assert_eq!((body.len(), body.payload()), (6 + len, &payload[..]));
            assert_eq!(body, Body::trusted("\0\x04a/ü".as_bytes(), &payload));
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
