//! /admin/invitations: who is invited, and inviting many at once.

use std::{collections::HashSet, sync::Arc};

use axum::{
    extract::{Form, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{Alert, Confirm, Field, Note, SelectField, Sheet, TextArea, TextField, described_by},
    domain::{
        catalogue::Catalogue,
        email::EmailAddress,
        ids::InvitationId,
        invitation::{InvitationState, LONGEST_NOTE, MOST_TOGETHER, is_good_note},
        lang::Lang,
    },
    pages::{
        frame::{self, Frame, Section, Width},
        invite::problem,
    },
    platform::caller::{Admin, Site, failed},
    services::{
        catalogue,
        invitations::{self, InvitationError, Inviter, ListedInvitation, NewInvitation},
    },
    words::{invitations as text, long_date, pages},
};

/// Invitations on one page of the list.
const PAGE: i64 = 50;
/// The longest text that comes back as it was typed.
const LONGEST_TYPED: usize = 60_000;

/// What a link to the invitations may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    state: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    said: String,
    #[serde(default)]
    count: String,
}

/// What the form of new invitations sends.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct InvitationsForm {
    #[serde(default)]
    emails: String,
    #[serde(default)]
    tier: String,
    #[serde(default)]
    days: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    lang: String,
}

/// What is wrong with what was typed.
#[derive(Debug, Clone, Default)]
struct Complaints {
    emails: Option<String>,
    tier: Option<String>,
    days: Option<String>,
    note: Option<String>,
}

/// What the page shows.
#[derive(Debug)]
struct InvitationsView {
    said: Option<String>,
    alert: Option<String>,
    /// Addresses that were not invited, and why.
    not_sent: Vec<String>,
    state: Option<InvitationState>,
    invitations: Vec<ListedInvitation>,
    older: Option<String>,
    newest: Option<String>,
    typed: InvitationsForm,
    complaints: Complaints,
    catalogue: Arc<Catalogue>,
    now: DateTime<Utc>,
}

/// What is said over the list and in the form.
#[derive(Debug, Default)]
struct Says {
    said: Option<String>,
    alert: Option<String>,
    not_sent: Vec<String>,
    typed: InvitationsForm,
    complaints: Complaints,
}

fn address(state: Option<InvitationState>, before: Option<InvitationId>) -> String {
    let state = state.map(|state| format!("state={}", state.as_str()));
    let query: Vec<String> = state.into_iter().chain(before.map(|before| format!("before={before}"))).collect();
    if query.is_empty() { "/admin/invitations".to_owned() } else { format!("/admin/invitations?{}", query.join("&")) }
}

/// `GET /admin/invitations`
pub async fn list(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let lang = admin.visit.origin.lang;
    let said = match link.said.as_str() {
        "sent" => Some(text::are_sent(lang, link.count.parse().unwrap_or(1))),
        "sent-again" => Some(text::is_sent_again(lang).to_owned()),
        "revoked" => Some(text::is_revoked(lang).to_owned()),
        _ => None,
    };
    let says = Says { said, ..Says::default() };
    page(&site, &admin, StatusCode::OK, link.state.parse().ok(), link.before.parse().ok(), says).await
}

async fn page(
    site: &Site,
    admin: &Admin,
    status: StatusCode,
    state: Option<InvitationState>,
    before: Option<InvitationId>,
    says: Says,
) -> Response {
    let lang = admin.visit.origin.lang;
    let (catalogue, found) = match catalogue::current(&site.env).await {
        Ok(catalogue) => (catalogue, invitations::list(&site.env, state, before, PAGE + 1).await),
        Err(error) => return failed(&error),
    };
    let mut invitations = match found {
        Ok(invitations) => invitations,
        Err(error) => return failed(&error),
    };
    let most = usize::try_from(PAGE).unwrap_or(0);
    let has_more = invitations.len() > most;
    invitations.truncate(most);
    let older = invitations.last().filter(|_| has_more).map(|last| address(state, Some(last.invitation.id)));
    let Says { said, alert, not_sent, mut typed, complaints } = says;
    if typed.lang.is_empty() {
        lang.tag().clone_into(&mut typed.lang);
    }
    let view = Arc::new(InvitationsView {
        said,
        alert,
        not_sent,
        state,
        invitations,
        older,
        newest: before.map(|_| address(state, None)),
        typed,
        complaints,
        catalogue,
        now: site.env.clock.now(),
    });
    let frame = Frame {
        title: text::title(lang),
        address: "/admin/invitations",
        width: Width::Wide,
        section: Some(Section::Invitations),
        islands: false,
    };
    frame::render(site, &admin.visit, status, frame, move || invitations_page(lang, &view)).await
}

