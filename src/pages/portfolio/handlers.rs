//! What the forms of the portfolio do.

use axum::{
    extract::{Form, Multipart, Path, Query, State, multipart::MultipartError},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{
    domain::{
        analysis::read_question,
        lang::Lang,
        portfolio::{MOST_POSITIONS, Portfolio, PortfolioError, TypedPosition, read_positions},
    },
    pages::{
        frame::{self, Frame, Section, Width},
        portfolio::{
            AnalysisAccess, AnalysisForm, ConflictShown, EMPTY_ROWS, MORE_ROWS, PositionsForm, Row, Said, Shown,
            VersionShown, conflict_page, portfolio_page, version_page,
        },
    },
    platform::caller::{Member, Site, failed},
    services::{
        access,
        analysis::{self, AnalysisError},
        catalogue,
        portfolios::{self, PortfolioView, SaveError},
    },
    words,
};

/// The most bytes of a form with a file. Five hundred positions have less than a tenth of it.
pub const FILE_LIMIT: usize = 1024 * 1024;
/// The most fields of such a form: four for each row, and the others.
const MOST_FIELDS: usize = 2_200;

/// What a link to the portfolio may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    said: String,
}

/// `GET /portfolio`
pub async fn show(State(site): State<Site>, member: Member, Query(link): Query<Link>) -> Response {
    let lang = member.visit.origin.lang;
    let view = match portfolios::view(&site.env, member.identity.user.id).await {
        Ok(view) => view,
        Err(error) => return failed(&error),
    };
    let current = view.current.as_ref();
    let plain = |text: &str| Some(Said { text: text.to_owned(), undo: None });
    let said = match link.said.as_str() {
        "saved" => plain(words::portfolio_saved(lang)),
        "unchanged" => plain(words::is_current_version(lang)),
        "undone" => plain(words::restore_undone(lang)),
        // Whatever the link says, only what was just restored can be undone.
        "restored" => current.and_then(|current| {
            let text = words::version_restored(lang, current.restored_from?);
            Some(Said { text, undo: Some(current.version - 1) })
        }),
        _ => None,
    };
    let form = PositionsForm::of(&view, lang);
    respond(&site, &member, StatusCode::OK, Page { said, ..Page::new(view, form) }).await
}

/// What differs from answer to answer.
struct Page {
    view: PortfolioView,
    form: PositionsForm,
    said: Option<Said>,
    question: String,
    question_error: Option<&'static str>,
    analysis_alert: Option<&'static str>,
}

impl Page {
    fn new(view: PortfolioView, form: PositionsForm) -> Self {
        Self { view, form, said: None, question: String::new(), question_error: None, analysis_alert: None }
    }
}

async fn respond(site: &Site, member: &Member, status: StatusCode, page: Page) -> Response {
    let lang = member.visit.origin.lang;
    let access = match analysis_access(site, member).await {
        Ok(access) => access,
        Err(response) => return response,
    };
    let analysis = AnalysisForm {
        access,
        question: page.question,
        question_error: page.question_error,
        alert: page.analysis_alert,
    };
    let shown = Shown { view: page.view, form: page.form, analysis, said: page.said };
    let frame = frame(words::portfolio(lang));
    frame::render(site, &member.visit, status, frame, move || portfolio_page(lang, shown.clone())).await
}

fn frame(title: &'static str) -> Frame {
    Frame { title, address: "/portfolio", width: Width::Narrow, section: Some(Section::Portfolio), islands: false }
}

async fn analysis_access(site: &Site, member: &Member) -> Result<AnalysisAccess, Response> {
    let lang = member.visit.origin.lang;
    let user = &member.identity.user;
    let is_paid = access::paid_status(&site.env, user).await.map_err(|error| failed(&error))?.active;
    if is_paid
        && let Some(decision) = analysis::calls_left(&site.env, user.id).await.map_err(|error| failed(&error))?
        && decision.limit != Some(0)
    {
        return Ok(AnalysisAccess::Calls(decision));
    }
    let why = if is_paid { words::analysis_not_in_tier(lang) } else { words::analysis_is_paid(lang) };
    let offers = analysis::offers(&site.env).await.map_err(|error| failed(&error))?;
    let catalogue = catalogue::current(&site.env).await.map_err(|error| failed(&error))?;
    let reward_days = catalogue.settings.referral_credit_days;
    Ok(AnalysisAccess::Offered { why, offers, reward_days })
}

