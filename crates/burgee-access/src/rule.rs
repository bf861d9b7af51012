//! One rule, as an operator means it.
//!
//! What must hold: a value can be compiled as it stands; where nothing is said of users, clients or addresses, the rule is
//! for all of them. Deliberately absent: groups of users; whoever reads a configuration writes their members out.

use core::fmt;
use std::sync::Arc;

use burgee_codec::QoS;

use crate::actions::Actions;
use crate::address::AddressRange;
use crate::glob::Glob;
use crate::pattern::TopicPattern;

/// Where a rule stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The file, or what else it came from.
    pub file: Arc<str>,
    /// The line, from 1; 0: no line.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// What a rule does.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies.
    Deny,
}

/// What a client sees whose PUBLISH is denied.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub enum Reply {
    /// The acknowledgement that its QoS asks for: a device does not reconnect for ever.
    #[default]
    Acknowledge,
    /// The end of its connection.
    Close,
}

/// Whom a rule is for, by user name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Users {
    /// Everybody.
    #[default]
    Everybody,
    /// Those without a user name.
    Anonymous,
    /// Those with one.
    Named,
    /// Those whose user name one of these fits.
    Matching(Vec<Glob>),
}

impl Users {
    /// Whether a client with this user name is among them.
    #[must_use]
    pub fn has(&self, user: Option<&str>) -> bool {
        match self {
            Self::Everybody => true,
            Self::Anonymous => user.is_none(),
            Self::Named => user.is_some(),
            Self::Matching(globs) => user.is_some_and(|user| globs.iter().any(|glob| glob.fits(user))),
        }
    }
}

/// The topics of a rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Topics {
    /// All, those that begin with `$` too.
    All,
    /// Those that one of these filters matches.
    Matching(Vec<TopicPattern>),
}

/// See the module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// What it does.
    pub effect: Effect,
    /// With what.
    pub actions: Actions,
    /// On what.
    pub topics: Topics,
    /// For whom, by user name,
    pub users: Users,
    /// by client identifier (none: any),
    pub clients: Vec<Glob>,
    /// and by address (none: any). A client without an address is in no range.
    pub addresses: Vec<AddressRange>,
    /// Only for messages published with this RETAIN flag. Other actions do not look at it.
    pub retain: Option<bool>,
    /// A rule that allows: the greatest QoS. A message published with more is denied, a subscription that asks for more is
    /// granted this. Being sent a message does not look at it.
    pub max_qos: QoS,
    /// A rule that denies: what a publisher sees.
    pub reply: Reply,
    /// Only for clients whose user name or identifier has a wildcard in it.
    pub(crate) only_unsafe: bool,
    /// A name may be several levels of a topic.
    pub(crate) any_levels: bool,
    /// Where it stands.
    pub place: Place,
}

impl Rule {
    /// Allows everybody these actions on these topics.
    #[must_use]
    pub const fn allow(actions: Actions, topics: Topics, place: Place) -> Self {
        Self {
            effect: Effect::Allow,
            actions,
            topics,
            users: Users::Everybody,
            clients: Vec::new(),
            addresses: Vec::new(),
            retain: None,
            max_qos: QoS::ExactlyOnce,
            reply: Reply::Acknowledge,
            only_unsafe: false,
            any_levels: false,
            place,
        }
    }

    /// Denies them to everybody.
    #[must_use]
    pub const fn deny(actions: Actions, topics: Topics, place: Place) -> Self {
        let mut rule = Self::allow(actions, topics, place);
        rule.effect = Effect::Deny;
        rule
    }

    /// Whether it can be compiled to something that names the client.
    pub(crate) fn has_names(&self) -> bool {
        match &self.topics {
            Topics::All => false,
            Topics::Matching(patterns) => patterns.iter().any(TopicPattern::has_names),
        }
    }
}

impl fmt::Display for Rule {
    /// In words, without its place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = if self.effect == Effect::Allow { "allow" } else { "deny" };
        write!(f, "{effect} {}", self.actions)?;
        if let Topics::Matching(patterns) = &self.topics {
            f.write_str(" on")?;
            list(f, patterns.iter().map(TopicPattern::as_str))?;
        }
        match &self.users {
            Users::Everybody => {}
            Users::Anonymous => f.write_str(", user: none")?,
            Users::Named => f.write_str(", user: any")?,
            Users::Matching(globs) => {
                f.write_str(", user:")?;
                list(f, globs.iter().map(Glob::as_str))?;
            }
        }
        if !self.clients.is_empty() {
            f.write_str(", client:")?;
            list(f, self.clients.iter().map(Glob::as_str))?;
        }
        for (at, range) in self.addresses.iter().enumerate() {
            write!(f, "{} {range}", if at == 0 { ", address:" } else { "," })?;
        }
        if let Some(retain) = self.retain {
            write!(f, ", retain: {retain}")?;
        }
        if self.effect == Effect::Allow && self.max_qos < QoS::ExactlyOnce {
            write!(f, ", QoS at most {}", self.max_qos.bits())?;
        }
        if self.effect == Effect::Deny && self.reply == Reply::Close {
            f.write_str(", closing the connection")?;
        }
        if self.only_unsafe {
            f.write_str(", whose user name or client identifier has \"+\" or \"#\" in it")?;
        }
        Ok(())
    }
}

fn list<'t>(f: &mut fmt::Formatter<'_>, items: impl Iterator<Item = &'t str>) -> fmt::Result {
    for (at, item) in items.enumerate() {
        write!(f, "{} {}", if at == 0 { "" } else { "," }, item.escape_debug())?;
    }
    Ok(())
}
