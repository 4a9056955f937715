//! Leaving and taking along: a member's export, and the deletion of an account.
//!
//! Who asks to leave has some days to think. Then one transaction takes everything out of the database
//! by which the person could be known: the list is [`PLACES`](crate::store::places::PLACES). Sums stay,
//! and so does what others got through them. Their row stays too, as nobody's: it keeps providers and
//! apps, who still name its id, from being taken at their word.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    domain::{
        activity::SYSTEM,
        email::EmailAddress,
        event::Event,
        ids::{MailId, UserId},
        letter::Notice,
        notification::Occurrence,
        privacy::{
            EXPORT_VERSION, FAREWELL_KEPT_FOR, GRACE, Hindrance, Leaving, MOST_GRACE_DAYS, NOBODY, TRY_AGAIN_AFTER,
            goes_on,
        },
        user::{Role, User},
    },
    platform::env::Env,
    services::{
        aftermath::Aftermath,
        collisions::{Collides, until_through},
        letters,
    },
    store::{
        Conn, StoreError, address_marks,
        mails::QueuedMail,
        privacy::{self, Export, Lines, PLACES, Person},
        subscriptions, users,
    },
};

/// Accounts that are deleted in one run.
const MOST_DUE: i64 = 200;
/// Rows of an export that are read at once.
const ROWS_AT_ONCE: i64 = 500;

/// Why an account is not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeletionError {
    /// Nobody is that.
    #[error("there is no such member")]
    NoSuchMember,
    /// A subscription would go on taking money.
    #[error("a subscription is running; cancel it at the provider first")]
    SubscriptionRuns,
    /// Nobody else could open `/admin`.
    #[error("this is the last admin; make somebody else an admin first")]
    LastAdmin,
    /// Not between 0 and [`MOST_GRACE_DAYS`].
    #[error("the days to wait are between 0 and {MOST_GRACE_DAYS}")]
    BadGrace,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Collides for DeletionError {
    fn is_collision(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_collision())
    }
}

impl From<Hindrance> for DeletionError {
    fn from(hindrance: Hindrance) -> Self {
        match hindrance {
            Hindrance::Subscription => Self::SubscriptionRuns,
            Hindrance::LastAdmin => Self::LastAdmin,
        }
    }
}

/// What came of a wish to delete an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It will be deleted then.
    Due(DateTime<Utc>),
    /// It is deleted.
    Deleted,
}

/// What a page says about leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeavingView {
    /// When they asked and when it happens, if they did.
    pub leaving: Option<Leaving>,
    /// What stands in the way now.
    pub hindrance: Option<Hindrance>,
}

/// Returns whether a member is leaving, and what stands in the way.
pub async fn view(env: &Env, user: &User) -> Result<LeavingView, StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let leaving = privacy::leaving(conn, user.id).await?;
    let hindrance = if user.role == Role::Admin && !privacy::has_other_admin(conn, user.id).await? {
        Some(Hindrance::LastAdmin)
    } else {
        subscription_runs(conn, user.id).await?.then_some(Hindrance::Subscription)
    };
    Ok(LeavingView { leaving, hindrance })
}

async fn subscription_runs(conn: &mut Conn<'_>, user: UserId) -> Result<bool, StoreError> {
    Ok(subscriptions::list_by_user(conn, user).await?.iter().any(goes_on))
}

/// Has an account deleted after the usual time. Asked again, it stays with the first date.
pub async fn ask(env: &Env, user: UserId, actor: &str) -> Result<Outcome, DeletionError> {
    delete(env, user, GRACE, actor).await
}

/// Has an account deleted after so many days; 0 is at once.
pub async fn delete_after(env: &Env, user: UserId, grace_days: i64, actor: &str) -> Result<Outcome, DeletionError> {
    if !(0..=MOST_GRACE_DAYS).contains(&grace_days) {
        return Err(DeletionError::BadGrace);
    }
    delete(env, user, TimeDelta::days(grace_days), actor).await
}

async fn delete(env: &Env, user: UserId, grace: TimeDelta, actor: &str) -> Result<Outcome, DeletionError> {
    until_through(|| delete_once(env, user, grace, actor)).await
}

