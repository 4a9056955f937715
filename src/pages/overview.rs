//! /admin: how the product stands today, and how it came here.
//!
//! Plots are SVG that the server draws; each has its words in its label and its numbers in a table.

use std::sync::Arc;

use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use chrono::NaiveDate;
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::Sheet,
    domain::{
        catalogue::Catalogue,
        lang::Lang,
        stats::{Metric, Stretch},
    },
    pages::frame::{self, Frame, Section, Width},
    platform::caller::{Admin, Site, failed},
    services::{
        catalogue,
        stats::{self, Overview},
    },
    words::{self, long_date, long_time, number, stats as text},
};

/// A week before the first day is read, too: the first day is compared with it.
const A_WEEK: i64 = 7;
/// As many series have a colour of their own; what is left is shown together.
const MOST_SERIES: usize = 5;
/// How high a plot is, in units of its own, and how wide a day.
const HEIGHT: f64 = 100.0;
const DAY_WIDTH: f64 = 10.0;
/// What is free between two days.
const GAP: f64 = 2.0;

/// What a link to the overview may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    days: String,
}

/// What the page shows.
#[derive(Debug)]
struct OverviewView {
    overview: Overview,
    days: i64,
    catalogue: Arc<Catalogue>,
}

/// Something that is plotted: its name, and how many on each day; nothing where a day was not counted.
#[derive(Debug, Clone)]
struct Series {
    name: String,
    values: Vec<Option<i64>>,
}

impl Series {
    fn last(&self) -> i64 {
        self.values.last().copied().flatten().unwrap_or(0)
    }

    fn most(&self) -> i64 {
        self.values.iter().copied().flatten().max().unwrap_or(0)
    }
}

/// `GET /admin`
pub async fn show(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let lang = admin.visit.origin.lang;
    let days = if link.days == "90" { 90 } else { 30 };
    let (overview, catalogue) =
        match (stats::overview(&site.env, days + A_WEEK).await, catalogue::current(&site.env).await) {
            (Ok(overview), Ok(catalogue)) => (overview, catalogue),
            (Err(error), _) | (_, Err(error)) => return failed(&error),
        };
    let view = Arc::new(OverviewView { overview, days, catalogue });
    let frame = Frame {
        title: words::overview(lang),
        address: "/admin",
        width: Width::Wide,
        section: Some(Section::Overview),
        islands: false,
    };
    frame::render(&site, &admin.visit, StatusCode::OK, frame, move || overview_page(lang, &view)).await
}

fn overview_page(lang: Lang, view: &OverviewView) -> impl IntoView + use<> {
    let overview = &view.overview;
    let welcome = (!overview.has_members).then(|| welcome(lang));
    let body = match overview.counted_until {
        Some(until) if !overview.stretch.is_empty() => {
            let until = text::counted_until(lang, &long_time(lang, until));
            view! {
                {tiles(lang, &overview.stretch)}
                <p class="soft">{until}</p>
                {plots(lang, view)}
            }
            .into_any()
        }
        // Whoever is welcomed has something better to do.
        _ if !overview.has_members => ().into_any(),
        _ => {
            let (title, hint) = (text::not_yet(lang), text::not_yet_hint(lang));
            view! { <div class="sheet empty"><b>{title}</b><p class="soft">{hint}</p></div> }.into_any()
        }
    };
    view! {
        <div>
            <h1>{words::overview(lang)}</h1>
            <p class="soft">{text::intro(lang)}</p>
        </div>
        {welcome}
        {body}
    }
}

fn welcome(lang: Lang) -> impl IntoView {
    let step = |path: &'static str, name: &'static str, hint: &'static str| {
        view! { <li><a href=path>{name}</a><small class="soft">{hint}</small></li> }
    };
    view! {
        <section class="sheet stack" aria-labelledby="welcome">
            <h2 id="welcome">{text::welcome(lang)}</h2>
            <ol class="steps">
                {step("/admin/matrix", text::step_limits(lang), text::step_limits_hint(lang))}
                {step("/admin/keys", text::step_key(lang), text::step_key_hint(lang))}
                {step("/admin/invitations", text::step_invite(lang), text::step_invite_hint(lang))}
            </ol>
        </section>
    }
}

