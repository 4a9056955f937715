//! /billing: on the way to a provider and back.

use axum::{
    extract::{Form, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    domain::{ids::TierId, lang::Lang, payment::BillingInterval},
    pages::frame::{self, Frame, Section, Width},
    platform::caller::{Member, Site, failed},
    services::{
        billing::{self, BillingError, ProviderPage},
        entitlements,
    },
    words,
};

/// What the form of an offer sends.
#[derive(Debug, Deserialize)]
pub struct CheckoutForm {
    #[serde(default)]
    tier: String,
    #[serde(default)]
    interval: String,
    /// At whom to buy, when it matters.
    #[serde(default)]
    provider: String,
}

/// `POST /billing/checkout`
pub async fn checkout(State(site): State<Site>, member: Member, Form(form): Form<CheckoutForm>) -> Response {
    let lang = member.visit.origin.lang;
    let provider = Some(form.provider.as_str()).filter(|provider| !provider.is_empty());
    let wish = (form.tier.parse(), form.interval.parse(), provider.map(str::parse).transpose());
    let (Ok(tier), Ok(interval), Ok(provider)) = wish else {
        return refused(&site, &member, Wish::Manage, BillingError::NotForSale).await;
    };
    let user = &member.identity.user;
    match billing::checkout(&site.env, user, &tier, interval, provider, &member.visit.origin).await {
        Ok(page) => {
            let why = words::leaving_to_pay(lang, page.provider);
            leave(&site, &member, words::checkout(lang), why, page).await
        }
        Err(error) => refused(&site, &member, Wish::Buy(tier, interval), error).await,
    }
}

/// `POST /billing/portal`
pub async fn portal(State(site): State<Site>, member: Member) -> Response {
    let lang = member.visit.origin.lang;
    match billing::portal(&site.env, &member.identity.user).await {
        Ok(page) => {
            let why = words::leaving_to_manage(lang, page.provider);
            leave(&site, &member, words::your_subscription(lang), why, page).await
        }
        Err(error) => refused(&site, &member, Wish::Manage, error).await,
    }
}

/// `GET /billing/done`: providers send members here, often before they tell us what was paid.
pub async fn done(State(site): State<Site>, member: Member) -> Response {
    let lang = member.visit.origin.lang;
    let tier_name = match entitlements::known(&site.env, member.identity.user.id).await {
        Ok(known) => known.and_then(|known| {
            let effective = known.standing.accesses.effective_at(site.env.clock.now());
            known.catalogue.tier(&effective.tier.id).map(|tier| tier.name.clone())
        }),
        Err(error) => return failed(&error),
    };
    let page = move || {
        let tier = tier_name.clone().map(|name| {
            view! { <p>{words::present_tier(lang)}" "<span class="badge paid">{name}</span></p> }
        });
        view! {
            <div class="sheet stack">
                <div>
                    <h1>{words::thank_you(lang)}</h1>
                    <p class="soft">{words::bought(lang)}</p>
                </div>
                {tier}
                <div class="row">
                    <a class="btn main" href="/settings">{words::your_settings(lang)}</a>
                    <a class="btn" href="/billing/done">{words::look_again(lang)}</a>
                </div>
            </div>
        }
    };
    frame::render(&site, &member.visit, StatusCode::OK, frame(words::thank_you(lang), "/billing/done"), page).await
}

fn frame(title: &'static str, address: &'static str) -> Frame {
    Frame { title, address, width: Width::Tiny, section: Some(Section::Settings), islands: false }
}

/// Sends a member to a page of a provider's.
///
/// Not by a redirect: browsers hold that against `form-action`, which would have to name hosts that
/// providers choose, a shop's own among them. The header goes on by itself, and the link is there for
/// where it does not.
async fn leave(site: &Site, member: &Member, title: &'static str, why: String, page: ProviderPage) -> Response {
    let lang = member.visit.origin.lang;
    let refresh = HeaderValue::from_str(&format!("0; url={}", page.url));
    let shown = move || {
        view! {
            <div class="sheet stack">
                <div>
                    <h1>{title}</h1>
                    <p class="soft">{why.clone()}</p>
                </div>
                <div class="row">
                    <a class="btn main" href=page.url.to_string()>{words::continue_to(lang, page.provider)}</a>
                    <a class="btn" href="/pricing">{words::cancel(lang)}</a>
                </div>
            </div>
        }
    };
    let mut response = frame::render(site, &member.visit, StatusCode::OK, frame(title, "/pricing"), shown).await;
    if let Ok(refresh) = refresh {
        response.headers_mut().insert(header::REFRESH, refresh);
    }
    response
}

/// What was wanted, for another try.
#[derive(Debug, Clone)]
enum Wish {
    Buy(TierId, BillingInterval),
    Manage,
}

/// What helps when there is no page of a provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Help {
    Pricing,
    Portal,
    Again,
    Keep,
}