async fn delete_once(env: &Env, id: UserId, grace: TimeDelta, actor: &str) -> Result<Outcome, DeletionError> {
    let is_now = grace <= TimeDelta::zero();
    let lines = if is_now { lines_naming(env, id).await? } else { None };
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    if is_now {
        privacy::end_attempts(conn, id).await?;
    }
    let (user, hindrance) = lock(conn, id).await?.ok_or(DeletionError::NoSuchMember)?;
    if let Some(hindrance) = hindrance {
        return Err(hindrance.into());
    }
    let now = env.clock.now();
    let mut aftermath = Aftermath::new(now);
    let outcome = if let Some(lines) = &lines {
        anonymise(env, conn, &user, lines, actor, &mut aftermath).await?;
        Outcome::Deleted
    } else if is_now {
        // Nobody was that a moment ago.
        return Err(DeletionError::NoSuchMember);
    } else {
        if let Some(leaving) = privacy::leaving(conn, id).await? {
            return Ok(Outcome::Due(leaving.due_at));
        }
        let due_at = now + grace;
        privacy::set_leaving(conn, id, Some(Leaving { asked_at: now, due_at }), now).await?;
        aftermath.log_by(actor, Some(id), "deletion_scheduled", json!({ "due_at": due_at }));
        aftermath.write_to(&user, Notice::DeletionScheduled { on: due_at });
        Outcome::Due(due_at)
    };
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    announce(env, id, outcome, aftermath);
    Ok(outcome)
}

fn announce(env: &Env, user: UserId, outcome: Outcome, aftermath: Aftermath) {
    if outcome == Outcome::Deleted {
        // Their keys are gone.
        env.memory.keys_changed();
        // What an operator replays after a backup is brought back that is older than this.
        tracing::info!(user.id = %user, "an account was deleted");
    }
    aftermath.announce(env);
}

/// Looks up which lines of the log name a member, before others have to wait; nothing if nobody is that.
async fn lines_naming(env: &Env, id: UserId) -> Result<Option<Lines>, StoreError> {
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let Some(user) = users::find(conn, id).await? else { return Ok(None) };
    let person = privacy::person(conn, &user).await?;
    privacy::lines_naming(conn, person, now).await.map(Some)
}

/// Locks a member whom somebody wants to delete, and returns what stands in the way.
async fn lock(conn: &mut Conn<'_>, id: UserId) -> Result<Option<(User, Option<Hindrance>)>, StoreError> {
    // Admins first, in one order: of two who leave at once the second sees the first. Who is none holds no admin up.
    let was_admin = users::find(conn, id).await?.is_some_and(|user| user.role == Role::Admin);
    let mut other_admins = if was_admin { Some(privacy::lock_other_admins(conn, id).await?) } else { None };
    let Some(user) = users::lock(conn, id).await? else { return Ok(None) };
    if user.role == Role::Admin && other_admins.is_none() {
        // They became one in between. Two who wait in a circle for it are told so by the database, and begin again.
        other_admins = Some(privacy::lock_other_admins(conn, id).await?);
    }
    let hindrance = if user.role == Role::Admin && other_admins == Some(0) {
        Some(Hindrance::LastAdmin)
    } else {
        subscription_runs(conn, id).await?.then_some(Hindrance::Subscription)
    };
    Ok(Some((user, hindrance)))
}

/// Lets an account stay that was to be deleted. Returns `false` if it was not.
pub async fn keep(env: &Env, user: UserId, actor: &str) -> Result<bool, DeletionError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    users::lock(conn, user).await?.ok_or(DeletionError::NoSuchMember)?;
    if privacy::leaving(conn, user).await?.is_none() {
        return Ok(false);
    }
    privacy::set_leaving(conn, user, None, now).await?;
    let mut aftermath = Aftermath::new(now);
    aftermath.log_by(actor, Some(user), "deletion_cancelled", json!({}));
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    Ok(true)
}

/// What one run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    /// Accounts that are deleted now.
    pub deleted: u64,
    /// Those that have to wait, because something stands in the way.
    pub postponed: u64,
    /// Letters and hashes of addresses that nobody needs any more.
    pub forgotten: u64,
}

