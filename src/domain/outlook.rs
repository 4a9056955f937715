//! What somebody will have, and until when: everything that gives them a tier, laid out in time.

use chrono::{DateTime, Utc};

use crate::domain::{
    access::{Source, TierStanding},
    ids::TierId,
};

/// Something that gives a tier for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The tier.
    pub tier: TierStanding,
    /// Where it comes from.
    pub source: Source,
    /// From when.
    pub from: DateTime<Utc>,
    /// Until when; `None` for as long as nothing is done about it.
    pub until: Option<DateTime<Utc>>,
}

impl Span {
    fn holds(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && self.until.is_none_or(|until| until > at)
    }
}

/// What somebody has for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The tier.
    pub tier: TierId,
    /// What gives it in the beginning.
    pub source: Source,
    /// From when.
    pub from: DateTime<Utc>,
    /// Until when; `None` for the last one.
    pub until: Option<DateTime<Utc>>,
}

/// Returns what somebody has from `now` on, one tier after the other. The strongest counts, and among
/// equals the source that comes first, as everywhere.
pub fn outlook(own: &TierStanding, spans: &[Span], now: DateTime<Utc>) -> Vec<Step> {
    let mut changes: Vec<DateTime<Utc>> =
        spans.iter().flat_map(|span| [Some(span.from), span.until]).flatten().collect();
    changes.retain(|at| *at > now);
    changes.push(now);
    changes.sort();
    changes.dedup();
    let mut steps: Vec<Step> = Vec::new();
    for at in changes {
        let own = (own, Source::OwnTier);
        let held = spans.iter().filter(|span| span.holds(at)).map(|span| (&span.tier, span.source));
        let best = held.chain([own]).min_by_key(|(tier, source)| (-tier.sort_order, *source)).unwrap_or(own);
        match steps.last_mut() {
            Some(last) if last.tier == best.0.id => {}
            last => {
                if let Some(last) = last {
                    last.until = Some(at);
                }
                steps.push(Step { tier: best.0.id.clone(), source: best.1, from: at, until: None });
            }
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + day * 86_400, 0).expect("in range")
    }

    fn tier(name: &str) -> TierStanding {
        let sort_order = ["free", "basic", "premium"].iter().position(|known| *known == name).expect("known");
        let sort_order = i64::try_from(sort_order).expect("small");
        TierStanding { id: name.parse().expect("a name"), sort_order, paid: sort_order > 0 }
    }

    fn span(name: &str, source: Source, from: i64, until: Option<i64>) -> Span {
        Span { tier: tier(name), source, from: at(from), until: until.map(at) }
    }

    fn told(spans: &[Span]) -> Vec<Step> {
        outlook(&tier("free"), spans, at(0))
    }

    fn step(name: &str, source: Source, from: i64, until: Option<i64>) -> Step {
        Step { tier: tier(name).id, source, from: at(from), until: until.map(at) }
    }

    #[test]
    fn the_strongest_counts_and_equals_are_one() {
        use Source::{Credit, Grant, OwnTier, Subscription, Trial};
        assert_eq!(told(&[]), [step("free", OwnTier, 0, None)]);
        let spans = [
            span("premium", Grant, -3, Some(2)),
            span("basic", Grant, 2, Some(9)),
            span("basic", Subscription, -9, Some(20)),
            span("premium", Trial, -1, Some(5)),
            // Over by now.
            span("premium", Credit, -9, Some(0)),
        ];
        // The trial goes on where the grant ends, and the grant where it begins is the same tier.
        let expected = [
            step("premium", Grant, 0, Some(5)),
            step("basic", Subscription, 5, Some(20)),
            step("free", OwnTier, 20, None),
        ];
        assert_eq!(told(&spans), expected);
        let endless = [span("basic", Subscription, -9, None), span("premium", Grant, 4, Some(6))];
        let expected = [
            step("basic", Subscription, 0, Some(4)),
            step("premium", Grant, 4, Some(6)),
            step("basic", Subscription, 6, None),
        ];
        assert_eq!(told(&endless), expected);
    }

    #[test]
    fn an_own_tier_that_is_stronger_stays() {
        let steps = outlook(&tier("premium"), &[span("basic", Source::Grant, 0, Some(9))], at(0));
        assert_eq!(steps, [Step { tier: tier("premium").id, source: Source::OwnTier, from: at(0), until: None }]);
    }
}
