//! Packets as bytes: builders that obey whatever the test says, right or wrong, and a reader for PUBLISH.
//!
//! What must hold: no builder corrects its input. Lengths are computed, everything else is the caller's.

/// PINGREQ.
pub const PINGREQ: [u8; 2] = [0xC0, 0];
/// PINGRESP.
pub const PINGRESP: [u8; 2] = [0xD0, 0];
/// DISCONNECT.
pub const DISCONNECT: [u8; 2] = [0xE0, 0];

/// Bytes from hexadecimal digits; blanks are ignored.
#[track_caller]
pub fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u32> = digits.chars().filter_map(|digit| digit.to_digit(16)).collect();
    assert!(digits.len().is_multiple_of(2), "an odd number of hexadecimal digits");
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

/// Bytes for a failure message, long ones cut.
pub fn show(bytes: &[u8]) -> String {
    let head: Vec<String> = bytes.iter().take(48).map(|byte| format!("{byte:02X}")).collect();
    let more = if bytes.len() > 48 {
        format!(" ... ({} bytes)", bytes.len())
    } else {
        String::new()
    };
    head.join(" ") + &more
}

/// First byte, remaining length, body.
#[track_caller]
pub fn frame(first: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut packet = vec![first];
    let mut rest = body.len();
    assert!(rest <= 268_435_455, "longer than the format allows");
    loop {
        let more = if rest > 127 { 0x80 } else { 0 };
        packet.push((rest % 128) as u8 | more);
        rest /= 128;
        if rest == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

/// A field with its 16-bit length.
#[track_caller]
pub fn field(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let length = u16::try_from(bytes.len()).expect("a field holds at most 65535 bytes");
    [&length.to_be_bytes(), bytes].concat()
}

/// PUBLISH with any first byte; the identifier is written if the QoS bits are not 0.
#[track_caller]
pub fn publish(first: u8, topic: impl AsRef<[u8]>, id: u16, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let mut body = field(topic);
    if first & 0x06 != 0 {
        body.extend(id.to_be_bytes());
    }
    body.extend_from_slice(payload.as_ref());
    frame(first, body)
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP, UNSUBACK: a first byte and an identifier.
pub fn ack(first: u8, id: u16) -> Vec<u8> {
    frame(first, id.to_be_bytes())
}

/// SUBSCRIBE.
#[track_caller]
pub fn subscribe<F: AsRef<[u8]>>(id: u16, filters: &[(F, u8)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    for (filter, qos) in filters {
        body.extend(field(filter));
        body.push(*qos);
    }
    frame(0x82, body)
}

/// UNSUBSCRIBE.
#[track_caller]
pub fn unsubscribe<F: AsRef<[u8]>>(id: u16, filters: &[F]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    for filter in filters {
        body.extend(field(filter));
    }
    frame(0xA2, body)
}

/// A CONNECT under construction: clean session, keep alive 60, nothing else, unless told otherwise.
#[derive(Clone, Debug)]
pub struct Connect {
    name: Vec<u8>,
    level: u8,
    flags: u8,
    forced: Option<u8>,
    keep_alive: u16,
    id: Vec<u8>,
    will: Vec<u8>,
    user: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
    tail: Vec<u8>,
}

impl Connect {
    /// A clean session for this client identifier.
    pub fn new(id: impl AsRef<[u8]>) -> Self {
        Self {
            name: b"MQTT".to_vec(),
            level: 4,
            flags: 0x02,
            forced: None,
            keep_alive: 60,
            id: id.as_ref().to_vec(),
            will: Vec::new(),
            user: None,
            password: None,
            tail: Vec::new(),
        }
    }

    /// The same with clean session 0.
    #[must_use]
    pub fn persistent(mut self) -> Self {
        self.flags &= !0x02;
        self
    }

    /// Protocol name and level.
    #[must_use]
    pub fn protocol(mut self, name: &str, level: u8) -> Self {
        self.name = name.as_bytes().to_vec();
        self.level = level;
        self
    }

    /// Keep alive in seconds.
    #[must_use]
    pub fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    /// A will; `bits` are the will's bits of the connect flags: 04 QoS 0, 0C QoS 1, 14 QoS 2, 20 retain.
    #[must_use]
    #[track_caller]
    pub fn will(mut self, bits: u8, topic: impl AsRef<[u8]>, message: impl AsRef<[u8]>) -> Self {
        self.flags |= bits | 0x04;
        self.will = [field(topic), field(message)].concat();
        self
    }

    /// A user name.
    #[must_use]
    pub fn user(mut self, name: impl AsRef<[u8]>) -> Self {
        self.flags |= 0x80;
        self.user = Some(name.as_ref().to_vec());
        self
    }

    /// A password.
    #[must_use]
    pub fn password(mut self, password: impl AsRef<[u8]>) -> Self {
        self.flags |= 0x40;
        self.password = Some(password.as_ref().to_vec());
        self
    }

    /// These connect flags whatever the fields say.
    #[must_use]
    pub fn flags(mut self, flags: u8) -> Self {
        self.forced = Some(flags);
        self
    }

    /// Bytes behind everything else, inside the packet.
    #[must_use]
    pub fn tail(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.tail = bytes.as_ref().to_vec();
        self
    }

    /// The packet without its fixed header.
    #[track_caller]
    pub fn body(&self) -> Vec<u8> {
        let mut body = field(&self.name);
        body.push(self.level);
        body.push(self.forced.unwrap_or(self.flags));
        body.extend(self.keep_alive.to_be_bytes());
        body.extend(field(&self.id));
        body.extend_from_slice(&self.will);
        for text in [&self.user, &self.password].into_iter().flatten() {
            body.extend(field(text));
        }
        body.extend_from_slice(&self.tail);
        body
    }

    /// The whole packet.
    #[track_caller]
    pub fn bytes(&self) -> Vec<u8> {
        frame(0x10, self.body())
    }
}

/// A PUBLISH that the server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Type and flags.
    pub first: u8,
    /// The topic's bytes.
    pub topic: Vec<u8>,
    /// The packet identifier, 0 for QoS 0.
    pub id: u16,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Message {
    /// Reads a whole packet; panics if it is no PUBLISH by the standard.
    #[track_caller]
    pub fn parse(packet: &[u8]) -> Self {
        let shown = show(packet);
        let first = packet[0];
        assert_eq!(first >> 4, 3, "PUBLISH expected, got {shown}");
        let body = &packet[1 + packet[1..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1..];
        let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let (topic, mut rest) = body[2..].split_at(length);
        assert!(!topic.is_empty(), "empty topic in {shown}");
        let mut id = 0;
        if first & 0x06 == 0 {
            assert_eq!(first & 0x08, 0, "DUP with QoS 0 in {shown}");
        } else {
            assert_ne!(first & 0x06, 0x06, "QoS 3 in {shown}");
            id = u16::from_be_bytes([rest[0], rest[1]]);
            assert_ne!(id, 0, "identifier 0 in {shown}");
            rest = &rest[2..];
        }
        Self {
            first,
            topic: topic.to_vec(),
            id,
            payload: rest.to_vec(),
        }
    }

    /// The QoS bits as a number.
    pub fn qos(&self) -> u8 {
        self.first >> 1 & 3
    }

    /// The topic as text; ill-formed bytes would show as replacement characters.
    pub fn topic(&self) -> String {
        String::from_utf8_lossy(&self.topic).into_owned()
    }

    /// The payload as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}