/// The fields of the form, in their order: a row begins at each symbol.
#[derive(Debug, Default)]
struct Fields {
    base: i64,
    rows: Vec<TypedPosition>,
    wants_more_rows: bool,
    pasted: String,
    file: String,
    replaces: bool,
}

impl Fields {
    fn add(&mut self, name: &str, value: String) {
        match name {
            // What is no number is no version: then it is a conflict.
            "base" => self.base = value.trim().parse().unwrap_or(-1),
            "symbol" => self.rows.push(TypedPosition { symbol: value, ..TypedPosition::default() }),
            "quantity" | "cost_basis" | "price" => {
                let Some(row) = self.rows.last_mut() else { return };
                match name {
                    "quantity" => row.quantity = value,
                    "cost_basis" => row.cost_basis = value,
                    _ => row.price = value,
                }
            }
            "do" => self.wants_more_rows = value == "more",
            "pasted" => self.pasted = value,
            "replace" => self.replaces = true,
            _ => {}
        }
    }

    /// Returns the rows in which something was typed.
    fn typed_rows(self) -> Vec<TypedPosition> {
        self.rows.into_iter().filter(|row| !row.is_empty()).collect()
    }
}

/// `POST /portfolio`
pub async fn save(State(site): State<Site>, member: Member, Form(fields): Form<Vec<(String, String)>>) -> Response {
    let lang = member.visit.origin.lang;
    let mut form = Fields::default();
    fields.into_iter().for_each(|(name, value)| form.add(&name, value));
    let (base, wants_more_rows) = (form.base, form.wants_more_rows);
    let rows = form.typed_rows();
    if wants_more_rows {
        let rows = rows.into_iter().map(|typed| Row { typed, error: None }).collect();
        let form = PositionsForm { base, rows, empty_rows: MORE_ROWS, ..PositionsForm::default() };
        return again(&site, &member, StatusCode::OK, form).await;
    }
    let portfolio = match read_rows(&rows, lang) {
        Ok(portfolio) => portfolio,
        Err((rows, alert)) => {
            let form =
                PositionsForm { base, rows, empty_rows: EMPTY_ROWS, alert: Some(alert), ..PositionsForm::default() };
            return again(&site, &member, StatusCode::UNPROCESSABLE_ENTITY, form).await;
        }
    };
    match portfolios::save(&site.env, member.identity.user.id, base, portfolio.clone()).await {
        Ok(_) => Redirect::to("/portfolio?said=saved").into_response(),
        Err(SaveError::Store(error)) => failed(&error),
        Err(SaveError::Conflict(None) | SaveError::NoSuchVersion) => {
            // Nothing is saved there at all: then there is nothing to lose either.
            match portfolios::save(&site.env, member.identity.user.id, 0, portfolio).await {
                Ok(_) => Redirect::to("/portfolio?said=saved").into_response(),
                Err(_) => Redirect::to("/portfolio").into_response(),
            }
        }
        Err(SaveError::Conflict(Some(current))) => {
            let shown = ConflictShown {
                mine: portfolio,
                base: current.version,
                saved_at: words::long_time(lang, current.created_at),
                theirs: current.portfolio,
            };
            let frame = frame(words::portfolio_conflict(lang));
            let page = move || conflict_page(lang, shown.clone());
            frame::render(&site, &member.visit, StatusCode::CONFLICT, frame, page).await
        }
    }
}

/// Reads rows. Fails with the rows as they were typed, and what is to be said above them.
fn read_rows(rows: &[TypedPosition], lang: Lang) -> Result<Portfolio, (Vec<Row>, String)> {
    let read: Vec<_> = rows.iter().map(|typed| typed.read(lang.into())).collect();
    let as_typed = |alert: String| {
        let rows = rows.iter().zip(&read);
        let rows = rows.map(|(typed, read)| Row { typed: typed.clone(), error: read.as_ref().err().copied() });
        (rows.collect(), alert)
    };
    let positions: Vec<_> = read.iter().filter_map(|read| read.as_ref().ok().cloned()).collect();
    if rows.len() > MOST_POSITIONS {
        return Err(as_typed(words::portfolio_error(lang, &PortfolioError::TooMany)));
    }
    if positions.len() < rows.len() {
        return Err(as_typed(words::check_the_rows(lang).to_owned()));
    }
    Portfolio::new(positions).map_err(|error| as_typed(words::portfolio_error(lang, &error)))
}

