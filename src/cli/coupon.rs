//! `vouchsafe coupon create | list | archive | redeem`

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    cli::{CliError, OPERATOR, grant::told, instant, member, say, say_json},
    domain::{
        coupon::{Coupon, CouponCode, CouponKind, CouponState, MOST_AT_ONCE, Terms},
        grant::MOST_DAYS,
        ids::TierId,
    },
    platform::env::Env,
    services::{
        coupons::{self, Change, Filter, Guesser, NewCoupons},
        partners,
    },
};

/// How many coupons are read at once.
const PAGE: i64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum CouponCommand {
    /// Make coupons, and print their codes, one a line
    Create(Create),
    /// List coupons, the newest first, tab-separated: code, type, tier, days, redeemed, maximum, active, description
    List(List),
    /// Put a coupon out of the way: it cannot be redeemed any more, and what it gave stays
    Archive {
        /// The coupon's code
        #[arg(value_parser = code)]
        code: CouponCode,
    },
    /// Redeem a coupon for a member
    Redeem {
        /// The coupon's code
        code: String,
        /// The member's address
        #[arg(long = "for")]
        email: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// single_use, period or partner
    #[arg(long = "type", default_value = "single_use")]
    kind: CouponKind,
    /// The tier that it gives
    #[arg(long)]
    tier: TierId,
    /// For how many days
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=MOST_DAYS))]
    days: i64,
    /// A code of your own; without, codes are drawn
    #[arg(long, value_parser = code, conflicts_with = "count")]
    code: Option<CouponCode>,
    /// How many coupons
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=MOST_AT_ONCE))]
    count: i64,
    /// How often it can be redeemed in all; without, as often as somebody wants
    #[arg(long)]
    max: Option<i64>,
    /// From when it can be redeemed, as 2027-01-01T00:00:00Z
    #[arg(long, value_parser = instant)]
    from: Option<DateTime<Utc>>,
    /// Until when
    #[arg(long, value_parser = instant)]
    until: Option<DateTime<Utc>>,
    /// For whom it is made: the id or the name of a partner, or any other name for a partner's pass
    #[arg(long)]
    partner: Option<String>,
    /// What is to be remembered about it
    #[arg(long, default_value = "")]
    description: String,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Those that are archived, instead of the others
    #[arg(long)]
    archived: bool,
    /// open, not_yet, expired, used_up or inactive
    #[arg(long)]
    state: Option<CouponState>,
    /// single_use, period or partner
    #[arg(long = "type")]
    kind: Option<CouponKind>,
    /// What the code begins with, or the description or the partner holds
    #[arg(long)]
    find: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

fn code(raw: &str) -> Result<CouponCode, String> {
    CouponCode::normalise(raw).ok_or_else(|| "4 to 40 letters and digits".to_owned())
}

impl CouponCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::Create(command) => command.run(env).await,
            Self::List(command) => command.run(env).await,
            Self::Archive { code } => {
                let change = Change { archived: Some(true), ..Change::default() };
                let coupon = coupons::change(env, &code, change, OPERATOR).await?;
                say(&format!("{} is archived; it was redeemed {} time(s)", coupon.code, coupon.redemptions))
            }
            Self::Redeem { code, email } => {
                let user = member(env, &email).await?;
                let given = coupons::redeem(env, user.id, &code, Guesser::Operator, OPERATOR).await?;
                say(&format!("{email}: {}", told(&given)))
            }
        }
    }
}

impl Create {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        // A partner who is known by that name or id, or a name and nothing more.
        let known = match &self.partner {
            Some(named) => partners::find_named(env, named).await?,
            None => None,
        };
        let terms = Terms {
            kind: self.kind,
            tier: self.tier,
            days: self.days,
            valid_from: self.from,
            valid_until: self.until,
            max_redemptions: self.max,
            partner: self.partner.filter(|_| known.is_none()),
            partner_id: known.map(|partner| partner.id),
        };
        let new = NewCoupons { code: self.code, terms, description: &self.description, count: self.count };
        // Drawn on stderr, and only on a terminal.
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len}").expect("a literal template");
        let progress = ProgressBar::new(self.count.unsigned_abs()).with_style(style);
        let made = coupons::create(env, new, OPERATOR, |count| progress.set_position(count as u64)).await;
        progress.finish_and_clear();
        for coupon in made?.coupons {
            say(&coupon.code.to_string())?;
        }
        Ok(())
    }
}

impl List {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let mut before = None;
        let mut found = Vec::new();
        let filter = Filter {
            archived: Some(self.archived),
            state: self.state.map(|state| (state, env.clock.now())),
            kind: self.kind,
            text: self.find,
            ..Filter::default()
        };
        loop {
            let page = coupons::list(env, &filter, before, PAGE).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            if self.json {
                found.extend(page.iter().map(as_json));
                continue;
            }
            for coupon in &page {
                say(&line(coupon))?;
            }
        }
        if self.json { say_json(&found) } else { Ok(()) }
    }
}

fn line(coupon: &Coupon) -> String {
    let Terms { kind, tier, days, max_redemptions, .. } = &coupon.terms;
    let most = max_redemptions.map_or_else(|| "-".to_owned(), |most| most.to_string());
    let active = if coupon.active { "yes" } else { "no" };
    let (kind, redeemed) = (kind.as_str(), coupon.redemptions);
    format!("{}\t{kind}\t{tier}\t{days}\t{redeemed}\t{most}\t{active}\t{}", coupon.code, coupon.description)
}

fn as_json(coupon: &Coupon) -> Value {
    json!({
        "code": coupon.code.to_string(),
        "type": coupon.terms.kind,
        "tier": coupon.terms.tier,
        "duration_days": coupon.terms.days,
        "max_redemptions": coupon.terms.max_redemptions,
        "redemption_count": coupon.redemptions,
        "valid_from": coupon.terms.valid_from,
        "valid_until": coupon.terms.valid_until,
        "partner": coupon.terms.partner,
        "partner_id": coupon.terms.partner_id,
        "batch": coupon.batch,
        "description": coupon.description,
        "active": coupon.active,
        "archived_at": coupon.archived_at,
        "created_by": coupon.created_by,
        "created_at": coupon.created_at,
    })
}
