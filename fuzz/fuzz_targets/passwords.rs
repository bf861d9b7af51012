//! Password files: whatever the bytes, reading ends without a panic, and what was read can be written and read again.
//! An entry that is accepted is never checked here: that may cost a second, by design.

#![no_main]

use std::path::Path;

use burgee_auth::password::Document;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("users");
    match Document::parse(path, bytes) {
        Ok(document) => {
            let text = document.to_string();
            let Ok(again) = Document::parse(path, text.as_bytes()) else {
                panic!("what was written cannot be read: {text}");
            };
            assert_eq!(again.to_string(), text);
            assert_eq!(again.len(), document.len());
        }
        Err(problems) => drop(problems.to_string()),
    }
});
