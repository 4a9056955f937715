//! `POST /api/analyze`: what a portfolio amounts to, in figures and words, for paying members.

use axum::{
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::{
        Paid, Problem,
        body::{Answer, JsonBody},
        problem::{ProblemShape, sentence},
    },
    domain::{
        analysis::{Author, Figures, LONGEST_QUESTION, read_question},
        entitlement::{Decision, Reason},
        lang::Lang,
        portfolio::{Portfolio, Position},
    },
    platform::{caller::Site, caller::accepted_lang, guard::FORM_LIMIT},
    services::{
        analysis::{self, Analysis, AnalysisError},
        usage::UsageError,
    },
};

/// A portfolio, and what its owner wants to know.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AnalyzeRequest {
    /// What is held: at most 500. Positions of one symbol are added up.
    #[schema(value_type = Vec<PositionShape>, min_items = 1, max_items = 500)]
    positions: Vec<Position>,
    /// A question, at most 500 characters. Only a language model answers it.
    #[schema(max_length = 500)]
    question: Option<String>,
    /// The language of the words; the member's own without it.
    lang: Option<Lang>,
}

/// How many of something are held.
#[derive(ToSchema)]
#[schema(as = Position)]
#[expect(dead_code, reason = "it only describes the shape")]
struct PositionShape {
    /// 1 to 16 of A-Z, 0-9, `.` `-` `^` `=`, in large or small letters.
    #[schema(pattern = "^[A-Za-z0-9.=^-]{1,16}$", example = "AAPL")]
    symbol: String,
    /// How many; more than 0.
    quantity: AmountShape,
    /// What all of them cost together.
    cost_basis: Option<AmountShape>,
    /// What one is worth. Without it the newest stored quote counts.
    price: Option<AmountShape>,
}

/// A decimal number from 0 to 10,000,000,000, rounded to eight places; as a text it is exact.
#[derive(ToSchema)]
#[schema(as = AmountInput)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes the shape")]
enum AmountShape {
    Number(f64),
    Text(AmountText),
}

/// A decimal number as a text.
#[derive(ToSchema)]
#[schema(pattern = r"^[0-9]{1,10}(\.[0-9]+)?$", example = "1234.5")]
#[expect(dead_code, reason = "it only describes the shape")]
struct AmountText(String);

/// Figures and words.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnalyzeResponse {
    /// Paragraphs with an empty line between, as plain text. A language model may have written them:
    /// show them as text, never as markup.
    commentary: String,
    /// Who wrote them.
    written_by: Author,
    /// What they are about. Amounts are exact, as texts; shares and risk are estimates.
    figures: Figures,
    /// How many analyses the member has left; `null` for the operator's token, which is not counted.
    calls: Option<Calls>,
}

/// What is left of a limit.
#[derive(Debug, Serialize, ToSchema)]
pub struct Calls {
    /// How many there are in a period; `null` when there is no limit.
    limit: Option<i64>,
    /// How many were used in this one.
    used: i64,
    /// How many are left; `null` when there is no limit.
    remaining: Option<i64>,
    /// When usage starts again; `null` when it does not.
    resets_at: Option<DateTime<Utc>>,
}

impl AnalyzeResponse {
    fn new(analysis: Analysis, decision: Option<Decision>) -> Self {
        let Analysis { commentary, author, figures } = analysis;
        let calls = decision.map(|decision| Calls {
            limit: decision.limit,
            used: decision.used,
            remaining: decision.remaining,
            resets_at: decision.resets_at,
        });
        Self { commentary, written_by: author, figures, calls }
    }
}

/// The routes, each with its description.
pub(super) fn routes() -> OpenApiRouter<Site> {
    OpenApiRouter::new().routes(routes!(analyze))
}

/// The language that a program asks for.
struct Asked(Lang);

impl FromRequestParts<Site> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Site) -> Result<Self, Self::Rejection> {
        Ok(Self(accepted_lang(&parts.headers)))
    }
}

