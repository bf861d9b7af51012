//! The retained messages of a new subscription of a session that stays: all come, whatever ends in between, and none of
//! QoS 2 twice.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong may panic"
)]

mod world;

use std::collections::BTreeMap;

use burgee_core::Config;
use burgee_core::io::End;
use burgee_store::{Limit, Page, Replay, SessionNo, Store};
use world::talk::{CLEAN, STAYS, ack, join, joined, with_length};
use world::{Client, World, publish, subscribe};

const TOPICS: u8 = 250;

/// A broker with retained messages of this QoS.
fn retaining(qos: u8) -> World {
    let mut world = World::new(Config {
        shards: 1,
        durable: true,
        // Less than what is retained.
        outbox_bytes: 1_000,
        ..Config::default()
    });
    let publisher = joined(&mut world, "p", CLEAN);
    for number in 0..TOPICS {
        let packet = match qos {
            0 => with_length(
                0x31,
                &[&[0, 5][..], format!("r/{number:03}").as_bytes(), &[number]].concat(),
            ),
            _ => publish(0x31 | qos << 1, &format!("r/{number:03}"), 1, &[number]),
        };
        world.send(publisher, &packet);
        if qos == 2 {
            world.send(publisher, &ack(0x62, 1));
        }
    }
    world.end(publisher, End::Broken);
    world
}

/// A client that answers what it is sent, like a library does, and counts it.
struct Reader {
    line: Client,
    /// How often each came, and how often with DUP.
    seen: BTreeMap<u8, (u32, u32)>,
    /// QoS 2: what an identifier is about, until PUBREL.
    open: BTreeMap<u16, u8>,
}

impl Reader {
    fn join(world: &mut World, before: Option<Self>) -> Self {
        let line = join(world, "s", STAYS);
        let (seen, open) = before.map(|before| (before.seen, before.open)).unwrap_or_default();
        Self { line, seen, open }
    }

    /// Takes in what came and answers, so many packets in all; false: there was nothing more.
    fn read(&mut self, world: &mut World, mut packets: usize) -> bool {
        loop {
            let bytes = world.recv(self.line);
            if bytes.is_empty() {
                return false;
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (packet, behind) = rest.split_at(2 + usize::from(rest[1]));
                rest = behind;
                if packets == 0 {
                    return true;
                }
                packets -= 1;
                self.packet(world, packet);
            }
        }
    }

    fn packet(&mut self, world: &mut World, packet: &[u8]) {
        match packet[0] >> 4 {
            3 => {
                let (qos, dup, payload) = (packet[0] >> 1 & 3, packet[0] & 8 > 0, *packet.last().unwrap());
                assert_eq!(packet[0] & 1, 1, "RETAIN 1 for a new subscription");
                let id = if qos == 0 { [0, 0] } else { [packet[9], packet[10]] };
                if qos == 2 {
                    let new = self.open.insert(u16::from_be_bytes(id), payload) != Some(payload);
                    world.send_unheard(self.line, &[&[0x50, 2][..], &id].concat());
                    if !new {
                        return;
                    }
                } else if qos == 1 {
                    world.send_unheard(self.line, &[&[0x40, 2][..], &id].concat());
                }
                let seen = self.seen.entry(payload).or_default();
                seen.0 += 1;
                seen.1 += u32::from(dup);
            }
            6 => {
                let id = [packet[2], packet[3]];
                self.open.remove(&u16::from_be_bytes(id));
                world.send(self.line, &[&[0x70, 2][..], &id].concat());
            }
            2 | 9 => {}
            kind => panic!("kind {kind}"),
        }
        world.pass(0);
    }

    fn subscribe(&self, world: &mut World, qos: u8) {
        world.send(self.line, &subscribe("r/#", qos));
    }
}

fn left(world: &mut World) -> Replay {
    let all = Limit {
        items: usize::MAX,
        bytes: usize::MAX,
    };
    let mut sessions = Vec::new();
    let end = world.store.sessions(SessionNo(0), all, &mut sessions).unwrap();
    assert_eq!(end, Page::End);
    let held = sessions.iter().find(|held| &*held.client_id == "s").unwrap();
    held.subscriptions[0].replay.clone()
}

