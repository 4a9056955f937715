//! The inbox of payments: what providers tell is taken in once and applied once.
//!
//! Deliveries that wait are taken together, in one transaction, and each is answered after the
//! commit. When an event cannot be applied, everything is done again, and then each is applied
//! behind a mark to which the transaction goes back: it stays in the inbox with the reason, and a
//! job tries again, at growing intervals or at once when what it lacks arrives. After the last try
//! it waits for a person.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::sync::oneshot;

pub use crate::store::payments::{EventState, StoredEvent};

use crate::{
    domain::{
        catalogue::Catalogue,
        ids::{PaymentEventId, UserId},
        letter::Notice,
        notification::Occurrence,
        payment::{Envelope, Loss, LossKind, LostFrom, PaidInvoice, Payer, PaymentEvent, Provider, Unreadable},
        privacy::takes_money,
        subscription::SubscriptionStatus,
        user::{User, UserRef},
    },
    platform::{
        env::{Env, WaitingDelivery},
        payment_providers,
    },
    services::{
        aftermath::Aftermath,
        catalogue,
        collisions::{Collides, until_through},
        referrals, subscriptions,
    },
    store::{
        self, Conn, StoreError,
        db::Db,
        jobs::{self, Work},
        payments::{self, NewEvent, Settled},
        users,
    },
};

/// The most deliveries in one transaction.
const MOST_TOGETHER: usize = 64;
/// How many transactions a node works on at once, on a database that has more than one writer.
const WORKERS: usize = 3;
/// How often an event is tried by itself.
pub const MOST_ATTEMPTS: i64 = 12;
/// How many events are tried again at once when a thing that they lack arrives.
const MOST_WAITING: i64 = 100;

/// Why a delivery is not taken in.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReceiveError {
    /// It is no event.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It is not text.
    #[error("the body is not UTF-8")]
    NotText,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
}

/// Takes in what a provider has sent and signed, together with what else waits, and returns once
/// that lasts. `delivery_id` is what the header calls it.
pub async fn receive(
    env: &Env,
    provider: Provider,
    body: &[u8],
    delivery_id: Option<&str>,
) -> Result<(), ReceiveError> {
    let envelope = Envelope::read(provider, body, delivery_id)?;
    let payload = str::from_utf8(body).map_err(|_| ReceiveError::NotText)?.to_owned();
    attend(env);
    let (answer, answered) = oneshot::channel();
    let gone = || ReceiveError::Store(Arc::new(StoreError::Stopping));
    let delivery = WaitingDelivery { provider, envelope, payload, answer };
    env.payments.deliveries.send(delivery).await.map_err(|_| gone())?;
    Ok(answered.await.map_err(|_| gone())??)
}

/// Starts the workers unless there are some.
fn attend(env: &Env) {
    let Some(receiver) = env.payments.unattended.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    else {
        return;
    };
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let workers = if matches!(env.db, Db::Postgres(_)) { WORKERS } else { 1 };
    for _ in 0..workers {
        let (env, receiver) = (env.clone(), receiver.clone());
        tokio::spawn(async move {
            let mut together = Vec::with_capacity(MOST_TOGETHER);
            while receiver.lock().await.recv_many(&mut together, MOST_TOGETHER).await > 0 {
                work(&env, std::mem::take(&mut together)).await;
            }
        });
    }
}

async fn work(env: &Env, together: Vec<WaitingDelivery>) {
    let (events, answers): (Vec<_>, Vec<_>) = together
        .into_iter()
        .map(|WaitingDelivery { provider, envelope, payload, answer }| {
            (Incoming { provider, envelope, payload }, answer)
        })
        .unzip();
    // On a task of its own: should it panic, those who wait are told, and others come next.
    let done = tokio::spawn({
        let env = env.clone();
        async move { take_in(&env, &events).await.map_err(Arc::new) }
    });
    let outcome = done.await.unwrap_or_else(|error| {
        tracing::error!(%error, "deliveries ended badly");
        Err(Arc::new(StoreError::Stopping))
    });
    for answer in answers {
        // Whoever hung up gets no answer, but what is taken in is taken in.
        let _ = answer.send(outcome.clone());
    }
}

