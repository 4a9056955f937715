//! Mails: the outbox, which letters users want, and how letters are worded.

use axum::{extract::State, http::StatusCode, response::Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        Problem,
        body::{Answer, InPath, JsonBody, Page, PageParameters, Parameters, json},
        caller::{Administer, Manage, May},
        problem::{ProblemShape, sentence},
        v1::users::user,
    },
    domain::{
        email::EmailAddress,
        ids::MailId,
        lang::Lang,
        letter::{LetterName, MailCategory},
        mail::{MailState, SkipReason},
        mail_template::{MailTemplate, Wording},
    },
    platform::{caller::Site, guard::FORM_LIMIT},
    services::{
        letters::{self, ListedMail, ResendError, WhichMails},
        mail_preferences::{self, PreferenceError},
        mail_templates::{self, Sent, TemplateError, TestError},
    },
};

/// The longest address that is looked for, in characters.
const LONGEST_ADDRESS: usize = 320;

/// Which mails.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MailParameters {
    /// Those that stand so.
    #[param(inline)]
    state: Option<MailState>,
    /// Those to this address; case does not count.
    #[param(max_length = 320, example = "ann@example.com")]
    recipient: Option<String>,
}

/// A mail and what became of it. What it says is not kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct MailResponse {
    /// Which.
    id: MailId,
    /// To whom.
    recipient: String,
    /// In which language.
    #[schema(example = "en")]
    lang: &'static str,
    /// Which letter; `null` for one that only a newer version knows.
    #[schema(example = "grant_ended")]
    letter: Option<&'static str>,
    /// `waiting` (or tried again), `sent`, `failed` (given up) or `skipped`.
    #[schema(inline)]
    state: MailState,
    /// When it was written.
    created_at: DateTime<Utc>,
    /// When the mail server took it over.
    sent_at: Option<DateTime<Utc>>,
    /// Why it is not sent.
    #[schema(inline)]
    skipped_because: Option<SkipReason>,
    /// How often it was tried.
    tries: i64,
    /// Why the last try failed.
    last_error: Option<String>,
    /// When it is tried next.
    next_try_at: Option<DateTime<Utc>>,
}

impl From<ListedMail> for MailResponse {
    fn from(mail: ListedMail) -> Self {
        Self {
            id: mail.id,
            recipient: mail.recipient,
            lang: mail.lang.tag(),
            letter: mail.letter.map(LetterName::as_str),
            state: mail.state,
            created_at: mail.created_at,
            sent_at: mail.sent_at,
            skipped_because: mail.skipped,
            tries: mail.tries,
            last_error: mail.last_error,
            next_try_at: mail.next_try_at,
        }
    }
}

/// How many mails are tried again.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResentResponse {
    /// So many.
    #[schema(example = 3)]
    count: u64,
}

