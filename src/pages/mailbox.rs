//! /dev/mailbox: mails that did not leave, where the preview transport is chosen.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use leptos::prelude::*;

use crate::{
    domain::{ids::MailId, lang::Lang},
    pages::frame::{self, Frame, Width},
    platform::caller::{Refused, Site, Visit},
    services::letters::{self, PreviewMail},
    words,
};

/// `GET /dev/mailbox.json`
pub async fn json(State(site): State<Site>) -> Result<Json<Vec<PreviewMail>>, Refused> {
    Ok(Json(letters::previews(&site.env).await?))
}

/// `GET /dev/mailbox`
pub async fn show(State(site): State<Site>, visit: Visit) -> Result<Response, Refused> {
    let mails = letters::previews(&site.env).await?;
    let lang = visit.origin.lang;
    let frame = Frame {
        title: words::mailbox_title(lang),
        address: "/dev/mailbox",
        width: Width::Narrow,
        section: None,
        islands: false,
    };
    let page = move || mailbox_page(lang, mails.clone());
    Ok(frame::render(&site, &visit, StatusCode::OK, frame, page).await)
}

/// `GET /dev/mailbox/{id}`: the HTML of one mail, as a mail program would show it.
pub async fn letter(State(site): State<Site>, Path(id): Path<MailId>) -> Result<Response, Refused> {
    let mail = letters::previews(&site.env).await?.into_iter().find(|mail| mail.id == id).ok_or(Refused::NotFound)?;
    // A letter brings its own styles; as a page it may do nothing else.
    let policy =
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'");
    Ok(([(header::CONTENT_SECURITY_POLICY, policy)], Html(mail.html)).into_response())
}

fn mailbox_page(lang: Lang, mails: Vec<PreviewMail>) -> impl IntoView {
    let is_empty = mails.is_empty();
    let rows = mails
        .into_iter()
        .map(|mail| {
            view! {
                <li>
                    <article class="sheet stack">
                        <div>
                            <h2><a href=format!("/dev/mailbox/{}", mail.id)>{mail.subject}</a></h2>
                            <p class="soft">
                                {words::to_whom(lang)}" "<span class="address">{mail.to}</span>" · "
                                <time datetime=mail.sent_at.to_rfc3339()>{words::long_time(lang, mail.sent_at)}</time>
                            </p>
                        </div>
                        <pre>{mail.text}</pre>
                    </article>
                </li>
            }
        })
        .collect_view();
    view! {
        <div>
            <h1>{words::mailbox_title(lang)}</h1>
            <p class="soft">{words::mailbox_intro(lang)}</p>
        </div>
        {is_empty.then(|| view! { <p class="sheet soft">{words::mailbox_empty(lang)}</p> })}
        <ul class="stack">{rows}</ul>
    }
}
