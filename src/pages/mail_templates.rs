//! /admin/mails/templates: how letters are worded. The preview is a frame that a button of the form
//! fills, so that it shows what is typed without any script; an island presses it for whoever types.

use std::sync::Arc;

use axum::{
    extract::{Form, Path, Query, State},
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{Alert, Confirm, Crumb, Field, Note, TextArea, TextField, described_by, islands::LivePreview},
    domain::{
        email::EmailAddress,
        lang::Lang,
        letter::LetterName,
        mail_template::{MailTemplate, Part, Wording, WordingProblem},
    },
    pages::{
        frame::{self, Frame},
        mails::{LONGEST_TYPED, Tab, frame as mails_frame, head},
    },
    platform::caller::{Admin, Site, failed},
    services::mail_templates::{self, Sent, TemplateError, TestError},
    words::{email_error, mails as text},
};

/// What a letter may do in the frame: show itself. Only this page may hold the frame.
const PREVIEW_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; sandbox; frame-ancestors 'self'";

/// What a link to a letter may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    said: String,
}

/// What the editor sends.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct TemplateForm {
    #[serde(default)]
    subject: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    html: String,
    #[serde(default)]
    version: String,
    /// Which part the preview shows.
    #[serde(default)]
    show: String,
}

impl TemplateForm {
    fn wording(&self) -> Wording {
        let Self { subject, text, html, .. } = self.clone();
        Wording { subject, text, html }.tidied()
    }
}

/// What the editor shows.
#[derive(Debug)]
struct EditorView {
    template: MailTemplate,
    typed: Wording,
    version: String,
    names: Vec<String>,
    said: Option<&'static str>,
    is_changed: bool,
    problem: Option<WordingProblem>,
    /// To whom a test goes.
    recipient: String,
    recipient_error: Option<String>,
}

impl EditorView {
    /// Shows a letter as it stands, with the admin as the reader of a test.
    fn new(site: &Site, admin: &Admin, template: MailTemplate) -> Self {
        let (letter, of) = (template.letter, template.lang);
        Self {
            typed: template.edited.clone().unwrap_or_else(|| mail_templates::built_in(letter, of)),
            version: template.version.to_string(),
            names: mail_templates::names(&site.env, letter),
            said: None,
            is_changed: false,
            problem: None,
            recipient: admin.identity.user.email.clone().unwrap_or_default(),
            recipient_error: None,
            template,
        }
    }
}

/// What asks for a test.
#[derive(Debug, Default, Deserialize)]
pub struct TestForm {
    #[serde(default)]
    to: String,
}

/// `GET /admin/mails/templates`
pub async fn list(State(site): State<Site>, admin: Admin) -> Response {
    let templates = match mail_templates::list(&site.env).await {
        Ok(templates) => Arc::new(templates),
        Err(error) => return failed(&error),
    };
    let lang = admin.visit.origin.lang;
    frame::render(&site, &admin.visit, StatusCode::OK, mails_frame(lang), move || list_page(lang, &templates)).await
}

/// `GET /admin/mails/templates/{letter}/{lang}`
pub async fn edit(
    State(site): State<Site>,
    admin: Admin,
    Path((letter, lang)): Path<(String, String)>,
    Query(link): Query<Link>,
) -> Response {
    let Some((letter, lang)) = read(&letter, &lang) else { return StatusCode::NOT_FOUND.into_response() };
    let template = match mail_templates::find(&site.env, letter, lang).await {
        Ok(template) => template,
        Err(error) => return failed(&error),
    };
    let reader = admin.visit.origin.lang;
    let said = match link.said.as_str() {
        "saved" => Some(text::is_saved(reader)),
        "reset" => Some(text::is_reset(reader)),
        "tested" => Some(text::is_tested(reader)),
        _ => None,
    };
    let view = EditorView { said, ..EditorView::new(&site, &admin, template) };
    editor(&site, &admin, StatusCode::OK, view).await
}

