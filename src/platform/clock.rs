//! The time, which can be set by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::SystemTime,
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// Tells the time; clones tell the same.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    /// Microseconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// Returns the clock of the machine.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Returns a clock that stands at `now` until it is moved.
    pub fn manual(now: DateTime<Utc>) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(now.timestamp_micros()))))
    }

    /// Returns the time, to the microsecond: Postgres keeps no more, and both databases shall
    /// give back what went in.
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Source::System => DateTime::<Utc>::from(SystemTime::now()).trunc_subsecs(6),
            Source::Manual(micros) => DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst))
                .expect("a manual clock is only set to and moved to times that exist"),
        }
    }

    /// Moves a manual clock, forward or back.
    ///
    /// # Panics
    ///
    /// On the clock of the machine, which is not ours to move.
    pub fn advance(&self, by: TimeDelta) {
        let Source::Manual(micros) = &self.0 else { panic!("only a manual clock can be moved") };
        let later = self.now() + by;
        micros.store(later.timestamp_micros(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_until_it_is_moved() {
        let start = DateTime::from_timestamp(1_000, 123_456_789).expect("in range");
        let clock = Clock::manual(start);
        let other_hand = clock.clone();
        assert_eq!(clock.now(), DateTime::from_timestamp(1_000, 123_456_000).expect("in range"));
        other_hand.advance(TimeDelta::days(1));
        assert_eq!(clock.now(), DateTime::from_timestamp(87_400, 123_456_000).expect("in range"));
        clock.advance(TimeDelta::days(-1));
        assert_eq!(clock.now().timestamp(), 1_000);
    }

    #[test]
    fn the_clock_of_the_machine_tells_microseconds() {
        let now = Clock::system().now();
        assert_eq!(now.timestamp_subsec_nanos() % 1_000, 0);
        assert!(now.timestamp() > 1_700_000_000);
    }

    #[test]
    #[should_panic(expected = "only a manual clock")]
    fn the_clock_of_the_machine_is_not_moved() {
        Clock::system().advance(TimeDelta::seconds(1));
    }
}