/// Shows the page again, with the form as it is.
async fn again(site: &Site, member: &Member, status: StatusCode, form: PositionsForm) -> Response {
    match portfolios::view(&site.env, member.identity.user.id).await {
        Ok(view) => respond(site, member, status, Page::new(view, form)).await,
        Err(error) => failed(&error),
    }
}

/// `POST /portfolio/import`: makes rows of lines and of a file. Nothing is saved.
pub async fn import(State(site): State<Site>, member: Member, multipart: Multipart) -> Response {
    let lang = member.visit.origin.lang;
    let fields = match read_multipart(multipart).await {
        Ok(fields) => fields,
        Err(error) => return error.status().into_response(),
    };
    let Fields { base, replaces, .. } = fields;
    let texts = [fields.file.clone(), fields.pasted.clone()];
    let mut rows = if replaces { Vec::new() } else { fields.typed_rows() };
    let (mut read, mut bad, mut corrected) = (0, Vec::new(), String::new());
    for text in texts {
        let pasted = read_positions(&text, lang);
        read += pasted.positions.len();
        rows.extend(pasted.positions.iter().map(|position| TypedPosition::of(position, lang)));
        if !pasted.bad.is_empty() {
            // What could not be read stands in the field again, to be corrected.
            let lines = pasted.head.into_iter().chain(pasted.bad.iter().map(|bad| bad.text.clone()));
            corrected.extend(lines.flat_map(|line| [line, "\n".to_owned()]));
            bad.extend(pasted.bad);
        }
    }
    let (status, note, alert) = match (read, bad.len()) {
        (0, 0) => (StatusCode::UNPROCESSABLE_ENTITY, None, Some(words::nothing_read(lang).to_owned())),
        (_, 0) => {
            let said = format!("{} {}", words::read_in_result(lang, read, 0), words::nothing_saved_yet(lang));
            (StatusCode::OK, Some(said), None)
        }
        (_, lines) => {
            let said = format!("{} {}", words::read_in_result(lang, read, lines), words::nothing_saved_yet(lang));
            (StatusCode::UNPROCESSABLE_ENTITY, None, Some(said))
        }
    };
    let form = PositionsForm {
        base,
        rows: rows.into_iter().map(|typed| Row { typed, error: None }).collect(),
        empty_rows: EMPTY_ROWS,
        alert,
        note,
        is_import_open: status != StatusCode::OK,
        bad,
        pasted: corrected,
    };
    again(&site, &member, status, form).await
}

/// Why a form with a file is not read.
enum Unread {
    Broken(MultipartError),
    TooMuch,
}

