//! /settings/invitations: a member invites by e-mail. The same block stands in /settings.

use std::sync::Arc;

use axum::{
    extract::{Form, Query, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{Alert, Confirm, Crumb, Note, Sheet, TextField},
    domain::{email::EmailAddress, invitation::Invitation, lang::Lang},
    pages::frame::{self, Frame, Section, Width},
    platform::caller::{Member, Site, failed},
    services::invitations::{self, InvitationError, Inviter, NewInvitation},
    words::{self, invitations as text},
};

/// The longest text that comes back as it was typed.
const LONGEST_TYPED: usize = 300;

/// A member's open invitations, and what was typed for another one.
#[derive(Debug, Clone, Default)]
pub(super) struct InviteBlock {
    may_invite: bool,
    open: Vec<Invitation>,
    typed: String,
    problem: Option<String>,
}

/// What a link to the page may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    said: String,
}

/// What the form of a new invitation sends.
#[derive(Debug, Deserialize)]
pub struct InviteForm {
    #[serde(default)]
    email: String,
}

/// What the buttons of one invitation send.
#[derive(Debug, Deserialize)]
pub struct WhichForm {
    #[serde(default)]
    invitation: String,
}

/// Returns what the block shows; nothing where members do not invite and nobody waits for an answer.
pub(super) async fn load(site: &Site, member: &Member) -> Result<Option<InviteBlock>, Response> {
    match invitations::of_member(&site.env, member.identity.user.id).await {
        Ok((false, open)) if open.is_empty() => Ok(None),
        Ok((may_invite, open)) => Ok(Some(InviteBlock { may_invite, open, ..InviteBlock::default() })),
        Err(error) => Err(failed(&error)),
    }
}

/// `GET /settings/invitations`
pub async fn show(State(site): State<Site>, member: Member, Query(link): Query<Link>) -> Response {
    let lang = member.visit.origin.lang;
    let said = match link.said.as_str() {
        "sent" => Some(text::is_sent(lang)),
        "sent-again" => Some(text::is_sent_again(lang)),
        "revoked" => Some(text::is_revoked(lang)),
        _ => None,
    };
    page(&site, &member, StatusCode::OK, said, String::new(), None, None).await
}

/// `POST /settings/invitations`
pub async fn invite(State(site): State<Site>, member: Member, Form(form): Form<InviteForm>) -> Response {
    let lang = member.visit.origin.lang;
    let email = match EmailAddress::parse(&form.email) {
        Ok(email) => email,
        Err(error) => {
            let problem = words::email_error(lang, error).to_owned();
            return page(&site, &member, StatusCode::UNPROCESSABLE_ENTITY, None, form.email, Some(problem), None).await;
        }
    };
    let new = NewInvitation { email: &email, gift: None, note: "", lang };
    match invitations::invite(&site.env, Inviter::Member(&member.identity.user), &new).await {
        Ok(_) => Redirect::to("/settings/invitations?said=sent").into_response(),
        Err(error) => refused(&site, &member, error, Some(form.email)).await,
    }
}

/// `POST /settings/invitations/resend`
pub async fn resend(State(site): State<Site>, member: Member, Form(form): Form<WhichForm>) -> Response {
    let by = Inviter::Member(&member.identity.user);
    let resent = match form.invitation.parse() {
        Ok(id) => invitations::resend(&site.env, by, id).await,
        Err(_) => Err(InvitationError::Unknown),
    };
    match resent {
        Ok(_) => Redirect::to("/settings/invitations?said=sent-again").into_response(),
        Err(error) => refused(&site, &member, error, None).await,
    }
}

/// `POST /settings/invitations/revoke`
pub async fn revoke(State(site): State<Site>, member: Member, Form(form): Form<WhichForm>) -> Response {
    let by = Inviter::Member(&member.identity.user);
    let revoked = match form.invitation.parse() {
        Ok(id) => invitations::revoke(&site.env, by, id).await,
        Err(_) => Err(InvitationError::Unknown),
    };
    match revoked {
        Ok(_) => Redirect::to("/settings/invitations?said=revoked").into_response(),
        Err(error) => refused(&site, &member, error, None).await,
    }
}

/// Says why not: beside the field, if the address was typed there, else above.
async fn refused(site: &Site, member: &Member, error: InvitationError, typed: Option<String>) -> Response {
    let lang = member.visit.origin.lang;
    let now = site.env.clock.now();
    let (status, wait) = match &error {
        InvitationError::Store(error) => return failed(error),
        InvitationError::TooSoon { until } | InvitationError::TooManyToday { until } => {
            (StatusCode::TOO_MANY_REQUESTS, Some((*until - now).num_seconds().max(1)))
        }
        InvitationError::Unknown => (StatusCode::NOT_FOUND, None),
        InvitationError::NotByMembers => (StatusCode::FORBIDDEN, None),
        InvitationError::Over(_) => (StatusCode::CONFLICT, None),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, None),
    };
    let problem = problem(lang, &error, wait.unwrap_or(0));
    let (typed, beside, above) = match typed {
        Some(typed) => (typed, Some(problem), None),
        None => (String::new(), None, Some(problem)),
    };
    let mut response = page(site, member, status, None, typed, beside, above).await;
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
    }
    response
}

