//! What providers told: the inbox `payment_events`, and what is known of customers, invoices and
//! money that went back.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{
    domain::{
        email::EmailKey,
        ids::{PaymentEventId, UserId},
        payment::{FirstPayment, Loss, PaidInvoice, Provider},
        subscription::{Moment, SubscriptionStatus},
    },
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
    },
};

/// What came of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventState {
    /// It is about to be applied.
    Received,
    /// It is applied.
    Done,
    /// It means nothing here.
    Ignored,
    /// It could not be applied, and is tried again.
    Failed,
    /// It could not be applied, and waits for a person.
    Dead,
}

impl EventState {
    /// Returns the word in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Done => "done",
            Self::Ignored => "ignored",
            Self::Failed => "failed",
            Self::Dead => "dead",
        }
    }
}

impl std::str::FromStr for EventState {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        [Self::Received, Self::Done, Self::Ignored, Self::Failed, Self::Dead]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a state of an event"))
    }
}

/// An event as it comes in.
#[derive(Debug, Clone)]
pub struct NewEvent<'a> {
    /// Our id.
    pub id: PaymentEventId,
    /// From whom.
    pub provider: Provider,
    /// The provider's id.
    pub event_id: &'a str,
    /// The provider's word for it.
    pub event_type: &'a str,
    /// When it happened, by the provider's clock.
    pub occurred_at: DateTime<Utc>,
    /// The text that was signed.
    pub payload: &'a str,
}

/// What came of trying an event.
#[derive(Debug, Clone, Copy)]
pub struct Settled<'a> {
    /// What came of it.
    pub state: EventState,
    /// Our word for what happened.
    pub kind: Option<&'a str>,
    /// Why it could not be applied.
    pub error: Option<&'a str>,
    /// What it lacks.
    pub waits_for: Option<&'a str>,
    /// Whom it concerns.
    pub user: Option<UserId>,
    /// The subscription that it is about, and how that stood.
    pub subscription: Option<(&'a str, SubscriptionStatus)>,
}

impl Settled<'_> {
    /// Says nothing but what came of it.
    pub fn of(state: EventState) -> Self {
        Self { state, kind: None, error: None, waits_for: None, user: None, subscription: None }
    }
}

/// An event in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Our id.
    pub id: PaymentEventId,
    /// From whom.
    pub provider: Provider,
    /// The provider's id.
    pub event_id: String,
    /// The provider's word for it.
    pub event_type: String,
    /// Our word for it.
    pub kind: Option<String>,
    /// When it happened, by the provider's clock.
    pub occurred_at: DateTime<Utc>,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// The text that was signed.
    pub payload: String,
    /// What came of it.
    pub state: EventState,
    /// How often it was tried.
    pub attempts: i64,
    /// Why it could not be applied.
    pub error: Option<String>,
    /// What it lacks.
    pub waits_for: Option<String>,
    /// Whom it concerns.
    pub user: Option<UserId>,
    /// The provider's id of the subscription that it is about.
    pub subscription: Option<String>,
}

#[derive(FromRow)]
struct EventRow {
    id: PaymentEventId,
    provider: String,
    event_id: String,
    event_type: String,
    kind: Option<String>,
    occurred_at: DateTime<Utc>,
    received_at: DateTime<Utc>,
    payload: String,
    state: String,
    attempts: i64,
    error: Option<String>,
    waits_for: Option<String>,
    user_id: Option<UserId>,
    subscription_id: Option<String>,
}

impl TryFrom<EventRow> for StoredEvent {
    type Error = StoreError;

    fn try_from(row: EventRow) -> Result<Self> {
        Ok(Self {
            id: row.id,
            provider: row.provider.parse().map_err(StoreError::corrupt("payment_events", "provider"))?,
            event_id: row.event_id,
            event_type: row.event_type,
            kind: row.kind,
            occurred_at: row.occurred_at,
            received_at: row.received_at,
            payload: row.payload,
            state: row.state.parse().map_err(StoreError::corrupt("payment_events", "state"))?,
            attempts: row.attempts,
            error: row.error,
            waits_for: row.waits_for,
            user: row.user_id,
            subscription: row.subscription_id,
        })
    }
}

