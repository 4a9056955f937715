//! Puts letters into words, from the templates in `letters/`.
//!
//! A letter's folder holds its subject, its text and its HTML in every language. A paragraph of
//! the text stands on one line there and is broken here; HTML is escaped by the file's ending.
//!
//! Admins may word a letter anew. What they write is filled in a sandbox: few kinds of tags, few
//! filters, little fuel, a bounded size, and nothing to include but the layout.

use std::{fmt, io};

use chrono::{DateTime, Utc};
use minijinja::{
    Environment, ErrorKind, Template, UndefinedBehavior, Value, context, default_auto_escape_callback, filters,
    tests::{is_defined, is_none},
};

use crate::{
    domain::{
        lang::Lang,
        letter::{LetterName, Notice},
        login::{CODE_LIFETIME, LoginCode, SHORT_CODE_LENGTH},
        mail_template::{Part, Wording, WordingProblem},
    },
    words::long_date,
};

/// The longest line of a text, in characters: what still fits when it is quoted in a terminal.
const LINE_LENGTH: usize = 76;

/// The template from which the HTML of every letter is extended.
const LAYOUT: &str = "layout.html.j2";

/// How many instructions a template that an admin wrote may take; built-in ones take some hundred.
const FUEL: u64 = 50_000;
/// How deep blocks and loops of such a template may call each other.
const MOST_RECURSION: usize = 20;
/// The most bytes that such a template may make.
const LONGEST_PART: usize = 200_000;
/// The longest subject, in characters.
const LONGEST_SUBJECT: usize = 200;
/// The tags that it may use. Without `set`, `with` and macros nothing can grow by doubling, without
/// `autoescape` nothing escapes the escaping, and without `include` and `import` nothing comes in.
const TAGS: [&str; 9] = ["extends", "block", "endblock", "if", "elif", "else", "endif", "for", "endfor"];
/// The names that templates know by themselves. Without `self` no block can be called by others.
const OWN_NAMES: [&str; 2] = ["loop", "super"];
/// The signs that it may not use. Fuel counts instructions, and with these one of them can take all the time or
/// room that there is: what is repeated, and lists, which a loop gives a name to and makes longer and longer.
const SIGNS: [char; 3] = ['*', '[', '{'];
/// How long what stands between two braces may be, in characters: what is put together there is short then.
const LONGEST_TAG: usize = 500;

/// Takes in the templates of letters by the names of their folders.
macro_rules! templates {
    ($($letter:literal)+) => {
        &[
            (LAYOUT, include_str!("letters/layout.html.j2")),
            $(
                templates!(@ $letter "de.html"), templates!(@ $letter "de.subject.txt"), templates!(@ $letter "de.txt"),
                templates!(@ $letter "en.html"), templates!(@ $letter "en.subject.txt"), templates!(@ $letter "en.txt"),
            )+
        ]
    };
    (@ $letter:literal $part:literal) => {
        (concat!($letter, "/", $part, ".j2"), include_str!(concat!("letters/", $letter, "/", $part, ".j2")))
    };
}

const TEMPLATES: &[(&str, &str)] = templates! {
    "access_granted" "account_deleted" "admin_digest" "badge_awarded" "bonus_awarded" "coupon_redeemed"
    "deletion_postponed" "deletion_scheduled" "grant_ended" "grant_ending" "grant_paused" "grant_resumed" "grant_started" "invitation"
    "login_code" "no_account" "payment_event_failed" "payment_failed" "referral_converted" "referral_joined"
    "referral_taken_back" "subscription_ended" "subscription_started" "trial_ended" "trial_ending" "welcome"
};

/// A letter with everything that its words need.
///
/// It has no `Debug`, so that no log can hold a code.
#[derive(Clone, PartialEq, Eq)]
pub enum Contents {
    /// The code that completes a sign-in.
    LoginCode(LoginCode),
    /// An invitation to open an account.
    Invitation(InvitationLetter),
    /// Anything else.
    Notice(Notice),
}

/// An invitation with everything that its words need.
///
/// It has no `Debug`, because its link opens an account.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationLetter {
    /// Who invites, by name or address, where the reader may know.
    pub inviter: Option<String>,
    /// What they write.
    pub note: Option<String>,
    /// The name of the tier that waits for the reader, and for how many days.
    pub gift: Option<(String, i64)>,
    /// The address that accepts it, with its token.
    pub link: String,
    /// Until when it can be accepted.
    pub expires_at: DateTime<Utc>,
}

impl From<Notice> for Contents {
    fn from(notice: Notice) -> Self {
        Self::Notice(notice)
    }
}

/// A letter in words.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line, without control characters.
    pub subject: String,
    /// The letter as plain text, its lines at most 76 characters long.
    pub text: String,
    /// The letter as a page of its own, with all its styles and without anything to load.
    pub html: String,
}

impl fmt::Debug for Rendered {
    // The words may hold a code.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Rendered").finish_non_exhaustive()
    }
}

/// The templates of all letters, with what is the same in each of them.
pub struct Letters {
    environment: Environment<'static>,
    product: String,
    site: String,
}