/// A delivery, read.
#[derive(Debug)]
struct Incoming {
    provider: Provider,
    envelope: Envelope,
    payload: String,
}

/// Whether the transaction can go back to before each event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marks {
    /// It cannot. Two statements fewer for each event, of which hardly any fails.
    None,
    /// It can.
    Each,
}

/// Why a transaction does not come about.
#[derive(Debug)]
enum Stumble {
    /// An event cannot be applied, and there is no mark to go back to.
    NoMark,
    /// The database failed.
    Store(StoreError),
}

impl From<StoreError> for Stumble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Collides for Stumble {
    fn is_collision(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_collision())
    }
}

async fn take_in(env: &Env, events: &[Incoming]) -> Result<(), StoreError> {
    let mut marks = Marks::None;
    loop {
        match until_through(|| in_transaction(env, events, marks)).await {
            Err(Stumble::Store(error)) => return Err(error),
            Err(Stumble::NoMark) => marks = Marks::Each,
            Ok(()) => return Ok(()),
        }
    }
}

async fn in_transaction(env: &Env, events: &[Incoming], marks: Marks) -> Result<(), Stumble> {
    let mut tx = env.db.begin().await?;
    let now = env.clock.now();
    let conn = &mut tx.conn();
    let mut sorted: Vec<(PaymentEventId, &Incoming)> = events.iter().map(|event| (env.random.id(now), event)).collect();
    sorted.sort_by(|(_, a), (_, b)| (a.provider, &a.envelope.event_id).cmp(&(b.provider, &b.envelope.event_id)));
    sorted.dedup_by(|(_, a), (_, b)| (a.provider, &a.envelope.event_id) == (b.provider, &b.envelope.event_id));
    let rows: Vec<NewEvent<'_>> = sorted
        .iter()
        .map(|(id, event)| NewEvent {
            id: *id,
            provider: event.provider,
            event_id: &event.envelope.event_id,
            event_type: &event.envelope.event_type,
            occurred_at: event.envelope.occurred_at,
            payload: &event.payload,
        })
        .collect();
    let new: HashSet<PaymentEventId> = payments::insert_events(conn, &rows, now).await?.into_iter().collect();
    let mut open: Vec<_> = sorted.into_iter().filter(|(id, _)| new.contains(id)).collect();
    // In the order in which it happened there is the least to put right afterwards.
    open.sort_by_key(|(id, event)| (event.envelope.occurred_at, *id));
    let payers =
        open.iter().filter_map(|(_, event)| Some((event.provider, event.envelope.event.as_ref().ok()?.as_ref()?)));
    let members = members_of(conn, payers).await?;
    let mut intake = Intake::new(now, marks);
    intake.aftermath.lock(conn, &members).await?;
    let catalogue = catalogue::latest(env, conn).await?;
    for (id, event) in &open {
        if try_event(env, conn, &catalogue, *id, event.provider, &event.envelope, &mut intake).await?.is_some() {
            intake.aftermath.queue(Work::ApplyPaymentEvent { event: *id });
        }
    }
    intake.write(env, conn).await?;
    tx.commit().await?;
    intake.announce(env);
    Ok(())
}

/// Returns the members whom events are about, as far as that is known beforehand.
async fn members_of<'a>(
    conn: &mut Conn<'_>,
    events: impl Iterator<Item = (Provider, &'a PaymentEvent)>,
) -> Result<Vec<UserId>, StoreError> {
    let (mut members, mut emails, mut customers) = (Vec::new(), Vec::new(), Vec::new());
    for (provider, event) in events {
        let Some(payer) = event.payer() else { continue };
        match payer.reference.as_deref().and_then(UserRef::parse).and_then(|named| named.id) {
            Some(id) => members.push(id),
            None => {
                emails.extend(payer.email.clone());
                customers.extend(payer.customer.clone().map(|customer| (provider, customer)));
            }
        }
    }
    members.extend(payments::members_of(conn, &customers, &emails).await?);
    members.sort();
    members.dedup();
    Ok(members)
}

