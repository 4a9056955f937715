//! /admin/users: the members, and everything about one of them.

mod handlers;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use crate::{
    components::{Alert, Confirm, Crumb, Field, Note, SelectField, Sheet, TextField, described_by, islands::LocalTime},
    domain::{
        access::Access,
        catalogue::{Catalogue, Feature},
        entitlement::{Explanation, Layer, Reason},
        ids::{CreditEntryId, SessionId},
        lang::Lang,
        limit::Limit,
        user::{Role, User},
    },
    pages::{self, settings::browser_name},
    services::{bonus::Standing, grants::days_left, members::AdminView},
    words::{self, TimeLeft, grants as text},
};

pub use handlers::{
    disable, enable, end_all_sessions, end_credit, end_session, give_credit, give_grant, list, restrict, revoke_grant,
    set_tier, show, unrestrict,
};

/// What the list shows.
#[derive(Debug)]
struct ListView {
    said: Option<&'static str>,
    /// What was looked for.
    text: String,
    members: Vec<(User, Access)>,
    catalogue: Arc<Catalogue>,
    /// Where the next page is.
    next: Option<String>,
    /// Where the first page is, unless it is this one.
    first: Option<String>,
}

/// What is wrong with a form, and what was typed into it.
#[derive(Debug, Clone, Default)]
struct Complaints {
    alert: Option<&'static str>,
    tier_error: Option<String>,
    feature: String,
    feature_error: Option<String>,
    limit: String,
    limit_error: Option<String>,
    reason: String,
    reason_error: Option<String>,
    until: String,
    until_error: Option<String>,
    days: String,
    days_error: Option<String>,
    note: String,
    note_error: Option<String>,
    grant_tier: String,
    grant_tier_error: Option<String>,
    grant_days: String,
    grant_days_error: Option<String>,
    grant_reason: String,
    grant_reason_error: Option<String>,
}

impl Complaints {
    fn any(&self) -> bool {
        [
            &self.tier_error,
            &self.feature_error,
            &self.limit_error,
            &self.reason_error,
            &self.until_error,
            &self.days_error,
            &self.note_error,
            &self.grant_tier_error,
            &self.grant_days_error,
            &self.grant_reason_error,
        ]
        .into_iter()
        .any(Option::is_some)
    }
}

/// What the page of a member shows.
#[derive(Debug)]
struct MemberView {
    said: Option<&'static str>,
    shown: AdminView,
    /// What they have earned, and how far they are.
    bonus: Standing,
    /// When the account is deleted, if it is to be.
    leaving: Option<DateTime<Utc>>,
    /// Whether the admin looks at themselves.
    is_self: bool,
    /// The session of the admin.
    this_session: SessionId,
    /// What makes a form that gives the same form.
    form_key: CreditEntryId,
    complaints: Complaints,
}

impl MemberView {
    fn user(&self) -> &User {
        &self.shown.entitlements.standing.user
    }

    fn catalogue(&self) -> &Catalogue {
        &self.shown.entitlements.catalogue
    }

    fn action(&self, what: &str) -> String {
        format!("/admin/users/{}/{what}", self.user().id)
    }
}

