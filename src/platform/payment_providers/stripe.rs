//! Stripe's API: <https://docs.stripe.com/api>. It takes forms and answers JSON.

use serde_json::Value;
use url::Url;

use crate::platform::payment_providers::{Answer, Api, CheckoutRequest, FetchedPage, PAGE, ProviderError, Refusal};

/// The version of the API that we speak, whatever the account's own is. The family "Basil" brought
/// invoice payments, and what its successors change is nothing that we use; versions stay available.
pub(super) const VERSION: &str = "2025-08-27.basil";

pub(super) async fn create_checkout(api: &Api<'_>, request: &CheckoutRequest<'_>) -> Result<Url, ProviderError> {
    let mut form = vec![
        ("mode", "subscription"),
        ("line_items[0][price]", request.price_id),
        ("line_items[0][quantity]", "1"),
        ("client_reference_id", request.user_id),
        // The checkout's own end with it; the subscription's come with every event about it.
        ("metadata[user_id]", request.user_id),
        ("subscription_data[metadata][user_id]", request.user_id),
        ("success_url", request.success_url),
        ("cancel_url", request.cancel_url),
        ("locale", request.lang),
    ];
    // Stripe takes one or the other.
    match (request.customer, request.email) {
        (Some(customer), _) => form.push(("customer", customer)),
        (None, Some(email)) => form.push(("customer_email", email)),
        (None, None) => {}
    }
    let question =
        api.post("/v1/checkout/sessions").header("idempotency-key", request.idempotency_key).form(form.as_slice());
    api.page(&api.ask(question).await?.body["url"])
}

pub(super) async fn create_portal(api: &Api<'_>, customer: &str, return_url: &str) -> Result<Url, ProviderError> {
    let question = api.post("/v1/billing_portal/sessions").form(&[("customer", customer), ("return_url", return_url)]);
    api.page(&api.ask(question).await?.body["url"])
}

/// The customer comes along, whose address tells who it is when it was not bought through us.
pub(super) async fn fetch_subscription(api: &Api<'_>, id: &str) -> Result<Answer, ProviderError> {
    api.ask(api.get(&format!("/v1/subscriptions/{id}")).query(&[("expand[]", "customer")])).await
}

pub(super) async fn list_subscriptions(api: &Api<'_>, after: Option<&str>) -> Result<FetchedPage, ProviderError> {
    let mut query = vec![("status", "all"), ("limit", PAGE), ("expand[]", "data.customer")];
    query.extend(after.map(|after| ("starting_after", after)));
    let Answer { body, at } = api.ask(api.get("/v1/subscriptions").query(&query)).await?;
    let mut page = api.read_subscriptions(&body["data"], at)?;
    if body["has_more"] == true {
        page.next = body["data"].as_array().and_then(|list| list.last()?["id"].as_str()).map(str::to_owned);
    }
    Ok(page)
}

pub(super) async fn find_invoice_of_payment(
    api: &Api<'_>,
    payment_intent: &str,
) -> Result<Option<String>, ProviderError> {
    let query = [("payment[type]", "payment_intent"), ("payment[payment_intent]", payment_intent), ("limit", PAGE)];
    let Answer { body, .. } = api.ask(api.get("/v1/invoice_payments").query(&query)).await?;
    let payments = body["data"].as_array().ok_or_else(|| api.unreadable("it holds no list"))?;
    // A payment can have been meant for several invoices, and paid one.
    let paid = payments.iter().find(|payment| payment["status"] == "paid");
    let invoice = paid.or_else(|| payments.first()).map(|payment| &payment["invoice"]);
    Ok(invoice.and_then(|invoice| invoice.as_str().or_else(|| invoice["id"].as_str())).map(str::to_owned))
}

/// <https://docs.stripe.com/api/errors>
pub(super) fn refusal(body: &Value) -> Refusal {
    let error = &body["error"];
    let text = |name| error[name].as_str();
    let mut code = text("code").or_else(|| text("type")).unwrap_or_default().to_owned();
    // "resource_missing" alone does not say what is missing.
    if let Some(parameter) = text("param") {
        code = format!("{code}:{parameter}");
    }
    Refusal { code, message: text("message").unwrap_or_default().to_owned() }
}
