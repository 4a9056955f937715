//! What a journey leaves to be written at its end, all together, and whom it has locked.
//!
//! A journey that changes somebody's access tells the log and writes letters on its way. Here both
//! wait until the end of the transaction, where they take one statement each, and nothing of them is
//! left when a step is taken back.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    domain::{
        activity::{Place, SYSTEM},
        event::Event,
        ids::UserId,
        lang::Lang,
        letter::Notice,
        notification::Occurrence,
        user::User,
    },
    platform::env::Env,
    services::{bonus, events, letters, notifications},
    store::{
        Conn, StoreError,
        activity::{self, NewActivity},
        jobs::{self, Work},
        mails::QueuedMail,
        users,
    },
};

/// A line for the log.
#[derive(Debug)]
struct Line {
    actor: String,
    user: Option<UserId>,
    action: &'static str,
    details: Value,
    /// From where, if it is not the request that this task answers.
    place: Option<Place>,
}

/// What is left to be written at the end of a transaction.
#[derive(Debug)]
pub(super) struct Aftermath {
    /// When it is.
    pub now: DateTime<Utc>,
    lines: Vec<Line>,
    notices: Vec<(String, Lang, Notice)>,
    for_admins: Vec<Notice>,
    occurrences: Vec<Occurrence>,
    work: Vec<Work>,
    events: Vec<(UserId, Event)>,
    /// Whose access changed, in the order in which it did.
    changed: Vec<UserId>,
    /// Of whom it is written that it did.
    told: HashSet<UserId>,
    touched: HashSet<UserId>,
    /// Whom this transaction has locked together with who invited them.
    locked: HashSet<UserId>,
    /// Whose rows it has locked, as they are now.
    people: HashMap<UserId, User>,
}

/// How much was left at a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark([usize; 7]);

