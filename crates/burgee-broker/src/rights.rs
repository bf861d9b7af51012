//! Rules of one client, out of the topic filters that came with its token or with the answer about it.
//!
//! What must hold: a list that is given is all that the client may do of that kind, an empty one nothing; a filter that
//! is none lets nobody in, for it was meant to restrict. Deliberately absent: the rules that are for everybody; where no
//! list was given, they decide.

use std::sync::Arc;

use burgee_access::{Actions, InvalidPattern, Place, Rule, Rules, TopicPattern, Topics};
use burgee_auth::{Method, Rights};

/// # Errors
/// One of them is no topic filter.
pub(crate) fn rules(rights: &Rights, by: Method) -> Result<Rules, InvalidPattern> {
    let place = Place {
        file: by.to_string().into(),
        line: 0,
    };
    let receiving = Actions::SUBSCRIBE.and(Actions::RECEIVE);
    let mut list = Vec::new();
    for (filters, actions) in [(&rights.publish, Actions::PUBLISH), (&rights.subscribe, receiving)] {
        let Some(filters) = filters else { continue };
        let patterns: Vec<TopicPattern> = filters.iter().map(|filter| filter.parse()).collect::<Result<_, _>>()?;
        if !patterns.is_empty() {
            list.push(Rule::allow(actions, Topics::Matching(patterns), place.clone()));
        }
        list.push(Rule::deny(actions, Topics::All, place.clone()));
    }
    Ok(Rules::new(list))
}

/// The same, shared; none where nothing was said.
///
/// # Errors
/// One of them is no topic filter.
pub(crate) fn shared(rights: Option<&Rights>, by: Method) -> Result<Option<Arc<Rules>>, InvalidPattern> {
    rights.map(|rights| rules(rights, by).map(Arc::new)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burgee_access::{Action, Who};
    use burgee_codec::QoS;

    fn list(filters: &[&str]) -> Vec<Box<str>> {
        filters.iter().map(|filter| (*filter).into()).collect()
    }

    fn may(rules: &Rules, action: Action, topic: &str) -> Option<bool> {
        let who = Who {
            user: Some("ann"),
            client_id: "c",
            address: None,
        };
        rules
            .decide(&who, action, topic, false)
            .map(|decision| decision.allows(QoS::ExactlyOnce))
    }

    #[test]
    fn a_list_is_all_of_its_kind_and_what_is_not_said_is_left_to_others() {
        let rights = Rights {
            publish: Some(list(&["a/+", "own/%u"])),
            subscribe: None,
        };
        let found = rules(&rights, Method::Token).unwrap();
        assert_eq!(may(&found, Action::Publish, "a/b"), Some(true));
        assert_eq!(may(&found, Action::Publish, "own/ann"), Some(true));
        assert_eq!(may(&found, Action::Publish, "own/bob"), Some(false));
        assert_eq!(may(&found, Action::Publish, "$SYS/x"), Some(false));
        assert_eq!(may(&found, Action::Subscribe, "a/b"), None);
        assert_eq!(may(&found, Action::Receive, "a/b"), None);
    }

    #[test]
    fn an_empty_list_is_nothing_and_no_filter_is_a_fault() {
        let rights = Rights {
            publish: None,
            subscribe: Some(list(&[])),
        };
        let found = rules(&rights, Method::Http).unwrap();
        assert_eq!(may(&found, Action::Subscribe, "#"), Some(false));
        assert_eq!(may(&found, Action::Receive, "a"), Some(false));
        assert_eq!(may(&found, Action::Publish, "a"), None);
        let broken = Rights {
            publish: Some(list(&["a/#/b"])),
            subscribe: None,
        };
        assert!(rules(&broken, Method::Token).is_err());
    }
}
