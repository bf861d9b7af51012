//! From application to application: what was handed in at one end, and what has to come out at the other.
//!
//! What must hold: it knows what applications know, and nothing of packets. Deliberately absent: what devices publish, but
//! for what is never right: a message of QoS 2 that comes twice.

use std::collections::BTreeMap;

use burgee_codec::QoS;

use crate::actor::packet::Note;
use crate::oracle::matches;

/// A message that an application handed in.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) who: usize,
    pub(super) which: u64,
    pub(super) topic: String,
    pub(super) qos: QoS,
    /// When.
    pub(super) handed: u64,
    /// The library has promised that it arrives.
    pub(super) sure: bool,
    /// It may arrive twice, whatever its QoS.
    pub(super) may_repeat: bool,
    /// How often it has left.
    pub(super) left: u32,
}

impl Sent {
    /// Whether there may be two of it, of which the second one is behind what was sent after the first.
    fn may_be_late(&self) -> bool {
        // With QoS 2 a repetition is no second one.
        self.may_repeat || (self.left > 1 && self.qos == QoS::AtLeastOnce)
    }
}

/// All that applications of a world sent.
#[derive(Debug, Default)]
pub struct Affairs {
    sent: BTreeMap<Vec<u8>, Sent>,
}

impl Affairs {
    /// An application hands a message in.
    pub(super) fn hand_in(&mut self, (who, which): (usize, u64), note: &Note, now: u64) {
        let sent = Sent {
            who,
            which,
            topic: note.topic.clone(),
            qos: note.qos,
            handed: now,
            sure: false,
            may_repeat: false,
            left: 0,
        };
        self.sent.insert(note.payload.clone(), sent);
    }

    pub(super) fn get(&self, payload: &[u8]) -> Option<&Sent> {
        self.sent.get(payload)
    }

    pub(super) fn get_mut(&mut self, payload: &[u8]) -> Option<&mut Sent> {
        self.sent.get_mut(payload)
    }

    /// Every stream that has lasted has all that was promised since it began.
    pub(super) fn check(&self, client: &str, stream: &Lasting) -> Result<(), String> {
        let Some(since) = stream.since.filter(|_| stream.qos > QoS::AtMostOnce) else {
            return Ok(());
        };
        for (payload, sent) in &self.sent {
            let owed = sent.sure
                && sent.handed > since
                && sent.qos > QoS::AtMostOnce
                // Nobody but the broker publishes there.
                && !sent.topic.starts_with("$SYS")
                && matches(&stream.filter, &sent.topic);
            if owed && !stream.got.contains_key(payload) {
                return Err(format!(
                    "{:?} on {:?} with {:?} was promised at {} and never reached the stream {:?} of {client:?}, which is there since {since}",
                    text(payload),
                    sent.topic,
                    sent.qos,
                    sent.handed,
                    stream.filter
                ));
            }
        }
        Ok(())
    }
}

/// A stream as its application knows it, over all its lives.
#[derive(Debug)]
pub(super) struct Lasting {
    pub(super) filter: String,
    pub(super) qos: QoS,
    /// Since when the server has known it without a gap.
    pub(super) since: Option<u64>,
    /// How often each message came.
    got: BTreeMap<Vec<u8>, u32>,
    /// The last message of each publisher, topic, and QoS at both ends: what was waiting when a subscription was granted
    /// less, or more, is overtaken.
    latest: BTreeMap<(usize, String, (QoS, QoS)), u64>,
}

impl Lasting {
    pub(super) const fn new(filter: String, qos: QoS) -> Self {
        Self {
            filter,
            qos,
            since: None,
            got: BTreeMap::new(),
            latest: BTreeMap::new(),
        }
    }

    /// Its application was given a message, live. `again`: it may have had it before.
    pub(super) fn get(&mut self, note: &Note, again: bool, affairs: &Affairs) -> Result<(), String> {
        if !matches(&self.filter, &note.topic) {
            return Err(format!("a stream for {:?} got {:?}", self.filter, note.topic));
        }
        // The broker's own say the same again and again.
        if note.payload.is_empty() || note.topic.starts_with("$SYS") {
            return Ok(());
        }
        let count = self.got.entry(note.payload.clone()).or_default();
        *count += 1;
        let sent = affairs.get(&note.payload);
        let may = again || sent.is_some_and(|sent| sent.may_repeat);
        if *count > 1 {
            if note.qos < QoS::ExactlyOnce || may {
                return Ok(());
            }
            return Err(format!(
                "the stream {:?} got {:?} {count} times with QoS 2",
                self.filter,
                text(&note.payload)
            ));
        }
        // What came before the stream was there may come again behind what is new.
        let Some(sent) = sent.filter(|sent| self.since.is_some_and(|since| since < sent.handed)) else {
            return Ok(());
        };
        if self.qos == QoS::AtMostOnce && sent.may_be_late() {
            // The first may be lost. The second need not come with QoS 0 as well: another subscription may bring it by then.
            return Ok(());
        }
        let place = (sent.who, sent.topic.clone(), (sent.qos, note.qos));
        match self.latest.insert(place, sent.which) {
            Some(before) if before > sent.which => Err(format!(
                "the stream {:?} got {:?} behind number {before} of the same publisher",
                self.filter,
                text(&note.payload)
            )),
            Some(_) | None => Ok(()),
        }
    }
}

/// A payload for a person.
pub(super) fn text(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).chars().take(40).collect()
}
