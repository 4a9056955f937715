//! /admin/matrix: tiers, features and the limits between them.
//!
//! The tables are plain HTML; the island around them brings keys and pending edits. Without
//! JavaScript `?edit=feature` turns one row into inputs, and the same review follows as a page.

mod handlers;

use std::collections::BTreeMap;

use leptos::prelude::*;

use crate::{
    components::{Alert, Note, islands::MatrixEditor},
    domain::{
        ids::{ActivityId, FeatureId, TierId},
        lang::Lang,
        limit::{Cell, Limit, LimitKind},
        matrix::{Matrix, MatrixFeature, MatrixTier},
    },
    words,
};

pub use handlers::{commit, review, show, undo};

/// A row that is being edited without JavaScript.
#[derive(Debug, Clone)]
struct EditedRow {
    feature: FeatureId,
    /// What was typed, where it could not be read.
    typed: BTreeMap<TierId, String>,
    errors: BTreeMap<TierId, String>,
}

/// What the page shows.
#[derive(Debug, Clone)]
struct MatrixView {
    matrix: Matrix,
    /// The tier that is shown where there is no room for all.
    picked: Option<TierId>,
    edited: Option<EditedRow>,
    note: Option<String>,
    /// What can be taken back.
    undo: Option<ActivityId>,
    alert: Option<String>,
}

fn matrix_page(lang: Lang, view: MatrixView) -> impl IntoView {
    let MatrixView { matrix, picked, edited, note, undo, alert } = view;
    let picked = picked.or_else(|| matrix.tiers.first().map(|tier| tier.id.clone()));
    let mut categories: Vec<&str> = Vec::new();
    for feature in &matrix.features {
        if !categories.contains(&feature.category.as_str()) {
            categories.push(&feature.category);
        }
    }
    let grids = categories
        .iter()
        .map(|category| grid(lang, &matrix, category, picked.as_ref(), edited.as_ref()))
        .collect_view();
    let picks = matrix
        .tiers
        .iter()
        .map(|tier| {
            let is_picked = picked.as_ref() == Some(&tier.id);
            view! {
                <a
                    href=format!("/admin/matrix?tier={}", tier.id) data-pick=tier.id.to_string()
                    aria-current=is_picked.then_some("true")
                >
                    {tier.name.clone()}
                </a>
            }
        })
        .collect_view();
    view! {
        <div>
            <h1>{words::tiers_and_limits(lang)}</h1>
            <p class="soft">{words::matrix_intro(lang)}</p>
        </div>
        {note.map(|note| view! {
            <Note>
                <span>{note}</span>
                {undo.map(|change| view! {
                    <form method="post" action="/admin/matrix/undo">
                        <input type="hidden" name="change" value=change.to_string() />
                        <button class="btn quiet">{words::undo(lang)}</button>
                    </form>
                })}
            </Note>
        })}
        {alert.map(|alert| view! { <Alert>{alert}</Alert> })}
        // The inputs of an edited row belong to it from within the table.
        <form id="row" method="post" action="/admin/matrix/review" hidden></form>
        <MatrixEditor lang=lang>
            <nav class="picker" aria-label=words::tier(lang)>{picks}</nav>
            {matrix.features.is_empty().then(|| view! { <p class="sheet soft">{words::no_features(lang)}</p> })}
            {grids}
        </MatrixEditor>
    }
}

fn chosen(picked: Option<&TierId>, tier: &MatrixTier) -> &'static str {
    if picked == Some(&tier.id) { "chosen" } else { "" }
}

