//! What was kept, given back to the shards before anybody can connect.
//!
//! What must hold: everything in the store is given to exactly one shard, the one that will own its client, or the
//! start fails: never a part of it. Bodies of waiting messages stay on disk. Deliberately absent: what shards make of it.

use burgee_core::io::ShardId;
use burgee_core::{Shard, Shared};
use burgee_store::{
    Body, Failure, Limit, MessageNo, OwedRef, Page, Recovered, RetainedMessage, SessionNo, SessionRecord, Store,
};

/// What is read at once: a compromise between memory and calls.
const AT_ONCE: Limit = Limit {
    items: 4096,
    bytes: 1 << 20,
};

/// Gives everything to the shards, before the first turn of any of them.
pub(crate) fn restore(store: &mut dyn Store, shards: &mut [Shard], common: &Shared) -> Result<Recovered, Failure> {
    let found = store.recover()?;
    for shard in shards.iter_mut() {
        shard.continue_from(found.next_session, found.next_message);
    }
    sessions(store, shards, common)?;
    retained(store, common)?;
    Ok(found)
}

fn sessions(store: &mut dyn Store, shards: &mut [Shard], common: &Shared) -> Result<(), Failure> {
    let count = ShardId::try_from(shards.len()).unwrap_or(ShardId::MAX);
    let (mut page, mut owed, mut last) = (Vec::<SessionRecord>::new(), Vec::new(), SessionNo(0));
    loop {
        let more = store.sessions(last, AT_ONCE, &mut page)?;
        last = page.last().map_or(last, |record| record.session);
        for record in page.drain(..) {
            owed.clear();
            if record.backlog.messages > 0 {
                read_owed(store, record.session, &mut owed)?;
            }
            let home = common.home(&record.client_id, count);
            if let Some(shard) = shards.get_mut(usize::from(home)) {
                shard.restore(record, &owed);
            }
        }
        if more == Page::End {
            return Ok(());
        }
    }
}

fn read_owed(store: &mut dyn Store, session: SessionNo, owed: &mut Vec<OwedRef>) -> Result<(), Failure> {
    let mut last = MessageNo(0);
    while store.owed(session, last, AT_ONCE, owed)? == Page::More {
        last = owed.last().map_or(last, |one| one.message);
    }
    Ok(())
}

fn retained(store: &mut dyn Store, common: &Shared) -> Result<(), Failure> {
    let (mut page, mut last) = (Vec::<RetainedMessage>::new(), None::<Body>);
    loop {
        let more = store.retained(last.as_ref().map(Body::topic), AT_ONCE, &mut page)?;
        last = page.last().map(|message| message.body.clone()).or(last);
        for message in page.drain(..) {
            common.restore_retained(&message);
        }
        if more == Page::End {
            return Ok(());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