/// List mails
///
/// The newest first. What they say, and codes, are not shown.
#[utoipa::path(
    get, path = "/api/v1/mails", operation_id = "list_mails", tag = "Mails",
    security(("bearer" = ["manage"])),
    params(MailParameters, PageParameters),
    responses(
        (status = 200, description = "A page of them", body = Page<MailResponse>),
        (status = 422, description = "invalid_parameter", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(site): State<Site>,
    _: May<Manage>,
    Parameters(parameters): Parameters<MailParameters>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Answer<Page<MailResponse>>, Problem> {
    let (count, before) = (page.count()?, page.cursor()?);
    let recipient = parameters.recipient.as_deref();
    if recipient.is_some_and(|text| text.chars().count() > LONGEST_ADDRESS || text.chars().any(char::is_control)) {
        return Err(Problem::unprocessable("invalid_parameter", "recipient is an address."));
    }
    let which = WhichMails { state: parameters.state, recipient, before, id: None };
    let found = letters::outbox(&site.env, which, count + 1).await?;
    Ok(Answer(Page::new(found, count, |mail: &ListedMail| mail.id.to_string(), MailResponse::from)))
}

/// Read a mail
#[utoipa::path(
    get, path = "/api/v1/mails/{id}", operation_id = "read_mail", tag = "Mails",
    security(("bearer" = ["manage"])),
    params(("id" = MailId, Path, description = "The mail's id")),
    responses(
        (status = 200, description = "The mail", body = MailResponse),
        (status = 404, description = "mail_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn read(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(id): InPath<MailId>,
) -> Result<Answer<MailResponse>, Problem> {
    let mail = letters::find(&site.env, id).await?.ok_or_else(mail_unknown)?;
    Ok(Answer(mail.into()))
}

/// Send a mail again
///
/// One that was given up is tried at once, and later if need be.
#[utoipa::path(
    post, path = "/api/v1/mails/{id}/resend", operation_id = "resend_mail", tag = "Mails",
    security(("bearer" = ["manage"])),
    params(("id" = MailId, Path, description = "The mail's id")),
    responses(
        (status = 200, description = "It waits", body = MailResponse),
        (status = 404, description = "mail_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "mail_not_failed: only a mail that was given up is sent again", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn resend(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(id): InPath<MailId>,
) -> Result<Answer<MailResponse>, Problem> {
    match letters::resend(&site.env, id, &caller.actor()).await {
        Ok(mail) => Ok(Answer(mail.into())),
        Err(ResendError::NoSuchMail) => Err(mail_unknown()),
        Err(error @ ResendError::NotGivenUp) => Err(Problem::conflict("mail_not_failed", sentence(&error))),
        Err(ResendError::Store(error)) => Err(error.into()),
    }
}

/// Send all mails again that were given up
///
/// Each is tried at once, and later if need be.
#[utoipa::path(
    post, path = "/api/v1/mails/resend", operation_id = "resend_all_mails", tag = "Mails",
    security(("bearer" = ["manage"])),
    responses((status = 200, description = "They wait", body = ResentResponse)),
)]
pub(super) async fn resend_all(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
) -> Result<Answer<ResentResponse>, Problem> {
    let count = letters::resend_all(&site.env, &caller.actor()).await?;
    Ok(Answer(ResentResponse { count }))
}

fn mail_unknown() -> Problem {
    Problem::not_found("mail_unknown", "There is no such mail. Those of the last 30 days are kept.")
}

/// Which letters a user gets. Codes, and what concerns money or the account, always come.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreferencesResponse {
    /// About grants, coupons and the trial.
    access: bool,
    /// About friends who were invited.
    referrals: bool,
    /// About bonus and badges.
    bonus: bool,
    /// What happened, for admins; `null` for anybody else.
    digest: Option<bool>,
}

impl PreferencesResponse {
    fn of(choices: &[(MailCategory, bool)]) -> Self {
        let wanted = |category| choices.iter().find(|(of, _)| *of == category).map(|(_, wanted)| *wanted);
        Self {
            access: wanted(MailCategory::Access).unwrap_or(true),
            referrals: wanted(MailCategory::Referrals).unwrap_or(true),
            bonus: wanted(MailCategory::Bonus).unwrap_or(true),
            digest: wanted(MailCategory::Digest),
        }
    }
}

/// Which letters a user shall get. What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PreferencesRequest {
    /// About grants, coupons and the trial.
    access: Option<bool>,
    /// About friends who were invited.
    referrals: Option<bool>,
    /// About bonus and badges.
    bonus: Option<bool>,
    /// What happened, for admins.
    digest: Option<bool>,
}

