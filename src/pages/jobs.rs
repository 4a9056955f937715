//! /admin/jobs: what is done by the clock, what waits in the queue, and what was given up.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{Alert, Confirm, Note, Sheet},
    domain::{ids::JobId, lang::Lang, schedule::Routine},
    pages::frame::{self, Frame, Section, Width},
    platform::caller::{Admin, Site, failed},
    services::{
        jobs::{self, DeadJob, KindState},
        schedules::{self, Schedule},
    },
    words::{self, jobs as text, long_time, number, pages},
};

/// Jobs that were given up on one page.
const PAGE: i64 = 50;
/// How long after its time something is late: it may be under way, or every node may be busy.
const LATE: TimeDelta = TimeDelta::minutes(5);

/// What a link to the jobs may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    before: String,
    #[serde(default)]
    said: String,
}

/// What the page shows.
#[derive(Debug)]
struct JobsView {
    said: Option<(bool, &'static str)>,
    scheduled: Vec<Schedule>,
    queue: Vec<KindState>,
    dead: Vec<DeadJob>,
    older: Option<String>,
    now: DateTime<Utc>,
}

/// `GET /admin/jobs`
pub async fn list(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let lang = admin.visit.origin.lang;
    let said = match link.said.as_str() {
        "ordered" => Some((true, text::is_ordered(lang))),
        "running" => Some((false, text::is_running(lang))),
        "retried" => Some((true, text::is_retried(lang))),
        "discarded" => Some((true, text::is_discarded(lang))),
        "gone" => Some((false, text::is_gone(lang))),
        _ => None,
    };
    let before = link.before.parse::<JobId>().ok();
    let (scheduled, queue, dead) = match (
        schedules::list(&site.env).await,
        jobs::by_kind(&site.env).await,
        jobs::dead(&site.env, before, PAGE + 1).await,
    ) {
        (Ok(scheduled), Ok(queue), Ok(dead)) => (scheduled, queue, dead),
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => return failed(&error),
    };
    let mut dead = dead;
    let most = usize::try_from(PAGE).unwrap_or(0);
    let has_more = dead.len() > most;
    dead.truncate(most);
    let older = dead.last().filter(|_| has_more).map(|last| format!("/admin/jobs?before={}#given-up", last.id));
    let view = Arc::new(JobsView { said, scheduled, queue, dead, older, now: site.env.clock.now() });
    let frame = Frame {
        title: words::jobs_word(lang),
        address: "/admin/jobs",
        width: Width::Wide,
        section: Some(Section::Jobs),
        islands: false,
    };
    frame::render(&site, &admin.visit, StatusCode::OK, frame, move || jobs_page(lang, &view)).await
}

/// `POST /admin/jobs/{name}/run`
pub async fn run(State(site): State<Site>, admin: Admin, Path(name): Path<String>) -> Response {
    let Ok(routine) = name.parse::<Routine>() else {
        return Redirect::to("/admin/jobs?said=gone").into_response();
    };
    let actor = admin.identity.user.label();
    match schedules::order(&site.env, routine, (&actor, Some(&admin.visit.origin))).await {
        Ok(true) => Redirect::to("/admin/jobs?said=ordered").into_response(),
        Ok(false) => Redirect::to("/admin/jobs?said=running").into_response(),
        Err(error) => failed(&error),
    }
}

/// `POST /admin/jobs/dead/{id}/retry`
pub async fn retry(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<JobId>() else { return Redirect::to("/admin/jobs?said=gone").into_response() };
    let actor = admin.identity.user.label();
    match jobs::revive(&site.env, id, (&actor, Some(&admin.visit.origin))).await {
        Ok(true) => Redirect::to("/admin/jobs?said=retried").into_response(),
        Ok(false) => Redirect::to("/admin/jobs?said=gone").into_response(),
        Err(error) => failed(&error),
    }
}

/// `POST /admin/jobs/dead/{id}/discard`
pub async fn discard(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<JobId>() else { return Redirect::to("/admin/jobs?said=gone").into_response() };
    let actor = admin.identity.user.label();
    match jobs::discard(&site.env, id, (&actor, Some(&admin.visit.origin))).await {
        Ok(true) => Redirect::to("/admin/jobs?said=discarded").into_response(),
        Ok(false) => Redirect::to("/admin/jobs?said=gone").into_response(),
        Err(error) => failed(&error),
    }
}

fn time(lang: Lang, at: DateTime<Utc>) -> impl IntoView + use<> {
    view! { <time datetime=at.to_rfc3339()>{long_time(lang, at)}</time> }
}

fn jobs_page(lang: Lang, view: &JobsView) -> impl IntoView + use<> {
    let said = view.said.map(|(is_good, said)| match is_good {
        true => view! { <Note><span>{said}</span></Note> }.into_any(),
        false => view! { <Alert><span>{said}</span></Alert> }.into_any(),
    });
    let (waiting, given_up) = (queue(lang, view), dead(lang, view));
    let scheduled = view.scheduled.iter().map(|one| schedule_row(lang, one, view.now)).collect_view();
    view! {
        {said}
        <div>
            <h1>{words::jobs_word(lang)}</h1>
            <p class="soft">{text::intro(lang)}</p>
        </div>
        <Sheet title=text::scheduled(lang) id="scheduled">
            <div class="flush">
                <table class="rows" aria-labelledby="scheduled">
                    <thead>
                        <tr>
                            <th scope="col">{text::job(lang)}</th>
                            <th scope="col">{text::last_run(lang)}</th>
                            <th scope="col">{text::next_run(lang)}</th>
                            <th scope="col">{text::state(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{scheduled}</tbody>
                </table>
            </div>
        </Sheet>
        <Sheet title=text::queue(lang) id="queue">{waiting}</Sheet>
        <Sheet title=text::given_up(lang) id="given-up">{given_up}</Sheet>
    }
}

fn schedule_row(lang: Lang, one: &Schedule, now: DateTime<Utc>) -> impl IntoView + use<> {
    let routine = one.routine;
    let last = match one.last_finished_at {
        Some(at) => {
            let took = one.last_duration_ms.map(|ms| text::took(lang, ms));
            let did = one.last_outcome.as_ref().map(|counts| text::outcome(lang, counts));
            let more: Vec<String> = [took, did].into_iter().flatten().collect();
            view! { <span>{time(lang, at)}<small class="soft">{more.join(" · ")}</small></span> }.into_any()
        }
        None => view! { <span class="soft">{text::never(lang)}</span> }.into_any(),
    };
    let badge = if one.is_running(now) {
        view! { <span class="badge paid">{text::running(lang)}</span> }.into_any()
    } else if one.failures > 0 {
        view! { <span class="badge stop">{text::failed_in_a_row(lang, one.failures)}</span> }.into_any()
    } else if one.next_run_at + LATE < now {
        view! { <span class="badge stop">{text::late(lang)}</span> }.into_any()
    } else if one.last_finished_at.is_none() {
        view! { <span class="badge">{text::waits(lang)}</span> }.into_any()
    } else {
        view! { <span class="badge">{text::fine(lang)}</span> }.into_any()
    };
    let error = one.last_error.clone().map(|error| view! { <small class="soft address" lang="en">{error}</small> });
    let described = format!("{}: {}", text::run_now(lang), text::about(lang, routine));
    view! {
        <tr>
            <th scope="row">
                {text::about(lang, routine)}
                <small class="soft"><code>{routine.name()}</code></small>
            </th>
            <td data-label=text::last_run(lang)>{last}</td>
            <td data-label=text::next_run(lang)>{time(lang, one.next_run_at)}</td>
            <td data-label=text::state(lang)>
                <div class="state">
                    {badge}
                    {error}
                    <form method="post" action=format!("/admin/jobs/{}/run", routine.name())>
                        <button class="btn" aria-label=described>{text::run_now(lang)}</button>
                    </form>
                </div>
            </td>
        </tr>
    }
}

fn queue(lang: Lang, view: &JobsView) -> AnyView {
    if view.queue.is_empty() {
        return view! { <p><b>{text::queue_empty(lang)}</b>" "<span class="soft">{text::queue_empty_hint(lang)}</span></p> }
            .into_any();
    }
    let rows = view
        .queue
        .iter()
        .map(|kind| {
            let oldest = kind.oldest_due_at.map(|at| time(lang, at));
            view! {
                <tr>
                    <th scope="row"><code>{kind.kind.clone()}</code></th>
                    <td data-label=text::waiting(lang)>{number(lang, kind.waiting)}</td>
                    <td data-label=text::in_work(lang)>{number(lang, kind.running)}</td>
                    <td data-label=text::retried(lang)>{number(lang, kind.retried)}</td>
                    <td data-label=text::given_up(lang)>{number(lang, kind.dead)}</td>
                    <td data-label=text::oldest(lang)>{oldest}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="flush">
            <table class="rows" aria-labelledby="queue">
                <thead>
                    <tr>
                        <th scope="col">{text::kind(lang)}</th>
                        <th scope="col">{text::waiting(lang)}</th>
                        <th scope="col">{text::in_work(lang)}</th>
                        <th scope="col">{text::retried(lang)}</th>
                        <th scope="col">{text::given_up(lang)}</th>
                        <th scope="col">{text::oldest(lang)}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn dead(lang: Lang, view: &JobsView) -> AnyView {
    if view.dead.is_empty() {
        return view! {
            <p><b>{text::none_given_up(lang)}</b>" "<span class="soft">{text::none_given_up_hint(lang)}</span></p>
        }
        .into_any();
    }
    let rows = view
        .dead
        .iter()
        .map(|job| {
            let error = job.last_error.clone().unwrap_or_default();
            let about = format!("{} {}", job.kind, job.id);
            let described = format!("{}: {about}", text::retry(lang));
            view! {
                <tr>
                    <th scope="row"><code>{job.kind.clone()}</code><small class="soft">{time(lang, job.dead_at)}</small></th>
                    <td data-label=text::tries(lang)>{number(lang, job.attempts)}</td>
                    <td data-label=text::error(lang)><span class="address" lang="en">{error}</span></td>
                    <td data-label=text::state(lang)>
                        <div class="state">
                            <form method="post" action=format!("/admin/jobs/dead/{}/retry", job.id)>
                                <button class="btn" aria-label=described>{text::retry(lang)}</button>
                            </form>
                            <Confirm
                                label=text::discard(lang) about=about question=text::discard_ask(lang)
                                action=format!("/admin/jobs/dead/{}/discard", job.id)
                            />
                        </div>
                    </td>
                </tr>
            }
        })
        .collect_view();
    let older = view.older.clone().map(|older| {
        view! { <nav class="row end" aria-label=pages(lang)><a class="btn" href=older rel="next">{text::older(lang)}</a></nav> }
    });
    view! {
        <div class="flush">
            <table class="rows" aria-labelledby="given-up">
                <thead>
                    <tr>
                        <th scope="col">{text::kind(lang)}</th>
                        <th scope="col">{text::tries(lang)}</th>
                        <th scope="col">{text::error(lang)}</th>
                        <th scope="col">{text::state(lang)}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {older}
    }
    .into_any()
}
