//! Brokers that drop clients which only sit there.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::target::Live;

/// Greets clients one by one, the first of a run included, and drops all but so many once it is told to.
fn drops_all_but(kept: usize, of: usize) -> (SocketAddr, mpsc::Sender<()>) {
    let (now, told) = mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut first = listener.accept().unwrap().0;
        greet(&mut first);
        assert!(first.read(&mut [0; 100]).unwrap() > 0, "its goodbye");
        drop(first);
        let mut clients: Vec<TcpStream> = (0..of).map(|_| listener.accept().unwrap().0).collect();
        clients.iter_mut().for_each(greet);
        told.recv().unwrap();
        clients.truncate(kept);
        for client in &mut clients {
            assert!(client.read(&mut [0; 100]).unwrap() > 0, "the last ping");
            client.write_all(&[0xD0, 0]).unwrap();
        }
        for client in &mut clients {
            // The goodbye, or an end without one.
            while client.read(&mut [0; 100]).is_ok_and(|some| some > 0) {}
        }
    });
    (address, now)
}

/// CONNACK; SUBACK and PINGRESP once SUBSCRIBE and PINGREQ have come.
fn greet(client: &mut TcpStream) {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 1000];
    assert!(client.read(&mut buffer).unwrap() > 0);
    client.write_all(&[0x20, 2, 0, 0]).unwrap();
    let mut end = 0;
    while buffer.get(..end).is_none_or(|seen| !seen.ends_with(&wire::PINGREQ)) {
        let some = client.read(&mut buffer[end..]).unwrap();
        assert!(some > 0);
        end += some;
    }
    let id = [buffer[2], buffer[3]];
    client.write_all(&[0x90, 3, id[0], id[1], 0, 0xD0, 0]).unwrap();
}

fn idle((address, now): (SocketAddr, mpsc::Sender<()>)) -> Result<Outcome, Error> {
    let plan = Idle {
        connections: 5,
        qos: 0,
        quiet: Duration::from_millis(400),
    };
    plan.run(&Target::new(address), &mut |live: &Live| {
        if live.phase == "quiet" {
            // Told more than once: the broker hears the first.
            now.send(()).ok();
        }
    })
}

#[test]
fn a_broker_that_is_gone_is_no_measurement() {
    let gone = idle(drops_all_but(0, 5));
    assert!(
        matches!(&gone, Err(Error::Closed { client, .. }) if client == "every client"),
        "{gone:?}"
    );
}

#[test]
fn clients_that_were_dropped_are_told() {
    let outcome = idle(drops_all_but(2, 5)).unwrap();
    assert!((outcome.figures["dropped"] - 3.0).abs() < f64::EPSILON);
    assert!(outcome.promise_kept && outcome.warnings.iter().any(|w| w.starts_with("3 of 5 clients")));
}

#[test]
fn names_and_topics_are_those_of_this_generator() {
    for text in [name('i', 7), topic('i', 7)] {
        assert!(text.contains(tag()), "{text}");
    }
    assert!(name('i', 99_999_999).len() <= 23, "what every broker has to take");
}