/// `POST /admin/mails/templates/{letter}/{lang}`
pub async fn save(
    State(site): State<Site>,
    admin: Admin,
    Path((letter, lang)): Path<(String, String)>,
    Form(form): Form<TemplateForm>,
) -> Response {
    let Some(which @ (letter, lang)) = read(&letter, &lang) else { return StatusCode::NOT_FOUND.into_response() };
    // A version that cannot be read is none that was seen.
    let seen = Some(form.version.parse().unwrap_or(-1));
    let saved = mail_templates::save(&site.env, which, form.wording(), seen, &admin.identity.user.label()).await;
    let (is_changed, problem) = match saved {
        Ok(_) => return Redirect::to(&format!("{}?said=saved", address(letter, lang))).into_response(),
        Err(TemplateError::Broken(problem)) => (false, Some(problem)),
        Err(TemplateError::Changed) => (true, None),
        Err(TemplateError::Store(error)) => return failed(&error),
    };
    let template = match mail_templates::find(&site.env, letter, lang).await {
        Ok(template) => template,
        Err(error) => return failed(&error),
    };
    // Whoever saves again has been told that somebody else did.
    let version = if is_changed { template.version.to_string() } else { form.version.chars().take(20).collect() };
    let typed = form.wording();
    let view = EditorView { typed, version, is_changed, problem, ..EditorView::new(&site, &admin, template) };
    editor(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, view).await
}

/// `POST /admin/mails/templates/{letter}/{lang}/reset`
pub async fn reset(State(site): State<Site>, admin: Admin, Path((letter, lang)): Path<(String, String)>) -> Response {
    let Some(which @ (letter, lang)) = read(&letter, &lang) else { return StatusCode::NOT_FOUND.into_response() };
    match mail_templates::reset(&site.env, which, None, &admin.identity.user.label()).await {
        Ok(_) | Err(TemplateError::Changed | TemplateError::Broken(_)) => {
            Redirect::to(&format!("{}?said=reset", address(letter, lang))).into_response()
        }
        Err(TemplateError::Store(error)) => failed(&error),
    }
}

/// `POST /admin/mails/templates/{letter}/{lang}/test`
pub async fn send_test(
    State(site): State<Site>,
    admin: Admin,
    Path((letter, lang)): Path<(String, String)>,
    Form(form): Form<TestForm>,
) -> Response {
    let Some(which @ (letter, lang)) = read(&letter, &lang) else { return StatusCode::NOT_FOUND.into_response() };
    let reader = admin.visit.origin.lang;
    let sent = match EmailAddress::parse(&form.to) {
        Ok(to) => mail_templates::send_test(&site.env, which, &to, &admin.identity.user.label()).await,
        Err(error) => return not_tested(&site, &admin, which, &form, email_error(reader, error).to_owned()).await,
    };
    match sent {
        Ok(Sent::HandedOver) => Redirect::to(&format!("{}?said=tested", address(letter, lang))).into_response(),
        Ok(Sent::ToKeep(_)) => not_tested(&site, &admin, which, &form, text::test_no_server(reader).to_owned()).await,
        Err(TestError::Store(error)) => failed(&error),
        Err(error) => not_tested(&site, &admin, which, &form, text::test_not_sent(reader, &error.to_string())).await,
    }
}

async fn not_tested(
    site: &Site,
    admin: &Admin,
    (letter, lang): (LetterName, Lang),
    form: &TestForm,
    why: String,
) -> Response {
    let template = match mail_templates::find(&site.env, letter, lang).await {
        Ok(template) => template,
        Err(error) => return failed(&error),
    };
    let recipient = form.to.chars().take(LONGEST_TYPED).collect();
    let view = EditorView { recipient, recipient_error: Some(why), ..EditorView::new(site, admin, template) };
    editor(site, admin, StatusCode::UNPROCESSABLE_ENTITY, view).await
}

/// `GET /admin/mails/templates/{letter}/{lang}/preview`: as it is kept.
pub async fn preview(State(site): State<Site>, _: Admin, Path((letter, lang)): Path<(String, String)>) -> Response {
    let Some((letter, lang)) = read(&letter, &lang) else { return StatusCode::NOT_FOUND.into_response() };
    match mail_templates::find(&site.env, letter, lang).await {
        Ok(template) => {
            let wording = template.edited.unwrap_or_else(|| mail_templates::built_in(letter, lang));
            previewed(&site, letter, lang, &wording, Part::Html)
        }
        Err(error) => failed(&error),
    }
}

/// `POST /admin/mails/templates/{letter}/{lang}/preview`: as it is typed.
pub async fn preview_typed(
    State(site): State<Site>,
    _: Admin,
    Path((letter, lang)): Path<(String, String)>,
    Form(form): Form<TemplateForm>,
) -> Response {
    let Some((letter, lang)) = read(&letter, &lang) else { return StatusCode::NOT_FOUND.into_response() };
    let part = if form.show == Part::Text.as_str() { Part::Text } else { Part::Html };
    previewed(&site, letter, lang, &form.wording(), part)
}

