//! Settings that change while clients are served: nobody is disconnected and nothing is lost but what the change names,
//! and a change that cannot be had changes nothing.

#![allow(
    clippy::unwrap_used,
    reason = "a test speaks by panicking; helpers outside of test functions do so, too"
)]

mod support;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use burgee_broker::{Anonymous, Broker, BrokerConfig, Listen, ReloadError, ReloadReport};
use support::{Client, PATIENCE, connect_packet, publish_qos1, start, subscribe_packet};

/// A broker of so many shards, and the settings that it started with.
fn broker(shards: u16) -> (Broker, SocketAddr, BrokerConfig) {
    let mut settings = BrokerConfig::default();
    let (broker, address) = start(shards, |config| settings = config.clone());
    (broker, address, settings)
}

fn any_port() -> Listen {
    Listen::new("tcp://127.0.0.1:0".parse().unwrap())
}

fn reload(broker: &mut Broker, settings: &BrokerConfig) -> ReloadReport {
    broker.reload(settings, BTreeSet::new()).unwrap()
}

/// Publishes numbers, one at a time, until told to end; how many were acknowledged.
fn publish(address: SocketAddr, name: u8, end: &AtomicBool) -> u64 {
    let mut client = Client::connect(address, &format!("pub{name}"));
    let mut number = 0_u64;
    while !end.load(Ordering::Relaxed) {
        let id = u16::try_from(number % 60_000).unwrap() + 1;
        client.send(&publish_qos1(&format!("t/{name}"), id, &number.to_be_bytes()));
        let [high, low] = id.to_be_bytes();
        client.expect(&[0x40, 2, high, low]);
        number += 1;
    }
    client.send(&[0xE0, 0]);
    number
}

/// Takes the messages of each publisher in their order, and acknowledges them; a last one of nobody says how many they are.
fn collect(mut stream: TcpStream, publishers: u8) {
    let mut next = vec![0_u64; usize::from(publishers)];
    let mut wanted = None;
    let mut packet = [0; 17];
    while wanted.is_none_or(|wanted| next.iter().sum::<u64>() < wanted) {
        stream
            .read_exact(&mut packet)
            .expect("the subscriber keeps its connection");
        assert_eq!(packet[..6], [0x32, 15, 0, 3, b't', b'/'], "{packet:x?}");
        let number = u64::from_be_bytes(packet[9..].try_into().unwrap());
        let from = usize::from(packet[6] - b'0');
        if let Some(next) = next.get_mut(from) {
            assert_eq!(number, *next, "publisher {from}");
            *next += 1;
        } else {
            wanted = Some(number);
        }
        stream.write_all(&[0x40, 2, packet[7], packet[8]]).unwrap();
    }
}

#[test]
fn under_load_nothing_is_lost_and_nobody_is_disconnected() {
    const PUBLISHERS: u8 = 4;
    for shards in [1, 3] {
        let (mut broker, address, settings) = broker(shards);
        let mut subscriber = Client::connect(address, "sub");
        subscriber.send(&subscribe_packet("t/#", 1));
        subscriber.expect(&[0x90, 3, 0, 1, 1]);
        let end = Arc::new(AtomicBool::new(false));
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|name| {
                let end = Arc::clone(&end);
                thread::spawn(move || publish(address, name, &end))
            })
            .collect();
        let collector = thread::spawn(move || collect(subscriber.0, PUBLISHERS));
        for round in 0..40_u32 {
            let mut new = settings.clone();
            new.core.max_subscriptions = 10 + round as usize;
            new.accept.max_per_address = 100 + round;
            if round % 2 == 0 {
                new.listeners.push(any_port());
            }
            let report = reload(&mut broker, &new);
            assert!(report.dismissed.is_empty(), "{report:?}");
            assert_eq!(
                (report.opened.len(), report.closed.len()),
                if round % 2 == 0 { (1, 0) } else { (0, 1) }
            );
            if round % 2 == 0 {
                let mut guest = Client::connect(broker.addresses()[1], "guest");
                guest.ping();
                guest.send(&[0xE0, 0]);
                assert!(guest.into_rest().is_empty());
            }
        }
        end.store(true, Ordering::Relaxed);
        let sent: u64 = publishers.into_iter().map(|publisher| publisher.join().unwrap()).sum();
        let mut last = Client::connect(address, "last");
        last.send(&publish_qos1("t/9", 1, &sent.to_be_bytes()));
        last.expect(&[0x40, 2, 0, 1]);
        collector.join().unwrap();
        assert!(sent >= 40, "{sent} messages are no load");
        assert!(broker.shutdown(PATIENCE));
    }
}

