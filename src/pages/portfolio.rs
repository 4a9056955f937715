//! /portfolio: what a member holds, what it amounts to, words about it, and its versions.
//!
//! Everything is a form: rows that are typed, lines that are pasted, a file. What is read in is
//! shown as rows first and saved like those.

mod handlers;

use leptos::prelude::*;

use crate::{
    components::{Alert, Field, Note, Sheet, TextArea, described_by},
    domain::{
        amount::Amount,
        analysis::{Author, Figures, LONGEST_QUESTION},
        entitlement::Decision,
        lang::Lang,
        portfolio::{BadLine, MOST_POSITIONS, Portfolio, PositionError, TypedPosition},
    },
    services::{analysis::Offer, portfolios::PortfolioView},
    words,
};

pub use handlers::{FILE_LIMIT, analyze, import, restore, save, show, show_version};

/// How many empty rows wait below those that are filled.
const EMPTY_ROWS: usize = 3;
/// How many more there are on request.
const MORE_ROWS: usize = 10;
/// How many bars the chart has; what is smaller shares one more.
const MOST_BARS: usize = 10;
/// The height of a bar with its text, and of the bar alone, in pixels.
const BAR_HEIGHTS: (usize, usize) = (44, 8);
/// How many lines that could not be read are explained.
const EXPLAINED_LINES: usize = 20;
/// How many versions are in sight; the others unfold.
const VERSIONS_IN_SIGHT: usize = 5;

/// A row as it was typed, and what is wrong with it.
#[derive(Debug, Clone, Default)]
struct Row {
    typed: TypedPosition,
    error: Option<PositionError>,
}

/// The form of the positions.
#[derive(Debug, Clone, Default)]
struct PositionsForm {
    /// The version that is changed.
    base: i64,
    rows: Vec<Row>,
    empty_rows: usize,
    alert: Option<String>,
    note: Option<String>,
    /// Lines that could not be read in.
    bad: Vec<BadLine>,
    /// What stands in the field for lines.
    pasted: String,
    is_import_open: bool,
}

impl PositionsForm {
    /// Returns the form of what is saved.
    fn of(view: &PortfolioView, lang: Lang) -> Self {
        let saved = view.current.as_ref().map(|current| current.portfolio.positions()).unwrap_or_default();
        let rows = saved.iter().map(|position| Row { typed: TypedPosition::of(position, lang), error: None });
        Self { base: view.version(), rows: rows.collect(), empty_rows: EMPTY_ROWS, ..Self::default() }
    }
}

/// What stands in the sheet of the analysis.
#[derive(Debug, Clone)]
struct AnalysisForm {
    access: AnalysisAccess,
    question: String,
    question_error: Option<&'static str>,
    alert: Option<&'static str>,
}

