//! Who comes in over the real broker: passwords are checked beside the traffic, and nobody else is held up.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test speaks by panicking; helpers outside of test functions do so, too"
)]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use burgee_auth::password::{Document, Hashed, Recipe, create_new};
use burgee_auth::{HttpSettings, KeySource, MethodSettings, TokenSettings, WebSettings};
use burgee_broker::{Anonymous, Broker, BrokerConfig, Durability, Listen, StartError, SyncPolicy};
use burgee_store_sqlite::import;
use support::{Client, PATIENCE, connect_packet, connect_with_user};

/// A complete broker without mail, and one whose clients live on different shards.
const SHARDS: [u16; 2] = [1, 3];
const WELCOME: [u8; 4] = [0x20, 2, 0, 0];
const REJECTED: [u8; 4] = [0x20, 2, 0, 2];
const UNAVAILABLE: [u8; 4] = [0x20, 2, 0, 3];
const BAD_CREDENTIALS: [u8; 4] = [0x20, 2, 0, 4];
const NOT_AUTHORIZED: [u8; 4] = [0x20, 2, 0, 5];

/// Files of one test, away at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("burgee-logins-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Users whose passwords are their names, each of which takes `memory_kib` to check.
    fn users(&self, names: &[&str], memory_kib: u32) -> MethodSettings {
        let mut document = Document::default();
        for name in names {
            let recipe = Recipe::Argon2id {
                memory_kib,
                passes: 1,
                lanes: 1,
            };
            document
                .set(name, Hashed::make(name.as_bytes(), recipe).unwrap())
                .unwrap();
        }
        let path = self.0.join("users");
        drop(std::fs::remove_file(&path));
        create_new(&path, &document).unwrap();
        MethodSettings::Passwords(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn start(shards: u16, method: MethodSettings, change: impl FnOnce(&mut BrokerConfig)) -> (Broker, SocketAddr) {
    support::start(shards, |config| {
        config.authentication.methods = vec![method];
        change(config);
    })
}

fn no_limit(config: &mut BrokerConfig) {
    config.authentication.limits.failures.failures = 0;
    config.authentication.limits.failures.of_origin = 0;
}

fn one_worker(config: &mut BrokerConfig) {
    no_limit(config);
    config.authentication.limits.hash_workers = NonZeroU16::MIN;
}

/// Sends a CONNECT and waits for nothing.
fn knock(address: SocketAddr, client_id: &str, user: &str, password: &str) -> Client {
    let mut client = Client::raw(address);
    client.send(&connect_with_user(client_id, user, Some(password.as_bytes())));
    client
}

/// What comes back.
fn answer(client: &mut Client) -> [u8; 4] {
    let mut got = [0; 4];
    client.0.read_exact(&mut got).unwrap();
    got
}

fn until(mut what: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < PATIENCE, "it does not come");
        std::thread::yield_now();
    }
}

#[test]
fn the_right_password_comes_in_and_everybody_else_is_told_why_not() {
    let folder = Folder::new("right");
    for shards in SHARDS {
        let (broker, address) = start(shards, folder.users(&["ann", "bob"], 64), no_limit);
        for client_id in ["a", "b", "c", "d"] {
            let mut ann = knock(address, client_id, "ann", "ann");
            assert_eq!(answer(&mut ann), WELCOME);
            ann.ping();
            for (user, password) in [("ann", "bob"), ("ann", ""), ("nobody", "ann")] {
                let mut wrong = knock(address, client_id, user, password);
                assert_eq!(answer(&mut wrong), BAD_CREDENTIALS, "{user}");
                assert_eq!(wrong.into_rest(), b"", "and the connection ends");
            }
            let mut without = Client::raw(address);
            without.send(&connect_with_user(client_id, "ann", None));
            assert_eq!(answer(&mut without), BAD_CREDENTIALS);
            let mut nobody = Client::raw(address);
            nobody.send(&connect_packet(client_id, true));
            assert_eq!(answer(&mut nobody), NOT_AUTHORIZED);
            // None of them has taken the identifier over.
            ann.ping();
        }
        let counters = broker.login_counters();
        assert_eq!(
            (
                counters.passwords,
                counters.refused_credentials,
                counters.refused_anonymous
            ),
            (4, 16, 4)
        );
        assert!(broker.shutdown(Duration::from_secs(5)));
    }
}

