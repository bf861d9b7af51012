//! Access rules: `[[rule]]`, one after the other, and Mosquitto's file behind them.
//!
//! What must hold: the order in the file is the order in which rules are asked; the rules of the file `acl_file` come after
//! them. Deliberately absent: what a rule means; see burgee-access.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use burgee_access::{
    Actions, AddressRange, Effect, Glob, InvalidAction, InvalidAddress, InvalidPattern, Place as RulePlace, Reply,
    Rule, TopicPattern, Topics, parse_acl_file,
};

use crate::file;
use crate::problem::{Place, Problem};
use crate::spec::{Kind, Spec};
use crate::text::Text;
use crate::whom::{self, ForSomebody, Whom, glob};

/// One rule while it is read.
#[derive(Clone, Debug)]
pub(crate) struct RuleDraft {
    allow: Option<Actions>,
    deny: Option<Actions>,
    topics: Vec<TopicPattern>,
    whom: Whom,
    clients: Vec<Glob>,
    addresses: Vec<AddressRange>,
    retain: Option<bool>,
    max_qos: Option<u64>,
    reply: Reply,
    closes: bool,
    /// Where it begins.
    place: Place,
    stands: RulePlace,
}

impl ForSomebody for RuleDraft {
    fn whom(&mut self) -> &mut Whom {
        &mut self.whom
    }
}

impl RuleDraft {
    /// Nothing is said yet; it begins there.
    pub(crate) fn at(place: Place) -> Self {
        let stands = match &place {
            Place::Spot(spot) => RulePlace {
                file: spot.path.display().to_string().into(),
                line: u32::try_from(spot.line).unwrap_or(u32::MAX),
            },
            Place::File(_) | Place::Variable(_) | Place::Flag(_) | Place::All => RulePlace {
                file: "".into(),
                line: 0,
            },
        };
        Self {
            allow: None,
            deny: None,
            topics: Vec::new(),
            whom: Whom::default(),
            clients: Vec::new(),
            addresses: Vec::new(),
            retain: None,
            max_qos: None,
            reply: Reply::Acknowledge,
            closes: false,
            place,
            stands,
        }
    }

    /// The rule, if what is said fits together.
    ///
    /// # Errors
    /// What does not.
    pub(crate) fn checked(&self) -> Result<Rule, Problem> {
        let wrong = |what: &str, way_out: &str| Err(Problem::error(self.place.clone(), what, way_out));
        let topics = if self.topics.is_empty() {
            Topics::All
        } else {
            Topics::Matching(self.topics.clone())
        };
        let mut rule = match (self.allow, self.deny) {
            (Some(actions), None) => Rule::allow(actions, topics, self.stands.clone()),
            (None, Some(actions)) => Rule::deny(actions, topics, self.stands.clone()),
            (None, None) => {
                return wrong(
                    "a rule that does nothing",
                    "say allow = [\"publish\"] or deny = [\"publish\"]",
                );
            }
            (Some(_), Some(_)) => {
                return wrong(
                    "a rule both allows and denies",
                    "make two of it: the first that fits decides",
                );
            }
        };
        if rule.effect == Effect::Deny && self.max_qos.is_some() {
            return wrong("max_qos is for rules that allow", "take it out, or write allow");
        }
        if rule.effect == Effect::Allow && self.closes {
            return wrong("denied_publish is for rules that deny", "take it out, or write deny");
        }
        if let Some(problem) = self.whom.problem("a rule", &self.place) {
            return Err(problem);
        }
        rule.users = self.whom.users();
        rule.clients.clone_from(&self.clients);
        rule.addresses.clone_from(&self.addresses);
        rule.retain = self.retain;
        rule.reply = self.reply;
        if let Some(qos) = self.max_qos {
            rule.max_qos = match qos {
                0 => burgee_codec::QoS::AtMostOnce,
                1 => burgee_codec::QoS::AtLeastOnce,
                _ => burgee_codec::QoS::ExactlyOnce,
            };
        }
        Ok(rule)
    }
}

