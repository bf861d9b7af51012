//! Sets up the connections of a run, many at a time.
//!
//! Must hold: whoever is refused is named, with what the broker said.

use mio::{Registry, Token};

use crate::crowd;
use crate::error::Error;
use crate::link::{Dialog, Link};
use crate::target::{Target, Ticker};
use crate::traffic::shape::Shape;

/// Connections set up at one time: each waits for the slowest of so many, not for all before it.
const BATCH: usize = 128;

/// Long enough never to fall due in a run: whoever only listens has nothing to say.
const KEEP_ALIVE: u16 = 3600;

/// Who is to be connected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crew {
    pub(super) shape: Shape,
    pub(super) qos: u8,
    /// Whether the sessions of subscribers outlive their connections.
    pub(super) persistent: bool,
    /// The first so many subscribers will stop reading: the kernel shall not read much for them.
    pub(super) sleepers: usize,
    /// Bytes of the largest packet that may come.
    pub(super) largest: usize,
}

/// The name of a connection, publishers being counted first.
pub(super) fn name(shape: Shape, member: usize) -> String {
    let run = crate::tag();
    match member.checked_sub(shape.publishers()) {
        None => format!("bench-{run}-p{member}"),
        Some(subscriber) => format!("bench-{run}-s{subscriber}"),
    }
}

/// Takes the sessions of subscribers away from the broker.
pub(crate) fn forget(target: &Target, shape: Shape, ticker: &mut Ticker<'_>) -> Result<(), Error> {
    let subscriber = |n: usize| name(shape, shape.publishers() + n);
    crowd::forget(target, shape.subscribers(), &subscriber, ticker)
}

impl Crew {
    /// Connects everybody, publishers first.
    pub(super) fn connect(
        &self,
        target: &Target,
        registry: &Registry,
        ticker: &mut Ticker<'_>,
    ) -> Result<Vec<Link>, Error> {
        let total = self.shape.publishers() + self.shape.subscribers();
        ticker.phase("connecting", u64::try_from(total).ok(), 0);
        let mut links = Vec::with_capacity(total);
        while links.len() < total {
            if target.stopped() {
                return Err(Error::Interrupted);
            }
            let batch = links.len()..total.min(links.len() + BATCH);
            for dialog in self.batch(target, batch)? {
                let mut link = Link::new(dialog, registry, Token(links.len()))?;
                link.expect(self.largest);
                links.push(link);
            }
            ticker.tick(std::time::Instant::now(), links.len() as u64, || None);
        }
        Ok(links)
    }

    fn batch(&self, target: &Target, members: std::ops::Range<usize>) -> Result<Vec<Dialog>, Error> {
        let mut batch = Vec::with_capacity(members.len());
        for member in members {
            let client = name(self.shape, member);
            let subscriber = member.checked_sub(self.shape.publishers());
            let clean_session = !self.persistent || subscriber.is_none();
            let dialog = Dialog::begin(target, &client, clean_session, KEEP_ALIVE)?;
            if subscriber.is_some_and(|n| n < self.sleepers) {
                dialog.keep_little()?;
            }
            batch.push((client, subscriber, dialog));
        }
        for (client, subscriber, dialog) in &mut batch {
            dialog.accepted(client)?;
            if let Some(subscriber) = subscriber {
                dialog.ask_for(client, &self.shape.topic(*subscriber), self.qos)?;
            }
        }
        for (client, subscriber, dialog) in &mut batch {
            if subscriber.is_some() {
                dialog.granted(client, self.qos)?;
            }
        }
        Ok(batch.into_iter().map(|(_, _, dialog)| dialog).collect())
    }
}
