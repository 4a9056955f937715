//! A provider of payments that tells the program what happened: it signs and delivers.

use std::hash::{Hash, Hasher};

use axum::{
    body::Body,
    http::{Method, Request},
};
use chrono::{DateTime, Utc};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use vouchsafe::{
    domain::{
        ids::{TierId, UserId},
        payment::{BillingInterval, Provider},
    },
    services::prices::{self, NewPrice},
    webhooks::signature,
};

use super::TestApp;

/// With what Stripe signs in tests; the one before it is `whsec_before`.
pub const STRIPE_SECRET: &str = "whsec_stripe_for_tests";
/// With what Paddle signs in tests.
pub const PADDLE_SECRET: &str = "pdl_ntfset_for_tests";
/// With what Polar signs in tests.
pub const POLAR_SECRET: &str = "polar_whs_for_tests";

impl TestApp {
    /// Sets a price of Stripe for each paid tier, `price_basic` and `price_premium`, and the same at
    /// the other providers.
    pub async fn with_prices(self) -> Self {
        for tier in ["basic", "premium"] {
            let price =
                |provider, name: &str, interval| NewPrice { provider, price_id: format!("{name}_{tier}"), interval };
            let prices = [
                price(Provider::Stripe, "price", BillingInterval::Month),
                price(Provider::Stripe, "price_year", BillingInterval::Year),
                price(Provider::Paddle, "pri", BillingInterval::Month),
                price(Provider::Polar, "prod", BillingInterval::Month),
            ];
            prices::set(&self.env, &tier.parse::<TierId>().unwrap(), &prices, "operator").await.unwrap();
        }
        self
    }

    /// Has a provider deliver a body, signed now, and returns the answer's status and text.
    pub async fn deliver(&self, provider: Provider, id: &str, body: &str) -> (u16, String) {
        let secret = match provider {
            Provider::Stripe => STRIPE_SECRET,
            Provider::Paddle => PADDLE_SECRET,
            Provider::Polar => POLAR_SECRET,
        };
        let headers = signature::sign(provider, secret, id, self.env.clock.now(), body.as_bytes());
        self.knock(provider.as_str(), &headers, body.as_bytes().to_vec()).await
    }

