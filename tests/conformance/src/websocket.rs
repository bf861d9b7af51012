//! One WebSocket connection, in frames as they stand on the wire (RFC 6455).
//!
//! What must hold: nothing of the broker's own code is used. Deliberately absent: a client with opinions; a test says
//! which frames it sends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::PATIENCE;

/// First bytes of whole frames.
pub const TEXT: u8 = 0x81;
/// Binary data.
pub const BINARY: u8 = 0x82;
/// The end.
pub const CLOSE: u8 = 0x88;
/// A question whether somebody is there.
pub const PING: u8 = 0x89;
/// Its answer.
pub const PONG: u8 = 0x8A;

/// A connection, before or after its upgrade.
#[derive(Debug)]
pub struct Web {
    stream: TcpStream,
    data: Vec<u8>,
}

impl Web {
    /// Connects and asks, offering these sub protocols; what was answered, up to the empty line.
    #[track_caller]
    pub fn ask(address: SocketAddr, sub_protocols: Option<&str>) -> (Self, String) {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).expect("cannot connect to the server");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let offer = sub_protocols.map_or(String::new(), |names| format!("Sec-WebSocket-Protocol: {names}\r\n"));
        let request = format!(
            "GET /mqtt HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let (mut answer, mut byte) = (Vec::new(), [0]);
        while !answer.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("no whole answer to the upgrade");
            answer.push(byte[0]);
        }
        let web = Self {
            stream,
            data: Vec::new(),
        };
        (web, String::from_utf8(answer).unwrap())
    }

    /// An upgraded connection.
    #[track_caller]
    pub fn open(address: SocketAddr) -> Self {
        let (web, answer) = Self::ask(address, Some("mqtt"));
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        web
    }

    /// Sends a frame, masked as a client has to.
    #[track_caller]
    pub fn send(&mut self, first: u8, payload: impl AsRef<[u8]>) {
        let payload = payload.as_ref();
        let mask = [0xA5, 0x5A, 0x0F, 0xF0];
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..126 => bytes.push(0x80 | length as u8),
            length @ 126..65_536 => {
                bytes.push(0xFE);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                bytes.push(0xFF);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.raw(&bytes);
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next frame: its first byte and its payload.
    #[track_caller]
    pub fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).expect("no further frame");
        let length = match head[1] {
            126 => {
                let mut more = [0; 2];
                self.stream.read_exact(&mut more).unwrap();
                usize::from(u16::from_be_bytes(more))
            }
            127 => {
                let mut more = [0; 8];
                self.stream.read_exact(&mut more).unwrap();
                u64::from_be_bytes(more) as usize
            }
            length => {
                assert!(length < 126, "a server must not mask its frames");
                usize::from(length)
            }
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).unwrap();
        (head[0], payload)
    }

    /// The next bytes of MQTT are these; they come in binary frames.
    #[track_caller]
    pub fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        while self.data.len() < bytes.len() {
            let (first, payload) = self.frame();
            assert_eq!(first, BINARY, "not a whole binary frame");
            self.data.extend(payload);
        }
        let rest = self.data.split_off(bytes.len());
        assert_eq!(std::mem::replace(&mut self.data, rest), bytes);
    }

    /// The next frame closes with this code, and then the stream ends.
    #[track_caller]
    pub fn closed(mut self, code: u16) {
        assert_eq!(self.frame(), (CLOSE, code.to_be_bytes().to_vec()));
        assert_eq!(
            self.stream.read(&mut [0]).unwrap(),
            0,
            "something came behind the close"
        );
    }
}
