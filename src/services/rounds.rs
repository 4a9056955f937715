//! The same done for many, each in a transaction of its own: one that fails keeps nobody else from theirs.

use std::fmt::Display;

use crate::{services::collisions::until_through, store::StoreError};

/// What came of doing something for some.
pub(super) struct Round {
    /// For how many it was done.
    done: usize,
    /// What went wrong for the last of the others.
    failure: Option<StoreError>,
}

impl Round {
    /// Returns for how many it was done, or what went wrong for somebody.
    pub fn outcome(self) -> Result<usize, StoreError> {
        self.failure.map_or(Ok(self.done), Err)
    }
}

/// Runs a transaction for each who is due. The log says `complaint` of those for whom it fails, by their `id`.
pub(super) async fn round<T, Id, Run>(
    complaint: &'static str,
    due: Vec<T>,
    id: impl Fn(&T) -> Id,
    transaction: impl Fn(T) -> Run,
) -> Round
where
    T: Clone,
    Id: Display,
    Run: Future<Output = Result<(), StoreError>>,
{
    let mut round = Round { done: 0, failure: None };
    for one in due {
        match until_through(|| transaction(one.clone())).await {
            Ok(()) => round.done += 1,
            Err(error) => {
                tracing::error!(%error, subject.id = %id(&one), "{complaint}");
                round.failure = Some(error);
            }
        }
    }
    round
}

/// Does rounds until nobody is due any more: `due` returns at most `most` at once. Returns for how many it was done.
pub(super) async fn rounds<T, Due, Id, Run>(
    complaint: &'static str,
    most: i64,
    due: impl Fn() -> Due,
    id: impl Fn(&T) -> Id,
    transaction: impl Fn(T) -> Run,
) -> Result<usize, StoreError>
where
    T: Clone,
    Due: Future<Output = Result<Vec<T>, StoreError>>,
    Id: Display,
    Run: Future<Output = Result<(), StoreError>>,
{
    let mut done = 0;
    loop {
        let due = due().await?;
        let is_full = i64::try_from(due.len()).unwrap_or(i64::MAX) >= most;
        let round = round(complaint, due, &id, &transaction).await;
        done += round.done;
        // Who failed is due again: as long as others come through, there may be more behind them.
        if !is_full || round.done == 0 {
            return Round { done, ..round }.outcome();
        }
    }
}
