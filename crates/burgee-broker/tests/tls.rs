//! TLS over loopback: versions, certificates of both sides, reloading, resumption, and bad company.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::type_complexity,
    clippy::items_after_statements,
    clippy::too_many_lines,
    reason = "a test speaks by panicking; helpers outside of test functions do so, too"
)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use burgee_broker::{Anonymous, Broker, BrokerConfig, ClientCertificates, TlsContext, TlsSettings, TransportCounters};
use rustls::{HandshakeKind, version};
use support::certificates::{Authority, Place, listener};
use support::secure::{BOTH, Secure, config};
use support::{Client, PATIENCE, connect_packet, connect_with_will, publish_packet, start};

/// A broker with a plain listener and one that speaks TLS.
fn with_tls(shards: u16, tls: TlsSettings, change: impl FnOnce(&mut BrokerConfig)) -> (Broker, SocketAddr, SocketAddr) {
    let (broker, plain) = start(shards, |config| {
        config.listeners.push(listener("mqtts", tls));
        // Who shows no certificate comes in, too, where the listener does not want one.
        for listen in &mut config.listeners {
            listen.anonymous = Anonymous::Allowed;
        }
        config.accept.tls_watch_ms = 0;
        change(config);
    });
    let secure = broker.addresses()[1];
    (broker, plain, secure)
}

fn until(broker: &Broker, what: impl Fn(&TransportCounters) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !what(&broker.transport_counters()) {
        assert!(Instant::now() < end, "{:?}", broker.transport_counters());
        thread::yield_now();
    }
}

#[test]
fn messages_of_all_sizes_go_both_ways_in_both_versions() {
    let (place, authority) = (Place::new(), Authority::new("ca"));
    for shards in [1, 3] {
        let (broker, plain, secure) = with_tls(shards, place.settings(&authority), |_| {});
        for version in BOTH {
            let config = config(&authority, version, None);
            let mut subscriber = Secure::subscribed(secure, &config, "s", "t");
            let mut clear = Client::subscribed(plain, "c", "t", 0);
            let mut publisher = Secure::connect(secure, &config, "p");
            for size in [0, 1, 100, 16_000, 16_384, 16_400, 70_000, 3 << 20] {
                let packet = publish_packet("t", &(0..=250).cycle().take(size).collect::<Vec<u8>>());
                let expected = packet.clone();
                let writer = thread::spawn(move || {
                    publisher.send(&packet);
                    publisher
                });
                subscriber.expect(&expected);
                clear.expect(&expected);
                publisher = writer.join().unwrap();
            }
            publisher.ping();
            assert_eq!(publisher.0.conn.protocol_version(), Some(version.version));
        }
        assert!(broker.shutdown(PATIENCE));
    }
}

#[test]
fn the_end_is_said_in_tls_and_a_cut_is_told_from_it() {
    let (place, authority) = (Place::new(), Authority::new("ca"));
    let (broker, plain, secure) = with_tls(1, place.settings(&authority), |_| {});
    for version in BOTH {
        let config = config(&authority, version, None);
        // We end.
        let mut client = Secure::connect(secure, &config, "a");
        client.send(&[0xE0, 0]);
        assert!(client.ends_in_order(), "DISCONNECT");
        // The client breaks a rule.
        let mut client = Secure::connect(secure, &config, "a");
        client.send(&[0xF0, 0]);
        assert!(client.ends_in_order(), "a fault");
        // The client ends without DISCONNECT: the will is published, and the end is answered.
        let mut watcher = Client::subscribed(plain, "w", "will/#", 0);
        let mut client = Secure::new(secure, &config);
        client.send(&connect_with_will("a", "will/a", "gone"));
        client.expect(&[0x20, 2, 0, 0]);
        client.0.conn.send_close_notify();
        client.0.flush().unwrap();
        watcher.expect(&publish_packet("will/a", b"gone"));
        assert!(client.ends_in_order(), "close_notify");
        // Cut without a word.
        let mut client = Secure::new(secure, &config);
        client.send(&connect_with_will("b", "will/b", "gone"));
        client.expect(&[0x20, 2, 0, 0]);
        drop(client.0.sock);
        watcher.expect(&publish_packet("will/b", b"gone"));
    }
    until(&broker, |now| now.open == 0 && now.handshakes == 0);
}