/// The numbers of today, each beside what it was a week ago.
fn tiles(lang: Lang, stretch: &Stretch) -> impl IntoView + use<> {
    let tile = |metric: Metric| {
        let (today, before) = stretch.with_last_week(metric);
        let change = today.and_then(|today| text::change(lang, today, before));
        let value = today.map_or_else(|| "–".to_owned(), |today| number(lang, today));
        view! {
            <div>
                <dt>{text::metric(lang, metric)}</dt>
                <dd>{value}{change.map(|change| view! { <small class="soft">{change}</small> })}</dd>
            </div>
        }
    };
    let shown = [
        Metric::Members,
        Metric::Active,
        Metric::New,
        Metric::Subscriptions,
        Metric::Conversions,
        Metric::Redemptions,
        Metric::SignIns,
        Metric::Usage,
    ];
    view! {
        <section aria-labelledby="today">
            <h2 id="today">{text::today(lang)}</h2>
            <dl class="tiles">{shown.map(tile).collect_view()}</dl>
        </section>
    }
}

fn plots(lang: Lang, view: &OverviewView) -> impl IntoView + use<> {
    let tab = |days: i64, path: &'static str, name: &'static str| {
        view! { <a href=path aria-current=(view.days == days).then_some("true")>{name}</a> }
    };
    let days = u64::try_from(view.days).unwrap_or(30);
    let stretch = view.overview.stretch.last(days);
    let named = |metric: Metric, name: &'static str| Series {
        name: name.to_owned(),
        values: stretch.days().map(|day| stretch.value(metric, "", day)).collect(),
    };
    let by_subject = |metric: Metric, name: &dyn Fn(&str) -> String| split(lang, &stretch, metric, name);
    let tier = |id: &str| {
        let id = id.parse().ok();
        id.and_then(|id| view.catalogue.tier(&id)).map(|tier| tier.name.clone())
    };
    let tier = |id: &str| tier(id).unwrap_or_else(|| id.to_owned());
    let feature = |id: &str| {
        let feature = id.parse().ok().and_then(|id| view.catalogue.feature(&id));
        feature.map_or_else(|| id.to_owned(), |feature| feature.name(lang).to_owned())
    };
    let kind = |kind: &str| match kind {
        "single_use" => text::single_use(lang).to_owned(),
        "period" => text::period(lang).to_owned(),
        "partner" => text::partner(lang).to_owned(),
        other => other.to_owned(),
    };
    let paying =
        vec![named(Metric::Subscriptions, text::subscribers(lang)), named(Metric::Conversions, text::friends(lang))];
    view! {
        <nav class="tabs" aria-label=text::stretch(lang)>
            {tab(30, "/admin", text::days_30(lang))}
            {tab(90, "/admin?days=90", text::days_90(lang))}
        </nav>
        <div class="plots">
            {plot(lang, text::members_by_tier(lang), "members", &stretch, &by_subject(Metric::Members, &tier))}
            {plot(lang, text::metric(lang, Metric::Active), "active", &stretch, &[
                named(Metric::Active, text::metric(lang, Metric::Active)),
            ])}
            {plot(lang, text::metric(lang, Metric::New), "new", &stretch, &[
                named(Metric::New, text::metric(lang, Metric::New)),
            ])}
            {plot(lang, text::conversions(lang), "paying", &stretch, &paying)}
            {plot(lang, text::redemptions(lang), "redemptions", &stretch, &by_subject(Metric::Redemptions, &kind))}
            {plot(lang, text::usage(lang), "usage", &stretch, &by_subject(Metric::Usage, &feature))}
        </div>
    }
}

/// Returns a series for each of the largest subjects, and one for what is left.
fn split(lang: Lang, stretch: &Stretch, metric: Metric, name: &dyn Fn(&str) -> String) -> Vec<Series> {
    let subjects = stretch.subjects(metric);
    let own = if subjects.len() > MOST_SERIES { MOST_SERIES - 1 } else { subjects.len() };
    let values = |subject: &str| stretch.days().map(|day| stretch.value(metric, subject, day)).collect::<Vec<_>>();
    let mut all: Vec<Series> =
        subjects[..own].iter().map(|subject| Series { name: name(subject), values: values(subject) }).collect();
    let rest = subjects[own..].iter().map(|subject| values(subject)).reduce(|one, other| {
        let sum = |(one, other): (Option<i64>, Option<i64>)| match (one, other) {
            (None, None) => None,
            (one, other) => Some(one.unwrap_or(0) + other.unwrap_or(0)),
        };
        one.into_iter().zip(other).map(sum).collect()
    });
    all.extend(rest.map(|values| Series { name: text::others(lang).to_owned(), values }));
    all
}