/// Read which mails a user gets
#[utoipa::path(
    get, path = "/api/v1/users/{id}/mail-preferences", operation_id = "read_mail_preferences", tag = "Mails",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com")),
    responses(
        (status = 200, description = "All kinds", body = PreferencesResponse),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn read_preferences(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(name): InPath<String>,
) -> Result<Answer<PreferencesResponse>, Problem> {
    let user = user(&site, &name).await?;
    let choices = mail_preferences::choices(&site.env, &user).await?;
    Ok(Answer(PreferencesResponse::of(&choices)))
}

/// Change which mails a user gets
///
/// Ask them first: it is their choice.
#[utoipa::path(
    put, path = "/api/v1/users/{id}/mail-preferences", operation_id = "put_mail_preferences", tag = "Mails",
    security(("bearer" = ["manage"])),
    params(("id" = String, Path, description = "The user's id, external id or email", example = "ann@example.com")),
    request_body = PreferencesRequest,
    responses(
        (status = 200, description = "All kinds, as they are now", body = PreferencesResponse),
        (status = 404, description = "user_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put_preferences(
    State(site): State<Site>,
    May { caller, .. }: May<Manage>,
    InPath(name): InPath<String>,
    JsonBody(request): JsonBody<PreferencesRequest>,
) -> Result<Answer<PreferencesResponse>, Problem> {
    let user = user(&site, &name).await?;
    let wanted: Vec<(MailCategory, bool)> = [
        (MailCategory::Access, request.access),
        (MailCategory::Referrals, request.referrals),
        (MailCategory::Bonus, request.bonus),
        (MailCategory::Digest, request.digest),
    ]
    .into_iter()
    .filter_map(|(category, wanted)| wanted.map(|wanted| (category, wanted)))
    .collect();
    match mail_preferences::set(&site.env, user.id, &wanted, &caller.actor()).await {
        Ok(choices) => Ok(Answer(PreferencesResponse::of(&choices))),
        Err(PreferenceError::Store(error)) => Err(error.into()),
        Err(PreferenceError::NoSuchMember | PreferenceError::BadToken) => Err(Problem::user_unknown()),
    }
}

/// How a letter is worded in a language.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateResponse {
    /// Which letter.
    #[schema(example = "welcome")]
    letter: &'static str,
    /// In which language.
    #[schema(example = "en")]
    lang: &'static str,
    /// Whether somebody has changed it; else it is as built in.
    edited: bool,
    /// The template of the subject.
    subject: String,
    /// The template of the plain text.
    text: String,
    /// The template of the HTML.
    html: String,
    /// Grows with every change; 0 before the first.
    version: i64,
    /// Who changed it last.
    updated_by: Option<String>,
    /// When.
    updated_at: Option<DateTime<Utc>>,
}

impl From<MailTemplate> for TemplateResponse {
    fn from(template: MailTemplate) -> Self {
        let edited = template.edited.is_some();
        let wording = template.edited.unwrap_or_else(|| mail_templates::built_in(template.letter, template.lang));
        Self {
            letter: template.letter.as_str(),
            lang: template.lang.tag(),
            edited,
            subject: wording.subject,
            text: wording.text,
            html: wording.html,
            version: template.version,
            updated_by: template.updated_by,
            updated_at: template.updated_at,
        }
    }
}

/// How a letter shall be worded.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TemplateRequest {
    /// The template of the subject.
    #[schema(max_length = 500, example = "Welcome to {{ product }}")]
    subject: String,
    /// The template of the plain text.
    #[schema(max_length = 8000)]
    text: String,
    /// The template of the HTML.
    #[schema(max_length = 16000)]
    html: String,
    /// The version that you saw; without it, whatever is there is replaced.
    #[schema(minimum = 0)]
    version: Option<i64>,
}

/// List how letters are worded
#[utoipa::path(
    get, path = "/api/v1/mail-templates", operation_id = "list_mail_templates", tag = "Mails",
    security(("bearer" = ["manage"])),
    responses((status = 200, description = "Every letter in every language", body = Page<TemplateResponse>)),
)]
pub(super) async fn list_templates(State(site): State<Site>, _: May<Manage>) -> Result<Response, Problem> {
    let templates = mail_templates::list(&site.env).await?;
    Ok(json(&Page::all(templates.into_iter().map(TemplateResponse::from).collect())))
}