impl Letters {
    /// Reads the embedded templates for a product of that name, whose pages are at `public_url`.
    pub fn new(product_name: &str, public_url: &str) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        for &(name, source) in TEMPLATES {
            environment.add_template(name, source).expect("embedded templates are well-formed: the tests read each");
        }
        Self { environment, product: one_line(product_name), site: one_line(public_url.trim_end_matches('/')) }
    }

    /// Puts a letter into the words that are built in.
    pub fn render(&self, contents: &Contents, lang: Lang) -> Rendered {
        let (letter, values) = self.values(contents, lang, None);
        self.built_in_words(letter, lang, &values, None)
    }

    /// Puts a letter into words: those of an admin, if there are any that work, else those that are
    /// built in. `unsubscribe` is the address by which its reader does without letters of its kind.
    pub fn render_for(
        &self,
        contents: &Contents,
        lang: Lang,
        edited: Option<&Wording>,
        unsubscribe: Option<&str>,
    ) -> Rendered {
        let (letter, values) = self.values(contents, lang, unsubscribe);
        match edited.map(|wording| self.edited_words(wording, lang, &values, unsubscribe)) {
            Some(Ok(rendered)) => rendered,
            Some(Err(problem)) => {
                // It was tried before it was kept, with samples; the reason may quote what the letter holds.
                tracing::error!(mail.letter = letter, mail.part = %problem.part, mail.line = problem.line,
                    "an edited template does not work, so the built-in one is used");
                self.built_in_words(letter, lang, &values, unsubscribe)
            }
            None => self.built_in_words(letter, lang, &values, unsubscribe),
        }
    }

    /// Returns the templates of a letter that are built in.
    pub fn built_in(letter: LetterName, lang: Lang) -> Wording {
        let source = |part: &str| {
            let name = format!("{letter}/{}.{part}.j2", lang.tag());
            let found = TEMPLATES.iter().find(|(known, _)| *known == name);
            found.map(|(_, source)| (*source).to_owned()).expect("every letter has its templates")
        };
        Wording { subject: source("subject.txt").trim_end().to_owned(), text: source("txt"), html: source("html") }
    }

    /// Tries a wording with everything that its letter may have to tell, and returns a letter with
    /// sample values, the one that tells the most.
    pub fn try_out(&self, letter: LetterName, lang: Lang, wording: &Wording) -> Result<Rendered, WordingProblem> {
        let problem = |part, line, reason: &str| WordingProblem { part, line, reason: reason.to_owned() };
        for part in Part::ALL {
            let source = wording.part(part);
            let (length, most) = (source.chars().count(), part.most_characters());
            if source.trim().is_empty() {
                return Err(problem(part, None, "there is nothing"));
            }
            if length > most {
                return Err(problem(part, None, &format!("at most {most} characters, and these are {length}")));
            }
            if let Some(at) = source.find(|c: char| c.is_control() && c != '\n' && c != '\t') {
                return Err(problem(part, Some(line_of(source, at)), "there is a control character"));
            }
        }
        let mut fullest: Option<Rendered> = None;
        for contents in samples(letter) {
            let (_, values) = self.values(&contents, lang, Some("https://example.com/unsubscribe/sample"));
            let rendered = self.edited_words(wording, lang, &values, None)?;
            for part in [Part::Text, Part::Html] {
                let (name, needed) = match &contents {
                    Contents::LoginCode(code) => ("code", code.as_str()),
                    Contents::Invitation(invitation) => ("link", invitation.link.as_str()),
                    Contents::Notice(_) => break,
                };
                let words =
                    if part == Part::Text { rendered.text.clone() } else { rendered.html.replace("&#x2f;", "/") };
                if !words.contains(needed) {
                    let reason = format!("without {{{{ {name} }}}} nobody can do anything with this letter");
                    return Err(problem(part, None, &reason));
                }
            }
            if fullest.as_ref().is_none_or(|fullest| fullest.html.len() < rendered.html.len()) {
                fullest = Some(rendered);
            }
        }
        Ok(fullest.expect("every letter has samples: the tests ask for each"))
    }

    /// Returns the names of what a letter has to tell, in the order of the alphabet.
    pub fn names(&self, letter: LetterName) -> Vec<String> {
        let values = samples(letter).first().map(|contents| self.values(contents, Lang::En, None).1);
        let mut names = values.map(|values| names_of(&values)).unwrap_or_default();
        names.retain(|name| name != "unsubscribe");
        names.sort();
        names
    }

    fn values(&self, contents: &Contents, lang: Lang, unsubscribe: Option<&str>) -> (&'static str, Value) {
        let (letter, values) = match contents {
            Contents::LoginCode(code) => (
                "login_code",
                context! {
                    code => code.as_str(),
                    long => code.as_str().len() > SHORT_CODE_LENGTH,
                    minutes => CODE_LIFETIME.num_minutes(),
                },
            ),
            Contents::Invitation(invitation) => ("invitation", invitation_values(invitation, lang)),
            Contents::Notice(notice) => notice_values(notice, lang),
        };
        (letter, context! { product => self.product, site => self.site, lang => lang.tag(), unsubscribe, ..values })
    }

    fn built_in_words(&self, letter: &str, lang: Lang, values: &Value, unsubscribe: Option<&str>) -> Rendered {
        let fill = |part: &str, values: &Value| {
            self.environment
                .get_template(&format!("{letter}/{}.{part}.j2", lang.tag()))
                .and_then(|template| template.render(values))
                .expect("every letter has its templates and every value they name: the tests render each")
        };
        let subject = one_line(&fill("subject.txt", values));
        let html = fill("html", &context! { subject, ..values.clone() });
        Rendered { text: with_footer(wrap(&fill("txt", values)), lang, unsubscribe), subject, html }
    }

    fn edited_words(
        &self,
        wording: &Wording,
        lang: Lang,
        values: &Value,
        unsubscribe: Option<&str>,
    ) -> Result<Rendered, WordingProblem> {
        let subject = one_line(&fill_in_sandbox(Part::Subject, wording, values)?);
        if subject.is_empty() || subject.chars().count() > LONGEST_SUBJECT {
            let reason = format!("a subject has 1 to {LONGEST_SUBJECT} characters");
            return Err(WordingProblem { part: Part::Subject, line: None, reason });
        }
        let text = fill_in_sandbox(Part::Text, wording, values)?;
        let html = fill_in_sandbox(Part::Html, wording, &context! { subject, ..values.clone() })?;
        let html = with_html_footer(html, lang, unsubscribe);
        Ok(Rendered { subject, text: with_footer(wrap(&text), lang, unsubscribe), html })
    }
}

/// Returns how a reader does without letters of a kind, in words.
fn unsubscribe_words(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "Unsubscribe from such e-mails",
        Lang::De => "Solche E-Mails abbestellen",
    }
}

/// Adds to a text how its reader does without letters of its kind, which no wording can leave out.
fn with_footer(mut text: String, lang: Lang, unsubscribe: Option<&str>) -> String {
    if let Some(address) = unsubscribe {
        text.push_str(&format!("\n{}:\n{address}\n", unsubscribe_words(lang)));
    }
    text
}