async fn refused(site: &Site, member: &Member, wish: Wish, error: BillingError) -> Response {
    let lang = member.visit.origin.lang;
    let mut retry_after = None;
    let (status, said, help) = match error {
        BillingError::NotForSale => (StatusCode::UNPROCESSABLE_ENTITY, words::nothing_to_buy(lang), Help::Pricing),
        BillingError::AlreadySubscribed => (StatusCode::CONFLICT, words::subscribed_already(lang), Help::Portal),
        BillingError::Leaving => (StatusCode::CONFLICT, words::keep_before_you_buy(lang), Help::Keep),
        BillingError::NoCustomer => (StatusCode::CONFLICT, words::no_customer(lang), Help::Pricing),
        BillingError::NoProvider => (StatusCode::SERVICE_UNAVAILABLE, words::no_provider(lang), Help::Pricing),
        BillingError::TooMany { until } => {
            retry_after = Some((until - site.env.clock.now()).num_seconds().max(1));
            (StatusCode::TOO_MANY_REQUESTS, words::too_many_checkouts(lang), Help::Pricing)
        }
        BillingError::Provider(error) => {
            let user = member.identity.user.id;
            if error.may_pass() {
                tracing::warn!(%error, user.id = %user, "a provider gave no page");
                (StatusCode::SERVICE_UNAVAILABLE, words::provider_away(lang), Help::Again)
            } else {
                tracing::error!(%error, user.id = %user, "a provider gave no page");
                (StatusCode::BAD_GATEWAY, words::provider_refused(lang), Help::Again)
            }
        }
        BillingError::Store(error) => return failed(&error),
    };
    let page = move || {
        view! {
            <div class="sheet stack">
                <div>
                    <h1>{words::not_sent(lang)}</h1>
                    <p class="soft">{said}</p>
                </div>
                <div class="row">
                    {help_button(lang, help, &wish)}
                    {(help != Help::Pricing).then(|| view! { <a class="btn" href="/pricing">{words::to_pricing(lang)}</a> })}
                </div>
            </div>
        }
    };
    let mut response = frame::render(site, &member.visit, status, frame(words::not_sent(lang), "/pricing"), page).await;
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn help_button(lang: Lang, help: Help, wish: &Wish) -> impl IntoView + use<> {
    match (help, wish) {
        (Help::Pricing, _) => view! { <a class="btn main" href="/pricing">{words::to_pricing(lang)}</a> }.into_any(),
        (Help::Keep, _) => view! {
            <form method="post" action="/settings/keep">
                <button class="btn main">{words::privacy::keep_account(lang)}</button>
            </form>
        }
        .into_any(),
        (Help::Again, Wish::Buy(tier, interval)) => view! {
            <form method="post" action="/billing/checkout">
                <input type="hidden" name="tier" value=tier.to_string() />
                <input type="hidden" name="interval" value=interval.as_str() />
                <button class="btn main">{words::try_again(lang)}</button>
            </form>
        }
        .into_any(),
        (Help::Portal | Help::Again, _) => {
            let label = if help == Help::Portal { words::manage_subscription(lang) } else { words::try_again(lang) };
            view! {
                <form method="post" action="/billing/portal"><button class="btn main">{label}</button></form>
            }
            .into_any()
        }
    }
}