/// Read how a letter is worded
#[utoipa::path(
    get, path = "/api/v1/mail-templates/{letter}/{lang}", operation_id = "read_mail_template", tag = "Mails",
    security(("bearer" = ["manage"])),
    params(
        ("letter" = String, Path, description = "Which letter", example = "welcome"),
        ("lang" = String, Path, description = "In which language", example = "en"),
    ),
    responses(
        (status = 200, description = "As it is sent now", body = TemplateResponse),
        (status = 404, description = "template_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn read_template(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(path): InPath<(String, String)>,
) -> Result<Answer<TemplateResponse>, Problem> {
    let (letter, lang) = named(&path)?;
    Ok(Answer(mail_templates::find(&site.env, letter, lang).await?.into()))
}

/// A wording to be tried.
#[derive(Debug, Deserialize, ToSchema)]
pub struct WordingRequest {
    /// The template of the subject.
    #[schema(max_length = 500, example = "Welcome to {{ product }}")]
    subject: String,
    /// The template of the plain text.
    #[schema(max_length = 8000, example = "Hello! Here you are: {{ link }}")]
    text: String,
    /// The template of the HTML.
    #[schema(max_length = 16000, example = "<p>Hello!</p>")]
    html: String,
}

/// A letter with sample values.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewResponse {
    /// The subject.
    #[schema(example = "Welcome to Vouchsafe")]
    subject: String,
    /// The plain text.
    text: String,
    /// The HTML, a whole page.
    html: String,
}

