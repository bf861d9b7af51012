//! The first file of settings, for `burgee init`: what was chosen, and every other option as a comment.
//!
//! What must hold: it is made from the table of options, and can be used as it is. Deliberately absent: writing it.

use std::fmt::Write as _;

use crate::sections::SECTIONS;
use crate::settings::Setting;
use crate::spec::{Preset, Spec};
use crate::table::OPTIONS;
use crate::value::quote;

const HEAD: &str = "\
# Settings of burgee. Lines behind # are the other settings there are, with their defaults.
# What they mean: docs/configuration.md, or `burgee config reference`. `burgee check config` says whether all is right.

# A place where clients can connect: this machine alone.
[[listener]]
url = \"tcp://127.0.0.1:1883\"
allow_anonymous = false

[[listener]]
url = \"tcp://[::1]:1883\"
optional = true
allow_anonymous = false
";

const TLS: &str = "
# Other hosts, with TLS.
[[listener]]
url = \"mqtts://0.0.0.0:8883\"
allow_anonymous = false

[[listener]]
url = \"mqtts://[::]:8883\"
optional = true
allow_anonymous = false
";

/// The file, for a first user, with TLS and certificates of clients or not.
#[must_use]
pub fn skeleton(user: &str, tls: bool, clients: bool) -> String {
    let mut chosen = vec![
        ("store.directory", quote("data")),
        ("auth.passwords_file", quote("users")),
    ];
    if tls {
        chosen.push(("tls.certificate", quote("tls/server.pem")));
        chosen.push(("tls.key", quote("tls/server.key")));
    }
    if clients {
        chosen.push(("tls.clients", quote("optional")));
        chosen.push(("tls.ca", quote("tls/ca.pem")));
        chosen.push(("tls.user_from", quote("common-name")));
    }
    let mut file = HEAD.to_owned();
    if tls {
        file.push_str(TLS);
    }
    for (section, about) in SECTIONS {
        let prefix = format!("{section}.");
        let specs = OPTIONS
            .iter()
            .filter(|spec| spec.in_file && spec.key.starts_with(&prefix));
        writeln!(file, "\n# {}\n[{section}]", about.replace('`', "")).ok();
        for spec in specs {
            let key = spec.key.strip_prefix(&prefix).unwrap_or(spec.key);
            let line = match chosen.iter().find(|(known, _)| *known == spec.key) {
                Some((_, value)) => format!("{key} = {value}"),
                None => format!("# {key} = {}", default(spec)),
            };
            writeln!(file, "{line}").ok();
        }
    }
    file.push_str(&rules(user));
    file
}

fn default<T>(spec: &Spec<T>) -> String {
    match spec.preset {
        Preset::Said(text) => format!("... # default: {text}"),
        Preset::Value(_) => Setting::of_default(spec, "").shown().to_owned(),
    }
}

fn rules(user: &str) -> String {
    format!(
        "
# Who may do what: the first rule that fits decides, and what no rule allows is denied.
# {user} may do everything.
[[rule]]
allow = [\"all\"]
users = [{}]

# Everybody else has what is below users/ and the own name.
[[rule]]
allow = [\"all\"]
for_users = \"named\"
topics = [\"users/%u/#\"]
",
        quote(user)
    )
}
