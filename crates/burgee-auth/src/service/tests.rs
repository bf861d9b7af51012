//! The service with real threads and real hashes, small ones where it does not matter.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};

use super::*;
use crate::chain::{MethodSettings, Remember};
use crate::http::HttpSettings;
use crate::login::Answer;
use crate::password::{Document, Hashed, Recipe, Users};
use crate::scripted::{Deed, Scripted};
use crate::web::WebSettings;

const SOON: Duration = Duration::from_secs(20);

type Answers = Receiver<(u32, Outcome)>;

/// Entries that take `memory_kib` to check.
fn users(names: &[&str], memory_kib: u32) -> Users {
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
    let text = document.to_string();
    Document::parse(Path::new("users"), text.as_bytes()).unwrap().into()
}

fn chain(names: &[&str], memory_kib: u32) -> Chain {
    Chain::of_users(users(names, memory_kib), Remember::default()).unwrap()
}

fn start(limits: Limits, chain: Chain) -> (Service<u32>, Answers) {
    let (tell, answers) = mpsc::channel();
    let reply = move |ticket, outcome| drop(tell.send((ticket, outcome)));
    (Service::start(limits, chain, Box::new(reply)).unwrap(), answers)
}

fn one_worker() -> Limits {
    Limits {
        hash_workers: NonZeroU16::MIN,
        ..Limits::default()
    }
}

fn login(user: &str, password: &str) -> Login {
    Login {
        client_id: "c".into(),
        user: Some(user.into()),
        password: Some(password.as_bytes().into()),
        address: Some(IpAddr::from([192, 0, 2, 1])),
        certificate: None,
        listener: "l".into(),
        anonymous: false,
    }
}

fn from(last: u8, login: Login) -> Login {
    Login {
        address: Some(IpAddr::from([198, 51, 100, last])),
        ..login
    }
}

/// Asks and waits.
fn ask(service: &Service<u32>, answers: &Answers, login: Login) -> Outcome {
    match service.ask(login, 7) {
        Asked::Now(outcome) => outcome,
        Asked::Later(wanted) => {
            let (ticket, outcome) = answers.recv_timeout(SOON).unwrap();
            drop(wanted);
            assert_eq!(ticket, 7);
            outcome
        }
    }
}

fn refusal(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) => refusal,
        Outcome::Admitted(grant) => panic!("{grant:?}"),
    }
}

fn user(outcome: Outcome) -> Option<Arc<str>> {
    match outcome {
        Outcome::Admitted(grant) => grant.user,
        Outcome::Refused(refusal) => panic!("{refusal}"),
    }
}

#[test]
fn the_right_password_opens_and_nothing_else_does() {
    let (service, answers) = start(Limits::default(), chain(&["ann", "bob"], 64));
    assert_eq!(
        user(ask(&service, &answers, login("ann", "ann"))).as_deref(),
        Some("ann")
    );
    for (name, password) in [("ann", "bob"), ("bob", "ann"), ("cat", "cat"), ("", ""), ("ann", "")] {
        let refused = refusal(ask(&service, &answers, login(name, password)));
        assert_eq!(
            (refused, refused.answer()),
            (Refusal::Credentials, Answer::BadCredentials),
            "{name}"
        );
    }
    let mut nameless = login("ann", "ann");
    nameless.user = None;
    assert_eq!(refusal(ask(&service, &answers, nameless)), Refusal::Credentials);
    let mut without = login("ann", "ann");
    without.password = None;
    assert_eq!(refusal(ask(&service, &answers, without)), Refusal::Credentials);
    let counters = service.counters();
    assert_eq!(
        (counters.passwords, counters.refused_credentials, counters.remembered),
        (1, 7, 0)
    );
}

