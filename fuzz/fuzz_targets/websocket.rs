//! A request and frames of WebSocket: nothing panics, and pieces are understood as the whole is.
//!
//! The first byte of the input chooses the size of the pieces; the second whether a good request stands in front.
#![no_main]

use libfuzzer_sys::fuzz_target;

const REQUEST: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

fuzz_target!(|input: &[u8]| {
    let [piece, begin, rest @ ..] = input else { return };
    let bytes = if begin % 4 == 0 { rest.to_vec() } else { [REQUEST, rest].concat() };
    burgee_broker::fuzzing::websocket(&bytes, usize::from(*piece % 32) + 1);
});
