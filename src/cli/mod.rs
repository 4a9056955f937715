//! The command line: what operators do. Every command knocks on the same services as pages and
//! API. Answers go to stdout, plain when piped; the log and progress go to stderr.

mod activity;
mod bonus;
mod catalogue;
mod coupon;
mod credit;
mod doctor;
mod entitlement;
mod grant;
mod invite;
mod job;
mod key;
mod mail;
mod matrix;
mod migrate;
mod notification;
mod partner;
mod payments;
mod price;
mod privacy;
mod quotes;
mod referral;
mod serve;
mod stats;
mod user;
mod webhook;

use std::{path::PathBuf, process::ExitCode, str::FromStr};

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use clap::{Parser, Subcommand};

use crate::{
    config::{self, Config, ConfigError},
    domain::{
        email::{EmailAddress, EmailError},
        period::can_be_kept,
        user::User,
    },
    jobs,
    platform::{
        env::Env,
        server::{self, StartError},
        telemetry::{self, TelemetryError},
    },
    services::{
        api_keys::ApiKeyError,
        bonus::BonusError,
        catalogue::CatalogueError,
        coupons::{CouponError, RedeemError},
        credits::CreditError,
        entitlements::EntitlementError,
        grants::GrantError,
        invitations::InvitationError,
        letters::ResendError,
        mail_preferences::PreferenceError,
        mail_templates::TemplateError,
        matrix::CommitError,
        members::{self, MemberError, PutError},
        notifications::SettingsError,
        partners::PartnerError,
        prices::PriceError,
        privacy::DeletionError,
        referrals::ReferralError,
        subscriptions::AskError,
        usage::UsageError,
        webhooks::WebhookError,
    },
    store::{Db, StoreError, db::OpenError},
};

