//! What the forms of the matrix do.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use axum::{
    extract::{Form, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{Complaint, ConflictForm, ReviewForm},
    domain::{
        ids::{ActivityId, FeatureId, TierId},
        limit::Cell,
        matrix::{CellChange, CellConflict, ChangeError, Matrix},
    },
    pages::{
        frame::{self, Frame, Section, Width},
        matrix::{EditedRow, MatrixView, matrix_page, page_of},
    },
    platform::caller::{Admin, Site, failed},
    services::matrix::{self, CommitError},
    words,
};

/// What a link to the matrix may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    edit: String,
    #[serde(default)]
    tier: String,
    #[serde(default)]
    saved: String,
    #[serde(default)]
    page: String,
}

fn frame(title: &'static str, width: Width, islands: bool) -> Frame {
    Frame { title, address: "/admin/matrix", width, section: Some(Section::Matrix), islands }
}

/// `GET /admin/matrix`
pub async fn show(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let lang = admin.visit.origin.lang;
    let matrix = match matrix::read(&site.env).await {
        Ok(matrix) => matrix,
        Err(error) => return failed(&error),
    };
    let feature = link.edit.parse::<FeatureId>().ok().filter(|id| matrix.feature(id).is_some());
    let edited = feature.map(|feature| EditedRow { feature, typed: BTreeMap::new(), errors: BTreeMap::new() });
    let picked = link.tier.parse::<TierId>().ok().filter(|id| matrix.tier(id).is_some());
    let (mut note, mut undo) = (None, None);
    let mut page = link.page.parse().unwrap_or(1);
    if let Ok(change) = link.saved.parse::<ActivityId>() {
        match matrix::recorded(&site.env, change).await {
            Ok(Some(recorded)) => {
                if recorded.undoes.is_some() {
                    note = Some(words::undone(lang).to_owned());
                } else {
                    note = Some(words::changes_saved(lang, recorded.changes.len()));
                    undo = Some(change);
                }
                page = recorded.changes.first().map_or(page, |first| page_of(&matrix, &first.feature));
            }
            Ok(None) => {}
            Err(error) => return failed(&error),
        }
    }
    let view = MatrixView { matrix, picked, page, edited, note, undo, alert: None };
    matrix_response(&site, &admin, StatusCode::OK, view).await
}

async fn matrix_response(site: &Site, admin: &Admin, status: StatusCode, view: MatrixView) -> Response {
    let lang = admin.visit.origin.lang;
    let frame = frame(words::tiers_and_limits(lang), Width::Wide, true);
    let view = Arc::new(view);
    frame::render(site, &admin.visit, status, frame, move || matrix_page(lang, &view)).await
}

/// Shows the matrix again, with what stands in the way.
async fn matrix_with_alert(site: &Site, admin: &Admin, status: StatusCode, alert: String) -> Response {
    match matrix::read(&site.env).await {
        Ok(matrix) => {
            let view =
                MatrixView { matrix, picked: None, page: 1, edited: None, note: None, undo: None, alert: Some(alert) };
            matrix_response(site, admin, status, view).await
        }
        Err(error) => failed(&error),
    }
}

/// The fields of a form, by name.
type Fields = HashMap<String, String>;

/// `POST /admin/matrix/review`: from an edited row, or from conflicts that were decided.
pub async fn review(State(site): State<Site>, admin: Admin, Form(fields): Form<Fields>) -> Response {
    let changes = if fields.contains_key("changes") {
        match decided_changes(&fields) {
            Some(changes) => changes,
            None => return StatusCode::UNPROCESSABLE_ENTITY.into_response(),
        }
    } else {
        let matrix = match matrix::read(&site.env).await {
            Ok(matrix) => matrix,
            Err(error) => return failed(&error),
        };
        match row_changes(&matrix, &fields, &admin) {
            Ok(changes) => changes,
            Err(None) => return StatusCode::UNPROCESSABLE_ENTITY.into_response(),
            Err(Some(edited)) => {
                let edited = Some(edited);
                let view = MatrixView { matrix, picked: None, page: 1, edited, note: None, undo: None, alert: None };
                return matrix_response(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, view).await;
            }
        }
    };
    if changes.is_empty() {
        return Redirect::to("/admin/matrix").into_response();
    }
    show_review(&site, &admin, StatusCode::OK, changes, Complaint::default()).await
}

async fn show_review(
    site: &Site,
    admin: &Admin,
    status: StatusCode,
    changes: Vec<CellChange>,
    complaint: Complaint,
) -> Response {
    let lang = admin.visit.origin.lang;
    match matrix::preview(&site.env, &changes).await {
        Ok(review) => {
            let frame = frame(words::review_title(lang), Width::Narrow, false);
            let page = move || {
                let (review, changes, complaint) = (review.clone(), changes.clone(), complaint.clone());
                view! { <div class="sheet"><ReviewForm review changes complaint lang /></div> }
            };
            frame::render(site, &admin.visit, status, frame, page).await
        }
        Err(error) => refused(site, admin, error, changes).await,
    }
}