#[test]
fn an_identifier_is_taken_over_by_its_user_and_only_once_that_is_known() {
    let folder = Folder::new("takeover");
    for shards in SHARDS {
        let (_broker, address) = start(shards, folder.users(&["ann", "bob"], 64), no_limit);
        let mut first = knock(address, "meter", "ann", "ann");
        assert_eq!(answer(&mut first), WELCOME);
        let mut guess = knock(address, "meter", "ann", "guess");
        assert_eq!(answer(&mut guess), BAD_CREDENTIALS);
        let mut other = knock(address, "meter", "bob", "bob");
        assert_eq!(answer(&mut other), [0x20, 2, 0, 2], "the identifier is somebody else's");
        first.ping();
        let mut second = knock(address, "meter", "ann", "ann");
        assert_eq!(answer(&mut second), WELCOME);
        assert_eq!(first.into_rest(), b"");
        second.ping();
    }
}

/// What the client of a persistent session is told, with this name or without one. Let in, it leaves.
fn comes_back(address: SocketAddr, client_id: &str, user: Option<&str>) -> [u8; 4] {
    let mut client = Client::raw(address);
    let packet = match user {
        Some(user) => {
            let mut packet = connect_with_user(client_id, user, Some(user.as_bytes()));
            // Clean session 0.
            packet[9] &= !2;
            packet
        }
        None => connect_packet(client_id, false),
    };
    client.send(&packet);
    let told = answer(&mut client);
    if told[3] == 0 {
        client.ping();
    }
    told
}

#[test]
fn a_session_is_nobody_elses_after_a_restart_with_a_name_or_without() {
    let folder = Folder::new("owners");
    for shards in SHARDS {
        let data = folder.0.join(format!("data-{shards}"));
        let begin = || {
            start(shards, folder.users(&["ann", "bob"], 64), |config| {
                no_limit(config);
                for listen in &mut config.listeners {
                    listen.anonymous = Anonymous::Allowed;
                }
                config.durability = Durability::Kept {
                    directory: data.clone(),
                    sync: SyncPolicy::Write,
                };
            })
        };
        for round in 0..3_u8 {
            let (broker, address) = begin();
            let resumed = [0x20, 2, u8::from(round > 0), 0];
            for (client_id, owner, others) in [
                ("named", Some("ann"), [Some("bob"), None]),
                ("nameless", None, [Some("ann"), Some("bob")]),
            ] {
                for other in others.iter().filter(|_| round > 0) {
                    let told = comes_back(address, client_id, *other);
                    assert_eq!(told, REJECTED, "{client_id} for {other:?} in round {round}");
                }
                assert_eq!(comes_back(address, client_id, owner), resumed, "{client_id}");
            }
            // Ended in order and not.
            if round == 0 {
                drop(broker);
            } else {
                assert!(broker.shutdown(PATIENCE));
            }
        }
    }
}

