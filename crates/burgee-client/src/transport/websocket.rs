//! WebSocket: the upgrade, and MQTT's bytes in binary frames.
//!
//! What must hold: the sub-protocol is `mqtt` [MQTT-6.0.0-3]; frames are binary, and their borders mean nothing
//! [MQTT-6.0.0-1] [MQTT-6.0.0-2]; what we send is masked. Of a frame that is not whole only its header is kept.
//! Deliberately absent: text, extensions, fragments of our own.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::http::{Head, invalid};
use super::{Target, Way, WebSocket};
use crate::error::ConnectError;

/// Read and written at once.
const CHUNK: usize = 16 * 1024;
/// Above so many unwritten bytes nothing more is put into frames.
const FULL: usize = 64 * 1024;
/// Payload of a control frame, at most.
const CONTROL: u64 = 125;

/// Asks for the upgrade and waits for the answer.
pub(super) async fn upgrade<S>(mut stream: S, way: &Way, asked: &WebSocket) -> Result<WebSocketStream<S>, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let key = generate_key();
    let host = match &way.target {
        Target::Host { host, port } if *port == way.default_web_port() => host.clone(),
        Target::Host { host, port } => format!("{host}:{port}"),
        Target::Unix(_) => "localhost".to_owned(),
    };
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: mqtt\r\n",
        asked.path
    );
    for (name, value) in &asked.headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    request.push_str("\r\n");
    let refused = |status, reason: String| ConnectError::Upgrade { status, reason };
    let lost = |error: io::Error| refused(None, error.to_string());
    stream.write_all(request.as_bytes()).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    let head = Head::read(&mut stream).await.map_err(lost)?;
    if head.status != 101 {
        return Err(refused(Some(head.status), head.reason));
    }
    let is = |name, wanted: &str| {
        head.header(name)
            .is_some_and(|value| value.eq_ignore_ascii_case(wanted))
    };
    if !is("upgrade", "websocket") || head.header("sec-websocket-accept") != Some(&derive_accept_key(key.as_bytes())) {
        return Err(refused(
            Some(101),
            "the answer is not that of a WebSocket server".to_owned(),
        ));
    }
    // [MQTT-6.0.0-3] [MQTT-6.0.0-4]
    if head.header("sec-websocket-protocol") != Some("mqtt") {
        return Err(refused(
            Some(101),
            "the server does not speak the sub-protocol mqtt".to_owned(),
        ));
    }
    Ok(WebSocketStream::new(stream, head.rest))
}

/// What the payload that is being read belongs to.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Kind {
    Data,
    Ping,
    Pong,
    Close,
}

