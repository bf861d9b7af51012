//! Section 3.1.2.10: the keep alive. These tests need real seconds.

use std::thread;
use std::time::{Duration, Instant};

use burgee_conformance::packet::{PINGREQ, PINGRESP};
use burgee_conformance::{Connect, Server, Wire, proofs, publish};

proofs![
    mqtt_3_1_2_23_client_sends_within_keep_alive,
    mqtt_3_1_2_24_keep_alive_expiry_closes,
    d11_outgoing_traffic_does_not_count,
];

/// What a client has to be late by at most, so that a loaded machine does not decide.
const LATE: Duration = Duration::from_millis(2500);

/// Calls `send` every 0.85 s; false if the machine itself was too late to say anything.
fn paced(rounds: u32, mut send: impl FnMut()) -> bool {
    let mut last = Instant::now();
    for _ in 0..rounds {
        thread::sleep(Duration::from_millis(850));
        send();
        if last.elapsed() > Duration::from_millis(1400) {
            return false;
        }
        last = Instant::now();
    }
    true
}

/// Runs a timed scenario again if the machine stood still in it.
fn with_time(mut scenario: impl FnMut() -> bool) {
    assert!(
        (0..4).any(|_| scenario()),
        "this machine is too slow for a keep alive of one second"
    );
}

fn mqtt_3_1_2_23_client_sends_within_keep_alive(s: &Server) {
    let t = s.topic("t");
    thread::scope(|scope| {
        scope.spawn(|| {
            with_time(|| {
                let mut wire = s.open(&Connect::new(s.id("ping")).keep_alive(1));
                let intime = paced(4, || wire.send(PINGREQ));
                if intime {
                    (0..4).for_each(|_| wire.expect(PINGRESP));
                    wire.quiet();
                }
                intime
            });
        });
        // Every packet counts, not only PINGREQ.
        scope.spawn(|| {
            with_time(|| {
                let mut wire = s.open(&Connect::new(s.id("publish")).keep_alive(1));
                let intime = paced(4, || wire.send(publish(0x30, &t, 0, "x")));
                if intime {
                    wire.alive();
                }
                intime
            });
        });
    });
}

/// Waits for the close of a connection with keep alive 2 and judges the moment.
#[track_caller]
fn closes_in_time(mut wire: Wire, start: Instant) {
    wire.closed_within(Duration::from_secs(12));
    let after = start.elapsed();
    assert!(
        after >= Duration::from_millis(2950),
        "closed after {after:?}, before 1.5 times the keep alive"
    );
    assert!(after <= Duration::from_secs(3) + LATE, "closed only after {after:?}");
}

fn mqtt_3_1_2_24_keep_alive_expiry_closes(s: &Server) {
    let (w, t) = (s.topic("will"), s.topic("t"));
    let mut watcher = s.watcher(&w, 1);
    thread::scope(|scope| {
        scope.spawn(|| {
            let start = Instant::now();
            let wire = s.open(&Connect::new(s.id("silent")).keep_alive(2).will(0x0C, &w, "expired"));
            closes_in_time(wire, start);
        });
        // Bytes of an incomplete packet are no packet.
        scope.spawn(|| {
            let start = Instant::now();
            let mut wire = s.open(&Connect::new(s.id("half")).keep_alive(2));
            let mut writer = wire.writer();
            wire.send([0x30, 100, 0, 50]);
            scope.spawn(move || {
                while start.elapsed() < Duration::from_secs(6) {
                    if std::io::Write::write_all(&mut writer, b"x").is_err() {
                        break;
                    }
                    thread::sleep(Duration::from_millis(300));
                }
            });
            closes_in_time(wire, start);
        });
        // A complete packet starts the time anew.
        scope.spawn(|| {
            let mut wire = s.open(&Connect::new(s.id("later")).keep_alive(2));
            thread::sleep(Duration::from_millis(900));
            let start = Instant::now();
            wire.send(publish(0x30, &t, 0, "x"));
            closes_in_time(wire, start);
        });
        // 0 is never; 1.5 times 65535 does not fit into 16 bits.
        for seconds in [0, 65_535, 43_691] {
            let t = &t;
            scope.spawn(move || {
                let id = s.id(&seconds.to_string());
                let mut wire = s.open(&Connect::new(id).keep_alive(seconds));
                wire.quiet_for(Duration::from_millis(4500));
                wire.subscribe(&[(t, 0)]);
            });
        }
    });
    watcher.take(0x32, &w, "expired");
    s.only_marker(&mut watcher, &w);
}

fn d11_outgoing_traffic_does_not_count(s: &Server) {
    let t = s.topic("t");
    let start = Instant::now();
    let mut silent = s.open(&Connect::new(s.id("silent")).keep_alive(2));
    silent.subscribe(&[(&t, 0)]);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut publisher = s.client("p");
            while start.elapsed() < Duration::from_secs(4) {
                publisher.publish(0x30, &t, "x");
                thread::sleep(Duration::from_millis(250));
            }
        });
        silent.drained();
        let after = start.elapsed();
        assert!(
            after >= Duration::from_millis(2950) && after <= Duration::from_secs(3) + LATE,
            "after {after:?}"
        );
    });
}
