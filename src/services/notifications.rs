//! What admins are told: raised in the transaction of the cause, read, sent as a digest and to a chat.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use serde_json::json;

pub use crate::store::notifications::Reader;

use crate::{
    domain::{
        ids::{JobId, NotificationId, UserId},
        lang::Lang,
        letter::Notice,
        notification::{Kind, Notification, Occurrence, Shape, Ways},
    },
    platform::{
        env::Env,
        outbound::{self, BadAddress, OutboundError, Reach},
    },
    services::{aftermath::Aftermath, catalogue},
    store::{
        Conn, StoreError,
        jobs::{self, Kind as JobKind, Work},
        notifications::{self, Which},
        users,
    },
};

/// How long a chat may take to answer.
const CHAT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest address of a chat, in bytes.
const LONGEST_ADDRESS: usize = 2_000;
/// For how long it can be looked up what was told.
const KEEP: TimeDelta = TimeDelta::days(180);

/// The page on which they all are.
const PAGE: &str = "/admin/notifications";

/// Tells the admins of something, in the transaction of the cause. Call [`Env::wake_workers`] after
/// the commit.
pub async fn raise(env: &Env, conn: &mut Conn<'_>, occurrence: Occurrence) -> Result<(), StoreError> {
    let work = raise_all(env, conn, vec![occurrence]).await?;
    let now = env.clock.now();
    let work: Vec<(JobId, Work)> = work.into_iter().map(|work| (env.random.id(now), work)).collect();
    jobs::insert(conn, &work, now).await
}

/// Tells the admins that a job was given up: of a mail as such. Of a payment event they were told when it
/// was.
pub async fn job_given_up(env: &Env, conn: &mut Conn<'_>, job: JobId, work: Option<&Work>) -> Result<(), StoreError> {
    let occurrence = match work {
        Some(Work::ApplyPaymentEvent { .. }) => return Ok(()),
        Some(Work::SendMail { mail }) => Occurrence::MailGivenUp { mail: *mail },
        other => Occurrence::JobGivenUp { job, work: other.map_or("unknown", |work| work.kind().as_str()).to_owned() },
    };
    raise(env, conn, occurrence).await
}

/// Tells the admins that there is another one, who knows it already.
pub async fn admin_added(env: &Env, conn: &mut Conn<'_>, user: UserId) -> Result<(), StoreError> {
    let now = env.clock.now();
    raise(env, conn, Occurrence::AdminAdded { user }).await?;
    notifications::mark_own_read(conn, Kind::AdminAdded, &user.to_string(), user, now).await
}

/// Tells the admins of several things, and returns what is left to be done by jobs.
pub(super) async fn raise_all(
    env: &Env,
    conn: &mut Conn<'_>,
    mut occurrences: Vec<Occurrence>,
) -> Result<Vec<Work>, StoreError> {
    let mut work = Vec::new();
    if occurrences.is_empty() {
        return Ok(work);
    }
    // Two transactions that tell the same count on the same rows, and wait for each other in one order.
    occurrences.sort_by_key(|occurrence| (occurrence.kind(), occurrence.key()));
    let ways = all_ways(conn).await?;
    let has_chat = notifications::chat(conn).await?.is_some();
    let now = env.clock.now();
    for occurrence in occurrences {
        let ways = ways_of(&ways, occurrence.kind());
        if !ways.any() {
            continue;
        }
        let (id, is_new) = notifications::raise(conn, env.random.id(now), &occurrence, now).await?;
        // That the chat cannot be told is not told to the chat.
        let is_about_chat =
            matches!(&occurrence, Occurrence::JobGivenUp { work, .. } if work == JobKind::TellChat.as_str());
        if is_new && ways.webhook && has_chat && !is_about_chat {
            work.push(Work::TellChat { notification: id });
        }
    }
    Ok(work)
}

/// Returns by which ways every kind is told.
async fn all_ways(conn: &mut Conn<'_>) -> Result<Vec<(Kind, Ways)>, StoreError> {
    let chosen = notifications::ways(conn).await?;
    let of = |kind: Kind| chosen.iter().find(|(of, _)| *of == kind).map_or(kind.ways(), |(_, ways)| *ways);
    Ok(Kind::ALL.map(|kind| (kind, of(kind))).to_vec())
}

fn ways_of(all: &[(Kind, Ways)], kind: Kind) -> Ways {
    all.iter().find(|(of, _)| *of == kind).map_or(kind.ways(), |(_, ways)| *ways)
}

async fn kinds(conn: &mut Conn<'_>, is_told: impl Fn(Ways) -> bool) -> Result<Vec<Kind>, StoreError> {
    let all = all_ways(conn).await?;
    Ok(all.into_iter().filter(|(_, ways)| is_told(*ways)).map(|(kind, _)| kind).collect())
}