macro_rules! columns {
    () => {
        "id, provider, event_id, event_type, kind, occurred_at, received_at, payload, state, attempts, error, waits_for,
        user_id, subscription_id"
    };
}

/// Takes events in and returns the ids of those that were not there: of the same one delivered
/// twice at once one is taken in, the other waits for that commit and is not. The events are
/// sorted by provider and id, so that two who take in the same ones do not wait in a circle.
pub async fn insert_events(
    conn: &mut Conn<'_>,
    events: &[NewEvent<'_>],
    now: DateTime<Utc>,
) -> Result<Vec<PaymentEventId>> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    Ok(build!(conn, |query, c| {
        query.push(
            "INSERT INTO payment_events (
                id, provider, event_id, event_type, occurred_at, received_at, payload, state, attempts
            ) ",
        );
        query.push_values(events, |mut row, event| {
            row.push_bind(event.id)
                .push_bind(event.provider.as_str())
                .push_bind(event.event_id)
                .push_bind(event.event_type)
                .push_bind(event.occurred_at)
                .push_bind(now)
                .push_bind(event.payload)
                .push("'received'")
                .push("0");
        });
        query.push(" ON CONFLICT (provider, event_id) DO NOTHING RETURNING id");
        query.build_query_scalar().fetch_all(c).await
    })?)
}

