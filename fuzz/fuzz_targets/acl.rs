//! Mosquitto's access files: no text makes the parser panic, and the compiled rules decide as their list does one by one.
//!
//! The input is text: a user name (empty: none), a client identifier and a topic, a line each, and then the file.
#![no_main]

use burgee_access::{Action, Decision, Rules, Who, parse_acl_file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(4, |byte| *byte == b'\n');
    let mut text = || core::str::from_utf8(parts.next().unwrap_or_default()).unwrap_or_default();
    let (user, client_id, topic) = (text(), text(), text());
    let file = parts.next().unwrap_or_default();
    let list = match parse_acl_file("acl", file) {
        Ok(list) => list,
        Err(problems) => {
            assert!(!problems.is_empty() && problems.len() <= 101);
            let lines = file.split(|byte| *byte == b'\n').count();
            for problem in problems {
                assert!(problem.line as usize <= lines, "{problem}");
            }
            return;
        }
    };
    let who = Who {
        user: Some(user).filter(|user| !user.is_empty()),
        client_id,
        address: None,
    };
    let rules = Rules::new(list.clone());
    for action in [Action::Publish, Action::Subscribe, Action::Receive] {
        let decided = rules.decide(&who, action, topic, false);
        let expected = (0..).zip(&list).find_map(|(number, rule)| {
            let alone = Rules::new(vec![rule.clone()]).decide(&who, action, topic, false)?;
            Some(Decision {
                rule: Some(number),
                ..alone
            })
        });
        assert_eq!(decided, expected, "{who:?} {action:?} {topic:?}");
    }
});