fn grid(
    lang: Lang,
    matrix: &Matrix,
    category: &str,
    picked: Option<&TierId>,
    edited: Option<&EditedRow>,
) -> impl IntoView + use<> {
    let name = words::category(lang, category);
    let heads = matrix
        .tiers
        .iter()
        .map(|tier| {
            let price = match tier.price_monthly_cents {
                Some(cents) => words::monthly_price(lang, cents),
                None if !tier.active => words::not_for_sale(lang).to_owned(),
                None => String::new(),
            };
            let members = words::members(lang, tier.members);
            let hint = if price.is_empty() { members } else { format!("{price} · {members}") };
            view! {
                <th scope="col" data-tier=tier.id.to_string() class=chosen(picked, tier)>
                    {tier.name.clone()}<small>{hint}</small>
                </th>
            }
        })
        .collect_view();
    let mut is_first = true;
    let rows = matrix
        .features
        .iter()
        .filter(|feature| feature.category == category)
        .map(|feature| {
            let edit = edited.filter(|edited| edited.feature == feature.id);
            let cells = matrix
                .tiers
                .iter()
                .map(|tier| match edit {
                    Some(edit) => edited_cell(lang, matrix, tier, feature, picked, edit).into_any(),
                    None => {
                        let is_tab_stop = std::mem::take(&mut is_first);
                        cell(lang, matrix, tier, feature, picked, is_tab_stop).into_any()
                    }
                })
                .collect_view();
            let action = match edit {
                Some(_) => view! {
                    <span class="row">
                        <input type="hidden" form="row" name="feature" value=feature.id.to_string() />
                        <button class="btn main" form="row">{words::review_action(lang)}</button>
                        <a href="/admin/matrix">{words::cancel(lang)}</a>
                    </span>
                }
                .into_any(),
                None => view! {
                    <a
                        class="edit" href=format!("/admin/matrix?edit={0}#{0}", feature.id)
                        aria-label=format!("{}: {}", words::edit(lang), feature.name(lang))
                    >
                        {words::edit(lang)}
                    </a>
                }
                .into_any(),
            };
            let hint = words::feature_hint(lang, feature.kind, feature.reset_period);
            view! {
                <tr id=feature.id.to_string()>
                    <th scope="row">
                        <div>
                            <span class="name">{feature.name(lang).to_owned()}</span>
                            <small>
                                {feature.id.to_string()}
                                {hint.map(|hint| format!(" · {hint}"))}
                                {(!feature.active).then(|| format!(" · {}", words::inactive(lang)))}
                            </small>
                            {action}
                        </div>
                    </th>
                    {cells}
                </tr>
            }
        })
        .collect_view();
    let label = name.clone();
    view! {
        <section class="category">
            <h2>{name}</h2>
            <div class="gridwrap">
                <table class="grid" role="grid" aria-label=label>
                    <thead><tr><th scope="col">{words::feature(lang)}</th>{heads}</tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
}

fn cell(
    lang: Lang,
    matrix: &Matrix,
    tier: &MatrixTier,
    feature: &MatrixFeature,
    picked: Option<&TierId>,
    is_tab_stop: bool,
) -> impl IntoView + use<> {
    let (cell, version) = matrix.cell(&tier.id, &feature.id);
    let class = [
        chosen(picked, tier),
        if cell == Cell::Inherited { "inh" } else { "" },
        if cell == Cell::Own(Limit::OFF) { "off" } else { "" },
    ];
    let class: Vec<&str> = class.into_iter().filter(|class| !class.is_empty()).collect();
    view! {
        <td
            role="gridcell" class=class.join(" ") tabindex=if is_tab_stop { "0" } else { "-1" }
            data-tier=tier.id.to_string() data-feature=feature.id.to_string()
            data-kind=kind_word(feature.kind) data-input=cell.to_input(feature.kind)
            data-default=Cell::Own(feature.default_limit).to_input(LimitKind::Quota)
            data-version=version.to_string()
            data-label=format!("{}, {}", feature.name(lang), tier.name)
        >
            {words::cell(lang, cell, feature.kind, feature.default_limit)}
        </td>
    }
}

fn kind_word(kind: LimitKind) -> &'static str {
    match kind {
        LimitKind::Count => "count",
        LimitKind::Boolean => "boolean",
        LimitKind::Quota => "quota",
    }
}

fn edited_cell(
    lang: Lang,
    matrix: &Matrix,
    tier: &MatrixTier,
    feature: &MatrixFeature,
    picked: Option<&TierId>,
    edit: &EditedRow,
) -> impl IntoView + use<> {
    let (cell, version) = matrix.cell(&tier.id, &feature.id);
    let typed = edit.typed.get(&tier.id).cloned().unwrap_or_else(|| cell.to_input(feature.kind));
    let error = edit.errors.get(&tier.id).cloned();
    let error_id = format!("error-{}", tier.id);
    view! {
        <td role="gridcell" class=format!("editing {}", chosen(picked, tier))>
            <input
                class="cell-input" form="row" name=format!("limit.{}", tier.id) value=typed autocomplete="off"
                placeholder=words::cell(lang, Cell::Inherited, feature.kind, feature.default_limit)
                aria-label=format!("{}, {}", feature.name(lang), tier.name)
                aria-invalid=error.is_some().then_some("true")
                aria-describedby=error.is_some().then(|| error_id.clone())
            />
            <input type="hidden" form="row" name=format!("version.{}", tier.id) value=version.to_string() />
            {error.map(|error| view! { <p class="err" id=error_id>{error}</p> })}
        </td>
    }
}
