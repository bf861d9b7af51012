//! Who comes in and who does not: Unix sockets, and the limits at the doors.

#![allow(
    clippy::unwrap_used,
    reason = "a test speaks by panicking; helpers outside of test functions do so, too"
)]

mod support;

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use burgee_broker::{Broker, BrokerConfig, Listen, TransportCounters};
use support::{Client, PATIENCE, connect_packet, publish_packet, start};

/// Waits until the counters are as they have to be.
fn until(broker: &Broker, what: impl Fn(&TransportCounters) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !what(&broker.transport_counters()) {
        assert!(Instant::now() < end, "{:?}", broker.transport_counters());
        thread::yield_now();
    }
}

/// It is closed without a word.
fn is_closed(mut client: TcpStream) -> bool {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    !matches!(client.read(&mut [0; 1]), Ok(1..))
}

fn open(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).unwrap()
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_served_beside_tcp_and_goes_at_the_end() {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    let path = std::env::temp_dir().join(format!("burgee-doors-{}.sock", std::process::id()));
    for shards in [1, 3] {
        let (broker, address) = start(shards, |config| {
            let mut unix = Listen::new(format!("unix://{}", path.display()).parse().unwrap());
            unix.mode = 0o600;
            config.listeners.push(unix);
        });
        assert_eq!(broker.listening()[1].to_string(), format!("unix://{}", path.display()));
        let mut subscriber = Client::subscribed(address, "sub", "t", 0);
        let mut local = UnixStream::connect(&path).unwrap();
        local.set_read_timeout(Some(PATIENCE)).unwrap();
        // Whole packets of many sizes, so that it is written to and read from in pieces, too.
        let large = publish_packet("t", &vec![7; 3 << 20]);
        let again = local.try_clone().unwrap();
        let writer = thread::spawn({
            let (mut local, large) = (again, large.clone());
            move || {
                local.write_all(&connect_packet("local", true)).unwrap();
                local.write_all(&[0x82, 6, 0, 1, 0, 1, b't', 0]).unwrap();
                local.write_all(&large).unwrap();
            }
        });
        let mut got = vec![0; 9 + large.len()];
        local.read_exact(&mut got).unwrap();
        assert_eq!(got[..9], [0x20, 2, 0, 0, 0x90, 3, 0, 1, 0]);
        assert!(got[9..] == large[..]);
        subscriber.expect(&large);
        writer.join().unwrap();
        assert!(broker.shutdown(PATIENCE));
        assert!(!path.exists());
    }
}

#[test]
fn the_limit_of_a_listener_is_its_own() {
    let (broker, small) = start(1, |config| {
        config.listeners[0].max_connections = 2;
        config.listeners.extend(BrokerConfig::loopback(0).into_iter().take(1));
    });
    let large = broker.addresses()[1];
    let held = [open(small), open(small)];
    until(&broker, |now| now.open == 2);
    assert!(is_closed(open(small)));
    let mut elsewhere = Client::connect(large, "elsewhere");
    until(&broker, |now| now.refused_listener_full == 1 && now.open == 3);
    drop(held);
    until(&broker, |now| now.open == 1);
    Client::connect(small, "again").ping();
    elsewhere.ping();
}

#[test]
fn an_address_has_so_many_connections_and_unix_sockets_are_exempt() {
    let (broker, address) = start(3, |config| config.accept.max_per_address = 3);
    let held: Vec<_> = (0..3).map(|at| Client::connect(address, &format!("c{at}"))).collect();
    assert!(is_closed(open(address)));
    until(&broker, |now| now.refused_address == 1);
    drop(held);
    until(&broker, |now| now.open == 0);
    Client::connect(address, "again").ping();
    assert_eq!(broker.transport_counters().refused_address, 1);
}

#[test]
fn an_address_opens_connections_at_its_rate() {
    let (broker, address) = start(1, |config| {
        config.accept.rate_per_address = 1;
        config.accept.burst_per_address = 5;
    });
    let begun = Instant::now();
    let mut refused = 0_u64;
    for _ in 0..20 {
        let mut client = open(address);
        std::io::Write::write_all(&mut client, &connect_packet("c", true)).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let came_in = matches!(client.read(&mut [0; 4]), Ok(1..));
        refused += u64::from(!came_in);
    }
    let seconds = begun.elapsed().as_secs();
    // A burst of five, and one for each second that it took.
    assert!(
        refused <= 15 && refused + 1 + seconds >= 15,
        "{refused} of 20 in {seconds} s"
    );
    until(&broker, |now| now.refused_rate == refused);
}

#[test]
fn beyond_the_limit_of_all_new_ones_are_closed_and_counted() {
    let (broker, address) = start(3, |config| config.max_open = 2);
    let held = (Client::connect(address, "a"), Client::connect(address, "b"));
    assert!(is_closed(open(address)));
    until(&broker, |now| now.refused_full == 1 && now.open == 2);
    drop(held);
    until(&broker, |now| now.open == 0);
    Client::connect((Ipv4Addr::LOCALHOST, address.port()).into(), "c").ping();
    assert!(broker.shutdown(Duration::from_secs(5)));
}
