//! /admin/bonus: rules that reward members by themselves; and what a member sees of them in /settings.

use std::sync::Arc;

use axum::{
    extract::{Form, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{Alert, CheckField, Confirm, Crumb, Note, SelectField, Sheet, TextField},
    domain::{
        bonus::{Award, BadTerms, Progress, Reward, Rule, Terms, Trigger, badge_letter},
        catalogue::Catalogue,
        ids::BonusRuleId,
        lang::Lang,
    },
    pages::{
        chosen_tier,
        day::{end_of_day, start_of_day},
        frame::{self, Frame, Section, Width},
    },
    platform::caller::{Admin, Site, failed},
    services::{
        bonus::{self, BonusError, ListedAward, ListedRule, Preview, Standing},
        catalogue,
    },
    words::{bonus as text, coupons::days_of, long_date, number, pages, through},
};

/// Rules on one page of the list.
const PAGE: i64 = 50;
/// Members on the page of a rule.
const AWARDS: i64 = 50;
/// What is given back of something that was typed at length, in characters.
const LONGEST_TYPED: usize = 400;

/// What a link to the rules may say.
#[derive(Debug, Default, Deserialize)]
pub struct Link {
    #[serde(default)]
    archived: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    said: String,
}

/// What the form of a rule sends.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct RuleForm {
    #[serde(default)]
    name_en: String,
    #[serde(default)]
    name_de: String,
    #[serde(default)]
    description_en: String,
    #[serde(default)]
    description_de: String,
    #[serde(default)]
    trigger: String,
    #[serde(default)]
    threshold: String,
    #[serde(default)]
    reward: String,
    #[serde(default)]
    tier: String,
    #[serde(default)]
    days: String,
    #[serde(default)]
    letter: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    /// Whether what was before counts too.
    #[serde(default)]
    before: String,
    #[serde(default)]
    active: String,
    /// `preview`, or anything else to save.
    #[serde(default)]
    r#do: String,
}

impl RuleForm {
    /// A rule that nobody has begun to write.
    fn blank() -> Self {
        Self { active: "on".to_owned(), reward: "days".to_owned(), ..Self::default() }
    }

    /// A rule as it is.
    fn of(rule: &Rule, zone: Tz) -> Self {
        let terms = &rule.terms;
        let day = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive().to_string();
        let tick = |is_ticked: bool| if is_ticked { "on".to_owned() } else { String::new() };
        let (reward, tier, days, letter) = match &terms.reward {
            Reward::Days { tier, days } => ("days", tier.to_string(), days.to_string(), String::new()),
            Reward::Badge { letter } => ("badge", String::new(), String::new(), letter.to_string()),
        };
        Self {
            name_en: terms.name_en.clone(),
            name_de: terms.name_de.clone(),
            description_en: terms.description_en.clone(),
            description_de: terms.description_de.clone(),
            trigger: terms.trigger.as_str().to_owned(),
            threshold: terms.threshold.to_string(),
            reward: reward.to_owned(),
            tier,
            days,
            letter,
            since: terms.counts_from.map(day).unwrap_or_default(),
            // The last day is the one that ends then.
            until: terms.ends_at.map(|end| day(end - chrono::TimeDelta::seconds(1))).unwrap_or_default(),
            before: tick(terms.counts_from.is_none()),
            active: tick(rule.active),
            r#do: String::new(),
        }
    }

    /// Nobody wants back what is too long to have been typed.
    fn shortened(mut self) -> Self {
        for field in [
            &mut self.name_en,
            &mut self.name_de,
            &mut self.description_en,
            &mut self.description_de,
            &mut self.threshold,
            &mut self.days,
            &mut self.letter,
            &mut self.since,
            &mut self.until,
        ] {
            *field = field.trim().chars().take(LONGEST_TYPED).collect();
        }
        self
    }

