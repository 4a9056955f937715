//! May this member do this, and why? Answered from what this node remembers.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};

use crate::{
    domain::{
        catalogue::Catalogue,
        entitlement::{self, Decision, Explanation, Reason, Standing},
        ids::{FeatureId, UserId},
        user::{User, UserRef},
    },
    platform::{
        env::{Env, MemberName, WaitingMember},
        memory::{Age, Epoch},
    },
    services::{access, catalogue},
    store::{Conn, StoreError, restrictions, usage, users},
};

pub use crate::platform::memory::Known;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum EntitlementError {
    /// Nobody has that name.
    #[error("there is no such user")]
    UserUnknown,
    /// Nothing has that name.
    #[error("there is no such feature")]
    FeatureUnknown,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The most members that are read together.
const MOST_TOGETHER: usize = 256;
/// For how long members are gathered for whom nobody waits. Their standing is good for longer.
const GATHERED_FOR: Duration = Duration::from_millis(20);

/// Returns what is known of a member.
pub async fn known(env: &Env, user: UserId) -> Result<Option<Arc<Known>>, StoreError> {
    let now = env.clock.now();
    let catalogue = catalogue::current_at(env, now).await?;
    match env.memory.standing(user, &catalogue, now) {
        Some((known, age)) => {
            if age == Age::Old {
                look_up_soon(env, MemberName::Id(user));
            }
            Ok(Some(known))
        }
        None => Box::pin(look_up(env, MemberName::Id(user))).await,
    }
}

/// Returns what the database has of a member now, for pages that show it beside what else is read
/// there: what another process has changed a moment ago stands everywhere on them, or nowhere.
pub async fn newest(env: &Env, user: UserId) -> Result<Option<Arc<Known>>, StoreError> {
    Ok(read_together(env, &[MemberName::Id(user)]).await?.remove(0))
}

/// Returns what is known of a member whom somebody outside names: by id, external id or address.
pub async fn find(env: &Env, name: &str) -> Result<Option<Arc<Known>>, StoreError> {
    let name = name.trim();
    let now = env.clock.now();
    let catalogue = catalogue::current_at(env, now).await?;
    let Some((known, age_of_name, age)) = env.memory.standing_of(name, &catalogue, now) else {
        // In a box, so that the many who do not have to read are not made large by those who do.
        return Box::pin(look_up(env, MemberName::Text(name.to_owned()))).await;
    };
    match (age_of_name, age) {
        // With the name the standing is read again.
        (Age::Old, _) => look_up_soon(env, MemberName::Text(name.to_owned())),
        (Age::Fresh, Age::Old) => look_up_soon(env, MemberName::Id(known.standing.user.id)),
        (Age::Fresh, Age::Fresh) => {}
    }
    Ok(Some(known))
}

/// Returns whom somebody outside names: enough for who counts, where all else is read together
/// with the counter.
pub async fn identify(env: &Env, name: &str) -> Result<Option<UserId>, StoreError> {
    let name = name.trim();
    match env.memory.named(name, env.clock.now()) {
        Some((user, age)) => {
            if age == Age::Old {
                look_up_soon(env, MemberName::OnlyText(name.to_owned()));
            }
            Ok(Some(user))
        }
        None => {
            let known = Box::pin(look_up(env, MemberName::Text(name.to_owned()))).await?;
            Ok(known.map(|known| known.standing.user.id))
        }
    }
}

/// Reads a member's standing, together with the others that are asked for now.
async fn look_up(env: &Env, member: MemberName) -> Result<Option<Arc<Known>>, StoreError> {
    attend(env);
    let (answer, answered) = oneshot::channel();
    let waiting = WaitingMember { member: member.clone(), answer: Some(answer) };
    if env.standings.members.send(waiting).await.is_ok()
        && let Ok(known) = answered.await
    {
        return Ok(known);
    }
    // Something is wrong with one of them, or with the database: each finds out for themselves.
    Ok(read_together(env, &[member]).await?.remove(0))
}

/// Has a standing read that is still good, so that nobody has to wait for it. A queue that is full
/// takes no more: then it is read when somebody needs it.
fn look_up_soon(env: &Env, member: MemberName) {
    attend(env);
    let _ = env.standings.members.try_send(WaitingMember { member, answer: None });
}

/// Starts the worker unless there is one.
fn attend(env: &Env) {
    let receiver = env.standings.unattended.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(receiver) = receiver {
        tokio::spawn(work(env.clone(), receiver));
    }
}

async fn work(env: Env, mut waiting: mpsc::Receiver<WaitingMember>) {
    let mut together = Vec::with_capacity(MOST_TOGETHER);
    while waiting.recv_many(&mut together, MOST_TOGETHER).await > 0 {
        gather(&mut waiting, &mut together).await;
        let (members, answers): (Vec<_>, Vec<_>) =
            together.drain(..).map(|WaitingMember { member, answer }| (member, answer)).unzip();
        // On a task of its own: should it panic, those who wait are told, and others come next.
        let read = tokio::spawn({
            let env = env.clone();
            async move { read_together(&env, &members).await }
        });
        // Without an answer everybody reads for themselves, and says what is wrong.
        if let Ok(Ok(known)) = read.await {
            for (answer, known) in answers.into_iter().zip(known) {
                if let Some(answer) = answer {
                    let _ = answer.send(known);
                }
            }
        }
    }
}

/// Waits for more while nobody waits for what there is.
async fn gather(waiting: &mut mpsc::Receiver<WaitingMember>, together: &mut Vec<WaitingMember>) {
    let mut time_is_up = pin!(tokio::time::sleep(GATHERED_FOR));
    while together.len() < MOST_TOGETHER && together.iter().all(|member| member.answer.is_none()) {
        tokio::select! {
            () = &mut time_is_up => return,
            more = waiting.recv() => match more {
                Some(more) => together.push(more),
                None => return,
            },
        }
    }
}

/// Reads the standings of members and remembers them. Returns them in the order of their names.
async fn read_together(env: &Env, members: &[MemberName]) -> Result<Vec<Option<Arc<Known>>>, StoreError> {
    let now = env.clock.now();
    let catalogue = catalogue::current(env).await?;
    let names_epoch = env.memory.names_epoch();
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let named: Vec<UserRef> = members.iter().filter_map(as_ref).collect();
    let named = users::find_by_refs(conn, &named).await?;
    let user_of = |member: &MemberName| match member {
        MemberName::Id(user) => Some(*user),
        MemberName::Text(name) | MemberName::OnlyText(name) => named.get(name.as_str()).copied(),
    };
    let whole = members.iter().filter(|member| !matches!(member, MemberName::OnlyText(_)));
    let mut ids: Vec<UserId> = whole.filter_map(user_of).collect();
    ids.sort();
    ids.dedup();
    // Before their rows are read: what changes afterwards is not taken for old.
    let epochs: HashMap<UserId, Epoch> = ids.iter().map(|user| (*user, env.memory.standing_epoch(*user))).collect();
    let people = users::find_all(conn, &ids).await?;
    let mut known = HashMap::with_capacity(people.len());
    for standing in read_standings(conn, &catalogue, people, now).await? {
        let user = standing.user.id;
        if let Some(epoch) = epochs.get(&user) {
            known.insert(user, env.memory.remember_standing(*epoch, catalogue.clone(), standing, now));
        }
    }
    for member in members {
        if let (MemberName::Text(name) | MemberName::OnlyText(name), Some(user)) = (member, user_of(member)) {
            env.memory.remember_name(names_epoch, name, user, known.get(&user).cloned(), now);
        }
    }
    Ok(members.iter().map(|member| user_of(member).and_then(|user| known.get(&user).cloned())).collect())
}

fn as_ref(member: &MemberName) -> Option<UserRef> {
    match member {
        MemberName::Id(_) => None,
        MemberName::Text(name) | MemberName::OnlyText(name) => UserRef::parse(name),
    }
}

/// Reads everything about a member that decisions depend on.
pub(super) async fn read_standing(
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    user: User,
    now: DateTime<Utc>,
) -> Result<Standing, StoreError> {
    Ok(read_standings(conn, catalogue, vec![user], now).await?.remove(0))
}

/// Reads everything about members that decisions depend on, in their order.
async fn read_standings(
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    people: Vec<User>,
    now: DateTime<Utc>,
) -> Result<Vec<Standing>, StoreError> {
    let ids: Vec<UserId> = people.iter().map(|user| user.id).collect();
    let mut starts: Vec<_> = people
        .iter()
        .flat_map(|user| catalogue.periods(user.created_at, now))
        .map(|(_, period)| period.start)
        .collect();
    starts.sort();
    starts.dedup();
    let mut restrictions = by_user(restrictions::list(conn, &ids).await?);
    let mut used = by_user(usage::used(conn, &ids, &starts).await?);
    let mut held = by_user(usage::held(conn, &ids, now).await?);
    let mut claims = access::claims(conn, &ids).await?;
    let standing = |user: User| {
        let id = user.id;
        let claims = claims.remove(&id).unwrap_or_default();
        let restrictions = restrictions.remove(&id).unwrap_or_default();
        let (used, held) = (used.remove(&id).unwrap_or_default(), held.remove(&id).unwrap_or_default());
        Standing::new(catalogue, user, &claims, restrictions, used, held, now).map_err(|_| StoreError::Missing("tiers"))
    };
    people.into_iter().map(standing).collect()
}

fn by_user<T>(rows: Vec<(UserId, T)>) -> HashMap<UserId, Vec<T>> {
    let mut grouped: HashMap<UserId, Vec<T>> = HashMap::new();
    for (user, row) in rows {
        grouped.entry(user).or_default().push(row);
    }
    grouped
}

/// Decides whether a member may use so much of a feature.
pub async fn check(env: &Env, name: &str, feature: &FeatureId, amount: i64) -> Result<Decision, EntitlementError> {
    let known = find(env, name).await?.ok_or(EntitlementError::UserUnknown)?;
    let feature = known.catalogue.feature(feature).ok_or(EntitlementError::FeatureUnknown)?;
    Ok(entitlement::decide_about(&known.catalogue, &known.standing, feature, amount, env.clock.now()))
}

/// Decides, where somebody or something unknown is an answer, too.
pub async fn decide(env: &Env, name: &str, feature: &FeatureId, amount: i64) -> Result<Decision, StoreError> {
    match find(env, name).await? {
        Some(known) => Ok(entitlement::decide(&known.catalogue, &known.standing, feature, amount, env.clock.now())),
        None => Ok(Decision::unknown(None, feature.clone(), amount, Reason::UserUnknown)),
    }
}

/// Decides about one unit of every feature, in their order.
pub fn entitlements(known: &Known, now: DateTime<Utc>) -> Vec<Decision> {
    let features = known.catalogue.features().iter();
    features.map(|feature| entitlement::decide_about(&known.catalogue, &known.standing, feature, 1, now)).collect()
}

/// Decides and tells every layer that was looked at. It reads the database, not the memory: who
/// asks why wants to know what is true now.
pub async fn explain(env: &Env, name: &str, feature: &FeatureId, amount: i64) -> Result<Explanation, EntitlementError> {
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let catalogue = catalogue::latest(env, conn).await?;
    let feature = catalogue.feature(feature).ok_or(EntitlementError::FeatureUnknown)?;
    let named = UserRef::parse(name).ok_or(EntitlementError::UserUnknown)?;
    let user = users::find_by_ref(conn, &named).await?.ok_or(EntitlementError::UserUnknown)?;
    let standing = read_standing(conn, &catalogue, user, now).await?;
    Ok(entitlement::explain(&catalogue, &standing, feature, amount, now))
}

/// What a member may use, with the reasons.
#[derive(Debug)]
pub struct Entitlements {
    /// The configuration.
    pub catalogue: Arc<Catalogue>,
    /// What is known of the member.
    pub standing: Standing,
    /// A decision about one unit of every feature, in their order, with every layer that was
    /// looked at.
    pub explanations: Vec<Explanation>,
}

/// Decides about one unit of every feature and tells why; nothing if nobody is that. Like
/// [`explain`] it reads the database.
pub async fn explain_all(env: &Env, user: UserId) -> Result<Option<Entitlements>, StoreError> {
    let now = env.clock.now();
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let catalogue = catalogue::latest(env, conn).await?;
    let Some(user) = users::find(conn, user).await? else { return Ok(None) };
    let standing = read_standing(conn, &catalogue, user, now).await?;
    let features = catalogue.features().iter();
    let explanations = features.map(|feature| entitlement::explain(&catalogue, &standing, feature, 1, now)).collect();
    Ok(Some(Entitlements { catalogue, standing, explanations }))
}
