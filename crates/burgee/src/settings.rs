//! The settings as the command line gives them: which file, and a flag for each option that has one.
//!
//! What must hold: the flags are made from the table of options, so none is missing and none is described twice; a value
//! that cannot be used is refused when the command line is read, with the way out. Deliberately absent: the options.

use std::fmt::Write as _;
use std::path::PathBuf;

use burgee_config::{Chosen, Flag, OptionView, Sources, options};
use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// Where settings come from; see docs/configuration.md.
#[derive(Args, Clone, Debug)]
#[expect(
    clippy::doc_markdown,
    reason = "the comments are the text of --help, which knows no Markdown"
)]
pub(crate) struct Settings {
    /// The file with the settings
    ///
    /// [default: BURGEE_CONFIG from the environment; else /etc/burgee/burgee.toml if it is there; else none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Read no file, also where there is one
    #[arg(long, conflicts_with = "config")]
    no_config: bool,

    #[command(flatten)]
    flags: Flags,
}

impl Settings {
    /// All sources, the environment with them.
    pub(crate) fn sources(&self) -> Sources {
        let file = match &self.config {
            Some(path) => Chosen::Named(path.clone()),
            None if self.no_config => Chosen::None,
            None => Chosen::Usual,
        };
        Sources {
            file,
            environment: std::env::vars_os().collect(),
            flags: self.flags.0.clone(),
        }
    }
}

/// Values by the option's key.
#[derive(Clone, Debug, Default)]
struct Flags(Vec<(&'static str, Vec<String>)>);

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        command.args(options().filter_map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for option in options() {
            let values = match option.flag() {
                Flag::Off(_) | Flag::On(_) if matches.get_flag(option.key()) => vec![String::new()],
                Flag::None | Flag::Off(_) | Flag::On(_) => continue,
                Flag::Value(_) | Flag::Many(_) => match matches.get_many::<String>(option.key()) {
                    Some(values) => values.cloned().collect(),
                    None => continue,
                },
            };
            self.0.push((option.key(), values));
        }
        Ok(())
    }
}

fn argument(option: OptionView) -> Option<Arg> {
    let argument = Arg::new(option.key()).help(short(option)).long_help(long(option));
    let check = move |text: &str| option.check(text).map(|()| text.to_owned());
    let valued = |argument: Arg| {
        argument
            .value_name(option.value_name())
            .value_parser(ValueParser::new(check))
    };
    Some(match option.flag() {
        Flag::None => return None,
        Flag::Off(name) | Flag::On(name) => argument.long(name).action(ArgAction::SetTrue),
        Flag::Value(name) => valued(argument.long(name)),
        Flag::Many(name) => valued(argument.long(name)).action(ArgAction::Append),
    })
}

fn short(option: OptionView) -> String {
    let default = match option.flag() {
        Flag::Off(_) | Flag::On(_) | Flag::None => String::new(),
        Flag::Value(_) | Flag::Many(_) => format!(" [default: {}]", option.default_text()),
    };
    match option.flag() {
        Flag::Off(_) => format!("Switch off: {}", option.help().trim_end_matches('.')),
        Flag::None | Flag::On(_) | Flag::Value(_) | Flag::Many(_) => {
            format!("{}{default}", option.help().trim_end_matches('.'))
        }
    }
    .replace('`', "")
}

fn long(option: OptionView) -> String {
    let mut text = short(option);
    if !option.more().is_empty() {
        text.push_str("\n\n");
        text.push_str(option.more());
    }
    for (word, meaning) in option.choices() {
        write!(text, "\n- {word}: {meaning}").ok();
    }
    write!(text, "\n\n[{}, {}]", option.key(), option.variable()).ok();
    text.replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    fn parse(words: &str) -> Result<burgee_config::Checked, String> {
        let words = std::iter::once("serve").chain(words.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        let sources = Sources {
            environment: Vec::new(),
            ..line.settings.sources()
        };
        burgee_config::load(&sources).map_err(|problems| problems.to_string())
    }

    #[test]
    fn flags_become_settings() {
        let checked = parse(
            "--no-config --listen tcp://127.0.0.1:0 --listen tcp://[::1]:7 --shards 3 --window 7 --queue-messages 5 \
             --queue-bytes 1k --queue-policy drop-oldest --outbox-bytes 8KiB --max-packet-bytes 1MiB \
             --connect-timeout 3 --max-connections 100 --max-sessions 31 --max-subscriptions 9 --max-retained 8 \
             --outbox-shared-bytes 2MiB --no-mqtt31 --sys-interval 0 --data x --durability memory \
             --memory-limit 256MiB --session-expiry 60 --message-expiry 5 --grace 7 --log debug",
        )
        .unwrap();
        let (broker, core) = (&checked.broker, &checked.broker.core);
        assert_eq!((broker.listeners.len(), broker.shards.get(), core.shards), (2, 3, 3));
        assert_eq!((core.window, core.queue.messages, core.queue.bytes), (7, 5, 1024));
        assert_eq!(
            (core.max_sessions, core.max_subscriptions, core.max_retained),
            (11, 9, 8)
        );
        assert_eq!(
            (core.outbox_shared_bytes, core.outbox_bytes, core.max_packet_bytes),
            (2 << 20, 8192, 1 << 20)
        );
        assert_eq!((core.connect_timeout_ms, core.sys_interval_ms), (3000, 0));
        assert_eq!((core.max_connections, core.serve_mqtt31), (34, false));
        assert_eq!(
            (core.memory_limit, core.session_expiry_ms, core.message_expiry_ms),
            (256 << 20, 60_000, 5000)
        );
        assert_eq!(checked.grace.as_secs(), 7);
        assert_eq!(checked.log.to_string(), "debug");
    }

    #[test]
    fn errors_say_the_way_out() {
        for (line, hint) in [
            ("--listen 127.0.0.1:1883", "write tcp://127.0.0.1:1883"),
            ("--shards 0", "1 to 64"),
            ("--shards 65", "1 to 64"),
            ("--durability disk", "survives power loss"),
            ("--window 0", "1 to 65535"),
            ("--outbox-bytes 1", "at least 4KiB"),
            ("--max-packet-bytes 1GiB", "268435455"),
            ("--connect-timeout 0", "1s to 1h"),
            ("--log loud", "no level"),
            ("--queue-bytes many", "64MiB"),
            ("--config x --no-config", "cannot be used with"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(hint), "{line}: {error}");
        }
    }

    #[test]
    fn help_tells_default_key_and_variable() {
        let mut command = Settings::augment_args(Command::new("serve"));
        let help = command.render_long_help().to_string();
        for expected in [
            "--window <N>",
            "[default: 100]",
            "[session.window, BURGEE_SESSION_WINDOW]",
            "--no-mqtt31\n",
        ] {
            assert!(help.contains(expected), "{expected}\n{help}");
        }
    }
}