    /// Reads the form; nothing if a field cannot be read, which is then said beside it. `kept` is when the
    /// rule begins to count that is changed: a day is less than that.
    fn read(
        &self,
        lang: Lang,
        zone: Tz,
        now: DateTime<Utc>,
        kept: Option<DateTime<Utc>>,
        complaints: &mut Complaints,
    ) -> Option<Terms> {
        let some = |error: &'static str| Some(error.to_owned());
        let trigger = self.trigger.parse().map_err(|_| complaints.trigger = some(text::error_trigger(lang))).ok();
        let threshold =
            self.threshold.parse().map_err(|_| complaints.threshold = some(text::error_threshold(lang))).ok();
        let reward = if self.reward == "badge" {
            let letter = badge_letter(&self.letter);
            if letter.is_none() {
                complaints.letter = some(text::error_letter(lang));
            }
            letter.map(|letter| Reward::Badge { letter })
        } else {
            let tier = self.tier.parse().map_err(|_| complaints.tier = some(text::error_tier(lang))).ok();
            let days = self.days.parse().map_err(|_| complaints.days = some(text::error_days(lang))).ok();
            tier.zip(days).map(|(tier, days)| Reward::Days { tier, days })
        };
        let since = start_of_day(&self.since, zone).map_err(|_| complaints.since = some(text::error_day(lang))).ok();
        let until = end_of_day(&self.until, zone).map_err(|_| complaints.until = some(text::error_day(lang))).ok();
        let day = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
        let counts_from = match since? {
            _ if !self.before.is_empty() => None,
            None => Some(kept.unwrap_or(now)),
            Some(since) => Some(kept.filter(|kept| day(*kept) == day(since)).unwrap_or(since)),
        };
        Some(Terms {
            name_en: self.name_en.clone(),
            name_de: self.name_de.clone(),
            description_en: self.description_en.clone(),
            description_de: self.description_de.clone(),
            trigger: trigger?,
            threshold: threshold?,
            reward: reward?,
            counts_from,
            ends_at: until?,
        })
    }
}

/// What is wrong with the form.
#[derive(Debug, Clone, Default)]
struct Complaints {
    /// With all of it.
    form: Option<String>,
    name: Option<String>,
    description: Option<String>,
    trigger: Option<String>,
    threshold: Option<String>,
    tier: Option<String>,
    days: Option<String>,
    letter: Option<String>,
    since: Option<String>,
    until: Option<String>,
}

fn complain(lang: Lang, error: &BonusError, complaints: &mut Complaints) {
    let (field, problem) = match error {
        BonusError::Terms(BadTerms::Name) => (&mut complaints.name, text::error_name(lang)),
        BonusError::Terms(BadTerms::Description) => (&mut complaints.description, text::error_description(lang)),
        BonusError::Terms(BadTerms::Threshold) => (&mut complaints.threshold, text::error_threshold(lang)),
        BonusError::Terms(BadTerms::Days) => (&mut complaints.days, text::error_days(lang)),
        BonusError::Terms(BadTerms::Window) => (&mut complaints.until, text::error_window(lang)),
        BonusError::TierUnknown => (&mut complaints.tier, text::error_tier(lang)),
        BonusError::Frozen => (&mut complaints.form, text::error_frozen(lang)),
        BonusError::TooMany => (&mut complaints.form, text::error_too_many(lang)),
        BonusError::NoSuchRule | BonusError::Store(_) => (&mut complaints.form, text::gone(lang)),
    };
    *field = Some(problem.to_owned());
}

/// A form with what is wrong with it and what it would do.
#[derive(Debug, Clone, Default)]
struct Filled {
    typed: RuleForm,
    complaints: Complaints,
    preview: Option<Preview>,
}

/// What the list shows.
#[derive(Debug)]
struct RulesView {
    said: Option<&'static str>,
    archived: bool,
    rules: Vec<ListedRule>,
    /// Where the older rules are.
    older: Option<String>,
    catalogue: Arc<Catalogue>,
    filled: Filled,
    now: DateTime<Utc>,
}