/// Deletes the accounts whose time has come, and forgets what is left of those that went before. One that fails
/// holds up no other: what it failed with is returned at the end.
pub async fn run_due(env: &Env) -> Result<Run, StoreError> {
    let now = env.clock.now();
    let mut run = Run::default();
    let mut failed = None;
    let mut reader = env.db.reader().await?;
    let due = privacy::due(&mut reader.conn(), now, MOST_DUE).await?;
    drop(reader);
    for user in due {
        match until_through(|| run_one(env, user)).await {
            Ok(Some(Outcome::Deleted)) => run.deleted += 1,
            Ok(Some(Outcome::Due(_))) => run.postponed += 1,
            Ok(None) => {}
            Err(error) => note_failure(&mut failed, user, error),
        }
    }
    let mut reader = env.db.reader().await?;
    let watched = privacy::watched(&mut reader.conn()).await?;
    drop(reader);
    for user in watched {
        match until_through(|| sweep(env, user)).await {
            Ok(forgotten) => run.forgotten += forgotten,
            Err(error) => note_failure(&mut failed, user, error),
        }
    }
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    run.forgotten += privacy::forget_farewells(conn, now - FAREWELL_KEPT_FOR).await?
        + privacy::forget_redemption_marks(conn, now).await?;
    tx.commit().await?;
    failed.map_or(Ok(run), Err)
}

/// Notes that an account could not be deleted or looked after. The first reason is told to whoever asks.
fn note_failure(first: &mut Option<StoreError>, user: UserId, error: StoreError) {
    tracing::error!(%error, user.id = %user, "an account could not be deleted");
    first.get_or_insert(error);
}

async fn sweep(env: &Env, user: UserId) -> Result<u64, StoreError> {
    let mut tx = env.db.begin().await?;
    let forgotten = privacy::sweep(&mut tx.conn(), user, env.clock.now()).await?;
    tx.commit().await?;
    Ok(forgotten)
}

/// Deletes an account whose time has come, unless something stands in the way by now, or they stay.
async fn run_one(env: &Env, id: UserId) -> Result<Option<Outcome>, StoreError> {
    let Some(lines) = lines_naming(env, id).await? else { return Ok(None) };
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    privacy::end_attempts(conn, id).await?;
    let Some((user, hindrance)) = lock(conn, id).await? else { return Ok(None) };
    let now = env.clock.now();
    if privacy::leaving(conn, id).await?.is_none_or(|leaving| leaving.due_at > now) {
        return Ok(None);
    }
    let mut aftermath = Aftermath::new(now);
    let outcome = match hindrance {
        None => {
            anonymise(env, conn, &user, &lines, SYSTEM, &mut aftermath).await?;
            Outcome::Deleted
        }
        Some(hindrance) => {
            let due_at = now + TRY_AGAIN_AFTER;
            let is_first = privacy::postpone(conn, id, due_at, now).await?;
            let because = match hindrance {
                Hindrance::Subscription => "subscription",
                Hindrance::LastAdmin => "last_admin",
            };
            aftermath.log(Some(id), "deletion_postponed", json!({ "because": because, "due_at": due_at }));
            if is_first && hindrance == Hindrance::Subscription {
                // It goes on taking their money, and they may think that they are gone.
                aftermath.write_to(&user, Notice::DeletionPostponed);
            }
            Outcome::Due(due_at)
        }
    };
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    announce(env, id, outcome, aftermath);
    Ok(Some(outcome))
}

/// Takes everything out of the database by which a person could be known. They are locked, and nothing
/// stands in the way.
async fn anonymise(
    env: &Env,
    conn: &mut Conn<'_>,
    user: &User,
    lines: &Lines,
    actor: &str,
    aftermath: &mut Aftermath,
) -> Result<(), StoreError> {
    let now = aftermath.now;
    let email = user.email.as_deref().and_then(|email| EmailAddress::parse(email).ok());
    if let Some(key) = user.known_by() {
        // Coming back under the same address, or external id, brings neither a coupon nor a trial again.
        let hash = env.keys.address_hash(&key);
        privacy::mark_redemptions(conn, user.id, &hash, now).await?;
        if user.trial_ends_at.is_some() {
            address_marks::mark(conn, address_marks::TRIAL, &hash, None, now).await?;
        }
    }
    privacy::end_grants(conn, user.id, now).await?;
    let person = privacy::person(conn, user).await?;
    privacy::erase(conn, &person, lines).await?;
    // Queued after their letters are gone, and forgotten itself once it is sent.
    let farewell = match &email {
        Some(email) if user.disabled_at.is_none() => {
            let id: MailId = env.random.id(now);
            let letter = Notice::AccountDeleted.into();
            let mail = QueuedMail { id, recipient: email.as_str().to_owned(), lang: user.lang, letter };
            letters::queue_all(env, conn, &[mail]).await?;
            Some(id)
        }
        _ => None,
    };
    if !privacy::anonymise_user(conn, user.id, farewell, now).await? {
        return Err(StoreError::Missing("users"));
    }
    // An admin who deletes themselves is nobody in this line, too.
    let is_self = [user.email.as_deref(), user.external_id.as_deref()].contains(&Some(actor));
    let actor = if is_self { NOBODY } else { actor };
    aftermath.log_by(actor, None, "account_deleted", json!({ "user": user.id }));
    aftermath.happened(user.id, Event::UserDeleted);
    aftermath.tell_admins(Occurrence::MemberDeleted { user: user.id });
    aftermath.access_changed(user.id);
    Ok(())
}