#[test]
fn clients_show_certificates_where_they_have_to() {
    let (place, authority, stranger) = (Place::new(), Authority::new("ca"), Authority::new("stranger"));
    let revoked = authority.client("revoked", 2090);
    let good = authority.client("good", 2090);
    let rest = [
        ("expired", authority.client("expired", 2020), false),
        ("of a stranger", stranger.client("good", 2090), false),
        ("a server's", authority.server(&["localhost"]), false),
        ("revoked", revoked.clone(), false),
        ("good", good.clone(), true),
    ];
    for (clients, without) in [
        (ClientCertificates::Required, false),
        (ClientCertificates::Optional, true),
        (ClientCertificates::Off, true),
    ] {
        let settings = place.mutual(&authority, clients);
        place.write("crl.pem", &authority.crl(&[revoked.serial], 2090));
        let (broker, plain, secure) = with_tls(1, settings, |_| {});
        for version in BOTH {
            let gets_in = |shows| Secure::gets_in(secure, &config(&authority, version, shows), "c");
            assert_eq!(gets_in(None), without, "{clients:?} without");
            for (what, shown, well) in &rest {
                let expected = *well || clients == ClientCertificates::Off;
                assert_eq!(gets_in(Some(shown)), expected, "{clients:?} {what}");
            }
        }
        until(&broker, |now| now.open == 0);
        let failed = broker.transport_counters().failed_handshakes;
        assert_eq!(failed > 0, clients != ClientCertificates::Off, "{failed}");
        let certified = broker.login_counters().certificate;
        assert_eq!(
            certified > 0,
            clients != ClientCertificates::Off,
            "a certificate is who it is"
        );
        Client::connect(plain, "others").ping();
    }
}

#[test]
fn a_certificate_that_is_revoked_later_closes_its_connections_and_no_others() {
    let (place, authority) = (Place::new(), Authority::new("ca"));
    let (bad, good) = (authority.client("bad", 2090), authority.client("good", 2090));
    for shards in [1, 3] {
        let (broker, _, secure) = with_tls(shards, place.mutual(&authority, ClientCertificates::Required), |_| {});
        for version in BOTH {
            place.write("crl.pem", &authority.crl(&[], 2090));
            broker.reload_tls().unwrap();
            let (bad_config, good_config) = (
                config(&authority, version, Some(&bad)),
                config(&authority, version, Some(&good)),
            );
            let mut evil: Vec<_> = (0..20)
                .map(|at| Secure::connect(secure, &bad_config, &format!("e{at}")))
                .collect();
            let mut well: Vec<_> = (0..20)
                .map(|at| Secure::connect(secure, &good_config, &format!("w{at}")))
                .collect();
            evil.iter_mut().chain(&mut well).for_each(Secure::ping);
            place.write("crl.pem", &authority.crl(&[bad.serial], 2090));
            broker.reload_tls().unwrap();
            until(&broker, |now| now.open == 20);
            well.iter_mut().for_each(Secure::ping);
            assert!(evil.into_iter().all(|client| !matches!(read_one(client), Some(1..))));
            // A session ticket from before opens nothing.
            assert!(!Secure::gets_in(secure, &bad_config, "again"));
            assert!(Secure::gets_in(secure, &good_config, "again"));
        }
    }
}

fn read_one(mut client: Secure) -> Option<usize> {
    client.0.read(&mut [0; 1]).ok()
}