/// `GET /admin/bonus`
pub async fn list(State(site): State<Site>, admin: Admin, Query(link): Query<Link>) -> Response {
    let filled = Filled { typed: RuleForm::blank(), ..Filled::default() };
    list_page(&site, &admin, StatusCode::OK, &link, filled).await
}

async fn list_page(site: &Site, admin: &Admin, status: StatusCode, link: &Link, filled: Filled) -> Response {
    let lang = admin.visit.origin.lang;
    let archived = !link.archived.is_empty();
    let (catalogue, found) = match (
        catalogue::current(&site.env).await,
        bonus::list(&site.env, archived, link.before.parse::<BonusRuleId>().ok(), PAGE + 1).await,
    ) {
        (Ok(catalogue), Ok(found)) => (catalogue, found),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    let mut rules = found;
    let most = usize::try_from(PAGE).unwrap_or(0);
    let has_more = rules.len() > most;
    rules.truncate(most);
    let mark = if archived { "archived=1&" } else { "" };
    let older = rules.last().filter(|_| has_more).map(|last| format!("/admin/bonus?{mark}before={}", last.rule.id));
    let said = match link.said.as_str() {
        "made" => Some(text::made(lang)),
        "changed" => Some(text::changed(lang)),
        "archived" => Some(text::put_away(lang)),
        "gone" => Some(text::gone(lang)),
        _ => None,
    };
    let view = Arc::new(RulesView { said, archived, rules, older, catalogue, filled, now: site.env.clock.now() });
    let frame = Frame {
        title: text::title(lang),
        address: "/admin/bonus",
        width: Width::Wide,
        section: Some(Section::Bonus),
        islands: false,
    };
    frame::render(site, &admin.visit, status, frame, move || rules_page(lang, &view)).await
}

/// `POST /admin/bonus`: makes a rule, or says first who has earned it already.
pub async fn create(State(site): State<Site>, admin: Admin, Form(form): Form<RuleForm>) -> Response {
    let lang = admin.visit.origin.lang;
    let catalogue = match catalogue::current(&site.env).await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&error),
    };
    let typed = form.shortened();
    let mut complaints = Complaints::default();
    let terms = typed.read(lang, catalogue.settings.timezone, site.env.clock.now(), None, &mut complaints);
    if let Some(terms) = terms {
        if typed.r#do == "preview" {
            return match look(&site, lang, None, &catalogue, terms, &mut complaints).await {
                Ok(preview) => {
                    let status = if preview.is_some() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
                    let filled = Filled { typed, complaints, preview };
                    list_page(&site, &admin, status, &Link::default(), filled).await
                }
                Err(response) => response,
            };
        }
        match bonus::create(&site.env, terms, !typed.active.is_empty(), &admin.identity.user.label()).await {
            Ok(_) => return Redirect::to("/admin/bonus?said=made").into_response(),
            Err(BonusError::Store(error)) => return failed(&error),
            Err(error) => complain(lang, &error, &mut complaints),
        }
    }
    let filled = Filled { typed, complaints, preview: None };
    list_page(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, &Link::default(), filled).await
}

/// Looks who has earned a rule already, whenever it was; nothing if it makes no sense, which is then
/// said beside the field.
async fn look(
    site: &Site,
    lang: Lang,
    rule: Option<BonusRuleId>,
    catalogue: &Catalogue,
    terms: Terms,
    complaints: &mut Complaints,
) -> Result<Option<Preview>, Response> {
    let terms = match terms.checked() {
        Ok(terms) => terms,
        Err(error) => {
            complain(lang, &error.into(), complaints);
            return Ok(None);
        }
    };
    if matches!(&terms.reward, Reward::Days { tier, .. } if catalogue.tier(tier).is_none()) {
        complain(lang, &BonusError::TierUnknown, complaints);
        return Ok(None);
    }
    let everything = Terms { counts_from: None, ..terms };
    bonus::preview(&site.env, rule, &everything).await.map(Some).map_err(|error| failed(&error))
}

