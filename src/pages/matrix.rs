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

/// The most cells on one page: more than a browser would rather not show, and than anybody would
/// look through. A larger matrix is turned like a book.
const MOST_CELLS: usize = 5_000;

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
    /// Which of its pages, from 1.
    page: usize,
    edited: Option<EditedRow>,
    note: Option<String>,
    /// What can be taken back.
    undo: Option<ActivityId>,
    alert: Option<String>,
}

/// Returns the rows by category, in pages of whole rows.
fn pages(matrix: &Matrix) -> Vec<Vec<&MatrixFeature>> {
    let mut categories: Vec<&str> = Vec::new();
    for feature in &matrix.features {
        if !categories.contains(&feature.category.as_str()) {
            categories.push(&feature.category);
        }
    }
    let mut rows: Vec<&MatrixFeature> = matrix.features.iter().collect();
    rows.sort_by_cached_key(|feature| categories.iter().position(|category| *category == feature.category));
    let rows_of_a_page = (MOST_CELLS / matrix.tiers.len().max(1)).max(1);
    rows.chunks(rows_of_a_page).map(<[_]>::to_vec).collect()
}

/// Returns the number of the page, from 1, on which a feature stands.
fn page_of(matrix: &Matrix, feature: &FeatureId) -> usize {
    pages(matrix).iter().position(|rows| rows.iter().any(|row| row.id == *feature)).map_or(1, |at| at + 1)
}

/// The links to the pages, each with what it begins and ends with. One page needs none.
fn turns(lang: Lang, pages: &[Vec<&MatrixFeature>], current: usize) -> Option<impl IntoView + use<>> {
    let links = pages
        .iter()
        .enumerate()
        .filter_map(|(at, rows)| {
            let (first, last) = (rows.first()?, rows.last()?);
            let category = |feature: &MatrixFeature| words::category(lang, &feature.category);
            let end = if first.category == last.category {
                last.name(lang).to_owned()
            } else {
                format!("{}: {}", category(last), last.name(lang))
            };
            let text = format!("{}: {} – {end}", category(first), first.name(lang));
            Some(view! {
                <a href=format!("/admin/matrix?page={}", at + 1) aria-current=(at == current).then_some("page")>{text}</a>
            })
        })
        .collect_view();
    (pages.len() > 1).then(|| view! { <nav class="row turns" aria-label=words::pages(lang)>{links}</nav> })
}

fn matrix_page(lang: Lang, view: &MatrixView) -> impl IntoView + use<> {
    let MatrixView { matrix, picked, page, edited, note, undo, alert } = view;
    let (note, undo, alert) = (note.clone(), *undo, alert.clone());
    let picked = picked.as_ref().or_else(|| matrix.tiers.first().map(|tier| &tier.id));
    let pages = pages(matrix);
    let page = edited.as_ref().map_or(*page, |edited| page_of(matrix, &edited.feature)).clamp(1, pages.len().max(1));
    let rows = pages.get(page - 1).map_or(&[][..], Vec::as_slice);
    let grids = rows
        .chunk_by(|one, next| one.category == next.category)
        .map(|rows| grid(lang, matrix, rows, picked, edited.as_ref()))
        .collect_view();
    let turns = turns(lang, &pages, page - 1);
    let picks = matrix
        .tiers
        .iter()
        .map(|tier| {
            let is_picked = picked == Some(&tier.id);
            let page = if page == 1 { String::new() } else { format!("&page={page}") };
            view! {
                <a
                    href=format!("/admin/matrix?tier={}{page}", tier.id) data-pick=tier.id.to_string()
                    aria-current=is_picked.then_some("true")
                >
                    {tier.name.clone()}
                </a>
            }
        })
        .collect_view();
    let is_empty = matrix.features.is_empty();
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
            {turns}
            {is_empty.then(|| view! { <p class="sheet soft">{words::no_features(lang)}</p> })}
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
    rows: &[&MatrixFeature],
    picked: Option<&TierId>,
    edited: Option<&EditedRow>,
) -> impl IntoView + use<> {
    let name = rows.first().map(|feature| words::category(lang, &feature.category)).unwrap_or_default();
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
    let rows = rows
        .iter()
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
            data-kind=feature.kind.as_str() data-input=cell.to_input(feature.kind)
            data-default=Cell::Own(feature.default_limit).to_input(LimitKind::Quota)
            data-version=version.to_string()
            data-label=format!("{}, {}", feature.name(lang), tier.name)
        >
            {words::cell(lang, cell, feature.kind, feature.default_limit)}
        </td>
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::period::ResetPeriod;

    fn matrix(tiers: usize, features: usize) -> Matrix {
        let tier = |number| MatrixTier {
            id: format!("tier_{number}").parse().expect("a name"),
            name: format!("Tier {number}"),
            price_monthly_cents: None,
            active: true,
            members: 0,
        };
        let feature = |number| MatrixFeature {
            id: format!("feature_{number}").parse().expect("a name"),
            name_en: format!("Feature {number}"),
            name_de: format!("Funktion {number}"),
            category: format!("group {}", number % 3),
            kind: LimitKind::Count,
            reset_period: ResetPeriod::Never,
            default_limit: Limit::OFF,
            active: true,
        };
        Matrix {
            version: 1,
            tiers: (0..tiers).map(tier).collect(),
            features: (0..features).map(feature).collect(),
            limits: Vec::new(),
        }
    }

    #[test]
    fn a_large_matrix_is_turned_like_a_book() {
        let large = matrix(50, 1_000);
        let pages = pages(&large);
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [100; 10]);
        for (at, rows) in pages.iter().enumerate() {
            for row in rows {
                assert_eq!(page_of(&large, &row.id), at + 1);
            }
        }
        let order: Vec<_> = pages.concat();
        assert!(order.is_sorted_by_key(|row| &row.category));
        assert_eq!((order[0].id.as_str(), order[1].id.as_str()), ("feature_0", "feature_3"));
        assert_eq!(super::pages(&matrix(20, 250)).len(), 1);
        assert_eq!(super::pages(&matrix(MOST_CELLS + 1, 2)).len(), 2, "a row is never cut");
        assert!(super::pages(&matrix(0, 0)).is_empty());
    }
}