/// Reads pasted addresses: one a line, or with commas or semicolons between them, as they are or as
/// `Ann <ann@example.com>`. Each once, in their order; what is none comes with what is wrong with it.
fn read_addresses(lang: Lang, pasted: &str) -> (Vec<EmailAddress>, Vec<(String, String)>) {
    let (mut good, mut bad, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for part in pasted.split(['\n', ',', ';']) {
        let part = part.trim();
        let inner = part.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(part, |(inner, _)| inner);
        if inner.is_empty() {
            continue;
        }
        match EmailAddress::parse(inner) {
            Ok(email) if seen.insert(email.key().clone()) => good.push(email),
            Ok(_) => {}
            Err(error) => {
                let shown: String = part.chars().take(100).collect();
                bad.push((shown.clone(), text::error_address(lang, &shown, error)));
            }
        }
    }
    (good, bad)
}

/// `POST /admin/invitations`
pub async fn create(State(site): State<Site>, admin: Admin, Form(form): Form<InvitationsForm>) -> Response {
    let lang = admin.visit.origin.lang;
    let mut complaints = Complaints::default();
    let (emails, bad) = read_addresses(lang, &form.emails);
    if emails.is_empty() && bad.is_empty() {
        complaints.emails = Some(text::error_no_address(lang).to_owned());
    }
    if emails.len() + bad.len() > MOST_TOGETHER {
        complaints.emails = Some(text::error_too_many_addresses(lang).to_owned());
    }
    if !is_good_note(&form.note) {
        complaints.note = Some(text::error_note(lang).to_owned());
    }
    let tier = Some(form.tier.trim()).filter(|tier| !tier.is_empty());
    let typed_days = form.days.trim();
    let days = if typed_days.is_empty() { None } else { Some(typed_days.parse().unwrap_or(0)) };
    let gift = match invitations::gift(tier, days) {
        Ok(gift) => gift,
        Err(error) => {
            let field =
                if matches!(error, InvitationError::TierUnknown) { &mut complaints.tier } else { &mut complaints.days };
            *field = Some(problem(lang, &error, 0));
            None
        }
    };
    let has_complaints = [&complaints.emails, &complaints.tier, &complaints.days, &complaints.note];
    if has_complaints.iter().any(|complaint| complaint.is_some()) {
        return refused(&site, &admin, Vec::new(), form, complaints, None).await;
    }
    let by = admin.identity.user.label();
    let mail_lang = form.lang.parse().unwrap_or(lang);
    let (mut sent, mut again, mut not_sent) = (0, Vec::new(), Vec::new());
    for (shown, why) in bad {
        again.push(shown);
        not_sent.push(why);
    }
    for email in &emails {
        let new = NewInvitation { email, gift: gift.clone(), note: &form.note, lang: mail_lang };
        match invitations::invite(&site.env, Inviter::Office(&by), &new).await {
            Ok(_) => sent += 1,
            Err(InvitationError::Store(error)) => return failed(&error),
            Err(InvitationError::TierUnknown) => {
                complaints.tier = Some(text::error_tier(lang).to_owned());
                return refused(&site, &admin, Vec::new(), form, complaints, None).await;
            }
            Err(error) => {
                again.push(email.as_str().to_owned());
                let wait = match &error {
                    InvitationError::TooSoon { until } => (*until - site.env.clock.now()).num_seconds().max(1),
                    _ => 0,
                };
                not_sent.push(format!("{email}: {}", problem(lang, &error, wait)));
            }
        }
    }
    if not_sent.is_empty() {
        return Redirect::to(&format!("/admin/invitations?said=sent&count={sent}")).into_response();
    }
    let form = InvitationsForm { emails: again.join("\n"), ..form };
    let alert = Some(text::some_not_sent(lang, sent));
    refused(&site, &admin, not_sent, form, complaints, alert).await
}

async fn refused(
    site: &Site,
    admin: &Admin,
    not_sent: Vec<String>,
    form: InvitationsForm,
    complaints: Complaints,
    alert: Option<String>,
) -> Response {
    let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let typed = InvitationsForm {
        emails: cut(&form.emails, LONGEST_TYPED),
        tier: cut(&form.tier, 100),
        days: cut(&form.days, 100),
        note: cut(&form.note, 2 * LONGEST_NOTE),
        lang: cut(&form.lang, 10),
    };
    let says = Says { alert, not_sent, typed, complaints, ..Says::default() };
    page(site, admin, StatusCode::UNPROCESSABLE_ENTITY, None, None, says).await
}

/// `POST /admin/invitations/{id}/resend`
pub async fn resend(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let by = admin.identity.user.label();
    let resent = match id.parse() {
        Ok(id) => invitations::resend(&site.env, Inviter::Office(&by), id).await,
        Err(_) => Err(InvitationError::Unknown),
    };
    match resent {
        Ok(_) => Redirect::to("/admin/invitations?said=sent-again").into_response(),
        Err(error) => not_done(&site, &admin, error).await,
    }
}

/// `POST /admin/invitations/{id}/revoke`
pub async fn revoke(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let by = admin.identity.user.label();
    let revoked = match id.parse() {
        Ok(id) => invitations::revoke(&site.env, Inviter::Office(&by), id).await,
        Err(_) => Err(InvitationError::Unknown),
    };
    match revoked {
        Ok(_) => Redirect::to("/admin/invitations?said=revoked").into_response(),
        Err(error) => not_done(&site, &admin, error).await,
    }
}

async fn not_done(site: &Site, admin: &Admin, error: InvitationError) -> Response {
    let (status, wait) = match &error {
        InvitationError::Store(error) => return failed(error),
        InvitationError::Unknown => (StatusCode::NOT_FOUND, 0),
        InvitationError::TooSoon { until } => {
            (StatusCode::TOO_MANY_REQUESTS, (*until - site.env.clock.now()).num_seconds().max(1))
        }
        InvitationError::Over(_) => (StatusCode::CONFLICT, 0),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, 0),
    };
    let says = Says { alert: Some(problem(admin.visit.origin.lang, &error, wait)), ..Says::default() };
    page(site, admin, status, None, None, says).await
}