/// Events that are applied in one transaction, and what they leave.
#[derive(Debug)]
struct Intake {
    aftermath: Aftermath,
    marks: Marks,
    settled: Vec<(PaymentEventId, Outcome)>,
    /// Those about somebody whose account is deleted: what they say is not kept.
    of_deleted: Vec<PaymentEventId>,
    /// What is known now for which other events may wait.
    arrived: Vec<(Provider, String)>,
    /// What to count after the commit.
    tally: Vec<(Provider, &'static str)>,
}

/// What came of an event.
#[derive(Debug)]
struct Outcome {
    state: EventState,
    kind: Option<&'static str>,
    error: Option<String>,
    waits_for: Option<String>,
    user: Option<UserId>,
    subscription: Option<(String, SubscriptionStatus)>,
}

impl Outcome {
    fn of(state: EventState) -> Self {
        Self { state, kind: None, error: None, waits_for: None, user: None, subscription: None }
    }

    fn as_settled(&self) -> Settled<'_> {
        Settled {
            state: self.state,
            kind: self.kind,
            error: self.error.as_deref(),
            waits_for: self.waits_for.as_deref(),
            user: self.user,
            subscription: self.subscription.as_ref().map(|(id, status)| (id.as_str(), *status)),
        }
    }
}

impl Intake {
    fn new(now: DateTime<Utc>, marks: Marks) -> Self {
        let aftermath = Aftermath::new(now);
        let (settled, of_deleted) = (Vec::new(), Vec::new());
        Self { aftermath, marks, settled, of_deleted, arrived: Vec::new(), tally: Vec::new() }
    }

    /// Notes that something is known now for which other events may wait.
    fn arrived(&mut self, provider: Provider, what: String) {
        self.arrived.push((provider, what));
    }

    /// Writes down what came of events, before somebody reads it.
    async fn settle(&mut self, conn: &mut Conn<'_>) -> Result<(), StoreError> {
        let settled: Vec<_> = self.settled.iter().map(|(id, outcome)| (*id, outcome.as_settled())).collect();
        payments::settle_events(conn, &settled, self.aftermath.now).await?;
        self.settled.clear();
        store::privacy::empty_events(conn, &self.of_deleted).await?;
        self.of_deleted.clear();
        Ok(())
    }

    /// Writes everything down.
    async fn write(&mut self, env: &Env, conn: &mut Conn<'_>) -> Result<(), StoreError> {
        self.settle(conn).await?;
        self.aftermath.write(env, conn).await?;
        let mut arrived: BTreeMap<Provider, Vec<String>> = BTreeMap::new();
        for (provider, what) in self.arrived.drain(..) {
            arrived.entry(provider).or_default().push(what);
        }
        for (provider, what) in arrived {
            try_waiting(env, conn, provider, &what).await?;
        }
        Ok(())
    }

    /// Tells this node what has changed, after the commit.
    fn announce(self, env: &Env) {
        for (provider, outcome) in self.tally {
            metrics::counter!("payment_events_total", "provider" => provider.as_str(), "outcome" => outcome)
                .increment(1);
        }
        self.aftermath.announce(env);
    }
}

/// Returns what an event waits for that has an unknown price.
pub(super) fn waits_for_price(price: &str) -> String {
    format!("price:{price}")
}

fn waits_for_customer(customer: &str) -> String {
    format!("customer:{customer}")
}

fn waits_for_payment(payment: &str) -> String {
    format!("payment:{payment}")
}

fn waits_for_invoice(invoice: &str) -> String {
    format!("invoice:{invoice}")
}