/// Adds to a page how its reader does without letters of its kind, unless it is there already: a wording need
/// not extend the layout, which says it.
fn with_html_footer(mut html: String, lang: Lang, unsubscribe: Option<&str>) -> String {
    let Some(address) = unsubscribe else { return html };
    // As minijinja escapes it.
    if without_comments(&html).replace("&#x2f;", "/").contains(address) {
        return html;
    }
    let address = address.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let words = unsubscribe_words(lang);
    let footer = format!("\n<p><a href=\"{address}\">{words}</a></p>\n");
    // Letters of ASCII alone are made small, so places stay where they are.
    let end = html.to_ascii_lowercase().rfind("</body").unwrap_or(html.len());
    html.insert_str(end, &footer);
    html
}

/// Leaves out what nobody sees of a page.
fn without_comments(html: &str) -> String {
    let mut pieces = html.split("<!--");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |seen, piece| seen + piece.split_once("-->").map_or("", |(_, rest)| rest))
}

/// Fills a template that an admin wrote.
fn fill_in_sandbox(part: Part, wording: &Wording, values: &Value) -> Result<String, WordingProblem> {
    let source = wording.part(part);
    if let Some((at, tag)) = foreign_tag(source) {
        let reason = format!("there is no tag {{% {tag} %}} here; there are {}", TAGS.join(", "));
        return Err(WordingProblem { part, line: Some(line_of(source, at)), reason });
    }
    if let Some((at, problem)) = costly(source) {
        return Err(WordingProblem { part, line: Some(line_of(source, at)), reason: problem });
    }
    let problem = |error: &minijinja::Error| {
        let reason = match error.kind() {
            ErrorKind::OutOfFuel => "this takes too long".to_owned(),
            ErrorKind::WriteFailure => "this becomes too long".to_owned(),
            kind => match error.detail() {
                Some(detail) => format!("{kind}: {detail}"),
                None => kind.to_string(),
            },
        };
        WordingProblem { part, line: error.line(), reason }
    };
    let environment = sandbox();
    let name = if part == Part::Html { "letter.html" } else { "letter.txt" };
    let template = environment.template_from_named_str(name, source).map_err(|error| problem(&error))?;
    if let Some(name) = unknown_name(&template, values) {
        let line = source.lines().position(|line| line.contains(&name)).map(|number| number + 1);
        return Err(WordingProblem { part, line, reason: format!("this letter knows no {name}") });
    }
    let mut written = Bounded(Vec::new());
    template.render_captured_to(values, &mut written).map_err(|error| problem(&error))?;
    String::from_utf8(written.0).map_err(|_| WordingProblem { part, line: None, reason: "no text".to_owned() })
}

/// Returns a room for templates that admins wrote.
fn sandbox() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_auto_escape_callback(default_auto_escape_callback);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_debug(false);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MOST_RECURSION);
    environment.add_filter("upper", filters::upper);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("default", filters::default);
    environment.add_filter("length", filters::length);
    environment.add_test("defined", is_defined);
    environment.add_test("none", is_none);
    let layout = TEMPLATES.iter().find(|(name, _)| *name == LAYOUT);
    let (name, source) = layout.expect("the layout is the first of the templates");
    environment.add_template(name, source).expect("embedded templates are well-formed: the tests read each");
    environment
}

/// Returns the first tag that is not for letters, and where it is.
fn foreign_tag(source: &str) -> Option<(usize, &str)> {
    source.match_indices("{%").find_map(|(at, _)| {
        let inside = source[at + 2..].trim_start_matches(['-', '+']).trim_start();
        let end = inside.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inside.len());
        let tag = &inside[..end];
        (!TAGS.contains(&tag)).then_some((at, tag))
    })
}

/// Returns the first thing that could take all the time or room there is, where it is and why it is refused.
/// What is in quotes is text, and so is what is outside of braces.
fn costly(source: &str) -> Option<(usize, String)> {
    let mut at = 0;
    while let Some(found) = source[at..].find('{') {
        let start = at + found;
        let Some(kind) = source[start + 1..].chars().next().filter(|kind| "{%#".contains(*kind)) else {
            at = start + 1;
            continue;
        };
        if kind == '#' {
            at = start + source[start..].find("#}").map_or(source.len() - start, |length| length + 2);
            continue;
        }
        let end_mark = if kind == '{' { "}}" } else { "%}" };
        let inside = start + 2;
        let end = match read_tag(&source[inside..], end_mark) {
            Ok(length) => inside + length,
            Err((offset, problem)) => return Some((inside + offset, problem)),
        };
        if source[inside..end].chars().count() > LONGEST_TAG {
            return Some((start, format!("at most {LONGEST_TAG} characters between braces")));
        }
        at = (end + 2).min(source.len());
    }
    None
}

/// Returns how long a tag is up to its end, or what is refused in it and where.
fn read_tag(text: &str, end_mark: &str) -> Result<usize, (usize, String)> {
    let mut quote: Option<char> = None;
    let mut is_escaped = false;
    // For each open bracket whether it belongs to a call, in which commas part what is handed over.
    let mut calls: Vec<bool> = Vec::new();
    let mut before = ' ';
    let mut word_from: Option<usize> = None;
    for (at, c) in text.char_indices() {
        if let Some(open) = quote {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                _ if c == open => quote = None,
                _ => {}
            }
            before = c;
            continue;
        }
        let is_of_word = c.is_alphanumeric() || c == '_';
        match word_from {
            None if is_of_word => word_from = Some(at),
            Some(from) if !is_of_word => {
                if matches!(&text[from..at], "recursive" | "self") {
                    return Err((from, format!("there is no {} here", &text[from..at])));
                }
                word_from = None;
            }
            _ => {}
        }
        if text[at..].starts_with(end_mark) {
            return Ok(at);
        }
        match c {
            '\'' | '"' => quote = Some(c),
            '(' => calls.push(before.is_alphanumeric() || before == '_'),
            ')' => {
                calls.pop();
            }
            ',' if calls.last() == Some(&false) => return Err((at, "there are no lists here".to_owned())),
            _ if SIGNS.contains(&c) => return Err((at, format!("there is no {c} between braces here"))),
            _ => {}
        }
        before = c;
    }
    Ok(text.len())
}