#[test]
fn anonymous_is_up_to_the_listener_and_answered_at_once() {
    let (service, _answers) = start(Limits::default(), chain(&["ann"], 64));
    let nobody = |anonymous| Login {
        user: None,
        password: None,
        anonymous,
        ..login("", "")
    };
    let Asked::Now(open) = service.ask(nobody(true), 1) else {
        panic!()
    };
    assert_eq!(user(open), None);
    let Asked::Now(closed) = service.ask(nobody(false), 1) else {
        panic!()
    };
    let refused = refusal(closed);
    assert_eq!((refused, refused.answer()), (Refusal::Anonymous, Answer::NotAuthorized));
    // Where nobody can be known, a name is only a claim.
    service.replace(Chain::default()).unwrap();
    let claimed = Login {
        anonymous: true,
        ..login("root", "x")
    };
    let Asked::Now(claimed) = service.ask(claimed, 1) else {
        panic!()
    };
    assert_eq!(user(claimed), None);
    let Asked::Now(closed) = service.ask(login("root", "x"), 1) else {
        panic!()
    };
    assert_eq!(refusal(closed), Refusal::Anonymous);
}

#[test]
fn who_was_found_right_is_known_again_until_users_change() {
    let (service, answers) = start(one_worker(), chain(&["ann"], 64));
    assert!(
        matches!(service.ask(login("ann", "ann"), 1), Asked::Later(ref wanted) if {
            let _ = wanted;
            answers.recv_timeout(SOON).is_ok()
        })
    );
    let Asked::Now(again) = service.ask(login("ann", "ann"), 2) else {
        panic!("hashed again")
    };
    assert_eq!(user(again).as_deref(), Some("ann"));
    assert_eq!(service.counters().remembered, 1);
    assert_eq!(
        refusal(ask(&service, &answers, login("ann", "no"))),
        Refusal::Credentials
    );
    service.replace(chain(&["bob"], 64)).unwrap();
    assert_eq!(
        refusal(ask(&service, &answers, login("ann", "ann"))),
        Refusal::Credentials
    );

    let forgetful = Remember {
        time: Duration::ZERO,
        entries: 10,
    };
    service
        .replace(Chain::of_users(users(&["ann"], 64), forgetful).unwrap())
        .unwrap();
    for _ in 0..2 {
        let Asked::Later(_wanted) = service.ask(login("ann", "ann"), 3) else {
            panic!("remembered")
        };
        assert!(answers.recv_timeout(SOON).is_ok());
    }
}

#[test]
fn a_change_names_users_that_are_gone_or_have_another_password() {
    let old = users(&["ann", "bob", "cat"], 64);
    let kept = old.find("ann").unwrap().to_string();
    let (service, _answers) = start(one_worker(), Chain::of_users(old, Remember::default()).unwrap());
    let bob = Hashed::make(b"other", Recipe::default()).unwrap();
    let text = format!("ann:{kept}\nbob:{bob}\ndan:{bob}\n");
    let newer: Users = Document::parse(Path::new("users"), text.as_bytes()).unwrap().into();
    let changed = service
        .replace(Chain::of_users(newer, Remember::default()).unwrap())
        .unwrap();
    assert_eq!(changed, BTreeSet::from(["bob".into(), "cat".into()]));
}

#[test]
fn a_full_queue_refuses_and_one_origin_cannot_fill_it_for_others() {
    let limits = Limits {
        queue: NonZeroUsize::new(8).unwrap(),
        ..one_worker()
    };
    let (service, answers) = start(limits, chain(&["ann", "bob"], 16 * 1024));
    let mut wanted = Vec::new();
    let mut refused = 0;
    for _ in 0..20 {
        match service.ask(login("ann", "wrong"), 1) {
            Asked::Later(one) => wanted.push(one),
            Asked::Now(outcome) => {
                let why = refusal(outcome);
                assert_eq!((why, why.answer()), (Refusal::QueueFull, Answer::Unavailable));
                refused += 1;
            }
        }
    }
    // Four wait, and one or more may have been taken meanwhile.
    assert!(refused > 0 && service.waiting() <= 4, "{refused}");
    let Asked::Later(_bob) = service.ask(from(2, login("bob", "bob")), 2) else {
        panic!("no room for others")
    };
    let mut before = 0;
    while answers.recv_timeout(SOON).unwrap().0 != 2 {
        before += 1;
    }
    assert!(before <= 3, "it did not wait for all of the other: {before}");
    assert_eq!(service.counters().refused_queue, refused);
}