/// Queues another try of the events that wait for things which have come. Call
/// [`Env::wake_workers`] after the commit.
pub(super) async fn try_waiting(
    env: &Env,
    conn: &mut Conn<'_>,
    provider: Provider,
    what: &[String],
) -> Result<(), StoreError> {
    let now = env.clock.now();
    let most = MOST_WAITING * i64::try_from(what.len()).unwrap_or(1);
    let waiting = payments::waiting_for(conn, provider, what, most).await?;
    let work = waiting.into_iter().map(|event| (env.random.id(now), Work::ApplyPaymentEvent { event }));
    jobs::insert(conn, &work.collect::<Vec<_>>(), now).await
}

/// Why an event cannot be applied.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// Something is unknown here, or makes no sense.
    Lacks {
        /// What would help, if its arrival can be noticed.
        waits_for: Option<String>,
        /// What to tell a person.
        problem: String,
    },
    /// It is about somebody whose account is deleted: it changes nothing, and nobody can help it.
    OfDeleted,
    /// The database failed.
    Store(StoreError),
}

impl From<StoreError> for Obstacle {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What came of an event that was applied.
#[derive(Debug)]
pub(super) struct Applied {
    /// Whom it concerns.
    pub user: Option<UserId>,
    /// Our word for what happened.
    pub kind: &'static str,
    /// The subscription that it is about, and how that stood.
    pub subscription: Option<(String, SubscriptionStatus)>,
}

/// Applies an event that is in the inbox, and leaves what came of it to be written. Returns the
/// problem if it cannot be applied: then somebody has to try again.
async fn try_event(
    env: &Env,
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    id: PaymentEventId,
    provider: Provider,
    envelope: &Envelope,
    intake: &mut Intake,
) -> Result<Option<String>, Stumble> {
    let event = match &envelope.event {
        Ok(Some(event)) => event,
        Ok(None) => {
            intake.settled.push((id, Outcome::of(EventState::Ignored)));
            return Ok(None);
        }
        Err(problem) => {
            let problem = problem.to_string();
            let failed = Outcome { error: Some(problem.clone()), ..Outcome::of(EventState::Failed) };
            intake.settled.push((id, failed));
            return Ok(Some(problem));
        }
    };
    if let PaymentEvent::Subscription { snapshot, .. } = event
        && intake.settled.iter().any(|(_, outcome)| {
            outcome.subscription.as_ref().is_some_and(|(subscription, _)| *subscription == snapshot.subscription)
        })
    {
        // Its history is read.
        intake.settle(conn).await?;
    }
    let mark = (intake.aftermath.mark(), intake.arrived.len());
    if intake.marks == Marks::Each {
        conn.savepoint().await?;
    }
    let applied = apply(env, conn, catalogue, provider, envelope, event, intake).await;
    let (waits_for, problem) = match applied {
        Ok(Applied { user, kind, subscription }) => {
            if intake.marks == Marks::Each {
                conn.keep().await?;
            }
            if user.is_none() && matches!(event, PaymentEvent::Loss(_)) {
                // Its invoice is known, and nobody's any more.
                intake.of_deleted.push(id);
            }
            let done = Outcome { kind: Some(kind), user, subscription, ..Outcome::of(EventState::Done) };
            intake.settled.push((id, done));
            intake.tally.push((provider, "applied"));
            return Ok(None);
        }
        Err(Obstacle::OfDeleted) => {
            if intake.marks == Marks::Each {
                conn.go_back().await?;
            }
            let error = Some("the account is deleted".to_owned());
            intake.settled.push((id, Outcome { kind: Some(event.kind()), error, ..Outcome::of(EventState::Ignored) }));
            intake.of_deleted.push(id);
            if let Some(what) = what_takes_money(event) {
                intake.aftermath.tell_admins(Occurrence::DeletedPays { provider: provider.name().to_owned(), what });
            }
            intake.tally.push((provider, "ignored"));
            return Ok(None);
        }
        // The whole transaction is tried again.
        Err(Obstacle::Store(error)) if error.is_temporary() || error.is_collision() => return Err(error.into()),
        Err(_) if intake.marks == Marks::None => return Err(Stumble::NoMark),
        Err(Obstacle::Store(error)) => (None, error.to_string()),
        Err(Obstacle::Lacks { waits_for, problem }) => (waits_for, problem),
    };
    conn.go_back().await?;
    intake.aftermath.go_back(mark.0);
    intake.arrived.truncate(mark.1);
    intake.tally.push((provider, "failed"));
    tracing::warn!(%provider, event.id = envelope.event_id, event.type = envelope.event_type, problem, "an event cannot be applied yet");
    let error = Some(problem.clone());
    let failed = Outcome { kind: Some(event.kind()), error, waits_for, ..Outcome::of(EventState::Failed) };
    intake.settled.push((id, failed));
    Ok(Some(problem))
}

async fn apply(
    env: &Env,
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    provider: Provider,
    envelope: &Envelope,
    event: &PaymentEvent,
    intake: &mut Intake,
) -> Result<Applied, Obstacle> {
    match event {
        PaymentEvent::Customer(payer) => {
            let user = find_member(conn, provider, payer, &intake.aftermath).await?;
            match &user {
                Some(user) => note_customer(conn, provider, payer, user.id, intake).await?,
                None if is_of_deleted(conn, provider, payer, None).await? => return Err(Obstacle::OfDeleted),
                None => {}
            }
            Ok(Applied { user: user.map(|user| user.id), kind: event.kind(), subscription: None })
        }
        PaymentEvent::Subscription { payer, snapshot } => {
            let mut known = store::subscriptions::find(conn, provider, &snapshot.subscription).await?;
            let user = match known.as_ref().and_then(|known| known.user) {
                Some(user) => intake.aftermath.member(conn, user).await?,
                None => find_member(conn, provider, payer, &intake.aftermath).await?,
            };
            let Some(user) = user else {
                return Err(nobody(conn, provider, payer, Some(&snapshot.subscription)).await?);
            };
            let user = user.id;
            note_customer(conn, provider, payer, user, intake).await?;
            if !intake.aftermath.has_locked(user) {
                intake.aftermath.lock(conn, &[user]).await?;
                known = store::subscriptions::find(conn, provider, &snapshot.subscription).await?;
            }
            let user = intake.aftermath.member(conn, user).await?.ok_or(StoreError::Missing("users"))?;
            let news = subscriptions::News {
                provider,
                snapshot,
                occurred_at: envelope.occurred_at,
                event_id: &envelope.event_id,
            };
            let change =
                subscriptions::apply(env, conn, catalogue, &user, known.as_ref(), &news, &mut intake.aftermath).await?;
            Ok(Applied {
                user: Some(user.id),
                kind: change.as_str(),
                subscription: Some((snapshot.subscription.clone(), snapshot.status)),
            })
        }
        PaymentEvent::InvoicePaid(invoice) => {
            let user = paid(env, conn, catalogue, provider, invoice, intake).await?;
            Ok(Applied { user: Some(user), kind: event.kind(), subscription: None })
        }
        PaymentEvent::PaymentOfInvoice { invoice, payment } => {
            payments::insert_link(conn, provider, payment, invoice).await?;
            intake.arrived(provider, waits_for_payment(payment));
            Ok(Applied { user: None, kind: event.kind(), subscription: None })
        }
        PaymentEvent::Loss(loss) => {
            let user = lost(env, conn, catalogue, provider, loss, envelope.occurred_at, intake).await?;
            Ok(Applied { user, kind: event.kind(), subscription: None })
        }
    }
}

/// Returns what takes somebody's money, or has taken it: the subscription, or an invoice for none.
fn what_takes_money(event: &PaymentEvent) -> Option<String> {
    match event {
        PaymentEvent::Subscription { snapshot, .. } => {
            takes_money(snapshot.status, snapshot.scheduled.as_ref()).then(|| snapshot.subscription.clone())
        }
        PaymentEvent::InvoicePaid(invoice) if invoice.amount > 0 => {
            Some(invoice.subscription.clone().unwrap_or_else(|| invoice.id.clone()))
        }
        _ => None,
    }
}

/// Returns whether what a provider tells is about somebody whose account is deleted.
async fn is_of_deleted(
    conn: &mut Conn<'_>,
    provider: Provider,
    payer: &Payer,
    subscription: Option<&str>,
) -> Result<bool, StoreError> {
    let reference = payer.reference.as_deref().and_then(UserRef::parse).and_then(|named| named.id);
    store::privacy::is_of_deleted(conn, provider, reference, payer.customer.as_deref(), subscription).await
}

/// Returns why nobody here paid.
async fn nobody(
    conn: &mut Conn<'_>,
    provider: Provider,
    payer: &Payer,
    subscription: Option<&str>,
) -> Result<Obstacle, StoreError> {
    if is_of_deleted(conn, provider, payer, subscription).await? {
        return Ok(Obstacle::OfDeleted);
    }
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    // The address itself stands in what was sent, for who may read that: this goes into logs and letters.
    let email = if payer.email.is_some() { "unknown here" } else { "none" };
    let problem = format!(
        "nobody here is this customer of {}: reference {}, customer {}, address {email}. Start checkouts from /pricing, \
         give them the id of the user as reference, or add a user with that address.",
        provider.name(),
        shown(&payer.reference),
        shown(&payer.customer),
    );
    Ok(Obstacle::Lacks { waits_for: payer.customer.as_deref().map(waits_for_customer), problem })
}

/// Finds the member who paid: by our id, else by the provider's id of the customer, else by address.
pub(super) async fn find_member(
    conn: &mut Conn<'_>,
    provider: Provider,
    payer: &Payer,
    aftermath: &Aftermath,
) -> Result<Option<User>, StoreError> {
    // An address is not taken as reference: whoever pays can write one into a link.
    let reference = payer.reference.as_deref().and_then(UserRef::parse);
    if let Some(known) = reference.as_ref().and_then(|named| named.id).and_then(|id| aftermath.known(id)) {
        return Ok(Some(known.clone()));
    }
    if let Some(named) = reference.map(|named| UserRef { email: None, ..named })
        && let Some(user) = users::find_by_ref(conn, &named).await?
    {
        return Ok(Some(user));
    }
    if let Some(customer) = &payer.customer
        && let Some(user) = payments::customer_user(conn, provider, customer).await?
    {
        return aftermath.member(conn, user).await;
    }
    match &payer.email {
        Some(email) => users::find_by_email(conn, email).await,
        None => Ok(None),
    }
}

async fn note_customer(
    conn: &mut Conn<'_>,
    provider: Provider,
    payer: &Payer,
    user: UserId,
    intake: &mut Intake,
) -> Result<(), StoreError> {
    if let Some(customer) = &payer.customer
        && payments::put_customer(conn, provider, customer, user, intake.aftermath.now).await?
    {
        intake.arrived(provider, waits_for_customer(customer));
    }
    Ok(())
}

async fn paid(
    env: &Env,
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    provider: Provider,
    invoice: &PaidInvoice,
    intake: &mut Intake,
) -> Result<UserId, Obstacle> {
    let mut user = find_member(conn, provider, &invoice.payer, &intake.aftermath).await?;
    if let (None, Some(subscription)) = (&user, &invoice.subscription)
        && let Some(known) = store::subscriptions::find(conn, provider, subscription).await?
        && let Some(id) = known.user
    {
        user = intake.aftermath.member(conn, id).await?;
    }
    let Some(user) = user else {
        return Err(nobody(conn, provider, &invoice.payer, invoice.subscription.as_deref()).await?);
    };
    let user = user.id;
    note_customer(conn, provider, &invoice.payer, user, intake).await?;
    intake.aftermath.lock(conn, &[user]).await?;
    if payments::insert_payment(conn, provider, user, invoice, intake.aftermath.now).await? {
        intake.arrived(provider, waits_for_invoice(&invoice.id));
        let details = json!({
            "provider": provider, "invoice": invoice.id, "amount": invoice.amount, "currency": invoice.currency,
        });
        intake.aftermath.log(Some(user), "invoice_paid", details);
    }
    for payment in &invoice.payments {
        if payments::insert_link(conn, provider, payment, &invoice.id).await? {
            intake.arrived(provider, waits_for_payment(payment));
        }
    }
    if invoice.amount > 0 {
        referrals::settle(env, conn, &catalogue.settings, user, &mut intake.aftermath).await?;
    }
    Ok(user)
}

async fn lost(
    env: &Env,
    conn: &mut Conn<'_>,
    catalogue: &Catalogue,
    provider: Provider,
    loss: &Loss,
    occurred_at: DateTime<Utc>,
    intake: &mut Intake,
) -> Result<Option<UserId>, Obstacle> {
    let (invoice, waits_for) = match &loss.from {
        LostFrom::Invoice(invoice) => (Some(invoice.clone()), waits_for_invoice(invoice)),
        LostFrom::Payment(payment) => {
            (payments::invoice_of(conn, provider, payment).await?, waits_for_payment(payment))
        }
    };
    let payer = match &invoice {
        Some(invoice) => payments::payment_user(conn, provider, invoice).await?,
        None => None,
    };
    let (Some(invoice), Some(user)) = (invoice.as_deref(), payer) else {
        let problem = match &invoice {
            Some(invoice) => format!("the invoice {invoice} is not known here (yet)"),
            None => format!(
                "it is not known (yet) which invoice was paid with it ({waits_for}): let {} also send the events about \
                 paid invoices and their payments, or set its API key",
                provider.name()
            ),
        };
        let waits_for = Some(invoice.as_deref().map_or(waits_for, waits_for_invoice));
        return Err(Obstacle::Lacks { waits_for, problem });
    };
    if let Some(user) = user {
        intake.aftermath.lock(conn, &[user]).await?;
    }
    if payments::put_loss(conn, provider, invoice, loss, occurred_at).await? {
        let details = json!({ "provider": provider, "invoice": invoice, "amount": loss.amount });
        let action = match loss.kind {
            LossKind::Refund => "invoice_refunded",
            LossKind::DisputeOpened => "invoice_disputed",
            LossKind::DisputeLost => "dispute_lost",
            LossKind::DisputeWon => "dispute_won",
        };
        intake.aftermath.log(user, action, details);
        if matches!(loss.kind, LossKind::Refund | LossKind::DisputeOpened) {
            intake.aftermath.tell_admins(Occurrence::PaymentLost {
                user,
                provider: provider.name().to_owned(),
                invoice: invoice.to_owned(),
                disputed: loss.kind == LossKind::DisputeOpened,
            });
        }
        match user {
            Some(user) => referrals::settle(env, conn, &catalogue.settings, user, &mut intake.aftermath).await?,
            None => {
                let paid = (provider, invoice);
                referrals::settle_invoice(env, conn, &catalogue.settings, paid, &mut intake.aftermath).await?;
            }
        }
    }
    Ok(user)
}

/// What came of another try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// It is applied now, or was before.
    Settled,
    /// It still cannot be.
    Failed(String),
    /// There is no such event.
    Unknown,
}