/// The rules of Mosquitto's file.
///
/// # Errors
/// All that is wrong with it, line by line.
pub(crate) fn read_acl_file(path: &Path, named_at: &Place) -> Result<Vec<Rule>, Vec<Problem>> {
    let bytes = file::read_bytes(path).map_err(|error| {
        let what = format!("{}: {error}", path.display());
        vec![Problem::error(
            named_at.clone(),
            what,
            "name the file of access rules, or take acl_file out",
        )]
    })?;
    parse_acl_file(&path.display().to_string(), &bytes).map_err(|problems| {
        let text = Text::new(path, String::from_utf8_lossy(&bytes).into_owned());
        let place = |line: u32| match line {
            0 => Place::File(path.to_owned()),
            line => Place::Spot(Box::new(text.line(line as usize))),
        };
        let told = problems.into_iter();
        told.map(|problem| Problem::error(place(problem.line), problem.what.to_string(), ""))
            .collect()
    })
}

fn actions(before: Option<Actions>, word: &str) -> Result<Option<Actions>, String> {
    let word = Actions::from_str(word).map_err(|error: InvalidAction| error.to_string())?;
    Ok(Some(before.map_or(word, |before| before | word)))
}

/// See the module.
pub(crate) static RULE: &[Spec<RuleDraft>] = &[
    Spec::new(
        "allow",
        Kind::Texts("publish, subscribe, receive or all", |draft: &mut RuleDraft, word| {
            draft.allow = actions(draft.allow, word)?;
            Ok(())
        }),
        "",
        "The rule allows this. `subscribe` means the filter and what comes by it, `receive` being sent messages alone.",
    )
    .said("none; a rule says allow or deny")
    .live(),
    Spec::new(
        "deny",
        Kind::Texts("publish, subscribe, receive or all", |draft: &mut RuleDraft, word| {
            draft.deny = actions(draft.deny, word)?;
            Ok(())
        }),
        "",
        "The rule denies this.",
    )
    .said("none")
    .live(),
    Spec::new(
        "topics",
        Kind::Texts("a topic filter like sensors/%c/#", |draft: &mut RuleDraft, word| {
            draft
                .topics
                .push(word.parse().map_err(|error: InvalidPattern| error.to_string())?);
            Ok(())
        }),
        "",
        "Topic filters; `%u` stands for the user name, `%c` for the client identifier.",
    )
    .said("all topics")
    .live(),
    whom::users("Only for these users; `*` stands for any characters."),
    whom::for_users(),
    Spec::new(
        "clients",
        Kind::Texts("a client identifier like sensor-*", |draft: &mut RuleDraft, word| {
            draft.clients.push(glob(word)?);
            Ok(())
        }),
        "",
        "Only for these client identifiers; `*` stands for any characters.",
    )
    .said("all")
    .live(),
    Spec::new(
        "addresses",
        Kind::Texts("an address or range like 10.0.0.0/8", |draft: &mut RuleDraft, word| {
            draft
                .addresses
                .push(word.parse().map_err(|error: InvalidAddress| error.to_string())?);
            Ok(())
        }),
        "",
        "Only from these addresses.",
    )
    .said("all, and Unix sockets")
    .live(),
    Spec::new(
        "retain",
        Kind::Bool(|draft: &mut RuleDraft, value| draft.retain = Some(value)),
        "",
        "Only for messages published with RETAIN (true) or without (false).",
    )
    .said("both")
    .live(),
    Spec::new(
        "max_qos",
        Kind::Count {
            least: 0,
            most: 2,
            set: |draft: &mut RuleDraft, n| draft.max_qos = Some(n),
        },
        "",
        "The greatest QoS that is allowed.",
    )
    .said("2")
    .more("A message published with more is denied; a subscription that asks for more is granted this.")
    .live(),
    Spec::new(
        "denied_publish",
        Kind::Choice {
            of: &[
                ("acknowledge", "the message is acknowledged and dropped"),
                ("close", "the connection is closed"),
            ],
            set: |draft: &mut RuleDraft, word| {
                draft.closes = word == "close";
                draft.reply = if draft.closes { Reply::Close } else { Reply::Acknowledge };
            },
        },
        "acknowledge",
        "What a client sees whose PUBLISH the rule denies.",
    )
    .live(),
];

/// Own rules and those of the file, in the order in which they are asked; `None`: there are none, everything is allowed.
pub(crate) fn compile(own: Vec<Rule>, of_file: Option<Vec<Rule>>) -> Option<Arc<burgee_access::Rules>> {
    if own.is_empty() && of_file.is_none() {
        return None;
    }
    let all = own.into_iter().chain(of_file.unwrap_or_default()).collect();
    Some(Arc::new(burgee_access::Rules::new(all)))
}
