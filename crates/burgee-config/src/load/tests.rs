//! A file, an environment and flags go in; settings or all that is wrong come out.

use std::path::Path;

use super::*;
use crate::layers::Chosen;
use crate::listener::LISTENER;
use crate::table::OPTIONS;
use burgee_broker::Anonymous;
use proptest::prelude::*;

fn sources(environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Sources {
    Sources {
        file: Chosen::None,
        environment: environment
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        flags: flags
            .iter()
            .map(|(key, value)| (*key, vec![(*value).to_owned()]))
            .collect(),
    }
}

fn check_with(text: &str, sources: &Sources) -> Result<Checked, String> {
    let path = Path::new("/etc/b/burgee.toml");
    let text = Text::new(path, text.to_owned());
    let read = read(Some((path, &text)), sources);
    Checked::new(read, Some(path.to_owned())).map_err(|problems| problems.to_string())
}

fn check(text: &str) -> Result<Checked, String> {
    let memory = if text.contains("[store]") {
        ""
    } else {
        "\n[store]\ndurability = \"memory\"\n"
    };
    check_with(&format!("{text}{memory}"), &Sources::default())
}

#[test]
fn nothing_written_is_the_defaults_of_the_library() {
    let (ours, library) = (check("").unwrap(), burgee_broker::BrokerConfig::default());
    assert_eq!(ours.broker.listeners, library.listeners);
    assert_eq!(format!("{:?}", ours.broker.core), format!("{:?}", library.core));
    assert_eq!(ours.broker.max_open, library.max_open);
    assert!(ours.warnings.is_empty());
}

#[test]
fn who_may_come_in_is_checked_with_everything_that_it_needs() {
    let open = check("[[listener]]\nurl = 'tcp://0.0.0.0:1'\n[[listener]]\nurl = 'tcp://[::]:1'\n").unwrap_err();
    assert!(
        open.contains("burgee.toml:1") && open.contains("burgee.toml:3"),
        "{open}"
    );
    assert!(
        open.contains("--users FILE") && open.contains("allow_anonymous = true"),
        "{open}"
    );
    let own = check("[[listener]]\nurl = 'tcp://0.0.0.0:1'\nallow_anonymous = true\n").unwrap();
    assert_eq!(own.broker.listeners[0].anonymous, Anonymous::Allowed);
    let all = check(
        "[auth]\nallow_anonymous = true\n[[listener]]\nurl = 'tcp://0.0.0.0:1'\n[[listener]]\nurl = 'tcp://0.0.0.0:2'\nallow_anonymous = false\n",
    );
    let all = all.unwrap().broker.listeners;
    assert_eq!(
        [all[0].anonymous, all[1].anonymous],
        [Anonymous::Allowed, Anonymous::Refused]
    );

    let wrong = check(
        "[auth]\npasswords_file = 'none'\n[auth_jwt]\nsecret_file = 'nothing'\n[auth_http]\nurl = 'http://auth.example/'\n",
    );
    let wrong = wrong.unwrap_err();
    for hint in ["/etc/b/none", "/etc/b/nothing", "http://auth.example/"] {
        assert!(wrong.contains(hint), "{hint}: {wrong}");
    }
    let twice = check("[auth_jwt]\nsecret_file = 'a'\nkeys_file = 'b'\n").unwrap_err();
    assert!(twice.contains("keep one of"), "{twice}");
    let asked = check("[auth_http]\nurl = 'http://127.0.0.1:1/'\nwhen_down = 'cached'\nkeep_no = '0s'\n").unwrap();
    assert_eq!(asked.broker.authentication.methods.len(), 1);
}

#[test]
fn a_file_becomes_settings() {
    let checked = check(
        "[broker]\nshards = 3\n[session]\nwindow = 7\nqueue_bytes = \"1k\"\nqueue_policy = 'drop-oldest'\n\
         expiry = \"7d\"\n[limits]\nmax_connections = 100\nmax_sessions = 31\nmemory = 0x10\n[store]\n\
         directory = 'data'\ndurability = 'write'\n[[listener]]\nurl = 'tcp://127.0.0.1:0'\n[[listener]]\n\
         url = 'tcp://[::1]:7'\noptional = true\n",
    )
    .unwrap();
    let core = &checked.broker.core;
    assert_eq!((core.shards, core.window, core.queue.bytes), (3, 7, 1024));
    assert_eq!(
        (core.max_connections, core.max_sessions, core.memory_limit),
        (34, 11, 16)
    );
    assert_eq!(core.session_expiry_ms, 7 * 86_400_000);
    assert!(
        checked
            .broker
            .listeners
            .iter()
            .map(|listen| listen.optional)
            .eq([false, true])
    );
    let burgee_broker::Durability::Kept { directory, .. } = &checked.broker.durability else {
        panic!("{:?}", checked.broker.durability)
    };
    assert_eq!(directory, Path::new("/etc/b/data"));
    let shown = |key| {
        checked
            .settings
            .get(key)
            .map(|setting| (setting.shown(), setting.origin.to_string()))
            .unwrap()
    };
    assert_eq!(
        shown("session.queue_bytes"),
        ("\"1KiB\"", "/etc/b/burgee.toml:5".to_owned())
    );
    assert_eq!(shown("session.queue_messages"), ("\"unlimited\"", "default".to_owned()));
    assert_eq!(
        shown("listener \"tcp://[::1]:7\" optional"),
        ("true", "/etc/b/burgee.toml:19".to_owned())
    );
}

#[test]
fn what_is_shown_is_a_file_with_the_same_meaning() {
    let file = "[session]\nwindow = 7\nqueue_messages = 'unlimited'\n[limits]\nmax_connections = 9\n[store]\n\
                directory = 'a \\\" b'\n[[listener]]\nurl = 'tcp://127.0.0.1:0'\n[[listener]]\nurl = 'tcp://[::1]:7'\n\
                optional = true\n";
    let checked = check(file).unwrap();
    let again = check_with(&checked.settings.show(), &Sources::default()).unwrap();
    assert_eq!(format!("{:?}", again.broker), format!("{:?}", checked.broker));
    assert_eq!(again.settings.changes(&checked.settings), []);
}

#[test]
fn flag_goes_before_environment_before_file_before_default() {
    let file = "[session]\nwindow = 2\nqueue_messages = 2\n[store]\ndurability = 'memory'";
    let mut all = sources(
        &[
            ("BURGEE_SESSION_WINDOW", "3"),
            ("BURGEE_BROKER_GRACE", ""),
            ("OTHER", "x"),
        ],
        &[("session.window", "4")],
    );
    let window = |all: &Sources| {
        let checked = check_with(file, all).unwrap();
        let origin = checked.settings.get("session.window").unwrap().origin.to_string();
        assert_eq!(checked.broker.core.queue.messages, 2);
        (checked.broker.core.window, origin)
    };
    assert_eq!(window(&all), (4, "--window".to_owned()));
    all.flags.clear();
    assert_eq!(
        window(&all),
        (3, "environment variable BURGEE_SESSION_WINDOW".to_owned())
    );
    all.environment.clear();
    assert_eq!(window(&all), (2, "/etc/b/burgee.toml:2".to_owned()));
}

#[test]
fn listeners_from_outside_replace_those_of_the_file_and_keep_what_it_says_of_them() {
    let file = "[[listener]]\nurl = 'tcp://127.0.0.1:5'\noptional = true\n[[listener]]\nurl = 'tcp://127.0.0.1:6'\n\
                [store]\ndurability = 'memory'";
    let outside = |environment: &[(&str, &str)], flags: &[(&'static str, &str)]| {
        let checked = check_with(file, &sources(environment, flags)).unwrap();
        let shown = checked
            .settings
            .iter()
            .filter(|setting| setting.key.starts_with("listener "))
            .count();
        let listeners = checked.broker.listeners.iter();
        let listeners: Vec<_> = listeners.map(|it| (it.url.to_string(), it.optional)).collect();
        (listeners, shown)
    };
    let fifth = || ("tcp://127.0.0.1:5".to_owned(), true);
    let seventh = || ("tcp://127.0.0.1:7".to_owned(), false);
    assert_eq!(outside(&[], &[]).1, 2 * LISTENER.len());
    let variable = [("BURGEE_LISTEN", "tcp://127.0.0.1:7,tcp://127.0.0.1:5")];
    assert_eq!(outside(&variable, &[]), (vec![seventh(), fifth()], 2 * LISTENER.len()));
    assert_eq!(
        outside(&variable, &[("listen", "tcp://127.0.0.1:5")]),
        (vec![fifth()], LISTENER.len())
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let wrong = "[session]\nwindw = 7\nqueue_bytes = '64 Mib'\nqueue_policy = 'drop-latest'\n[limits]\n\
                 max_connections = '100'\nconnect_timeout = 0\nmax_packet = 1.5\nwindow = 9\nmemory = -1\n[sesion]\n\
                 [[listener]]\nurl = 'http://h'\n[[listener]]\noptional = 1\n[store]\ndurability = 'memory'\n\
                 'limits.memory' = 1\n[log]\nlevel = 'loud'\n";
    let told = check(wrong).unwrap_err();
    for expected in [
        ":2:1: error: unknown key session.windw; did you mean window?",
        ":4:16: error: session.queue_policy: \"drop-latest\" is none of the choices (did you mean drop-newest?)",
        ":6:19: error: limits.max_connections: the text \"100\" is in quotes; write 100 without them",
        ":7:19: error: limits.connect_timeout: 0s is out of range; write 1s to 1h",
        ":8:14: error: limits.max_packet: a fraction is no size",
        ":9:1: error: unknown key limits.window; window belongs below [session]",
        ":10:10: error: limits.memory: a number below 0 is no size",
        ":11:2: error: unknown key sesion; did you mean session?",
        ":13:7: error: url: unknown scheme http://; use tcp://",
        ":14:1: error: a listener without url",
        ":15:12: error: optional: 1 is neither true nor false",
        ":18:1: error: unknown key store.limits.memory",
        ":20:9: error: log.level: \"loud\" is no level",
    ] {
        assert!(
            told.contains(&format!("/etc/b/burgee.toml{expected}")),
            "{expected}\n{told}"
        );
    }
    assert_eq!(told.matches(": error: ").count(), 13, "{told}");
    assert!(told.contains("\n  2 | windw = 7\n    | ^^^^^"), "{told}");
}

#[test]
fn broken_toml_is_told_with_what_can_be_told_of_the_rest() {
    let told = check("[session]\nwindow = 0\nqueue_bytes = = 1\nqueue_messages = 'x'\n").unwrap_err();
    for expected in [
        ":2:10: error: session.window",
        ":3:15: error: this is not TOML",
        ":4:18: error: session.queue_m",
    ] {
        assert!(told.contains(expected), "{expected}\n{told}");
    }
    // Behind a broken heading nobody knows what a key belongs to.
    let told = check("[session\nwindow = 7\n").unwrap_err();
    assert!(
        told.contains(":1:9: error: this is not TOML") && !told.contains("unknown key"),
        "{told}"
    );
    let told = check("[session]\nwindow = 7\nwindow = 8\n").unwrap_err();
    assert!(told.contains(":3:1: error: this is not TOML: duplicate key"), "{told}");
}

#[test]
fn a_table_where_a_value_belongs_and_the_other_way_round() {
    let told = check("limits = 3\n[listener]\nurl = 'tcp://127.0.0.1:1'\n").unwrap_err();
    assert!(
        told.contains("limits is a table, not a value; write its settings below a line [limits]"),
        "{told}"
    );
    assert!(told.contains("write [[listener]] with two brackets"), "{told}");
    let told = check("[session.window]\na = 1\n").unwrap_err();
    assert!(told.contains("session.window: a table is no number"), "{told}");
}

#[test]
fn an_address_can_be_listened_on_once() {
    let told = check("[[listener]]\nurl = 'tcp://127.0.0.1:1'\n[[listener]]\nurl = 'tcp://127.0.0.1:1'\n").unwrap_err();
    assert!(
        told.contains(":3:1: error: tcp://127.0.0.1:1 is listened on twice"),
        "{told}"
    );
}

#[test]
fn strange_variables_are_told_and_do_no_harm() {
    let all = sources(
        &[
            ("BURGEE_SESSION_WINDOWS", "3"),
            ("BURGEE_SERVICE_HOST", "x"),
            ("BURGEE_PORT", "tcp://10.0.0.1:1883"),
        ],
        &[("store.durability", "memory")],
    );
    let warnings = check_with("", &all).unwrap().warnings.to_string();
    assert_eq!(
        warnings,
        "environment variable BURGEE_SESSION_WINDOWS: warning: no option has this variable; did you mean \
         BURGEE_SESSION_WINDOW?"
    );
    let wrong = sources(&[("BURGEE_SESSION_WINDOW", "0")], &[("store.durability", "memory")]);
    let told = check_with("", &wrong).unwrap_err();
    assert!(
        told.contains("environment variable BURGEE_SESSION_WINDOW: error: 0 is out of range"),
        "{told}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_file_panics(parts in proptest::collection::vec(part(), 0..40)) {
        // Whatever comes out, it can be shown.
        match check(&parts.concat()) {
            Ok(checked) => drop(format!("{checked:?}")),
            Err(told) => prop_assert!(told.contains("error: ")),
        }
    }
}

/// Pieces of files, likely and unlikely ones.
fn part() -> impl Strategy<Value = String> {
    let keys: Vec<String> = OPTIONS
        .iter()
        .flat_map(|spec| spec.key.split('.').map(str::to_owned).chain([spec.key.to_owned()]))
        .chain(LISTENER.iter().map(|spec| spec.key.to_owned()))
        .collect();
    prop_oneof![
        proptest::sample::select(keys),
        proptest::sample::select(vec![
            "[",
            "]",
            "[[",
            "]]",
            "[[listener]]\n",
            "[session]\n",
            "=",
            " = ",
            "\n",
            "\r\n",
            "\"",
            "'''",
            "\"\"\"",
            ".",
            ",",
            "{",
            "}",
            "0",
            "-1",
            "18446744073709551616",
            "1e400",
            "0x",
            "1979-05-27",
            "true",
            "'unlimited'",
            "'5min'",
            "#",
            "\u{feff}",
            "\u{0}",
            "\\u",
            "'tcp://[::1]:1'",
            "url",
            "listener"
        ])
        .prop_map(str::to_owned),
        "\\PC{0,6}",
        ".{0,3}",
    ]
}

#[test]
fn what_a_listener_is_besides_its_place_is_read() {
    let text = "[[listener]]\nurl = 'ws://127.0.0.1:0/mqtt'\nallow_anonymous = true\nmax_connections = 7\norigins = ['https://example.org']\n\
                proxy = ['10.0.0.0/8', '192.0.2.1']\nmode = '600'\n[limits]\nconnections_per_address = 5\n\
                connection_rate = 3\nconnection_burst = 4\nhandshakes = 9\nhandshake_timeout = '2s'\n[tls]\nwatch = '0s'";
    let broker = check(text).unwrap().broker;
    let listen = &broker.listeners[0];
    assert_eq!((listen.max_connections, listen.mode), (7, 0o600));
    assert_eq!(listen.origins, ["https://example.org"]);
    let proxies: Vec<_> = listen.proxy.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "192.0.2.1/32"]);
    let accept = &broker.accept;
    assert_eq!((accept.max_per_address, accept.rate_per_address), (5, 3));
    assert_eq!((accept.burst_per_address, accept.max_handshakes), (4, 9));
    assert_eq!((accept.handshake_timeout_ms, accept.tls_watch_ms), (2000, 0));
}

#[test]
fn several_certificates_are_read_and_wrong_ones_are_named() {
    let text = |pairs: &str| format!("[[listener]]\nurl = 'mqtts://127.0.0.1:0'\ntls.certificates = {pairs}\n");
    let told = |pairs: &str| check(&text(pairs)).unwrap_err();
    // They are read as far as that they are looked for.
    let both = told("[{ certificate = 'a.pem', key = 'a.key' }, { certificate = 'b.pem', key = 'b.key' }]");
    assert!(both.contains("a.pem: cannot be opened"), "{both}");
    for (pairs, what) in [
        ("'a.pem'", "is no list; write [{ certificate"),
        ("['a.pem']", "is no table"),
        ("[{ certificate = 'a.pem' }]", "key is missing"),
        ("[{ certificate = 'a.pem', key = 7 }]", "key: 7 is no path"),
        ("[{ certificate = 'a.pem', key = 'k', keys = 'k' }]", "unknown key keys"),
    ] {
        let told = told(pairs);
        assert!(told.contains(what) && told.contains(":3:"), "{pairs}: {told}");
    }
}

#[test]
fn what_each_user_may_use_is_read() {
    assert!(check("").unwrap().broker.core.policy.limits.is_empty());
    let text = "[limits]\nconnections_per_user = 2\npublish_messages = 10\npublish_message_burst = 30\n\
                publish_bytes = '1MiB'\npublish_byte_burst = '2MiB'\npublish_close_after = '5s'\npublish_per = 'user'\n\
                [takeovers]\ncount = 3\nwithin = '10s'\nslow = '500ms'";
    let policy = check(text).unwrap().broker.core.policy;
    let [limits] = &policy.limits[..] else {
        panic!("{policy:?}")
    };
    let publish = limits.publish;
    assert_eq!(
        (limits.max_connections, publish.messages, publish.message_burst),
        (2, 10, 30)
    );
    assert_eq!(
        (publish.bytes, publish.byte_burst, publish.close_after_ms),
        (1 << 20, 2 << 20, 5000)
    );
    assert!(publish.per_user);
    let fights = policy.fights;
    assert_eq!((fights.takeovers, fights.within_ms, fights.slow_ms), (3, 10_000, 500));
}

#[test]
fn what_some_users_may_use_is_read_in_order_and_the_rest_is_as_for_all() {
    let text = "[limits]\nconnections_per_user = 2\npublish_messages = 10\npublish_message_burst = 30\n\
                [[limit]]\nusers = ['gateway-*', 'hub']\nconnections = 'unlimited'\npublish_messages = 1000\n\
                [[limit]]\nfor_users = 'anonymous'\nmax_packet = '4KiB'\nmax_subscriptions = 5\npublish_bytes = '1KiB'";
    let limits = &check(text).unwrap().broker.core.policy.limits;
    let of = |user: Option<&str>| limits.iter().find(|limits| limits.users.has(user)).unwrap();
    let gateway = of(Some("gateway-7"));
    assert_eq!((gateway.max_connections, gateway.publish.messages), (u32::MAX, 1000));
    assert_eq!(
        gateway.publish.message_burst, 0,
        "that of all belongs to the rate of all"
    );
    let nobody = of(None);
    assert_eq!((nobody.max_packet_bytes, nobody.max_subscriptions), (4096, 5));
    assert_eq!((nobody.publish.messages, nobody.publish.message_burst), (10, 30));
    assert_eq!((nobody.publish.bytes, nobody.max_connections), (1024, 2));
    let ann = of(Some("ann"));
    assert_eq!(
        (ann.max_connections, ann.publish.bytes, ann.max_subscriptions),
        (2, 0, usize::MAX)
    );
    let shown = check(text).unwrap().settings.show();
    assert!(
        shown.contains("[[limit]]\nconnections = ") && shown.contains("users = [\"gateway-*\", \"hub\"]"),
        "{shown}"
    );
    for (wrong, what) in [
        ("[[limit]]\nuser = ['a']", "unknown key user"),
        (
            "[[limit]]\nusers = ['a']\nfor_users = 'named'",
            "both users and for_users",
        ),
        ("limit = 7", "limit is a list of tables"),
    ] {
        let told = check(wrong).unwrap_err();
        assert!(told.contains(what), "{told}");
    }
}

#[test]
fn tls_that_cannot_be_spoken_is_told_with_its_place() {
    for (text, expected) in [
        (
            "url = 'mqtts://127.0.0.1:0'",
            "mqtts://127.0.0.1:0 needs a certificate and its key",
        ),
        (
            "url = 'wss://127.0.0.1:0'\n[listener.tls]\ncertificate = 'no.pem'\nkey = 'no.key'",
            "wss://127.0.0.1:0 cannot speak TLS: /etc/b/no.pem: cannot be opened",
        ),
        (
            "url = 'tcp://127.0.0.1:0'\n[listener.tls]\nca = 'ca.pem'",
            "tcp://127.0.0.1:0 does not speak TLS, but has settings for it",
        ),
        (
            "url = 'tcp://127.0.0.1:0'\nproxy = ['10.0.0.0/99']",
            "10.0.0.0/99 is no network",
        ),
        ("url = 'unix:///x'\nmode = '999'", "three octal digits"),
        (
            "url = 'tcp://127.0.0.1:0'\n[listener.tls]\nclients = 'must'",
            "none of the choices",
        ),
    ] {
        let told = check(&format!("[[listener]]\n{text}")).unwrap_err();
        assert!(
            told.contains(expected) && told.contains("/etc/b/burgee.toml:"),
            "{expected}: {told}"
        );
    }
}

#[test]
fn a_reload_says_that_a_password_file_has_changed_and_not_what_is_in_it() {
    let path = std::env::temp_dir().join(format!("burgee-config-users-{}", std::process::id()));
    let text = format!("[auth]\npasswords_file = '{}'\n", path.display());
    std::fs::write(&path, "# the first\n").unwrap();
    let before = check(&text).unwrap().settings;
    assert_eq!(before.changes(&check(&text).unwrap().settings), []);
    std::fs::write(&path, "# another\n\n# line\n").unwrap();
    let changes = before.changes(&check(&text).unwrap().settings);
    std::fs::remove_file(&path).unwrap();
    let told: Vec<_> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with(&format!("what is in {}: 1 lines", path.display())),
        "{told:?}"
    );
    assert!(
        told[0].contains("-> 2 lines") && !told[0].contains("another"),
        "{told:?}"
    );
}