    /// Sends anything to the address at which a provider knocks.
    pub async fn knock(&self, provider: &str, headers: &[(&str, String)], body: Vec<u8>) -> (u16, String) {
        let mut request = Request::builder().method(Method::POST).uri(format!("/webhooks/{provider}"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Has Stripe deliver an event, which is taken in.
    pub async fn stripe(&self, event: &Value) {
        let (status, text) = self.deliver(Provider::Stripe, "", &event.to_string()).await;
        assert_eq!(status, 200, "{text}");
    }
}

/// A customer of Stripe who subscribes, in the shape of 2025.
#[derive(Debug, Clone)]
pub struct StripeCustomer {
    pub customer: String,
    pub subscription: String,
    pub user: Option<UserId>,
    pub price: String,
    pub started_at: DateTime<Utc>,
}

impl StripeCustomer {
    /// A member who buys Premium by the month, from now on.
    pub fn new(user: UserId, number: usize, now: DateTime<Utc>) -> Self {
        Self {
            customer: format!("cus_{number}"),
            subscription: format!("sub_{number}"),
            user: Some(user),
            price: "price_premium".to_owned(),
            started_at: now,
        }
    }

    fn metadata(&self) -> Value {
        self.user.map_or(json!({}), |user| json!({ "user_id": user }))
    }

    /// The subscription, as it is at `at`.
    pub fn subscription(&self, kind: &str, status: &str, at: DateTime<Utc>) -> Value {
        self.subscription_with(kind, status, at, json!({}))
    }

    /// The same with other particulars.
    pub fn subscription_with(&self, kind: &str, status: &str, at: DateTime<Utc>, more: Value) -> Value {
        let mut object = json!({
            "id": self.subscription, "object": "subscription", "customer": self.customer, "status": status,
            "metadata": self.metadata(), "start_date": self.started_at.timestamp(), "created": self.started_at.timestamp(),
            "cancel_at_period_end": false, "cancel_at": null, "ended_at": null,
            "items": { "object": "list", "data": [{
                "id": format!("si_{}", self.subscription), "price": { "id": self.price, "object": "price" },
                "current_period_start": at.timestamp(), "current_period_end": at.timestamp() + 30 * 86_400,
            }] },
        });
        for (name, value) in more.as_object().unwrap() {
            object[name] = value.clone();
        }
        event(&format!("customer.subscription.{kind}"), at, &object)
    }

    /// An invoice that was paid.
    pub fn invoice(&self, number: usize, amount: i64, at: DateTime<Utc>) -> Value {
        let object = json!({
            "id": self.invoice_id(number), "object": "invoice", "customer": self.customer, "customer_email": null,
            "amount_paid": amount, "currency": "eur", "status": "paid", "created": at.timestamp(),
            "status_transitions": { "paid_at": at.timestamp() },
            "parent": { "type": "subscription_details", "subscription_details": {
                "subscription": self.subscription, "metadata": self.metadata(),
            } },
        });
        event("invoice.paid", at, &object)
    }

    /// Which payment an invoice was paid with.
    pub fn payment(&self, number: usize, at: DateTime<Utc>) -> Value {
        let object = json!({
            "id": format!("inpay_{}_{number}", self.customer), "object": "invoice_payment",
            "invoice": self.invoice_id(number), "status": "paid",
            "payment": { "type": "payment_intent", "payment_intent": self.payment_id(number) },
        });
        event("invoice_payment.paid", at, &object)
    }

    /// Money of an invoice that went back, all in all.
    pub fn refund(&self, number: usize, amount: i64, refunded: i64, at: DateTime<Utc>) -> Value {
        let object = json!({
            "id": format!("ch_{}_{number}", self.customer), "object": "charge", "customer": self.customer,
            "amount": amount, "amount_refunded": refunded, "refunded": amount == refunded,
            "payment_intent": self.payment_id(number),
        });
        event("charge.refunded", at, &object)
    }

    /// A dispute about an invoice, which stands as it does.
    pub fn dispute(&self, number: usize, amount: i64, kind: &str, status: &str, at: DateTime<Utc>) -> Value {
        let object = json!({
            "id": format!("dp_{}_{number}", self.customer), "object": "dispute", "amount": amount,
            "charge": format!("ch_{}_{number}", self.customer), "payment_intent": self.payment_id(number),
            "status": status,
        });
        event(&format!("charge.dispute.{kind}"), at, &object)
    }

    /// The checkout that began it, completed.
    pub fn checkout(&self, reference: Option<UserId>, email: &str, at: DateTime<Utc>) -> Value {
        let object = json!({
            "id": format!("cs_{}", self.customer), "object": "checkout.session", "mode": "subscription",
            "client_reference_id": reference, "customer": self.customer, "subscription": self.subscription,
            "customer_details": { "email": email },
        });
        event("checkout.session.completed", at, &object)
    }

    fn invoice_id(&self, number: usize) -> String {
        format!("in_{}_{number}", self.customer)
    }

    fn payment_id(&self, number: usize) -> String {
        format!("pi_{}_{number}", self.customer)
    }
}

/// An event of Stripe. Its id follows from what it says, so that the same twice is the same.
pub fn event(kind: &str, at: DateTime<Utc>, object: &Value) -> Value {
    let mut hasher = std::hash::DefaultHasher::new();
    (kind, at.timestamp(), object.to_string()).hash(&mut hasher);
    let id = format!("evt_{:016x}", hasher.finish());
    json!({
        "id": id, "object": "event", "api_version": "2025-03-31.basil",
        "created": at.timestamp(), "type": kind, "data": { "object": object },
    })
}
