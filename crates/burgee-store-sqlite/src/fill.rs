//! Makes a store from operations that somebody else found: what another broker left behind.
//!
//! What must hold: all or nothing, as for an import of lines; operations are written together up to a bound of bytes.
//! Deliberately absent: what the operations come from.

use std::path::Path;

use burgee_store::{Batch, Op, Recovered, Source, Store, SubmitError};

use crate::error::ImportError;
use crate::import::in_new_store;
use crate::store::SqliteStore;

/// Bytes of operations that are written together.
const TOGETHER: usize = 4 << 20;

/// Makes a store in a directory that has none from operations, numbers as the port wants them. Says what came in.
///
/// # Errors
/// There is a store already, the operations end with an error, or the store cannot be written: then there is no store
/// afterwards either.
pub fn fill<E>(directory: &Path, ops: impl IntoIterator<Item = Result<Op, E>>) -> Result<Recovered, ImportError>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    in_new_store(directory, |store| {
        let mut filling = Filling {
            store,
            batch: Batch {
                source: Source::default(),
                number: 1,
                ops: Vec::new(),
            },
            weight: 0,
        };
        for op in ops {
            let op = op.map_err(|error| ImportError::Source(error.into()))?;
            filling.weight += op.weight();
            filling.batch.ops.push(op);
            if filling.weight > TOGETHER {
                filling.commit()?;
            }
        }
        filling.commit()?;
        let recovered = filling.store.recover()?;
        filling.store.close()?;
        Ok(recovered)
    })
}

struct Filling {
    store: SqliteStore,
    batch: Batch,
    weight: usize,
}

impl Filling {
    fn commit(&mut self) -> Result<(), ImportError> {
        let next = Batch {
            source: self.batch.source,
            number: self.batch.number + 1,
            ops: Vec::new(),
        };
        self.weight = 0;
        match self.store.submit(std::mem::replace(&mut self.batch, next)) {
            Ok(()) => {}
            Err(SubmitError::Breach(breach)) => return Err(ImportError::Source(breach.to_string().into())),
            Err(SubmitError::Failed(failure)) => return Err(failure.into()),
        }
        self.store.commit(&mut Vec::new())?;
        Ok(())
    }
}
