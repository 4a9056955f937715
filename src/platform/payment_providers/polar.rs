//! Polar's API: <https://polar.sh/docs/api-reference>.

use serde_json::{Value, json};
use url::Url;

use crate::platform::payment_providers::{Answer, Api, CheckoutRequest, FetchedPage, PAGE, ProviderError, Refusal};

pub(super) async fn create_checkout(api: &Api<'_>, request: &CheckoutRequest<'_>) -> Result<Url, ProviderError> {
    let mut checkout = json!({
        "products": [request.price_id],
        // Polar finds the customer by it, or gives it to the one who is made.
        "external_customer_id": request.user_id,
        // Polar writes it into the order and the subscription.
        "metadata": { "user_id": request.user_id },
        "success_url": request.success_url,
        "return_url": request.cancel_url,
        "locale": request.lang,
    });
    if let Some(customer) = request.customer {
        checkout["customer_id"] = customer.into();
    }
    if let Some(email) = request.email {
        checkout["customer_email"] = email.into();
    }
    // Without the slash at the end it redirects, and a redirect is not followed.
    api.page(&api.ask(api.post("/v1/checkouts/").json(&checkout)).await?.body["url"])
}

pub(super) async fn create_portal(api: &Api<'_>, customer: &str, return_url: &str) -> Result<Url, ProviderError> {
    let session = json!({ "customer_id": customer, "return_url": return_url });
    api.page(&api.ask(api.post("/v1/customer-sessions/").json(&session)).await?.body["customer_portal_url"])
}

pub(super) async fn list_subscriptions(api: &Api<'_>, after: Option<&str>) -> Result<FetchedPage, ProviderError> {
    let number: u64 = match after {
        None => 1,
        Some(after) => after.parse().map_err(|_| api.unreadable("what we were to go on with is not its number"))?,
    };
    // By age, so that what begins meanwhile comes last and nothing is left out.
    let query = [("limit", PAGE), ("page", &number.to_string()), ("sorting", "started_at")];
    let Answer { body, at } = api.ask(api.get("/v1/subscriptions/").query(&query)).await?;
    let mut page = api.read_subscriptions(&body["items"], at)?;
    let last =
        body["pagination"]["max_page"].as_u64().ok_or_else(|| api.unreadable("it does not say how many follow"))?;
    if number < last && !page.subscriptions.is_empty() {
        page.next = Some((number + 1).to_string());
    }
    Ok(page)
}

/// A word and a sentence, or for each field a sentence.
pub(super) fn refusal(body: &Value) -> Refusal {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut refusal = Refusal { code: text(&body["error"]), message: text(&body["detail"]) };
    if refusal.message.is_empty() {
        refusal.message = text(&body["error_description"]);
    }
    for wrong in body["detail"].as_array().into_iter().flatten() {
        let place: Vec<_> = wrong["loc"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let place = place.join(".");
        let separator = if refusal.message.is_empty() { "" } else { "; " };
        refusal.message.push_str(&format!("{separator}{place}: {}", text(&wrong["msg"])));
        refusal.code.push_str(&format!(":{place}"));
    }
    refusal
}
