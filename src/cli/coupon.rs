//! `vouchsafe coupon create | list | show | set | archive | redeem | redemptions | batches | file | qr`

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    cli::{
        CliError, OPERATOR, grant::told, instant, member, moment, moment_or_nothing, say, say_facts, say_json,
        say_list, yes_or_no,
    },
    domain::{
        coupon::{Batch, Coupon, CouponCode, CouponKind, CouponState, MOST_AT_ONCE, Terms},
        grant::MOST_DAYS,
        ids::{BatchId, TierId},
        partner::Partner,
    },
    platform::env::Env,
    services::{
        coupons::{self, Change, CouponError, Filter, Guesser, ListedRedemption, NewCoupons},
        partners::{self, PartnerError},
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
    /// Show a coupon: what it brings, how often it was redeemed, and the link under which it is
    Show {
        /// The coupon's code
        #[arg(value_parser = code)]
        code: CouponCode,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Switch a coupon on or off, describe it anew, or bring it back; what is left out stays
    Set(Set),
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
    /// List who redeemed a coupon, the newest first, tab-separated: when, member, used up, taken back
    Redemptions {
        /// The coupon's code
        #[arg(value_parser = code)]
        code: CouponCode,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List what was made in one go, the newest first, tab-separated: id, coupons, redemptions, when, by whom, description
    Batches {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the coupons of a batch as CSV, with the link of each
    File {
        /// The batch's id, as `coupon batches` shows it
        batch: BatchId,
    },
    /// Print the QR code of a coupon's link, as SVG
    Qr {
        /// The coupon's code
        #[arg(value_parser = code)]
        code: CouponCode,
    },
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// The coupon's code
    #[arg(value_parser = code)]
    code: CouponCode,
    /// Whether it can be redeemed
    #[arg(long, required_unless_present_any = ["archived", "description"])]
    active: Option<bool>,
    /// Whether it is out of the way; an archived coupon cannot be redeemed
    #[arg(long)]
    archived: Option<bool>,
    /// What is to be remembered about it
    #[arg(long)]
    description: Option<String>,
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
    /// Those of this partner, by id or name
    #[arg(long)]
    partner: Option<String>,
    /// Those that were made together, archived ones among them
    #[arg(long, conflicts_with = "archived")]
    batch: Option<BatchId>,
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
            Self::Show { code, json: true } => say_json(&as_json(&found(env, &code).await?)),
            Self::Show { code, json: false } => show(env, &found(env, &code).await?),
            Self::Set(Set { code, active, archived, description }) => {
                let change = Change { active, archived, description: description.as_deref() };
                say(&line(&coupons::change(env, &code, change, OPERATOR).await?))
            }
            Self::Redemptions { code, json } => redemptions(env, &found(env, &code).await?, json).await,
            Self::Batches { json } => batches(env, json).await,
            Self::File { batch } => {
                let csv = coupons::batch_file(env, batch).await?.ok_or(CliError::NoSuchBatch)?;
                say(csv.trim_end())
            }
            Self::Qr { code } => {
                let coupon = found(env, &code).await?;
                let too_long = || CliError::Failed("the address of this site is too long for a QR code".to_owned());
                say(&coupons::drawing(env, &coupon.code).ok_or_else(too_long)?)
            }
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
        let partner: Option<Partner> = match &self.partner {
            Some(named) => Some(partners::find_named(env, named).await?.ok_or(PartnerError::NoSuchPartner)?),
            None => None,
        };
        if let Some(batch) = self.batch {
            coupons::find_batch(env, batch).await?.ok_or(CliError::NoSuchBatch)?;
        }
        let filter = Filter {
            archived: self.batch.is_none().then_some(self.archived),
            state: self.state.map(|state| (state, env.clock.now())),
            kind: self.kind,
            text: self.find,
            partner: partner.map(|partner| partner.id),
            batch: self.batch,
        };
        let page = |before| coupons::list(env, &filter, before, PAGE);
        say_list(self.json, page, |coupon| coupon.id, as_json, line).await
    }
}

async fn found(env: &Env, code: &CouponCode) -> Result<Coupon, CliError> {
    Ok(coupons::find(env, code).await?.ok_or(CouponError::NoSuchCoupon)?)
}

fn show(env: &Env, coupon: &Coupon) -> Result<(), CliError> {
    let Terms { kind, tier, days, max_redemptions, valid_from, valid_until, partner, .. } = &coupon.terms;
    let most = max_redemptions.map_or_else(String::new, |most| format!(" of {most}"));
    say_facts(&[
        ("code", coupon.code.to_string()),
        ("type", kind.as_str().to_owned()),
        ("brings", format!("{days} day(s) of {tier}")),
        ("redeemed", format!("{}{most}", coupon.redemptions)),
        ("state", coupon.state(env.clock.now()).as_str().to_owned()),
        ("from", moment_or_nothing(*valid_from)),
        ("until", moment_or_nothing(*valid_until)),
        ("partner", partner.clone().unwrap_or_default()),
        ("batch", coupon.batch.map_or_else(String::new, |batch| batch.to_string())),
        ("archived", moment_or_nothing(coupon.archived_at)),
        ("description", coupon.description.clone()),
        ("made", format!("{} by {}", moment(Some(coupon.created_at)), coupon.created_by)),
        ("link", coupons::redeem_link(env, &coupon.code)),
    ])
}

async fn redemptions(env: &Env, coupon: &Coupon, as_json: bool) -> Result<(), CliError> {
    let page = |before| coupons::redemptions(env, coupon.id, before, PAGE);
    say_list(as_json, page, |redemption| redemption.id, redemption_as_json, redemption_line).await
}

fn redemption_line(redemption: &ListedRedemption) -> String {
    let (at, member) = (moment(Some(redemption.redeemed_at)), redemption.member.as_deref().unwrap_or("-"));
    format!("{at}\t{member}\t{}\t{}", moment(redemption.ended_at), moment(redemption.revoked_at))
}

fn redemption_as_json(redemption: &ListedRedemption) -> Value {
    let ListedRedemption { id, user_id, member, redeemed_at, ended_at, revoked_at } = redemption;
    json!({
        "id": id, "user": user_id, "member": member, "redeemed_at": redeemed_at, "ended_at": ended_at,
        "revoked_at": revoked_at,
    })
}

async fn batches(env: &Env, as_json: bool) -> Result<(), CliError> {
    let page = |before| coupons::batches(env, before, PAGE);
    say_list(as_json, page, |(batch, _)| batch.id, batch_as_json, batch_line).await
}

fn batch_line((Batch { id, label, count, created_by, created_at }, redeemed): &(Batch, i64)) -> String {
    format!("{id}\t{count}\t{redeemed}\t{}\t{created_by}\t{label}", moment(Some(*created_at)))
}

fn batch_as_json((Batch { id, label, count, created_by, created_at }, redeemed): &(Batch, i64)) -> Value {
    json!({
        "id": id, "description": label, "coupons": count, "redemptions": redeemed, "created_by": created_by,
        "created_at": created_at,
    })
}

fn line(coupon: &Coupon) -> String {
    let Terms { kind, tier, days, max_redemptions, .. } = &coupon.terms;
    let most = max_redemptions.map_or_else(|| "-".to_owned(), |most| most.to_string());
    let active = yes_or_no(coupon.active);
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
