//! Chance, which can be repeated.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use uuid::Uuid;

use crate::domain::ids;

/// Makes random values; clones draw from the same source.
#[derive(Clone)]
pub struct Random(Source);

#[derive(Clone)]
enum Source {
    /// A generator for secrets (ChaCha), seeded by the machine, one per thread.
    System,
    Seeded(Arc<Mutex<ChaCha20Rng>>),
}

impl Random {
    /// Returns the source for real use: nobody can guess what it makes.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Returns a source that makes the same values again for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(ChaCha20Rng::seed_from_u64(seed)))))
    }

    /// Returns `N` random bytes, fit for secrets.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.draw(|generator| generator.fill_bytes(&mut bytes));
        bytes
    }

    /// Returns a number from 0 up to but without `bound`, each as likely as the others.
    ///
    /// # Panics
    ///
    /// When `bound` is 0: there is no such number.
    pub fn below(&self, bound: u8) -> u8 {
        self.draw(|generator| generator.random_range(0..bound))
    }

    /// Returns a new id that sorts by the time `now`.
    pub fn id<T: From<Uuid>>(&self, now: DateTime<Utc>) -> T {
        ids::uuid_v7(now, self.bytes()).into()
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut dyn RngCore) -> T) -> T {
        match &self.0 {
            Source::System => draw(&mut rand::rng()),
            Source::Seeded(generator) => draw(&mut *generator.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

impl fmt::Debug for Random {
    // The state of a generator tells all it will make.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Random")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::UserId;

    #[test]
    fn a_seed_repeats_and_clones_share() {
        let (one, same, other) = (Random::seeded(7), Random::seeded(7), Random::seeded(8));
        let first: [u8; 32] = one.bytes();
        assert_eq!(first, same.clone().bytes());
        assert_ne!(first, other.bytes());
        // The clone moved the source that it came from.
        assert_eq!(one.bytes::<32>(), same.bytes::<32>());
        assert_ne!(Random::system().bytes::<32>(), Random::system().bytes::<32>());
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all() {
        let random = Random::seeded(1);
        let mut seen = [0_u32; 31];
        for _ in 0..31_000 {
            seen[usize::from(random.below(31))] += 1;
        }
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
        assert_eq!(random.below(1), 0);
    }

    #[test]
    fn ids_carry_the_time_and_differ() {
        let random = Random::seeded(1);
        let now = DateTime::from_timestamp(1_000, 0).expect("in range");
        let (one, two): (UserId, UserId) = (random.id(now), random.id(now));
        assert_ne!(one, two);
        assert_eq!(one.as_bytes()[..6], two.as_bytes()[..6]);
    }
}
