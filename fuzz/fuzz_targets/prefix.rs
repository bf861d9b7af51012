//! Bytes that come in pieces: the answer is the one that all at once would get, and no further byte changes it.
//!
//! The first byte of the input chooses the version.
#![no_main]

use burgee_codec::{Decoded, Limits, Version, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else {
        return;
    };
    let version = [Version::V31, Version::V311, Version::V5][usize::from(choice % 3)];
    let read = |have: usize| decode(&bytes[..have], version, &Limits::default());
    let whole = read(bytes.len());
    // A packet may be followed by others: it ends where it says.
    let end = if let Ok(Decoded::Packet { len, .. }) = whole {
        len
    } else {
        bytes.len()
    };
    let mut least = 0;
    let mut judged = None;
    for have in 0..=bytes.len() {
        match (read(have), &judged) {
            (Ok(Decoded::Incomplete { needed }), None) => {
                assert!(needed > have, "asks for what is there");
                assert!(needed >= least, "asks for less than before");
                assert!(have < end || whole == read(have), "a whole packet is not enough");
                least = needed;
            }
            (answer, None) => {
                assert!(answer.is_err() || have == end && have == least, "{answer:?} at {have}");
                judged = Some(answer);
            }
            (answer, Some(first)) => assert_eq!(answer, *first, "another answer at {have}"),
        }
    }
    assert_eq!(judged.unwrap_or_else(|| read(bytes.len())), whole);
});