#[test]
fn a_removed_listener_takes_its_connections_along_and_they_are_named() {
    for shards in [1, 3] {
        let (mut broker, address, settings) = broker(shards);
        let mut more = settings.clone();
        more.listeners.push(any_port());
        reload(&mut broker, &more);
        let second = broker.addresses()[1];
        let mut stays = Client::connect(address, "stays");
        let goes = ["a", "b", "c"].map(|id| Client::connect(second, id));
        let report = reload(&mut broker, &settings);
        assert_eq!(report.closed, [format!("tcp://{second}").parse().unwrap()]);
        let mut named: Vec<_> = report
            .dismissed
            .iter()
            .map(|it| it.client_id.clone().unwrap())
            .collect();
        named.sort();
        assert_eq!(named, ["a", "b", "c"].map(Box::from));
        let peers: BTreeSet<_> = report.dismissed.iter().map(|it| it.peer.clone().unwrap()).collect();
        let ours: BTreeSet<_> = goes
            .iter()
            .map(|client| client.0.local_addr().unwrap().to_string())
            .collect();
        assert_eq!(peers, ours);
        for client in goes {
            assert!(client.into_rest().is_empty());
        }
        stays.ping();
        assert!(TcpStream::connect(second).is_err());
        assert_eq!(broker.addresses(), [address]);
        assert!(broker.shutdown(PATIENCE));
    }
}

#[test]
fn who_has_no_name_goes_when_names_are_asked_for_and_is_named() {
    for shards in [1, 3] {
        let (mut broker, address, settings) = broker(shards);
        let mut more = settings.clone();
        let mut open = any_port();
        open.anonymous = Anonymous::Allowed;
        more.listeners.push(open);
        reload(&mut broker, &more);
        let mut elsewhere = Client::connect(broker.addresses()[1], "elsewhere");
        let goes = ["a", "b"].map(|id| Client::connect(address, id));
        more.listeners[0].anonymous = Anonymous::Refused;
        let report = reload(&mut broker, &more);
        let named: BTreeSet<_> = report
            .dismissed
            .iter()
            .filter_map(|it| it.client_id.as_deref())
            .collect();
        assert_eq!(named, BTreeSet::from(["a", "b"]));
        assert!(
            report.dismissed.iter().all(|it| it.why.contains("anonymous")),
            "{report:?}"
        );
        for client in goes {
            assert!(client.into_rest().is_empty());
        }
        elsewhere.ping();
        let mut again = Client::raw(address);
        again.send(&connect_packet("a", true));
        again.expect(&[0x20, 2, 0, 5]);
        // Whoever is refused anyway is not named again.
        assert!(reload(&mut broker, &more).dismissed.is_empty());
    }
}

#[test]
fn limits_of_what_is_let_in_hold_at_once() {
    let (mut broker, address, mut settings) = broker(1);
    let mut first = Client::connect(address, "first");
    settings.listeners[0].max_connections = 1;
    reload(&mut broker, &settings);
    assert!(Client::raw(address).into_rest().is_empty());
    settings.listeners[0].max_connections = 2;
    settings.max_open = 1;
    reload(&mut broker, &settings);
    assert!(Client::raw(address).into_rest().is_empty());
    settings.max_open = 2;
    reload(&mut broker, &settings);
    Client::connect(address, "second").ping();
    first.ping();
}

#[test]
fn a_listener_that_cannot_be_had_leaves_everything_as_it_was() {
    let (mut broker, address, settings) = broker(3);
    let mut client = Client::connect(address, "client");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut new = settings.clone();
    new.core.max_subscriptions = 0;
    new.listeners[0].max_connections = 1;
    new.listeners.push(any_port());
    let url = format!("tcp://{}", taken.local_addr().unwrap());
    new.listeners.push(Listen::new(url.parse().unwrap()));
    let error = broker.reload(&new, BTreeSet::from(["anybody".into()])).unwrap_err();
    assert!(error.to_string().contains(&url), "{error}");
    let mut nothing = settings;
    nothing.listeners.clear();
    assert!(matches!(
        broker.reload(&nothing, BTreeSet::new()),
        Err(ReloadError::NoListener)
    ));
    assert_eq!(broker.addresses(), [address]);
    client.send(&subscribe_packet("t", 0));
    client.expect(&[0x90, 3, 0, 1, 0]);
    Client::connect(address, "another").ping();
}
