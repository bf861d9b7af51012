//! The outbox in SQLite and the simulator's keep the same.

use std::path::{Path, PathBuf};

use super::{File, Note, open, read};
use crate::client::simulation::{Ledger, Outbox as Simulated};
use crate::engine::Kept;
use crate::message::Message;
use burgee_codec::{PacketId, QoS, TopicNameBuf};

impl Ledger for File {
    fn commit(&mut self, notes: &[Note]) -> Result<(), String> {
        Self::commit(self, notes).map_err(|error| error.to_string())
    }

    fn kept(&mut self) -> Result<Kept, String> {
        let transaction = self.connection.transaction().map_err(|error| error.to_string())?;
        read(&transaction).map_err(|error| error.to_string())
    }
}

/// Chance from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn id(&mut self) -> PacketId {
        PacketId::new(u16::try_from(self.below(9)).expect("small") + 1).expect("not 0")
    }

    /// Anything that a client could note, and some that none would.
    fn note(&mut self, next: &mut u64) -> Note {
        let number = 1 + self.below((*next).max(1));
        match self.below(12) {
            0..4 => {
                *next += 1;
                let qos = if self.below(2) == 0 {
                    QoS::AtLeastOnce
                } else {
                    QoS::ExactlyOnce
                };
                let message = Message {
                    topic: TopicNameBuf::parse("a/ä").expect("valid"),
                    payload: vec![7; usize::try_from(self.below(4)).expect("small")].into(),
                    qos,
                    retain: self.below(2) == 0,
                    packet_id: None,
                    dup: false,
                };
                Note::Accepted { number: *next, message }
            }
            4..7 => Note::Sent { number, id: self.id() },
            7 => Note::Released { number },
            8 => Note::Done { number },
            9 => Note::Held(self.id()),
            10 => Note::Freed(self.id()),
            _ if self.below(4) == 0 => Note::Anew,
            _ => Note::Done { number },
        }
    }
}

fn opened(path: &Path) -> (File, Kept) {
    open(path, "alike").expect("an outbox")
}

fn scratch(seed: u64) -> PathBuf {
    std::env::temp_dir().join(format!("burgee-alike-{}-{seed}", std::process::id()))
}

#[test]
fn both_outboxes_keep_the_same() {
    for seed in 0..8 {
        let directory = scratch(seed);
        std::fs::create_dir_all(&directory).expect("a directory");
        let path = directory.join("outbox");
        let (mut chance, mut next) = (Chance(seed), 0);
        let (mut file, _) = opened(&path);
        let mut simulated = Simulated::default();
        let mut most = 0;
        for _ in 0..60 {
            let count = chance.below(5);
            let notes: Vec<Note> = (0..count).map(|_| chance.note(&mut next)).collect();
            Ledger::commit(&mut file, &notes).expect("committed");
            simulated.commit(&notes).expect("committed");
            let kept = simulated.kept().expect("readable");
            most = most.max(kept.unfinished.len() + kept.held.len());
            assert_eq!(file.kept().expect("readable"), kept, "seed {seed} behind {notes:?}");
            if chance.below(6) == 0 {
                drop(file);
                let (again, found) = opened(&path);
                file = again;
                assert_eq!(found, kept, "seed {seed} after a restart");
            }
        }
        assert!(most > 5, "seed {seed} kept next to nothing");
        drop(file);
        std::fs::remove_dir_all(&directory).expect("removed");
    }
}

#[test]
fn what_cannot_be_committed_leaves_nothing_in_either() {
    let directory = scratch(1000);
    std::fs::create_dir_all(&directory).expect("a directory");
    let (mut file, _) = opened(&directory.join("outbox"));
    let mut simulated = Simulated::default();
    let mut chance = Chance(3);
    let accepted = loop {
        if let note @ Note::Accepted { .. } = chance.note(&mut 0) {
            break note;
        }
    };
    let notes = [Note::Held(chance.id()), accepted.clone(), accepted];
    assert!(Ledger::commit(&mut file, &notes).is_err() && simulated.commit(&notes).is_err());
    assert_eq!(file.kept(), simulated.kept());
    assert_eq!(simulated.kept().map(|kept| kept.held.len()), Ok(0));
    drop(file);
    std::fs::remove_dir_all(&directory).expect("removed");
}
