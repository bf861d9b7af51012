//! Frames of RFC 6455, taken apart as they come: the payload is passed on at once, however large its frame is.
//!
//! What must hold: of a frame that is not whole only its header is kept, and of a control frame its 125 bytes. Headers are
//! read and written by tungstenite. Deliberately absent: text, extensions, sending in fragments.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

pub(crate) const BINARY: OpCode = OpCode::Data(Data::Binary);
pub(crate) const CLOSE: OpCode = OpCode::Control(Control::Close);
pub(crate) const PONG: OpCode = OpCode::Control(Control::Pong);

/// The longest header: two bytes, eight of length, four of mask.
const HEADER: usize = 14;
/// Payload of a control frame, at most.
const CONTROL: usize = 125;

/// What was heard besides data.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Heard {
    Data,
    /// The peer closes, with this code.
    Close(Option<u16>),
    /// It broke a rule: to be closed with this code.
    Violation(u16, &'static str),
}

/// What the payload that is being read belongs to.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Kind {
    Data,
    Ping,
    Pong,
    Close,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Frames {
    header: [u8; HEADER],
    header_len: usize,
    /// Payload of the current frame that is still to come.
    left: u64,
    kind: Kind,
    mask: [u8; 4],
    /// A message was begun and has more frames.
    fragmented: bool,
    control: Vec<u8>,
    limit: u64,
}

type Broken = (u16, &'static str);

impl Frames {
    /// Frames of at most `limit` bytes of payload.
    pub(super) const fn new(limit: u64) -> Self {
        Self {
            header: [0; HEADER],
            header_len: 0,
            left: 0,
            kind: Kind::Data,
            mask: [0; 4],
            fragmented: false,
            control: Vec::new(),
            limit,
        }
    }

    /// Leaves of `bytes` the payload of binary frames. The newest ping is put into `ping`.
    pub(super) fn unwrap(&mut self, bytes: &mut Vec<u8>, ping: &mut Option<Box<[u8]>>) -> Heard {
        let (mut at, mut kept) = (0, 0);
        let heard = loop {
            if self.left == 0 {
                match self.next_header(bytes.get(at..).unwrap_or_default()) {
                    Ok(Some(used)) => at += used,
                    Ok(None) => break Heard::Data,
                    Err((code, why)) => break Heard::Violation(code, why),
                }
            }
            let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - at);
            let payload = bytes.get_mut(at..at + here).unwrap_or_default();
            unmask(payload, &mut self.mask);
            self.left -= here as u64;
            // [MQTT-6.0.0-2] frames are a stream of bytes: their borders are forgotten here.
            if self.kind == Kind::Data {
                bytes.copy_within(at..at + here, kept);
                kept += here;
                at += here;
            } else {
                self.control.extend_from_slice(payload);
                at += here;
                match self.control_frame(ping) {
                    Heard::Data => {}
                    heard @ (Heard::Close(_) | Heard::Violation(..)) => break heard,
                }
            }
            if self.left > 0 {
                break Heard::Data;
            }
        };
        bytes.truncate(kept);
        heard
    }

    /// Reads a header that begins with what is kept and goes on in `bytes`: how many of these it took.
    fn next_header(&mut self, bytes: &[u8]) -> Result<Option<usize>, Broken> {
        let before = self.header_len;
        for (to, from) in self.header.iter_mut().skip(before).zip(bytes) {
            *to = *from;
        }
        let there = (before + bytes.len()).min(HEADER);
        let mut cursor = Cursor::new(self.header.get(..there).unwrap_or_default());
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| (1002, "the kind of frame is unknown"))?;
        let Some((header, length)) = parsed else {
            self.header_len = there;
            return Ok(None);
        };
        let size = usize::try_from(cursor.position()).unwrap_or(HEADER);
        self.header_len = 0;
        self.begin(&header, length, size)?;
        Ok(Some(size - before))
    }

    fn begin(&mut self, header: &FrameHeader, length: u64, size: usize) -> Result<(), Broken> {
        // RFC 6455 5.1: a server closes when a frame is not masked.
        self.mask = header.mask.ok_or((1002, "a client has to mask its frames"))?;
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err((1002, "a reserved bit is set, and no extension was agreed upon"));
        }
        // RFC 6455 5.2: as few bytes as the length needs, and its first bit clear.
        if header.len(length) != size || length > u64::MAX / 2 {
            return Err((1002, "the length is not written as it has to be"));
        }
        let kind = match header.opcode {
            OpCode::Data(data) => {
                self.data_frame(data, header.is_final)?;
                Kind::Data
            }
            OpCode::Control(_) if !header.is_final || length > CONTROL as u64 => {
                return Err((1002, "a control frame is in fragments or too long"));
            }
            OpCode::Control(Control::Close) => Kind::Close,
            OpCode::Control(Control::Ping) => Kind::Ping,
            OpCode::Control(Control::Pong) => Kind::Pong,
            OpCode::Control(Control::Reserved(_)) => return Err((1002, "the kind of frame is unknown")),
        };
        if length > self.limit {
            return Err((1009, "the frame is too large"));
        }
        self.kind = kind;
        self.left = length;
        Ok(())
    }

    fn data_frame(&mut self, data: Data, is_final: bool) -> Result<(), Broken> {
        match (data, self.fragmented) {
            // [MQTT-6.0.0-1] anything but binary data ends the connection.
            (Data::Text, _) => return Err((1003, "MQTT is sent in binary frames, not in text")),
            (Data::Binary, false) | (Data::Continue, true) => {}
            (Data::Binary, true) => return Err((1002, "a message begins inside of another")),
            (Data::Continue, false) => return Err((1002, "there is nothing to be continued")),
            (Data::Reserved(_), _) => return Err((1002, "the kind of frame is unknown")),
        }
        self.fragmented = !is_final;
        Ok(())
    }

    /// Looks at a control frame, if it is whole.
    fn control_frame(&mut self, ping: &mut Option<Box<[u8]>>) -> Heard {
        if self.left > 0 {
            return Heard::Data;
        }
        let payload = std::mem::take(&mut self.control);
        match self.kind {
            Kind::Data | Kind::Pong => Heard::Data,
            Kind::Ping => {
                *ping = Some(payload.into());
                Heard::Data
            }
            Kind::Close => close(&payload),
        }
    }
}