/// Tries an event again that could not be applied, at the word of `actor` if somebody said so. After the
/// last try it waits for a person, and the admins are told.
pub async fn try_again(env: &Env, id: PaymentEventId, is_last: bool, actor: Option<&str>) -> Result<Tried, StoreError> {
    until_through(|| try_once_more(env, id, is_last, actor)).await
}

async fn try_once_more(env: &Env, id: PaymentEventId, is_last: bool, actor: Option<&str>) -> Result<Tried, StoreError> {
    let mut tx = env.db.begin().await?;
    let now = env.clock.now();
    let conn = &mut tx.conn();
    let Some(stored) = payments::lock_event(conn, id).await? else { return Ok(Tried::Unknown) };
    if matches!(stored.state, EventState::Done | EventState::Ignored) {
        return Ok(Tried::Settled);
    }
    let read = Envelope::read(stored.provider, stored.payload.as_bytes(), Some(&stored.event_id));
    let envelope = match read {
        // What was taken in under one id and time keeps both.
        Ok(read) => Envelope { event_id: stored.event_id.clone(), occurred_at: stored.occurred_at, ..read },
        Err(problem) => Envelope {
            event_id: stored.event_id.clone(),
            event_type: stored.event_type.clone(),
            occurred_at: stored.occurred_at,
            event: Err(problem),
        },
    };
    let about = envelope.event.as_ref().ok().and_then(Option::as_ref).map(|event| (stored.provider, event));
    let members = members_of(conn, about.into_iter()).await?;
    let mut intake = Intake::new(now, Marks::Each);
    intake.aftermath.lock(conn, &members).await?;
    let catalogue = catalogue::latest(env, conn).await?;
    let problem = try_event(env, conn, &catalogue, id, stored.provider, &envelope, &mut intake).await;
    let problem = problem.map_err(|stumble| match stumble {
        Stumble::Store(error) => error,
        Stumble::NoMark => unreachable!("there is one"),
    })?;
    let tried = problem.map_or(Tried::Settled, Tried::Failed);
    if let Some(actor) = actor {
        let details = json!({
            "provider": stored.provider, "event": stored.event_id, "applied": tried == Tried::Settled,
        });
        intake.aftermath.log_by(actor, stored.user, "payment_event_replayed", details);
    }
    if let (Tried::Failed(error), true) = (&tried, is_last) {
        intake.settle(conn).await?;
        payments::bury_event(conn, id, now).await?;
        // Somebody who replays a dead one sees the answer themselves, and who buried it may have been killed before
        // the end of the job was noted.
        if stored.state != EventState::Dead {
            let details = json!({ "provider": stored.provider, "event": stored.event_id });
            intake.aftermath.log(None, "payment_event_given_up", details);
            intake.aftermath.tell_admins(Occurrence::PaymentEventDead {
                event: id,
                provider: stored.provider.name().to_owned(),
                event_type: stored.event_type.clone(),
            });
            intake.aftermath.write_to_admins(Notice::PaymentEventFailed {
                provider: stored.provider.name().to_owned(),
                event_type: stored.event_type.clone(),
                error: error.clone(),
            });
        }
    }
    intake.write(env, conn).await?;
    tx.commit().await?;
    intake.announce(env);
    Ok(tried)
}

