//! Numbers: of batches in order, with their notices; of sessions and messages never twice.

use super::super::ground::Ground;
use super::super::ops::{created, deleted, owed, retained, settled};
use super::super::told::{Told, same};
use super::Story;
use crate::batch::{Batch, MessageNo, Op, SessionNo, Source};
use crate::error::{Breach, SubmitError};

pub(super) const STORIES: &[Story] = &[
    ("a commit tells each source its last batch, once", notices),
    ("a batch without operations is told, too", empty_batch),
    (
        "of two sources the one that submitted later has the last word",
        order_over_sources,
    ),
    ("a batch out of order is refused without a trace", batch_out_of_order),
    ("a number that was used is refused without a trace", used_number),
    ("numbers never come back", numbers_go_on),
];

fn notices(ground: &mut Ground) -> Told {
    // The ground compares the notices of each commit with what was submitted.
    ground.commit()?;
    for source in [2, 0, 2, 7, 0, 2] {
        ground.submit(source, vec![retained("r", "x")])?;
    }
    ground.commit()?;
    ground.commit()?;
    ground.submit(7, vec![retained("r", "y")])?;
    ground.commit()
}

fn empty_batch(ground: &mut Ground) -> Told {
    ground.submit(1, Vec::new())?;
    ground.commit()
}

fn order_over_sources(ground: &mut Ground) -> Told {
    for (source, payload) in [(2, "1"), (0, "2"), (1, "3"), (2, "4"), (0, "5"), (1, "6")] {
        ground.submit(source, vec![retained("r", payload)])?;
        ground.submit(source, vec![retained(payload, "")])?;
    }
    ground.commit()?;
    let image = ground.image()?;
    let last = image.retained.last().map(|held| held.body.payload().to_vec());
    same("the last word", &Some(b"6".to_vec()), &last)
}

fn refused(ground: &mut Ground, batch: Batch, breach: Breach) -> Told {
    let found = ground.store.submit(batch);
    same("the answer", &Err(SubmitError::Breach(breach)), &found)
}

fn batch_out_of_order(ground: &mut Ground) -> Told {
    let source = Source(3);
    let batch = |number| Batch {
        source,
        number,
        ops: vec![retained("never", "x")],
    };
    let breach = |expected, found| Breach::Batch {
        source,
        expected,
        found,
    };
    for number in [0, 2] {
        refused(ground, batch(number), breach(1, number))?;
    }
    ground.submit(3, vec![retained("a", "x")])?;
    for number in [1, 3] {
        refused(ground, batch(number), breach(2, number))?;
    }
    ground.commit()?;
    refused(ground, batch(1), breach(2, 1))?;
    ground.submit(3, vec![retained("b", "x")])?;
    ground.commit()?;
    let image = ground.image()?;
    let topics: Vec<_> = image.retained.iter().map(|held| held.body.topic().as_str()).collect();
    same("topics", &vec!["a", "b"], &topics)
}

fn used_number(ground: &mut Ground) -> Told {
    ground.put(vec![created(4, "a"), owed(7, "", &[4])])?;
    ground.put(vec![settled(4, 7), deleted(4)])?;
    let before = ground.image()?;
    let mut with = |op: Op, breach: Breach| {
        let batch = ground.batch(0, vec![retained("never", "x"), op]);
        refused(ground, batch, breach)
    };
    for number in [0, 3, 4] {
        let (found, least) = (SessionNo(number), SessionNo(5));
        with(created(number, "b"), Breach::Session { found, least })?;
    }
    for number in [0, 6, 7] {
        let (found, least) = (MessageNo(number), MessageNo(8));
        with(owed(number, "", &[4]), Breach::Message { found, least })?;
    }
    ground.commit()?;
    before.compare(&ground.image()?)?;
    ground.put(vec![created(5, "b"), owed(8, "", &[5])])
}

fn numbers_go_on(ground: &mut Ground) -> Told {
    ground.put(vec![created(4, "a"), owed(7, "", &[4]), owed(9, "", &[])])?;
    ground.put(vec![settled(4, 7), deleted(4)])?;
    let recovered = ground.recovered()?;
    if recovered.next_session.0 <= 4 || recovered.next_message.0 <= 9 {
        return Err(format!("session 4 and message 9 were used, and yet: {recovered:?}"));
    }
    Ok(())
}
