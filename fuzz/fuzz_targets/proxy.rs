//! A PROXY header: nothing panics, and no answer is taken back when more bytes come.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| burgee_broker::fuzzing::proxy_header(input));
