//! Payments: what the providers tell, in one language.
//!
//! Every provider's events become [`PaymentEvent`]s. They carry the provider's own time, because
//! deliveries come late, twice and in any order; whoever applies them goes by that time and not
//! by the order of arrival. Shapes and names: the vendors' webhook documents, see the readers
//! [`stripe`], [`paddle`] and [`polar`].

pub mod paddle;
pub mod polar;
mod reading;
pub mod samples;
pub mod stripe;

use std::{fmt, str::FromStr};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use reading::Unreadable;

use crate::domain::{email::EmailKey, ids::TierId, subscription::Snapshot};

/// Who takes the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// stripe.com
    Stripe,
    /// paddle.com, Paddle Billing
    Paddle,
    /// polar.sh
    Polar,
}

impl Provider {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::Stripe, Self::Paddle, Self::Polar];

    /// Returns the word in addresses, in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Paddle => "paddle",
            Self::Polar => "polar",
        }
    }

    /// Returns the name as the company writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stripe => "Stripe",
            Self::Paddle => "Paddle",
            Self::Polar => "Polar",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Not the name of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a provider is stripe, paddle or polar")]
pub struct NoSuchProvider;

impl FromStr for Provider {
    type Err = NoSuchProvider;

    fn from_str(text: &str) -> Result<Self, NoSuchProvider> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == text).ok_or(NoSuchProvider)
    }
}

/// How often a subscription is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BillingInterval {
    /// Every month.
    Month,
    /// Every year.
    Year,
}

impl BillingInterval {
    /// Returns the word in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// Not the name of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an interval is month or year")]
pub struct NoSuchInterval;

impl FromStr for BillingInterval {
    type Err = NoSuchInterval;

    fn from_str(text: &str) -> Result<Self, NoSuchInterval> {
        match text {
            "month" => Ok(Self::Month),
            "year" => Ok(Self::Year),
            _ => Err(NoSuchInterval),
        }
    }
}

/// Who paid, as far as an event says. The member is found by our own id, then by the provider's
/// id of the customer, then by the address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payer {
    /// What we gave the checkout as its reference, or wrote into its metadata.
    pub reference: Option<String>,
    /// The provider's id of the customer.
    pub customer: Option<String>,
    /// The address that the customer gave the provider.
    pub email: Option<EmailKey>,
}

/// Something that happened at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentEvent {
    /// A customer is known, and perhaps who it is: a checkout was completed.
    Customer(Payer),
    /// A subscription, as it was at the event's time.
    Subscription {
        /// Whose.
        payer: Payer,
        /// How it was. Boxed, as it is much larger than the others.
        snapshot: Box<Snapshot>,
    },
    /// An invoice was paid.
    InvoicePaid(PaidInvoice),
    /// A payment belongs to an invoice; some providers tell that apart from both.
    PaymentOfInvoice {
        /// The provider's id of the invoice.
        invoice: String,
        /// The provider's id of the payment.
        payment: String,
    },
    /// Money went back, or comes back to us, or is disputed.
    Loss(Loss),
}

/// An invoice that was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidInvoice {
    /// The provider's id.
    pub id: String,
    /// By whom.
    pub payer: Payer,
    /// The provider's id of the subscription that it is for, if it is for one.
    pub subscription: Option<String>,
    /// The provider's ids of the payments that it was paid with, as far as they are told.
    pub payments: Vec<String>,
    /// What was paid, in the smallest unit of the currency: 0 when a trial begins.
    pub amount: i64,
    /// The currency, in small letters (ISO 4217).
    pub currency: String,
    /// When.
    pub paid_at: DateTime<Utc>,
}

/// What an event about money that went back refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LostFrom {
    /// An invoice, by the provider's id.
    Invoice(String),
    /// A payment, by the provider's id; the invoice has to be found.
    Payment(String),
}

