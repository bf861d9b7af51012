//! A broker that dies under a publisher, and under a run that wants to clean up behind itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use super::*;
use crate::scenario::Retained;
use crate::target::Live;

/// Accepts one client, reads so many bytes, answers only the CONNECT, and is gone.
fn dies_after(bytes: usize) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let broker = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let (mut seen, mut buffer) = (0, [0; 4096]);
        while seen < bytes {
            let some = client.read(&mut buffer).unwrap();
            assert!(some > 0, "the publisher went first");
            if seen == 0 {
                client.write_all(&[0x20, 2, 0, 0]).unwrap();
            }
            seen += some;
        }
    });
    (address, broker)
}

#[test]
fn who_lost_its_broker_does_not_wait_for_it_again() {
    let (address, broker) = dies_after(200);
    let (target, mut watch) = (Target::new(address), |_: &Live| {});
    let mut ticker = Ticker::new(&mut watch);
    let mut feed = Feed::join(&target, "feed".to_owned(), (1, 10), &mut ticker).unwrap();
    let mut pour = || {
        feed.pour((&target, 1000), &mut ticker, |_, out, packet| {
            wire::put_publish(out, packet, b"topic", &[0; 64]);
        })
    };
    let begun = Instant::now();
    assert!(pour().is_err());
    assert!(matches!(pour(), Err(Error::Closed { .. })));
    assert!(begun.elapsed() < PATIENCE / 2);
    broker.join().unwrap();
}

#[test]
fn a_run_whose_broker_died_does_not_try_to_clean_up() {
    let (address, broker) = dies_after(2000);
    let begun = Instant::now();
    let died = Retained::default().run(&Target::new(address), &mut |_: &Live| {});
    assert!(
        matches!(died, Err(Error::Closed { .. } | Error::Unreachable { .. })),
        "{died:?}"
    );
    assert!(begun.elapsed() < PATIENCE / 2);
    broker.join().unwrap();
}