/// Returns a page of what is told in the app, the newest first, from before `before`: what somebody has
/// read, what not, or both.
pub async fn list(
    env: &Env,
    whose: Reader,
    is_read: Option<bool>,
    before: Option<NotificationId>,
    count: i64,
) -> Result<Vec<Notification>, StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let kinds = kinds(conn, |ways| ways.in_app).await?;
    notifications::page(conn, Which { reader: whose, kinds: &kinds, is_read, before }, count).await
}

/// Returns how much of what is told in the app somebody has not read.
pub async fn unread_count(env: &Env, whose: Reader) -> Result<i64, StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let kinds = kinds(conn, |ways| ways.in_app).await?;
    Ok(notifications::unread(conn, whose, &kinds).await?.into_iter().map(|(_, count, _)| count).sum())
}

/// Marks a notification as read, and returns it as it is now; nothing if there is none. The log is not
/// told: what somebody has read is theirs alone, and changes nothing for anybody else.
pub async fn mark_read(env: &Env, whose: Reader, id: NotificationId) -> Result<Option<Notification>, StoreError> {
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    if !notifications::mark_read(conn, whose, id, env.clock.now()).await? {
        return Ok(None);
    }
    let marked = notifications::find(conn, whose, id).await?;
    tx.commit().await?;
    Ok(marked)
}

/// Marks everything as read that somebody could see at `seen`. Returns how much was unread. The log is
/// not told of this either.
pub async fn mark_all_read(env: &Env, whose: Reader, seen: DateTime<Utc>) -> Result<u64, StoreError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let marked = notifications::mark_all_read(&mut tx.conn(), whose, seen.min(now), now).await?;
    tx.commit().await?;
    Ok(marked)
}

/// A chat that is told. Its address is a secret: whoever knows it can write there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chat {
    /// The host, which is all that anybody is shown of its address.
    pub host: String,
    /// In which shape it wants to be told.
    pub shape: Shape,
}

/// How admins are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// By which ways each kind is told.
    pub ways: Vec<(Kind, Ways)>,
    /// The chat that is told, if there is one.
    pub chat: Option<Chat>,
    /// The hour of the day at which the digest is sent, in the product's zone.
    pub digest_hour: i64,
}

/// Returns how admins are told.
pub async fn settings(env: &Env) -> Result<Settings, StoreError> {
    let digest_hour = catalogue::current(env).await?.settings.admin_digest_hour;
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let ways = all_ways(conn).await?;
    let chat = notifications::chat(conn).await?.map(|(sealed, shape)| {
        let address = env.keys.open_address(&sealed).and_then(|address| url::Url::parse(&address).ok());
        let host = address.as_ref().and_then(|address| address.host_str()).unwrap_or("?").to_owned();
        Chat { host, shape }
    });
    Ok(Settings { ways, chat, digest_hour })
}

/// What becomes of the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatChange<'a> {
    /// It stays.
    Keep,
    /// Nobody is told any more.
    Remove,
    /// It is at this address, in this shape or the one that its host wants.
    Set(&'a str, Option<Shape>),
}

