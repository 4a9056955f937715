//! /settings: what a member has, whom they invited, where they are signed in.

use axum::{
    extract::{Form, Query, State},
    http::{StatusCode, header},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{
        Alert, Note, Sheet, UsageMeter,
        islands::{CopyButton, LocalTime},
    },
    domain::{
        access::Source,
        entitlement::Decision,
        ids::GrantId,
        lang::Lang,
        letter::MailCategory,
        subscription::{ScheduledAction, SubscriptionStatus},
    },
    pages::{
        self,
        frame::{self, Frame, Section, Width},
        invite::{self, InviteBlock},
        next::safe_path,
        outlook::{self, Outlook},
        redeem,
        trial::{self, TrialView},
    },
    platform::caller::{Member, Site, Visit, failed},
    services::{
        billing::{Billing, Held},
        bonus::{self, Standing},
        catalogue,
        entitlements::{self, Known},
        grants::days_left,
        mail_preferences,
        members::{self, MemberError, SettingsView},
        privacy, sessions,
    },
    words::{self, TimeLeft},
};

/// What a link to /settings may say.
#[derive(Debug, Deserialize)]
pub struct Link {
    #[serde(default)]
    said: String,
    /// What a coupon gave: it is looked for among what the reader has, so that nobody is told of others'.
    #[serde(default)]
    grant: String,
}