/// Bytes in frames on a stream.
#[derive(Debug)]
pub(super) struct WebSocketStream<S> {
    stream: S,
    /// Bytes of the stream that are not looked at yet.
    input: Vec<u8>,
    used: usize,
    kind: Kind,
    /// Payload of the present frame that is still to come.
    left: u64,
    control: Vec<u8>,
    fragmented: bool,
    /// The server closed, or we gave up: nothing more is read.
    over: bool,
    /// Frames on their way out.
    output: Vec<u8>,
    sent: usize,
    masks: RandomState,
    frames: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketStream<S> {
    fn new(stream: S, input: Vec<u8>) -> Self {
        Self {
            stream,
            input,
            used: 0,
            kind: Kind::Data,
            left: 0,
            control: Vec::new(),
            fragmented: false,
            over: false,
            output: Vec::new(),
            sent: 0,
            masks: RandomState::new(),
            frames: 0,
        }
    }

    /// Puts a masked frame at the end of what is to be written.
    fn frame(&mut self, opcode: OpCode, payload: &[&[u8]]) -> io::Result<()> {
        self.frames += 1;
        // RFC 6455 5.3: nobody outside can guess it. The hash is keyed at random.
        let [a, b, c, d, ..] = self.masks.hash_one(self.frames).to_be_bytes();
        let mask = [a, b, c, d];
        let header = FrameHeader {
            is_final: true,
            rsv1: false,
            rsv2: false,
            rsv3: false,
            opcode,
            mask: Some(mask),
        };
        let length: usize = payload.iter().map(|part| part.len()).sum();
        header
            .format(length as u64, &mut self.output)
            .map_err(|_| invalid("a frame cannot be written"))?;
        let masked = payload.iter().flat_map(|part| part.iter()).zip(mask.iter().cycle());
        self.output.extend(masked.map(|(byte, mask)| byte ^ mask));
        Ok(())
    }

    fn poll_output(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(unsent) = self.output.get(self.sent..)
            && !unsent.is_empty()
        {
            let wrote = ready!(Pin::new(&mut self.stream).poll_write(context, unsent))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += wrote;
        }
        self.output.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Takes the next header; `false`: it is not whole.
    fn header(&mut self) -> io::Result<bool> {
        let mut cursor = Cursor::new(self.input.get(self.used..).unwrap_or_default());
        let parsed =
            FrameHeader::parse(&mut cursor).map_err(|_| invalid("the server sends an unknown kind of frame"))?;
        let Some((header, length)) = parsed else {
            return Ok(false);
        };
        self.used += usize::try_from(cursor.position()).unwrap_or_default();
        if header.mask.is_some() || header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(invalid("the server sends a masked frame, or one of an extension"));
        }
        self.kind = match header.opcode {
            // [MQTT-6.0.0-1] anything but binary data ends the connection.
            OpCode::Data(Data::Binary) if !self.fragmented => Kind::Data,
            OpCode::Data(Data::Continue) if self.fragmented => Kind::Data,
            OpCode::Data(_) => return Err(invalid("the server sends a frame that is not binary")),
            OpCode::Control(_) if !header.is_final || length > CONTROL => {
                return Err(invalid("the server sends a control frame that is too long"));
            }
            OpCode::Control(Control::Ping) => Kind::Ping,
            OpCode::Control(Control::Pong) => Kind::Pong,
            OpCode::Control(Control::Close) => Kind::Close,
            OpCode::Control(Control::Reserved(_)) => return Err(invalid("the server sends an unknown kind of frame")),
        };
        if self.kind == Kind::Data {
            self.fragmented = !header.is_final;
        }
        self.left = length;
        self.control.clear();
        Ok(true)
    }

    /// Gives payload that is here to `buffer`; `false`: more has to be read first.
    fn take(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<bool> {
        loop {
            if self.over {
                return Ok(true);
            }
            if self.left == 0 && !self.header()? {
                return Ok(false);
            }
            let here = self.input.get(self.used..).unwrap_or_default();
            let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(here.len());
            if self.kind == Kind::Data {
                let count = most.min(buffer.remaining());
                buffer.put_slice(here.get(..count).unwrap_or_default());
                self.used += count;
                self.left -= count as u64;
                if count > 0 {
                    return Ok(true);
                }
                if self.left > 0 {
                    return Ok(false);
                }
                continue;
            }
            self.control.extend_from_slice(here.get(..most).unwrap_or_default());
            self.used += most;
            self.left -= most as u64;
            if self.left > 0 {
                return Ok(false);
            }
            self.control_frame()?;
        }
    }

    fn control_frame(&mut self) -> io::Result<()> {
        let payload = std::mem::take(&mut self.control);
        match self.kind {
            Kind::Data | Kind::Pong => Ok(()),
            // Above the limit a pong is left out: the next one tells as much.
            Kind::Ping if self.output.len() > FULL => Ok(()),
            Kind::Ping => self.frame(OpCode::Control(Control::Pong), &[&payload]),
            Kind::Close => {
                self.over = true;
                self.frame(OpCode::Control(Control::Close), &[&payload])
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocketStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let output = this.output.len();
            let taken = this.take(buffer)?;
            if this.output.len() > output {
                // A pong or a close of ours. If it does not go out now, it goes out with the next write.
                if let Poll::Ready(sent) = this.poll_output(context).map_ok(drop) {
                    sent?;
                }
            }
            if taken {
                return Poll::Ready(Ok(()));
            }
            this.input.drain(..this.used);
            this.used = 0;
            let mut chunk = [0; CHUNK];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.input.extend_from_slice(read.filled());
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocketStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.output.len() - this.sent > FULL {
            ready!(this.poll_output(context))?;
        }
        let parts: Vec<&[u8]> = slices.iter().map(|slice| &**slice).collect();
        let length = parts.iter().map(|part| part.len()).sum();
        this.frame(OpCode::Data(Data::Binary), &parts)?;
        // It is ours now; what does not go out at once goes out with the flush.
        if let Poll::Ready(sent) = this.poll_output(context) {
            sent?;
        }
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_output(context))?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.over {
            this.over = true;
            // RFC 6455 7.4.1: a normal end.
            this.frame(OpCode::Control(Control::Close), &[&1000_u16.to_be_bytes()])?;
        }
        ready!(this.poll_output(context))?;
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    /// Frames as a server sends them are read in pieces of every size.
    #[tokio::test]
    async fn frames_of_any_cut_are_one_stream() {
        // "ab" in two fragments with a ping between them, "c", an empty frame, "d", then a close.
        let frames = b"\x02\x01a\x89\x02hi\x80\x01b\x82\x01c\x82\x00\x82\x7e\x00\x01d\x88\x02\x03\xe8";
        for size in 1..frames.len() {
            let (near, mut far) = tokio::io::duplex(1024);
            let script = async {
                for piece in frames.chunks(size) {
                    far.write_all(piece).await.expect("written");
                    tokio::task::yield_now().await;
                }
                let mut answer = [0; 16];
                far.read_exact(&mut answer).await.expect("pong and close");
                answer
            };
            let mut stream = WebSocketStream::new(near, Vec::new());
            let mut text = String::new();
            let (read, answer) = tokio::join!(stream.read_to_string(&mut text), script);
            read.expect("an end");
            assert_eq!(text, "abcd", "{size}");
            let [pong, length, a, b, _, _, h, i, close, ..] = answer;
            assert_eq!((pong, length, h ^ a, i ^ b, close), (0x8a, 0x82, b'h', b'i', 0x88));
        }
    }

    #[tokio::test]
    async fn text_and_masked_frames_end_the_stream() {
        for wrong in [
            &b"\x81\x01a"[..],
            b"\x82\x81\0\0\0\0a",
            b"\x80\x01a",
            b"\xc2\x01a",
            b"\x83\x00",
            b"\x09\x00",
        ] {
            let mut stream = WebSocketStream::new(tokio::io::duplex(64).0, wrong.to_vec());
            assert!(stream.read_u8().await.is_err(), "{wrong:x?}");
        }
    }

    #[tokio::test]
    async fn what_we_send_is_masked_and_binary() {
        let (near, mut far) = tokio::io::duplex(1024);
        let mut stream = WebSocketStream::new(near, Vec::new());
        stream.write_all(b"packet").await.expect("written");
        stream.flush().await.expect("flushed");
        let mut frame = [0; 12];
        far.read_exact(&mut frame).await.expect("a frame");
        let (head, payload) = frame.split_at(6);
        assert_eq!(&head[..2], [0x82, 0x86]);
        let plain: Vec<u8> = payload
            .iter()
            .zip(head[2..].iter().cycle())
            .map(|(byte, mask)| byte ^ mask)
            .collect();
        assert_eq!(plain, b"packet");
    }

    #[tokio::test]
    async fn masks_differ_from_frame_to_frame_and_from_stream_to_stream() {
        let mut streams = Vec::new();
        for _ in 0..2 {
            let (near, mut far) = tokio::io::duplex(1024);
            let mut stream = WebSocketStream::new(near, Vec::new());
            let mut masks = Vec::new();
            for _ in 0..8 {
                stream.write_all(b"x").await.expect("written");
                stream.flush().await.expect("flushed");
                let mut frame = [0; 7];
                far.read_exact(&mut frame).await.expect("a frame");
                masks.push(frame[2..6].to_vec());
            }
            streams.push(masks);
        }
        // All of eight alike by chance: once in 2 to the power of 224.
        assert!(streams.iter().all(|masks| masks.iter().any(|mask| *mask != masks[0])));
        assert_ne!(streams[0], streams[1], "nobody can know them beforehand");
    }
}
