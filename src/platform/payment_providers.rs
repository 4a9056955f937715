//! What we ask the providers that take the money: a page to buy on, a page to manage what was
//! bought, and how subscriptions stand. What they tell by themselves comes in through `webhooks`;
//! both are read by the same readers, [`crate::domain::payment`].
//!
//! Nothing is tried twice here. Who asks for a page is a person, who can press the button again;
//! jobs come back by themselves.

mod paddle;
mod polar;
mod stripe;

use std::{net::IpAddr, time::Duration};

use chrono::{DateTime, Utc};
use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde_json::Value;
use url::{Host, Url};

use crate::{
    config::{PaymentsConfig, ProviderConfig, Secret},
    domain::{
        payment::{Payer, Provider, Unreadable},
        subscription::Snapshot,
    },
    platform::http_client::{self, BodyError},
};

/// The most bytes of an answer: a page of a hundred subscriptions is one or two MiB.
const LONGEST_ANSWER: usize = 8 * 1024 * 1024;
/// The most characters of what a provider says about an error.
const LONGEST_MESSAGE: usize = 300;
/// How many subscriptions are asked for at once: the most that all of them give.
const PAGE: &str = "100";

/// What a member wants to buy.
#[derive(Debug, Clone, Copy)]
pub struct CheckoutRequest<'a> {
    /// The provider's id of the price, or of the product where it sells those.
    pub price_id: &'a str,
    /// Our id of the member: it comes back with everything that follows from the purchase.
    pub user_id: &'a str,
    /// The member's verified address.
    pub email: Option<&'a str>,
    /// The provider's id of the customer that the member already is there.
    pub customer: Option<&'a str>,
    /// Where members come back to when they have paid. Paddle has no use for it.
    pub success_url: &'a str,
    /// Where members come back to when they have not. Paddle has no use for it.
    pub cancel_url: &'a str,
    /// Two requests with the same key make one checkout: Stripe only. It must not stay the same
    /// when anything else here changes, or Stripe refuses.
    pub idempotency_key: &'a str,
    /// The language of the page, as in `en`.
    pub lang: &'a str,
}

/// A subscription as a provider's API has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Whose it is.
    pub payer: Payer,
    /// How it stands.
    pub snapshot: Snapshot,
    /// When it stood so, by the provider's clock, to the second: it can be compared with the times
    /// of events, which ours cannot.
    pub at: DateTime<Utc>,
}

/// Some of the subscriptions that a provider has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedPage {
    /// Each one, or why it cannot be read.
    pub subscriptions: Vec<Result<Fetched, Unreadable>>,
    /// Where to go on; nothing on the last page.
    pub next: Option<String>,
}

/// Why a provider did not do what was asked, and what an operator can do. No message holds a key,
/// an address of a member, or what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// There is no key for its API.
    #[error(
        "{name} is not set up: payments.{word}_api_key (VOUCHSAFE_{variable}_API_KEY) is empty",
        name = .0.name(),
        word = .0.as_str(),
        variable = .0.as_str().to_ascii_uppercase()
    )]
    NotConfigured(Provider),
    /// It answered with an error.
    #[error("{} refused ({status}): {message}. {}", provider.name(), advice(*provider, *status))]
    Refused {
        /// Who.
        provider: Provider,
        /// The status of its answer.
        status: StatusCode,
        /// Its word for what is wrong; empty when it says none.
        code: String,
        /// What it says, for operators: shortened, and without addresses.
        message: String,
    },
    /// There is no connection to it.
    #[error(
        "{} was not reached: {}. Check payments.{provider}_api_base and the way out of this network",
        provider.name(),
        cause(error)
    )]
    Unreachable {
        /// Who.
        provider: Provider,
        /// What happened, without the address.
        #[source]
        error: reqwest::Error,
    },
    /// It did not answer in time.
    #[error(
        "{} did not answer within {} s. Try again, or raise payments.payments_timeout_seconds",
        provider.name(),
        after.as_secs_f32()
    )]
    TimedOut {
        /// Who.
        provider: Provider,
        /// How long it had.
        after: Duration,
    },
    /// It answered with something else than it documents.
    #[error("the answer of {} cannot be used: {problem}. Check payments.{provider}_api_base", provider.name())]
    Unreadable {
        /// Who.
        provider: Provider,
        /// What is wrong.
        problem: String,
    },
}

impl ProviderError {
    /// Returns whether the same question may get an answer later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NotConfigured(_) | Self::Unreadable { .. } => false,
            Self::Refused { status, .. } => *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
        }
    }

    /// Returns whether what is wrong may be the customer: one who was deleted there, or is known to
    /// the provider's sandbox alone.
    fn is_about_the_customer(&self) -> bool {
        matches!(self, Self::Refused { status, code, .. }
            if status.is_client_error() && (code.contains("customer") || *status == StatusCode::NOT_FOUND))
    }
}

/// Returns what is at the bottom of an error, as in "connection refused": what is above only says
/// that something was sent.
fn cause(error: &reqwest::Error) -> String {
    let first: &dyn std::error::Error = error;
    let last = std::iter::successors(Some(first), |error| error.source()).last();
    last.map(ToString::to_string).unwrap_or_default()
}

