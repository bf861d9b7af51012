//! Doors for the fuzzer to parsers that are ours. Only there when it is compiled for that.
//!
//! What must hold: what comes in pieces is understood as what comes at once. Deliberately absent: parsers of others.

use std::sync::Arc;

use crate::proxy::{self, Header};
use crate::websocket::{Origins, UpgradeRules, WebSocket};

/// A request and frames of WebSocket, at once and in pieces of this size: the same comes out.
pub fn websocket(bytes: &[u8], piece: usize) {
    let read = |piece: usize| {
        let mut socket = WebSocket::new(Arc::new(UpgradeRules {
            path: None,
            origins: Origins::Any,
            frame_limit: 1 << 20,
        }));
        let (mut data, mut out, mut ended) = (Vec::new(), Vec::new(), None);
        for part in bytes.chunks(piece.max(1)) {
            let mut part = part.to_vec();
            let read = socket.receive(&mut part, &mut out);
            data.extend(part);
            if read.closed || read.violation.is_some() {
                ended = Some((read.closed, read.violation));
                break;
            }
        }
        (data, out, ended)
    };
    assert!(
        read(usize::MAX) == read(piece),
        "pieces of {piece} are understood otherwise"
    );
}

/// A PROXY header: no answer is taken back when more comes.
pub fn proxy_header(bytes: &[u8]) {
    let mut first = None;
    for end in 0..=bytes.len().min(300) {
        let answer = proxy::parse(&bytes[..end]);
        match (&first, answer) {
            (None, Header::Partial) => {}
            (None, answer) => first = Some(answer),
            (Some(first), answer) => assert_eq!(*first, answer, "another answer at {end}"),
        }
    }
}
