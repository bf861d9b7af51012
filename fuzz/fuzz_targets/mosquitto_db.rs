//! Any bytes as a `mosquitto.db`: no panic; what was read through and found whole can be handed out to its end, with numbers
//! that ascend and sessions that are there.
#![no_main]

use std::io::Cursor;

use burgee_mosquitto::db::read;
use burgee_store::Op;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let snapshot = match read(Cursor::new(input), 1_700_000_000) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            assert!(error.at <= input.len() as u64 && !error.to_string().is_empty());
            return;
        }
    };
    let summary = snapshot.summary();
    let (mut sessions, mut messages, mut owed) = (0, 0, 0);
    for op in snapshot.ops() {
        match op.expect("what was read once can be read again") {
            Op::SessionCreated { session, .. } => {
                sessions += 1;
                assert_eq!(session.0, sessions);
            }
            Op::Owed { message, owing, .. } => {
                messages += 1;
                assert_eq!(message.0, messages);
                owed += owing.len() as u64;
                assert!(owing.iter().all(|(session, _)| (1..=sessions).contains(&session.0)));
            }
            _ => {}
        }
    }
    assert_eq!((sessions, owed), (summary.sessions, summary.owed));
});