#[test]
fn a_session_from_before_there_were_users_stays_with_the_first_that_comes() {
    let folder = Folder::new("claims");
    let data = folder.0.join("data");
    let lines = concat!(
        r#"{"burgee":{"format":1,"next_session":2,"next_message":1}}"#,
        "\n",
        r#"{"session":{"number":1,"client_id":"old","subscriptions":[],"received":[]}}"#,
        "\n",
        r#"{"end":{"sessions":1,"messages":0,"retained":0}}"#,
        "\n"
    );
    import(&data, lines.as_bytes()).unwrap();
    let begin = || {
        start(3, folder.users(&["ann", "bob"], 64), |config| {
            no_limit(config);
            for listen in &mut config.listeners {
                listen.anonymous = Anonymous::Allowed;
            }
            config.durability = Durability::Kept {
                directory: data.clone(),
                sync: SyncPolicy::Sync,
            };
        })
    };
    let (broker, address) = begin();
    assert_eq!(comes_back(address, "old", Some("ann")), [0x20, 2, 1, 0]);
    // What its CONNACK said holds, however it ends.
    drop(broker);
    for _ in 0..2 {
        let (broker, address) = begin();
        assert_eq!(comes_back(address, "old", Some("bob")), REJECTED);
        assert_eq!(comes_back(address, "old", None), REJECTED);
        assert_eq!(comes_back(address, "old", Some("ann")), [0x20, 2, 1, 0]);
        assert!(broker.shutdown(PATIENCE));
    }
}

#[test]
fn a_hundred_logins_that_are_hashed_hold_up_no_other_client() {
    let folder = Folder::new("hundred");
    for shards in SHARDS {
        let (broker, address) = start(shards, folder.users(&["ann", "bob"], 8 * 1024), no_limit);
        let mut other = knock(address, "other", "bob", "bob");
        assert_eq!(answer(&mut other), WELCOME);
        let mut waiting: Vec<_> = (0..100)
            .map(|number| knock(address, &format!("c{number}"), "ann", "wrong"))
            .collect();
        until(|| broker.logins_waiting() > 50);
        let (mut round_trips, mut longest) = (0, Duration::ZERO);
        while broker.login_counters().refused_credentials < 100 {
            let begun = Instant::now();
            other.ping();
            longest = longest.max(begun.elapsed());
            round_trips += 1;
        }
        assert!(round_trips >= 100, "{round_trips} round trips, the longest {longest:?}");
        for client in &mut waiting {
            assert_eq!(answer(client), BAD_CREDENTIALS);
        }
    }
}

#[test]
fn a_server_that_does_not_answer_holds_up_nobody_but_those_it_is_asked_about() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    for shards in SHARDS {
        let method = MethodSettings::Http(Box::new(HttpSettings::new(WebSettings {
            url: url.clone(),
            ca_file: None,
            time_limit: Duration::from_secs(1),
            allow_plain: false,
        })));
        let (broker, address) = start(shards, method, |config| {
            config.listeners[0].anonymous = Anonymous::Allowed;
        });
        let mut other = Client::connect(address, "other");
        let mut asked = knock(address, "asked", "ann", "ann");
        until(|| {
            other.ping();
            broker.login_counters().refused_down > 0
        });
        assert_eq!(answer(&mut asked), UNAVAILABLE);
    }
}

#[test]
fn who_finds_the_queue_full_is_told_to_come_again() {
    let folder = Folder::new("full");
    let (broker, address) = start(1, folder.users(&["ann"], 32 * 1024), |config| {
        one_worker(config);
        config.authentication.limits.queue = NonZeroUsize::new(2).unwrap();
    });
    let mut all: Vec<_> = (0..12)
        .map(|number| knock(address, &format!("c{number}"), "ann", "no"))
        .collect();
    let answers: Vec<_> = all.iter_mut().map(answer).collect();
    let refused = answers.iter().filter(|answer| **answer == UNAVAILABLE).count();
    let wrong = answers.iter().filter(|answer| **answer == BAD_CREDENTIALS).count();
    assert!(refused > 0 && wrong > 0 && refused + wrong == 12, "{answers:?}");
    assert_eq!(broker.login_counters().refused_queue, refused as u64);
}

