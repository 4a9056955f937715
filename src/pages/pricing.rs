//! /pricing: what there is to have, and how to get it.

use std::sync::Arc;

use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{Note, Sheet},
    domain::{
        catalogue::{Catalogue, Feature, Tier},
        ids::TierId,
        lang::Lang,
        limit::Limit,
        payment::BillingInterval,
        referral::ReferralCode,
    },
    pages::frame::{self, Frame, Section, Width},
    platform::caller::{Site, Visit, encode_query, failed},
    services::{
        billing::{self, Shop},
        catalogue, entitlements,
    },
    words,
};

/// What a link to the prices may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    /// The tier that would help.
    #[serde(default)]
    tier: String,
    #[serde(default, rename = "ref")]
    referral: String,
}

/// What the page shows.
#[derive(Debug)]
struct PricingView {
    catalogue: Arc<Catalogue>,
    suggested: Option<TierId>,
    referral: Option<ReferralCode>,
    /// The effective tier of whoever is signed in.
    theirs: Option<TierId>,
    shop: Shop,
}

/// `GET /pricing`
pub async fn show(State(site): State<Site>, visit: Visit, Query(link): Query<Link>) -> Response {
    let lang = visit.origin.lang;
    let catalogue = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&error),
    };
    let theirs = match &visit.identity {
        Some(identity) => match entitlements::known(&site.env, identity.user.id).await {
            Ok(known) => known.map(|known| known.standing.accesses.effective_at(site.env.clock.now()).tier.id.clone()),
            Err(error) => return failed(&error),
        },
        None => None,
    };
    let member = visit.identity.as_ref().map(|identity| &identity.user);
    let shop = match billing::shop(&site.env, &catalogue, member).await {
        Ok(shop) => shop,
        Err(error) => return failed(&error),
    };
    let view = Arc::new(PricingView {
        catalogue,
        suggested: link.tier.parse().ok(),
        referral: ReferralCode::normalise(&link.referral).filter(|_| visit.identity.is_none()),
        theirs,
        shop,
    });
    let frame = Frame {
        title: words::pricing(lang),
        address: "/pricing",
        width: Width::Wide,
        section: Some(Section::Pricing),
        islands: false,
    };
    frame::render(&site, &visit, StatusCode::OK, frame, move || pricing_page(lang, &view)).await
}

fn pricing_page(lang: Lang, view: &PricingView) -> impl IntoView + use<> {
    let on_offer: Vec<&Tier> = view.catalogue.tiers().iter().filter(|tier| tier.active).collect();
    let other = view.theirs.as_ref().and_then(|id| view.catalogue.tier(id)).filter(|tier| !tier.active);
    let other = other.map(|tier| view! { <p class="soft">{words::tier_not_on_offer(lang, &tier.name)}</p> });
    let invited = (view.referral.is_some() || view.shop.is_invited).then(|| {
        let reward = words::invited_reward(lang, view.catalogue.settings.referral_credit_days);
        view! { <Note><span><b>{words::invited(lang)}</b>" "{reward}</span></Note> }
    });
    let offers = if on_offer.is_empty() {
        view! { <div class="sheet empty"><p class="soft">{words::no_tiers_on_offer(lang)}</p></div> }.into_any()
    } else {
        let offers = on_offer.iter().map(|tier| offer(lang, tier, view)).collect_view();
        view! { <div class="offers">{offers}</div> }.into_any()
    };
    view! {
        {invited}
        <div>
            <h1>{words::pricing(lang)}</h1>
            <p class="soft">{words::pricing_intro(lang)}</p>
            {other}
        </div>
        {offers}
        {how_to_get_it(lang, view)}
    }
}

fn offer(lang: Lang, tier: &Tier, view: &PricingView) -> impl IntoView + use<> {
    let is_theirs = view.theirs.as_ref() == Some(&tier.id);
    let is_suggested = view.suggested.as_ref() == Some(&tier.id) && !is_theirs;
    let price = match (tier.price_monthly_cents, tier.price_yearly_cents) {
        (Some(month), _) => words::monthly_price(lang, month),
        (None, Some(year)) => words::price_a_year(lang, year, true),
        (None, None) if tier.paid => words::on_request(lang).to_owned(),
        (None, None) => words::free_of_charge(lang).to_owned(),
    };
    let a_month = tier.price_monthly_cents.map(|_| view! { <span class="soft">{words::a_month(lang)}</span> });
    let a_year = tier.price_monthly_cents.and(tier.price_yearly_cents);
    let a_year = a_year.map(|cents| view! { <p class="soft num">{words::price_a_year(lang, cents, false)}</p> });
    let mut categories: Vec<(&str, Vec<&Feature>)> = Vec::new();
    for feature in view.catalogue.features().iter().filter(|feature| feature.active) {
        match categories.iter_mut().find(|(category, _)| *category == feature.category) {
            Some((_, features)) => features.push(feature),
            None => categories.push((&feature.category, vec![feature])),
        }
    }
    let categories = categories
        .into_iter()
        .map(|(category, features)| {
            let rows = features.into_iter().map(|feature| offered(lang, tier, feature, view)).collect_view();
            view! { <h3>{words::category(lang, category)}</h3><ul class="offered">{rows}</ul> }
        })
        .collect_view();
    let id = format!("tier-{}", tier.id);
    let named_by = id.clone();
    view! {
        <section class="sheet offer" class:suggested=is_suggested class:theirs=is_theirs aria-labelledby=named_by>
            <div class="row between">
                <h2 id=id>{tier.name.clone()}</h2>
                {is_theirs.then(|| view! { <span class="badge paid">{words::your_tier(lang)}</span> })}
                {is_suggested.then(|| view! { <span class="badge paid">{words::suggested(lang)}</span> })}
            </div>
            <p class="soft">{tier.description(lang).to_owned()}</p>
            <div class="price"><p><b class="num">{price}</b>" "{a_month}</p>{a_year}</div>
            {buttons(lang, tier, view)}
            {categories}
        </section>
    }
}