#[test]
fn too_many_failures_of_one_name_and_it_waits_while_others_go_on() {
    let limits = Limits {
        failures: FailureLimit {
            failures: 3,
            ..FailureLimit::default()
        },
        ..one_worker()
    };
    let (service, answers) = start(limits, chain(&["ann", "bob"], 64));
    for _ in 0..3 {
        assert_eq!(
            refusal(ask(&service, &answers, login("ann", "no"))),
            Refusal::Credentials
        );
    }
    let Asked::Now(blocked) = service.ask(login("ann", "ann"), 1) else {
        panic!("hashed")
    };
    let why = refusal(blocked);
    assert_eq!((why, why.answer()), (Refusal::TooManyFailures, Answer::Unavailable));
    assert_eq!(
        user(ask(&service, &answers, from(2, login("ann", "ann")))).as_deref(),
        Some("ann")
    );
    // A house has one address.
    assert_eq!(
        user(ask(&service, &answers, login("bob", "bob"))).as_deref(),
        Some("bob")
    );
    let counters = service.counters();
    assert_eq!((counters.blocked, counters.refused_failures), (1, 1));
}

#[test]
fn who_tries_many_names_shuts_out_the_address_but_not_its_certificates() {
    let limits = Limits {
        failures: FailureLimit {
            of_origin: 5,
            ..FailureLimit::default()
        },
        ..one_worker()
    };
    let (service, answers) = start(limits, chain(&["ann"], 64));
    for name in ["a", "b", "c", "d", "e"] {
        assert_eq!(
            refusal(ask(&service, &answers, login(name, "no"))),
            Refusal::Credentials
        );
    }
    let asked = |login| match service.ask(login, 1) {
        Asked::Now(outcome) => outcome,
        Asked::Later(_) => panic!("hashed"),
    };
    assert_eq!(refusal(asked(login("ann", "ann"))), Refusal::TooManyFailures);
    let counters = service.counters();
    assert_eq!((counters.blocked, counters.blocked_origins), (0, 1));
    let mut certified = login("ann", "");
    certified.certificate = Some("ann".into());
    assert!(
        matches!(service.ask(certified, 1), Asked::Later(_)),
        "this chain does not know it, but it is asked"
    );
}

#[test]
fn what_waits_when_its_address_is_blocked_is_not_hashed_any_more() {
    let limits = Limits {
        failures: FailureLimit {
            failures: 2,
            ..FailureLimit::default()
        },
        ..one_worker()
    };
    let (service, answers) = start(limits, chain(&["ann"], 4096));
    let wanted: Vec<_> = (0..50).map(|_| service.ask(login("ann", "no"), 1)).collect();
    let mut outcomes: BTreeMap<Refusal, usize> = BTreeMap::new();
    for asked in &wanted {
        let why = match asked {
            Asked::Later(_) => refusal(answers.recv_timeout(SOON).unwrap().1),
            Asked::Now(outcome) => refusal(outcome.clone()),
        };
        *outcomes.entry(why).or_default() += 1;
    }
    assert_eq!(
        outcomes,
        BTreeMap::from([(Refusal::Credentials, 2), (Refusal::TooManyFailures, 48)])
    );
}

#[test]
fn a_login_that_nobody_waits_for_is_not_checked() {
    let (service, answers) = start(one_worker(), chain(&["ann"], 16 * 1024));
    let Asked::Later(_first) = service.ask(login("ann", "no"), 1) else {
        panic!()
    };
    let Asked::Later(gone) = service.ask(login("ann", "no"), 2) else {
        panic!()
    };
    drop(gone);
    let Asked::Later(_last) = service.ask(login("ann", "no"), 3) else {
        panic!()
    };
    let order: Vec<_> = (0..2).map(|_| answers.recv_timeout(SOON).unwrap().0).collect();
    assert_eq!(order, [1, 3]);
    assert_eq!(service.counters().gone, 1);
}

#[test]
fn who_waits_too_long_is_told_to_come_again() {
    let limits = Limits {
        longest_wait: Duration::ZERO,
        ..one_worker()
    };
    let (service, answers) = start(limits, chain(&["ann"], 64));
    assert_eq!(
        refusal(ask(&service, &answers, login("ann", "ann"))),
        Refusal::WaitedTooLong
    );
}

