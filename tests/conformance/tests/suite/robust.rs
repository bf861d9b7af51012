//! Bad company: garbage, trickles, crowds and exhausted descriptors harm nobody else; listeners and the clean end.

use std::net::TcpStream;
use std::time::Duration;

use burgee_conformance::{Connect, Next, Server, Wire, frame, proofs, publish};

proofs![
    garbage_before_connect_harms_nobody,
    garbage_after_connect_harms_nobody,
    mutated_packets_harm_nobody,
    slow_trickle_harms_nobody,
    half_open_crowd_harms_nobody,
    many_clients_come_and_go,
    accept_errors_are_survived,
    several_listeners_are_one_broker,
    the_end_is_clean_with_clients_connected,
];

/// A small generator of its own: the same bytes in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u8 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 56) as u8
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// Somebody who has to be served all the time.
struct Bystander {
    publisher: Wire,
    watcher: Wire,
    topic: String,
    count: u32,
}

impl Bystander {
    fn new(s: &Server) -> Self {
        let topic = s.topic("bystander");
        let watcher = s.watcher(&topic, 2);
        Self {
            publisher: s.client("bystander"),
            watcher,
            topic,
            count: 0,
        }
    }

    #[track_caller]
    fn is_served(&mut self) {
        self.count += 1;
        let text = self.count.to_string();
        self.publisher.publish(0x34, &self.topic, &text);
        self.watcher.take(0x34, &self.topic, &text);
    }
}

fn garbage_before_connect_harms_nobody(s: &Server) {
    let mut bystander = Bystander::new(s);
    let mut noise = Noise(1);
    let mut open = Vec::new();
    for round in 0..300 {
        let mut wire = s.raw();
        let length = usize::from(noise.next()) + 1;
        let mut bytes = noise.bytes(length);
        if round % 3 == 0 {
            bytes[0] = 0x10;
        }
        wire.send(bytes);
        open.push(wire);
        if round % 50 == 0 {
            bystander.is_served();
        }
    }
    for mut wire in open {
        wire.finish_sending();
        wire.drained();
    }
    bystander.is_served();
}

fn garbage_after_connect_harms_nobody(s: &Server) {
    let mut bystander = Bystander::new(s);
    let mut noise = Noise(2);
    for round in 0..300 {
        let mut wire = s.client("a");
        let length = usize::from(noise.next()) + 1;
        wire.send(noise.bytes(length));
        wire.finish_sending();
        wire.drained();
        if round % 50 == 0 {
            bystander.is_served();
        }
    }
    bystander.is_served();
}

fn mutated_packets_harm_nobody(s: &Server) {
    let mut bystander = Bystander::new(s);
    let mut noise = Noise(3);
    let t = s.topic("t");
    let script = [
        Connect::new(s.id("m"))
            .persistent()
            .will(0x14, &t, "will")
            .user("u")
            .password("p")
            .bytes(),
        burgee_conformance::subscribe(1, &[(&t, 2), (&s.topic("#"), 1)]),
        publish(0x35, &t, 2, "payload"),
        burgee_conformance::ack(0x62, 2),
        burgee_conformance::unsubscribe(3, &[&t]),
        burgee_conformance::packet::PINGREQ.to_vec(),
    ]
    .concat();
    for round in 0..400 {
        let mut bytes = script.clone();
        for _ in 0..=noise.next() % 3 {
            let place = (usize::from(noise.next()) * 256 + usize::from(noise.next())) % bytes.len();
            match noise.next() % 4 {
                0 => bytes[place] ^= 1 << (noise.next() % 8),
                1 => bytes[place] = noise.next(),
                2 => drop(bytes.remove(place)),
                _ => bytes.insert(place, noise.next()),
            }
        }
        let mut wire = s.raw();
        wire.send(bytes);
        wire.finish_sending();
        wire.drained();
        if round % 50 == 0 {
            bystander.is_served();
        }
    }
    bystander.is_served();
}

fn slow_trickle_harms_nobody(s: &Server) {
    let mut bystander = Bystander::new(s);
    let t = s.topic("t");
    let packet = publish(0x32, &t, 1, "slow");
    let mut slow: Vec<Wire> = (0..20).map(|number| s.client(&number.to_string())).collect();
    let mut watcher = s.watcher(&t, 1);
    for byte in &packet {
        for wire in &mut slow {
            wire.send([*byte]);
        }
        bystander.is_served();
    }
    for wire in &mut slow {
        wire.expect(burgee_conformance::ack(0x40, 1));
        watcher.take(0x32, &t, "slow");
    }
}