fn close(payload: &[u8]) -> Heard {
    let (code, reason) = match *payload {
        [] => return Heard::Close(None),
        [_] => return Heard::Violation(1002, "half a code to close with"),
        [high, low, ref reason @ ..] => (u16::from_be_bytes([high, low]), reason),
    };
    // RFC 6455 7.4: those that may be sent.
    let known = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    if known && std::str::from_utf8(reason).is_ok() {
        Heard::Close(Some(code))
    } else {
        Heard::Violation(1002, "no code to close with, or a reason that is no text")
    }
}

/// Takes the mask off, and turns it on to where the next byte stands.
fn unmask(bytes: &mut [u8], mask: &mut [u8; 4]) {
    let [a, b, c, d] = *mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let turn = bytes.len() % 4;
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip([a, b, c, d, a, b, c, d]) {
        *byte ^= mask;
    }
    mask.rotate_left(turn);
}

/// Appends a whole frame of a server.
pub(crate) fn put_frame(opcode: OpCode, payload: &[u8], out: &mut Vec<u8>) {
    put_header(opcode, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends the header of a frame of a server.
fn put_header(opcode: OpCode, length: usize, out: &mut Vec<u8>) {
    let header = FrameHeader {
        opcode,
        ..FrameHeader::default()
    };
    if let Err(error) = header.format(length as u64, out) {
        // Nothing is written but into memory.
        tracing::error!(%error, "a frame's header could not be written");
    }
}
