//! The head of an HTTP answer: what a proxy and a WebSocket server say before the stream is ours.
//!
//! What must hold: its size is limited, and bytes behind it are not lost. Deliberately absent: bodies and redirects.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// A longer head is not for us.
const LIMIT: usize = 16 * 1024;
const HEADERS: usize = 64;

/// A status line and its headers.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) reason: String,
    #[cfg(feature = "websocket")]
    headers: Vec<(String, Vec<u8>)>,
    /// Bytes that came behind the head.
    pub(super) rest: Vec<u8>,
}

impl Head {
    /// Reads until the head is whole.
    pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(1024);
        loop {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(head) = Self::parse(&bytes)? {
                return Ok(head);
            }
            if bytes.len() > LIMIT {
                return Err(invalid("the head of the answer is too long"));
            }
        }
    }

    fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(bytes).map_err(|_| invalid("the answer is no HTTP"))?;
        let httparse::Status::Complete(len) = parsed else {
            return Ok(None);
        };
        Ok(Some(Self {
            status: response.code.unwrap_or_default(),
            reason: response.reason.unwrap_or_default().to_owned(),
            #[cfg(feature = "websocket")]
            headers: response
                .headers
                .iter()
                .map(|header| (header.name.to_owned(), header.value.to_vec()))
                .collect(),
            rest: bytes.get(len..).unwrap_or_default().to_vec(),
        }))
    }

    /// The value of a header, if it is there and is text.
    #[cfg(feature = "websocket")]
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| std::str::from_utf8(value).ok().map(str::trim))
    }
}

pub(super) fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