impl Aftermath {
    /// Begins with nothing.
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        Self {
            now,
            lines: Vec::new(),
            notices: Vec::new(),
            for_admins: Vec::new(),
            occurrences: Vec::new(),
            work: Vec::new(),
            events: Vec::new(),
            changed: Vec::new(),
            told: HashSet::new(),
            touched: HashSet::new(),
            locked: HashSet::new(),
            people: HashMap::new(),
        }
    }

    /// Locks members and who invited them, all at once, unless this transaction has.
    pub(super) async fn lock(&mut self, conn: &mut Conn<'_>, members: &[UserId]) -> Result<(), StoreError> {
        let open: Vec<UserId> = members.iter().copied().filter(|member| !self.locked.contains(member)).collect();
        let people = users::lock_with_referrers(conn, &open).await?;
        self.people.extend(people.into_iter().map(|user| (user.id, user)));
        self.locked.extend(open);
        Ok(())
    }

    /// Returns whether this transaction has locked a member and who invited them.
    pub(super) fn has_locked(&self, member: UserId) -> bool {
        self.locked.contains(&member)
    }

    /// Returns a member who is locked, as they are now.
    pub(super) fn known(&self, id: UserId) -> Option<&User> {
        self.people.get(&id)
    }

    /// Returns a member as they are now.
    pub(super) async fn member(&self, conn: &mut Conn<'_>, id: UserId) -> Result<Option<User>, StoreError> {
        match self.known(id) {
            Some(known) => Ok(Some(known.clone())),
            None => users::find(conn, id).await,
        }
    }

    /// Notes that a member's credit lasts until another time.
    pub(super) fn credit_changed(&mut self, user: UserId, until: Option<DateTime<Utc>>) {
        self.changed.push(user);
        if let Some(known) = self.people.get_mut(&user) {
            known.credit_until = until;
        }
    }

    /// Notes that something about a member's access changed that stands in another table.
    pub(super) fn access_changed(&mut self, user: UserId) {
        self.changed.push(user);
        self.touched.insert(user);
    }

    /// Leaves a line for the log about what follows by itself.
    pub(super) fn log(&mut self, user: Option<UserId>, action: &'static str, details: Value) {
        self.log_by(SYSTEM, user, action, details);
    }

    /// Leaves a line for the log about what somebody did.
    pub(super) fn log_by(&mut self, actor: &str, user: Option<UserId>, action: &'static str, details: Value) {
        self.lines.push(Line { actor: actor.to_owned(), user, action, details, place: None });
    }

    /// The same, for what a worker does that somebody asked for from there.
    pub(super) fn log_from(
        &mut self,
        place: Option<Place>,
        actor: &str,
        user: Option<UserId>,
        action: &'static str,
        details: Value,
    ) {
        self.lines.push(Line { actor: actor.to_owned(), user, action, details, place });
    }

    /// Leaves a letter to a member, if they have an address.
    pub(super) fn write_to(&mut self, user: &User, notice: Notice) {
        if let Some(email) = user.email.as_ref().filter(|_| user.disabled_at.is_none()) {
            self.notices.push((email.clone(), user.lang, notice));
        }
    }

    /// Leaves a letter to all admins.
    pub(super) fn write_to_admins(&mut self, notice: Notice) {
        self.for_admins.push(notice);
    }

    /// Leaves a notification for the admins.
    pub(super) fn tell_admins(&mut self, occurrence: Occurrence) {
        self.occurrences.push(occurrence);
    }

    /// Leaves work for the job runner.
    pub(super) fn queue(&mut self, work: Work) {
        self.work.push(work);
    }

    /// Notes what happened to a member, for those who want to hear of it. That their access changed
    /// is noted by [`Self::access_changed`] and [`Self::credit_changed`].
    pub(super) fn happened(&mut self, user: UserId, event: Event) {
        self.events.push((user, event));
    }

    /// Returns a mark to which this can go back together with the transaction.
    pub(super) fn mark(&self) -> Mark {
        Mark([
            self.lines.len(),
            self.notices.len(),
            self.for_admins.len(),
            self.occurrences.len(),
            self.work.len(),
            self.events.len(),
            self.changed.len(),
        ])
    }

    /// Goes back to a mark.
    pub(super) fn go_back(&mut self, Mark([lines, notices, for_admins, occurrences, work, events, changed]): Mark) {
        self.lines.truncate(lines);
        self.notices.truncate(notices);
        self.for_admins.truncate(for_admins);
        self.occurrences.truncate(occurrences);
        self.work.truncate(work);
        self.events.truncate(events);
        self.changed.truncate(changed);
        // What was locked since the mark is not any more, and what is known of members may not hold.
        self.locked.clear();
        self.people.clear();
        // Those who are touched since are looked up once more for nothing.
    }

    /// Writes everything down.
    pub(super) async fn write(&mut self, env: &Env, conn: &mut Conn<'_>) -> Result<(), StoreError> {
        let now = self.now;
        self.work.extend(bonus::work_for(conn, &self.events, now).await?);
        let occurrences = std::mem::take(&mut self.occurrences);
        self.work.extend(notifications::raise_all(env, conn, occurrences).await?);
        users::touch(conn, &self.touched.drain().collect::<Vec<_>>(), now).await?;
        let lines = std::mem::take(&mut self.lines);
        let lines: Vec<_> = lines
            .iter()
            .map(|line| NewActivity {
                id: env.random.id(now),
                user: line.user,
                actor: &line.actor,
                action: line.action,
                details: &line.details,
                ip_address: line.place.as_ref().map(|place| place.address.as_str()),
                user_agent: line.place.as_ref().map(|place| place.user_agent.as_str()),
            })
            .collect();
        activity::insert_all(conn, &lines, now).await?;
        if !self.for_admins.is_empty() {
            let notices = std::mem::take(&mut self.for_admins);
            for admin in users::admins(conn).await? {
                for notice in &notices {
                    self.write_to(&admin, notice.clone());
                }
            }
        }
        let mails = self.notices.drain(..).map(|(recipient, lang, notice)| QueuedMail {
            id: env.random.id(now),
            recipient,
            lang,
            letter: notice.into(),
        });
        letters::queue_all(env, conn, &mails.collect::<Vec<_>>()).await?;
        let mut happened = std::mem::take(&mut self.events);
        // However many steps changed somebody's access, it is told once.
        happened.extend(
            self.changed.drain(..).filter(|user| self.told.insert(*user)).map(|user| (user, Event::AccessChanged)),
        );
        events::publish(env, conn, &happened, now).await?;
        let work: Vec<_> = self.work.drain(..).map(|work| (env.random.id(now), work)).collect();
        jobs::insert(conn, &work, now).await
    }

    /// Tells this node what has changed, after the commit.
    pub(super) fn announce(self, env: &Env) {
        for user in self.told.into_iter().chain(self.changed) {
            env.access_changed(user);
        }
        env.wake_workers();
    }
}
