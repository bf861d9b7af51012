//! Topic names and filters against a second implementation that follows the words of the standard and nothing else.
//!
//! The input is text: a filter, a line end, a name.
#![no_main]

use burgee_codec::{SharedFilter, TopicFilter, TopicFilterBuf, TopicName, TopicNameBuf};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let (filter, name) = input.split_once('\n').unwrap_or((input, input));
    let parsed_filter = TopicFilter::parse(filter);
    let parsed_name = TopicName::parse(name);
    assert_eq!(parsed_filter.is_ok(), is_filter(filter), "{filter:?}");
    assert_eq!(parsed_name.is_ok(), is_name(name), "{name:?}");
    assert_eq!(
        TopicFilterBuf::parse(filter).map(|owned| owned.as_str() == filter),
        parsed_filter.map(|_| true)
    );
    assert_eq!(
        TopicNameBuf::parse(name).map(|owned| owned.as_str() == name),
        parsed_name.map(|_| true)
    );
    let Ok(parsed_filter) = parsed_filter else { return };
    if let Some(Ok(shared)) = SharedFilter::parse(parsed_filter) {
        assert_eq!(format!("$share/{}/{}", shared.group, shared.filter), filter);
        assert!(!shared.group.is_empty() && !shared.group.contains(['/', '+', '#']));
    }
    if let Ok(parsed_name) = parsed_name {
        assert_eq!(
            parsed_filter.matches(parsed_name),
            is_match(filter, name),
            "{filter:?} {name:?}"
        );
    }
});

fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= 65_535 && !text.contains('\0')
}

fn is_name(text: &str) -> bool {
    is_text(text) && !text.contains('+') && !text.contains('#')
}

fn is_filter(text: &str) -> bool {
    let levels: Vec<&str> = text.split('/').collect();
    let last = levels.len() - 1;
    let plain = |level: &str| !level.contains('+') && !level.contains('#');
    let good = |(at, level): (usize, &&str)| plain(level) || *level == "+" || (*level == "#" && at == last);
    is_text(text) && levels.iter().enumerate().all(good)
}

/// Level by level from the back, so that it shares no idea with the code under test.
fn is_match(filter: &str, name: &str) -> bool {
    if name.starts_with('$') && !filter.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#')) {
        return false;
    }
    let mut filter: Vec<&str> = filter.split('/').collect();
    let mut name: Vec<&str> = name.split('/').collect();
    if filter.last() == Some(&"#") {
        filter.pop();
        if name.len() < filter.len() {
            return false;
        }
        name.truncate(filter.len());
    }
    while let (Some(level), Some(part)) = (filter.last(), name.last()) {
        if *level != "+" && level != part {
            return false;
        }
        filter.pop();
        name.pop();
    }
    filter.is_empty() && name.is_empty()
}
