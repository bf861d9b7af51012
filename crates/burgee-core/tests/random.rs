//! Random stories with crashes: nothing acknowledged is lost, QoS 2 comes once and in order, counters return to zero.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong may panic"
)]

mod world;

use std::collections::{BTreeMap, BTreeSet};

use burgee_core::Config;
use burgee_core::io::End;
use burgee_store::Store;
use world::{Client, World, connect, publish, subscribe};

struct Rng(u64);
impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let x = (self.0 >> 33) ^ self.0;
        (x.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % n
    }
}

fn packets(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (mut at, mut out) = (0, Vec::new());
    while at < bytes.len() {
        let len = usize::from(bytes[at + 1]);
        out.push((bytes[at], bytes[at + 2..at + 2 + len].to_vec()));
        at += 2 + len;
    }
    out
}

#[derive(Default)]
struct Reader {
    line: Option<Client>,
    held: BTreeSet<u16>,
    got2: Vec<u16>,
    got1: BTreeSet<u16>,
    ready: bool,
}

#[derive(Default)]
struct Writer {
    line: Option<Client>,
    ready: bool,
    next: u16,
    open: BTreeMap<u8, (u16, bool)>,
    open1: BTreeMap<u8, u16>,
    acked2: BTreeSet<u16>,
    acked1: BTreeSet<u16>,
}

struct Story {
    world: World,
    r: Vec<Reader>,
    w: Writer,
}

impl Story {
    fn read(&mut self, at: usize) {
        let Some(line) = self.r[at].line else { return };
        for (first, body) in packets(&self.world.recv(line)) {
            let r = &mut self.r[at];
            match first >> 4 {
                2 => {
                    assert_eq!(body[1], 0);
                    r.ready = true;
                    if body[0] == 0 {
                        r.held.clear();
                    }
                }
                3 => {
                    let id = u16::from_be_bytes([body[3], body[4]]);
                    let n = u16::from_be_bytes([body[5], body[6]]);
                    if first & 6 == 2 {
                        r.got1.insert(n);
                        self.world.send(line, &[0x40, 2, body[3], body[4]]);
                    } else {
                        if r.held.insert(id) {
                            assert!(!r.got2.contains(&n), "{n} comes twice");
                            assert!(
                                r.got2.last().is_none_or(|last| *last < n),
                                "order: {n} after {:?}",
                                r.got2.last()
                            );
                            r.got2.push(n);
                        }
                        self.world.send(line, &[0x50, 2, body[3], body[4]]);
                    }
                }
                6 => {
                    r.held.remove(&u16::from_be_bytes([body[0], body[1]]));
                    self.world.send(line, &[0x70, 2, body[0], body[1]]);
                }
                9 => {}
                other => panic!("{other}"),
            }
        }
    }

    fn write(&mut self) {
        let Some(line) = self.w.line else { return };
        for (first, body) in packets(&self.world.recv(line)) {
            let w = &mut self.w;
            match first >> 4 {
                2 => {
                    w.ready = true;
                    let mut open: Vec<_> = w.open.iter().collect();
                    open.sort_by_key(|(_, (n, _))| *n);
                    let again: Vec<u8> = (open.into_iter())
                        .flat_map(|(&id, &(n, received))| {
                            if received {
                                vec![0x62, 2, 0, id]
                            } else {
                                publish(0x3C, "x", id, &n.to_be_bytes())
                            }
                        })
                        .collect();
                    let again1: Vec<u8> = (w.open1.iter())
                        .flat_map(|(&id, &n)| publish(0x3A, "x", id, &n.to_be_bytes()))
                        .collect();
                    self.world.send(line, &again);
                    self.world.send(line, &again1);
                }
                4 => {
                    let n = w.open1.remove(&body[1]).unwrap();
                    w.acked1.insert(n);
                }
                5 => {
                    if let Some(open) = w.open.get_mut(&body[1]) {
                        open.1 = true;
                        w.acked2.insert(open.0);
                        self.world.send(line, &[0x62, 2, 0, body[1]]);
                    }
                }
                7 => {
                    w.open.remove(&body[1]);
                }
                other => panic!("{other}"),
            }
        }
    }

    fn connect_reader(&mut self, at: usize) {
        let line = self.world.open(0);
        self.world.send(line, &connect(&format!("r{at}"), 0));
        self.r[at].line = Some(line);
        self.r[at].ready = false;
    }

    fn connect_writer(&mut self) {
        let line = self.world.open(0);
        self.world.send(line, &connect("w", 0));
        self.w.line = Some(line);
        self.w.ready = false;
    }

    fn lose_lines(&mut self) {
        for r in &mut self.r {
            (r.line, r.ready) = (None, false);
        }
        (self.w.line, self.w.ready) = (None, false);
    }
}