/// How to buy a tier, where anything is for sale: the place for it is there in every offer, so that
/// what follows stands side by side.
fn buttons(lang: Lang, tier: &Tier, view: &PricingView) -> impl IntoView + use<> {
    let is_sold = |interval: &BillingInterval| view.shop.sells(&tier.id, *interval);
    let intervals: Vec<_> = [BillingInterval::Month, BillingInterval::Year].into_iter().filter(is_sold).collect();
    let held = view.shop.billing.held.as_ref();
    if view.shop.for_sale.is_empty() && held.is_none() {
        return None;
    }
    let is_held = held.is_some_and(|held| held.subscription.tier == tier.id);
    let what = if is_held && view.shop.billing.can_manage {
        view! {
            <form method="post" action="/billing/portal">
                <button class="btn">{words::manage_subscription(lang)}</button>
            </form>
        }
        .into_any()
    } else if intervals.is_empty() || is_held {
        ().into_any()
    } else if held.is_some() {
        view! { <p class="soft">{words::change_there(lang)}</p> }.into_any()
    } else if view.theirs.is_none() {
        let next = encode_query(&format!("/pricing?tier={}", tier.id));
        let path = match &view.referral {
            Some(code) => format!("/login?next={next}&ref={code}"),
            None => format!("/login?next={next}"),
        };
        let described_by = format!("tier-{}", tier.id);
        view! { <a class="btn" href=path aria-describedby=described_by>{words::sign_in_to_subscribe(lang)}</a> }
            .into_any()
    } else {
        let described_by = format!("tier-{}", tier.id);
        let choices = intervals
            .into_iter()
            .map(|interval| {
                let (class, cents) = match interval {
                    BillingInterval::Month => ("btn main", tier.price_monthly_cents),
                    BillingInterval::Year => ("btn", tier.price_yearly_cents),
                };
                view! {
                    <button class=class name="interval" value=interval.as_str() aria-describedby=described_by.clone()>
                        {words::subscribe_for(lang, interval, cents)}
                    </button>
                }
            })
            .collect_view();
        view! {
            <form method="post" action="/billing/checkout">
                <input type="hidden" name="tier" value=tier.id.to_string() />
                {choices}
            </form>
        }
        .into_any()
    };
    Some(view! { <div class="buy">{what}</div> })
}

fn offered(lang: Lang, tier: &Tier, feature: &Feature, view: &PricingView) -> impl IntoView + use<> {
    let limit = view.catalogue.limit_or_default(&tier.id, feature);
    let is_off = limit == Limit::OFF;
    let shown = match (is_off, feature.is_counted()) {
        (true, _) => {
            view! { <span class="no">"–"<span class="sr">{words::not_included(lang)}</span></span> }.into_any()
        }
        (false, false) => view! { <span>"✓"<span class="sr">{words::included(lang)}</span></span> }.into_any(),
        (false, true) if limit == Limit::Unlimited => {
            view! { <span><span aria-hidden="true">"∞"</span><span class="sr">{words::unlimited(lang)}</span></span> }
                .into_any()
        }
        (false, true) => {
            let each = words::feature_hint(lang, feature.kind, feature.reset_period);
            let each = each.map(|each| view! { " "<small class="soft">{each}</small> });
            view! { <span class="num">{words::limit(lang, limit, feature.kind)}{each}</span> }.into_any()
        }
    };
    view! { <li class:off=is_off><span>{feature.name(lang).to_owned()}</span>{shown}</li> }
}

fn how_to_get_it(lang: Lang, view: &PricingView) -> impl IntoView + use<> {
    let settings = &view.catalogue.settings;
    let is_stranger = view.theirs.is_none();
    let intro = if view.shop.for_sale.is_empty() { words::how_to_get_it_intro } else { words::how_to_get_it_or };
    let intro = intro(lang);
    let invite = words::way_invite_text(lang, settings.referral_credit_days);
    let trial = (is_stranger && settings.self_registration_enabled && settings.trial_duration_days > 0)
        .then(|| view.catalogue.tier(&settings.trial_tier))
        .flatten()
        .map(|tier| {
            let offer = words::trial_offer(lang, &tier.name, settings.trial_duration_days);
            view! { <li><b>{words::way_try(lang)}</b>" "{offer}</li> }
        });
    let button = if is_stranger {
        let path = match &view.referral {
            Some(code) => format!("/login?ref={code}"),
            None => "/login".to_owned(),
        };
        view! { <a class="btn main" href=path>{words::sign_in(lang)}</a> }
    } else {
        view! { <a class="btn main" href="/settings#invite".to_owned()>{words::your_settings(lang)}</a> }
    };
    view! {
        <Sheet title=words::how_to_get_it(lang) id="how">
            <p class="soft">{intro}</p>
            <ul class="paths">
                {trial}
                <li><b>{words::way_invite(lang)}</b>" "{invite}</li>
                <li><b>{words::way_ask(lang)}</b>" "{words::way_ask_text(lang)}</li>
            </ul>
            <div>{button}</div>
        </Sheet>
    }
}