#[test]
fn a_replay_that_a_crash_cut_off_goes_on_and_none_of_qos_2_comes_twice() {
    for qos in 1..3 {
        for after in [0, 1, 2, 3, 30, 150, 400, 700] {
            let mut world = retaining(qos);
            let mut reader = Reader::join(&mut world, None);
            reader.subscribe(&mut world, qos);
            reader.read(&mut world, after);
            let mut world = world.crash(0);
            let mut reader = Reader::join(&mut world, Some(reader));
            while reader.read(&mut world, 1_000_000) {}
            assert_eq!(reader.seen.len(), usize::from(TOPICS), "QoS {qos}, after {after}");
            let twice = reader.seen.values().filter(|(times, _)| *times > 1).count();
            assert!(qos < 2 || twice == 0, "QoS 2, after {after}: {twice} came twice");
            world.pass(1_000);
            assert_eq!(left(&mut world), Replay::Done);
            // It is over: neither a new connection nor a new start begins anew.
            let mut world = world.crash(0);
            let before = reader.seen.clone();
            let mut reader = Reader::join(&mut world, Some(reader));
            while reader.read(&mut world, 1_000_000) {}
            assert_eq!(reader.seen, before);
        }
    }
}

#[test]
fn a_crash_at_any_batch_of_a_replay_of_qos_2_loses_none_and_doubles_none() {
    for kept in 0..12 {
        let mut world = retaining(2);
        let mut reader = Reader::join(&mut world, None);
        reader.subscribe(&mut world, 2);
        reader.read(&mut world, 40);
        // The disk takes its time: so many of the batches that wait are on it when the machine goes.
        world.wait_for_disk();
        reader.read(&mut world, 60);
        let mut world = world.crash(kept);
        let mut reader = Reader::join(&mut world, Some(reader));
        while reader.read(&mut world, 1_000_000) {}
        assert_eq!(reader.seen.len(), usize::from(TOPICS), "kept {kept}");
        assert!(reader.seen.values().all(|(times, _)| *times == 1), "kept {kept}");
    }
}

#[test]
fn a_replay_goes_on_when_a_client_comes_back_that_left_in_the_middle() {
    for (qos, how) in [(1, End::Finished), (1, End::Broken), (2, End::Broken)] {
        let mut world = retaining(qos);
        let mut reader = Reader::join(&mut world, None);
        reader.subscribe(&mut world, qos);
        reader.read(&mut world, 30);
        world.end(reader.line, how);
        let mut reader = Reader::join(&mut world, Some(reader));
        while reader.read(&mut world, 1_000_000) {}
        assert_eq!(reader.seen.len(), usize::from(TOPICS), "QoS {qos}");
        let doubled = |(times, dup): &(u32, u32)| times - 1 > *dup || (qos == 2 && *times > 1);
        assert!(!reader.seen.values().any(doubled), "QoS {qos}");
        world.pass(1_000);
        assert_eq!(left(&mut world), Replay::Done);
    }
}

#[test]
fn who_leaves_before_suback_gets_the_retained_messages_when_he_is_back() {
    let mut world = retaining(1);
    let reader = Reader::join(&mut world, None);
    world.wait_for_disk();
    reader.subscribe(&mut world, 1);
    world.end(reader.line, End::Broken);
    world.hold_commits = false;
    world.commit();
    let mut reader = Reader::join(&mut world, Some(reader));
    while reader.read(&mut world, 1_000_000) {}
    assert_eq!(reader.seen.len(), usize::from(TOPICS));
}

#[test]
fn who_subscribes_again_in_the_middle_gets_them_for_each_time_and_for_no_more() {
    // So many packets that the first replay is over, and the second one is not.
    for (qos, packets) in [(1, 300), (2, 600)] {
        let mut world = retaining(qos);
        let mut reader = Reader::join(&mut world, None);
        reader.subscribe(&mut world, qos);
        reader.read(&mut world, 60);
        reader.subscribe(&mut world, qos);
        reader.read(&mut world, packets);
        let mut world = world.crash(0);
        let mut reader = Reader::join(&mut world, Some(reader));
        while reader.read(&mut world, 1_000_000) {}
        assert_eq!(reader.seen.len(), usize::from(TOPICS));
        let twice = |(times, dup): &(u32, u32)| *times >= 2 && times - dup <= 2;
        assert!(reader.seen.values().all(twice), "QoS {qos}: {:?}", reader.seen);
    }
}

#[test]
fn a_replay_of_qos_0_is_over_when_all_is_written_and_no_sooner() {
    for crash in [false, true] {
        let mut world = retaining(0);
        let reader = Reader::join(&mut world, None);
        world.set_reads(reader.line, false);
        reader.subscribe(&mut world, 0);
        world.pass(1_000);
        assert_eq!(left(&mut world), Replay::Whole);
        if crash {
            world = world.crash(0);
        } else {
            world.end(reader.line, End::Broken);
        }
        let mut reader = Reader::join(&mut world, None);
        while reader.read(&mut world, 1_000_000) {}
        // What was written to a line that broke is gone; a crash begins anew.
        let written = usize::from(!crash);
        assert!(reader.seen.len() < usize::from(TOPICS) + 1 - written && reader.seen.len() > 100);
        assert!(!crash || reader.seen.len() == usize::from(TOPICS));
        world.pass(1_000);
        assert_eq!(left(&mut world), Replay::Done);
    }
}