/// Asks Stripe which invoice was paid with the payment that an event waits for: it says so in an
/// event of its own, which may not be among those that it was told to send. Without a key, or when
/// Stripe does not answer, nothing is known more than before.
pub async fn look_up_invoice(env: &Env, id: PaymentEventId) -> Result<(), StoreError> {
    let Some(stored) = event(env, id).await? else { return Ok(()) };
    let payment = stored.waits_for.as_deref().and_then(|what| what.strip_prefix("payment:"));
    let Some(payment) = payment.filter(|_| stored.provider == Provider::Stripe && env.can_ask(Provider::Stripe)) else {
        return Ok(());
    };
    match payment_providers::find_invoice_of_payment(&env.config.payments, payment).await {
        Ok(Some(invoice)) => {
            let mut tx = env.db.begin().await?;
            payments::insert_link(&mut tx.conn(), Provider::Stripe, payment, &invoice).await?;
            tx.commit().await?;
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the invoice of a payment cannot be asked for"),
    }
    Ok(())
}

/// Returns a page of events, the newest first, from before `before`; in one state if one is named.
pub async fn events(
    env: &Env,
    state: Option<EventState>,
    before: Option<PaymentEventId>,
    count: i64,
) -> Result<Vec<StoredEvent>, StoreError> {
    let mut reader = env.db.reader().await?;
    payments::list_events(&mut reader.conn(), state, before, count).await
}

/// Returns an event.
pub async fn event(env: &Env, id: PaymentEventId) -> Result<Option<StoredEvent>, StoreError> {
    let mut reader = env.db.reader().await?;
    payments::find_event(&mut reader.conn(), id).await
}

/// Returns how many events wait for a person.
pub async fn dead_count(env: &Env) -> Result<i64, StoreError> {
    let mut reader = env.db.reader().await?;
    payments::count_dead(&mut reader.conn()).await
}
