//! Transactions that stand in each other's way: what is right to try again is tried again at once.

use crate::store::StoreError;

/// How often a transaction is tried in all.
const TRIES: usize = 6;

/// An error that may be two transactions standing in each other's way.
pub trait Collides {
    /// Returns whether the same again may work at once. Nothing was written then.
    fn is_collision(&self) -> bool;
}

impl Collides for StoreError {
    fn is_collision(&self) -> bool {
        Self::is_collision(self)
    }
}

/// Runs a transaction from its beginning until it is through: it ends well, or in an error that is no collision, or
/// has been tried often enough.
pub async fn until_through<T, E, F>(mut transaction: impl FnMut() -> F) -> Result<T, E>
where
    E: Collides,
    F: Future<Output = Result<T, E>>,
{
    let mut tries = 1;
    loop {
        match transaction().await {
            Err(error) if error.is_collision() && tries < TRIES => tries += 1,
            result => return result,
        }
    }
}