#[test]
fn sessions_are_resumed_while_the_trust_is_the_same() {
    let (place, authority) = (Place::new(), Authority::new("ca"));
    let shown = authority.client("c", 2090);
    let (broker, _, secure) = with_tls(3, place.mutual(&authority, ClientCertificates::Required), |_| {});
    for version in BOTH {
        let config = config(&authority, version, Some(&shown));
        let kind = || {
            let mut client = Secure::connect(secure, &config, "c");
            client.ping();
            client.0.conn.handshake_kind()
        };
        assert_eq!(kind(), Some(HandshakeKind::Full));
        assert_eq!(kind(), Some(HandshakeKind::Resumed));
        // A new certificate of ours is no reason to begin anew; other trust is.
        place.files("server", &authority.server(&["localhost"]));
        broker.reload_tls().unwrap();
        assert_eq!(kind(), Some(HandshakeKind::Resumed));
        place.write(
            "crl.pem",
            &authority.crl(&[u64::from(version == &version::TLS13) + 1], 2090),
        );
        broker.reload_tls().unwrap();
        assert_eq!(kind(), Some(HandshakeKind::Full));
    }
}

#[test]
fn a_client_gets_the_certificate_of_the_name_that_it_asks_for() {
    let (place, authority) = (Place::new(), Authority::new("ca"));
    let (first, second) = (authority.server(&["localhost"]), authority.server(&["*.example.org"]));
    let tls = TlsSettings {
        certificates: vec![place.files("first", &first), place.files("second", &second)],
        ..TlsSettings::default()
    };
    let (_broker, _, secure) = with_tls(1, tls, |_| {});
    let config = config(&authority, &version::TLS13, None);
    assert!(Secure::try_new(secure, &config, "localhost").is_ok());
    assert!(Secure::try_new(secure, &config, "mqtt.example.org").is_ok());
    assert!(Secure::try_new(secure, &config, "other.example.com").is_err());
}

#[test]
fn certificates_are_exchanged_under_traffic_and_nobody_is_dropped() {
    let (place, authority) = (Place::new(), Authority::new("ca"));
    let (broker, _, secure) = with_tls(3, place.settings(&authority), |config| config.accept.tls_watch_ms = 20);
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..6)
        .map(|at| {
            let config = config(&authority, BOTH[at % 2], None);
            let (done, topic) = (Arc::clone(&done), format!("t{at}"));
            thread::spawn(move || {
                let mut client = Secure::subscribed(secure, &config, &topic, &topic);
                let (packet, mut rounds) = (publish_packet(&topic, &[at as u8; 2000]), 0_u64);
                while !done.load(Ordering::Relaxed) {
                    client.send(&packet);
                    client.expect(&packet);
                    rounds += 1;
                }
                rounds
            })
        })
        .collect();
    let serial = |signed: &support::certificates::Signed| {
        use rustls::pki_types::pem::PemObject;
        rustls::pki_types::CertificateDer::from_pem_slice(signed.chain.as_bytes()).unwrap()
    };
    let config = config(&authority, &version::TLS13, None);
    for round in 0..3 {
        let new = authority.server(&["localhost"]);
        place.files("server", &new);
        let end = Instant::now() + PATIENCE;
        loop {
            let client = Secure::new(secure, &config);
            if client.0.conn.peer_certificates().unwrap()[0] == serial(&new) {
                break;
            }
            assert!(Instant::now() < end, "the watcher did not take round {round} over");
            thread::yield_now();
        }
        // A bad one is not taken over, and harms nobody.
        place.write("server.key", &authority.server(&["localhost"]).key);
        let errors = broker.reload_tls().unwrap_err();
        assert!(errors[0].to_string().contains("does not belong"), "{errors:?}");
        assert_eq!(
            Secure::new(secure, &config).0.conn.peer_certificates().unwrap()[0],
            serial(&new)
        );
    }
    done.store(true, Ordering::Relaxed);
    let rounds: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    assert!(rounds.iter().all(|count| *count > 0), "{rounds:?}");
    assert!(broker.shutdown(PATIENCE));
}