/// Returns the first name, by the alphabet, that a template uses and its letter does not know.
fn unknown_name(template: &Template<'_, '_>, values: &Value) -> Option<String> {
    let known = names_of(values);
    let mut used: Vec<String> = template.undeclared_variables(false).into_iter().collect();
    used.sort();
    used.into_iter().find(|name| !known.contains(name) && !OWN_NAMES.contains(&name.as_str()))
}

fn names_of(values: &Value) -> Vec<String> {
    values.try_iter().map(|names| names.map(|name| name.to_string()).collect()).unwrap_or_default()
}

/// Returns the line, from 1, on which a byte is.
fn line_of(source: &str, at: usize) -> usize {
    source[..at].matches('\n').count() + 1
}

/// Takes so many bytes and no more.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST_PART {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the values that an invitation's words need.
fn invitation_values(letter: &InvitationLetter, lang: Lang) -> Value {
    context! {
        // What people wrote stays on its line, and what is empty is not there.
        inviter => letter.inviter.as_deref().map(one_line).filter(|inviter| !inviter.is_empty()),
        note => letter.note.as_deref().map(one_line).filter(|note| !note.is_empty()),
        gift_tier => letter.gift.as_ref().map(|(tier, _)| one_line(tier)),
        gift_days => letter.gift.as_ref().map(|(_, days)| *days),
        link => letter.link,
        expires_at => long_date(lang, letter.expires_at.date_naive()),
    }
}

/// Returns the folder of a notice, and the values that its words need.
fn notice_values(notice: &Notice, lang: Lang) -> (&'static str, Value) {
    let day = |moment: &DateTime<Utc>| long_date(lang, moment.date_naive());
    match notice {
        Notice::NoAccount => ("no_account", context! {}),
        Notice::Welcome { trial } => (
            "welcome",
            context! {
                trial_tier => trial.as_ref().map(|(tier, _)| one_line(tier)),
                trial_until => trial.as_ref().map(|(_, until)| day(until)),
            },
        ),
        Notice::CouponRedeemed { code, tier, days, from, until } => (
            "coupon_redeemed",
            context! {
                code => one_line(code),
                tier => one_line(tier),
                days,
                from => from.as_ref().map(day),
                until => day(until),
            },
        ),
        Notice::GrantStarted { tier, until } => {
            ("grant_started", context! { tier => one_line(tier), until => day(until) })
        }
        Notice::GrantPaused { tier, by, days_left } => {
            ("grant_paused", context! { tier => one_line(tier), by => one_line(by), days_left })
        }
        Notice::GrantResumed { tier, until } => {
            ("grant_resumed", context! { tier => one_line(tier), until => day(until) })
        }
        Notice::GrantEnding { tier, until } => {
            ("grant_ending", context! { tier => one_line(tier), until => day(until) })
        }
        Notice::TrialEnding { tier, until } => {
            ("trial_ending", context! { tier => one_line(tier), until => day(until) })
        }
        Notice::TrialEnded { tier, next } => {
            ("trial_ended", context! { tier => one_line(tier), next => one_line(next) })
        }
        Notice::ReferralJoined => ("referral_joined", context! {}),
        Notice::BadgeAwarded { badge } => ("badge_awarded", context! { badge => one_line(badge) }),
        Notice::BonusAwarded { rule, tier, days } => {
            ("bonus_awarded", context! { rule => one_line(rule), tier => one_line(tier), days })
        }
        Notice::DeletionScheduled { on } => ("deletion_scheduled", context! { on => day(on) }),
        Notice::DeletionPostponed => ("deletion_postponed", context! {}),
        Notice::AccountDeleted => ("account_deleted", context! {}),
        Notice::AdminDigest { since, lines, more } => {
            let line = |(text, count): &(String, i64)| context! { text => one_line(text), count };
            let lines: Vec<Value> = lines.iter().map(line).collect();
            ("admin_digest", context! { since => day(since), lines, more => one_line(more) })
        }
        Notice::SubscriptionStarted { tier } => ("subscription_started", context! { tier => one_line(tier) }),
        Notice::PaymentFailed { tier, until } => {
            ("payment_failed", context! { tier => one_line(tier), until => long_date(lang, until.date_naive()) })
        }
        Notice::SubscriptionEnded { tier, returned_days } => {
            ("subscription_ended", context! { tier => one_line(tier), days => returned_days })
        }
        Notice::ReferralConverted { days, until, as_referrer } => {
            ("referral_converted", context! { days, until => long_date(lang, until.date_naive()), as_referrer })
        }
        Notice::ReferralTakenBack { as_referrer } => ("referral_taken_back", context! { as_referrer }),
        Notice::AccessGranted { tier, days, from, until } => (
            "access_granted",
            context! {
                tier => one_line(tier),
                days,
                from => from.map(|from| long_date(lang, from.date_naive())),
                until => long_date(lang, until.date_naive()),
            },
        ),
        Notice::GrantEnded { tier, next } => (
            "grant_ended",
            context! {
                tier => one_line(tier),
                next_tier => next.as_ref().map(|(tier, _)| one_line(tier)),
                next_until => next.as_ref().map(|(_, until)| long_date(lang, until.date_naive())),
            },
        ),
        Notice::PaymentEventFailed { provider, event_type, error } => (
            "payment_event_failed",
            // What others wrote stays on its line.
            context! { provider => one_line(provider), event_type => one_line(event_type), error => one_line(error) },
        ),
    }
}

/// The moment of which samples speak.
fn sample_time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_796_126_400, 0).expect("a moment in 2026")
}