/// Keeps the members of a product: sign-in, tiers and limits, credit, referrals.
#[derive(Debug, Parser)]
#[command(
    name = "vouchsafe",
    version,
    about,
    after_help = "Exit codes: 0 done · 1 failed · 2 wrong usage or configuration · 3 no such member, feature, event, referral, coupon, batch, partner, grant, rule, endpoint, mail or invitation · 4 not allowed.\n\
                  What is done already is done: a script that runs twice ends with 0 twice.\n\
                  Configuration: Leptos.toml in this folder or --config FILE; the environment (VOUCHSAFE_…, DATABASE_URL) wins."
)]
struct Arguments {
    /// The configuration file, instead of ./Leptos.toml
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve pages and do jobs
    Serve,
    /// Bring the schema up or down, or see how it stands
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    /// Give a member days of paid access
    GrantCredit(credit::GrantCredit),
    /// End a member's credit now
    RevokeCredit(credit::RevokeCredit),
    /// Show a member's tier, paid status and credit
    ShowStatus(credit::ShowStatus),
    /// Tell whether a member may use a feature
    Check(entitlement::Check),
    /// Count units of a feature for a member
    Consume(entitlement::Consume),
    /// Tell why a member may or may not use a feature
    Explain(entitlement::Explain),
    /// List, make and change features
    #[command(subcommand)]
    Feature(catalogue::FeatureCommand),
    /// List, make and change tiers
    #[command(subcommand)]
    Tier(catalogue::TierCommand),
    /// List and set what the providers' prices buy
    #[command(subcommand)]
    Price(price::PriceCommand),
    /// List and set the limits of tiers
    #[command(subcommand)]
    Limit(catalogue::LimitCommand),
    /// Take the whole table of limits out, or in
    #[command(subcommand)]
    Matrix(matrix::MatrixCommand),
    /// List and change the product's settings
    #[command(subcommand)]
    Setting(catalogue::SettingCommand),
    /// Make, list and end API keys
    #[command(subcommand)]
    Key(key::Key),
    /// Take in prices
    #[command(subcommand)]
    Quotes(quotes::Quotes),
    /// What the providers of payments told: list it, show it, apply it again, compare
    #[command(subcommand)]
    Payments(payments::PaymentsCommand),
    /// Invite people by mail, list invitations, send them again and take them back
    #[command(subcommand)]
    Invite(invite::InviteCommand),
    /// List who came by whose link, and decide about held rewards
    #[command(subcommand)]
    Referral(referral::ReferralCommand),
    /// Make, list, change and redeem coupons, and tell who redeemed them
    #[command(subcommand)]
    Coupon(coupon::CouponCommand),
    /// Add, list and change partners, make their links, and tell what came of their coupons
    #[command(subcommand)]
    Partner(partner::PartnerCommand),
    /// Make, list and change rules that reward members by themselves, and tell how far somebody is
    #[command(subcommand)]
    Bonus(bonus::BonusCommand),
    /// What admins are told: list it, mark it as read, say which of it is told and where
    #[command(subcommand)]
    Notification(notification::NotificationCommand),
    /// Give days at a tier, list and take them back
    #[command(subcommand)]
    Grant(grant::GrantCommand),
    /// What is done outside of requests: list it, do it now, try it again
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Read and export the log of activity
    #[command(subcommand)]
    Activity(activity::ActivityCommand),
    /// Show what was counted of the last days
    Stats(stats::Stats),
    /// How letters are worded, what became of them, and a test of the mail server
    #[command(subcommand)]
    Mail(mail::MailCommand),
    /// Look whether everything that is kept agrees with itself; ends with 1 when it does not
    Doctor(doctor::Doctor),
    /// Change accounts
    #[command(subcommand)]
    User(user::User),
    /// Where apps hear what happened: make, list, change and try endpoints, and send again
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Jobs(#[from] jobs::StartError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Member(#[from] MemberError),
    #[error(transparent)]
    Credit(#[from] CreditError),
    #[error(transparent)]
    Import(#[from] quotes::ImportError),
    #[error(transparent)]
    Entitlement(#[from] EntitlementError),
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error(transparent)]
    Price(#[from] PriceError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    #[error(transparent)]
    PutMember(#[from] PutError),
    #[error(transparent)]
    MatrixFile(#[from] matrix::MatrixFileError),
    #[error(transparent)]
    Referral(#[from] ReferralError),
    #[error(transparent)]
    Coupon(#[from] CouponError),
    #[error(transparent)]
    Partner(#[from] PartnerError),
    #[error(transparent)]
    Redeem(#[from] RedeemError),
    #[error(transparent)]
    Grant(#[from] GrantError),
    #[error(transparent)]
    Bonus(#[from] BonusError),
    #[error("there is no such notification")]
    NoSuchNotification,
    #[error("the job runner ended by itself, so nothing would be sent any more; the log says why")]
    WorkerEnded,
    #[error(transparent)]
    Invitation(#[from] InvitationError),
    #[error(transparent)]
    Deletion(#[from] DeletionError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error(transparent)]
    MailTemplate(#[from] TemplateError),
    #[error(transparent)]
    Resend(#[from] ResendError),
    #[error("the mail was not sent: {0}")]
    NotSent(String),
    #[error("there is no such event")]
    NoSuchEvent,
    #[error("there is no such batch of coupons")]
    NoSuchBatch,
    #[error(transparent)]
    NotificationSettings(#[from] SettingsError),
    #[error(transparent)]
    Preference(#[from] PreferenceError),
    #[error("there is no job with that id that was given up")]
    NoSuchJob,
    #[error("{0}")]
    Failed(String),
    #[error("something needs a person")]
    NeedsPerson,
    #[error("not allowed")]
    NotAllowed,
    #[error("this feature is a switch, on or off: there is nothing to count")]
    NotCounted,
    #[error("{0}")]
    Wrong(String),
    #[error("{0:?} is not an address: {1}")]
    Address(String, EmailError),
    #[error("cannot listen on {0} (server.listen, VOUCHSAFE_LISTEN): {1}")]
    Listen(std::net::SocketAddr, std::io::Error),
    #[error("the database holds what must not be")]
    Unsound,
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl CliError {
    /// Returns the exit code, as `--help` documents it.
    fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Jobs(_)
            | Self::Start(StartError::NoSecret)
            | Self::Address(..)
            | Self::Credit(CreditError::BadDays)
            | Self::Deletion(DeletionError::BadGrace)
            | Self::Usage(UsageError::BadAmount)
            | Self::Price(PriceError::TierUnknown | PriceError::BadId | PriceError::BadList)
            | Self::Coupon(
                CouponError::Terms(_) | CouponError::BadCount | CouponError::Description | CouponError::TierUnknown,
            )
            | Self::Partner(PartnerError::Details(_))
            | Self::Grant(GrantError::BadDays | GrantError::TierUnknown)
            | Self::Invitation(InvitationError::BadDays | InvitationError::TierUnknown | InvitationError::BadNote)
            | Self::Webhook(WebhookError::Address(_) | WebhookError::LongAddress | WebhookError::Description)
            | Self::MailTemplate(TemplateError::Broken(_))
            | Self::Bonus(BonusError::Terms(_) | BonusError::TierUnknown)
            | Self::NotificationSettings(SettingsError::Address(_) | SettingsError::TooLong)
            | Self::NotCounted
            | Self::Wrong(_) => 2,
            Self::Member(MemberError::NoSuchMember)
            | Self::Credit(CreditError::NoSuchMember)
            | Self::Coupon(CouponError::NoSuchCoupon | CouponError::PartnerUnknown)
            | Self::Partner(PartnerError::NoSuchPartner)
            | Self::Redeem(RedeemError::Unknown | RedeemError::NoSuchMember)
            | Self::Grant(GrantError::NoSuchGrant | GrantError::NoSuchMember)
            | Self::Invitation(InvitationError::Unknown)
            | Self::Bonus(BonusError::NoSuchRule)
            | Self::NoSuchNotification
            | Self::NoSuchEvent
            | Self::NoSuchBatch
            | Self::Preference(PreferenceError::NoSuchMember)
            | Self::Resend(ResendError::NoSuchMail)
            | Self::NoSuchJob
            | Self::Webhook(WebhookError::NoSuchEndpoint | WebhookError::NoSuchDelivery)
            | Self::Referral(ReferralError::Unknown)
            | Self::Entitlement(EntitlementError::UserUnknown | EntitlementError::FeatureUnknown) => 3,
            Self::NotAllowed => 4,
            _ => 1,
        }
    }
}

/// Runs the command that the arguments name. Wrong arguments end with 2, as clap does it.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("vouchsafe: the runtime cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vouchsafe: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), CliError> {
    let config = Config::load(arguments.config.as_deref(), config::environment())?;
    telemetry::start(&config.log)?;
    match arguments.command {
        Command::Serve => serve::run(config).await,
        Command::Migrate(command) => {
            let db = Db::open(config.database.url.expose(), config.database.pool_size).await?;
            let outcome = command.run(&db).await;
            db.close().await;
            outcome
        }
        Command::GrantCredit(command) => command.run(&server::open(config).await?).await,
        Command::RevokeCredit(command) => command.run(&server::open(config).await?).await,
        Command::ShowStatus(command) => command.run(&server::open(config).await?).await,
        Command::Check(command) => command.run(&server::open(config).await?).await,
        Command::Consume(command) => command.run(&server::open(config).await?).await,
        Command::Explain(command) => command.run(&server::open(config).await?).await,
        Command::Feature(command) => command.run(&server::open(config).await?).await,
        Command::Tier(command) => command.run(&server::open(config).await?).await,
        Command::Price(command) => command.run(&server::open(config).await?).await,
        Command::Limit(command) => command.run(&server::open(config).await?).await,
        Command::Matrix(command) => command.run(&server::open(config).await?).await,
        Command::Setting(command) => command.run(&server::open(config).await?).await,
        Command::Key(command) => command.run(&server::open(config).await?).await,
        Command::Quotes(command) => command.run(&server::open(config).await?).await,
        Command::Payments(command) => command.run(&server::open(config).await?).await,
        Command::Invite(command) => command.run(&server::open(config).await?).await,
        Command::Referral(command) => command.run(&server::open(config).await?).await,
        Command::Mail(command) => command.run(&server::open(config).await?).await,
        Command::Coupon(command) => command.run(&server::open(config).await?).await,
        Command::Partner(command) => command.run(&server::open(config).await?).await,
        Command::Bonus(command) => command.run(&server::open(config).await?).await,
        Command::Notification(command) => command.run(&server::open(config).await?).await,
        Command::Grant(command) => command.run(&server::open(config).await?).await,
        Command::Job(command) => command.run(&server::open(config).await?).await,
        Command::Activity(command) => command.run(&server::open(config).await?).await,
        Command::Stats(command) => command.run(&server::open(config).await?).await,
        Command::Doctor(command) => command.run(&config).await,
        Command::User(command) => command.run(&server::open(config).await?).await,
        Command::Webhook(command) => command.run(&server::open(config).await?).await,
    }
}

/// Who acts, in the audit log, when an operator does.
const OPERATOR: &str = crate::domain::activity::OPERATOR;

/// Returns the member with an address.
async fn member(env: &Env, email: &str) -> Result<User, CliError> {
    let address = EmailAddress::parse(email).map_err(|error| CliError::Address(email.to_owned(), error))?;
    Ok(members::with_email(env, address.key()).await?)
}

/// Reads an instant that can be kept.
fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let instant: DateTime<Utc> = text.parse().map_err(|_| "this is no time, as 2027-01-01T00:00:00Z".to_owned())?;
    if can_be_kept(instant) { Ok(instant) } else { Err("the year has four digits".to_owned()) }
}

/// Reads a day whose end can be kept.
fn day(text: &str) -> Result<NaiveDate, String> {
    let day: NaiveDate = text.parse().map_err(|_| "this is no day, as 2026-11-01".to_owned())?;
    let ends_before_10000 = day.succ_opt().is_some_and(|next| (1..=9_999).contains(&next.year()));
    if ends_before_10000 { Ok(day) } else { Err("the year has four digits, at the end of the day, too".to_owned()) }
}

/// A moment that is set, as 2027-01-01T00:00:00Z, or taken away: `none`.
#[derive(Debug, Clone, Copy)]
struct Moment(Option<DateTime<Utc>>);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            text => instant(text).map(|at| Self(Some(at))),
        }
    }
}

/// Writes a moment as lists show it.
fn moment(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Writes a moment among facts, where one that is not known is left out.
fn moment_or_nothing(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(String::new, |at| moment(Some(at)))
}

/// Prints what is known of one thing, a line for each, without what is empty.
fn say_facts(facts: &[(&str, String)]) -> Result<(), CliError> {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut said = facts.iter().filter(|(_, value)| !value.is_empty());
    said.try_for_each(|(name, value)| say(&format!("{name:width$}  {value}")))
}

/// Prints a list that is read in pages, each from before the last row of the page before it: a line for each row, or
/// all of them as JSON in the end.
async fn say_list<T, Id, Page>(
    as_json: bool,
    page: impl Fn(Option<Id>) -> Page,
    id: impl Fn(&T) -> Id,
    to_json: impl Fn(&T) -> serde_json::Value,
    line: impl Fn(&T) -> String,
) -> Result<(), CliError>
where
    Page: Future<Output = Result<Vec<T>, StoreError>>,
{
    let mut before = None;
    let mut found = Vec::new();
    loop {
        let rows = page(before).await?;
        let Some(last) = rows.last() else { break };
        before = Some(id(last));
        if as_json {
            found.extend(rows.iter().map(&to_json));
            continue;
        }
        for row in &rows {
            say(&line(row))?;
        }
    }
    if as_json { say_json(&found) } else { Ok(()) }
}

fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

/// Prints a line of the answer. A reader that has gone away is not worth a panic.
fn say(line: &str) -> Result<(), CliError> {
    use std::io::Write;
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Prints the answer as JSON.
fn say_json<T: serde::Serialize>(value: &T) -> Result<(), CliError> {
    say(&serde_json::to_string_pretty(value).map_err(std::io::Error::from)?)
}

/// Reads the arguments as [`main`] does, for tests of the command line.
#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn times_have_a_year_of_four_digits() {
        assert_eq!(instant("2027-01-01T00:00:00+01:00"), Ok("2026-12-31T23:00:00Z".parse().expect("a time")));
        assert!(instant("9999-12-31T23:59:59Z").is_ok());
        for bad in ["9999-12-31T23:59:59-01:00", "+10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "tomorrow", ""] {
            assert!(instant(bad).is_err(), "{bad}");
        }
        assert!(day("2026-11-01").is_ok() && day("9999-12-30").is_ok());
        for bad in ["9999-12-31", "+10000-01-01", "-0001-01-01", "tomorrow", ""] {
            assert!(day(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