#[test]
fn half_open_connections_are_bounded_in_number_and_time() {
    let (place, authority) = (Place::new(), Authority::new("ca"));
    let (broker, plain, secure) = with_tls(1, place.settings(&authority), |config| {
        config.accept.max_handshakes = 5;
        config.accept.handshake_timeout_ms = 1500;
    });
    let mut other = Client::connect(plain, "other");
    let begun = Instant::now();
    let mut slow: Vec<_> = (0..5).map(|_| TcpStream::connect(secure).unwrap()).collect();
    until(&broker, |now| now.handshakes == 5);
    // One that trickles gains no time by it.
    slow[0].write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1]).unwrap();
    let mut sixth = TcpStream::connect(secure).unwrap();
    sixth.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(!matches!(sixth.read(&mut [0; 1]), Ok(1..)));
    other.ping();
    assert_eq!(broker.transport_counters().refused_handshakes, 1);
    until(&broker, |now| now.handshakes == 0);
    assert!(begun.elapsed() >= Duration::from_millis(1500));
    assert_eq!(broker.transport_counters().failed_handshakes, 5);
    for mut client in slow {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(!matches!(client.read(&mut [0; 1]), Ok(1..)));
    }
    let config = config(&authority, &version::TLS13, None);
    Secure::connect(secure, &config, "c").ping();
    other.ping();
}

#[test]
fn one_address_cannot_take_all_places_for_handshakes() {
    let (place, authority) = (Place::new(), Authority::new("ca"));
    let (broker, _, secure) = with_tls(1, place.settings(&authority), |config| {
        config.accept.max_handshakes = 8;
        config.accept.handshakes_per_address = 2;
    });
    let from = |host: [u8; 4]| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((host, 0)).into()).unwrap();
        socket.connect(&secure.into()).unwrap();
        TcpStream::from(socket)
    };
    let greedy: Vec<_> = (0..12).map(|_| from([127, 0, 0, 1])).collect();
    until(&broker, |now| now.handshakes as u64 + now.refused_handshakes == 12);
    assert_eq!(broker.transport_counters().handshakes, 4, "half of the places");
    let modest: Vec<_> = (0..2).map(|_| from([127, 0, 0, 2])).collect();
    until(&broker, |now| now.handshakes == 6);
    // Places that are given back are counted back.
    drop(greedy);
    until(&broker, |now| now.handshakes == 2);
    let config = config(&authority, &version::TLS13, None);
    let mut clients: Vec<_> = (0..6)
        .map(|n| Secure::connect(secure, &config, &format!("c{n}")))
        .collect();
    clients.iter_mut().for_each(Secure::ping);
    drop(modest);
    until(&broker, |now| now.handshakes == 0);
}

#[test]
fn bad_records_end_their_own_connection_only() {
    let (place, authority) = (Place::new(), Authority::new("ca"));
    let (broker, plain, secure) = with_tls(1, place.settings(&authority), |_| {});
    let mut other = Client::connect(plain, "other");
    let giant = [&[0x16, 3, 3, 0xFF, 0xFF][..], &vec![0; 70_000]].concat();
    let empty = [0x16, 3, 3, 0, 0].repeat(5000);
    let alerts = [0x15, 3, 3, 0, 2, 1, 90].repeat(5000);
    // A handshake message that is announced with 16 MB and sent in records.
    let mut endless = vec![0x16, 3, 1, 0x40, 0, 1, 0xFF, 0xFF, 0xFF];
    endless.resize(5 + 0x4000, 0);
    for _ in 0..8 {
        endless.extend_from_slice(&[0x16, 3, 1, 0x40, 0]);
        endless.resize(endless.len() + 0x4000, 0);
    }
    for bad in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &connect_packet("plain", true),
        &[0xFF; 5000],
        &[0x80, 0x2E, 1, 0, 2],
        &[0x16, 3, 3, 0xFF, 0xFF],
        &giant,
        &empty,
        &alerts,
        &endless,
        // Application data before there is a key.
        &[0x17, 3, 3, 0, 4, 1, 2, 3, 4],
    ] {
        let mut client = Client::raw(secure);
        // It may be closed while we still write.
        drop(client.0.write_all(bad));
        let rest = client.into_rest();
        // Nothing, or an alert.
        assert!(rest.is_empty() || rest[0] == 0x15, "{rest:02x?}");
        other.ping();
    }
    // And in the middle of a good one.
    for version in BOTH {
        let mut client = Secure::connect(secure, &config(&authority, version, None), "c");
        client.0.sock.write_all(&[0x17, 3, 3, 0, 20, 1, 2, 3, 4]).unwrap();
        client.0.sock.write_all(&[9; 100]).unwrap();
        assert!(!client.ends_in_order());
    }
    until(&broker, |now| now.open == 1 && now.handshakes == 0);
    other.ping();
}