/// Writes down what came of trying events. One that is done stays done. Returns of how many it was
/// written.
pub async fn settle_events(
    conn: &mut Conn<'_>,
    settled: &[(PaymentEventId, Settled<'_>)],
    now: DateTime<Utc>,
) -> Result<u64> {
    if settled.is_empty() {
        return Ok(0);
    }
    Ok(build!(conn, |query, c| {
        query.push("UPDATE payment_events SET settled_at = ").push_bind(now);
        // Both databases call the columns of a list of values so.
        query.push(
            ", state = column2, kind = column3, error = column4, waits_for = column5, user_id = column6,
            subscription_id = column7, subscription_status = column8, attempts = attempts + 1
            FROM (",
        );
        query.push_values(settled, |mut row, (id, settled)| {
            row.push_bind(*id)
                .push_bind(settled.state.as_str())
                .push_bind(settled.kind)
                .push_bind(settled.error)
                .push_bind(settled.waits_for)
                .push_bind(settled.user)
                .push_bind(settled.subscription.map(|(id, _)| id))
                .push_bind(settled.subscription.map(|(_, status)| status.as_str()));
        });
        query.push(") AS news WHERE id = column1 AND state NOT IN ('done', 'ignored')");
        query.build().execute(c).await.map(|done| done.rows_affected())
    })?)
}

/// Gives a failed event up: it waits for a person.
pub async fn bury_event(conn: &mut Conn<'_>, id: PaymentEventId, now: DateTime<Utc>) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE payment_events SET state = 'dead', settled_at = $2 WHERE id = $1 AND state = 'failed'"
    )
    .bind(id)
    .bind(now)
    .execute(c))?;
    Ok(updated == 1)
}

/// Returns an event, locked until the transaction ends: nobody else applies it meanwhile.
pub async fn lock_event(conn: &mut Conn<'_>, id: PaymentEventId) -> Result<Option<StoredEvent>> {
    let sql = conn.dialect(
        concat!("SELECT ", columns!(), " FROM payment_events WHERE id = $1"),
        concat!("SELECT ", columns!(), " FROM payment_events WHERE id = $1 FOR UPDATE"),
    );
    run!(conn, |c| sqlx::query_as::<_, EventRow>(sql).bind(id).fetch_optional(c))?
        .map(StoredEvent::try_from)
        .transpose()
}

/// Returns an event.
pub async fn find_event(conn: &mut Conn<'_>, id: PaymentEventId) -> Result<Option<StoredEvent>> {
    run!(conn, |c| sqlx::query_as::<_, EventRow>(concat!("SELECT ", columns!(), " FROM payment_events WHERE id = $1"))
        .bind(id)
        .fetch_optional(c))?
    .map(StoredEvent::try_from)
    .transpose()
}

/// Returns a page of events, the newest first, from before `before`; in one state if one is named.
pub async fn list_events(
    conn: &mut Conn<'_>,
    state: Option<EventState>,
    before: Option<PaymentEventId>,
    count: i64,
) -> Result<Vec<StoredEvent>> {
    let rows: Vec<EventRow> = build!(conn, |query, c| {
        query.push(concat!("SELECT ", columns!(), " FROM payment_events WHERE 1 = 1"));
        if let Some(state) = state {
            query.push(" AND state = ").push_bind(state.as_str());
        }
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(count);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(StoredEvent::try_from).collect()
}

/// Returns how many events wait for a person.
pub async fn count_dead(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(run!(conn, |c| sqlx::query_scalar("SELECT COUNT(*) FROM payment_events WHERE state = 'dead'").fetch_one(c))?)
}

/// Returns the failed events of a provider that lack something which has come.
pub async fn waiting_for(
    conn: &mut Conn<'_>,
    provider: Provider,
    what: &[String],
    count: i64,
) -> Result<Vec<PaymentEventId>> {
    if what.is_empty() {
        return Ok(Vec::new());
    }
    Ok(build!(conn, |query, c| {
        query.push("SELECT id FROM payment_events WHERE provider = ").push_bind(provider.as_str());
        query.push(" AND waits_for IN (");
        let mut list = query.separated(", ");
        for what in what {
            list.push_bind(what);
        }
        query.push(") AND state IN ('failed', 'dead') ORDER BY occurred_at, id LIMIT ").push_bind(count);
        query.build_query_scalar().fetch_all(c).await
    })?)
}

/// Returns how a subscription stood at each event that was applied or was too old to be, in the
/// order of the provider's clock.
pub async fn history(conn: &mut Conn<'_>, provider: Provider, subscription: &str) -> Result<Vec<Moment>> {
    let rows: Vec<(DateTime<Utc>, String, String)> = run!(conn, |c| sqlx::query_as(
        "SELECT occurred_at, event_id, subscription_status FROM payment_events
        WHERE provider = $1 AND subscription_id = $2 AND subscription_status IS NOT NULL AND state = 'done'
"
    )
    .bind(provider.as_str())
    .bind(subscription)
    .fetch_all(c))?;
    let moments = rows.into_iter().map(|(at, event_id, status)| {
        let status = status.parse().map_err(StoreError::corrupt("payment_events", "subscription_status"))?;
        Ok(Moment { at, event_id, status })
    });
    // Here, because the order of texts is one of each database's own.
    let mut history = moments.collect::<Result<Vec<_>>>()?;
    history.sort();
    Ok(history)
}

/// Returns who a provider's customer is here.
pub async fn customer_user(conn: &mut Conn<'_>, provider: Provider, customer: &str) -> Result<Option<UserId>> {
    let user: Option<Option<UserId>> = run!(conn, |c| sqlx::query_scalar(
        "SELECT user_id FROM payment_customers WHERE provider = $1 AND customer_id = $2"
    )
    .bind(provider.as_str())
    .bind(customer)
    .fetch_optional(c))?;
    Ok(user.flatten())
}

/// Returns the members behind customers and addresses, in no order, perhaps one twice.
pub async fn members_of(
    conn: &mut Conn<'_>,
    customers: &[(Provider, String)],
    emails: &[EmailKey],
) -> Result<Vec<UserId>> {
    let mut members = Vec::new();
    if !customers.is_empty() {
        let found: Vec<Option<UserId>> = build!(conn, |query, c| {
            query.push("SELECT user_id FROM payment_customers WHERE ");
            let mut list = query.separated(" OR ");
            for (provider, customer) in customers {
                list.push("(provider = ").push_bind_unseparated(provider.as_str());
                list.push_unseparated(" AND customer_id = ").push_bind_unseparated(customer).push_unseparated(")");
            }
            query.build_query_scalar().fetch_all(c).await
        })?;
        members.extend(found.into_iter().flatten());
    }
    if !emails.is_empty() {
        let found: Vec<UserId> = build!(conn, |query, c| {
            query.push("SELECT id FROM users WHERE email_key IN (");
            let mut list = query.separated(", ");
            for email in emails {
                list.push_bind(email);
            }
            query.push(")");
            query.build_query_scalar().fetch_all(c).await
        })?;
        members.extend(found);
    }
    Ok(members)
}

/// Notes who a provider's customer is here. The first word on it stays, unless that member is gone.
/// Returns whether it was news.
pub async fn put_customer(
    conn: &mut Conn<'_>,
    provider: Provider,
    customer: &str,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<bool> {
    let written = execute!(conn, |c| sqlx::query(
        "INSERT INTO payment_customers (provider, customer_id, user_id, created_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (provider, customer_id) DO UPDATE SET user_id = excluded.user_id
        WHERE payment_customers.user_id IS NULL"
    )
    .bind(provider.as_str())
    .bind(customer)
    .bind(user)
    .bind(now)
    .execute(c))?;
    Ok(written == 1)
}

/// Returns a member's customer ids, the newest first.
pub async fn customers_of(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<(Provider, String)>> {
    let rows: Vec<(String, String)> = run!(conn, |c| {
        sqlx::query_as(
        "SELECT provider, customer_id FROM payment_customers WHERE user_id = $1 ORDER BY created_at DESC, customer_id"
    )
    .bind(user)
    .fetch_all(c)
    })?;
    rows.into_iter()
        .map(|(provider, customer)| {
            let provider = provider.parse().map_err(StoreError::corrupt("payment_customers", "provider"))?;
            Ok((provider, customer))
        })
        .collect()
}

/// Notes a paid invoice, once. Returns whether it is a new one.
pub async fn insert_payment(
    conn: &mut Conn<'_>,
    provider: Provider,
    user: UserId,
    invoice: &PaidInvoice,
    now: DateTime<Utc>,
) -> Result<bool> {
    let inserted = execute!(conn, |c| sqlx::query(
        "INSERT INTO payments (
            provider, invoice_id, user_id, subscription_id, amount, currency, paid_at, created_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (provider, invoice_id) DO NOTHING"
    )
    .bind(provider.as_str())
    .bind(&invoice.id)
    .bind(user)
    .bind(&invoice.subscription)
    .bind(invoice.amount)
    .bind(&invoice.currency)
    .bind(invoice.paid_at)
    .bind(now)
    .execute(c))?;
    Ok(inserted == 1)
}

/// Returns who paid an invoice, if it is known; the inner value is empty when the account is gone.
pub async fn payment_user(conn: &mut Conn<'_>, provider: Provider, invoice: &str) -> Result<Option<Option<UserId>>> {
    Ok(run!(conn, |c| sqlx::query_scalar("SELECT user_id FROM payments WHERE provider = $1 AND invoice_id = $2")
        .bind(provider.as_str())
        .bind(invoice)
        .fetch_optional(c))?)
}

/// Notes which invoice a payment paid. Returns whether it was news.
pub async fn insert_link(conn: &mut Conn<'_>, provider: Provider, payment: &str, invoice: &str) -> Result<bool> {
    let inserted = execute!(conn, |c| sqlx::query(
        "INSERT INTO payment_links (provider, payment_id, invoice_id) VALUES ($1, $2, $3)
        ON CONFLICT (provider, payment_id) DO NOTHING"
    )
    .bind(provider.as_str())
    .bind(payment)
    .bind(invoice)
    .execute(c))?;
    Ok(inserted == 1)
}

/// Returns which invoice a payment paid.
pub async fn invoice_of(conn: &mut Conn<'_>, provider: Provider, payment: &str) -> Result<Option<String>> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "SELECT invoice_id FROM payment_links WHERE provider = $1 AND payment_id = $2"
    )
    .bind(provider.as_str())
    .bind(payment)
    .fetch_optional(c))?)
}

/// Notes money that went back. Of two words on one loss the later holds; of two of one instant the
/// one about more, so that the order of arrival does not matter.
pub async fn put_loss(
    conn: &mut Conn<'_>,
    provider: Provider,
    invoice: &str,
    loss: &Loss,
    occurred_at: DateTime<Utc>,
) -> Result<bool> {
    let written = execute!(conn, |c| sqlx::query(
        "INSERT INTO payment_losses (provider, loss_id, invoice_id, kind, amount, occurred_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (provider, loss_id) DO UPDATE SET
            kind = excluded.kind, amount = excluded.amount, occurred_at = excluded.occurred_at
        WHERE (excluded.occurred_at, excluded.amount, excluded.kind)
            > (payment_losses.occurred_at, payment_losses.amount, payment_losses.kind)"
    )
    .bind(provider.as_str())
    .bind(&loss.id)
    .bind(invoice)
    .bind(loss.kind.as_str())
    .bind(loss.amount)
    .bind(occurred_at)
    .execute(c))?;
    Ok(written == 1)
}

#[derive(FromRow)]
struct FirstPaymentRow {
    provider: String,
    invoice_id: String,
    amount: i64,
    paid_at: DateTime<Utc>,
    lost: i64,
    lost_at: Option<DateTime<Utc>>,
}

impl TryFrom<FirstPaymentRow> for FirstPayment {
    type Error = StoreError;

    fn try_from(row: FirstPaymentRow) -> Result<Self> {
        Ok(Self {
            provider: row.provider.parse().map_err(StoreError::corrupt("payments", "provider"))?,
            invoice: row.invoice_id,
            amount: row.amount,
            paid_at: row.paid_at,
            lost: row.lost,
            lost_at: row.lost_at,
        })
    }
}

/// Reads one payment with what of it went back.
macro_rules! with_losses {
    ($payment:literal) => {
        concat!(
            "SELECT first.provider, first.invoice_id, first.amount, first.paid_at,
                CAST(COALESCE(SUM(losses.amount), 0) AS BIGINT) AS lost,
                MAX(CASE WHEN losses.amount > 0 THEN losses.occurred_at END) AS lost_at
            FROM (SELECT provider, invoice_id, amount, paid_at FROM payments WHERE amount > 0 AND ",
            $payment,
            ") AS first
            LEFT JOIN payment_losses AS losses
                ON losses.provider = first.provider AND losses.invoice_id = first.invoice_id
            GROUP BY first.provider, first.invoice_id, first.amount, first.paid_at"
        )
    };
}

/// Returns a member's first payment above zero, by the providers' clocks, with what of it went back.
pub async fn first_payment(conn: &mut Conn<'_>, user: UserId) -> Result<Option<FirstPayment>> {
    let row: Option<FirstPaymentRow> =
        run!(conn, |c| sqlx::query_as(with_losses!("user_id = $1 ORDER BY paid_at, provider, invoice_id LIMIT 1"))
            .bind(user)
            .fetch_optional(c))?;
    row.map(FirstPayment::try_from).transpose()
}

/// Returns the payment of an invoice if it is above zero, with what of it went back.
pub async fn payment(conn: &mut Conn<'_>, provider: Provider, invoice: &str) -> Result<Option<FirstPayment>> {
    let row: Option<FirstPaymentRow> =
        run!(conn, |c| sqlx::query_as(with_losses!("provider = $1 AND invoice_id = $2"))
            .bind(provider.as_str())
            .bind(invoice)
            .fetch_optional(c))?;
    row.map(FirstPayment::try_from).transpose()
}