fn invitations_page(lang: Lang, view: &InvitationsView) -> impl IntoView + use<> {
    let tabs = std::iter::once(None)
        .chain(InvitationState::ALL.map(Some))
        .map(|state| {
            let name = state.map_or_else(|| text::all(lang), |state| text::state(lang, state));
            let is_this = state == view.state;
            view! { <a href=address(state, None) aria-current=is_this.then_some("true")>{name}</a> }
        })
        .collect_view();
    let list = if view.invitations.is_empty() {
        view! { <div class="sheet empty"><b>{text::none(lang)}</b><p class="soft">{text::none_hint(lang)}</p></div> }
            .into_any()
    } else {
        let rows = view.invitations.iter().map(|listed| row(lang, view, listed)).collect_view();
        view! {
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{text::address(lang)}</th>
                            <th scope="col">{text::by(lang)}</th>
                            <th scope="col">{text::gives(lang)}</th>
                            <th scope="col">{text::mails(lang)}</th>
                            <th scope="col">{text::until(lang)}</th>
                            <th scope="col">{text::state_word(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let older = view.older.clone().map(|older| view! { <a class="btn" href=older rel="next">{text::older(lang)}</a> });
    let newest = view.newest.clone().map(|newest| view! { <a href=newest>{text::newest(lang)}</a> });
    let turns = (older.is_some() || newest.is_some()).then(|| {
        view! { <nav class="row between" aria-label=pages(lang)><span>{newest}</span>{older}</nav> }
    });
    let not_sent = view.not_sent.iter().map(|why| view! { <li>{why.clone()}</li> }).collect_view();
    let not_sent = (!view.not_sent.is_empty()).then(|| view! { <ul>{not_sent}</ul> });
    view! {
        {view.said.clone().map(|said| view! { <Note><span>{said}</span></Note> })}
        {view.alert.clone().map(|alert| view! { <Alert><span>{alert}</span>{not_sent}</Alert> })}
        <div>
            <h1>{text::title(lang)}</h1>
            <p class="soft">{text::intro(lang)}</p>
        </div>
        <nav class="tabs" aria-label=text::which(lang)>{tabs}</nav>
        {list}
        {turns}
        {form(lang, view)}
    }
}

fn row(lang: Lang, view: &InvitationsView, listed: &ListedInvitation) -> impl IntoView + use<> {
    let invitation = &listed.invitation;
    let state = invitation.state(view.now);
    let gives = match &invitation.gift {
        Some(gift) => {
            let tier = view.catalogue.tier_name(&gift.tier);
            view! { <span>{text::gift(lang, &tier, gift.days)}</span> }.into_any()
        }
        None => view! { <span class="soft">{text::nothing_extra(lang)}</span> }.into_any(),
    };
    let by = match &listed.inviter {
        Some(inviter) => view! { <span class="address">{inviter.clone()}</span> }.into_any(),
        None => view! { <span class="soft">{text::deleted_account(lang)}</span> }.into_any(),
    };
    let email = if invitation.email.is_empty() {
        view! { <span class="soft">{text::forgotten_address(lang)}</span> }.into_any()
    } else {
        match invitation.accepted_by {
            Some(user) => {
                view! { <a class="address" href=format!("/admin/users/{user}")>{invitation.email.clone()}</a> }
                    .into_any()
            }
            None => view! { <span class="address">{invitation.email.clone()}</span> }.into_any(),
        }
    };
    let about = invitation.email.clone();
    let described = format!("{}: {about}", text::resend(lang));
    let buttons = (state == InvitationState::Open).then(|| {
        view! {
            <form method="post" action=format!("/admin/invitations/{}/resend", invitation.id)>
                <button class="btn" aria-label=described>{text::resend(lang)}</button>
            </form>
            <Confirm
                label=text::revoke(lang) about=about question=text::revoke_ask(lang)
                action=format!("/admin/invitations/{}/revoke", invitation.id)
            />
        }
    });
    let class = if state == InvitationState::Accepted { "badge paid" } else { "badge" };
    let until = invitation.expires_at;
    view! {
        <tr>
            <th scope="row">{email}<small class="soft">{invitation.note.clone()}</small></th>
            <td data-label=text::by(lang)>{by}</td>
            <td data-label=text::gives(lang)>{gives}</td>
            <td data-label=text::mails(lang)>{text::sent(lang, invitation.sends, invitation.sent_at)}</td>
            <td data-label=text::until(lang)>
                <time datetime=until.to_rfc3339()>{long_date(lang, until.date_naive())}</time>
            </td>
            <td data-label=text::state_word(lang)>
                <div class="state"><span class=class>{text::state(lang, state)}</span>{buttons}</div>
            </td>
        </tr>
    }
}

fn form(lang: Lang, view: &InvitationsView) -> impl IntoView + use<> {
    let (typed, complaints) = (view.typed.clone(), view.complaints.clone());
    let no_gift = (String::new(), text::no_gift(lang).to_owned());
    let tiers = view.catalogue.tiers().iter().map(|tier| (tier.id.to_string(), tier.name.clone()));
    let tiers = std::iter::once(no_gift).chain(tiers).collect();
    let langs = Lang::ALL.map(|lang| (lang.tag().to_owned(), lang.own_name().to_owned())).to_vec();
    let describe = |name, complaint: &Option<String>| described_by(name, true, complaint.is_some());
    let (emails_described, note_described) =
        (describe("emails", &complaints.emails), describe("note", &complaints.note));
    view! {
        <Sheet title=text::invite_people(lang) id="new">
            <form class="stack tight" method="post" action="/admin/invitations">
                <Field name="emails" label=text::addresses(lang) hint=text::addresses_hint(lang) error=complaints.emails>
                    <TextArea name="emails" rows=5 text=typed.emails described_by=emails_described />
                </Field>
                <div class="fields">
                    <SelectField
                        name="tier" label=text::tier(lang) options=tiers chosen=typed.tier error=complaints.tier
                    />
                    <TextField
                        name="days" label=text::days(lang) hint=text::days_hint(lang) value=typed.days
                        error=complaints.days inputmode="numeric" most="4"
                    />
                    <SelectField name="lang" label=text::mail_language(lang) options=langs chosen=typed.lang />
                </div>
                <Field name="note" label=text::note(lang) hint=text::note_hint(lang) error=complaints.note>
                    <TextArea name="note" rows=3 text=typed.note described_by=note_described />
                </Field>
                <div><button class="btn main">{text::invite(lang)}</button></div>
            </form>
        </Sheet>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_addresses_are_read_in_any_of_their_forms_and_each_once() {
        let pasted = "ann@example.com, bob@example.com;ANN@example.com\r\nCem Öz <cem@example.com>\n\n nobody ,@x";
        let (good, bad) = read_addresses(Lang::En, pasted);
        let good: Vec<_> = good.iter().map(EmailAddress::as_str).collect();
        assert_eq!(good, ["ann@example.com", "bob@example.com", "cem@example.com"]);
        assert_eq!(bad.iter().map(|(typed, _)| typed.as_str()).collect::<Vec<_>>(), ["nobody", "@x"]);
        assert!(bad[0].1.starts_with("nobody: An address looks like"), "{bad:?}");
        assert_eq!(read_addresses(Lang::En, " ,;\n"), (Vec::new(), Vec::new()));
    }
}