#[test]
fn what_cannot_be_loaded_is_named_with_what_is_wrong() {
    let (place, authority) = (Place::new(), Authority::new("ca"));
    let server = authority.server(&["localhost"]);
    let load = |change: &dyn Fn(&mut TlsSettings)| {
        let mut settings = place.settings(&authority);
        change(&mut settings);
        TlsContext::load(&settings).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(load(&|_| {}), Ok(()));
    let (text, other) = (place.write("text", "nothing"), place.files("other", &server));
    let locked = place.write(
        "locked",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let broken = place.write(
        "broken",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let old = place.write("old", &authority.crl(&[], 2025));
    let ca = place.write("ca", &authority.pem);
    // What is in front of the piece that is broken is counted as well.
    let broken_second = place.write(
        "key-first",
        "a\n\nb\n-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
    );
    let old_ca = place.write("old-ca", &Authority::until("old", 2020).pem);
    type Change<'a> = Box<dyn Fn(&mut TlsSettings) + 'a>;
    let cases: Vec<(&str, &str, Change<'_>)> = vec![
        (
            "missing",
            "cannot be opened",
            Box::new(|tls| tls.certificates[0].chain = place.path("missing")),
        ),
        (
            "text",
            "holds no certificate in PEM",
            Box::new(|tls| tls.certificates[0].chain = text.clone()),
        ),
        (
            "broken:1",
            "cannot be read",
            Box::new(|tls| tls.certificates[0].chain = broken.clone()),
        ),
        (
            "text",
            "holds no private key",
            Box::new(|tls| tls.certificates[0].key = text.clone()),
        ),
        (
            "locked:1",
            "pass phrase",
            Box::new(|tls| tls.certificates[0].key = locked.clone()),
        ),
        (
            "other.key:1",
            "does not belong",
            Box::new(|tls| tls.certificates[0].key = other.key.clone()),
        ),
        (
            "key-first:4",
            "is broken PEM",
            Box::new(|tls| tls.certificates[0].chain = broken_second.clone()),
        ),
        (
            "server.pem",
            "has is CERTIFICATE in line 1",
            Box::new(|tls| tls.certificates[0].key = tls.certificates[0].chain.clone()),
        ),
        (
            "server.key",
            "has is PRIVATE KEY in line 1",
            Box::new(|tls| {
                tls.clients = ClientCertificates::Required;
                tls.ca = Some(tls.certificates[0].key.clone());
            }),
        ),
        (
            "old-ca",
            "all authorities",
            Box::new(|tls| {
                tls.clients = ClientCertificates::Required;
                tls.ca = Some(old_ca.clone());
            }),
        ),
        ("none is given", "certificate", Box::new(|tls| tls.certificates.clear())),
        (
            "authority",
            "asked for",
            Box::new(|tls| tls.clients = ClientCertificates::Required),
        ),
        (
            "old:1",
            "to be replaced by",
            Box::new(|tls| {
                tls.clients = ClientCertificates::Required;
                tls.ca = Some(ca.clone());
                tls.crls = vec![old.clone()];
            }),
        ),
        (
            "text",
            "no list of revoked",
            Box::new(|tls| {
                tls.clients = ClientCertificates::Optional;
                tls.ca = Some(ca.clone());
                tls.crls = vec![text.clone()];
            }),
        ),
    ];
    for (name, what, change) in &cases {
        let error = load(change).unwrap_err();
        assert!(error.contains(name) && error.contains(what), "{name}: {error}");
    }
    let context = TlsContext::load(&place.settings(&authority)).unwrap();
    assert_eq!(context.expires().len(), 1);
    // A broker does not start with it.
    let mut tls = place.settings(&authority);
    tls.certificates[0].key = place.path("other.key");
    let error = Broker::start(BrokerConfig {
        listeners: vec![listener("mqtts", tls)],
        ..BrokerConfig::default()
    });
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("mqtts://127.0.0.1:0") && error.contains("does not belong"),
        "{error}"
    );
}

#[test]
fn openssl_is_understood_in_both_versions() {
    let (place, authority) = (Place::new(), Authority::new("ca"));
    let shown = place.files("client", &authority.client("c", 2090));
    let (_broker, _, secure) = with_tls(1, place.mutual(&authority, ClientCertificates::Required), |_| {});
    for version in ["-tls1_2", "-tls1_3"] {
        let mut child = Command::new("openssl")
            .args([
                "s_client",
                "-connect",
                &secure.to_string(),
                "-servername",
                "localhost",
                version,
            ])
            .args(["-quiet", "-verify_return_error", "-CAfile"])
            .arg(place.path("ca.pem"))
            .arg("-cert")
            .arg(&shown.chain)
            .arg("-key")
            .arg(&shown.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed by scripts/setup");
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&connect_packet("openssl", true)).unwrap();
        let mut got = [0; 4];
        child.stdout.take().unwrap().read_exact(&mut got).unwrap();
        assert_eq!(got, [0x20, 2, 0, 0], "{version}");
        stdin.write_all(&[0xE0, 0]).unwrap();
        drop(stdin);
        child.wait().unwrap();
    }
}

#[test]
fn what_has_expired_is_told_and_does_not_keep_the_broker_from_starting() {
    let (place, authority, old) = (Place::new(), Authority::new("ca"), Authority::until("old", 2020));
    let mut settings = place.settings(&authority);
    assert!(TlsContext::load(&settings).unwrap().warnings().is_empty());
    // Behind the certificate one that is over, and among the authorities as well.
    let server = authority.server(&["localhost"]);
    let chain = format!("{}{}", server.chain, old.pem);
    settings.certificates[0] = place.files(
        "chained",
        &support::certificates::Signed {
            chain,
            ..server.clone()
        },
    );
    settings.clients = ClientCertificates::Optional;
    settings.ca = Some(place.write("bundle.pem", &format!("{}{}{}", old.pem, authority.pem, server.chain)));
    let context = TlsContext::load(&settings).unwrap();
    let told: Vec<_> = context.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].contains("chained.pem:") && told[0].contains("expired on"),
        "{told:?}"
    );
    assert!(
        told[1].contains("bundle.pem:1:") && told[1].contains("left out"),
        "{told:?}"
    );
    assert!(told[2].contains("no authority"), "{told:?}");
    // Its own one: the broker serves, and who does not look at dates comes in.
    settings.certificates[0] = place.files("expired", &authority.server_until(&["localhost"], 2020));
    let context = TlsContext::load(&settings).unwrap();
    let told = context.warnings()[0].to_string();
    assert!(
        told.contains("expired.pem:1:") && told.contains("DO NOT CONNECT"),
        "{told}"
    );
    let (broker, _) = start(1, |config| config.listeners.push(listener("mqtts", settings)));
    assert_eq!(broker.addresses().len(), 2);
}