/// Columns for each day, one series above the other.
fn plot(
    lang: Lang,
    title: &'static str,
    id: &'static str,
    stretch: &Stretch,
    series: &[Series],
) -> impl IntoView + use<> {
    let days: Vec<NaiveDate> = stretch.days().collect();
    let sum = |at: usize| series.iter().filter_map(|one| one.values.get(at).copied().flatten()).sum::<i64>();
    let most = (0..days.len()).map(sum).max().unwrap_or(0);
    if most <= 0 {
        return view! { <Sheet title=title id=id><p class="soft">{text::nothing_yet(lang)}</p></Sheet> }.into_any();
    }
    let scale = HEIGHT / ratio(most);
    let columns = (0..days.len())
        .flat_map(|at| {
            let left = ratio(i64::try_from(at).unwrap_or(0)) * DAY_WIDTH + GAP / 2.0;
            let mut below = HEIGHT;
            let mut boxes = Vec::new();
            for (number, one) in series.iter().enumerate() {
                // What was given back can make a day negative: it has no column.
                let Some(value) = one.values[at].filter(|value| *value > 0) else { continue };
                let height = ratio(value) * scale;
                below -= height;
                boxes.push((format!("s{number}"), left, below, height));
            }
            boxes
        })
        .map(|(class, x, y, height)| {
            view! {
                <rect
                    class=class x=format!("{x:.1}") y=format!("{y:.2}")
                    width=format!("{:.1}", DAY_WIDTH - GAP) height=format!("{height:.2}")
                />
            }
        })
        .collect_view();
    let width = ratio(i64::try_from(days.len()).unwrap_or(1)) * DAY_WIDTH;
    let told: Vec<(String, i64, i64)> = series.iter().map(|one| (one.name.clone(), one.last(), one.most())).collect();
    let label = text::chart_text(lang, title, (stretch.from, stretch.to), &told);
    let legend = (series.len() > 1).then(|| {
        let entries = series
            .iter()
            .enumerate()
            .map(|(number, one)| {
                let class = format!("key s{number}");
                view! { <li><i class=class aria-hidden="true"></i>{one.name.clone()}</li> }
            })
            .collect_view();
        view! { <ul class="legend">{entries}</ul> }
    });
    let (from, to) = (long_date(lang, stretch.from), long_date(lang, stretch.to));
    let table = table(lang, title, &days, series);
    view! {
        <Sheet title=title id=id>
            <div class="plot">
                <span class="most" aria-hidden="true">{number(lang, most)}</span>
                <svg role="img" aria-label=label viewBox=format!("0 0 {width:.0} {HEIGHT:.0}") preserveAspectRatio="none">
                    {columns}
                </svg>
                <div class="row between soft" aria-hidden="true"><small>{from}</small><small>{to}</small></div>
            </div>
            {legend}
            {table}
        </Sheet>
    }
    .into_any()
}

fn table(lang: Lang, title: &'static str, days: &[NaiveDate], series: &[Series]) -> impl IntoView + use<> {
    let head = series.iter().map(|one| view! { <th scope="col">{one.name.clone()}</th> }).collect_view();
    let rows = days
        .iter()
        .enumerate()
        .rev()
        .map(|(at, day)| {
            let cells = series
                .iter()
                .map(|one| match one.values[at] {
                    Some(value) => view! { <td>{number(lang, value)}</td> }.into_any(),
                    None => view! { <td class="soft">{text::not_counted(lang)}</td> }.into_any(),
                })
                .collect_view();
            view! { <tr><th scope="row">{long_date(lang, *day)}</th>{cells}</tr> }
        })
        .collect_view();
    view! {
        <details>
            <summary>{text::as_table(lang)}</summary>
            <div class="wide" tabindex="0" role="region" aria-label=title>
                <table class="plain">
                    <thead><tr><th scope="col">{text::day(lang)}</th>{head}</tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </details>
    }
}

/// Lengths in a plot are floating-point numbers: exact to 2^53.
#[expect(clippy::cast_precision_loss, reason = "a plot shows three digits of it")]
fn ratio(number: i64) -> f64 {
    number as f64
}