/// Why money went back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// It was refunded.
    Refund,
    /// A bank was asked to take it back. Nothing is lost yet.
    DisputeOpened,
    /// A bank took it back.
    DisputeLost,
    /// A bank did not take it back, or gave it back to us.
    DisputeWon,
}

impl LossKind {
    /// Returns the word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refund => "refund",
            Self::DisputeOpened => "dispute_opened",
            Self::DisputeLost => "dispute_lost",
            Self::DisputeWon => "dispute_won",
        }
    }
}

/// Money that went back, as it stood at the event's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// What makes two events ones about the same loss: of several, the latest holds. The amounts
    /// of different losses of one invoice add up.
    pub id: String,
    /// What it was paid for.
    pub from: LostFrom,
    /// Why.
    pub kind: LossKind,
    /// How much is gone, all in all for this `id`, in the smallest unit of the currency. Below
    /// zero when another loss is given back under an id of its own.
    pub amount: i64,
}

/// What a provider sent, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The provider's id of the event: what is delivered twice has the same.
    pub event_id: String,
    /// The provider's word for what happened.
    pub event_type: String,
    /// When it happened, by the provider's clock.
    pub occurred_at: DateTime<Utc>,
    /// What it means here; nothing when it is of no interest. An event of a type that matters,
    /// but which lacks what it must have, is kept with the reason: a newer program may read it.
    pub event: Result<Option<PaymentEvent>, Unreadable>,
}

impl Envelope {
    /// Reads what a provider sent. `delivery_id` is what its header calls the event: Polar says it
    /// there alone.
    ///
    /// Fails when it is no event at all: no JSON, or without id, type or time.
    pub fn read(provider: Provider, body: &[u8], delivery_id: Option<&str>) -> Result<Self, Unreadable> {
        match provider {
            Provider::Stripe => stripe::read_event(body),
            Provider::Paddle => paddle::read_event(body),
            Provider::Polar => polar::read_event(body, delivery_id),
        }
    }
}

impl PaymentEvent {
    /// Returns our word for what happened, as the list of events shows it. What happened to a
    /// subscription depends on how it stood before.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Customer(_) => "customer_known",
            Self::Subscription { .. } => "subscription",
            Self::InvoicePaid(_) => "invoice_paid",
            Self::PaymentOfInvoice { .. } => "payment_known",
            Self::Loss(loss) => match loss.kind {
                LossKind::Refund => "invoice_refunded",
                LossKind::DisputeOpened => "invoice_disputed",
                LossKind::DisputeLost => "dispute_lost",
                LossKind::DisputeWon => "dispute_won",
            },
        }
    }

    /// Returns who paid, where the event says so.
    pub fn payer(&self) -> Option<&Payer> {
        match self {
            Self::Customer(payer) | Self::Subscription { payer, .. } => Some(payer),
            Self::InvoicePaid(invoice) => Some(&invoice.payer),
            Self::PaymentOfInvoice { .. } | Self::Loss(_) => None,
        }
    }
}

/// A price at a provider, and what it buys here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TierPrice {
    /// Who takes the money.
    pub provider: Provider,
    /// The provider's id of the price, or of the product where the provider sells those.
    pub price_id: String,
    /// The tier that it buys.
    pub tier: TierId,
    /// How often it is paid.
    pub interval: BillingInterval,
}

/// The first payment of a member above zero, by the providers' clocks, and what of it went back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstPayment {
    /// Who took the money.
    pub provider: Provider,
    /// The provider's id of the invoice.
    pub invoice: String,
    /// What was paid, in the smallest unit of the currency.
    pub amount: i64,
    /// When.
    pub paid_at: DateTime<Utc>,
    /// What went back, all in all.
    pub lost: i64,
    /// When the last of it went back.
    pub lost_at: Option<DateTime<Utc>>,
}

impl FirstPayment {
    /// Returns whether all of it went back no later than `within` after it was paid.
    pub fn is_lost(&self, within: TimeDelta) -> bool {
        self.lost >= self.amount && self.lost_at.is_some_and(|at| at <= self.paid_at + within)
    }
}