#[test]
fn an_answer_from_users_that_were_replaced_does_not_count() {
    let (service, answers) = start(one_worker(), chain(&["ann", "bob"], 64 * 1024));
    // The first keeps the only thread busy, so that the second still waits when users change.
    let first = service.ask(login("bob", "bob"), 1);
    let second = service.ask(login("ann", "ann"), 2);
    service.replace(chain(&["cat"], 64)).unwrap();
    let all: BTreeMap<_, _> = (0..2).map(|_| answers.recv_timeout(SOON).unwrap()).collect();
    for ticket in [1, 2] {
        assert_eq!(refusal(all[&ticket].clone()), Refusal::Credentials, "{ticket}");
    }
    drop((first, second));
}

fn http(server: &Scripted, time_limit: Duration) -> MethodSettings {
    MethodSettings::Http(Box::new(HttpSettings::new(WebSettings {
        url: server.url(),
        ca_file: None,
        time_limit,
        allow_plain: false,
    })))
}

fn file(name: &str, text: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("burgee-auth-{name}-{}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn who_is_not_in_the_file_is_asked_about_and_who_is_there_is_not() {
    let server = Scripted::new(Deed::Answer(200, r#"{"result":"allow"}"#.to_owned()));
    let recipe = Recipe::Argon2id {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };
    let path = file("chain", &format!("ann:{}\n", Hashed::make(b"ann", recipe).unwrap()));
    let methods = [
        MethodSettings::Certificate,
        MethodSettings::Passwords(path.clone()),
        http(&server, Duration::from_secs(5)),
    ];
    let (service, answers) = start(one_worker(), Chain::new(&methods, Remember::default(), 2).unwrap());
    assert_eq!(
        refusal(ask(&service, &answers, login("ann", "no"))),
        Refusal::Credentials
    );
    assert_eq!(
        user(ask(&service, &answers, login("ann", "ann"))).as_deref(),
        Some("ann")
    );
    assert_eq!(server.asked(), 0);
    assert_eq!(user(ask(&service, &answers, login("bob", "x"))).as_deref(), Some("bob"));
    assert_eq!(user(ask(&service, &answers, login("bob", "x"))).as_deref(), Some("bob"));
    assert_eq!(server.asked(), 1, "the second was kept");
    let certified = Login {
        certificate: Some("device-7".into()),
        ..login("ann", "no")
    };
    let Asked::Now(known) = service.ask(certified, 1) else {
        panic!()
    };
    assert_eq!(user(known).as_deref(), Some("device-7"));
    let counters = service.counters();
    assert_eq!(
        (
            counters.certificate,
            counters.passwords,
            counters.http,
            counters.remembered
        ),
        (1, 1, 2, 0)
    );
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_silent_server_holds_up_nobody_but_those_it_is_asked_about() {
    let server = Scripted::new(Deed::Silent);
    let path = file("silent", &users_text());
    let methods = [
        MethodSettings::Passwords(path.clone()),
        http(&server, Duration::from_secs(2)),
    ];
    let (service, answers) = start(Limits::default(), Chain::new(&methods, Remember::default(), 8).unwrap());
    let slow: Vec<_> = (0..8)
        .map(|number| service.ask(from(number, login("bob", "x")), 1))
        .collect();
    assert!(slow.iter().all(|asked| matches!(asked, Asked::Later(_))));
    let begun = Instant::now();
    let Asked::Later(_ann) = service.ask(login("ann", "ann"), 2) else {
        panic!()
    };
    let (ticket, outcome) = answers.recv_timeout(SOON).unwrap();
    assert_eq!((ticket, user(outcome).as_deref()), (2, Some("ann")));
    assert!(begun.elapsed() < Duration::from_secs(2));
    for _ in 0..8 {
        let (ticket, outcome) = answers.recv_timeout(SOON).unwrap();
        assert_eq!((ticket, refusal(outcome)), (1, Refusal::Down));
    }
    std::fs::remove_file(path).unwrap();
}

fn users_text() -> String {
    let recipe = Recipe::Argon2id {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };
    format!("ann:{}\n", Hashed::make(b"ann", recipe).unwrap())
}

#[test]
fn everything_that_is_wrong_with_a_chain_is_told_at_once() {
    let path = file("wrong", "ann\nbob:x\n");
    let mut far = HttpSettings::new(WebSettings {
        url: "http://auth.example/".to_owned(),
        ca_file: None,
        time_limit: Duration::from_secs(1),
        allow_plain: false,
    });
    far.bearer_file = None;
    let methods = [
        MethodSettings::Passwords(path.clone()),
        MethodSettings::Passwords("/nowhere/users".into()),
        MethodSettings::Http(Box::new(far)),
        MethodSettings::Certificate,
        MethodSettings::Certificate,
    ];
    let wrong = Chain::new(&methods, Remember::default(), 1).unwrap_err();
    let told: Vec<_> = wrong.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[0].lines().count() == 2 && told[0].contains(":2: "), "{}", told[0]);
    assert!(told[1].contains("/nowhere/users"), "{}", told[1]);
    assert!(told[2].contains("https://"), "{}", told[2]);
    assert!(told[3].contains("twice"), "{}", told[3]);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn keys_are_fetched_and_fetched_again_for_a_new_one() {
    let set = include_str!("../jwt/vectors/set.json");
    let tokens = include_str!("../jwt/vectors/tokens.txt");
    let token = |number: usize| {
        tokens
            .lines()
            .nth(number)
            .and_then(|line| line.split_once(' '))
            .unwrap()
            .1
            .to_owned()
    };
    let server = Scripted::new(Deed::Answer(200, set.replace("\"kid\": \"r\"", "\"kid\": \"old\"")));
    let keys = crate::KeySource::Fetched {
        web: WebSettings {
            url: server.url(),
            ca_file: None,
            time_limit: Duration::from_secs(5),
            allow_plain: false,
        },
        refresh: Duration::from_secs(3600),
        keep: Duration::from_secs(7200),
    };
    let settings = crate::TokenSettings::new(keys);
    let methods = [MethodSettings::Tokens(Box::new(settings))];
    let (service, answers) = start(one_worker(), Chain::new(&methods, Remember::default(), 1).unwrap());
    // The fetching thread asks by itself; until it has an answer, everybody is told to come again.
    drop(server.request());
    let until = Instant::now() + SOON;
    let again = |token: &str| loop {
        let outcome = ask(&service, &answers, login("", token));
        if outcome != Outcome::Refused(Refusal::Down) || Instant::now() > until {
            return outcome;
        }
        std::thread::yield_now();
    };
    let unnamed = token(1);
    assert_eq!(user(again(&unnamed)).as_deref(), Some("ann"));
    assert_eq!(server.asked(), 1);
    server.becomes(Deed::Answer(200, set.to_owned()));
    let named = token(0);
    let first = refusal(ask(&service, &answers, login("", &named)));
    assert_eq!(
        (first, first.answer()),
        (Refusal::Down, Answer::Unavailable),
        "come again, the keys are fetched anew"
    );
    drop(server.request());
    // Until the new keys are there it is told the same.
    assert_eq!(user(again(&named)).as_deref(), Some("ann"));
    let unknown = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.e30.AAAA";
    let refused = refusal(ask(&service, &answers, login("", unknown)));
    assert_eq!(
        refused,
        Refusal::Token(crate::TokenFault::UnknownKey),
        "not fetched again for each invention"
    );
    assert_eq!(server.asked(), 2);
    // Whoever served them may go: they are kept.
    server.becomes(Deed::Hangup);
    assert_eq!(user(ask(&service, &answers, login("", &named))).as_deref(), Some("ann"));
}

#[test]
fn the_end_waits_for_nobody_who_waits_in_the_queue() {
    let (service, answers) = start(one_worker(), chain(&["ann"], 16 * 1024));
    let wanted: Vec<_> = (0..100).map(|_| service.ask(login("ann", "no"), 1)).collect();
    drop(service);
    let mut heard = 0;
    loop {
        match answers.recv_timeout(SOON) {
            Ok(_) => heard += 1,
            Err(error) => {
                assert_eq!(error, RecvTimeoutError::Disconnected);
                break;
            }
        }
    }
    assert!(heard < wanted.len());
}
