//! Whom an entry is for: `users` and `for_users`, the same in `[[rule]]` and `[[limit]]`.
//!
//! What must hold: both at once are an error, whoever asks. Deliberately absent: what is for them.

use burgee_access::{Glob, InvalidGlob, Users};

use crate::problem::{Place, Problem};
use crate::spec::{Kind, Spec};

/// As it is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Whom {
    users: Vec<Glob>,
    /// Not by name: all with one, or all without.
    kind: Users,
}

/// An entry that is for somebody.
pub(crate) trait ForSomebody {
    fn whom(&mut self) -> &mut Whom;
}

impl Whom {
    /// What is wrong with an entry that says this at that place.
    pub(crate) fn problem(&self, entry: &str, place: &Place) -> Option<Problem> {
        let both = !self.users.is_empty() && !matches!(self.kind, Users::Everybody);
        let what = || format!("{entry} has both users and for_users");
        both.then(|| Problem::error(place.clone(), what(), "keep one of them"))
    }

    /// These it is for.
    pub(crate) fn users(&self) -> Users {
        if self.users.is_empty() {
            self.kind.clone()
        } else {
            Users::Matching(self.users.clone())
        }
    }

    fn say_kind(&mut self, word: &str) {
        self.kind = match word {
            "anonymous" => Users::Anonymous,
            "named" => Users::Named,
            _ => Users::Everybody,
        };
    }
}

/// A pattern, or what is wrong with it.
pub(crate) fn glob(word: &str) -> Result<Glob, String> {
    word.parse().map_err(|error: InvalidGlob| error.to_string())
}

/// The key `users`.
pub(crate) const fn users<T: ForSomebody>(help: &'static str) -> Spec<T> {
    let kind = Kind::Texts("a user name like dev-*", |draft: &mut T, word| {
        draft.whom().users.push(glob(word)?);
        Ok(())
    });
    Spec::new("users", kind, "", help).said("everybody").live()
}

/// The key `for_users`.
pub(crate) const fn for_users<T: ForSomebody>() -> Spec<T> {
    let kind = Kind::Choice {
        of: &[
            ("everybody", "with a user name or without"),
            ("anonymous", "those without a user name"),
            ("named", "those with one"),
        ],
        set: |draft: &mut T, word| draft.whom().say_kind(word),
    };
    Spec::new(
        "for_users",
        kind,
        "everybody",
        "Whom it is for, where `users` does not say it.",
    )
    .live()
}
