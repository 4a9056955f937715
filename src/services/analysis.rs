//! What a portfolio amounts to, in figures and words. Words are counted: a unit is held before
//! they are written, and given back when none come.

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        activity::ANALYSIS,
        analysis::{self, Author, Figures, HISTORY},
        entitlement::{self, Decision},
        ids::{FeatureId, ReservationId, UserId},
        lang::Lang,
        limit::Limit,
        period::ResetPeriod,
        portfolio::Portfolio,
        usage::Outcome,
    },
    platform::{
        env::Env,
        language_model::{self, ModelError},
    },
    services::{
        catalogue, entitlements,
        usage::{self, UsageError},
    },
    store::{
        Conn, StoreError,
        portfolios::{self, SavedAnalysis},
        quotes,
    },
};

/// The most characters of words that are kept.
const LONGEST_COMMENTARY: usize = 6_000;
/// Who counts, in the ledger.
const ACTOR: &str = ANALYSIS;

/// Why there are no words.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// No position has a price.
    #[error("no position has a price")]
    NothingToAnalyze,
    /// The member may not, or not any more in this period.
    #[error("there are no analyses left")]
    Refused(Box<Decision>),
    /// The language model did not answer with words. Nothing was counted.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The unit could not be held.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The program is ending.
    #[error("the program is stopping")]
    Stopping,
}

/// What is to be analysed.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is held.
    pub portfolio: Portfolio,
    /// What the owner wants to know.
    pub question: Option<String>,
    /// In which language they read.
    pub lang: Lang,
}

/// Figures and words.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Paragraphs with an empty line between, as plain text.
    pub commentary: String,
    /// Who wrote them.
    pub author: Author,
    /// What they are about.
    pub figures: Figures,
}

/// Returns the feature that analyses are counted as.
pub fn feature() -> FeatureId {
    "ai_calls".parse().expect("a literal that is a name")
}

/// Returns how many analyses a member has left; nothing for one that is not there.
pub async fn calls_left(env: &Env, user: UserId) -> Result<Option<Decision>, StoreError> {
    let known = entitlements::known(env, user).await?;
    let now = env.clock.now();
    Ok(known.map(|known| entitlement::decide(&known.catalogue, &known.standing, &feature(), 1, now)))
}

/// A tier that brings analyses, as it is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What the tier is called.
    pub tier_name: String,
    /// The price of a month, in cents.
    pub price_monthly_cents: i64,
    /// How many analyses it brings, in a period of the feature.
    pub limit: Limit,
    /// How long that is.
    pub reset_period: ResetPeriod,
}

/// Returns what is for sale and brings analyses, the weakest tier first.
pub async fn offers(env: &Env) -> Result<Vec<Offer>, StoreError> {
    let catalogue = catalogue::current(env).await?;
    let Some(feature) = catalogue.feature(&feature()).filter(|feature| feature.active) else { return Ok(Vec::new()) };
    let for_sale = catalogue.tiers().iter().filter(|tier| tier.active && tier.paid);
    let offers = for_sale.filter_map(|tier| {
        let limit = catalogue.limit_or_default(&tier.id, feature);
        let price_monthly_cents = tier.price_monthly_cents.filter(|_| limit != Limit::OFF)?;
        let reset_period = feature.reset_period;
        Some(Offer { tier_name: tier.name.clone(), price_monthly_cents, limit, reset_period })
    });
    Ok(offers.collect())
}

/// Computes what a portfolio amounts to, with the prices that are known.
pub(super) async fn figures(
    conn: &mut Conn<'_>,
    portfolio: &Portfolio,
    now: DateTime<Utc>,
) -> Result<Figures, StoreError> {
    let symbols = portfolio.symbols();
    let known = quotes::list(conn, &symbols).await?;
    let history = quotes::list_daily(conn, &symbols, (now - HISTORY).date_naive()).await?;
    Ok(analysis::figures(portfolio, &known, &history))
}

/// Analyses, and counts nothing: for the operator.
pub async fn analyze(env: &Env, request: &Request) -> Result<Analysis, AnalysisError> {
    let figures = priced_figures(env, &request.portfolio).await?;
    write(env, figures, request).await
}

/// Analyses on behalf of a member, as one unit of [`feature`]. Returns also how many are left.
///
/// The work goes on when nobody waits for it any more, so that what was held is always settled.
pub async fn analyze_for(env: &Env, user: UserId, request: Request) -> Result<(Analysis, Decision), AnalysisError> {
    let env = env.clone();
    let work = tokio::spawn(async move { counted(&env, user, &request, None).await });
    work.await.map_err(|_| AnalysisError::Stopping)?
}