fn advice(provider: Provider, status: StatusCode) -> String {
    match status.as_u16() {
        401 | 403 => format!(
            "Check payments.{provider}_api_key: whether it is of the account and the mode that payments.{provider}_api_base \
             serves, and whether it may do this"
        ),
        300..=399 => format!("Check payments.{provider}_api_base: nothing is followed elsewhere with the key"),
        429 => "It wants fewer requests; try again later".to_owned(),
        500.. => "Try again later".to_owned(),
        _ => format!("{} lists the request in its log for developers", provider.name()),
    }
}

/// Makes a page on which a member can buy a subscription, and returns its address.
pub async fn create_checkout(
    config: &PaymentsConfig,
    provider: Provider,
    request: &CheckoutRequest<'_>,
) -> Result<Url, ProviderError> {
    let api = Api::of(config, provider)?;
    api.in_time(async {
        match create_checkout_once(&api, request).await {
            // A customer who is gone there must not keep a member from buying: they become one anew.
            Err(error) if request.customer.is_some() && error.is_about_the_customer() => {
                tracing::info!(%error, "a checkout is made for a new customer");
                let idempotency_key = format!("{}-anew", request.idempotency_key);
                let anew = CheckoutRequest { customer: None, idempotency_key: &idempotency_key, ..*request };
                create_checkout_once(&api, &anew).await
            }
            result => result,
        }
    })
    .await
}

async fn create_checkout_once(api: &Api<'_>, request: &CheckoutRequest<'_>) -> Result<Url, ProviderError> {
    match api.provider {
        Provider::Stripe => stripe::create_checkout(api, request).await,
        Provider::Paddle => paddle::create_checkout(api, request).await,
        Provider::Polar => polar::create_checkout(api, request).await,
    }
}

/// Makes a page on which a customer can manage what they bought, and returns its address. It is
/// good for some minutes and for whoever has it.
pub async fn create_portal(
    config: &PaymentsConfig,
    provider: Provider,
    customer: &str,
    return_url: &str,
) -> Result<Url, ProviderError> {
    let api = Api::of(config, provider)?;
    api.in_time(async {
        match provider {
            Provider::Stripe => stripe::create_portal(&api, customer, return_url).await,
            Provider::Paddle => paddle::create_portal(&api, customer).await,
            Provider::Polar => polar::create_portal(&api, customer, return_url).await,
        }
    })
    .await
}