/// What the page of a rule shows.
#[derive(Debug)]
struct RuleView {
    listed: ListedRule,
    awards: Vec<ListedAward>,
    catalogue: Arc<Catalogue>,
    filled: Filled,
}

/// `GET /admin/bonus/{id}`
pub async fn show(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<BonusRuleId>() else { return StatusCode::NOT_FOUND.into_response() };
    rule_page_of(&site, &admin, StatusCode::OK, id, None).await
}

async fn rule_page_of(
    site: &Site,
    admin: &Admin,
    status: StatusCode,
    id: BonusRuleId,
    filled: Option<Filled>,
) -> Response {
    let lang = admin.visit.origin.lang;
    let (catalogue, listed, awards) = match (
        catalogue::current(&site.env).await,
        bonus::find(&site.env, id).await,
        bonus::awards(&site.env, id, None, AWARDS).await,
    ) {
        (Ok(catalogue), Ok(Some(listed)), Ok(awards)) => (catalogue, listed, awards),
        (Ok(_), Ok(None), _) => return StatusCode::NOT_FOUND.into_response(),
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => return failed(&error),
    };
    let zone = catalogue.settings.timezone;
    let filled = filled.unwrap_or_else(|| Filled { typed: RuleForm::of(&listed.rule, zone), ..Filled::default() });
    let view = Arc::new(RuleView { listed, awards, catalogue, filled });
    let frame = Frame {
        title: text::edit(lang),
        address: "/admin/bonus",
        width: Width::Wide,
        section: Some(Section::Bonus),
        islands: false,
    };
    frame::render(site, &admin.visit, status, frame, move || rule_page(lang, &view)).await
}

/// `POST /admin/bonus/{id}`: changes a rule, or says first who would be rewarded.
pub async fn change(
    State(site): State<Site>,
    admin: Admin,
    Path(id): Path<String>,
    Form(form): Form<RuleForm>,
) -> Response {
    let lang = admin.visit.origin.lang;
    let Ok(id) = id.parse::<BonusRuleId>() else { return StatusCode::NOT_FOUND.into_response() };
    let (catalogue, listed) = match (catalogue::current(&site.env).await, bonus::find(&site.env, id).await) {
        (Ok(catalogue), Ok(Some(listed))) => (catalogue, listed),
        (Ok(_), Ok(None)) => return StatusCode::NOT_FOUND.into_response(),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    let mut typed = form.shortened();
    if listed.awards > 0 {
        // Those fields are not on the page any more.
        typed = with_words_of(typed, RuleForm::of(&listed.rule, catalogue.settings.timezone));
    }
    let mut complaints = Complaints::default();
    let kept = listed.rule.terms.counts_from;
    let terms = typed.read(lang, catalogue.settings.timezone, site.env.clock.now(), kept, &mut complaints);
    if let Some(terms) = terms {
        if typed.r#do == "preview" {
            return match look(&site, lang, Some(id), &catalogue, terms, &mut complaints).await {
                Ok(preview) => {
                    let status = if preview.is_some() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
                    let filled = Filled { typed, complaints, preview };
                    rule_page_of(&site, &admin, status, id, Some(filled)).await
                }
                Err(response) => response,
            };
        }
        match bonus::change(&site.env, id, terms, !typed.active.is_empty(), &admin.identity.user.label()).await {
            Ok(_) => return Redirect::to("/admin/bonus?said=changed").into_response(),
            Err(BonusError::Store(error)) => return failed(&error),
            Err(error) => complain(lang, &error, &mut complaints),
        }
    }
    let filled = Filled { typed, complaints, preview: None };
    rule_page_of(&site, &admin, StatusCode::UNPROCESSABLE_ENTITY, id, Some(filled)).await
}