fn list_page(lang: Lang, view: &ListView) -> impl IntoView + use<> {
    let is_search = !view.text.is_empty();
    let list = if view.members.is_empty() {
        let (title, hint) = if is_search {
            (words::nobody_found(lang), words::nobody_found_hint(lang))
        } else {
            (words::no_members_yet(lang), words::no_members_yet_hint(lang))
        };
        view! { <div class="sheet empty"><b>{title}</b><p class="soft">{hint}</p></div> }.into_any()
    } else {
        let rows =
            view.members.iter().map(|(user, access)| list_row(lang, &view.catalogue, user, access)).collect_view();
        view! {
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{words::member(lang)}</th>
                            <th scope="col">{words::effective_tier(lang)}</th>
                            <th scope="col">{words::member_since(lang)}</th>
                            <th scope="col">{words::state(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let next = view.next.clone().map(|next| view! { <a class="btn" href=next rel="next">{words::next_page(lang)}</a> });
    let first = view.first.clone().map(|first| view! { <a href=first>{words::first_page(lang)}</a> });
    let turns = (next.is_some() || first.is_some()).then(|| {
        view! { <nav class="row between" aria-label=words::pages(lang)><span>{first}</span>{next}</nav> }
    });
    view! {
        {view.said.map(|said| view! { <Note><span>{said}</span></Note> })}
        <div>
            <h1>{words::members_word(lang)}</h1>
            <p class="soft">{words::members_intro(lang)}</p>
        </div>
        <form class="search" method="get" action="/admin/users" role="search">
            <label for="q">{words::find_member(lang)}</label>
            <div class="row">
                <input id="q" name="q" type="search" value=view.text.clone() autocomplete="off" aria-describedby="q-hint" />
                <button class="btn">{words::search(lang)}</button>
                {is_search.then(|| view! { <a href="/admin/users">{words::show_all(lang)}</a> })}
            </div>
            <p class="hint" id="q-hint">{words::find_member_hint(lang)}</p>
        </form>
        {list}
        {turns}
    }
}

fn list_row(lang: Lang, catalogue: &Catalogue, user: &User, access: &Access) -> impl IntoView + use<> {
    let badge = if access.tier.paid { "badge paid" } else { "badge" };
    // Under the address stands the external id, unless that is their only name.
    let external_id = user.external_id.clone().filter(|_| user.email.is_some());
    view! {
        <tr>
            <th scope="row">
                <a class="address" href=format!("/admin/users/{}", user.id)>{user.label()}</a>
                {external_id.map(|id| view! { <small>{id}</small> })}
            </th>
            <td data-label=words::effective_tier(lang)>
                <span>
                    <span class=badge>{catalogue.tier_name(&access.tier.id)}</span>
                    " "
                    <span class="soft">{words::source(lang, access.source)}</span>
                </span>
            </td>
            <td data-label=words::member_since(lang)>{words::long_date(lang, user.created_at.date_naive())}</td>
            <td data-label=words::state(lang)>{state(lang, user)}</td>
        </tr>
    }
}

fn state(lang: Lang, user: &User) -> impl IntoView + use<> {
    let admin = (user.role == Role::Admin)
        .then(|| view! { <span class="badge">{words::role_name(lang, Role::Admin)}</span> " " });
    let state = match user.disabled_at {
        Some(since) => view! { <span class="badge stop">{words::disabled_since(lang, since)}</span> }.into_any(),
        None => view! { <span class="soft">{words::account_open(lang)}</span> }.into_any(),
    };
    view! { <span>{admin}{state}</span> }
}

fn member_page(lang: Lang, view: &MemberView) -> impl IntoView + use<> {
    let user = view.user();
    let catalogue = view.catalogue();
    let effective = view.shown.entitlements.standing.accesses.effective_at(view.shown.now);
    let badge = if effective.tier.paid { "badge paid" } else { "badge" };
    view! {
        {view.said.map(|said| view! { <Note><span>{said}</span></Note> })}
        {view.complaints.alert.map(|alert| view! { <Alert>{alert}</Alert> })}
        <div>
            <Crumb path="/admin/users" name=words::members_word(lang) />
            <div class="row between">
                <h1 class="address">{user.label()}</h1>
                <div class="row">
                    {(user.role == Role::Admin).then(|| view! { <span class="badge">{words::role_name(lang, Role::Admin)}</span> })}
                    {user.disabled_at.map(|since| view! { <span class="badge stop">{words::disabled_since(lang, since)}</span> })}
                    <span class=badge>{catalogue.tier_name(&effective.tier.id)}</span>
                </div>
            </div>
        </div>
        <nav class="jumps" aria-label=words::on_this_page(lang)>
            <a href="#access">{words::access(lang)}</a>
            <a href="#grants">{text::grants(lang)}</a>
            <a href="#entitlements">{words::entitlements(lang)}</a>
            <a href="#restrictions">{words::restrictions(lang)}</a>
            <a href="#credit">{words::credit(lang)}</a>
            <a href="#sessions">{words::sessions(lang)}</a>
            <a href="#activity">{words::activity(lang)}</a>
        </nav>
        <div class="pair">{about(lang, view)}{access(lang, view)}</div>
        {grants(lang, view)}
        {pages::bonus::member_sheet(lang, words::bonus::title(lang), &view.bonus)}
        {entitlements(lang, view)}
        <div class="pair">{restrictions(lang, view)}{credit(lang, view)}</div>
        <div class="pair">{browsers(lang, view)}{activity(lang, view)}</div>
    }
}

fn about(lang: Lang, view: &MemberView) -> impl IntoView + use<> {
    let user = view.user();
    let email = or_none(lang, user.email.clone());
    let external_id = or_none(lang, user.external_id.clone());
    let (id, role, language) = (user.id.to_string(), words::role_name(lang, user.role), user.lang.own_name());
    let since = words::long_date(lang, user.created_at.date_naive());
    let logins = words::number(lang, view.shown.logins);
    let last = view.shown.last_login.map(|last| local_time(lang, last));
    let last = last.map(|last| view! { ", "{words::last_seen(lang)}" "{last} });
    let close = match (user.disabled_at, view.is_self) {
        (None, true) => view! { <p class="soft">{words::own_account(lang)}</p> }.into_any(),
        (None, false) => view! {
            <Confirm
                label=words::disable_account(lang) question=words::disable_account_ask(lang)
                action=view.action("disable")
            />
        }
        .into_any(),
        (Some(_), _) => view! {
            <form method="post" action=view.action("enable")>
                <button class="btn">{words::enable_account(lang)}</button>
            </form>
        }
        .into_any(),
    };
    let state = match user.disabled_at {
        Some(since) => words::disabled_since(lang, since),
        None => words::account_open(lang).to_owned(),
    };
    let leaving = pages::privacy::for_admins(lang, user.id, view.leaving);
    view! {
        <Sheet title=words::about_member(lang) id="about">
            <dl class="facts">
                <dt>{words::email_address(lang)}</dt><dd class="address">{email}</dd>
                <dt>{words::external_id(lang)}</dt><dd class="address">{external_id}</dd>
                <dt>{words::id(lang)}</dt><dd class="address"><code>{id}</code></dd>
                <dt>{words::role(lang)}</dt><dd>{role}</dd>
                <dt>{words::language(lang)}</dt><dd>{language}</dd>
                <dt>{words::member_since(lang)}</dt><dd>{since}</dd>
                <dt>{words::sign_ins(lang)}</dt><dd>{logins}{last}</dd>
                <dt>{words::state(lang)}</dt><dd>{state}</dd>
            </dl>
            {close}
            {leaving}
        </Sheet>
    }
}

fn or_none(lang: Lang, value: Option<String>) -> AnyView {
    match value {
        Some(value) => value.into_any(),
        None => view! { <span class="soft">{words::none(lang)}</span> }.into_any(),
    }
}

fn access(lang: Lang, view: &MemberView) -> impl IntoView + use<> {
    let user = view.user();
    let (now, standing) = (view.shown.now, &view.shown.entitlements.standing);
    let running = standing.accesses.all().iter().filter(|access| access.is_running(now));
    let lines = running
        .map(|access| {
            let name = view.catalogue().tier_name(&access.tier.id);
            let time = TimeLeft { days: access.days_remaining(now), until: access.expires_at, renews: false };
            let line = words::access_of(lang, access.source, &time);
            view! { <li class="num"><b>{name}</b>" "<span class="soft">{line}</span></li> }
        })
        .collect_view();
    let options = view
        .catalogue()
        .tiers()
        .iter()
        .map(|tier| {
            view! { <option value=tier.id.to_string() selected=tier.id == user.tier>{tier.name.clone()}</option> }
        })
        .collect_view();
    let error = view.complaints.tier_error.clone();
    let described = described_by("tier", true, error.is_some());
    let action = view.action("tier");
    view! {
        <Sheet title=words::access(lang) id="access">
            <ul class="lines">{lines}</ul>
            <form class="stack tight" method="post" action=action>
                <Field name="tier" label=words::own_tier(lang) hint=words::own_tier_hint(lang) error=error>
                    <div class="row">
                        <select id="tier" name="tier" aria-describedby=described>{options}</select>
                        <button class="btn">{words::save(lang)}</button>
                    </div>
                </Field>
            </form>
        </Sheet>
    }
}

fn grants(lang: Lang, view: &MemberView) -> impl IntoView + use<> {
    let turns = view
        .shown
        .grants
        .iter()
        .filter_map(|(tier, listed)| {
            let (grant, dates) = (&listed.grant, listed.from.zip(listed.until)?);
            let line = text::turn(lang, tier, grant.state(), days_left(grant, view.shown.now), dates);
            let given = text::given_by(lang, grant.granted_at, &grant.granted_by);
            let id = grant.id.to_string();
            let reason = grant.reason.clone().map(|reason| format!(" · {reason}"));
            Some(view! {
                <li>
                    <div><b class="num">{line.clone()}</b>" "<small class="soft address">{given}{reason}</small></div>
                    <Confirm
                        label=text::take_back(lang) about=line question=text::take_back_ask(lang)
                        action=view.action("grants/revoke")
                    >
                        <input type="hidden" name="grant" value=id />
                    </Confirm>
                </li>
            })
        })
        .collect_view();
    let list = if view.shown.grants.is_empty() {
        view! { <p class="soft">{text::no_grants(lang)}</p> }.into_any()
    } else {
        view! { <ol class="sessions">{turns}</ol> }.into_any()
    };
    let tiers = view.catalogue().tiers().iter().map(|tier| (tier.id.to_string(), tier.name.clone())).collect();
    let (complaints, action) = (view.complaints.clone(), view.action("grants"));
    let key = view.form_key.to_string();
    let chosen = pages::chosen_tier(&complaints.grant_tier, view.catalogue());
    view! {
        <Sheet title=text::grants(lang) id="grants">
            <p class="soft">{text::grants_intro(lang)}</p>
            {list}
            <form class="stack tight" method="post" action=action>
                <input type="hidden" name="key" value=key />
                <div class="fields">
                    <SelectField
                        name="grant_tier" label=text::grant_tier(lang) options=tiers chosen=chosen
                        error=complaints.grant_tier_error
                    />
                    <TextField
                        name="grant_days" label=text::grant_days(lang) value=complaints.grant_days
                        error=complaints.grant_days_error inputmode="numeric" most="4" required=true
                    />
                    <TextField
                        name="grant_reason" label=text::grant_reason(lang) value=complaints.grant_reason
                        error=complaints.grant_reason_error most="500"
                    />
                </div>
                <div><button class="btn">{text::give(lang)}</button></div>
            </form>
        </Sheet>
    }
}

fn entitlements(lang: Lang, view: &MemberView) -> impl IntoView + use<> {
    let catalogue = view.catalogue();
    let explanations = &view.shown.entitlements.explanations;
    let rows = catalogue
        .features()
        .iter()
        .zip(explanations)
        .map(|(feature, explanation)| entitlement(lang, catalogue, feature, explanation))
        .collect_view();
    let table = if explanations.is_empty() {
        view! { <p class="soft">{words::no_features(lang)}</p> }.into_any()
    } else {
        view! {
            <div class="flush">
                <table class="rows terse">
                    <thead>
                        <tr>
                            <th scope="col">{words::feature(lang)}</th>
                            <th scope="col" class="end">{words::limit_word(lang)}</th>
                            <th scope="col" class="end">{words::used(lang)}</th>
                            <th scope="col" class="end">{words::remaining(lang)}</th>
                            <th scope="col">{words::resets(lang)}</th>
                            <th scope="col">{words::decided_by(lang)}</th>
                        </tr>
                    </thead>
                    {rows}
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <section class="sheet stack" aria-labelledby="entitlements">
            <div>
                <h2 id="entitlements">{words::entitlements(lang)}</h2>
                <p class="soft">{words::entitlements_intro(lang)}</p>
            </div>
            {table}
        </section>
    }
}

fn entitlement(
    lang: Lang,
    catalogue: &Catalogue,
    feature: &Feature,
    explanation: &Explanation,
) -> impl IntoView + use<> {
    let decision = &explanation.decision;
    let zone = catalogue.settings.timezone;
    let limit = words::limit(lang, Limit::from_stored(decision.limit), feature.kind);
    let is_counted = feature.is_counted();
    let used = is_counted.then(|| words::number(lang, decision.used));
    let held = (decision.reserved > 0).then(|| format!(" + {}", words::units_held(lang, decision.reserved)));
    let remaining =
        is_counted.then(|| decision.remaining.map_or_else(|| "∞".to_owned(), |left| words::number(lang, left)));
    let resets = decision.resets_at.filter(|_| is_counted);
    let resets = resets.map(|at| words::starts_again(lang, at, feature.reset_period, zone));
    let hint = words::feature_hint(lang, feature.kind, feature.reset_period);
    let trail = explanation
        .trail
        .iter()
        .map(|layer| {
            let decides = matches!(
                layer,
                Layer::Restriction { decides: true, .. }
                    | Layer::Tier { decides: true, .. }
                    | Layer::Default { decides: true, .. }
            );
            let sentence = words::explain::layer(lang, layer, feature.kind, |tier| catalogue.tier_name(tier));
            view! {
                <li class:counts=words::explain::layer_counts(layer)>
                    {sentence}
                    {decides.then(|| view! { " "<span class="badge paid">{words::decides(lang)}</span> })}
                </li>
            }
        })
        .collect_view();
    let verdict = words::explain::verdict(lang, decision);
    // What a phone leaves out of the row.
    let facts = [
        remaining.as_ref().map(|left| (words::remaining(lang), left.clone())),
        resets.as_ref().map(|when| (words::resets(lang), when.clone())),
        decision.decided_by.map(|by| (words::decided_by(lang), words::layer_name(lang, by).to_owned())),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().map(|(name, value)| format!("{name}: {value}")).collect();
    let facts = facts.join(" · ");
    let decided_by = decision.decided_by.map(|layer| words::layer_name(lang, layer));
    // What the tier does not have is no alarm.
    let is_alarm = matches!(decision.reason, Reason::LimitReached | Reason::UserDisabled);
    let class = if is_alarm { "verdict no" } else { "verdict" };
    view! {
        <tbody>
            <tr>
                <th scope="row">
                    {feature.name(lang).to_owned()}
                    <small>{feature.id.to_string()}{hint.map(|hint| format!(" · {hint}"))}</small>
                </th>
                <td class="end" data-label=words::limit_word(lang)>{limit}</td>
                <td class="end" data-label=words::used(lang)>{used}{held}</td>
                <td class="end" data-label=words::remaining(lang)>{remaining}</td>
                <td data-label=words::resets(lang)>{resets}</td>
                <td data-label=words::decided_by(lang)>{decided_by}</td>
            </tr>
            <tr class="why">
                <td colspan="6">
                    <details>
                        <summary>
                            {words::why(lang)}<span class="sr">" "{feature.name(lang).to_owned()}": "</span>" "
                            <span class=class>{verdict}</span>
                        </summary>
                        <p class="terse-more soft">{facts}</p>
                        <ol class="trail">{trail}</ol>
                    </details>
                </td>
            </tr>
        </tbody>
    }
}

fn restrictions(lang: Lang, view: &MemberView) -> impl IntoView + use<> {
    let catalogue = view.catalogue();
    let zone = catalogue.settings.timezone;
    let restrictions = view.shown.entitlements.standing.restrictions();
    let rows = restrictions
        .iter()
        .filter_map(|restriction| Some((restriction, catalogue.feature(&restriction.feature)?)))
        .map(|(restriction, feature)| {
            let name = feature.name(lang).to_owned();
            let limit = words::limit(lang, restriction.limit, feature.kind);
            let until = match restriction.expires_at {
                Some(until) => words::through(lang, until, zone),
                None => words::without_end(lang).to_owned(),
            };
            let is_over = !restriction.is_in_force(view.shown.now);
            let described = format!("{}: {name}", words::remove(lang));
            view! {
                <li>
                    <div>
                        <b>{name}</b>": "<b class="num">{limit}</b>
                        {is_over.then(|| view! { " "<span class="badge">{words::ended(lang)}</span> })}
                        <small class="soft">
                            <q>{restriction.reason.clone()}</q>" · "{until}" · "{restriction.created_by.clone()}
                        </small>
                    </div>
                    <form method="post" action=view.action("unrestrict")>
                        <input type="hidden" name="feature" value=feature.id.to_string() />
                        <button class="btn quiet" aria-label=described>{words::remove(lang)}</button>
                    </form>
                </li>
            }
        })
        .collect_view();
    let list = if restrictions.is_empty() {
        view! { <p class="soft">{words::no_restrictions(lang)}</p> }.into_any()
    } else {
        view! { <ul class="sessions">{rows}</ul> }.into_any()
    };
    let choose = (String::new(), words::choose_feature(lang).to_owned());
    let features = catalogue.features().iter().map(|feature| (feature.id.to_string(), feature.name(lang).to_owned()));
    let options: Vec<_> = [choose].into_iter().chain(features).collect();
    let action = view.action("restrict");
    let typed = view.complaints.clone();
    view! {
        <Sheet title=words::restrictions(lang) id="restrictions">
            <p class="soft">{words::restrictions_intro(lang)}</p>
            {list}
            <form class="stack tight" method="post" action=action>
                <div class="fields">
                    <SelectField
                        name="feature" label=words::feature(lang) options=options chosen=typed.feature
                        error=typed.feature_error
                    />
                    <TextField
                        name="limit" label=words::limit_word(lang) hint=words::restriction_limit_hint(lang)
                        value=typed.limit error=typed.limit_error required=true
                    />
                </div>
                <TextField
                    name="reason" label=words::reason(lang) hint=words::restriction_reason_hint(lang)
                    value=typed.reason error=typed.reason_error required=true most="500"
                />
                <div class="fields">
                    <TextField
                        name="until" label=words::last_day(lang) hint=words::last_day_hint(lang) kind="date"
                        value=typed.until error=typed.until_error
                    />
                </div>
                <div><button class="btn">{words::set_restriction(lang)}</button></div>
            </form>
        </Sheet>
    }
}

fn credit(lang: Lang, view: &MemberView) -> impl IntoView + use<> {
    let until = view.user().credit_until.filter(|until| *until > view.shown.now);
    let left = match until {
        Some(until) => {
            view! { <p class="num">{words::credit_left(lang, view.shown.credit_days, until)}</p> }.into_any()
        }
        None => view! { <p class="soft">{words::no_credit(lang)}</p> }.into_any(),
    };
    let end = until.map(|_| view! {
        <Confirm label=words::end_credit(lang) question=words::end_credit_ask(lang) action=view.action("credit/end") />
    });
    let entries = view
        .shown
        .credit
        .iter()
        .map(|entry| {
            let note = entry.note.clone().filter(|note| !note.is_empty());
            view! {
                <li>
                    <b class="num">{words::credit_entry(lang, &entry.source, entry.days)}</b>
                    <small class="soft">
                        {words::long_date(lang, entry.created_at.date_naive())}" · "{entry.actor.clone()}
                        {note.map(|note| view! { " · "<q>{note}</q> })}
                    </small>
                </li>
            }
        })
        .collect_view();
    let ledger = (!view.shown.credit.is_empty()).then(|| {
        view! {
            <div>
                <h3>{words::ledger(lang)}</h3>
                <ul class="log">{entries}</ul>
            </div>
        }
    });
    let action = view.action("credit");
    let key = view.form_key.to_string();
    let typed = view.complaints.clone();
    view! {
        <Sheet title=words::credit(lang) id="credit">
            {left}
            <form class="stack tight" method="post" action=action>
                <input type="hidden" name="key" value=key />
                <div class="fields">
                    <TextField
                        name="days" label=words::days(lang) hint=words::days_hint(lang) inputmode="numeric"
                        value=typed.days error=typed.days_error required=true
                    />
                    <TextField
                        name="note" label=words::note(lang) hint=words::note_hint(lang) value=typed.note
                        error=typed.note_error most="500"
                    />
                </div>
                <div><button class="btn">{words::give_days(lang)}</button></div>
            </form>
            {end}
            {ledger}
        </Sheet>
    }
}

fn browsers(lang: Lang, view: &MemberView) -> impl IntoView + use<> {
    let sessions = &view.shown.sessions;
    if sessions.is_empty() {
        return view! {
            <Sheet title=words::sessions(lang) id="sessions"><p class="soft">{words::no_sessions(lang)}</p></Sheet>
        }
        .into_any();
    }
    let rows = sessions
        .iter()
        .map(|session| {
            let name = browser_name(lang, &session.user_agent);
            let described = format!("{}: {name}", words::end_session(lang));
            let is_this = session.id == view.this_session;
            view! {
                <li>
                    <div>
                        <b>{name}</b>
                        {is_this.then(|| view! { " "<span class="badge">{words::this_browser(lang)}</span> })}
                        <small class="soft">
                            {session.ip_address.clone()}" · "{words::last_seen(lang)}" "
                            {local_time(lang, session.last_seen_at)}
                        </small>
                    </div>
                    <form method="post" action=view.action("sessions/revoke")>
                        <input type="hidden" name="session" value=session.id.to_string() />
                        <button class="btn quiet" aria-label=described>{words::end_session(lang)}</button>
                    </form>
                </li>
            }
        })
        .collect_view();
    let action = view.action("sessions/revoke-all");
    view! {
        <Sheet title=words::sessions(lang) id="sessions">
            <ul class="sessions">{rows}</ul>
            <Confirm label=words::sign_out_everywhere(lang) question=words::end_sessions_ask(lang) action=action />
        </Sheet>
    }
    .into_any()
}

fn activity(lang: Lang, view: &MemberView) -> impl IntoView + use<> {
    let label = view.user().label();
    let rows = view
        .shown
        .activity
        .iter()
        .map(|line| {
            let by_whom = (line.actor != label).then(|| format!(" · {}", line.actor));
            let from = line.ip_address.clone().map(|address| format!(" · {address}"));
            let details = pages::activity::details(lang, &line.details);
            view! {
                <li>
                    <b>{words::action(lang, &line.action)}</b>
                    <small class="soft">{local_time(lang, line.created_at)}{by_whom}{from}</small>
                    {details.map(|details| view! {
                        <details><summary>{words::particulars(lang)}</summary>{details}</details>
                    })}
                </li>
            }
        })
        .collect_view();
    let list = if view.shown.activity.is_empty() {
        view! { <p class="soft">{words::no_activity(lang)}</p> }.into_any()
    } else {
        view! { <ul class="log">{rows}</ul> }.into_any()
    };
    view! { <Sheet title=words::activity(lang) id="activity">{list}</Sheet> }
}

fn local_time(lang: Lang, at: DateTime<Utc>) -> impl IntoView + use<> {
    view! {
        <LocalTime
            datetime=at.to_rfc3339() text=words::long_time(lang, at) lang=words::date_locale(lang).to_owned()
        />
    }
}