/// `POST /admin/matrix/commit`
pub async fn commit(State(site): State<Site>, admin: Admin, Form(fields): Form<Fields>) -> Response {
    let Some(changes) = fields.get("changes").and_then(|text| serde_json::from_str::<Vec<CellChange>>(text).ok())
    else {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    };
    let reason = fields.get("reason").map(String::as_str).unwrap_or_default();
    match matrix::commit(&site.env, &admin.identity.user.label(), &changes, reason).await {
        Ok(committed) => Redirect::to(&format!("/admin/matrix?saved={}", committed.activity)).into_response(),
        Err(CommitError::Change(error @ (ChangeError::ReasonMissing | ChangeError::BadReason))) => {
            let complaint = Complaint {
                reason: reason.chars().take(600).collect(),
                reason_error: Some(words::change_error(admin.visit.origin.lang, &error)),
            };
            show_review(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, changes, complaint).await
        }
        Err(error) => refused(&site, &admin, error, changes).await,
    }
}

/// What the undo form sends.
#[derive(Debug, Deserialize)]
pub struct UndoForm {
    #[serde(default)]
    change: String,
}

/// `POST /admin/matrix/undo`
pub async fn undo(State(site): State<Site>, admin: Admin, Form(form): Form<UndoForm>) -> Response {
    let lang = admin.visit.origin.lang;
    let gone = words::no_such_change(lang).to_owned();
    let Ok(change) = form.change.parse::<ActivityId>() else {
        return matrix_with_alert(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, gone).await;
    };
    match matrix::undo(&site.env, &admin.identity.user.label(), change).await {
        Ok(committed) => Redirect::to(&format!("/admin/matrix?saved={}", committed.activity)).into_response(),
        Err(error @ CommitError::Conflicts(_)) => match matrix::recorded(&site.env, change).await {
            Ok(recorded) => {
                refused(&site, &admin, error, recorded.map(|set| set.taken_back()).unwrap_or_default()).await
            }
            Err(error) => failed(&error),
        },
        Err(error) => refused(&site, &admin, error, Vec::new()).await,
    }
}

/// Answers a set of changes that was not made.
async fn refused(site: &Site, admin: &Admin, error: CommitError, changes: Vec<CellChange>) -> Response {
    let lang = admin.visit.origin.lang;
    match error {
        CommitError::Conflicts(conflicts) => {
            let frame = frame(words::conflict_title(lang), Width::Narrow, false);
            let page = move || {
                let (conflicts, changes) = (conflicts.clone(), changes.clone());
                view! { <div class="sheet"><ConflictForm conflicts changes lang /></div> }
            };
            frame::render(site, &admin.visit, StatusCode::CONFLICT, frame, page).await
        }
        CommitError::Change(error) => {
            let alert = words::change_error(lang, &error);
            matrix_with_alert(site, admin, StatusCode::UNPROCESSABLE_ENTITY, alert).await
        }
        CommitError::NoSuchChange => {
            matrix_with_alert(site, admin, StatusCode::NOT_FOUND, words::no_such_change(lang).to_owned()).await
        }
        CommitError::Store(error) => failed(&error),
    }
}

/// Reads one edited row. Fails with the row as it was typed when a cell cannot be read, and with
/// nothing when the form is none of ours.
fn row_changes(matrix: &Matrix, fields: &Fields, admin: &Admin) -> Result<Vec<CellChange>, Option<EditedRow>> {
    let id = fields.get("feature").and_then(|id| id.parse::<FeatureId>().ok()).ok_or(None)?;
    let feature = matrix.feature(&id).ok_or(None)?;
    let mut edited = EditedRow { feature: id.clone(), typed: BTreeMap::new(), errors: BTreeMap::new() };
    let mut changes = Vec::new();
    for tier in &matrix.tiers {
        let Some(text) = fields.get(&format!("limit.{}", tier.id)) else { continue };
        let version = fields.get(&format!("version.{}", tier.id)).and_then(|version| version.parse().ok());
        let version = version.ok_or(None)?;
        edited.typed.insert(tier.id.clone(), text.chars().take(100).collect());
        match Cell::parse(text, feature.kind) {
            Ok(limit) if limit == matrix.cell(&tier.id, &id).0 => {}
            Ok(limit) => changes.push(CellChange { tier: tier.id.clone(), feature: id.clone(), limit, version }),
            Err(error) => {
                let error = words::cell_error(admin.visit.origin.lang, error).to_owned();
                edited.errors.insert(tier.id.clone(), error);
            }
        }
    }
    if edited.errors.is_empty() { Ok(changes) } else { Err(Some(edited)) }
}

/// Reads changes with what was decided about their conflicts: `mine` takes the version that is
/// there now, everything else leaves the cell alone.
fn decided_changes(fields: &Fields) -> Option<Vec<CellChange>> {
    let mut changes: Vec<CellChange> = serde_json::from_str(fields.get("changes")?).ok()?;
    let conflicts: Vec<CellConflict> = match fields.get("conflicts") {
        Some(text) => serde_json::from_str(text).ok()?,
        None => Vec::new(),
    };
    for (at, conflict) in conflicts.iter().enumerate() {
        let is_mine = fields.get(&format!("choice.{at}")).is_some_and(|choice| choice == "mine");
        let is_it = |change: &CellChange| change.tier == conflict.tier && change.feature == conflict.feature;
        if is_mine {
            changes.iter_mut().filter(|change| is_it(change)).for_each(|change| change.version = conflict.version);
        } else {
            changes.retain(|change| !is_it(change));
        }
    }
    Some(changes)
}