#[test]
fn a_client_that_is_gone_is_not_hashed_for_and_its_place_is_free() {
    let folder = Folder::new("gone");
    for shards in SHARDS {
        let (broker, address) = start(shards, folder.users(&["ann"], 64 * 1024), one_worker);
        let mut first = knock(address, "first", "ann", "no");
        let gone: Vec<_> = (0..6)
            .map(|number| knock(address, &format!("gone{number}"), "ann", "no"))
            .collect();
        let mut last = knock(address, "last", "ann", "no");
        until(|| broker.logins_waiting() >= 6);
        for client in gone {
            // A reset, not an orderly end: it may still have been owed an answer after that.
            socket2::SockRef::from(&client.0)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
        }
        assert_eq!(answer(&mut first), BAD_CREDENTIALS);
        assert_eq!(answer(&mut last), BAD_CREDENTIALS);
        let counters = || broker.login_counters();
        until(|| counters().gone + counters().refused_credentials == 8);
        // One or two may have been under way already.
        assert!(counters().gone >= 4, "{:?}", counters());
        assert!(broker.shutdown(Duration::from_secs(5)));
    }
}

#[test]
fn what_was_sent_behind_connect_counts_even_if_the_client_says_no_more() {
    let folder = Folder::new("behind");
    for shards in SHARDS {
        let (_broker, address) = start(shards, folder.users(&["ann", "bob"], 64), no_limit);
        let mut bob = knock(address, "bob", "bob", "bob");
        assert_eq!(answer(&mut bob), WELCOME);
        bob.send(&support::subscribe_packet("t", 0));
        bob.expect(&[0x90, 3, 0, 1, 0]);
        let mut ann = Client::raw(address);
        let publish = support::publish_packet("t", b"all at once");
        let connect = connect_with_user("ann", "ann", Some(b"ann"));
        ann.send(&[&connect[..], &publish, &[0xE0, 0]].concat());
        ann.0.shutdown(std::net::Shutdown::Write).unwrap();
        bob.expect(&publish);
        assert_eq!(ann.into_rest(), WELCOME);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn guesses_at_one_name_shut_it_out_where_they_come_from_and_others_come_in() {
    let folder = Folder::new("flood");
    let (broker, address) = start(1, folder.users(&["ann", "bob"], 64), |config| {
        config.authentication.limits.failures.failures = 3;
    });
    for _ in 0..3 {
        assert_eq!(answer(&mut knock(address, "x", "ann", "guess")), BAD_CREDENTIALS);
    }
    for _ in 0..10 {
        assert_eq!(
            answer(&mut knock(address, "x", "ann", "ann")),
            UNAVAILABLE,
            "the right one, too"
        );
    }
    assert_eq!(
        answer(&mut knock(address, "z", "bob", "bob")),
        WELCOME,
        "from the same house"
    );
    // All of 127.0.0.0/8 is this machine.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 0)).into())
        .unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut other = Client(socket.into());
    other.send(&connect_with_user("y", "ann", Some(b"ann")));
    assert_eq!(answer(&mut other), WELCOME);
    let counters = broker.login_counters();
    assert_eq!(
        (counters.blocked, counters.refused_failures, counters.passwords),
        (1, 10, 2)
    );
}

#[test]
fn a_connection_ends_with_its_token() {
    use base64::Engine;
    let folder = Folder::new("token");
    let secret = b"0123456789abcdef0123456789abcdef";
    let path = folder.0.join("secret");
    std::fs::write(&path, secret).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let token = |user: &str, seconds: u64| {
        let encode = |text: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let claims = format!(r#"{{"sub":"{user}","exp":{}}}"#, now + seconds);
        let message = format!("{}.{}", encode(br#"{"alg":"HS256"}"#), encode(claims.as_bytes()));
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        format!(
            "{message}.{}",
            encode(ring::hmac::sign(&key, message.as_bytes()).as_ref())
        )
    };
    for shards in SHARDS {
        let mut settings = TokenSettings::new(KeySource::Secret(path.clone()));
        settings.leeway = Duration::ZERO;
        let method = MethodSettings::Tokens(Box::new(settings));
        let (_broker, address) = start(shards, method, no_limit);
        let mut long = knock(address, "long", "any", &token("ann", 3600));
        assert_eq!(answer(&mut long), WELCOME);
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - now + 3;
        let mut short = knock(address, "short", "any", &token("bob", seconds));
        assert_eq!(answer(&mut short), WELCOME);
        short.ping();
        assert_eq!(short.into_rest(), b"", "it ends, and says nothing");
        let over = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(over >= now + seconds, "not before its time");
        long.ping();
        let mut late = knock(address, "short", "any", &token("bob", 0));
        assert_eq!(answer(&mut late), BAD_CREDENTIALS);
    }
}

#[test]
fn topics_that_come_with_an_answer_are_all_that_its_client_may_use() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", server.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        for filter in ["own/#", "own/#", "no/#/filter"] {
            let (mut stream, _) = server.accept().unwrap();
            // One request fits into one read: header and body are sent before the answer is waited for.
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut piece = [0; 4096];
                let count = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..count]);
            }
            let body = format!(r#"{{"result":"allow","cache":0,"publish":["{filter}"],"subscribe":["{filter}"]}}"#);
            let head = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body.as_bytes()).unwrap();
        }
    });
    let method = MethodSettings::Http(Box::new(HttpSettings::new(WebSettings {
        url,
        ca_file: None,
        time_limit: PATIENCE,
        allow_plain: false,
    })));
    let (_broker, address) = start(1, method, no_limit);
    let mut ann = knock(address, "a", "ann", "x");
    assert_eq!(answer(&mut ann), WELCOME);
    for (filter, granted) in [("own/#", 0), ("#", 0x80), ("other", 0x80)] {
        ann.send(&support::subscribe_packet(filter, 0));
        ann.expect(&[0x90, 3, 0, 1, granted]);
    }
    let mut bob = knock(address, "b", "bob", "x");
    assert_eq!(answer(&mut bob), WELCOME);
    bob.send(&support::publish_packet("other", b"denied"));
    bob.send(&support::publish_packet("own/t", b"allowed"));
    ann.expect(&support::publish_packet("own/t", b"allowed"));
    assert_eq!(
        answer(&mut knock(address, "c", "cat", "x")),
        NOT_AUTHORIZED,
        "a restriction that is none"
    );
    answering.join().unwrap();
}