/// Everything that is kept of a member, as JSON, read piece by piece: nobody's export is too long.
#[derive(Debug)]
pub struct ExportReader {
    env: Env,
    user: User,
    /// What they are and were called, once that is read.
    person: Option<Person>,
    step: Step,
    /// What is read already.
    ready: VecDeque<String>,
}

/// Where a reader is.
#[derive(Debug, Clone, Copy)]
enum Step {
    Head,
    /// At a place, after a row.
    At {
        place: usize,
        after: Option<Uuid>,
        is_open: bool,
    },
    Over,
}

/// Begins to read a member's export.
pub fn export(env: &Env, user: &User) -> ExportReader {
    ExportReader { env: env.clone(), user: user.clone(), person: None, step: Step::Head, ready: VecDeque::new() }
}

/// Returns the name of the file that an export is saved as.
pub fn export_name(env: &Env) -> String {
    format!("export-{}.json", env.clock.now().format("%Y-%m-%d"))
}

impl ExportReader {
    /// Returns the next piece of the text; nothing at its end.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            match self.step {
                Step::Head => {
                    let head = json!({
                        "version": EXPORT_VERSION,
                        "made_at": self.env.clock.now(),
                        "product": self.env.config.product.name,
                    });
                    // The object stays open: the sections follow.
                    let head = head.to_string();
                    self.ready.push_back(head.trim_end_matches('}').to_owned());
                    self.step = Step::At { place: 0, after: None, is_open: false };
                }
                Step::At { place, after, is_open } => self.read(place, after, is_open).await?,
                Step::Over => return Ok(None),
            }
        }
    }

    async fn read(&mut self, at: usize, after: Option<Uuid>, is_open: bool) -> Result<(), StoreError> {
        let Some(place) = PLACES.get(at) else {
            self.ready.push_back("}\n".to_owned());
            self.step = Step::Over;
            return Ok(());
        };
        let following = Step::At { place: at + 1, after: None, is_open: false };
        let Export::As { section, .. } = place.export else {
            self.step = following;
            return Ok(());
        };
        let mut reader = self.env.db.reader().await?;
        let conn = &mut reader.conn();
        let person = match self.person.take() {
            Some(person) => person,
            None => privacy::person(conn, &self.user).await?,
        };
        let page = privacy::rows(conn, place, &person, after, ROWS_AT_ONCE).await?;
        drop(reader);
        self.person = Some(person);
        let mut piece = String::new();
        if !is_open {
            piece.push_str(&format!(",\n\"{section}\":["));
        }
        for (number, row) in page.rows.iter().enumerate() {
            piece.push_str(if is_open || number > 0 { ",\n" } else { "\n" });
            piece.push_str(&row.to_string());
        }
        self.step = match page.next {
            Some(last) => Step::At { place: at, after: Some(last), is_open: true },
            None => {
                piece.push(']');
                following
            }
        };
        self.ready.push_back(piece);
        Ok(())
    }

    /// Returns the whole as a value.
    pub async fn whole(mut self) -> Result<Value, StoreError> {
        let mut text = String::new();
        while let Some(piece) = self.next().await? {
            text.push_str(&piece);
        }
        serde_json::from_str(&text).map_err(|_| StoreError::Missing("export"))
    }
}

/// Writes down that somebody took a member's export.
pub async fn note_export(env: &Env, user: UserId, actor: &str) -> Result<(), StoreError> {
    let mut tx = env.db.begin().await?;
    let mut aftermath = Aftermath::new(env.clock.now());
    aftermath.log_by(actor, Some(user), "data_exported", json!({}));
    aftermath.write(env, &mut tx.conn()).await?;
    tx.commit().await
}
