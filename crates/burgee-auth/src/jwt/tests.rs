//! Tokens and keys in `vectors/` were made with `PyJWT` 2 and cryptography; the private keys were thrown away.

use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::*;

const TOKENS: &str = include_str!("vectors/tokens.txt");
const RSA: &str = include_str!("vectors/rsa.pem");
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_800_000_000;

fn tokens(name: &str) -> Vec<&'static str> {
    let line = |line: &'static str| {
        line.split_once(' ')
            .filter(|(kind, _)| *kind == name)
            .map(|(_, token)| token)
    };
    TOKENS.lines().filter_map(line).collect()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn key(pem: &str) -> KeySet {
    KeySet::public(pem.as_bytes()).unwrap()
}

/// A token of ours under `SECRET`.
fn sign(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mark = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mark))
}

fn login(token: &str) -> Login {
    Login {
        client_id: "meter-7".into(),
        user: None,
        password: Some(token.as_bytes().into()),
        address: None,
        certificate: None,
        listener: "l".into(),
        anonymous: false,
    }
}

fn checker(change: impl FnOnce(&mut TokenSettings)) -> Tokens {
    let mut settings = TokenSettings::new(KeySource::Secret(PathBuf::new()));
    change(&mut settings);
    Tokens {
        source: Source::Fixed(Arc::new(KeySet::secret(SECRET).unwrap())),
        demands: Demands {
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            leeway: settings.leeway,
            require_expiry: settings.require_expiry,
        },
        settings,
    }
}