fn previewed(site: &Site, letter: LetterName, lang: Lang, wording: &Wording, part: Part) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PREVIEW_POLICY)),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
    ];
    match (mail_templates::preview(&site.env, letter, lang, wording), part) {
        (Ok(rendered), Part::Html) => (headers, Html(rendered.html)).into_response(),
        (Ok(rendered), _) => (headers, format!("{}\n\n{}", rendered.subject, rendered.text)).into_response(),
        // A page of its own: an error without one would get the whole frame of these pages.
        (Err(problem), _) => {
            let reason = problem.to_string().replace('&', "&amp;").replace('<', "&lt;");
            let page = format!(
                "<!DOCTYPE html><html lang=\"en\"><meta name=\"color-scheme\" content=\"light dark\">\
                 <title>{letter}</title><p>{reason}</p></html>"
            );
            (StatusCode::UNPROCESSABLE_ENTITY, headers, Html(page)).into_response()
        }
    }
}

fn read(letter: &str, lang: &str) -> Option<(LetterName, Lang)> {
    Some((letter.parse().ok()?, lang.parse().ok()?))
}

fn address(letter: LetterName, lang: Lang) -> String {
    format!("/admin/mails/templates/{letter}/{}", lang.tag())
}

async fn editor(site: &Site, admin: &Admin, status: StatusCode, view: EditorView) -> Response {
    let (lang, view) = (admin.visit.origin.lang, Arc::new(view));
    let page = move || editor_page(lang, &view);
    let frame = Frame { islands: true, ..mails_frame(lang) };
    let mut response = frame::render(site, &admin.visit, status, frame, page).await;
    // The frame of the preview is our own; no other page has one.
    let policy = response.headers().get(header::CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok());
    let policy = policy.and_then(|policy| HeaderValue::try_from(format!("{policy}; frame-src 'self'")).ok());
    if let Some(policy) = policy {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Returns whether a letter is worded anew, in a word and the class of its badge.
fn wording_word(lang: Lang, template: &MailTemplate) -> (&'static str, &'static str) {
    match template.edited {
        Some(_) => (text::is_edited(lang), "badge paid"),
        None => (text::is_built_in(lang), "badge"),
    }
}

fn edited_badge(lang: Lang, template: &MailTemplate) -> impl IntoView + use<> {
    let (word, class) = wording_word(lang, template);
    view! { <span class=class>{word}</span> }
}

fn list_page(lang: Lang, templates: &[MailTemplate]) -> impl IntoView + use<> {
    let rows = LetterName::ALL
        .iter()
        .map(|&letter| {
            let kind = if letter.category().is_some() { text::optional(lang) } else { text::essential(lang) };
            let category = letter.category().map(|category| {
                view! { <small class="soft">{text::category(lang, category)}</small> }
            });
            let cells = templates
                .iter()
                .filter(|template| template.letter == letter)
                .map(|template| {
                    let name = template.lang.own_name();
                    let label = format!("{}: {}, {name}", text::edit(lang), text::letter_name(lang, letter));
                    let changed = template.edited.is_some().then(|| view! { " "{edited_badge(lang, template)} });
                    view! {
                        <td data-label=name>
                            <span><a href=address(letter, template.lang) aria-label=label>{text::edit(lang)}</a>{changed}</span>
                        </td>
                    }
                })
                .collect_view();
            view! {
                <tr>
                    <th scope="row">{text::letter_name(lang, letter)}</th>
                    <td data-label=text::kind(lang)><span>{kind}{category}</span></td>
                    {cells}
                </tr>
            }
        })
        .collect_view();
    let languages = Lang::ALL.map(|of| view! { <th scope="col" lang=of.tag()>{of.own_name()}</th> }).collect_view();
    view! {
        {head(lang, Tab::Wording, text::templates_intro(lang))}
        <div class="gridwrap">
            <table class="rows">
                <thead>
                    <tr>
                        <th scope="col">{text::letter(lang)}</th>
                        <th scope="col">{text::kind(lang)}</th>
                        {languages}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

fn editor_page(lang: Lang, view: &EditorView) -> impl IntoView + use<> {
    let (letter, of) = (view.template.letter, view.template.lang);
    let error = |part: Part| {
        let problem = view.problem.as_ref().filter(|problem| problem.part == part);
        problem.map(|problem| text::broken(lang, problem))
    };
    let (subject_error, text_error, html_error) = (error(Part::Subject), error(Part::Text), error(Part::Html));
    let (is_text_broken, is_html_broken) = (text_error.is_some(), html_error.is_some());
    let (text_described, html_described) = (described_by("text", true, true), described_by("html", true, true));
    let (typed, version) = (view.typed.clone(), view.version.clone());
    let here = address(letter, of);
    let preview = format!("{here}/preview");
    let test = format!("{here}/test");
    let (recipient, recipient_error) = (view.recipient.clone(), view.recipient_error.clone());
    let languages = Lang::ALL
        .map(|other| {
            let is_this = other == of;
            view! { <a href=address(letter, other) aria-current=is_this.then_some("true")>{other.own_name()}</a> }
        })
        .collect_view();
    let changed = view.template.updated_by.as_deref().zip(view.template.updated_at);
    let changed = changed.map(|(who, when)| view! { <p class="soft">{text::changed_by(lang, who, when)}</p> });
    let reset = view.template.edited.is_some().then(|| {
        view! {
            <Confirm label=text::reset(lang) question=text::reset_ask(lang) action=format!("{here}/reset") />
        }
    });
    let names = view
        .names
        .iter()
        .map(|name| {
            view! {
                <tr>
                    <th scope="row"><code>{name.clone()}</code></th>
                    <td data-label=text::meaning_word(lang)>{text::meaning(lang, name).unwrap_or_default()}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        {view.said.map(|said| view! { <Note><span>{said}</span></Note> })}
        {view.is_changed.then(|| view! { <Alert><span>{text::is_changed_meanwhile(lang)}</span></Alert> })}
        <Crumb path="/admin/mails/templates" name=text::back_to_templates(lang) />
        <div class="row between"><h1>{text::letter_name(lang, letter)}</h1>{edited_badge(lang, &view.template)}</div>
        {changed}
        <nav class="tabs" aria-label=text::languages(lang)>{languages}</nav>
        <LivePreview lang=lang letter=letter.to_string() of=of>
            <form class="sheet stack" method="post" action=here>
                <input type="hidden" name="version" value=version />
                <TextField
                    name="subject" label=text::subject(lang) value=typed.subject error=subject_error most="500" required=true live=true
                />
                <Field name="text" label=text::text(lang) hint=text::text_hint(lang) error=text_error live=true>
                    <TextArea name="text" rows=14 text=typed.text described_by=text_described invalid=is_text_broken />
                </Field>
                <Field name="html" label=text::html(lang) hint=text::html_hint(lang) error=html_error live=true>
                    <TextArea name="html" rows=18 text=typed.html described_by=html_described invalid=is_html_broken />
                </Field>
                <div class="row">
                    <button class="btn main">{text::save(lang)}</button>
                    <button class="btn" name="show" value="html" formaction=preview.clone() formtarget="preview">
                        {text::preview_html(lang)}
                    </button>
                    <button class="btn" name="show" value="text" formaction=preview.clone() formtarget="preview">
                        {text::preview_text(lang)}
                    </button>
                </div>
            </form>
            <section class="stack" aria-labelledby="preview">
                <h2 id="preview">{text::preview(lang)}</h2>
                <p class="err" id="preview-error" aria-live="polite"></p>
                <iframe class="preview" name="preview" title=text::preview(lang) sandbox="" src=preview></iframe>
            </section>
        </LivePreview>
        <form class="sheet stack tight" method="post" action=test aria-labelledby="test">
            <h2 id="test">{text::test(lang)}</h2>
            <p class="soft">{text::test_hint(lang)}</p>
            <TextField
                name="to" label=text::test_recipient(lang) value=recipient error=recipient_error kind="email" most="320"
                required=true
            />
            <div><button class="btn">{text::test_send(lang)}</button></div>
        </form>
        {reset}
        <section class="stack" aria-labelledby="names">
            <h2 id="names">{text::names(lang)}</h2>
            <p class="soft">{text::names_hint(lang)}</p>
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr><th scope="col">{text::name(lang)}</th><th scope="col">{text::meaning_word(lang)}</th></tr>
                    </thead>
                    <tbody>{names}</tbody>
                </table>
            </div>
        </section>
    }
}