/// Takes over the words, the end and the switch; the deal stays.
fn with_words_of(typed: RuleForm, kept: RuleForm) -> RuleForm {
    let RuleForm { name_en, name_de, description_en, description_de, until, active, r#do, .. } = typed;
    RuleForm { name_en, name_de, description_en, description_de, until, active, r#do, ..kept }
}

/// `POST /admin/bonus/{id}/archive`
pub async fn archive(State(site): State<Site>, admin: Admin, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<BonusRuleId>() else { return StatusCode::NOT_FOUND.into_response() };
    match bonus::archive(&site.env, id, &admin.identity.user.label()).await {
        Ok(_) => Redirect::to("/admin/bonus?said=archived").into_response(),
        Err(BonusError::Store(error)) => failed(&error),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

fn rules_page(lang: Lang, view: &RulesView) -> impl IntoView + use<> {
    let tab = |path: &'static str, name: &'static str, is_this: bool| {
        view! { <a href=path aria-current=is_this.then_some("true")>{name}</a> }
    };
    let list = if view.rules.is_empty() {
        let (none, hint) = if view.archived {
            (text::none_archived(lang), text::none_archived_hint(lang))
        } else {
            (text::none(lang), text::none_hint(lang))
        };
        view! { <div class="sheet empty"><b>{none}</b><p class="soft">{hint}</p></div> }.into_any()
    } else {
        let rows = view.rules.iter().map(|listed| row(lang, view, listed)).collect_view();
        view! {
            <div class="gridwrap">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{text::rule(lang)}</th>
                            <th scope="col">{text::asks_for(lang)}</th>
                            <th scope="col">{text::brings(lang)}</th>
                            <th scope="col">{text::rewarded(lang)}</th>
                            <th scope="col">{text::window(lang)}</th>
                            <th scope="col">{text::state(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let older = view.older.clone().map(|older| {
        view! { <nav class="row end" aria-label=pages(lang)><a class="btn" href=older rel="next">{text::older(lang)}</a></nav> }
    });
    let form = (!view.archived).then(|| {
        let fields = form(lang, &view.filled, &view.catalogue, "/admin/bonus".to_owned(), true, text::make(lang));
        view! { <Sheet title=text::new(lang) id="new">{fields}</Sheet> }
    });
    view! {
        {view.said.map(|said| view! { <Note><span>{said}</span></Note> })}
        <div>
            <h1>{text::title(lang)}</h1>
            <p class="soft">{text::intro(lang)}</p>
        </div>
        <nav class="tabs" aria-label=text::which(lang)>
            {tab("/admin/bonus", text::in_use(lang), !view.archived)}
            {tab("/admin/bonus?archived=1", text::archived(lang), view.archived)}
        </nav>
        {list}
        {older}
        {form}
    }
}

fn reward_view(lang: Lang, reward: &Reward, catalogue: &Catalogue) -> String {
    match reward {
        Reward::Days { tier, days } => {
            let name = catalogue.tier_name(tier);
            days_of(lang, *days, &name)
        }
        Reward::Badge { letter } => text::badge(lang, *letter),
    }
}

fn day_of(lang: Lang, at: DateTime<Utc>, zone: Tz) -> String {
    long_date(lang, at.with_timezone(&zone).date_naive())
}

fn row(lang: Lang, view: &RulesView, listed: &ListedRule) -> impl IntoView + use<> {
    let rule = &listed.rule;
    let terms = &rule.terms;
    let zone = view.catalogue.settings.timezone;
    let from = match terms.counts_from {
        Some(from) => text::counts_from(lang, &day_of(lang, from, zone)),
        None => text::everything(lang).to_owned(),
    };
    let until = terms.ends_at.map(|end| view! { <small class="soft">{through(lang, end, zone)}</small> });
    let state = match (rule.archived_at.is_some(), rule.active, rule.is_open(view.now)) {
        (true, ..) => view! { <span class="badge">{text::is_archived(lang)}</span> }.into_any(),
        (_, false, _) => view! { <span class="badge">{text::switched_off(lang)}</span> }.into_any(),
        (.., true) => view! { <span class="badge paid">{text::given(lang)}</span> }.into_any(),
        _ => view! { <span class="badge">{text::over(lang)}</span> }.into_any(),
    };
    let archive = rule.archived_at.is_none().then(|| {
        view! {
            <Confirm
                label=text::archive(lang) about=rule.name(lang).to_owned() question=text::archive_ask(lang)
                action=format!("/admin/bonus/{}/archive", rule.id)
            />
        }
    });
    view! {
        <tr>
            <th scope="row">
                <a href=format!("/admin/bonus/{}", rule.id)>{rule.name(lang).to_owned()}</a>
                <small class="soft">{rule.description(lang).to_owned()}</small>
            </th>
            <td data-label=text::asks_for(lang)>{text::asked(lang, terms.trigger, terms.threshold)}</td>
            <td data-label=text::brings(lang)>{reward_view(lang, &terms.reward, &view.catalogue)}</td>
            <td data-label=text::rewarded(lang)>{number(lang, listed.awards)}</td>
            <td data-label=text::window(lang)><span>{from}{until}</span></td>
            <td data-label=text::state(lang)><div class="state">{state}{archive}</div></td>
        </tr>
    }
}

fn rule_page(lang: Lang, view: &RuleView) -> impl IntoView + use<> {
    let rule = &view.listed.rule;
    let is_new_deal = view.listed.awards == 0;
    let hint = match (rule.archived_at.is_some(), is_new_deal) {
        (true, _) => Some(text::archived_hint(lang)),
        (false, false) => Some(text::frozen_hint(lang)),
        (false, true) => None,
    };
    let deal = format!(
        "{} → {}",
        text::asked(lang, rule.terms.trigger, rule.terms.threshold),
        reward_view(lang, &rule.terms.reward, &view.catalogue)
    );
    let form = rule.archived_at.is_none().then(|| {
        let action = format!("/admin/bonus/{}", rule.id);
        let fields = form(lang, &view.filled, &view.catalogue, action, is_new_deal, text::save(lang));
        view! { <Sheet title=text::edit(lang) id="edit">{fields}</Sheet> }
    });
    let zone = view.catalogue.settings.timezone;
    let awards = if view.awards.is_empty() {
        view! { <p class="soft">{text::no_awards(lang)}</p> }.into_any()
    } else {
        let rows = view
            .awards
            .iter()
            .map(|listed| {
                let who = match (listed.award.user, &listed.member) {
                    (Some(user), Some(member)) => {
                        view! { <a class="address" href=format!("/admin/users/{user}")>{member.clone()}</a> }.into_any()
                    }
                    _ => view! { <span class="soft">{text::deleted_account(lang)}</span> }.into_any(),
                };
                view! {
                    <tr>
                        <th scope="row">{who}</th>
                        <td data-label=text::brings(lang)>{reward_view(lang, &listed.award.reward, &view.catalogue)}</td>
                        <td data-label=text::on(lang)>{day_of(lang, listed.award.awarded_at, zone)}</td>
                    </tr>
                }
            })
            .collect_view();
        view! {
            <div class="gridwrap flush">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{text::member(lang)}</th>
                            <th scope="col">{text::brings(lang)}</th>
                            <th scope="col">{text::on(lang)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <div>
            <Crumb path="/admin/bonus" name=text::back(lang) />
            <h1>{rule.name(lang).to_owned()}</h1>
            <p class="soft">{deal}</p>
            {hint.map(|hint| view! { <p class="soft">{hint}</p> })}
        </div>
        {form}
        <Sheet title=text::awards(lang) id="awards">{awards}</Sheet>
    }
}

/// The form of a rule; without what it asks for and brings where that stays.
fn form(
    lang: Lang,
    filled: &Filled,
    catalogue: &Catalogue,
    action: String,
    has_deal: bool,
    save: &'static str,
) -> impl IntoView + use<> {
    let Filled { typed, complaints, preview } = filled.clone();
    let also_before = !typed.before.is_empty();
    let preview = preview.map(|preview| {
        let more = preview.count - i64::try_from(preview.first.len()).unwrap_or(0);
        let first = preview.first.into_iter().map(|member| view! { <li class="address">{member}</li> }).collect_view();
        let more = (more > 0).then(|| view! { <li class="soft">{text::and_more(lang, more)}</li> });
        let would_get = (preview.count > 0 && has_deal).then(|| view! { <p>{text::would_get(lang, also_before)}</p> });
        view! {
            <div class="note" role="status" id="preview">
                <div>
                    <b>{text::have_earned(lang, preview.count)}</b>
                    <ul>{first}{more}</ul>
                    {would_get}
                </div>
            </div>
        }
    });
    let triggers =
        Trigger::ALL.map(|trigger| (trigger.as_str().to_owned(), text::trigger_name(lang, trigger).to_owned()));
    let rewards = [("days", text::reward_days(lang)), ("badge", text::reward_badge(lang))];
    let rewards = rewards.map(|(value, name)| (value.to_owned(), name.to_owned())).to_vec();
    let tiers = catalogue.tiers().iter().map(|tier| (tier.id.to_string(), tier.name.clone())).collect();
    let chosen = chosen_tier(&typed.tier, catalogue);
    let deal = has_deal.then(|| {
        view! {
            <fieldset class="group">
                <legend>{text::what_it_asks(lang)}</legend>
                <div class="fields">
                    <SelectField
                        name="trigger" label=text::trigger(lang) options=triggers.to_vec() chosen=typed.trigger
                        error=complaints.trigger
                    />
                    <TextField
                        name="threshold" label=text::threshold(lang) hint=text::threshold_hint(lang)
                        value=typed.threshold error=complaints.threshold inputmode="numeric" most="5" required=true
                    />
                    <TextField
                        name="since" label=text::since(lang) hint=text::since_hint(lang) kind="date" value=typed.since
                        error=complaints.since
                    />
                </div>
                <CheckField
                    name="before" label=text::also_before(lang) hint=text::also_before_hint(lang) checked=also_before
                />
            </fieldset>
            // Fields of the other reward are hidden by the style alone; what stands in them is not read.
            <fieldset class="group rewards">
                <legend>{text::what_it_brings(lang)}</legend>
                <div class="fields">
                    <SelectField name="reward" label=text::reward(lang) options=rewards chosen=typed.reward />
                    <div class="of-days">
                        <SelectField
                            name="tier" label=text::tier(lang) hint=text::tier_hint(lang) options=tiers chosen=chosen
                            error=complaints.tier
                        />
                    </div>
                    <div class="of-days">
                        <TextField
                            name="days" label=text::days(lang) hint=text::days_hint(lang) value=typed.days
                            error=complaints.days inputmode="numeric" most="4"
                        />
                    </div>
                    <div class="of-badge">
                        <TextField
                            name="letter" label=text::letter(lang) hint=text::letter_hint(lang) value=typed.letter
                            error=complaints.letter most="2"
                        />
                    </div>
                </div>
            </fieldset>
        }
    });
    view! {
        <form class="stack tight" method="post" action=action>
            {complaints.form.map(|problem| view! { <Alert><span>{problem}</span></Alert> })}
            {preview}
            {deal}
            <fieldset class="group">
                <legend>{text::how_it_is_called(lang)}</legend>
                <div class="fields">
                    <TextField
                        name="name_en" label=text::name_en(lang) hint=text::name_hint(lang) value=typed.name_en
                        error=complaints.name most="80"
                    />
                    <TextField name="name_de" label=text::name_de(lang) value=typed.name_de most="80" />
                    <TextField
                        name="description_en" label=text::description_en(lang) hint=text::description_hint(lang)
                        value=typed.description_en error=complaints.description most="300"
                    />
                    <TextField
                        name="description_de" label=text::description_de(lang) value=typed.description_de most="300"
                    />
                    <TextField
                        name="until" label=text::until(lang) hint=text::until_hint(lang) kind="date" value=typed.until
                        error=complaints.until
                    />
                </div>
            </fieldset>
            <CheckField
                name="active" label=text::active(lang) hint=text::active_hint(lang) checked=!typed.active.is_empty()
            />
            <div class="row">
                <button class="btn main" name="do" value="save">{save}</button>
                <button class="btn" name="do" value="preview">{text::preview(lang)}</button>
            </div>
        </form>
    }
}

/// What a member sees of it in /settings, and admins on the member's page: their badges, and how far they are.
pub fn member_sheet(lang: Lang, title: &'static str, standing: &Standing) -> Option<impl IntoView + use<>> {
    if standing.awards.is_empty() && standing.open.is_empty() {
        return None;
    }
    let awards = standing.awards.iter().map(|(award, rule, tier)| earned(lang, award, rule, tier.as_deref()));
    let awards = (!standing.awards.is_empty()).then(|| {
        view! { <div><h3>{text::earned(lang)}</h3><ul class="earned">{awards.collect_view()}</ul></div> }
    });
    let open = standing.open.iter().map(|(rule, progress, tier)| to_earn(lang, rule, *progress, tier.as_deref()));
    let open = (!standing.open.is_empty()).then(|| {
        view! { <div><h3>{text::to_earn(lang)}</h3><ul class="meters">{open.collect_view()}</ul></div> }
    });
    Some(view! { <Sheet title=title id="bonus">{awards}{open}</Sheet> })
}

fn brings(lang: Lang, reward: &Reward, tier: Option<&str>) -> String {
    match reward {
        Reward::Days { tier: id, days } => days_of(lang, *days, tier.unwrap_or(id.as_str())),
        Reward::Badge { letter } => text::badge(lang, *letter),
    }
}

fn earned(lang: Lang, award: &Award, rule: &Rule, tier: Option<&str>) -> impl IntoView + use<> {
    let sign = match award.reward {
        Reward::Badge { letter } => letter.to_string(),
        Reward::Days { days, .. } => format!("+{days}"),
    };
    let gave = matches!(award.reward, Reward::Days { .. }).then(|| brings(lang, &award.reward, tier));
    let about = [gave, Some(long_date(lang, award.awarded_at.date_naive()))];
    let about: Vec<String> = about.into_iter().flatten().collect();
    view! {
        <li>
            <span class="coin" aria-hidden="true">{sign}</span>
            <div>
                <b>{rule.name(lang).to_owned()}</b>
                <small class="soft">{about.join(" · ")}</small>
            </div>
        </li>
    }
}

fn to_earn(lang: Lang, rule: &Rule, progress: Progress, tier: Option<&str>) -> impl IntoView + use<> {
    let so_far = text::so_far(lang, progress.shown(), progress.threshold);
    let id = format!("bonus-{}", rule.id);
    let asked = text::asked(lang, rule.terms.trigger, rule.terms.threshold);
    let about = match rule.description(lang) {
        "" => asked,
        description => format!("{asked} · {description}"),
    };
    let value = progress.shown().to_string();
    view! {
        <li class="usage">
            <span id=id.clone()>
                <b>{rule.name(lang).to_owned()}</b>
                " · "
                {brings(lang, &rule.terms.reward, tier)}
            </span>
            <span class="num"><b>{so_far.clone()}</b></span>
            <meter min="0" max=progress.threshold.to_string() value=value aria-labelledby=id>{so_far}</meter>
            <small class="soft">{about}</small>
        </li>
    }
}