fn said(tokens: &Tokens, claims: &str) -> Said {
    tokens.check(&login(&sign(r#"{"alg":"HS256"}"#, claims)), at(NOW))
}

fn fault(tokens: &Tokens, claims: &str) -> TokenFault {
    match said(tokens, claims) {
        Said::No(Refusal::Token(fault)) => fault,
        other @ (Said::Yes(_) | Said::No(_) | Said::NotMine) => panic!("{claims}: {other:?}"),
    }
}

fn grant(tokens: &Tokens, claims: &str) -> Grant {
    match said(tokens, claims) {
        Said::Yes(grant) => grant,
        other @ (Said::No(_) | Said::NotMine) => panic!("{claims}: {other:?}"),
    }
}

#[test]
fn every_algorithm_is_checked_with_its_key_and_with_no_other() {
    let set = key(include_str!("vectors/set.json"));
    let sets = [
        ("RS", key(RSA)),
        ("RS", key(include_str!("vectors/rsa-pkcs1.pem"))),
        ("ES256", key(include_str!("vectors/p256.pem"))),
        ("ES384", key(include_str!("vectors/p384.pem"))),
        ("Ed", key(include_str!("vectors/ed25519.pem"))),
        ("HS", KeySet::secret(SECRET).unwrap()),
    ];
    for name in [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256", "HS384", "HS512",
    ] {
        let found = tokens(name);
        assert!(!found.is_empty(), "{name}");
        for text in found {
            for (family, keys) in &sets {
                let fits = name.starts_with(family) || (*family == "RS" && name.starts_with("PS"));
                let claims = token::claims(text.as_bytes(), keys);
                assert_eq!(claims.is_ok(), fits, "{name} with {family}: {claims:?}");
                if fits {
                    assert_eq!(claims.unwrap()["sub"], "ann");
                }
            }
            assert_eq!(
                token::claims(text.as_bytes(), &set).is_ok(),
                !name.starts_with("HS"),
                "{name} with the set"
            );
        }
    }
}

#[test]
fn a_public_key_is_no_secret_and_no_signature_is_none() {
    let [confused] = tokens("confused")[..] else { panic!() };
    assert_eq!(
        token::claims(confused.as_bytes(), &key(RSA)).unwrap_err(),
        TokenFault::Algorithm
    );
    for alg in ["none", "None", "NONE", "nOnE", "HS1", "ES512", ""] {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}"}}"#));
        let payload = URL_SAFE_NO_PAD.encode(r#"{"sub":"root","exp":9999999999}"#);
        for keys in [key(RSA), KeySet::secret(SECRET).unwrap()] {
            let found = token::claims(format!("{header}.{payload}.").as_bytes(), &keys);
            assert_eq!(found.unwrap_err(), TokenFault::Algorithm, "{alg}");
        }
    }
}

#[test]
fn any_changed_byte_spoils_a_token() {
    for (name, keys) in [
        ("HS256", KeySet::secret(SECRET).unwrap()),
        ("ES256", key(include_str!("vectors/p256.pem"))),
    ] {
        let token = tokens(name)[0].as_bytes();
        for at in 0..token.len() {
            for change in [b'A', b'B', b'.', b'=', 0, 0xff] {
                let mut changed = token.to_vec();
                if changed[at] == change {
                    continue;
                }
                changed[at] = change;
                assert!(token::claims(&changed, &keys).is_err(), "{name} at {at}");
            }
            assert!(token::claims(&token[..at], &keys).is_err(), "{name} up to {at}");
        }
    }
}

#[test]
fn a_key_id_picks_the_key_and_an_unknown_one_none() {
    let keys = key(include_str!("vectors/set.json"));
    let token = sign(r#"{"alg":"ES256","kid":"elsewhere"}"#, r#"{"sub":"ann"}"#);
    assert_eq!(
        token::claims(token.as_bytes(), &keys).unwrap_err(),
        TokenFault::UnknownKey
    );
    let token = sign(r#"{"alg":"ES256","kid":"r"}"#, r#"{"sub":"ann"}"#);
    assert_eq!(
        token::claims(token.as_bytes(), &keys).unwrap_err(),
        TokenFault::Algorithm
    );
    assert_eq!(
        keys.len(),
        4,
        "keys for other purposes and of other kinds are passed over"
    );
}

#[test]
fn what_must_be_understood_and_is_not_is_refused() {
    let keys = KeySet::secret(SECRET).unwrap();
    for header in [
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","enc":"A128GCM"}"#,
        r#"{"kid":"a"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        "[]",
        "",
        "{",
    ] {
        let token = sign(header, r#"{"sub":"ann"}"#);
        assert_eq!(
            token::claims(token.as_bytes(), &keys).unwrap_err(),
            TokenFault::Malformed,
            "{header}"
        );
    }
    for claims in ["", "[]", "1", "{", "\u{1}"] {
        let token = sign(r#"{"alg":"HS256"}"#, claims);
        assert_eq!(
            token::claims(token.as_bytes(), &keys).unwrap_err(),
            TokenFault::Malformed,
            "{claims}"
        );
    }
    let long = sign(r#"{"alg":"HS256"}"#, &format!(r#"{{"sub":"{}"}}"#, "x".repeat(20_000)));
    assert_eq!(
        token::claims(long.as_bytes(), &keys).unwrap_err(),
        TokenFault::Malformed
    );
    for none in ["", ".", "..", "...", "ey.ey", "a.b.c.d"] {
        assert_eq!(
            token::claims(none.as_bytes(), &keys).unwrap_err(),
            TokenFault::Malformed,
            "{none}"
        );
    }
}

#[test]
fn times_are_kept_to_with_some_leeway() {
    let tokens = checker(|_| {});
    let with = |exp: &str| format!(r#"{{"sub":"ann","exp":{exp}}}"#);
    assert_eq!(fault(&tokens, r#"{"sub":"ann"}"#), TokenFault::NoExpiry);
    assert_eq!(fault(&tokens, &with(&(NOW - 30).to_string())), TokenFault::Expired);
    assert_eq!(grant(&tokens, &with(&(NOW - 29).to_string())).until, Some(at(NOW + 1)));
    assert_eq!(
        grant(&tokens, &with("1800000000.5")).until,
        Some(at(NOW + 30) + Duration::from_millis(500))
    );
    assert!(
        grant(&tokens, &with("1e300")).until.unwrap() > at(NOW * 10),
        "far away, and no overflow"
    );
    for odd in ["\"1900000000\"", "null", "-1", "[]"] {
        assert_eq!(fault(&tokens, &with(odd)), TokenFault::Malformed, "{odd}");
    }
    let begins = |nbf: u64| format!(r#"{{"sub":"ann","exp":9999999999,"nbf":{nbf}}}"#);
    assert_eq!(fault(&tokens, &begins(NOW + 31)), TokenFault::NotYet);
    grant(&tokens, &begins(NOW + 30));
    let lax = checker(|settings| settings.require_expiry = false);
    assert_eq!(grant(&lax, r#"{"sub":"ann"}"#).until, None);
    let open = checker(|settings| settings.close_when_expired = false);
    assert_eq!(grant(&open, &with("9999999999")).until, None);
}

#[test]
fn issuer_and_audience_have_to_be_ours() {
    let tokens = checker(|settings| {
        settings.issuer = Some("https://id.example".to_owned());
        settings.audience = Some("broker".to_owned());
    });
    let with = |rest: &str| format!(r#"{{"sub":"ann","exp":9999999999{rest}}}"#);
    grant(&tokens, &with(r#","iss":"https://id.example","aud":"broker""#));
    grant(
        &tokens,
        &with(r#","iss":"https://id.example","aud":["other","broker"]"#),
    );
    for rest in [
        "",
        r#","iss":"https://id.example""#,
        r#","aud":"broker""#,
        r#","iss":"https://id.example.org","aud":"broker""#,
        r#","iss":"https://id.example","aud":"broker2""#,
        r#","iss":"https://id.example","aud":[]"#,
        r#","iss":["https://id.example"],"aud":"broker""#,
    ] {
        assert_eq!(fault(&tokens, &with(rest)), TokenFault::IssuerOrAudience, "{rest}");
    }
}

#[test]
fn user_client_and_rights_come_from_the_claims() {
    let tokens = checker(|_| {});
    let with = |rest: &str| format!(r#"{{"exp":9999999999{rest}}}"#);
    let all = grant(
        &tokens,
        &with(r#","sub":"ann","client_id":"meter-7","publish":["a/#"],"subscribe":[]"#),
    );
    assert_eq!(all.user.as_deref(), Some("ann"));
    let rights = all.rights.unwrap();
    assert_eq!(rights.publish.as_deref(), Some(&["a/#".into()][..]));
    assert_eq!(
        rights.subscribe.as_deref(),
        Some(&[][..]),
        "none at all is something else than nothing said"
    );
    assert_eq!(grant(&tokens, &with(r#","sub":"ann""#)).rights, None);
    for user in [
        "",
        r#","sub":"""#,
        r#","sub":7"#,
        r#","sub":"a\nb""#,
        r#","sub":"\u0000""#,
    ] {
        assert_eq!(fault(&tokens, &with(user)), TokenFault::User, "{user}");
    }
    for client in [r#","sub":"a","client_id":"meter-8""#, r#","sub":"a","client_id":7"#] {
        assert_eq!(fault(&tokens, &with(client)), TokenFault::ClientId);
    }
    for odd in [
        r#","sub":"a","publish":"a/#""#,
        r#","sub":"a","publish":[1]"#,
        r#","sub":"a","subscribe":null"#,
    ] {
        assert_eq!(fault(&tokens, &with(odd)), TokenFault::Rights, "{odd}");
    }
    let strict = checker(|settings| settings.user_must_match = true);
    assert_eq!(fault(&strict, &with(r#","sub":"ann""#)), TokenFault::User);
    let other = checker(|settings| settings.user_claim = "device".to_owned());
    assert_eq!(
        grant(&other, &with(r#","sub":"ann","device":"d7""#)).user.as_deref(),
        Some("d7")
    );
}

#[test]
fn passwords_that_are_no_tokens_are_left_to_others() {
    for password in ["", "sesame", "a.b.c", "eyJ", "ey.x", "www.example.org"] {
        assert!(!Tokens::claims(&login(password)), "{password}");
    }
    assert!(Tokens::claims(&login("ey.x.y")), "who gives half a token is told so");
}

#[test]
fn keys_that_cannot_be_used_are_refused_with_the_way_out() {
    let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, hint) in [
        ("", "neither"),
        ("sesame", "neither"),
        (private, "pkey -pubout"),
        (certificate, "x509 -pubkey"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA", "no END"),
        ("-----BEGIN PUBLIC KEY-----\n%\n-----END PUBLIC KEY-----\n", "PEM"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "PEM"),
        (
            "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n",
            "structure",
        ),
        (
            "-----BEGIN RSA PUBLIC KEY-----\nMAA=\n-----END RSA PUBLIC KEY-----\n",
            "structure",
        ),
        (include_str!("vectors/small-rsa.pem"), "2048"),
        ("{", "key set"),
        (r#"{"keys":[]}"#, "no key for checking"),
        (r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#, "no key for checking"),
        (r#"{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}"#, "coordinate"),
        (r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#, "2048"),
        (r#"{"kty":"RSA","e":"AQAB"}"#, "missing"),
    ] {
        let error = KeySet::public(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(hint), "{text}: {error}");
    }
    let short = KeySet::secret(b"0123456789abcdef0123456789abcde\n")
        .unwrap_err()
        .to_string();
    assert!(short.contains("31 bytes") && short.contains("openssl rand"), "{short}");
    let both = format!("{RSA}{}", include_str!("vectors/p256.pem"));
    assert_eq!(key(&both).len(), 2, "a file may have several");
    let json = include_str!("vectors/set.json");
    for end in (0..json.len()).step_by(7) {
        drop(KeySet::public(&json.as_bytes()[..end]));
    }
}

#[test]
fn a_secret_serves_only_algorithms_that_it_is_long_enough_for() {
    let keys = KeySet::secret(&SECRET[..32]).unwrap();
    let token = sign(r#"{"alg":"HS512"}"#, r#"{"sub":"ann"}"#);
    assert_eq!(
        token::claims(token.as_bytes(), &keys).unwrap_err(),
        TokenFault::Algorithm
    );
}