impl Unread {
    fn status(&self) -> StatusCode {
        match self {
            Self::Broken(error) => error.status(),
            Self::TooMuch => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}

async fn read_multipart(mut multipart: Multipart) -> Result<Fields, Unread> {
    let mut fields = Fields::default();
    let mut count = 0;
    while let Some(field) = multipart.next_field().await.map_err(Unread::Broken)? {
        count += 1;
        if count > MOST_FIELDS {
            return Err(Unread::TooMuch);
        }
        let name = field.name().unwrap_or_default().to_owned();
        let bytes = field.bytes().await.map_err(Unread::Broken)?;
        let text = match String::from_utf8(bytes.into()) {
            Ok(text) => text,
            // An old table: Latin-1, as spreadsheets in the West wrote it.
            Err(error) => error.into_bytes().into_iter().map(char::from).collect(),
        };
        if name == "file" { fields.file = text } else { fields.add(&name, text) }
    }
    Ok(fields)
}

/// `GET /portfolio/versions/{number}`
pub async fn show_version(State(site): State<Site>, member: Member, Path(number): Path<String>) -> Response {
    let Ok(number) = number.parse::<i64>() else { return StatusCode::NOT_FOUND.into_response() };
    version_response(&site, &member, StatusCode::OK, number, None).await
}

async fn version_response(
    site: &Site,
    member: &Member,
    status: StatusCode,
    number: i64,
    alert: Option<&'static str>,
) -> Response {
    let lang = member.visit.origin.lang;
    let user = member.identity.user.id;
    let found = match portfolios::find(&site.env, user, number).await {
        Ok(found) => found,
        Err(error) => return failed(&error),
    };
    let Some(saved) = found else { return StatusCode::NOT_FOUND.into_response() };
    let base = match portfolios::version(&site.env, user).await {
        Ok(base) => base,
        Err(error) => return failed(&error),
    };
    let shown = VersionShown {
        number,
        saved_at: words::long_time(lang, saved.created_at),
        portfolio: saved.portfolio,
        base,
        alert,
    };
    let frame = frame(words::versions(lang));
    frame::render(site, &member.visit, status, frame, move || version_page(lang, shown.clone())).await
}

/// What the forms that restore send.
#[derive(Debug, Deserialize)]
pub struct RestoreForm {
    #[serde(default)]
    version: String,
    #[serde(default)]
    base: String,
    #[serde(default)]
    undo: String,
}

/// `POST /portfolio/restore`
pub async fn restore(State(site): State<Site>, member: Member, Form(form): Form<RestoreForm>) -> Response {
    let lang = member.visit.origin.lang;
    let (Ok(version), Ok(base)) = (form.version.parse::<i64>(), form.base.parse::<i64>()) else {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    };
    match portfolios::restore(&site.env, member.identity.user.id, base, version).await {
        Ok(number) if number == base => Redirect::to("/portfolio?said=unchanged").into_response(),
        Ok(_) if form.undo.is_empty() => Redirect::to("/portfolio?said=restored").into_response(),
        Ok(_) => Redirect::to("/portfolio?said=undone").into_response(),
        Err(SaveError::Conflict(_)) => {
            let alert = Some(words::changed_meanwhile(lang));
            version_response(&site, &member, StatusCode::CONFLICT, version, alert).await
        }
        Err(SaveError::NoSuchVersion) => match portfolios::view(&site.env, member.identity.user.id).await {
            Ok(view) => {
                let alert = Some(words::no_such_version(lang).to_owned());
                let form = PositionsForm { alert, ..PositionsForm::of(&view, lang) };
                respond(&site, &member, StatusCode::NOT_FOUND, Page::new(view, form)).await
            }
            Err(error) => failed(&error),
        },
        Err(SaveError::Store(error)) => failed(&error),
    }
}

/// What the form of the analysis sends.
#[derive(Debug, Deserialize)]
pub struct AnalyzeForm {
    #[serde(default)]
    question: String,
}

/// `POST /portfolio/analyze`
pub async fn analyze(State(site): State<Site>, member: Member, Form(form): Form<AnalyzeForm>) -> Response {
    let lang = member.visit.origin.lang;
    let user = &member.identity.user;
    let question = match read_question(&form.question) {
        Ok(question) => question,
        Err(_) => {
            let error = words::question_too_long(lang);
            let refusal = (StatusCode::UNPROCESSABLE_ENTITY, Some(error), None);
            return not_analyzed(&site, &member, form.question, refusal).await;
        }
    };
    match access::paid_status(&site.env, user).await {
        Ok(status) if status.active => {}
        Ok(_) => return not_analyzed(&site, &member, form.question, (StatusCode::PAYMENT_REQUIRED, None, None)).await,
        Err(error) => return failed(&error),
    }
    let error = match analysis::analyze_saved(&site.env, user.id, question, lang).await {
        Ok(()) => return Redirect::to("/portfolio#analysis").into_response(),
        Err(error) => error,
    };
    let (status, alert) = match error {
        AnalysisError::Store(error) => return failed(&error),
        AnalysisError::NothingToAnalyze => (StatusCode::UNPROCESSABLE_ENTITY, Some(words::nothing_to_analyze(lang))),
        // The page says by itself that there are none left.
        AnalysisError::Refused(_) => (StatusCode::PAYMENT_REQUIRED, None),
        AnalysisError::Model(error) => {
            tracing::warn!(%error, "an analysis failed");
            let status = if error.is_timeout() { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
            (status, Some(words::analysis_failed(lang)))
        }
        error @ (AnalysisError::Usage(_) | AnalysisError::Stopping) => {
            tracing::error!(%error, "an analysis failed");
            (StatusCode::SERVICE_UNAVAILABLE, Some(words::analysis_failed(lang)))
        }
    };
    not_analyzed(&site, &member, form.question, (status, None, alert)).await
}

/// Shows the page again, with the question as it was typed, and what is wrong with it or with the
/// whole.
async fn not_analyzed(
    site: &Site,
    member: &Member,
    question: String,
    (status, question_error, analysis_alert): (StatusCode, Option<&'static str>, Option<&'static str>),
) -> Response {
    match portfolios::view(&site.env, member.identity.user.id).await {
        Ok(view) => {
            let form = PositionsForm::of(&view, member.visit.origin.lang);
            let question = question.chars().take(1_000).collect();
            let page = Page { view, form, said: None, question, question_error, analysis_alert };
            respond(site, member, status, page).await
        }
        Err(error) => failed(&error),
    }
}