/// Returns a letter with sample values, in every shape that its words may have.
pub fn samples(letter: LetterName) -> Vec<Contents> {
    let tier = || "Premium".to_owned();
    let until = sample_time();
    let notices = match letter {
        LetterName::LoginCode => {
            let code = |text| Contents::LoginCode(LoginCode::parse(text).expect("the sample is a code"));
            return vec![code("012345"), code("ABCDEFGHJ2")];
        }
        LetterName::Invitation => {
            let invitation = |inviter: Option<&str>, note: Option<&str>, gift| {
                Contents::Invitation(InvitationLetter {
                    inviter: inviter.map(str::to_owned),
                    note: note.map(str::to_owned),
                    gift,
                    link: "https://members.example.com/invitation/sample".to_owned(),
                    expires_at: until,
                })
            };
            return vec![
                invitation(None, None, None),
                invitation(Some("Ann"), Some("See you there!"), Some((tier(), 30))),
                invitation(Some("ann@example.com"), None, Some((tier(), 1))),
            ];
        }
        LetterName::NoAccount => vec![Notice::NoAccount],
        LetterName::Welcome => {
            vec![Notice::Welcome { trial: None }, Notice::Welcome { trial: Some((tier(), until)) }]
        }
        LetterName::SubscriptionStarted => vec![Notice::SubscriptionStarted { tier: tier() }],
        LetterName::PaymentFailed => vec![Notice::PaymentFailed { tier: tier(), until }],
        LetterName::SubscriptionEnded => {
            [0, 1, 45].map(|returned_days| Notice::SubscriptionEnded { tier: tier(), returned_days }).to_vec()
        }
        LetterName::AccessGranted => vec![
            Notice::AccessGranted { tier: tier(), days: 1, from: None, until },
            Notice::AccessGranted { tier: tier(), days: 30, from: Some(until), until },
        ],
        LetterName::CouponRedeemed => {
            let redeemed =
                |days, from| Notice::CouponRedeemed { code: "SUMMER-2027".to_owned(), tier: tier(), days, from, until };
            vec![redeemed(1, None), redeemed(30, Some(until))]
        }
        LetterName::GrantStarted => vec![Notice::GrantStarted { tier: tier(), until }],
        LetterName::GrantPaused => vec![
            Notice::GrantPaused { tier: tier(), by: "Studio Pass".to_owned(), days_left: 1 },
            Notice::GrantPaused { tier: tier(), by: "Studio Pass".to_owned(), days_left: 12 },
            Notice::GrantPaused { tier: tier(), by: tier(), days_left: 12 },
        ],
        LetterName::GrantResumed => vec![Notice::GrantResumed { tier: tier(), until }],
        LetterName::GrantEnding => vec![Notice::GrantEnding { tier: tier(), until }],
        LetterName::GrantEnded => vec![
            Notice::GrantEnded { tier: tier(), next: None },
            Notice::GrantEnded { tier: tier(), next: Some(("Basic".to_owned(), until)) },
            Notice::GrantEnded { tier: tier(), next: Some((tier(), until)) },
        ],
        LetterName::TrialEnding => vec![Notice::TrialEnding { tier: tier(), until }],
        LetterName::TrialEnded => vec![Notice::TrialEnded { tier: tier(), next: "Free".to_owned() }],
        LetterName::ReferralJoined => vec![Notice::ReferralJoined],
        LetterName::ReferralConverted => [(true, 1), (true, 45), (false, 1), (false, 45)]
            .map(|(as_referrer, days)| Notice::ReferralConverted { days, until, as_referrer })
            .to_vec(),
        LetterName::ReferralTakenBack => {
            [true, false].map(|as_referrer| Notice::ReferralTakenBack { as_referrer }).to_vec()
        }
        LetterName::BadgeAwarded => vec![Notice::BadgeAwarded { badge: "Early bird".to_owned() }],
        LetterName::BonusAwarded => {
            [1, 30].map(|days| Notice::BonusAwarded { rule: "Five friends".to_owned(), tier: tier(), days }).to_vec()
        }
        LetterName::DeletionScheduled => vec![Notice::DeletionScheduled { on: until }],
        LetterName::DeletionPostponed => vec![Notice::DeletionPostponed],
        LetterName::AccountDeleted => vec![Notice::AccountDeleted],
        LetterName::AdminDigest => vec![Notice::AdminDigest {
            since: until,
            lines: vec![("New members".to_owned(), 3), ("Payments that failed".to_owned(), 1)],
            more: "/admin/notifications".to_owned(),
        }],
        LetterName::PaymentEventFailed => vec![Notice::PaymentEventFailed {
            provider: "Stripe".to_owned(),
            event_type: "invoice.paid".to_owned(),
            error: "the price price_1 buys nothing here".to_owned(),
        }],
    };
    notices.into_iter().map(Contents::Notice).collect()
}

