//! Paddle Billing's API: <https://developer.paddle.com/api-reference>.

use reqwest::StatusCode;
use serde_json::{Value, json};
use url::Url;

use crate::platform::payment_providers::{
    Answer, Api, CheckoutRequest, FetchedPage, PAGE, ProviderError, Refusal, as_segment,
};

/// The version of the API that we speak, whatever the account's own is.
pub(super) const VERSION: &str = "1";

/// All statuses, as some of Paddle's lists leave out what is over unless it is asked for.
const STATUSES: &str = "active,canceled,past_due,paused,trialing";

/// How ids of customers begin.
const CUSTOMER_PREFIX: &str = "ctm_";

pub(super) async fn create_checkout(api: &Api<'_>, request: &CheckoutRequest<'_>) -> Result<Url, ProviderError> {
    let customer = match (request.customer, request.email) {
        (Some(customer), _) => Some(customer.to_owned()),
        (None, Some(email)) => Some(customer_with(api, email, request.lang).await?),
        (None, None) => None,
    };
    let mut transaction = json!({
        "items": [{ "price_id": request.price_id, "quantity": 1 }],
        "collection_mode": "automatic",
        // Paddle writes it into the subscription, too.
        "custom_data": { "user_id": request.user_id },
        // The account's default payment link.
        "checkout": { "url": null },
    });
    if let Some(customer) = customer {
        transaction["customer_id"] = customer.into();
    }
    let body = api.ask(api.post("/transactions").json(&transaction)).await?.body;
    let url = &body["data"]["checkout"]["url"];
    if url.is_null() {
        return Err(api.refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            Refusal {
                code: "no_payment_link".to_owned(),
                message:
                    "the transaction has no page to pay on: set a default payment link in Paddle's checkout settings"
                        .to_owned(),
            },
        ));
    }
    api.page(url)
}

/// Returns the id of the customer with an address, who is made if need be. There is one at most.
async fn customer_with(api: &Api<'_>, email: &str, lang: &str) -> Result<String, ProviderError> {
    let id = |customer: &Value| customer["id"].as_str().map(str::to_owned);
    match api.ask(api.post("/customers").json(&json!({ "email": email, "locale": lang }))).await {
        Ok(answer) => id(&answer.body["data"]).ok_or_else(|| api.unreadable("the customer has no id")),
        Err(ProviderError::Refused { status: StatusCode::CONFLICT, message, .. }) => {
            // "customer email conflicts with customer of id ctm_01…"
            if let Some(id) = message.split_whitespace().find(|word| word.starts_with(CUSTOMER_PREFIX)) {
                return Ok(id.to_owned());
            }
            let query = [("email", email), ("status", "active,archived")];
            let found = api.ask(api.get("/customers").query(&query)).await?;
            id(&found.body["data"][0]).ok_or_else(|| api.unreadable("a customer is there and is not found"))
        }
        Err(error) => Err(error),
    }
}

pub(super) async fn create_portal(api: &Api<'_>, customer: &str) -> Result<Url, ProviderError> {
    let Some(customer) = as_segment(customer) else {
        let message = "what we have is no id of a customer".to_owned();
        return Err(api.refused(StatusCode::NOT_FOUND, Refusal { code: "not_found".to_owned(), message }));
    };
    let question = api.post(&format!("/customers/{customer}/portal-sessions")).json(&json!({}));
    api.page(&api.ask(question).await?.body["data"]["urls"]["general"]["overview"])
}

pub(super) async fn list_subscriptions(api: &Api<'_>, after: Option<&str>) -> Result<FetchedPage, ProviderError> {
    // By id, so that what begins meanwhile comes last and nothing is left out.
    let mut query = vec![("per_page", PAGE), ("order_by", "id[ASC]"), ("status", STATUSES)];
    query.extend(after.map(|after| ("after", after)));
    let Answer { body, at } = api.ask(api.get("/subscriptions").query(&query)).await?;
    let mut page = api.read_subscriptions(&body["data"], at)?;
    if body["meta"]["pagination"]["has_more"] == true {
        page.next = body["data"].as_array().and_then(|list| list.last()?["id"].as_str()).map(str::to_owned);
    }
    Ok(page)
}

/// <https://developer.paddle.com/api-reference/about/errors>
pub(super) fn refusal(body: &Value) -> Refusal {
    let error = &body["error"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut refusal = Refusal { code: text(&error["code"]), message: text(&error["detail"]) };
    for wrong in error["errors"].as_array().into_iter().flatten() {
        let (field, message) = (text(&wrong["field"]), text(&wrong["message"]));
        refusal.code = format!("{}:{field}", refusal.code);
        refusal.message = format!("{}; {field}: {message}", refusal.message.trim_end_matches('.'));
    }
    refusal
}
