//! Puts letters into words, from the templates in `letters/`.
//!
//! A letter's folder holds its subject, its text and its HTML in every language. A paragraph of
//! the text stands on one line there and is broken here; HTML is escaped by the file's ending.

use std::fmt;

use chrono::{DateTime, Utc};
use minijinja::{Environment, UndefinedBehavior, Value, context};

use crate::{
    domain::{
        lang::Lang,
        letter::Notice,
        login::{CODE_LIFETIME, LoginCode, SHORT_CODE_LENGTH},
    },
    words::long_date,
};

/// The longest line of a text, in characters: what still fits when it is quoted in a terminal.
const LINE_LENGTH: usize = 76;

/// Takes in the templates of letters by the names of their folders.
macro_rules! templates {
    ($($letter:literal)+) => {
        &[
            ("layout.html.j2", include_str!("letters/layout.html.j2")),
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
    "deletion_scheduled" "grant_ended" "grant_ending" "grant_paused" "grant_resumed" "grant_started" "invitation"
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

    /// Puts a letter into words.
    pub fn render(&self, contents: &Contents, lang: Lang) -> Rendered {
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
        let values = context! { product => self.product, site => self.site, lang => lang.tag(), ..values };
        let subject = one_line(&self.fill(letter, lang, "subject.txt", &values));
        let text = wrap(&self.fill(letter, lang, "txt", &values));
        let html = self.fill(letter, lang, "html", &context! { subject, ..values });
        Rendered { subject, text, html }
    }

    fn fill(&self, letter: &str, lang: Lang, part: &str, values: &Value) -> String {
        self.environment
            .get_template(&format!("{letter}/{}.{part}.j2", lang.tag()))
            .and_then(|template| template.render(values))
            .expect("every letter has its templates and every value they name: the tests render each")
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
        DateTime::from_timestamp(1_796_126_400, 0).expect("in range")
    }

    /// Every letter, in every shape that its words have.
    fn all() -> Vec<Contents> {
        let tier = || "Premium".to_owned();
        let mut all = vec![
            Notice::NoAccount,
            Notice::SubscriptionStarted { tier: tier() },
            Notice::AccessGranted { tier: tier(), days: 1, from: None, until: until() },
            Notice::AccessGranted { tier: tier(), days: 30, from: Some(until()), until: until() },
            Notice::Welcome { trial: None },
            Notice::Welcome { trial: Some((tier(), until())) },
            Notice::CouponRedeemed { code: "SUMMER".to_owned(), tier: tier(), days: 1, from: None, until: until() },
            Notice::CouponRedeemed {
                code: "SUMMER".to_owned(),
                tier: tier(),
                days: 30,
                from: Some(until()),
                until: until(),
            },
            Notice::GrantStarted { tier: tier(), until: until() },
            Notice::GrantPaused { tier: tier(), by: "Studio Pass".to_owned(), days_left: 1 },
            Notice::GrantPaused { tier: tier(), by: "Studio Pass".to_owned(), days_left: 12 },
            Notice::GrantResumed { tier: tier(), until: until() },
            Notice::GrantEnding { tier: tier(), until: until() },
            Notice::TrialEnding { tier: tier(), until: until() },
            Notice::TrialEnded { tier: tier(), next: "Free".to_owned() },
            Notice::ReferralJoined,
            Notice::BadgeAwarded { badge: "Early bird".to_owned() },
            Notice::BonusAwarded { rule: "Five friends".to_owned(), tier: tier(), days: 1 },
            Notice::BonusAwarded { rule: "Five friends".to_owned(), tier: tier(), days: 30 },
            Notice::DeletionScheduled { on: until() },
            Notice::AccountDeleted,
            Notice::AdminDigest {
                since: until(),
                lines: vec![("New members".to_owned(), 3), ("Payments that failed".to_owned(), 1)],
                more: "/admin/notifications".to_owned(),
            },
            Notice::GrantEnded { tier: tier(), next: None },
            Notice::GrantEnded { tier: tier(), next: Some((tier(), until())) },
            Notice::PaymentFailed { tier: tier(), until: until() },
            Notice::PaymentEventFailed {
                provider: "Stripe".to_owned(),
                event_type: "invoice.paid".to_owned(),
                error: "the price price_1 buys nothing here".to_owned(),
            },
        ];
        for days in [0, 1, 45] {
            all.push(Notice::SubscriptionEnded { tier: tier(), returned_days: days });
        }
        for as_referrer in [true, false] {
            all.push(Notice::ReferralConverted { days: 1, until: until(), as_referrer });
            all.push(Notice::ReferralConverted { days: 45, until: until(), as_referrer });
            all.push(Notice::ReferralTakenBack { as_referrer });
        }
        let mut letters = vec![code("012345"), code("ABCDEFGHJ2")];
        for (inviter, note, gift) in [
            (None, None, None),
            (Some("Ann"), Some("See you there!"), Some((tier(), 30))),
            (Some("ann@example.com"), None, Some((tier(), 1))),
        ] {
            letters.push(Contents::Invitation(InvitationLetter {
                inviter: inviter.map(str::to_owned),
                note: note.map(str::to_owned),
                gift,
                link: "https://members.example.com/invitation/token".to_owned(),
                expires_at: until(),
            }));
        }
        letters.extend(all.into_iter().map(Contents::from));
        letters
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
                for part in [&rendered.subject, &rendered.text, &rendered.html] {
                    assert!(part.contains("Vouchsafe"), "{part}");
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

    #[test]
    fn words_with_a_code_are_not_printed_by_debug() {
        let rendered = letters().render(&code("012345"), Lang::En);
        assert!(!format!("{rendered:?}").contains("012345"));
    }
}