/// See a letter with a wording
///
/// With sample values, as it would be sent. Nothing is kept.
#[utoipa::path(
    post, path = "/api/v1/mail-templates/{letter}/{lang}/preview", operation_id = "preview_mail_template", tag = "Mails",
    security(("bearer" = ["manage"])),
    params(
        ("letter" = String, Path, description = "Which letter", example = "welcome"),
        ("lang" = String, Path, description = "In which language", example = "en"),
    ),
    request_body = WordingRequest,
    responses(
        (status = 200, description = "The letter", body = PreviewResponse),
        (status = 404, description = "template_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, or template_broken with part and line", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn preview_template(
    State(site): State<Site>,
    _: May<Manage>,
    InPath(path): InPath<(String, String)>,
    JsonBody(request): JsonBody<WordingRequest, FORM_LIMIT>,
) -> Result<Answer<PreviewResponse>, Problem> {
    let (letter, lang) = named(&path)?;
    let WordingRequest { subject, text, html } = request;
    let wording = Wording { subject, text, html }.tidied();
    let seen = mail_templates::preview(&site.env, letter, lang, &wording);
    let seen = seen.map_err(|problem| not_kept(problem.into()))?;
    Ok(Answer(PreviewResponse { subject: seen.subject, text: seen.text, html: seen.html }))
}

/// Word a letter anew
///
/// It is tried with sample values first; one that does not work is refused with its line and the reason.
#[utoipa::path(
    put, path = "/api/v1/mail-templates/{letter}/{lang}", operation_id = "put_mail_template", tag = "Mails",
    security(("bearer" = ["admin"])),
    params(
        ("letter" = String, Path, description = "Which letter", example = "welcome"),
        ("lang" = String, Path, description = "In which language", example = "en"),
    ),
    request_body = TemplateRequest,
    responses(
        (status = 200, description = "As it is sent from now on", body = TemplateResponse),
        (status = 404, description = "template_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "template_changed: somebody has changed it since that version", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, or template_broken with part and line", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put_template(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(path): InPath<(String, String)>,
    JsonBody(request): JsonBody<TemplateRequest, FORM_LIMIT>,
) -> Result<Answer<TemplateResponse>, Problem> {
    let which = named(&path)?;
    let TemplateRequest { subject, text, html, version } = request;
    let wording = Wording { subject, text, html };
    let saved = mail_templates::save(&site.env, which, wording, version, &caller.actor()).await;
    Ok(Answer(saved.map_err(not_kept)?.into()))
}

/// Go back to the wording that is built in
#[utoipa::path(
    delete, path = "/api/v1/mail-templates/{letter}/{lang}", operation_id = "reset_mail_template", tag = "Mails",
    security(("bearer" = ["admin"])),
    params(
        ("letter" = String, Path, description = "Which letter", example = "welcome"),
        ("lang" = String, Path, description = "In which language", example = "en"),
    ),
    responses(
        (status = 200, description = "As it is sent from now on", body = TemplateResponse),
        (status = 404, description = "template_unknown", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn reset_template(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(path): InPath<(String, String)>,
) -> Result<Answer<TemplateResponse>, Problem> {
    let reset = mail_templates::reset(&site.env, named(&path)?, None, &caller.actor()).await;
    Ok(Answer(reset.map_err(not_kept)?.into()))
}

/// To whom a test goes.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TestRequest {
    /// The address.
    #[schema(max_length = 320, example = "ann@example.com")]
    recipient: String,
}

/// Send a letter as a test
///
/// With sample values, as it is worded now. The answer comes when the mail server has taken it over, or has not.
#[utoipa::path(
    post, path = "/api/v1/mail-templates/{letter}/{lang}/test", operation_id = "test_mail_template", tag = "Mails",
    security(("bearer" = ["admin"])),
    params(
        ("letter" = String, Path, description = "Which letter", example = "welcome"),
        ("lang" = String, Path, description = "In which language", example = "en"),
    ),
    request_body = TestRequest,
    responses(
        (status = 204, description = "The mail server has taken it over"),
        (status = 404, description = "template_unknown", body = ProblemShape, content_type = "application/problem+json"),
        (status = 409, description = "no_mail_server: none is configured, so no mail leaves", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body or invalid_email", body = ProblemShape, content_type = "application/problem+json"),
        (status = 502, description = "mail_not_sent: the mail server refuses it or does not answer; the title says why", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn test_template(
    State(site): State<Site>,
    May { caller, .. }: May<Administer>,
    InPath(path): InPath<(String, String)>,
    JsonBody(request): JsonBody<TestRequest>,
) -> Result<StatusCode, Problem> {
    let which = named(&path)?;
    let recipient = EmailAddress::parse(&request.recipient);
    let recipient = recipient.map_err(|error| Problem::unprocessable("invalid_email", sentence(&error)))?;
    match mail_templates::send_test(&site.env, which, &recipient, &caller.actor()).await {
        Ok(Sent::HandedOver) => Ok(StatusCode::NO_CONTENT),
        Ok(Sent::ToKeep(_)) => {
            let title = "No mail server is configured (mail.smtp_url), so no mail leaves.";
            Err(Problem::conflict("no_mail_server", title))
        }
        Err(TestError::Store(error)) => Err(error.into()),
        Err(error) => Err(Problem::new(StatusCode::BAD_GATEWAY, "mail_not_sent", sentence(&error))),
    }
}

fn named((letter, lang): &(String, String)) -> Result<(LetterName, Lang), Problem> {
    let unknown = || {
        let title = "There is no such letter in such a language. GET /api/v1/mail-templates lists them.";
        Problem::not_found("template_unknown", title)
    };
    Ok((letter.parse().map_err(|_| unknown())?, lang.parse().map_err(|_| unknown())?))
}

fn not_kept(error: TemplateError) -> Problem {
    match error {
        TemplateError::Broken(problem) => Problem::unprocessable("template_broken", sentence(&problem))
            .with("part", problem.part.as_str())
            .with("line", problem.line),
        TemplateError::Changed => Problem::conflict("template_changed", sentence(&error)),
        TemplateError::Store(error) => error.into(),
    }
}