/// Asks how a subscription stands. Returns nothing when the provider knows no such subscription.
pub async fn fetch_subscription(
    config: &PaymentsConfig,
    provider: Provider,
    id: &str,
) -> Result<Option<Fetched>, ProviderError> {
    let api = Api::of(config, provider)?;
    // An id that is more than an id would ask for something else.
    let Some(id) = as_segment(id) else { return Ok(None) };
    let answer = api
        .in_time(async {
            match provider {
                Provider::Stripe => stripe::fetch_subscription(&api, id).await,
                Provider::Paddle => api.ask(api.get(&format!("/subscriptions/{id}"))).await,
                Provider::Polar => api.ask(api.get(&format!("/v1/subscriptions/{id}"))).await,
            }
        })
        .await;
    match answer {
        Ok(answer) => {
            let object = if provider == Provider::Paddle { &answer.body["data"] } else { &answer.body };
            api.read_subscription(object, answer.at).map(Some).map_err(|error| api.unreadable(error.to_string()))
        }
        // Without a code it is not the provider who says so, but somebody on the way.
        Err(ProviderError::Refused { status: StatusCode::NOT_FOUND, code, .. }) if !code.is_empty() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lists the subscriptions that a provider has, whatever their status, a hundred at a time. `after`
/// is the `next` of the page before.
pub async fn list_subscriptions(
    config: &PaymentsConfig,
    provider: Provider,
    after: Option<&str>,
) -> Result<FetchedPage, ProviderError> {
    let api = Api::of(config, provider)?;
    api.in_time(async {
        match provider {
            Provider::Stripe => stripe::list_subscriptions(&api, after).await,
            Provider::Paddle => paddle::list_subscriptions(&api, after).await,
            Provider::Polar => polar::list_subscriptions(&api, after).await,
        }
    })
    .await
}

/// Asks Stripe which invoice a payment paid: since its API of 2025-03-31, what is said about a
/// refund does not name it.
pub async fn find_invoice_of_payment(
    config: &PaymentsConfig,
    payment_intent: &str,
) -> Result<Option<String>, ProviderError> {
    let api = Api::of(config, Provider::Stripe)?;
    api.in_time(stripe::find_invoice_of_payment(&api, payment_intent)).await
}

/// The API of one provider.
struct Api<'a> {
    provider: Provider,
    config: &'a ProviderConfig,
    key: &'a Secret,
    timeout: Duration,
}

/// What an API answered.
struct Answer {
    body: Value,
    at: DateTime<Utc>,
}

/// What an API says when it refuses.
#[derive(Default)]
struct Refusal {
    code: String,
    message: String,
}

impl<'a> Api<'a> {
    fn of(config: &'a PaymentsConfig, provider: Provider) -> Result<Self, ProviderError> {
        let timeout = config.timeout;
        let config = match provider {
            Provider::Stripe => &config.stripe,
            Provider::Paddle => &config.paddle,
            Provider::Polar => &config.polar,
        };
        let key = config.api_key.as_ref().ok_or(ProviderError::NotConfigured(provider))?;
        Ok(Self { provider, config, key, timeout })
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut url = self.config.api_base.clone();
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        let request = http_client::client().request(method, url).bearer_auth(self.key.expose());
        match self.provider {
            Provider::Stripe => request.header("stripe-version", stripe::VERSION),
            Provider::Paddle => request.header("paddle-version", paddle::VERSION),
            Provider::Polar => request,
        }
    }

    /// Gives something all the time that there is, however many questions it asks.
    async fn in_time<T>(&self, asking: impl Future<Output = Result<T, ProviderError>>) -> Result<T, ProviderError> {
        match tokio::time::timeout(self.timeout, asking).await {
            Ok(result) => result,
            Err(_) => Err(ProviderError::TimedOut { provider: self.provider, after: self.timeout }),
        }
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Answer, ProviderError> {
        let unreachable =
            |error: reqwest::Error| ProviderError::Unreachable { provider: self.provider, error: error.without_url() };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
        let at = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()).map(|at| at.to_utc());
        let body = http_client::read_body(response, LONGEST_ANSWER).await;
        if !status.is_success() {
            // Whatever the rest is: the status alone says that it was refused.
            let body = body.ok().and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
            return Err(self.refused(status, self.refusal(&body)));
        }
        let body = body.map_err(|error| match error {
            BodyError::TooLong => self.unreadable("it is too long"),
            BodyError::Lost(error) => unreachable(error),
        })?;
        let body = serde_json::from_slice(&body).map_err(|_| self.unreadable("it is not JSON"))?;
        let at = at.ok_or_else(|| self.unreadable("it does not say when it was made"))?;
        Ok(Answer { body, at })
    }

    fn refusal(&self, body: &Value) -> Refusal {
        match self.provider {
            Provider::Stripe => stripe::refusal(body),
            Provider::Paddle => paddle::refusal(body),
            Provider::Polar => polar::refusal(body),
        }
    }

    fn refused(&self, status: StatusCode, refusal: Refusal) -> ProviderError {
        let Refusal { code, message } = refusal;
        let message = match presentable(&message, self.key).as_str() {
            "" => "it does not say why".to_owned(),
            message => message.trim_end_matches('.').to_owned(),
        };
        ProviderError::Refused { provider: self.provider, status, code: presentable(&code, self.key), message }
    }

    fn unreadable(&self, problem: impl Into<String>) -> ProviderError {
        ProviderError::Unreadable { provider: self.provider, problem: problem.into() }
    }

    fn read_subscription(&self, object: &Value, at: DateTime<Utc>) -> Result<Fetched, Unreadable> {
        let (payer, snapshot) = match self.provider {
            Provider::Stripe => crate::domain::payment::stripe::read_subscription(object),
            Provider::Paddle => crate::domain::payment::paddle::read_subscription(object),
            Provider::Polar => crate::domain::payment::polar::read_subscription(object),
        }?;
        Ok(Fetched { payer, snapshot, at })
    }

    /// Reads a list of subscriptions.
    fn read_subscriptions(&self, list: &Value, at: DateTime<Utc>) -> Result<FetchedPage, ProviderError> {
        let list = list.as_array().ok_or_else(|| self.unreadable("it holds no list"))?;
        let subscriptions = list.iter().map(|object| self.read_subscription(object, at)).collect();
        Ok(FetchedPage { subscriptions, next: None })
    }

    /// Reads the address of a page to which a member is sent.
    fn page(&self, url: &Value) -> Result<Url, ProviderError> {
        let url = url.as_str().and_then(|url| Url::parse(url).ok());
        url.filter(is_safe_to_open).ok_or_else(|| self.unreadable("it names no page that members could be sent to"))
    }
}

/// Returns whether nobody on the way can read or change the page; tests have theirs on this machine.
fn is_safe_to_open(url: &Url) -> bool {
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => return false,
    };
    url.scheme() == "https" || url.scheme() == "http" && is_local
}

/// Takes an id for a part of a path, if it is one.
fn as_segment(id: &str) -> Option<&str> {
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    Some(id).filter(|id| (1..=255).contains(&id.len()) && id.bytes().all(is_id))
}

/// Makes what a provider says fit for a log: in one line, not too long, and without what is
/// nobody's business there.
fn presentable(text: &str, key: &Secret) -> String {
    let text = text.replace(key.expose(), "[hidden]");
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let words: Vec<_> = words.map(|word| if word.contains('@') { "[address]" } else { word }).collect();
    words.join(" ").chars().take(LONGEST_MESSAGE).collect()
}