#[allow(
    clippy::too_many_lines,
    clippy::collapsible_match,
    reason = "a story is told in one piece, each turn of it in one arm"
)]
fn story(seed: u64) {
    let mut rng = Rng(seed.wrapping_mul(0x1234_5678_9ABC_DEF1));
    let shards = 1 + u16::try_from(rng.below(3)).unwrap();
    let world = World::new(Config {
        shards,
        durable: true,
        window: 1 + u16::try_from(rng.below(5)).unwrap(),
        fanout_slice: 1 + usize::try_from(rng.below(3)).unwrap(),
        store_bytes: 300 + usize::try_from(rng.below(2000)).unwrap(),
        outbox_bytes: 20 + usize::try_from(rng.below(200)).unwrap(),
        ..Config::default()
    });
    let mut s = Story {
        world,
        r: (0..3).map(|_| Reader::default()).collect(),
        w: Writer::default(),
    };
    for at in 0..3 {
        s.connect_reader(at);
        let line = s.r[at].line.unwrap();
        s.world.send(line, &subscribe("x", 2));
        s.read(at);
    }
    s.connect_writer();
    s.write();
    s.world.wait_for_disk();
    for _ in 0..150 {
        let at = usize::try_from(rng.below(3)).unwrap();
        match rng.below(24) {
            0..=5 if s.w.ready && s.w.open.len() < 20 => {
                let line = s.w.line.unwrap();
                let id = (1..=60).find(|id| !s.w.open.contains_key(id)).unwrap();
                s.w.next += 1;
                s.w.open.insert(id, (s.w.next, false));
                s.world.send(line, &publish(0x34, "x", id, &s.w.next.to_be_bytes()));
            }
            6..=8 if s.w.ready && s.w.open1.len() < 20 => {
                let line = s.w.line.unwrap();
                let id = (101..=200).find(|id| !s.w.open1.contains_key(id)).unwrap();
                s.w.next += 1;
                s.w.open1.insert(id, s.w.next);
                s.world.send(line, &publish(0x32, "x", id, &s.w.next.to_be_bytes()));
            }
            9 | 10 => s.world.commit(),
            11 => s.world.commit_unheard(),
            12..=14 => s.read(at),
            15 => s.write(),
            16 => {
                if let Some(line) = s.r[at].line.take() {
                    s.world.end(line, End::Broken);
                    s.r[at].ready = false;
                }
            }
            17 | 18 => {
                // Perhaps a take-over.
                if s.r[at].line.is_none() || rng.below(3) == 0 {
                    s.connect_reader(at);
                }
            }
            19 => {
                if s.w.line.is_none() || rng.below(2) == 0 {
                    s.connect_writer();
                }
            }
            20 => s.world.pass(60),
            21 => {
                if let Some(line) = s.r[at].line {
                    s.world.set_reads(line, rng.below(2) == 0);
                }
            }
            22 if rng.below(4) == 0 => {
                let kept = usize::try_from(rng.below(4)).unwrap();
                s.world = s.world.crash(kept);
                s.world.wait_for_disk();
                s.lose_lines();
            }
            _ => {}
        }
    }
    s.world.hold_commits = false;
    s.world.commit();
    for at in 0..3 {
        s.connect_reader(at);
    }
    s.connect_writer();
    for _ in 0..400 {
        for at in 0..3 {
            s.read(at);
        }
        s.write();
        s.world.pass(101);
    }
    assert!(
        s.w.open.is_empty() && s.w.open1.is_empty(),
        "unanswered: {:?} {:?}",
        s.w.open,
        s.w.open1
    );
    for r in &s.r {
        let got2: BTreeSet<u16> = r.got2.iter().copied().collect();
        assert!(
            s.w.acked2.is_subset(&got2),
            "lost {:?}",
            s.w.acked2.difference(&got2).collect::<Vec<_>>()
        );
        assert!(
            s.w.acked1.is_subset(&r.got1),
            "lost {:?}",
            s.w.acked1.difference(&r.got1).collect::<Vec<_>>()
        );
    }
    let c = s.world.counters();
    assert_eq!(
        (
            c.queued_messages,
            c.queued_bytes,
            c.held_bytes,
            c.unreleased,
            c.store_bytes
        ),
        (0, 0, 0, 0, 0)
    );
    assert_eq!(s.world.store.recover().unwrap().messages, 0);
}

/// As many as fit into a second or two.
const STORIES: u64 = 500;

#[test]
fn random_stories() {
    let mut bad = Vec::new();
    for seed in 0..STORIES {
        let result = std::panic::catch_unwind(|| story(seed));
        if let Err(error) = result {
            let text = error
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| error.downcast_ref::<&str>().map(|s| (*s).to_owned()))
                .unwrap_or_default();
            bad.push((seed, text));
        }
    }
    for (seed, text) in bad.iter().take(20) {
        println!("seed {seed}: {text}");
    }
    assert!(bad.is_empty(), "{} of {STORIES}", bad.len());
}