/// Analyze a portfolio
///
/// For paying members, by the cookie of their session, and counted as one of their `ai_calls`; an
/// analysis that fails is not counted. The operator's token passes, too, and is not counted; API
/// keys do not.
#[utoipa::path(
    post, path = "/api/analyze", tag = "Analysis",
    request_body = AnalyzeRequest,
    responses(
        (status = 200, description = "Figures and words", body = AnalyzeResponse),
        (status = 400, description = "invalid_json", body = ProblemShape, content_type = "application/problem+json"),
        (status = 402, description = "payment_required: no paid access; limit_reached, feature_off, feature_inactive: no analyses left", body = ProblemShape, content_type = "application/problem+json"),
        (status = 413, description = "body_too_large: more than 64 KiB", body = ProblemShape, content_type = "application/problem+json"),
        (status = 422, description = "invalid_body, invalid_positions, question_too_long, nothing_to_analyze", body = ProblemShape, content_type = "application/problem+json"),
        (status = 502, description = "analysis_failed: the language model did not answer with words", body = ProblemShape, content_type = "application/problem+json"),
        (status = 504, description = "analysis_failed: the language model did not answer in time", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
async fn analyze(
    State(site): State<Site>,
    paid: Paid,
    Asked(asked): Asked,
    JsonBody(body): JsonBody<AnalyzeRequest, FORM_LIMIT>,
) -> Result<Answer<AnalyzeResponse>, Problem> {
    let portfolio = Portfolio::new(body.positions)
        .map_err(|error| Problem::unprocessable("invalid_positions", sentence(&error)))?;
    let question = read_question(body.question.as_deref().unwrap_or_default()).map_err(|_| {
        let title = format!("A question has at most {LONGEST_QUESTION} characters.");
        Problem::unprocessable("question_too_long", title)
    })?;
    let of_member = match &paid {
        Paid::Member { identity, .. } => Some(identity.user.lang),
        Paid::Operator => None,
    };
    let lang = body.lang.or(of_member).unwrap_or(asked);
    let request = analysis::Request { portfolio, question, lang };
    let done = match paid {
        Paid::Member { identity, .. } => analysis::analyze_for(&site.env, identity.user.id, request)
            .await
            .map(|(analysis, decision)| (analysis, Some(decision))),
        Paid::Operator => analysis::analyze(&site.env, &request).await.map(|analysis| (analysis, None)),
    };
    done.map(|(analysis, decision)| Answer(AnalyzeResponse::new(analysis, decision)))
        .map_err(|error| refused(&site, error))
}

fn refused(site: &Site, error: AnalysisError) -> Problem {
    match error {
        AnalysisError::NothingToAnalyze => Problem::unprocessable(
            "nothing_to_analyze",
            "No position has a price: send at least one with a price, or with a symbol that has a stored quote.",
        ),
        AnalysisError::Refused(decision) => no_calls_left(site, &decision),
        AnalysisError::Model(error) => {
            tracing::warn!(%error, "an analysis failed");
            let status = if error.is_timeout() { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
            let title = "The analysis did not succeed, and was not counted. Try again in a moment.";
            Problem::new(status, "analysis_failed", title)
        }
        AnalysisError::Usage(UsageError::Store(error)) => (&*error).into(),
        AnalysisError::Store(error) => error.into(),
        error @ (AnalysisError::Usage(_) | AnalysisError::Stopping) => {
            tracing::error!(%error, "an analysis failed");
            let title = "The analysis did not succeed, and was not counted. Try again in a moment.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title).retry_after(2)
        }
    }
}

fn no_calls_left(site: &Site, decision: &Decision) -> Problem {
    let (code, title) = match decision.reason {
        Reason::LimitReached => ("limit_reached", "All analyses of this period are used."),
        Reason::FeatureInactive => ("feature_inactive", "There are no analyses at the moment."),
        Reason::UserDisabled => ("user_disabled", "This account is closed."),
        _ => ("feature_off", "Analyses are not part of your tier."),
    };
    Problem::new(StatusCode::PAYMENT_REQUIRED, code, title).about(decision, site.env.clock.now())
}