/// Returns what is said of an invitation that was not sent or taken back.
pub(super) fn problem(lang: Lang, error: &InvitationError, wait: i64) -> String {
    match error {
        InvitationError::Unknown | InvitationError::Store(_) => text::error_unknown(lang).to_owned(),
        InvitationError::Over(state) => text::error_over(lang, *state).to_owned(),
        InvitationError::AlreadyOpen => text::error_open(lang).to_owned(),
        InvitationError::IsMember => text::error_member(lang).to_owned(),
        InvitationError::TooManyMails => text::error_mails(lang).to_owned(),
        InvitationError::TooSoon { .. } => text::error_too_soon(lang, wait),
        InvitationError::TooManyToday { .. } => text::error_too_many_today(lang, wait),
        InvitationError::NotByMembers => text::error_not_by_members(lang).to_owned(),
        InvitationError::TierUnknown => text::error_tier(lang).to_owned(),
        InvitationError::BadDays => text::error_days(lang).to_owned(),
        InvitationError::HalfAGift => text::error_half(lang).to_owned(),
        InvitationError::BadNote => text::error_note(lang).to_owned(),
    }
}

async fn page(
    site: &Site,
    member: &Member,
    status: StatusCode,
    said: Option<&'static str>,
    typed: String,
    problem: Option<String>,
    alert: Option<String>,
) -> Response {
    let lang = member.visit.origin.lang;
    let block = match load(site, member).await {
        Ok(block) => block,
        Err(response) => return response,
    };
    let typed = typed.chars().take(LONGEST_TYPED).collect();
    let block = block.map(|block| InviteBlock { typed, problem: problem.clone(), ..block });
    let is_closed = block.as_ref().is_none_or(|block| !block.may_invite);
    let closed = is_closed.then(|| text::error_not_by_members(lang).to_owned());
    let alert = alert.or(closed);
    let frame = Frame {
        title: text::by_mail(lang),
        address: "/settings/invitations",
        width: Width::Narrow,
        section: Some(Section::Settings),
        islands: false,
    };
    let shown = Arc::new((block, alert));
    frame::render(site, &member.visit, status, frame, move || {
        let (block, alert) = &*shown;
        view! {
            {said.map(|said| view! { <Note><span>{said}</span></Note> })}
            {alert.clone().map(|alert| view! { <Alert><span>{alert}</span></Alert> })}
            <h1>{text::title(lang)}</h1>
            {block.clone().map(|block| invite_block(lang, block, true))}
            <Crumb path="/settings" name=words::settings(lang) />
        }
    })
    .await
}

/// The form for an address, and the invitations that are open; in /settings, without a word where there
/// are none.
pub(super) fn invite_block(lang: Lang, block: InviteBlock, is_whole_page: bool) -> impl IntoView + use<> {
    let InviteBlock { may_invite, open, typed, problem } = block;
    let list = if open.is_empty() {
        is_whole_page.then(|| view! { <p class="soft">{text::no_open_invitations(lang)}</p> }.into_any())
    } else {
        let rows = open.into_iter().map(|invitation| row(lang, invitation)).collect_view();
        Some(view! { <h3>{text::open_invitations(lang)}</h3><ul class="sessions">{rows}</ul> }.into_any())
    };
    let form = may_invite.then(|| {
        view! {
            <p class="soft">{text::by_mail_hint(lang)}</p>
            <form class="stack tight" method="post" action="/settings/invitations">
                <TextField
                    name="email" label=text::friends_address(lang) kind="email" value=typed error=problem most="254"
                    required=true
                />
                <div><button class="btn">{text::invite(lang)}</button></div>
            </form>
        }
    });
    view! {
        <Sheet title=text::by_mail(lang) id="invite-by-mail">
            {form}
            {list}
        </Sheet>
    }
}

fn row(lang: Lang, invitation: Invitation) -> impl IntoView {
    let id = invitation.id.to_string();
    let about = invitation.email.clone();
    let described = format!("{}: {about}", text::resend(lang));
    view! {
        <li>
            <div>
                <b class="address">{invitation.email}</b>
                <div class="soft">
                    {text::sent(lang, invitation.sends, invitation.sent_at)}" · "
                    {text::good_until(lang, invitation.expires_at)}
                </div>
            </div>
            <div class="row">
                <form method="post" action="/settings/invitations/resend">
                    <input type="hidden" name="invitation" value=id.clone() />
                    <button class="btn" aria-label=described>{text::resend(lang)}</button>
                </form>
                <Confirm
                    label=text::revoke(lang) about=about question=text::revoke_ask(lang)
                    action="/settings/invitations/revoke".to_owned()
                >
                    <input type="hidden" name="invitation" value=id />
                </Confirm>
            </div>
        </li>
    }
}