/// `GET /settings`
pub async fn show(State(site): State<Site>, member: Member, Query(link): Query<Link>) -> Response {
    let view = match members::settings_view(&site.env, &member.identity.user).await {
        Ok(view) => view,
        Err(MemberError::Store(error)) => return failed(&error),
        Err(error) => {
            tracing::error!(error = %error, user.id = %member.identity.user.id, "the settings cannot be shown");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let usage = match entitlements::known(&site.env, member.identity.user.id).await {
        Ok(known) => known.map(|known| usage(member.visit.origin.lang, &known, view.now)),
        Err(error) => return failed(&error),
    };
    let leaving = match privacy::view(&site.env, &member.identity.user).await {
        Ok(view) => view.leaving.map(|leaving| leaving.due_at),
        Err(error) => return failed(&error),
    };
    let mails = match mail_preferences::choices(&site.env, &member.identity.user).await {
        Ok(mails) => mails,
        Err(error) => return failed(&error),
    };
    let (trial, invites) = match (trial::load(&site, &member).await, invite::load(&site, &member).await) {
        (Ok(trial), Ok(invites)) => (trial, invites),
        (Err(response), _) | (_, Err(response)) => return response,
    };
    let bonus = match bonus::standing(&site.env, &member.identity.user).await {
        Ok(bonus) => bonus,
        Err(error) => return failed(&error),
    };
    let lang = member.visit.origin.lang;
    let said = match link.said.as_str() {
        "mails-saved" => Some(words::mails::choice_saved(lang)),
        "session-revoked" => Some(words::session_revoked(lang)),
        "redeemed" => Some(words::grants::is_redeemed(lang)),
        "invited" => Some(words::invitations::is_accepted(lang)),
        "invitation-over" => Some(words::invitations::was_over(lang)),
        "session-gone" => Some(words::session_gone(lang)),
        "kept" => Some(words::privacy::is_kept(lang)),
        "language-saved" => Some(words::language_saved(lang)),
        _ => None,
    };
    let ahead = match catalogue::current(&site.env).await {
        Ok(catalogue) => outlook::of(lang, &catalogue, &view),
        Err(error) => return failed(&error),
    };
    let gift = match link.said.as_str() {
        "redeemed" => brought(lang, &link.grant, &view),
        _ => None,
    };
    // A trial that counts is told in its own words, once.
    let ahead = match trial {
        Some(TrialView::Running(_)) => ahead.told_by_trial(),
        _ => ahead,
    };
    let shown = Shown {
        gift,
        ahead,
        usage: usage.unwrap_or_default(),
        leaving,
        trial,
        invites,
        mails,
        bonus,
        ..Shown::of(&site, &member, view, said)
    };
    let frame = Frame {
        title: words::settings(lang),
        address: "/settings",
        width: Width::Narrow,
        section: Some(Section::Settings),
        islands: true,
    };
    frame::render(&site, &member.visit, StatusCode::OK, frame, move || settings_page(lang, shown.clone())).await
}

/// Returns what a coupon brought, if the grant is one of those that the member has.
fn brought(lang: Lang, grant: &str, view: &SettingsView) -> Option<String> {
    let id = grant.parse::<GrantId>().ok()?;
    let (tier, listed) = view.grants.iter().find(|(_, listed)| listed.grant.id == id)?;
    let dates = listed.from.zip(listed.until)?;
    Some(words::grants::brought(lang, tier, days_left(&listed.grant, view.now), dates))
}

/// What the form of one session sends.
#[derive(Debug, Deserialize)]
pub struct RevokeForm {
    #[serde(default)]
    session: String,
}

/// `POST /settings/sessions/revoke`
pub async fn revoke_session(State(site): State<Site>, member: Member, Form(form): Form<RevokeForm>) -> Response {
    // Somebody else's session is as unknown as none at all.
    let Ok(session) = form.session.parse() else {
        return Redirect::to("/settings?said=session-gone").into_response();
    };
    if session == member.identity.session {
        return sign_out(State(site), member).await;
    }
    match sessions::revoke(&site.env, &member.identity.user, session, &member.visit.origin).await {
        Ok(true) => Redirect::to("/settings?said=session-revoked").into_response(),
        Ok(false) => Redirect::to("/settings?said=session-gone").into_response(),
        Err(error) => failed(&error),
    }
}

/// `POST /settings/sessions/revoke-all`
pub async fn revoke_all_sessions(State(site): State<Site>, member: Member) -> Response {
    match sessions::revoke_all(&site.env, &member.identity.user, &member.visit.origin).await {
        Ok(_) => leave(&site, "/login?said=signed-out-everywhere"),
        Err(error) => failed(&error),
    }
}

/// `POST /sign-out`
pub async fn sign_out(State(site): State<Site>, member: Member) -> Response {
    match sessions::sign_out(&site.env, &member.identity, &member.visit.origin).await {
        Ok(()) => leave(&site, "/login?said=signed-out"),
        Err(error) => failed(&error),
    }
}

fn leave(site: &Site, path: &str) -> Response {
    (AppendHeaders([(header::SET_COOKIE, site.cookies.clear_session())]), Redirect::to(path)).into_response()
}

/// What the language form sends.
#[derive(Debug, Deserialize)]
pub struct LanguageForm {
    #[serde(default)]
    lang: String,
    #[serde(default)]
    back: String,
}

/// `POST /language`
pub async fn set_language(State(site): State<Site>, visit: Visit, Form(form): Form<LanguageForm>) -> Response {
    let Ok(lang) = form.lang.parse::<Lang>() else { return StatusCode::UNPROCESSABLE_ENTITY.into_response() };
    if let Some(identity) = &visit.identity
        && let Err(error) = members::set_lang(&site.env, identity.user.id, lang).await
    {
        return failed(&error);
    }
    let back = safe_path(&form.back).unwrap_or_else(|| "/".to_owned());
    ([(header::SET_COOKIE, site.cookies.set_lang(lang))], Redirect::to(&back)).into_response()
}

/// One signed-in browser.
#[derive(Debug, Clone)]
struct Browser {
    id: String,
    name: String,
    ip_address: String,
    last_seen_at: DateTime<Utc>,
    is_this: bool,
}

/// What a member has of every feature that is in use.
#[derive(Debug, Clone, Default)]
struct Usage {
    /// What is counted: the name, what stands there, and when it starts again.
    meters: Vec<(String, Decision, Option<String>)>,
    /// Switches that are on.
    included: Vec<String>,
    /// What the tier does not give.
    missing: Vec<String>,
    /// Where there is more, if a tier on offer gives more of what is off or used up.
    more: Option<String>,
}

fn usage(lang: Lang, known: &Known, now: DateTime<Utc>) -> Usage {
    let catalogue = &known.catalogue;
    let zone = catalogue.settings.timezone;
    let mut usage = Usage::default();
    // The strongest of the tiers that would help helps everywhere.
    let mut helps: Option<usize> = None;
    for (feature, decision) in catalogue.features().iter().zip(entitlements::entitlements(known, now)) {
        if !feature.active {
            continue;
        }
        let upgrade = decision.upgrade.as_ref();
        helps =
            helps.max(upgrade.and_then(|upgrade| catalogue.tiers().iter().position(|tier| tier.id == upgrade.tier)));
        let name = feature.name(lang).to_owned();
        if decision.limit == Some(0) {
            usage.missing.push(name);
        } else if feature.is_counted() {
            let resets = decision.resets_at.map(|at| words::starts_again(lang, at, feature.reset_period, zone));
            usage.meters.push((name, decision, resets));
        } else {
            usage.included.push(name);
        }
    }
    usage.more = helps.map(|at| format!("/pricing?tier={}", catalogue.tiers()[at].id));
    usage
}

/// What the page shows.
#[derive(Debug, Clone)]
struct Shown {
    ahead: Outlook,
    usage: Usage,
    /// What they have earned by themselves, and how far they are.
    bonus: Standing,
    /// The kinds of letters that they may do without, and whether they get them.
    mails: Vec<(MailCategory, bool)>,
    trial: Option<TrialView>,
    invites: Option<InviteBlock>,
    /// When the account is deleted, if it is to be.
    leaving: Option<DateTime<Utc>>,
    said: Option<&'static str>,
    /// What a coupon has just brought.
    gift: Option<String>,
    email: String,
    tier_name: String,
    is_paid: bool,
    /// What gives access, in the words that the documents promise, and how much credit is among it.
    lines: Vec<String>,
    credit_days: i64,
    code: String,
    invite_link: String,
    stats: [(&'static str, i64); 3],
    referral_days: i64,
    purchase: Option<Purchase>,
    browsers: Vec<Browser>,
}

/// What a member has bought.
#[derive(Debug, Clone)]
struct Purchase {
    /// What it is.
    line: String,
    /// What becomes of it.
    next: Option<String>,
    /// What to do about it.
    alert: Option<String>,
    can_manage: bool,
}

impl Purchase {
    fn of(lang: Lang, billing: &Billing, now: DateTime<Utc>) -> Option<Self> {
        let can_manage = billing.can_manage;
        let Some(held) = &billing.held else {
            let line = words::no_subscription_left(lang).to_owned();
            return can_manage.then_some(Self { line, next: None, alert: None, can_manage });
        };
        let Held { subscription, tier_name, access_until } = held;
        let is_due = subscription.status == SubscriptionStatus::PastDue;
        let alert = access_until.filter(|_| is_due).map(|until| words::payment_is_due(lang, until, now));
        let scheduled = subscription.scheduled.as_ref().map(|scheduled| match scheduled.action {
            ScheduledAction::End => words::ends_on(lang, scheduled.at),
            ScheduledAction::Pause => words::pauses_on(lang, scheduled.at),
            ScheduledAction::Change => words::changes_on(lang, scheduled.at),
        });
        let next = match (subscription.status, scheduled, subscription.period_end) {
            (SubscriptionStatus::Paused, ..) => Some(words::is_paused(lang).to_owned()),
            (_, Some(scheduled), _) => Some(scheduled),
            (SubscriptionStatus::Active, None, Some(end)) => Some(words::renews_on(lang, end)),
            (SubscriptionStatus::Trialing, None, Some(end)) => Some(words::first_payment_on(lang, end)),
            _ => None,
        };
        let line = words::subscription_line(lang, tier_name, subscription.interval, subscription.provider);
        Some(Self { line, next, alert, can_manage })
    }
}

impl Shown {
    fn of(site: &Site, member: &Member, view: SettingsView, said: Option<&'static str>) -> Self {
        let lang = member.visit.origin.lang;
        let status = view.accesses.paid_status(view.now);
        // A free tier of one's own is nothing to announce, unless it is all there is: then the
        // hint says what to do.
        let lines = view
            .accesses
            .all()
            .iter()
            .filter(|access| access.tier.paid || access.expires_at.is_some())
            .map(|access| {
                let time = TimeLeft {
                    days: access.days_remaining(view.now),
                    until: access.expires_at,
                    renews: access.source == Source::Subscription && outlook::renews(&view),
                };
                words::access_line(lang, &view.user.tier, access.source, &time)
            })
            .collect();
        let browsers = view
            .sessions
            .into_iter()
            .map(|session| Browser {
                id: session.id.to_string(),
                name: browser_name(lang, &session.user_agent),
                ip_address: session.ip_address,
                last_seen_at: session.last_seen_at,
                is_this: session.id == member.identity.session,
            })
            .collect();
        Self {
            ahead: Outlook::default(),
            usage: Usage::default(),
            bonus: Standing::default(),
            leaving: None,
            trial: None,
            invites: None,
            mails: Vec::new(),
            said,
            gift: None,
            email: view.user.label(),
            tier_name: view.tier_name,
            is_paid: status.active,
            lines,
            credit_days: view.credit_days,
            invite_link: format!("{}/login?ref={}", site.env.config.server.public_url, view.referral_code),
            code: view.referral_code.to_string(),
            stats: [
                (words::pending(lang), view.referrals.pending),
                (words::converted(lang), view.referrals.converted),
                (words::active_credits(lang), view.referrals.active_credits),
            ],
            referral_days: view.referral_days,
            purchase: Purchase::of(lang, &view.billing, view.now),
            browsers,
        }
    }
}

/// Returns what people call their browser: “Firefox, Linux”.
pub(super) fn browser_name(lang: Lang, user_agent: &str) -> String {
    // In the order in which they claim to be each other.
    const BROWSERS: [(&str, &str); 7] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    const SYSTEMS: [(&str, &str); 6] = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser}, {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => words::unknown_browser(lang).to_owned(),
    }
}

fn settings_page(lang: Lang, shown: Shown) -> impl IntoView {
    let badge = if shown.is_paid { "badge paid" } else { "badge" };
    let has_lines = !shown.lines.is_empty();
    let lines = shown.lines.into_iter().map(|line| view! { <li class="num">{line}</li> }).collect_view();
    let credit = (shown.credit_days > 0).then(|| view! { <p>{words::days_on_account(lang, shown.credit_days)}</p> });
    let stats = shown
        .stats
        .map(|(name, count)| view! { <div><dt>{name}</dt><dd class="num">{words::number(lang, count)}</dd></div> })
        .collect_view();
    let browsers = shown.browsers.into_iter().map(|browser| session_row(lang, browser)).collect_view();
    view! {
        {shown.said.map(|said| view! { <Note><span>{said}{shown.gift.map(|gift| format!(" {gift}"))}</span></Note> })}
        {pages::privacy::banner(lang, shown.leaving)}
        <div class="row between">
            <h1>{words::settings(lang)}</h1>
            <div class="row"><span class="soft address">{shown.email}</span><span class=badge>{shown.tier_name}</span></div>
        </div>
        <Sheet title=words::your_access(lang) id="access">
            {trial::trial_line(lang, shown.trial)}
            {outlook::drawn(lang, shown.ahead)}
            {has_lines.then(|| view! {
                <div class="exact soft">
                    <ul class="lines">{lines}</ul>
                    {credit}
                </div>
            })}
            {(!shown.is_paid).then(|| view! { <p class="soft">{words::no_access_hint(lang, shown.referral_days)}</p> })}
            {redeem::redeem_form(lang)}
        </Sheet>
        {shown.purchase.map(|purchase| purchase_sheet(lang, purchase))}
        {usage_sheet(lang, shown.usage)}
        {pages::bonus::member_sheet(lang, words::bonus::your_bonus(lang), &shown.bonus)}
        <Sheet title=words::invite_a_friend(lang) id="invite">
            <p class="soft">{words::invite_reward(lang, shown.referral_days)}</p>
            <div class="ticket">
                <div><small>{words::your_code(lang)}</small><div class="code">{shown.code.clone()}</div></div>
                <div>
                    <CopyButton
                        text=shown.code label=words::copy_code(lang).to_owned()
                        done=words::copied(lang).to_owned() main=true
                    />
                </div>
            </div>
            <div class="link">
                <input readonly value=shown.invite_link.clone() aria-label=words::invite_link(lang) />
                <CopyButton
                    text=shown.invite_link label=words::copy_link(lang).to_owned()
                    done=words::copied(lang).to_owned() main=false
                />
            </div>
            <dl class="stats">{stats}</dl>
        </Sheet>
        {shown.invites.map(|invites| invite::invite_block(lang, invites, false))}
        <Sheet title=words::language(lang) id="language">
            <form class="row" method="post" action="/language">
                <input type="hidden" name="back" value="/settings?said=language-saved" />
                <select name="lang" aria-labelledby="language">
                    {Lang::ALL.map(|language| view! {
                        <option value=language.tag() selected=language == lang>{language.own_name()}</option>
                    }).collect_view()}
                </select>
                <button class="btn">{words::save(lang)}</button>
            </form>
        </Sheet>
        <Sheet title=words::sessions(lang) id="sessions">
            <ul class="sessions">{browsers}</ul>
            <form method="post" action="/settings/sessions/revoke-all">
                <button class="btn">{words::sign_out_everywhere(lang)}</button>
            </form>
        </Sheet>
        {pages::mail_preferences::sheet(lang, &shown.mails)}
        {pages::privacy::your_data(lang, shown.leaving.is_some())}
    }
}

fn purchase_sheet(lang: Lang, purchase: Purchase) -> impl IntoView {
    let Purchase { line, next, alert, can_manage } = purchase;
    let manage = if can_manage {
        view! {
            <form method="post" action="/billing/portal">
                <button class="btn">{words::manage_subscription(lang)}</button>
            </form>
        }
        .into_any()
    } else {
        view! { <p class="soft">{words::ask_to_change(lang)}</p> }.into_any()
    };
    view! {
        <Sheet title=words::subscription(lang) id="subscription">
            <div><p>{line}</p>{next.map(|next| view! { <p class="soft">{next}</p> })}</div>
            {alert.map(|alert| view! { <Alert>{alert}</Alert> })}
            {manage}
        </Sheet>
    }
}

fn usage_sheet(lang: Lang, usage: Usage) -> impl IntoView {
    let Usage { meters, included, missing, more } = usage;
    if meters.is_empty() && included.is_empty() && missing.is_empty() {
        return None;
    }
    let meters = (!meters.is_empty()).then(|| {
        let meters = meters
            .into_iter()
            .map(|(name, decision, resets)| view! { <UsageMeter name decision resets lang /> })
            .collect_view();
        view! { <ul class="meters">{meters}</ul> }
    });
    let list = |title: &'static str, class: &'static str, names: Vec<String>| {
        (!names.is_empty()).then(|| {
            let names = names.into_iter().map(|name| view! { <li>{name}</li> }).collect_view();
            view! { <div><h3>{title}</h3><ul class=class>{names}</ul></div> }
        })
    };
    let included = list(words::also_included(lang), "switches on", included);
    let missing = list(words::not_in_your_tier(lang), "switches", missing);
    let more = more.map(|path| view! { <p><a href=path>{words::see_pricing(lang)}</a></p> });
    Some(view! {
        <Sheet title=words::your_usage(lang) id="usage">
            {meters}
            {included}
            {missing}
            {more}
        </Sheet>
    })
}

fn session_row(lang: Lang, browser: Browser) -> impl IntoView {
    let label = if browser.is_this { words::sign_out(lang) } else { words::revoke(lang) };
    let described = format!("{label}: {}", browser.name);
    view! {
        <li>
            <div>
                <b>{browser.name}</b>
                {browser.is_this.then(|| view! { " "<span class="badge">{words::this_browser(lang)}</span> })}
                <small class="soft">
                    {browser.ip_address}" · "{words::last_seen(lang)}" "
                    <LocalTime
                        datetime=browser.last_seen_at.to_rfc3339()
                        text=words::long_time(lang, browser.last_seen_at)
                        lang=words::date_locale(lang).to_owned()
                    />
                </small>
            </div>
            <form method="post" action="/settings/sessions/revoke">
                <input type="hidden" name="session" value=browser.id />
                <button class="btn quiet" aria-label=described>{label}</button>
            </form>
        </li>
    }
}