#[test]
fn what_others_can_reach_is_not_open_because_nobody_thought_of_it() {
    let everywhere = |anonymous| BrokerConfig {
        listeners: vec![Listen {
            anonymous,
            ..Listen::new("tcp://0.0.0.0:0".parse().unwrap())
        }],
        ..BrokerConfig::default()
    };
    let refused = Broker::start(everywhere(Anonymous::Local)).unwrap_err();
    assert!(matches!(refused, StartError::Open { .. }), "{refused}");
    let open = Broker::start(everywhere(Anonymous::Allowed)).unwrap();
    drop(Client::connect(
        (Ipv4Addr::LOCALHOST, open.addresses()[0].port()).into(),
        "c",
    ));

    let wrong = support::try_start(|config| {
        config.authentication.methods = vec![MethodSettings::Passwords("/nowhere/users".into())];
    });
    let error = wrong.unwrap_err().to_string();
    assert!(
        error.contains("/nowhere/users") && error.contains("nothing was started"),
        "{error}"
    );
}

#[test]
fn an_empty_user_name_without_a_password_is_none() {
    let folder = Folder::new("empty");
    for (anonymous, expected) in [(Anonymous::Allowed, WELCOME), (Anonymous::Local, NOT_AUTHORIZED)] {
        let (broker, address) = start(1, folder.users(&["ann"], 64), |config| {
            no_limit(config);
            for listen in &mut config.listeners {
                listen.anonymous = anonymous;
            }
        });
        let mut client = Client::raw(address);
        client.send(&connect_with_user("nobody", "", None));
        assert_eq!(answer(&mut client), expected);
        // With a password it is a login.
        assert_eq!(answer(&mut knock(address, "somebody", "", "secret")), BAD_CREDENTIALS);
        assert!(broker.shutdown(PATIENCE));
    }
}