/// Makes a text fit for a header: line breaks and other control characters become spaces.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Breaks the lines that are too long, at spaces. A single word that is too long stays whole,
/// because a broken address could not be opened.
fn wrap(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len() + text.len() / LINE_LENGTH + 1);
    for line in text.lines() {
        if line.chars().count() <= LINE_LENGTH {
            wrapped.push_str(line);
        } else {
            // What stands apart stays apart.
            let indent = &line[..line.len() - line.trim_start_matches(' ').len()];
            let mut length = 0;
            for word in line.split_whitespace() {
                let word_length = word.chars().count();
                if length > 0 && length + 1 + word_length > LINE_LENGTH {
                    wrapped.push('\n');
                    length = 0;
                }
                if length == 0 {
                    wrapped.push_str(indent);
                    length = indent.len();
                } else {
                    wrapped.push(' ');
                    length += 1;
                }
                wrapped.push_str(word);
                length += word_length;
            }
        }
        wrapped.push('\n');
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Contents {
        Contents::LoginCode(LoginCode::parse(text).expect("the test's code is one"))
    }

    fn until() -> DateTime<Utc> {
        sample_time()
    }

    /// Every letter, in every shape that its words have.
    fn all() -> Vec<Contents> {
        LetterName::ALL.iter().flat_map(|name| samples(*name)).collect()
    }

    /// A text without its line breaks, as it is read.
    fn flat(rendered: &Rendered) -> String {
        one_line(&rendered.text)
    }

    fn letters() -> Letters {
        Letters::new("Vouchsafe", "https://members.example.com/")
    }

    #[test]
    fn every_letter_exists_in_every_language() {
        for lang in Lang::ALL {
            for contents in all() {
                let rendered = letters().render(&contents, lang);
                assert!(rendered.html.contains(&format!(r#"<html lang="{}">"#, lang.tag())));
                assert!(rendered.html.contains(r#"<meta name="color-scheme" content="light dark">"#));
                assert!(!rendered.html.contains("<img") && !rendered.html.contains("url("), "nothing is loaded");
                assert!(!rendered.html.contains("<table"), "whoever has it read aloud hears no cells");
                for part in [&rendered.subject, &rendered.text, &rendered.html] {
                    // A subject says whose letter it is where it has room for it.
                    assert!(part.contains("Vouchsafe") || part.contains("Premium"), "{part}");
                    assert!(!part.contains("{{") && !part.contains("{%"), "{part}");
                }
                for part in [&rendered.text, &rendered.html] {
                    assert!(part.contains("members.example.com"), "{part}");
                }
                for line in rendered.text.lines() {
                    assert!(line.chars().count() <= LINE_LENGTH, "{line}");
                    assert_eq!(line, line.trim_end());
                }
                assert!(!rendered.text.contains("\n\n\n"), "{}", rendered.text);
            }
        }
    }

    #[test]
    fn a_code_stands_whole_in_every_part() {
        let english = letters().render(&code("012345"), Lang::En);
        assert_eq!(english.subject, "012345 is your Vouchsafe code");
        assert!(english.text.contains("\n    012345\n"), "{}", english.text);
        assert!(english.text.contains("10 minutes"), "{}", english.text);
        assert!(english.html.contains(">012345</p>"), "{}", english.html);

        let german = letters().render(&code("ABCDEFGHJ2"), Lang::De);
        assert_eq!(german.subject, "ABCDEFGHJ2 ist Ihr Code für Vouchsafe");
        assert!(german.text.contains("\n    ABCDEFGHJ2\n"), "{}", german.text);
        assert!(german.html.contains(">ABCDEFGHJ2</p>"), "{}", german.html);
    }

    #[test]
    fn only_a_long_code_is_explained() {
        let rendered = |text| letters().render(&code(text), Lang::En).text;
        assert!(rendered("ABCDEFGHJ2").contains("longer than usual"));
        assert!(!rendered("012345").contains("longer than usual"));
    }

    #[test]
    fn a_letter_without_a_code_says_what_to_do() {
        let english = letters().render(&Notice::NoAccount.into(), Lang::En);
        assert_eq!(english.subject, "No Vouchsafe account for this address");
        assert!(english.text.contains("ask the person who runs\nVouchsafe"), "{}", english.text);
        let german = letters().render(&Notice::NoAccount.into(), Lang::De);
        assert_eq!(german.subject, "Kein Konto für diese Adresse bei Vouchsafe");
    }

    #[test]
    fn a_letter_about_a_subscription_says_until_when_and_where_to_change_it() {
        let failed = Contents::from(Notice::PaymentFailed { tier: "Premium".to_owned(), until: until() });
        let english = letters().render(&failed, Lang::En);
        assert_eq!(english.subject, "Your payment for Vouchsafe failed");
        assert!(flat(&english).contains("You keep your access until 1 December 2026."), "{}", english.text);
        assert!(english.text.contains("\n    https://members.example.com/settings\n"), "{}", english.text);
        let html = english.html.replace("&#x2f;", "/");
        assert!(html.contains(r#"href="https://members.example.com/settings""#), "{html}");
        let german = letters().render(&failed, Lang::De);
        assert!(flat(&german).contains("behalten Sie bis zum 1. Dezember 2026."), "{}", german.text);
    }

    #[test]
    fn only_days_that_came_back_are_spoken_of() {
        let ended = |days, lang| {
            flat(
                &letters()
                    .render(&Notice::SubscriptionEnded { tier: "Plus".to_owned(), returned_days: days }.into(), lang),
            )
        };
        assert!(!ended(0, Lang::En).contains("credit"), "{}", ended(0, Lang::En));
        assert!(!ended(0, Lang::De).contains("Guthaben"), "{}", ended(0, Lang::De));
        assert!(ended(1, Lang::En).contains("1 day of it came back to your account, and is yours now."));
        assert!(ended(9, Lang::En).contains("9 days of it came back to your account, and are yours now."));
        assert!(ended(1, Lang::De).contains("Davon ist 1 Tag auf Ihr Konto zurückgekommen"));
        assert!(ended(9, Lang::De).contains("Davon sind 9 Tage auf Ihr Konto zurückgekommen"));
    }

    #[test]
    fn each_side_of_an_invitation_reads_its_own_side() {
        let converted = |as_referrer, lang| {
            letters().render(&Notice::ReferralConverted { days: 45, until: until(), as_referrer }.into(), lang)
        };
        assert_eq!(converted(true, Lang::En).subject, "45 days of paid access for you at Vouchsafe");
        assert_eq!(converted(true, Lang::De).subject, "45 Tage bezahlter Zugang für Sie bei Vouchsafe");
        let (inviting, invited) = (flat(&converted(true, Lang::En)), flat(&converted(false, Lang::En)));
        assert!(inviting.contains("Somebody whom you invited") && !inviting.contains("You were invited"), "{inviting}");
        assert!(invited.contains("You were invited") && !invited.contains("whom you invited"), "{invited}");
        for text in [inviting, invited] {
            assert!(text.contains("45 days of paid access for"), "{text}");
            assert!(text.contains("Your credit now lasts until 1 December 2026."), "{text}");
        }
        let taken_back = |as_referrer| letters().render(&Notice::ReferralTakenBack { as_referrer }.into(), Lang::En);
        assert!(flat(&taken_back(true)).starts_with("Somebody whom you invited"));
        assert!(flat(&taken_back(false)).starts_with("Your first payment"));
    }

    #[test]
    fn an_admin_reads_what_failed_and_where_it_is_replayed() {
        let contents = Contents::from(Notice::PaymentEventFailed {
            provider: "Paddle".to_owned(),
            event_type: "transaction.completed".to_owned(),
            error: "the price\npri_1 <b>buys</b> nothing here".to_owned(),
        });
        let rendered = letters().render(&contents, Lang::En);
        assert_eq!(rendered.subject, "Vouchsafe: an event from Paddle could not be applied");
        let told = "\n    transaction.completed\n    the price pri_1 <b>buys</b> nothing here\n";
        assert!(rendered.text.contains(told), "{}", rendered.text);
        assert!(rendered.text.contains("\n    https://members.example.com/admin/payments\n"), "{}", rendered.text);
        assert!(rendered.html.contains("pri_1 &lt;b&gt;buys"), "{}", rendered.html);
    }

    #[test]
    fn a_name_with_markup_stays_text() {
        let letters = Letters::new("<b>&'\"", "https://example.com/<i>");
        for contents in all() {
            let rendered = letters.render(&contents, Lang::En);
            assert!(rendered.text.contains("<b>&'\""), "plain text needs no escape: {}", rendered.text);
            assert!(rendered.html.contains("&lt;b&gt;&amp;&#x27;&quot;"), "{}", rendered.html);
            assert!(!rendered.html.contains("<b>") && !rendered.html.contains("<i>"), "{}", rendered.html);
        }
    }

    #[test]
    fn a_name_with_line_breaks_stays_on_its_line() {
        let rendered = Letters::new("Evil\r\nBcc: eve@example.com\u{2028}\0x\u{85}", "https://example.com")
            .render(&code("012345"), Lang::En);
        assert_eq!(rendered.subject, "012345 is your Evil Bcc: eve@example.com x code");
    }

    #[test]
    fn long_lines_break_at_spaces_and_long_words_stay_whole() {
        let address = format!("https://example.com/{}", "x".repeat(80));
        assert_eq!(wrap(&format!("see {address} now")), format!("see\n{address}\nnow\n"));
        assert_eq!(wrap("    kept  as it is"), "    kept  as it is\n");
        let apart = format!("    {}", "word ".repeat(20));
        assert!(wrap(&apart).lines().all(|line| line.starts_with("    word")), "{}", wrap(&apart));
        assert_eq!(wrap(&"ü ".repeat(40)), format!("{}\n{}\n", ["ü"; 38].join(" "), ["ü"; 2].join(" ")));
    }

    fn wording(text: &str) -> Wording {
        Wording { text: text.to_owned(), ..Letters::built_in(LetterName::TrialEnded, Lang::En) }
    }

    fn try_text(text: &str) -> Result<Rendered, WordingProblem> {
        letters().try_out(LetterName::TrialEnded, Lang::En, &wording(text))
    }

    #[test]
    fn what_is_built_in_works_in_the_sandbox_and_says_the_same() {
        for &letter in LetterName::ALL {
            for lang in Lang::ALL {
                let built_in = Letters::built_in(letter, lang);
                let tried = letters().try_out(letter, lang, &built_in);
                assert!(tried.is_ok(), "{letter} {lang:?} {:?}", tried.err());
                for contents in samples(letter) {
                    let edited = letters().render_for(&contents, lang, Some(&built_in), None);
                    assert!(edited == letters().render(&contents, lang), "{letter} {lang:?}");
                }
                for name in ["product", "site", "lang"] {
                    assert!(letters().names(letter).iter().any(|known| known == name), "{letter} {name}");
                }
            }
        }
    }

    #[test]
    fn a_broken_wording_is_refused_with_its_line_and_the_reason() {
        let refused = |text: &str| {
            let problem = try_text(text).expect_err(text);
            assert_eq!(problem.part, Part::Text, "{text}");
            (problem.line, problem.reason)
        };
        for (text, line, reason) in [
            ("One\n{{ tier", Some(2), "unexpected end"),
            ("One\n\n{{ teir }}", Some(3), "this letter knows no teir"),
            ("{% if false %}{{ teir }}{% endif %}", Some(1), "this letter knows no teir"),
            ("{{ tier|safe }}", Some(1), "filter safe is unknown"),
            ("{{ tier.foo.bar }}", Some(1), "undefined"),
            ("a\n{% include 'layout.html.j2' %}", Some(2), "no tag {% include %}"),
            ("{%- set x = tier %}", Some(1), "no tag {% set %}"),
            ("{% autoescape false %}{{ tier }}{% endautoescape %}", Some(1), "no tag {% autoescape %}"),
            ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", Some(1), "no tag {% macro %}"),
            ("{% extends 'login_code/en.txt.j2' %}", Some(1), "template not found"),
            ("{% for a in 'x' * 9000 %}.{% endfor %}", Some(1), "no * between braces"),
            ("\n{{ tier ~\n 'x' }}{{ 2 ** 3 }}", Some(3), "no * between braces"),
            ("{{ {'a': tier} }}", Some(1), "no { between braces"),
            ("{{ tier[0] }}", Some(1), "no [ between braces"),
            ("{% for a in (tier, tier) %}{% endfor %}", Some(1), "no lists"),
            ("{% for a in tier recursive %}{% endfor %}", Some(1), "no recursive"),
            (&format!("{{{{ tier{} }}}}", " ~ tier".repeat(100)), Some(1), "at most 500 characters"),
            ("  \n", None, "there is nothing"),
            ("a\nb\0", Some(2), "control character"),
            (&"x".repeat(8_001), None, "at most 8000 characters"),
        ] {
            let (found_line, found_reason) = refused(text);
            assert!(found_reason.contains(reason), "{text}: {found_reason}");
            if line.is_some() {
                assert_eq!(found_line, line, "{text}: {found_reason}");
            }
        }
    }

    #[test]
    fn a_wording_cannot_take_all_the_time_or_room() {
        let long = "y".repeat(4_000);
        for text in [
            "{% for a in [1,2,3,4,5,6,7,8,9] %}{% for b in 'x' * 9000 %}{% for c in 'x' * 9000 %}{{ c }}{% endfor %}{% endfor %}{% endfor %}",
            "{{ 0 in [1] * 99999999999 }}",
            "{{ [1] * 99999999999 }}",
            "{{ ([1] * 99999999999) ~ '' }}",
            "{{ 9 ** 99999999999 }}",
            "{{'x'*99999999999}}",
            "{% if 0 in (1, 1) * 99999999999 %}{% endif %}",
            "{{ '\\'' ~ 'x' * 99999999999 }}",
            "{# {{ #}{{ 'x' * 99999999999 }}",
            "{{ \"'\" }}{{ 'x' * 99999999999 }}{{ \"'\" }}",
            // Each loop makes what it names ten times as long.
            "{% for a in [site ~ site ~ site] %}{% for b in [a ~ a ~ a ~ a ~ a] %}{% for c in [b ~ b ~ b ~ b ~ b] %}{{ c }}{% endfor %}{% endfor %}{% endfor %}",
            "{% for a in (site, site) %}{% for b in ((a, a, a), (a, a, a)) %}{{ b == b }}{% endfor %}{% endfor %}",
            &format!(
                "{{% block a %}}{long}{{% endblock %}}{{% block b %}}{}{{% endblock %}}",
                "{{ self.a() }}".repeat(200)
            ),
            &format!("{{% for a in site recursive %}}{long}{{{{ loop(site) }}}}{{% endfor %}}"),
            // Within its tags it is as good as any, but there is too much of it to do.
            &format!("{}.{}", "{% for a in site %}".repeat(6), "{% endfor %}".repeat(6)),
            &format!("{{% for a in 'x' * 5000 %}}{long}{{% endfor %}}"),
            "{% block a %}{{ self.a() }}{% endblock %}",
            "{{ 'x' * 99999999999 }}",
        ] {
            assert!(try_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn signs_are_text_in_quotes_and_outside_of_braces() {
        for (text, reads) in [
            ("** {{ tier }} * [x] {y} (a, b)", "** Premium * [x] {y} (a, b)\n"),
            ("{{ '* [ {' ~ \"it's * 2\" }}", "* [ {it's * 2\n"),
            ("{# 2 * 3 #}{{ tier|default('a, b') }}{{ (tier) }}", "PremiumPremium\n"),
            ("{% if tier == '*' or (tier|default('x', true)) %}yes{% endif %}", "yes\n"),
        ] {
            assert_eq!(try_text(text).map(|rendered| rendered.text), Ok(reads.to_owned()), "{text}");
        }
    }

    #[test]
    fn values_are_escaped_in_the_html_of_an_edited_letter() {
        let html = "<p>{{ badge }}</p>{{ badge|upper }}".to_owned();
        let wording = Wording { subject: "{{ badge }}".to_owned(), text: "{{ badge }}".to_owned(), html };
        let contents = Notice::BadgeAwarded { badge: "<b>&".to_owned() }.into();
        let rendered = letters().render_for(&contents, Lang::En, Some(&wording), None);
        assert_eq!(rendered.subject, "<b>&");
        assert_eq!(rendered.text, "<b>&\n");
        assert_eq!(rendered.html, "<p>&lt;b&gt;&amp;</p>&lt;B&gt;&amp;");
    }

    #[test]
    fn a_letter_whose_wording_fails_is_written_as_it_is_built_in() {
        let contents: Contents = Notice::TrialEnded { tier: "Premium".to_owned(), next: "Free".to_owned() }.into();
        let rendered = letters().render_for(&contents, Lang::En, Some(&wording("{{ gone }}")), None);
        assert!(rendered == letters().render(&contents, Lang::En));
    }

    #[test]
    fn a_letter_with_a_code_or_a_link_keeps_it() {
        for letter in [LetterName::LoginCode, LetterName::Invitation] {
            let built_in = Letters::built_in(letter, Lang::En);
            let text = Wording { text: "Hello".to_owned(), ..built_in.clone() };
            let html = Wording { html: "Hello".to_owned(), ..built_in };
            for (wording, part) in [(text, Part::Text), (html, Part::Html)] {
                let problem = letters().try_out(letter, Lang::En, &wording).expect_err("nothing to enter");
                assert_eq!(problem.part, part, "{problem}");
            }
        }
    }

    #[test]
    fn how_to_unsubscribe_stands_below_every_wording() {
        let address = "https://members.example.com/unsubscribe/token";
        let contents: Contents = Notice::TrialEnded { tier: "Premium".to_owned(), next: "Free".to_owned() }.into();
        for lang in Lang::ALL {
            for edited in [None, Some(&wording("short"))] {
                let rendered = letters().render_for(&contents, lang, edited, Some(address));
                assert!(rendered.text.ends_with(&format!(":\n{address}\n")), "{}", rendered.text);
                assert!(
                    rendered.html.replace("&#x2f;", "/").contains(&format!("href=\"{address}\"")),
                    "{}",
                    rendered.html
                );
            }
            assert!(!letters().render(&contents, lang).html.contains("unsubscribe"));
            for (html, footed) in [
                ("<p>x</p>", "<p>x</p>\n<p>LINK</p>\n"),
                ("<BODY>x</BODY></html>", "<BODY>x\n<p>LINK</p>\n</BODY></html>"),
                ("<!-- {{ unsubscribe }} -->x", "<!-- ADDRESS -->x\n<p>LINK</p>\n"),
                ("<a href=\"{{ unsubscribe }}\">no more</a>", "<a href=\"ADDRESS\">no more</a>"),
            ] {
                let edited = Wording { html: html.to_owned(), ..Letters::built_in(LetterName::TrialEnded, lang) };
                let rendered = letters().render_for(&contents, lang, Some(&edited), Some(address));
                let link = format!("<a href=\"{address}\">{}</a>", unsubscribe_words(lang));
                let expected = footed.replace("LINK", &link).replace("ADDRESS", address);
                assert_eq!(rendered.html.replace("&#x2f;", "/"), expected);
                assert_eq!(
                    letters().render_for(&contents, lang, Some(&edited), None).html.matches("<a href=\"http").count(),
                    0
                );
            }
        }
    }

    #[test]
    fn words_with_a_code_are_not_printed_by_debug() {
        let rendered = letters().render(&code("012345"), Lang::En);
        assert!(!format!("{rendered:?}").contains("012345"));
    }
}
