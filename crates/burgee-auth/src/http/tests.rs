//! The call-out against a server that does what it is told, good or bad.

use super::*;
use crate::login::Method;
use crate::scripted::{Deed, Scripted};

fn settings(url: &str) -> HttpSettings {
    HttpSettings::new(WebSettings {
        url: url.to_owned(),
        ca_file: None,
        time_limit: Duration::from_millis(300),
        allow_plain: false,
    })
}

fn call_out(server: &Scripted, change: impl FnOnce(&mut HttpSettings)) -> CallOut {
    let mut settings = settings(&server.url());
    change(&mut settings);
    CallOut::new(settings, 4).unwrap()
}

fn login(user: &str) -> Login {
    Login {
        client_id: "meter-7".into(),
        user: Some(user.into()),
        password: Some((*b"sesame").into()),
        address: Some([192, 0, 2, 7].into()),
        certificate: None,
        listener: "tcp://0.0.0.0:1883".into(),
        anonymous: false,
    }
}

fn allow() -> Deed {
    Deed::Answer(200, r#"{"result":"allow"}"#.to_owned())
}

const DOWN: Said = Said::No(Refusal::Down);

#[test]
fn the_server_is_told_what_is_known_and_its_answer_counts() {
    let answer = r#"{"result":"allow","user":"ann@example","publish":["a/#"],"expires_in":60,"note":"more"}"#;
    let server = Scripted::new(Deed::Answer(200, answer.to_owned()));
    let call_out = call_out(&server, |_| {});
    let before = SystemTime::now();
    let Said::Yes(grant) = call_out.ask(&login("ann")) else {
        panic!()
    };
    assert_eq!((grant.user.as_deref(), grant.by), (Some("ann@example"), Method::Http));
    let until = grant.until.unwrap();
    assert!(until >= before + Duration::from_secs(60) && until <= SystemTime::now() + Duration::from_secs(60));
    let rights = grant.rights.unwrap();
    assert_eq!((rights.publish.as_ref().unwrap().len(), &rights.subscribe), (1, &None));

    let (head, body) = server.request();
    assert!(head.starts_with("POST /login HTTP/1.1\r\n"), "{head}");
    assert!(
        head.to_ascii_lowercase().contains("content-type: application/json\r\n"),
        "{head}"
    );
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!({
        "client_id": "meter-7", "user": "ann", "password": "sesame", "address": "192.0.2.7",
        "certificate": null, "listener": "tcp://0.0.0.0:1883",
    });
    assert_eq!(body, expected);

    let mut binary = login("bob");
    binary.password = Some((*b"\xff\x00").into());
    drop(call_out.ask(&binary));
    let body: serde_json::Value = serde_json::from_str(&server.request().1).unwrap();
    assert_eq!(
        (body.get("password"), body["password_base64"].as_str()),
        (None, Some("/wA="))
    );
}

#[test]
fn deny_is_no_and_ignore_leaves_it_to_others() {
    let server = Scripted::new(Deed::Answer(200, r#"{"result":"deny"}"#.to_owned()));
    let call_out = call_out(&server, |_| {});
    assert_eq!(call_out.ask(&login("ann")), Said::No(Refusal::Denied));
    server.becomes(Deed::Answer(200, r#"{"result":"ignore"}"#.to_owned()));
    assert_eq!(call_out.ask(&login("ann")), Said::NotMine);
}

#[test]
fn what_is_not_understood_is_no_yes() {
    let server = Scripted::new(Deed::Hangup);
    let huge = format!(r#"{{"result":"allow","note":"{}"}}"#, "x".repeat(300_000));
    let deeds = [
        Deed::Answer(500, r#"{"result":"allow"}"#.to_owned()),
        Deed::Answer(403, r#"{"result":"allow"}"#.to_owned()),
        Deed::Answer(204, String::new()),
        Deed::Answer(200, String::new()),
        Deed::Answer(200, "allow".to_owned()),
        Deed::Answer(200, r#"{"result":"yes"}"#.to_owned()),
        Deed::Answer(200, r#"{"result":"allow","user":""}"#.to_owned()),
        Deed::Answer(200, r#"{"result":"allow","publish":"a"}"#.to_owned()),
        Deed::Answer(200, huge),
        Deed::Raw(b"\x16\x03\x01garbage\r\n\r\n".to_vec()),
        Deed::Raw(b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n".to_vec()),
        Deed::Raw([b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &vec![b'x'; 100_000]].concat()),
        Deed::Endless,
        Deed::Silent,
        Deed::Hangup,
    ];
    for deed in deeds {
        // A new one each time, so that none is left alone for the failures of others.
        let call_out = call_out(&server, |_| {});
        server.becomes(deed.clone());
        let begun = Instant::now();
        assert_eq!(call_out.ask(&login("ann")), DOWN, "{deed:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{deed:?}");
        assert_eq!(call_out.kept(&login("ann")), None, "a failure is not kept");
    }
}

#[test]
fn what_a_client_calls_itself_is_no_fault_of_the_server() {
    let server = Scripted::new(allow());
    let call_out = call_out(&server, |_| {});
    for _ in 0..PATIENCE {
        assert_eq!(call_out.ask(&login("a\u{1}")), Said::No(Refusal::Denied));
        assert_eq!(call_out.ask(&login("")), Said::No(Refusal::Denied));
    }
    assert!(matches!(call_out.ask(&login("ann")), Said::Yes(_)));
}

#[test]
fn answers_are_kept_for_a_while_and_for_the_same_login_only() {
    let server = Scripted::new(allow());
    let call_out = call_out(&server, |settings| settings.keep_no = Duration::ZERO);
    assert_eq!(call_out.kept(&login("ann")), None);
    let said = call_out.ask(&login("ann"));
    assert_eq!(call_out.kept(&login("ann")), Some(said));
    assert_eq!(call_out.kept(&login("bob")), None);
    let mut other = login("ann");
    other.password = Some((*b"Sesame").into());
    assert_eq!(call_out.kept(&other), None);
    server.becomes(Deed::Answer(200, r#"{"result":"allow","cache":0}"#.to_owned()));
    drop(call_out.ask(&login("cat")));
    assert_eq!(call_out.kept(&login("cat")), None, "the answer may forbid it");
    server.becomes(Deed::Answer(200, r#"{"result":"allow","expires_in":0}"#.to_owned()));
    drop(call_out.ask(&login("dan")));
    assert_eq!(call_out.kept(&login("dan")), None, "what is over is not current");
    server.becomes(Deed::Answer(200, r#"{"result":"deny"}"#.to_owned()));
    drop(call_out.ask(&login("eve")));
    assert_eq!(call_out.kept(&login("eve")), None, "no kept noes were wanted");
}

#[test]
fn while_it_is_down_everybody_is_refused_passed_on_or_known_from_before() {
    for (when_down, known, unknown) in [
        (WhenDown::Refuse, "down", "down"),
        (WhenDown::Next, "not mine", "not mine"),
        (WhenDown::Cached, "yes", "down"),
    ] {
        let server = Scripted::new(allow());
        let call_out = call_out(&server, |settings| {
            settings.when_down = when_down;
            settings.keep_yes = Duration::ZERO;
        });
        drop(call_out.ask(&login("ann")));
        assert_eq!(call_out.kept(&login("ann")), None, "nothing is fresh");
        server.becomes(Deed::Answer(500, String::new()));
        let name = |said: Said| match said {
            Said::Yes(_) => "yes",
            Said::NotMine => "not mine",
            said @ Said::No(_) => {
                assert_eq!(said, DOWN);
                "down"
            }
        };
        assert_eq!(name(call_out.ask(&login("ann"))), known, "{when_down:?}");
        assert_eq!(name(call_out.ask(&login("bob"))), unknown, "{when_down:?}");
    }
}

#[test]
fn a_server_that_is_down_is_not_asked_by_every_login() {
    let server = Scripted::new(Deed::Answer(503, String::new()));
    let call_out = call_out(&server, |_| {});
    for _ in 0..100 {
        assert_eq!(call_out.ask(&login("ann")), DOWN);
    }
    assert_eq!(server.asked(), usize::try_from(PATIENCE).unwrap());
    // Once its rest is over, one may look.
    call_out.lock().rests_until = Some(Instant::now());
    server.becomes(allow());
    assert!(matches!(call_out.ask(&login("ann")), Said::Yes(_)));
    assert!(matches!(call_out.ask(&login("bob")), Said::Yes(_)));
    assert_eq!(
        (rest(3), rest(4), rest(5), rest(u32::MAX)),
        (FIRST_REST, FIRST_REST * 2, FIRST_REST * 4, LAST_REST)
    );
}

#[test]
fn nobody_listens_at_all() {
    let gone = Scripted::new(Deed::Hangup).url();
    let call_out = CallOut::new(settings(&gone), 1).unwrap();
    assert_eq!(call_out.ask(&login("ann")), DOWN);
}

#[test]
fn the_bearer_token_is_shown_and_has_to_fit_into_a_header() {
    let path = std::env::temp_dir().join(format!("burgee-auth-bearer-{}", std::process::id()));
    std::fs::write(&path, "secret-7\n").unwrap();
    let server = Scripted::new(allow());
    let with = call_out(&server, |settings| settings.bearer_file = Some(path.clone()));
    assert!(matches!(with.ask(&login("ann")), Said::Yes(_)));
    let head = server.request().0.to_ascii_lowercase();
    assert!(head.contains("authorization: bearer secret-7\r\n"), "{head}");
    for text in ["", "\n", "two words", "a\nb", "\u{fc}"] {
        std::fs::write(&path, text).unwrap();
        let mut settings = settings(&server.url());
        settings.bearer_file = Some(path.clone());
        let error = CallOut::new(settings, 1).unwrap_err();
        assert!(matches!(error, InvalidHttp::BearerForm(_)), "{text:?}: {error}");
    }
    std::fs::remove_file(&path).unwrap();
}
