//! /admin/partners/{id}/statement/{month}: what was redeemed in a month, as a page and as a file.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use leptos::prelude::*;

use super::{find, frame};
use crate::{
    components::Crumb,
    domain::{
        catalogue::Catalogue,
        lang::Lang,
        partner::{Month, Partner, StatementLine, statement_csv},
    },
    pages::frame::{self as frames, Width},
    platform::caller::{Admin, Site, failed},
    services::{catalogue, partners},
    words::{coupons, long_time, partners as text},
};

/// A statement, with the configuration in whose zone its month lies.
pub(super) type Statement = (Month, Vec<StatementLine>, Arc<Catalogue>);

/// Reads a month as it stands in an address, and its statement.
pub(super) async fn read(site: &Site, partner: &Partner, month: &str) -> Result<Statement, Response> {
    let month: Month = month.parse().map_err(|_| StatusCode::NOT_FOUND.into_response())?;
    let lines = partners::statement(&site.env, partner.id, month).await.map_err(|error| failed(&error))?;
    let catalogue = catalogue::current(&site.env).await.map_err(|error| failed(&error))?;
    Ok((month, lines, catalogue))
}

/// `GET /admin/partners/{id}/statement/{month}`
pub async fn show(State(site): State<Site>, admin: Admin, Path((id, month)): Path<(String, String)>) -> Response {
    if let Some(month) = month.strip_suffix(".csv") {
        return file(State(site), admin, Path((id, month.to_owned()))).await;
    }
    let lang = admin.visit.origin.lang;
    let partner = match find(&site, &id).await {
        Ok(partner) => partner,
        Err(response) => return response,
    };
    let statement = match read(&site, &partner, &month).await {
        Ok(statement) => statement,
        Err(response) => return response,
    };
    let address = format!("/admin/partners/{}", partner.id);
    let (name, statement) = (partner.details.name, Arc::new(statement));
    frames::render(&site, &admin.visit, StatusCode::OK, frame(lang, Width::Wide), move || {
        view! {
            <Crumb path=address.clone() name=name.clone() />
            {statement_of(lang, &statement, &address)}
        }
    })
    .await
}

/// `GET /admin/partners/{id}/statement/{month}.csv`
pub async fn file(State(site): State<Site>, _: Admin, Path((id, month)): Path<(String, String)>) -> Response {
    let partner = match find(&site, &id).await {
        Ok(partner) => partner,
        Err(response) => return response,
    };
    match read(&site, &partner, &month).await {
        Ok(statement) => csv(&statement),
        Err(_) => Redirect::to(&format!("/admin/partners/{}", partner.id)).into_response(),
    }
}

/// Writes a statement into a file that spreadsheets read.
pub(super) fn csv((month, lines, catalogue): &Statement) -> Response {
    let csv = statement_csv(lines, catalogue.settings.timezone);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"statement-{month}.csv\"")),
    ];
    (headers, csv).into_response()
}

/// A statement, with links to its file and to the months around it below `address`.
pub(super) fn statement_of(lang: Lang, (month, lines, catalogue): &Statement, address: &str) -> impl IntoView + use<> {
    let count = i64::try_from(lines.len()).unwrap_or(i64::MAX);
    let days = lines.iter().map(|line| line.days).sum();
    let list = if lines.is_empty() {
        view! { <div class="sheet empty"><p class="soft">{text::no_lines(lang)}</p></div> }.into_any()
    } else {
        let rows = lines.iter().map(|line| row(lang, line, catalogue)).collect_view();
        view! {
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{text::when(lang)}</th>
                            <th scope="col">{text::code(lang)}</th>
                            <th scope="col">{text::gives(lang)}</th>
                            <th scope="col">{text::state(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <div>
            <h1>{text::statement(lang)}" "{text::month(lang, *month)}</h1>
            <p class="soft">{text::sum(lang, count, days)}</p>
        </div>
        <div class="row">
            <a class="btn" href=format!("{address}/statement/{month}.csv")>{coupons::file(lang)}</a>
            <a href=format!("{address}/statement/{}", month.before())>{text::earlier(lang)}</a>
            <a href=format!("{address}/statement/{}", month.after())>{text::later(lang)}</a>
        </div>
        {list}
    }
}

fn row(lang: Lang, line: &StatementLine, catalogue: &Catalogue) -> impl IntoView + use<> {
    let tier = catalogue.tier_name(&line.tier);
    view! {
        <tr>
            <th scope="row"><time datetime=line.redeemed_at.to_rfc3339()>{long_time(lang, line.redeemed_at)}</time></th>
            <td data-label=text::code(lang)><code>{line.code.to_string()}</code></td>
            <td data-label=text::gives(lang)>{coupons::days_of(lang, line.days, &tier)}</td>
            <td data-label=text::state(lang)>{text::pass_state(lang, line.state)}</td>
        </tr>
    }
}