/// Whether a member may have analyses.
#[derive(Debug, Clone)]
enum AnalysisAccess {
    /// They may, as far as there are some left.
    Calls(Decision),
    /// They may not: what to do, and what it costs.
    Offered { why: &'static str, offers: Vec<Offer>, reward_days: i64 },
}

/// Something good that is said once.
#[derive(Debug, Clone)]
struct Said {
    text: String,
    /// The version that can be brought back.
    undo: Option<i64>,
}

/// What the page shows.
#[derive(Debug, Clone)]
struct Shown {
    view: PortfolioView,
    form: PositionsForm,
    analysis: AnalysisForm,
    said: Option<Said>,
}

fn portfolio_page(lang: Lang, shown: Shown) -> impl IntoView {
    let Shown { view, form, analysis, said } = shown;
    let version = view.version();
    let is_empty = view.current.as_ref().is_none_or(|current| current.portfolio.is_empty());
    // What is to be looked at comes first.
    let is_form_first = form.alert.is_some() || form.note.is_some();
    let mut sheets = vec![positions_sheet(lang, form, is_empty).into_any()];
    if !is_empty {
        let place = if is_form_first { sheets.len() } else { 0 };
        sheets.insert(place, figures_sheet(lang, &view.figures).into_any());
    }
    view! {
        {said.map(|said| view! {
            <Note>
                <span>{said.text}</span>
                {said.undo.map(|earlier| view! {
                    <form method="post" action="/portfolio/restore">
                        <input type="hidden" name="version" value=earlier.to_string() />
                        <input type="hidden" name="base" value=version.to_string() />
                        <input type="hidden" name="undo" value="yes" />
                        <button class="btn quiet">{words::undo(lang)}</button>
                    </form>
                })}
            </Note>
        })}
        <div>
            <h1>{words::portfolio(lang)}</h1>
            <p class="soft">{words::portfolio_intro(lang)}</p>
        </div>
        {sheets}
        {analysis_sheet(lang, &view, analysis)}
        {(!view.versions.is_empty()).then(|| versions_sheet(lang, &view))}
    }
}

fn positions_sheet(lang: Lang, form: PositionsForm, is_empty: bool) -> impl IntoView {
    let empty_rows = form.empty_rows.min(MOST_POSITIONS.saturating_sub(form.rows.len()));
    let rows = form
        .rows
        .into_iter()
        .chain(std::iter::repeat_n(Row::default(), empty_rows))
        .enumerate()
        .map(|(at, row)| position_row(lang, at + 1, row))
        .collect_view();
    let explained = form.bad.iter().take(EXPLAINED_LINES).map(|bad| {
        let text: String = bad.text.chars().take(60).collect();
        view! { <li>{words::bad_line(lang, bad.line, bad.problem)}" "<code>{text}</code></li> }
    });
    let explained = (!form.bad.is_empty()).then(|| {
        let more = form.bad.len().saturating_sub(EXPLAINED_LINES);
        view! {
            <ul class="bad-lines err">
                {explained.collect_view()}
                {(more > 0).then(|| view! { <li>{words::more_bad_lines(lang, more)}</li> })}
            </ul>
        }
    });
    let hint_id = described_by("pasted", true, false);
    view! {
        <Sheet title=words::positions(lang) id="positions">
            {form.alert.map(|alert| view! { <Alert>{alert}</Alert> })}
            {form.note.map(|note| view! { <Note><span>{note}</span></Note> })}
            {is_empty.then(|| view! { <p class="soft">{words::no_positions(lang)}</p> })}
            <form class="stack" method="post" action="/portfolio">
                <input type="hidden" name="base" value=form.base.to_string() />
                <table class="entry">
                    <thead>
                        <tr>
                            <th scope="col">{words::symbol(lang)}</th>
                            <th scope="col">{words::quantity(lang)}</th>
                            <th scope="col">{words::cost_basis(lang)}</th>
                            <th scope="col">{words::price_of_one(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
                <p class="hint">{words::positions_hint(lang)}</p>
                <div class="row">
                    // First in the form: it is what Enter does.
                    <button class="btn main" name="do" value="save">{words::save(lang)}</button>
                    <button class="btn" name="do" value="more">{words::more_rows(lang)}</button>
                </div>
                <details class="import" open=form.is_import_open>
                    <summary>{words::paste_or_import(lang)}</summary>
                    <div class="stack">
                        {explained}
                        <Field name="pasted" label=words::pasted_lines(lang) hint=words::pasted_hint(lang)>
                            <TextArea name="pasted" rows=6 text=form.pasted described_by=hint_id />
                        </Field>
                        <Field name="file" label=words::csv_file(lang)>
                            <input id="file" name="file" type="file" accept=".csv,.tsv,.txt,text/csv,text/plain" />
                        </Field>
                        <label class="choice">
                            <input type="checkbox" name="replace" value="yes" />
                            {words::replace_rows(lang)}
                        </label>
                        <div class="row">
                            <button class="btn" formaction="/portfolio/import" formenctype="multipart/form-data">
                                {words::read_in(lang)}
                            </button>
                        </div>
                    </div>
                </details>
            </form>
        </Sheet>
    }
}

fn position_row(lang: Lang, number: usize, row: Row) -> impl IntoView {
    let error_id = format!("row-{number}-error");
    let wrong = row.error.map(wrong_field);
    let input = |name: &'static str, label: &'static str, value: String, is_number: bool| {
        let is_wrong = wrong == Some(name);
        view! {
            <td data-label=label>
                <input
                    name=name value=value aria-label=words::in_row(lang, label, number) autocomplete="off"
                    class:num=is_number inputmode=is_number.then_some("decimal")
                    autocapitalize=(!is_number).then_some("characters") spellcheck="false"
                    aria-invalid=is_wrong.then_some("true")
                    aria-describedby=is_wrong.then(|| error_id.clone())
                />
            </td>
        }
    };
    let TypedPosition { symbol, quantity, cost_basis, price } = row.typed;
    view! {
        <tr>
            {input("symbol", words::symbol(lang), symbol, false)}
            {input("quantity", words::quantity(lang), quantity, true)}
            {input("cost_basis", words::cost_basis(lang), cost_basis, true)}
            {input("price", words::price_of_one(lang), price, true)}
        </tr>
        {row.error.map(|error| view! {
            <tr class="wrong">
                <td colspan="4"><p class="err" id=error_id.clone()>{words::position_error(lang, error)}</p></td>
            </tr>
        })}
    }
}

fn wrong_field(error: PositionError) -> &'static str {
    match error {
        PositionError::Quantity(_) => "quantity",
        PositionError::CostBasis(_) => "cost_basis",
        PositionError::Price(_) => "price",
        PositionError::Symbol(_) | PositionError::Line(_) | PositionError::TooMany => "symbol",
    }
}

fn figures_sheet(lang: Lang, figures: &Figures) -> impl IntoView + use<> {
    let percent = |share: f64| words::percent(lang, share);
    let gain = figures.gain.as_ref().map(|gain| words::gain_text(lang, gain));
    let mut stats = vec![(words::worth(lang), words::money(lang, figures.value))];
    stats.push((words::gain(lang), gain.unwrap_or_else(|| words::unknown_cost(lang).to_owned())));
    if let Some(found) = &figures.concentration {
        stats.push((words::spread_like(lang), words::equal_positions(lang, found)));
    }
    if let Some(risk) = &figures.risk {
        stats.push((words::volatility(lang), percent(risk.volatility)));
        stats.push((words::max_drawdown(lang), percent(risk.max_drawdown)));
    }
    let stats =
        stats.into_iter().map(|(name, text)| view! { <div><dt>{name}</dt><dd>{text}</dd></div> }).collect_view();
    let gaps = words::gaps(lang, figures).into_iter().map(|gap| view! { <p class="soft">{gap}</p> }).collect_view();
    let chart = figures.concentration.is_some().then(|| chart(lang, figures));
    let table = figures_table(lang, figures);
    let days = words::risk_days(lang, figures.risk.as_ref());
    view! {
        <Sheet title=words::amounts_to(lang) id="figures">
            <dl class="figures">{stats}</dl>
            {chart}
            <details>
                <summary>{words::as_a_table(lang)}</summary>
                {table}
            </details>
            <div>
                {gaps}
                <p class="hint">{days}</p>
            </div>
        </Sheet>
    }
}

/// The shares as bars. The same stands in its label, and in the table below.
fn chart(lang: Lang, figures: &Figures) -> impl IntoView + use<> {
    let own = if figures.positions.len() > MOST_BARS + 1 { MOST_BARS } else { figures.positions.len() };
    let (large, small) = figures.positions.split_at(own);
    let mut bars: Vec<(String, f64)> =
        large.iter().map(|position| (position.symbol.to_string(), position.weight)).collect();
    if !small.is_empty() {
        bars.push((words::others(lang, small.len()), small.iter().map(|position| position.weight).sum()));
    }
    let label = words::chart_text(lang, &bars);
    let (row, thickness) = BAR_HEIGHTS;
    let height = (bars.len() * row).to_string();
    let bars = bars
        .into_iter()
        .enumerate()
        .map(|(at, (name, share))| {
            let text_at = (at * row + 18).to_string();
            let bar_at = (at * row + 26).to_string();
            view! {
                <text x="0" y=text_at.clone()>{name}</text>
                <text class="num" x="100%" y=text_at text-anchor="end">{words::percent(lang, share)}</text>
                <rect class="track" x="0" y=bar_at.clone() width="100%" height=thickness.to_string() rx="4" />
                <rect
                    class="bar-filled" x="0" y=bar_at width=format!("{:.2}%", share * 100.0)
                    height=thickness.to_string() rx="4"
                />
            }
        })
        .collect_view();
    view! { <svg class="chart" role="img" aria-label=label width="100%" height=height>{bars}</svg> }
}

fn figures_table(lang: Lang, figures: &Figures) -> impl IntoView + use<> {
    let rows = figures
        .positions
        .iter()
        .map(|position| {
            let gain = position.gain.as_ref().map(|gain| words::gain_text(lang, gain));
            let price = words::exact(lang, position.price);
            let price = position.currency.as_ref().map(|currency| format!("{price} {currency}")).unwrap_or(price);
            view! {
                <tr>
                    <th scope="row">
                        {position.symbol.to_string()}{position.name.clone().map(|name| view! { <small>{name}</small> })}
                    </th>
                    <td>{words::exact(lang, position.quantity)}</td>
                    <td>{price}</td>
                    <td>{words::money(lang, position.value)}</td>
                    <td>{words::percent(lang, position.weight)}</td>
                    <td>{gain.unwrap_or_else(|| "–".to_owned())}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="wide" role="region" aria-label=words::as_a_table(lang) tabindex="0">
            <table class="plain">
                <thead>
                    <tr>
                        <th scope="col">{words::symbol(lang)}</th>
                        <th scope="col">{words::quantity(lang)}</th>
                        <th scope="col">{words::price_of_one(lang)}</th>
                        <th scope="col">{words::worth(lang)}</th>
                        <th scope="col">{words::share(lang)}</th>
                        <th scope="col">{words::gain(lang)}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

fn analysis_sheet(lang: Lang, view: &PortfolioView, form: AnalysisForm) -> impl IntoView + use<> {
    let version = view.version();
    let words_about_it = view.analysis.clone().map(|analysis| {
        let paragraphs = analysis.commentary.split("\n\n").map(str::to_owned);
        let paragraphs = paragraphs.map(|text| view! { <p>{text}</p> }).collect_view();
        let author = match analysis.author {
            Author::Model => words::written_by_model(lang),
            Author::BuiltIn => words::written_built_in(lang),
        };
        let is_old = analysis.version != version;
        view! {
            <div class="commentary">
                {analysis.question.map(|question| view! { <p><b>{question}</b></p> })}
                {paragraphs}
                <p class="hint">
                    {is_old.then(|| format!("{} ", words::about_version(lang, analysis.version)))}
                    {words::long_time(lang, analysis.created_at)}" · "{author}
                </p>
            </div>
        }
    });
    let has_value = !view.figures.positions.is_empty();
    let ask = match form.access {
        AnalysisAccess::Offered { why, offers, reward_days } => offer_view(lang, why, offers, reward_days).into_any(),
        AnalysisAccess::Calls(decision) => {
            let left = words::calls_left(lang, &decision);
            let meter = decision.limit.map(|limit| {
                let value = decision.remaining.unwrap_or(limit);
                view! { <meter min="0" max=limit.to_string() value=value.to_string() aria-label=left.clone()></meter> }
            });
            let question = has_value && decision.allowed;
            view! {
                <div class="calls">{meter}<p>{left}</p></div>
                {(!has_value).then(|| view! { <p class="soft">{words::nothing_to_analyze(lang)}</p> })}
                {(!decision.allowed).then(|| view! { <p class="soft">{words::calls_used_up(lang)}</p> })}
                {question.then(|| question_form(lang, form.question, form.question_error))}
            }
            .into_any()
        }
    };
    view! {
        <Sheet title=words::analysis(lang) id="analysis">
            <p class="soft">{words::analysis_intro(lang)}</p>
            {form.alert.map(|alert| view! { <Alert>{alert}</Alert> })}
            {words_about_it}
            {ask}
        </Sheet>
    }
}

fn question_form(lang: Lang, question: String, error: Option<&'static str>) -> impl IntoView {
    let error = error.map(str::to_owned);
    let described = described_by("question", true, error.is_some());
    let is_wrong = error.is_some();
    view! {
        <form class="stack" method="post" action="/portfolio/analyze">
            <Field name="question" label=words::question(lang) hint=words::question_hint(lang) error=error>
                <input
                    id="question" name="question" value=question maxlength=LONGEST_QUESTION.to_string()
                    autocomplete="off" aria-invalid=is_wrong.then_some("true") aria-describedby=described
                />
            </Field>
            <div class="row">
                <button class="btn main">{words::analyze(lang)}</button>
                <span class="hint">{words::analyze_saved_hint(lang)}</span>
            </div>
        </form>
    }
}

/// What analyses cost and how to get them. Coupons have no place yet to link to.
fn offer_view(lang: Lang, why: &'static str, offers: Vec<Offer>, reward_days: i64) -> impl IntoView {
    let offers = offers
        .into_iter()
        .map(|offer| {
            let Offer { tier_name, price_monthly_cents, limit, reset_period } = offer;
            view! { <li>{words::offer(lang, &tier_name, price_monthly_cents, limit, reset_period)}</li> }
        })
        .collect_view();
    view! {
        <p>{why}</p>
        <ul class="ways">
            <li><a href="/pricing">{words::by_subscription(lang)}</a><ul>{offers}</ul></li>
            <li>
                <a href="/settings#invite">{words::by_invitation(lang)}</a>" "
                {words::by_invitation_reward(lang, reward_days)}
            </li>
            <li><a href="/redeem">{words::by_coupon(lang)}</a></li>
        </ul>
    }
}

fn versions_sheet(lang: Lang, view: &PortfolioView) -> impl IntoView + use<> {
    let current = view.version();
    let mut lines = view.versions.iter().map(|line| {
        let number = line.number;
        let count = words::positions_count(lang, usize::try_from(line.position_count).unwrap_or(0));
        let link = format!("/portfolio/versions/{number}");
        let action = (number != current).then(|| {
            let label = format!("{}: {}", words::look_and_restore(lang), words::version(number));
            view! { <a href=link aria-label=label>{words::look_and_restore(lang)}</a> }
        });
        view! {
            <li>
                <div>
                    <b>{words::version(number)}</b>
                    {(number == current).then(|| view! { " "<span class="badge">{words::current_version(lang)}</span> })}
                    <small class="soft">
                        {words::long_time(lang, line.created_at)}" · "{count}
                        {line.restored_from.map(|from| format!(" · {}", words::restored_from(lang, from)))}
                    </small>
                </div>
                {action}
            </li>
        }
    });
    let in_sight = lines.by_ref().take(VERSIONS_IN_SIGHT).collect_view();
    let earlier: Vec<_> = lines.collect();
    let earlier = (!earlier.is_empty()).then(|| {
        view! {
            <details>
                <summary>{words::earlier_versions(lang)}</summary>
                <ul class="versions">{earlier}</ul>
            </details>
        }
    });
    view! {
        <Sheet title=words::versions(lang) id="versions">
            <p class="soft">{words::versions_hint(lang)}</p>
            <ul class="versions">{in_sight}</ul>
            {earlier}
        </Sheet>
    }
}

/// A version that may be restored.
#[derive(Debug, Clone)]
struct VersionShown {
    number: i64,
    saved_at: String,
    portfolio: Portfolio,
    /// What is current now, and would be replaced.
    base: i64,
    alert: Option<&'static str>,
}

fn version_page(lang: Lang, shown: VersionShown) -> impl IntoView {
    let is_current = shown.number == shown.base;
    view! {
        <div class="sheet stack">
            <div>
                <h1>{words::version(shown.number)}</h1>
                <p class="soft">{shown.saved_at}</p>
            </div>
            {shown.alert.map(|alert| view! { <Alert>{alert}</Alert> })}
            {positions_table(lang, &shown.portfolio)}
            {if is_current {
                view! {
                    <p>{words::is_current_version(lang)}</p>
                    <div class="row"><a class="btn" href="/portfolio">{words::back(lang)}</a></div>
                }
                .into_any()
            } else {
                view! {
                    <p class="soft">{words::restore_hint(lang)}</p>
                    <form class="row" method="post" action="/portfolio/restore">
                        <input type="hidden" name="version" value=shown.number.to_string() />
                        <input type="hidden" name="base" value=shown.base.to_string() />
                        <button class="btn main">{words::restore(lang)}</button>
                        <a class="btn" href="/portfolio">{words::cancel(lang)}</a>
                    </form>
                }
                .into_any()
            }}
        </div>
    }
}

/// Two portfolios, of which one shall count.
#[derive(Debug, Clone)]
struct ConflictShown {
    mine: Portfolio,
    theirs: Portfolio,
    /// The version that is there now.
    base: i64,
    saved_at: String,
}

fn conflict_page(lang: Lang, shown: ConflictShown) -> impl IntoView {
    let rows = shown
        .mine
        .positions()
        .iter()
        .map(|position| {
            let TypedPosition { symbol, quantity, cost_basis, price } = TypedPosition::of(position, lang);
            view! {
                <input type="hidden" name="symbol" value=symbol />
                <input type="hidden" name="quantity" value=quantity />
                <input type="hidden" name="cost_basis" value=cost_basis />
                <input type="hidden" name="price" value=price />
            }
        })
        .collect_view();
    view! {
        <div class="sheet stack">
            <div>
                <h1>{words::portfolio_conflict(lang)}</h1>
                <p class="soft">{words::portfolio_conflict_intro(lang)}</p>
            </div>
            <section class="stack" aria-labelledby="theirs">
                <div>
                    <h2 id="theirs">{words::what_is_saved(lang)}</h2>
                    <p class="soft">{words::version(shown.base)}" · "{shown.saved_at}</p>
                </div>
                {positions_table(lang, &shown.theirs)}
            </section>
            <section class="stack" aria-labelledby="mine">
                <h2 id="mine">{words::what_you_typed(lang)}</h2>
                {positions_table(lang, &shown.mine)}
            </section>
            <form class="row" method="post" action="/portfolio">
                <input type="hidden" name="base" value=shown.base.to_string() />
                {rows}
                <button class="btn main" name="do" value="save">{words::save_mine(lang)}</button>
                <a class="btn" href="/portfolio">{words::keep_saved(lang)}</a>
            </form>
        </div>
    }
}

fn positions_table(lang: Lang, portfolio: &Portfolio) -> impl IntoView + use<> {
    if portfolio.is_empty() {
        return view! { <p>{words::empty_portfolio(lang)}</p> }.into_any();
    }
    let text = |amount: Option<Amount>| amount.map_or_else(|| "–".to_owned(), |amount| words::exact(lang, amount));
    let rows = portfolio
        .positions()
        .iter()
        .map(|position| {
            view! {
                <tr>
                    <th scope="row">{position.symbol.to_string()}</th>
                    <td>{text(Some(position.quantity))}</td>
                    <td>{text(position.cost_basis)}</td>
                    <td>{text(position.price)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="wide" role="region" aria-label=words::positions(lang) tabindex="0">
            <table class="plain">
                <thead>
                    <tr>
                        <th scope="col">{words::symbol(lang)}</th>
                        <th scope="col">{words::quantity(lang)}</th>
                        <th scope="col">{words::cost_basis(lang)}</th>
                        <th scope="col">{words::price_of_one(lang)}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}