/// Analyses what a member has saved, and keeps the words beside it.
pub async fn analyze_saved(env: &Env, user: UserId, question: Option<String>, lang: Lang) -> Result<(), AnalysisError> {
    let mut reader = env.db.reader().await?;
    let saved = portfolios::find_current(&mut reader.conn(), user).await?.ok_or(AnalysisError::NothingToAnalyze)?;
    drop(reader);
    let (env, version) = (env.clone(), saved.version);
    let request = Request { portfolio: saved.portfolio, question, lang };
    let work = tokio::spawn(async move { counted(&env, user, &request, Some(version)).await });
    work.await.map_err(|_| AnalysisError::Stopping)?.map(drop)
}

async fn counted(
    env: &Env,
    user: UserId,
    request: &Request,
    keep_for: Option<i64>,
) -> Result<(Analysis, Decision), AnalysisError> {
    // What cannot be analysed is said before anything is held.
    let figures = priced_figures(env, &request.portfolio).await?;
    let reservation = match usage::hold(env, user, &feature(), 1, ACTOR).await? {
        Outcome::Reserved { reservation, .. } => reservation.id,
        outcome => return Err(AnalysisError::Refused(Box::new(refusal(user, outcome)))),
    };
    let written = async {
        let analysis = write(env, figures, request).await?;
        if let Some(version) = keep_for {
            keep(env, user, version, request, &analysis).await?;
        }
        Ok(analysis)
    };
    match written.await {
        Ok(analysis) => settle(env, user, reservation, analysis).await,
        Err(error) => {
            // If this fails, too, the unit is free once the reservation lapses.
            if let Err(error) = usage::release(env, reservation, ACTOR).await {
                tracing::error!(%error, user.id = %user, "a unit could not be given back");
            }
            Err(error)
        }
    }
}

async fn settle(
    env: &Env,
    user: UserId,
    reservation: ReservationId,
    analysis: Analysis,
) -> Result<(Analysis, Decision), AnalysisError> {
    match usage::confirm(env, reservation, ACTOR).await? {
        Outcome::Reserved { decision, .. } => Ok((analysis, decision)),
        // It took so long that the reservation lapsed: then it cost nothing.
        _ => {
            tracing::warn!(user.id = %user, "an analysis took longer than its unit was held");
            let decision = calls_left(env, user).await?.ok_or(AnalysisError::Stopping)?;
            Ok((analysis, decision))
        }
    }
}

fn refusal(user: UserId, outcome: Outcome) -> Decision {
    match outcome {
        Outcome::Refused { decision } => decision,
        // An operator has made a switch of the feature, or has taken it away.
        _ => Decision::unknown(Some(user), feature(), 1, entitlement::Reason::FeatureUnknown),
    }
}

async fn priced_figures(env: &Env, portfolio: &Portfolio) -> Result<Figures, AnalysisError> {
    let mut reader = env.db.reader().await?;
    let figures = figures(&mut reader.conn(), portfolio, env.clock.now()).await?;
    if figures.positions.is_empty() { Err(AnalysisError::NothingToAnalyze) } else { Ok(figures) }
}

async fn write(env: &Env, figures: Figures, request: &Request) -> Result<Analysis, AnalysisError> {
    let question = request.question.as_deref();
    let (commentary, author) = match &env.config.analyze.model {
        Some(model) => {
            let prompt = analysis::prompt(&figures, question, request.lang);
            let text = language_model::complete(model, &prompt.system, &prompt.user).await?;
            let text = analysis::clean(&text, LONGEST_COMMENTARY).ok_or(ModelError::Unreadable)?;
            (text, Author::Model)
        }
        None => (analysis::write(&figures, question, request.lang), Author::BuiltIn),
    };
    Ok(Analysis { commentary, author, figures })
}

async fn keep(env: &Env, user: UserId, version: i64, request: &Request, analysis: &Analysis) -> Result<(), StoreError> {
    let saved = SavedAnalysis {
        version,
        question: request.question.clone(),
        commentary: analysis.commentary.clone(),
        author: analysis.author,
        created_at: env.clock.now(),
    };
    let mut tx = env.db.begin().await?;
    portfolios::replace_analysis(&mut tx.conn(), user, &saved).await?;
    tx.commit().await
}