fn half_open_crowd_harms_nobody(s: &Server) {
    let mut bystander = Bystander::new(s);
    // They connect and say nothing, or stop in the middle of a CONNECT.
    let mut crowd: Vec<Wire> = (0..150).map(|_| s.raw()).collect();
    for wire in crowd.iter_mut().step_by(2) {
        wire.send(&Connect::new(s.id("half")).bytes()[..7]);
    }
    bystander.is_served();
    s.client("late").alive();
    drop(crowd);
    bystander.is_served();
}

fn many_clients_come_and_go(s: &Server) {
    let mut bystander = Bystander::new(s);
    for round in 0..5 {
        let mut all: Vec<Wire> = (0..60).map(|number| s.client(&number.to_string())).collect();
        let t = s.topic(&round.to_string());
        for wire in &mut all {
            wire.subscribe(&[(&t, 1)]);
        }
        s.publish(0x32, &t, "to sixty");
        for wire in &mut all {
            wire.take(0x32, &t, "to sixty");
        }
        // All are taken over at once, or leave at once.
        if round % 2 == 0 {
            let next: Vec<Wire> = (0..60).map(|number| s.client(&number.to_string())).collect();
            for wire in &mut all {
                wire.closed();
            }
            drop(next);
        }
        bystander.is_served();
    }
}

fn accept_errors_are_survived(s: &Server) {
    if s.process().is_none() {
        return;
    }
    let poor = s.sibling("ulimit -n 60", &["--sys-interval", "0"]);
    let mut bystander = Bystander::new(&poor);
    // More connections than descriptors: the kernel accepts them, the broker cannot.
    let crowd: Vec<TcpStream> = (0..100)
        .map_while(|_| TcpStream::connect(poor.address()).ok())
        .collect();
    for _ in 0..20 {
        bystander.is_served();
    }
    drop(crowd);
    // As soon as there is room, newcomers are served.
    let mut wire = poor.raw();
    wire.send(Connect::new("newcomer").bytes());
    assert_eq!(wire.next(Duration::from_secs(10)), Next::Packet(vec![0x20, 2, 0, 0]));
    bystander.is_served();
    drop(bystander);
    let log = poor
        .process()
        .map(burgee_conformance::process::Process::log)
        .unwrap_or_default();
    assert!(log.lines().count() < 100, "the log was flooded:\n{log}");
    poor.finish();
}

fn several_listeners_are_one_broker(s: &Server) {
    if s.process().is_none() {
        return;
    }
    let six = TcpStream::connect("[::1]:9").err().map(|error| error.kind());
    let mut listeners = vec!["--listen", "tcp://127.0.0.1:0", "--listen", "tcp://127.0.0.1:0"];
    // A host without IPv6 says so otherwise than by refusing.
    if six == Some(std::io::ErrorKind::ConnectionRefused) {
        listeners.extend(["--listen", "tcp://[::1]:0"]);
    }
    let count = listeners.len() / 2;
    let many = s.sibling("", &listeners);
    let mut addresses = vec![many.address()];
    addresses.extend((1..count).map(|_| many.process().unwrap().listening()));
    let t = many.topic("t");
    let mut watchers: Vec<Wire> = addresses
        .iter()
        .map(|address| {
            let mut wire = Wire::connect(*address);
            wire.send(Connect::new(address.to_string()).bytes());
            wire.expect([0x20, 2, 0, 0]);
            wire.subscribe(&[(&t, 1)]);
            wire
        })
        .collect();
    for place in 0..count {
        watchers[place].publish(0x32, &t, place.to_string());
        for wire in &mut watchers {
            wire.take(0x32, &t, place.to_string());
        }
    }
    drop(watchers);
    many.finish();
}

fn the_end_is_clean_with_clients_connected(s: &Server) {
    if s.process().is_none() {
        return;
    }
    let ending = s.sibling("", &["--sys-interval", "0"]);
    let t = ending.topic("t");
    let mut clients: Vec<Wire> = (0..10).map(|number| ending.client(&number.to_string())).collect();
    let mut half = ending.raw();
    half.send([0x10, 20]);
    let mut watcher = ending.watcher(&t, 1);
    clients[0].send(frame(0x30, [&[0, t.len() as u8], t.as_bytes(), b"last"].concat()));
    watcher.take(0x30, &t, "last");
    ending.finish_while(|| {
        // Everybody sees the end of the stream, nobody a packet that is none.
        for wire in clients.iter_mut().chain([&mut half, &mut watcher]) {
            wire.drained();
        }
    });
}
