//! What we ask Stripe, Paddle and Polar, and what we make of their answers. Servers on this machine
//! speak for them, with answers as their documents show them.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use url::form_urlencoded;
use vouchsafe::{
    config::{Config, PaymentsConfig},
    domain::{payment::Provider, subscription::SubscriptionStatus},
    platform::payment_providers::{
        CheckoutRequest, ProviderError, create_checkout, create_portal, fetch_subscription, find_invoice_of_payment,
        list_subscriptions,
    },
};

use crate::harness::beginning;

const KEY: &str = "key_hunter2";
/// More than any answer may have.
const ENDLESS: usize = 9 * 1024 * 1024;

/// One answer of a provider.
#[derive(Clone)]
enum Says {
    Json(u16, Value),
    Text(u16, &'static str),
    Redirect,
    Endless,
    Nothing,
    /// An answer that was made nobody knows when.
    Undated(Value),
}

/// One question to a provider.
#[derive(Debug, Clone)]
struct Heard {
    line: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: String,
}

impl Heard {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn query(&self) -> Vec<(&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    fn form(&self) -> Vec<(String, String)> {
        assert_eq!(self.header("content-type"), Some("application/x-www-form-urlencoded"));
        pairs(&self.body)
    }

    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_str(&self.body).unwrap()
    }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// A provider on this machine: it gives these answers, one after the other.
#[derive(Clone, Default)]
struct Server {
    script: Arc<Mutex<Vec<Says>>>,
    heard: Arc<Mutex<Vec<Heard>>>,
}

async fn answer(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    server.heard.lock().unwrap().push(Heard {
        line: format!("{} {}", parts.method, parts.uri.path()),
        query: pairs(parts.uri.query().unwrap_or_default()),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let says = {
        let mut script = server.script.lock().unwrap();
        if script.is_empty() { Says::Text(500, "nothing more was expected") } else { script.remove(0) }
    };
    let status = |status: u16| StatusCode::from_u16(status).unwrap();
    let mut response = match says {
        Says::Json(code, body) => (status(code), axum::Json(body)).into_response(),
        Says::Text(code, text) => (status(code), text).into_response(),
        Says::Redirect => (status(307), [("location", "/elsewhere")]).into_response(),
        Says::Endless => Body::from("x".repeat(ENDLESS)).into_response(),
        Says::Nothing => pending().await,
        Says::Undated(body) => ([("date", "")], axum::Json(body)).into_response(),
    };
    if !response.headers().contains_key(header::DATE) {
        response.headers_mut().insert(header::DATE, "Sat, 21 Nov 2026 10:00:00 GMT".parse().unwrap());
    }
    response
}

impl Server {
    /// Starts a server that stands for all three, and returns what leads to it.
    async fn start(script: impl Into<Vec<Says>>) -> (Self, PaymentsConfig) {
        let server = Self { script: Arc::new(Mutex::new(script.into())), heard: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/api/", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        (server, payments(&base, KEY))
    }

    /// Returns what was asked since the last time.
    fn heard(&self) -> Vec<Heard> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }

    /// Returns what was asked since the last time, which was one thing.
    fn heard_one(&self) -> Heard {
        let mut heard = self.heard();
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard.remove(0)
    }
}

fn payments(base: &str, key: &str) -> PaymentsConfig {
    let variables = Provider::ALL.into_iter().flat_map(|provider| {
        let variable = |what| format!("VOUCHSAFE_{}_{what}", provider.as_str().to_ascii_uppercase());
        [(variable("API_BASE"), base.to_owned()), (variable("API_KEY"), key.to_owned())]
    });
    Config::load(Some(std::path::Path::new("/dev/null")), variables).unwrap().payments
}

fn request() -> CheckoutRequest<'static> {
    CheckoutRequest {
        price_id: "price_1",
        user_id: "u-1",
        email: Some("ann+1@example.com"),
        customer: None,
        success_url: "https://members.example.com/settings?bought=1",
        cancel_url: "https://members.example.com/pricing",
        idempotency_key: "checkout-1",
        lang: "de",
    }
}

fn ok(body: Value) -> Says {
    Says::Json(200, body)
}

const BUY_HERE: &str = "https://checkout.example.com/c/1";

/// What a provider answers to a question for a checkout or a portal, with that address.
fn with_url(provider: Provider, url: &str) -> Value {
    match provider {
        Provider::Stripe => json!({ "id": "cs_test_1", "object": "checkout.session", "url": url }),
        Provider::Paddle => json!({
            "data": {
                "id": "txn_01", "checkout": { "url": url },
                "urls": { "general": { "overview": url }, "subscriptions": [] },
            },
            "meta": { "request_id": "r-1" },
        }),
        Provider::Polar => json!({ "id": "c-1", "url": url, "customer_portal_url": url }),
    }
}

/// A subscription as a provider's API has it.
fn subscription(provider: Provider, id: &str) -> Value {
    match provider {
        Provider::Stripe => json!({
            "id": id, "object": "subscription", "status": "active", "start_date": 1_763_719_200,
            "customer": { "id": "cus_1", "object": "customer", "email": "Ann@example.com" },
            "items": { "object": "list", "data": [
                { "id": "si_1", "price": { "id": "price_1" }, "current_period_end": 1_797_847_200 },
            ] },
            "cancel_at_period_end": false, "metadata": { "user_id": "u-1" },
        }),
        Provider::Paddle => json!({
            "id": id, "status": "active", "customer_id": "ctm_01", "started_at": "2025-11-21T10:00:00.5Z",
            "current_billing_period": { "starts_at": "2026-11-21T10:00:00Z", "ends_at": "2026-12-21T10:00:00Z" },
            "items": [{ "status": "active", "quantity": 1, "price": { "id": "pri_01", "product_id": "pro_01" } }],
            "scheduled_change": null, "custom_data": { "user_id": "u-1" },
        }),
        Provider::Polar => json!({
            "id": id, "status": "active", "customer_id": "c-1", "product_id": "product-1",
            "customer": { "id": "c-1", "external_id": "u-1", "email": "ann@example.com" },
            "started_at": "2025-11-21T10:00:00Z", "current_period_end": "2026-12-21T10:00:00Z",
            "cancel_at_period_end": false, "ended_at": null, "prices": [], "metadata": { "user_id": "u-1" },
        }),
    }
}

fn owned<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

#[tokio::test]
async fn stripe_is_asked_for_a_checkout_with_a_form() {
    let (server, payments) = Server::start([ok(with_url(Provider::Stripe, BUY_HERE))]).await;
    let url = create_checkout(&payments, Provider::Stripe, &request()).await.unwrap();
    assert_eq!(url.as_str(), BUY_HERE);
    let heard = server.heard_one();
    assert_eq!(heard.line, "POST /api/v1/checkout/sessions");
    assert_eq!(heard.header("authorization"), Some("Bearer key_hunter2"));
    assert_eq!(heard.header("stripe-version"), Some("2025-08-27.basil"));
    assert_eq!(heard.header("idempotency-key"), Some("checkout-1"));
    let expected = owned([
        ("mode", "subscription"),
        ("line_items[0][price]", "price_1"),
        ("line_items[0][quantity]", "1"),
        ("client_reference_id", "u-1"),
        ("metadata[user_id]", "u-1"),
        ("subscription_data[metadata][user_id]", "u-1"),
        ("success_url", "https://members.example.com/settings?bought=1"),
        ("cancel_url", "https://members.example.com/pricing"),
        ("locale", "de"),
        ("customer_email", "ann+1@example.com"),
    ]);
    assert_eq!(heard.form(), expected);
}

#[tokio::test]
async fn a_member_who_is_a_customer_already_stays_that_customer() {
    let names = |heard: &Heard| heard.form().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let known = CheckoutRequest { customer: Some("cus_1"), ..request() };
    let stranger = CheckoutRequest { email: None, ..request() };
    let (server, payments) = Server::start(vec![ok(with_url(Provider::Stripe, BUY_HERE)); 2]).await;
    create_checkout(&payments, Provider::Stripe, &known).await.unwrap();
    let heard = server.heard_one();
    assert!(heard.form().contains(&("customer".to_owned(), "cus_1".to_owned())));
    assert!(!names(&heard).contains(&"customer_email".to_owned()), "Stripe takes one or the other");
    create_checkout(&payments, Provider::Stripe, &stranger).await.unwrap();
    let heard = server.heard_one();
    assert!(!names(&heard).iter().any(|name| name.starts_with("customer")));

    let known = CheckoutRequest { customer: Some("ctm_01"), ..request() };
    let (server, payments) = Server::start(vec![ok(with_url(Provider::Paddle, BUY_HERE)); 2]).await;
    create_checkout(&payments, Provider::Paddle, &known).await.unwrap();
    assert_eq!(server.heard_one().json()["customer_id"], "ctm_01");
    create_checkout(&payments, Provider::Paddle, &stranger).await.unwrap();
    assert_eq!(server.heard_one().json().get("customer_id"), None);

    let known = CheckoutRequest { customer: Some("c-1"), ..request() };
    let (server, payments) = Server::start([ok(with_url(Provider::Polar, BUY_HERE))]).await;
    create_checkout(&payments, Provider::Polar, &known).await.unwrap();
    assert_eq!(server.heard_one().json()["customer_id"], "c-1");
}

#[tokio::test]
async fn paddle_knows_the_customer_before_the_transaction() {
    let customer = json!({ "data": { "id": "ctm_01", "email": "ann+1@example.com" }, "meta": {} });
    let transaction = Says::Json(201, with_url(Provider::Paddle, BUY_HERE));
    let (server, payments) = Server::start([Says::Json(201, customer), transaction]).await;
    let url = create_checkout(&payments, Provider::Paddle, &request()).await.unwrap();
    assert_eq!(url.as_str(), BUY_HERE);
    let heard = server.heard();
    assert_eq!(
        heard.iter().map(|one| one.line.as_str()).collect::<Vec<_>>(),
        ["POST /api/customers", "POST /api/transactions"]
    );
    for one in &heard {
        assert_eq!(
            (one.header("authorization"), one.header("paddle-version")),
            (Some("Bearer key_hunter2"), Some("1"))
        );
    }
    assert_eq!(heard[0].json(), json!({ "email": "ann+1@example.com", "locale": "de" }));
    let expected = json!({
        "items": [{ "price_id": "price_1", "quantity": 1 }],
        "collection_mode": "automatic",
        "customer_id": "ctm_01",
        "custom_data": { "user_id": "u-1" },
        "checkout": { "url": null },
    });
    assert_eq!(heard[1].json(), expected);
}

#[tokio::test]
async fn paddle_finds_a_customer_who_is_there_already() {
    let conflict = |detail: &str| {
        Says::Json(
            409,
            json!({ "error": { "type": "request_error", "code": "customer_already_exists", "detail": detail } }),
        )
    };
    let transaction = || ok(with_url(Provider::Paddle, BUY_HERE));
    let (server, payments) =
        Server::start([conflict("customer email conflicts with customer of id ctm_01abc"), transaction()]).await;
    create_checkout(&payments, Provider::Paddle, &request()).await.unwrap();
    assert_eq!(server.heard()[1].json()["customer_id"], "ctm_01abc");

    let list = |list: Value| ok(json!({ "data": list, "meta": { "pagination": { "has_more": false } } }));
    let (server, payments) = Server::start([
        conflict("customer exists"),
        list(json!([{ "id": "ctm_01def", "status": "active" }])),
        transaction(),
        conflict("customer exists"),
        list(json!([])),
    ])
    .await;
    create_checkout(&payments, Provider::Paddle, &request()).await.unwrap();
    let heard = server.heard();
    assert_eq!(heard[1].line, "GET /api/customers");
    assert_eq!(heard[1].query(), [("email", "ann+1@example.com"), ("status", "active,archived")]);
    assert_eq!(heard[2].json()["customer_id"], "ctm_01def");
    let error = create_checkout(&payments, Provider::Paddle, &request()).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unreadable { provider: Provider::Paddle, .. }), "{error}");
}

#[tokio::test]
async fn paddle_without_a_default_payment_link_says_what_is_missing() {
    let mut body = with_url(Provider::Paddle, BUY_HERE);
    body["data"]["checkout"]["url"] = Value::Null;
    let mut without = body.clone();
    without["data"]["checkout"] = Value::Null;
    let (_, payments) = Server::start([ok(body), ok(without)]).await;
    let stranger = CheckoutRequest { email: None, ..request() };
    for _ in 0..2 {
        let error = create_checkout(&payments, Provider::Paddle, &stranger).await.unwrap_err();
        assert!(matches!(error, ProviderError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("set a default payment link"), "{error}");
    }
}

#[tokio::test]
async fn polar_is_told_our_id_of_the_member() {
    let (server, payments) = Server::start([Says::Json(201, with_url(Provider::Polar, BUY_HERE))]).await;
    let url = create_checkout(&payments, Provider::Polar, &request()).await.unwrap();
    assert_eq!(url.as_str(), BUY_HERE);
    let heard = server.heard_one();
    assert_eq!(heard.line, "POST /api/v1/checkouts/");
    assert_eq!(heard.header("authorization"), Some("Bearer key_hunter2"));
    let expected = json!({
        "products": ["price_1"],
        "external_customer_id": "u-1",
        "customer_email": "ann+1@example.com",
        "metadata": { "user_id": "u-1" },
        "success_url": "https://members.example.com/settings?bought=1",
        "return_url": "https://members.example.com/pricing",
        "locale": "de",
    });
    assert_eq!(heard.json(), expected);
}

#[tokio::test]
async fn a_customer_who_is_gone_there_can_buy_all_the_same() {
    let gone = [
        (
            Provider::Stripe,
            400,
            json!({ "error": {
                "type": "invalid_request_error", "code": "resource_missing", "param": "customer",
                "message": "No such customer: 'cus_1'",
            } }),
        ),
        (
            Provider::Paddle,
            404,
            json!({ "error": { "type": "request_error", "code": "not_found", "detail": "Customer ctm_01 not found" } }),
        ),
        (
            Provider::Polar,
            422,
            json!({ "error": "PolarRequestValidationError", "detail": [
                { "type": "value_error", "loc": ["body", "customer_id"], "msg": "Customer does not exist.", "input": "c-1" },
            ] }),
        ),
    ];
    for (provider, status, refusal) in gone {
        let (server, payments) =
            Server::start([Says::Json(status, refusal), ok(json!({ "data": { "id": "ctm_02" } })), Says::Nothing])
                .await;
        server.script.lock().unwrap().truncate(if provider == Provider::Paddle { 2 } else { 1 });
        server.script.lock().unwrap().push(ok(with_url(provider, BUY_HERE)));
        let known = CheckoutRequest { customer: Some("gone"), ..request() };
        let url = create_checkout(&payments, provider, &known).await.unwrap();
        assert_eq!(url.as_str(), BUY_HERE);
        let last = server.heard().pop().unwrap();
        match provider {
            // With the key of before, Stripe would repeat its refusal.
            Provider::Stripe => assert_eq!(last.header("idempotency-key"), Some("checkout-1-anew")),
            Provider::Paddle => assert_eq!(last.json()["customer_id"], "ctm_02"),
            Provider::Polar => assert_eq!(last.json().get("customer_id"), None),
        }
    }
}

#[tokio::test]
async fn what_else_is_refused_is_not_tried_for_a_new_customer() {
    let refusal =
        json!({ "error": { "code": "resource_missing", "param": "line_items[0][price]", "message": "No such price" } });
    let (server, payments) = Server::start([Says::Json(400, refusal)]).await;
    let known = CheckoutRequest { customer: Some("cus_1"), ..request() };
    let error = create_checkout(&payments, Provider::Stripe, &known).await.unwrap_err();
    assert!(error.to_string().contains("No such price"), "{error}");
    server.heard_one();
}

#[tokio::test]
async fn a_portal_is_for_one_customer() {
    for (provider, line, customer) in [
        (Provider::Stripe, "POST /api/v1/billing_portal/sessions", "cus_1"),
        (Provider::Paddle, "POST /api/customers/ctm_01/portal-sessions", "ctm_01"),
        (Provider::Polar, "POST /api/v1/customer-sessions/", "c-1"),
    ] {
        let (server, payments) = Server::start([ok(with_url(provider, BUY_HERE))]).await;
        let back = "https://members.example.com/settings";
        assert_eq!(create_portal(&payments, provider, customer, back).await.unwrap().as_str(), BUY_HERE);
        let heard = server.heard_one();
        assert_eq!(heard.line, line);
        match provider {
            Provider::Stripe => assert_eq!(heard.form(), owned([("customer", customer), ("return_url", back)])),
            Provider::Paddle => assert_eq!(heard.json(), json!({})),
            Provider::Polar => assert_eq!(heard.json(), json!({ "customer_id": customer, "return_url": back })),
        }
    }
    // An id that would lead elsewhere is not asked for.
    let (server, payments) = Server::start([]).await;
    for id in ["../transactions", "", "ctm_01?x=1", "a/b"] {
        let error = create_portal(&payments, Provider::Paddle, id, "https://members.example.com").await.unwrap_err();
        assert!(matches!(error, ProviderError::Refused { status, .. } if status == 404), "{error}");
    }
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn members_are_only_sent_where_nobody_listens() {
    for provider in Provider::ALL {
        for (url, is_fine) in [
            ("https://checkout.example.com/c/1#x", true),
            ("http://127.0.0.1:8420/c/1", true),
            ("http://localhost/c/1", true),
            ("http://checkout.example.com/c/1", false),
            ("javascript:alert(1)", false),
            ("/c/1", false),
            ("", false),
        ] {
            let (_, payments) = Server::start(vec![ok(with_url(provider, url)); 2]).await;
            let stranger = CheckoutRequest { email: None, ..request() };
            let checkout = create_checkout(&payments, provider, &stranger).await;
            let portal = create_portal(&payments, provider, "c-1", "https://members.example.com").await;
            for result in [checkout, portal] {
                assert_eq!(result.is_ok(), is_fine, "{provider} {url}: {result:?}");
                assert!(result.is_ok() || matches!(result, Err(ProviderError::Unreadable { .. })));
            }
        }
    }
}

#[tokio::test]
async fn a_subscription_is_as_it_was_by_the_clock_of_the_provider() {
    for (provider, line, customer, price) in [
        (Provider::Stripe, "GET /api/v1/subscriptions/sub_1", "cus_1", "price_1"),
        (Provider::Paddle, "GET /api/subscriptions/sub_1", "ctm_01", "pri_01"),
        (Provider::Polar, "GET /api/v1/subscriptions/sub_1", "c-1", "product-1"),
    ] {
        let object = subscription(provider, "sub_1");
        let body = if provider == Provider::Paddle { json!({ "data": object, "meta": {} }) } else { object };
        let (server, payments) = Server::start([ok(body)]).await;
        let fetched = fetch_subscription(&payments, provider, "sub_1").await.unwrap().unwrap();
        let heard = server.heard_one();
        assert_eq!(heard.line, line);
        assert_eq!(heard.query(), if provider == Provider::Stripe { vec![("expand[]", "customer")] } else { vec![] });
        assert_eq!(fetched.at, beginning());
        assert_eq!(
            (fetched.snapshot.subscription.as_str(), fetched.snapshot.status),
            ("sub_1", SubscriptionStatus::Active)
        );
        assert!(fetched.snapshot.prices.contains(&price.to_owned()), "{:?}", fetched.snapshot.prices);
        assert_eq!(fetched.snapshot.period_end, Some("2026-12-21T10:00:00Z".parse::<DateTime<Utc>>().unwrap()));
        assert_eq!(
            (fetched.payer.reference.as_deref(), fetched.payer.customer.as_deref()),
            (Some("u-1"), Some(customer))
        );
        let email = fetched.payer.email.map(|email| email.as_str().to_owned());
        assert_eq!(email.as_deref(), (provider != Provider::Paddle).then_some("ann@example.com"));
    }
}

#[tokio::test]
async fn a_subscription_that_is_not_there_is_no_error() {
    let missing = [
        json!({ "error": { "type": "invalid_request_error", "code": "resource_missing", "message": "No such subscription: 'sub_1'" } }),
        json!({ "error": { "type": "request_error", "code": "not_found", "detail": "Subscription sub_1 not found" } }),
        json!({ "error": "ResourceNotFound", "detail": "Not found" }),
    ];
    for (provider, missing) in Provider::ALL.into_iter().zip(missing) {
        let (server, payments) = Server::start([Says::Json(404, missing), Says::Text(404, "<h1>404</h1>")]).await;
        assert_eq!(fetch_subscription(&payments, provider, "sub_1").await.unwrap(), None);
        // Somebody else's 404 would end what is paid for.
        let error = fetch_subscription(&payments, provider, "sub_1").await.unwrap_err();
        assert!(matches!(error, ProviderError::Refused { status, .. } if status == 404), "{error}");
        assert_eq!(server.heard().len(), 2);
        for id in ["", "..", "../customers", "sub_1/", "sub_1?limit=1", "süb", &"x".repeat(256)] {
            assert_eq!(fetch_subscription(&payments, provider, id).await.unwrap(), None, "{id}");
        }
        assert!(server.heard().is_empty(), "what is no id is not asked for");
    }
}

#[tokio::test]
async fn a_subscription_that_cannot_be_read_is_an_error() {
    for provider in Provider::ALL {
        let (_, payments) = Server::start([
            ok(json!({})),
            ok(json!([])),
            ok(json!({ "data": { "id": "sub_1" }, "id": "sub_1" })),
            Says::Undated(subscription(provider, "sub_1")),
        ])
        .await;
        for _ in 0..4 {
            let error = fetch_subscription(&payments, provider, "sub_1").await.unwrap_err();
            assert!(matches!(error, ProviderError::Unreadable { .. }) && !error.may_pass(), "{error}");
            assert!(error.to_string().contains(provider.name()), "{error}");
        }
    }
}

#[tokio::test]
async fn all_subscriptions_come_page_by_page() {
    let page = |provider, objects: Value, has_more: bool| match provider {
        Provider::Stripe => ok(json!({ "object": "list", "data": objects, "has_more": has_more })),
        Provider::Paddle => ok(json!({
            "data": objects,
            "meta": { "pagination": { "per_page": 100, "next": "https://api.paddle.com/subscriptions?after=x", "has_more": has_more } },
        })),
        Provider::Polar => ok(json!({ "items": objects, "pagination": { "total_count": 3, "max_page": 2 } })),
    };
    for provider in Provider::ALL {
        let one = |id| subscription(provider, id);
        let (server, payments) = Server::start([
            page(provider, json!([one("sub_1"), { "id": "sub_2", "status": "novel" }]), true),
            page(provider, json!([one("sub_3")]), false),
        ])
        .await;
        let first = list_subscriptions(&payments, provider, None).await.unwrap();
        assert_eq!(first.subscriptions.len(), 2);
        let fetched = first.subscriptions[0].as_ref().unwrap();
        assert_eq!((fetched.snapshot.subscription.as_str(), fetched.at), ("sub_1", beginning()));
        first.subscriptions[1].as_ref().expect_err("one that cannot be read does not hide the others");
        let next = first.next.expect("there are more");
        let second = list_subscriptions(&payments, provider, Some(&next)).await.unwrap();
        assert_eq!((second.subscriptions.len(), second.next), (1, None));

        let heard = server.heard();
        let (line, fixed): (_, &[_]) = match provider {
            Provider::Stripe => {
                ("GET /api/v1/subscriptions", &[("status", "all"), ("limit", "100"), ("expand[]", "data.customer")])
            }
            Provider::Paddle => (
                "GET /api/subscriptions",
                &[("per_page", "100"), ("order_by", "id[ASC]"), ("status", "active,canceled,past_due,paused,trialing")],
            ),
            Provider::Polar => {
                ("GET /api/v1/subscriptions/", &[("limit", "100"), ("page", "1"), ("sorting", "started_at")])
            }
        };
        assert_eq!((heard[0].line.as_str(), heard[1].line.as_str()), (line, line));
        assert_eq!(heard[0].query(), fixed);
        let cursor = match provider {
            Provider::Stripe => ("starting_after", "sub_2"),
            Provider::Paddle => ("after", "sub_2"),
            Provider::Polar => ("page", "2"),
        };
        assert!(heard[1].query().contains(&cursor), "{:?}", heard[1].query());
    }
}

#[tokio::test]
async fn a_list_ends_even_if_the_provider_says_that_it_does_not() {
    for provider in Provider::ALL {
        let (_, payments) = Server::start([
            ok(json!({
                "data": [], "has_more": true, "meta": { "pagination": { "has_more": true } },
                "items": [], "pagination": { "total_count": 9, "max_page": 9 },
            })),
            ok(json!({ "data": {}, "items": {} })),
        ])
        .await;
        let page = list_subscriptions(&payments, provider, None).await.unwrap();
        assert_eq!((page.subscriptions.len(), page.next), (0, None));
        let error = list_subscriptions(&payments, provider, None).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unreadable { .. }), "{error}");
    }
}

#[tokio::test]
async fn the_invoice_of_a_payment_is_found() {
    let payment =
        |status: &str, invoice: Value| json!({ "object": "invoice_payment", "status": status, "invoice": invoice });
    let list = |data: Value| ok(json!({ "object": "list", "data": data, "has_more": false }));
    let (server, payments) = Server::start([
        list(json!([payment("canceled", json!("in_1")), payment("paid", json!("in_2"))])),
        list(json!([payment("open", json!({ "id": "in_3", "object": "invoice" }))])),
        list(json!([])),
        ok(json!({})),
    ])
    .await;
    let find = || find_invoice_of_payment(&payments, "pi_1");
    assert_eq!(find().await.unwrap().as_deref(), Some("in_2"));
    let heard = server.heard_one();
    assert_eq!(heard.line, "GET /api/v1/invoice_payments");
    let expected = [("payment[type]", "payment_intent"), ("payment[payment_intent]", "pi_1"), ("limit", "100")];
    assert_eq!(heard.query(), expected);
    assert_eq!(find().await.unwrap().as_deref(), Some("in_3"));
    assert_eq!(find().await.unwrap(), None);
    assert!(matches!(find().await, Err(ProviderError::Unreadable { .. })));
}

/// Asks everything that can be asked of a provider, and returns the errors.
async fn errors_of(payments: &PaymentsConfig, provider: Provider) -> Vec<ProviderError> {
    let stranger = CheckoutRequest { email: None, ..request() };
    let mut errors = vec![
        create_checkout(payments, provider, &stranger).await.expect_err("checkout"),
        create_portal(payments, provider, "c-1", "https://members.example.com").await.expect_err("portal"),
        fetch_subscription(payments, provider, "sub_1").await.expect_err("subscription"),
        list_subscriptions(payments, provider, None).await.expect_err("list"),
    ];
    if provider == Provider::Stripe {
        errors.push(find_invoice_of_payment(payments, "pi_1").await.expect_err("invoice"));
    }
    errors
}

#[tokio::test]
async fn a_refusal_is_told_in_the_words_of_the_provider_without_secrets() {
    let said = "Invalid key key_hunter2\nof ann@example.com.";
    let shapes = [
        json!({ "error": { "type": "invalid_request_error", "message": said } }),
        json!({ "error": { "type": "request_error", "code": "forbidden", "detail": said } }),
        json!({ "error": "Unauthorized", "detail": said }),
    ];
    for (provider, shape) in Provider::ALL.into_iter().zip(shapes) {
        for (status, advice, may_pass) in [
            (400, "log for developers", false),
            (401, "_api_key: whether it is of the account", false),
            (402, "log for developers", false),
            (403, "_api_key: whether it is of the account", false),
            (429, "try again later", true),
            (500, "Try again later", true),
            (503, "Try again later", true),
        ] {
            let (server, payments) = Server::start(vec![Says::Json(status, shape.clone()); 5]).await;
            for error in errors_of(&payments, provider).await {
                let told = error.to_string();
                let begins = format!("{} refused ({status} ", provider.name());
                assert!(told.starts_with(&begins), "{told}");
                assert!(told.contains("Invalid key [hidden] of [address]. "), "{told}");
                assert!(told.contains(advice), "{told}");
                assert!(
                    !format!("{error:?}").contains("hunter2") && !format!("{error:?}").contains("ann@"),
                    "{error:?}"
                );
                assert_eq!(error.may_pass(), may_pass, "{told}");
            }
            // Nothing is tried twice.
            assert_eq!(server.heard().len(), if provider == Provider::Stripe { 5 } else { 4 });
        }
    }
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    for (provider, status, refusal, expected) in [
        (
            Provider::Paddle,
            400,
            json!({ "error": {
                "type": "request_error", "code": "invalid_field", "detail": "Request does not pass validation.",
                "errors": [{ "field": "items[0].price_id", "message": "is required" }, { "field": "x", "message": "y" }],
            } }),
            "Request does not pass validation; items[0].price_id: is required; x: y. ",
        ),
        (
            Provider::Polar,
            422,
            json!({ "error": "PolarRequestValidationError", "detail": [
                { "type": "value_error", "loc": ["body", "products", 0], "msg": "Product does not exist.", "input": "ann@example.com" },
                { "type": "value_error", "loc": ["body", "locale"], "msg": "No.", "input": "xx" },
            ] }),
            "body.products: Product does not exist.; body.locale: No. ",
        ),
        (
            Provider::Polar,
            401,
            json!({ "error": "invalid_token", "error_description": "It has expired" }),
            "It has expired. ",
        ),
    ] {
        let (_, payments) = Server::start([Says::Json(status, refusal)]).await;
        let stranger = CheckoutRequest { email: None, ..request() };
        let told = create_checkout(&payments, provider, &stranger).await.unwrap_err().to_string();
        assert!(told.contains(expected), "{told}");
    }
}

#[tokio::test]
async fn what_is_no_answer_of_the_provider_is_said_to_be_none() {
    for provider in Provider::ALL {
        let (_, payments) = Server::start(vec![Says::Text(502, "<h1>Bad gateway</h1>"); 5]).await;
        for error in errors_of(&payments, provider).await {
            assert!(error.to_string().contains("(502 Bad Gateway): it does not say why. "), "{error}");
            assert!(error.may_pass());
        }
        let (server, payments) = Server::start(vec![Says::Redirect; 5]).await;
        for error in errors_of(&payments, provider).await {
            assert!(error.to_string().contains("nothing is followed elsewhere with the key"), "{error}");
        }
        assert!(server.heard().iter().all(|heard| !heard.line.contains("elsewhere")));
        for (garbage, problem) in [(Says::Text(200, "<h1>Welcome</h1>"), "not JSON"), (Says::Endless, "too long")] {
            let (_, payments) = Server::start(vec![garbage; 5]).await;
            for error in errors_of(&payments, provider).await {
                let begins = format!("the answer of {} cannot be used: it is {problem}", provider.name());
                assert!(error.to_string().starts_with(&begins), "{error}");
            }
        }
        // The provider's own error is of any length, too.
        let long =
            json!({ "error": { "message": "x".repeat(5000), "detail": "x".repeat(5000) }, "detail": "x".repeat(5000) });
        let (_, payments) = Server::start(vec![Says::Json(400, long); 5]).await;
        for error in errors_of(&payments, provider).await {
            assert!(error.to_string().len() < 500, "{error}");
        }
    }
}

#[tokio::test]
async fn who_does_not_answer_is_not_waited_for() {
    for provider in Provider::ALL {
        let (server, mut payments) = Server::start(vec![Says::Nothing; 5]).await;
        payments.timeout = Duration::from_millis(50);
        for error in errors_of(&payments, provider).await {
            assert!(matches!(error, ProviderError::TimedOut { .. }) && error.may_pass(), "{error}");
            assert!(
                error.to_string().starts_with(&format!("{} did not answer within 0.05 s", provider.name())),
                "{error}"
            );
        }
        assert!(server.heard().len() >= 4);
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_no_mystery() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let payments = payments(&format!("http://{free}"), KEY);
    for provider in Provider::ALL {
        for error in errors_of(&payments, provider).await {
            assert!(matches!(error, ProviderError::Unreachable { .. }) && error.may_pass(), "{error}");
            let told = error.to_string();
            assert!(told.starts_with(&format!("{} was not reached: Connection refused", provider.name())), "{told}");
            assert!(!told.contains(&free.to_string()) && !format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_asked() {
    let (server, asking) = Server::start([]).await;
    let payments = payments(asking.stripe.api_base.as_str(), "");
    for provider in Provider::ALL {
        for error in errors_of(&payments, provider).await {
            assert!(matches!(error, ProviderError::NotConfigured(of) if of == provider) && !error.may_pass());
            let variable = format!("VOUCHSAFE_{}_API_KEY", provider.as_str().to_ascii_uppercase());
            assert!(error.to_string().contains(&variable), "{error}");
        }
    }
    assert!(server.heard().is_empty());
}

/// A Stripe that remembers, if one runs beside the tests (`scripts/with-localstripe.sh`).
struct LocalStripe(String);

impl LocalStripe {
    fn new() -> Option<Self> {
        let base = std::env::var("TEST_STRIPE_API_BASE").ok();
        if base.is_none() {
            eprintln!("TEST_STRIPE_API_BASE is not set: not run against localstripe");
        }
        base.map(Self)
    }

    async fn send(&self, method: reqwest::Method, path: &str, form: &[(&str, &str)]) -> Value {
        let url = format!("{}/v1/{path}", self.0);
        let request = reqwest::Client::new().request(method, url).bearer_auth("sk_test_12345").form(form);
        let response = request.send().await.unwrap();
        let (status, body) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Makes something and returns its id.
    async fn make(&self, path: &str, form: &[(&str, &str)]) -> String {
        self.send(reqwest::Method::POST, path, form).await["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_stripe_that_remembers_tells_of_its_subscriptions() {
    let Some(stripe) = LocalStripe::new() else { return };
    let product = stripe.make("products", &[("name", "Premium"), ("type", "service")]).await;
    let plan = [("amount", "999"), ("currency", "eur"), ("interval", "month"), ("product", product.as_str())];
    let plan = stripe.make("plans", &plan).await;
    let customer = stripe.make("customers", &[("email", "Ann@example.com")]).await;
    let card = [
        ("type", "card"),
        ("card[number]", "4242424242424242"),
        ("card[exp_month]", "12"),
        ("card[exp_year]", "2030"),
        ("card[cvc]", "123"),
    ];
    let card = stripe.make("payment_methods", &card).await;
    stripe.make(&format!("payment_methods/{card}/attach"), &[("customer", &customer)]).await;
    let pays_with = [("invoice_settings[default_payment_method]", card.as_str())];
    stripe.make(&format!("customers/{customer}"), &pays_with).await;
    let mut made = Vec::new();
    // More than one page.
    for _ in 0..101 {
        let what = [("customer", customer.as_str()), ("items[0][plan]", &plan), ("metadata[user_id]", "u-1")];
        made.push(stripe.make("subscriptions", &what).await);
    }

    let payments = payments(&stripe.0, "sk_test_12345");
    let fetch = |id: String| {
        let payments = &payments;
        async move { fetch_subscription(payments, Provider::Stripe, &id).await.unwrap() }
    };
    let first = fetch(made[0].clone()).await.unwrap();
    assert_eq!(
        (first.snapshot.subscription.as_str(), first.snapshot.status),
        (made[0].as_str(), SubscriptionStatus::Active)
    );
    assert_eq!(first.snapshot.prices, [plan]);
    assert!(first.snapshot.period_end.unwrap() > first.at && first.snapshot.started_at <= first.at);
    assert_eq!((first.payer.reference.as_deref(), first.payer.customer), (Some("u-1"), Some(customer)));
    assert_eq!(first.payer.email.unwrap().as_str(), "ann@example.com");
    assert_eq!(fetch("sub_unknown".to_owned()).await, None);

    stripe.send(reqwest::Method::DELETE, &format!("subscriptions/{}", made[0]), &[]).await;
    let ended = fetch(made[0].clone()).await.unwrap();
    assert_eq!(ended.snapshot.status, SubscriptionStatus::Ended);
    assert!(ended.snapshot.ended_at.is_some_and(|at| at <= ended.at));

    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = list_subscriptions(&payments, Provider::Stripe, after.as_deref()).await.unwrap();
        listed.extend(page.subscriptions.into_iter().map(|fetched| fetched.unwrap().snapshot));
        assert!(listed.len() <= 1_000, "the list does not end");
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for id in &made {
        let found: Vec<_> = listed.iter().filter(|snapshot| snapshot.subscription == *id).collect();
        assert_eq!(found.len(), 1, "{id}");
        assert_eq!(
            found[0].status == SubscriptionStatus::Ended,
            *id == made[0],
            "those that have ended are listed, too"
        );
    }
}