/// Why the settings stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No address that can be called.
    #[error("the address of the chat cannot be used: {0}")]
    Address(#[from] BadAddress),
    /// An address of that length is none.
    #[error("the address of the chat has at most {LONGEST_ADDRESS} characters")]
    TooLong,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes how admins are told, and returns how they are from now on. Kinds that are left out stay.
pub async fn change_settings(
    env: &Env,
    ways: &[(Kind, Ways)],
    chat: ChatChange<'_>,
    actor: &str,
) -> Result<Settings, SettingsError> {
    let now = env.clock.now();
    let address = match chat {
        ChatChange::Set(typed, _) if typed.len() > LONGEST_ADDRESS => return Err(SettingsError::TooLong),
        ChatChange::Set(typed, shape) => {
            let address = outbound::address(typed, reach(env))?;
            let host = address.host_str().unwrap_or_default().to_owned();
            let shape = shape.unwrap_or_else(|| Shape::of_host(&host));
            Some((env.keys.seal_address(address.as_str()), shape, host))
        }
        ChatChange::Keep | ChatChange::Remove => None,
    };
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let before = all_ways(conn).await?;
    let mut changed = Vec::new();
    for (kind, wanted) in ways.iter().filter(|(kind, ways)| ways_of(&before, *kind) != *ways) {
        notifications::set_ways(conn, *kind, *wanted, now).await?;
        let Ways { in_app, digest, webhook } = *wanted;
        changed.push(json!({ "kind": kind, "in_app": in_app, "digest": digest, "webhook": webhook }));
    }
    match (&address, chat) {
        (Some((sealed, shape, _)), _) => notifications::set_chat(conn, Some((sealed, *shape)), now).await?,
        (None, ChatChange::Remove) => notifications::set_chat(conn, None, now).await?,
        _ => {}
    }
    if !changed.is_empty() || chat != ChatChange::Keep {
        let mut aftermath = Aftermath::new(now);
        let mut details = json!({ "ways": changed });
        match (&address, chat) {
            (Some((_, shape, host)), _) => details["chat"] = json!({ "host": host, "shape": shape }),
            (None, ChatChange::Remove) => details["chat"] = json!(null),
            _ => {}
        }
        aftermath.log_by(actor, None, "notification_settings_changed", details);
        aftermath.write(env, conn).await?;
    }
    tx.commit().await?;
    Ok(settings(env).await?)
}

fn reach(env: &Env) -> Reach {
    Reach::allowing_private(env.config.webhooks.allow_private)
}

/// Why a chat was not told.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// It may be told later.
    #[error("{0}")]
    Later(String),
    /// It never will be.
    #[error("{0}")]
    Never(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Tells the chat of a notification. Nothing is done if there is no chat any more, or nothing to tell.
pub async fn tell_chat(env: &Env, id: NotificationId) -> Result<(), ChatError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let found = notifications::find(conn, Reader::All, id).await?;
    let chat = notifications::chat(conn).await?;
    drop(reader);
    let (Some(notification), Some((sealed, shape))) = (found, chat) else { return Ok(()) };
    let address = env.keys.open_address(&sealed).ok_or_else(|| {
        ChatError::Never("the address was kept under another secret of this program: set it again".to_owned())
    })?;
    let body = shape.message(&text(env, &notification)).to_string();
    match outbound::post(&address, reach(env), &[], body, CHAT_TIMEOUT).await {
        Ok(answer) if answer.is_success() => Ok(()),
        // What it answers may hold its address.
        Ok(answer) => {
            let problem = format!("the chat answered {}", answer.status);
            let is_final = (400..500).contains(&answer.status) && !matches!(answer.status, 408 | 425 | 429);
            Err(if is_final { ChatError::Never(problem) } else { ChatError::Later(problem) })
        }
        Err(error @ (OutboundError::Address(_) | OutboundError::NotPublic)) => Err(ChatError::Never(error.to_string())),
        Err(error) => Err(ChatError::Later(error.to_string())),
    }
}

/// Writes what a chat is told.
fn text(env: &Env, notification: &Notification) -> String {
    let occurrence = &notification.occurrence;
    let product = &env.config.product.name;
    let origin = env.config.server.public_url.as_str().trim_end_matches('/');
    let (title, about) = (occurrence.kind().title(Lang::En), occurrence.about(Lang::En));
    let about = if about.is_empty() { String::new() } else { format!(": {about}") };
    format!("{product}: {title}{about}\n{origin}{}", occurrence.path())
}

/// Sends each admin what they have not read, once a day from the hour on that is set. Returns to how many.
pub async fn send_digests(env: &Env) -> Result<u64, StoreError> {
    let settings = &catalogue::current(env).await?.settings;
    let now = env.clock.now();
    let local = now.with_timezone(&settings.timezone);
    if i64::from(local.hour()) < settings.admin_digest_hour {
        return Ok(0);
    }
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let kinds = kinds(conn, |ways| ways.digest).await?;
    let mut aftermath = Aftermath::new(now);
    let mut sent = 0;
    for admin in users::admins(conn).await? {
        let unread = notifications::unread(conn, Reader::Admin(admin.id), &kinds).await?;
        let Some(since) = unread.iter().map(|(_, _, since)| *since).min() else { continue };
        // Two at once: the second waits here for the first, and writes nothing.
        if !notifications::insert_digest(conn, admin.id, local.date_naive(), now).await? {
            continue;
        }
        let lines = unread.into_iter().map(|(kind, count, _)| (kind.title(admin.lang).to_owned(), count)).collect();
        aftermath.write_to(&admin, Notice::AdminDigest { since, lines, more: PAGE.to_owned() });
        sent += 1;
    }
    aftermath.write(env, conn).await?;
    tx.commit().await?;
    aftermath.announce(env);
    Ok(sent)
}

/// Forgets what was told long ago. Returns how many rows.
pub async fn forget(env: &Env) -> Result<u64, StoreError> {
    let mut tx = env.db.begin().await?;
    let forgotten = notifications::purge(&mut tx.conn(), env.clock.now() - KEEP).await?;
    tx.commit().await?;
    Ok(forgotten)
}
