//! `vouchsafe mail template list | show | set | reset`, `mail outbox list | show | resend`, `mail preference show | set`,
//! `mail test`

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::{
    cli::{CliError, OPERATOR, member, moment, moment_or_nothing, say, say_facts, say_json, say_list, yes_or_no},
    domain::{
        email::EmailAddress,
        ids::MailId,
        lang::Lang,
        letter::{LetterName, MailCategory},
        mail::MailState,
        mail_template::{MailTemplate, Wording},
    },
    platform::env::Env,
    services::{
        letters::{self, ListedMail, WhichMails},
        mail_preferences,
        mail_templates::{self, Sent, TestError},
    },
};

/// How many mails are read at once.
const PAGE: i64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum MailCommand {
    /// How letters are worded
    #[command(subcommand)]
    Template(TemplateCommand),
    /// What was written, and what became of it
    #[command(subcommand)]
    Outbox(OutboxCommand),
    /// Which letters a member gets that they may do without
    #[command(subcommand)]
    Preference(PreferenceCommand),
    /// Send a letter with sample values to an address, now, and tell what the mail server says
    Test(Test),
}

#[derive(Debug, Subcommand)]
pub(super) enum TemplateCommand {
    /// List all letters, tab-separated: letter, language, edited or built-in, version, who changed it, when
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show how a letter is worded
    Show {
        #[command(flatten)]
        which: Which,
        /// One part alone, as it can be set again: subject, text or html
        #[arg(long)]
        part: Option<PartName>,
        /// As JSON
        #[arg(long, conflicts_with = "part")]
        json: bool,
    },
    /// Word a letter anew; parts that are not given stay. One that does not work is refused
    Set {
        #[command(flatten)]
        which: Which,
        /// The template of the subject
        #[arg(long)]
        subject: Option<String>,
        /// A file with the template of the plain text
        #[arg(long, value_name = "FILE")]
        text: Option<PathBuf>,
        /// A file with the template of the HTML
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Go back to the wording that is built in
    Reset {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The letter, as `list` names it
    letter: LetterName,
    /// en or de
    lang: Lang,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum PartName {
    Subject,
    Text,
    Html,
}

#[derive(Debug, Subcommand)]
pub(super) enum OutboxCommand {
    /// List mails, the newest first, tab-separated: id, recipient, letter, state, tries, written, sent, last error
    List {
        /// waiting, sent, failed or skipped
        #[arg(long)]
        state: Option<MailState>,
        /// Those to this address
        #[arg(long)]
        to: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a mail and what became of it
    Show {
        /// Which, as `mail outbox list` shows it
        id: MailId,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Have a mail tried again that was given up; without an id, all of them
    Resend {
        /// Which
        id: Option<MailId>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum PreferenceCommand {
    /// Show which letters a member gets, tab-separated: kind, yes or no
    Show {
        /// The member's address
        email: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Change it; ask them first, it is their choice. What is left out stays
    Set(SetPreference),
}

#[derive(Debug, Args)]
pub(super) struct SetPreference {
    /// The member's address
    email: String,
    /// About grants, coupons and the trial
    #[arg(long, required_unless_present_any = ["referrals", "bonus", "digest"])]
    access: Option<bool>,
    /// About friends who were invited
    #[arg(long)]
    referrals: Option<bool>,
    /// About bonus and badges
    #[arg(long)]
    bonus: Option<bool>,
    /// What happened, for admins
    #[arg(long)]
    digest: Option<bool>,
}

#[derive(Debug, Args)]
pub(super) struct Test {
    /// To whom
    address: String,
    /// Which letter
    #[arg(long, default_value = "welcome")]
    letter: LetterName,
    /// In which language
    #[arg(long, default_value = "en")]
    lang: Lang,
}

impl MailCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::Template(command) => command.run(env).await,
            Self::Outbox(command) => command.run(env).await,
            Self::Preference(command) => command.run(env).await,
            Self::Test(command) => command.run(env).await,
        }
    }
}

impl PreferenceCommand {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::Show { email, json } => {
                let user = member(env, &email).await?;
                say_choices(&mail_preferences::choices(env, &user).await?, json)
            }
            Self::Set(SetPreference { email, access, referrals, bonus, digest }) => {
                let user = member(env, &email).await?;
                let wanted: Vec<(MailCategory, bool)> = [
                    (MailCategory::Access, access),
                    (MailCategory::Referrals, referrals),
                    (MailCategory::Bonus, bonus),
                    (MailCategory::Digest, digest),
                ]
                .into_iter()
                .filter_map(|(category, wanted)| Some((category, wanted?)))
                .collect();
                say_choices(&mail_preferences::set(env, user.id, &wanted, OPERATOR).await?, false)
            }
        }
    }
}

fn say_choices(choices: &[(MailCategory, bool)], as_json: bool) -> Result<(), CliError> {
    if as_json {
        let choices = choices.iter().map(|(category, wanted)| (category.as_str().to_owned(), Value::from(*wanted)));
        return say_json(&Value::Object(choices.collect()));
    }
    choices.iter().try_for_each(|(category, wanted)| say(&format!("{}\t{}", category.as_str(), yes_or_no(*wanted))))
}

impl TemplateCommand {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::List { json } => {
                let templates = mail_templates::list(env).await?;
                if json {
                    return say_json(&templates.iter().map(template_json).collect::<Vec<_>>());
                }
                templates.iter().try_for_each(|template| say(&template_line(template)))
            }
            Self::Show { which: Which { letter, lang }, part, json } => {
                let template = mail_templates::find(env, letter, lang).await?;
                if json {
                    return say_json(&template_json(&template));
                }
                let Wording { subject, text, html } = wording(&template);
                match part {
                    Some(PartName::Subject) => say(&subject),
                    Some(PartName::Text) => say(text.trim_end_matches('\n')),
                    Some(PartName::Html) => say(html.trim_end_matches('\n')),
                    None => say(&format!(
                        "{}\n\n# subject\n{subject}\n\n# text\n{text}\n# html\n{html}",
                        template_line(&template)
                    )),
                }
            }
            Self::Set { which: Which { letter, lang }, subject, text, html } => {
                if subject.is_none() && text.is_none() && html.is_none() {
                    return Err(CliError::Wrong("give at least one of --subject, --text and --html".to_owned()));
                }
                let template = mail_templates::find(env, letter, lang).await?;
                let mut wording = wording(&template);
                wording.subject = subject.unwrap_or(wording.subject);
                if let Some(path) = text {
                    wording.text = fs::read_to_string(path)?;
                }
                if let Some(path) = html {
                    wording.html = fs::read_to_string(path)?;
                }
                let saved =
                    mail_templates::save(env, (letter, lang), wording, Some(template.version), OPERATOR).await?;
                say(&template_line(&saved))
            }
            Self::Reset { which: Which { letter, lang } } => {
                let reset = mail_templates::reset(env, (letter, lang), None, OPERATOR).await?;
                say(&template_line(&reset))
            }
        }
    }
}

fn wording(template: &MailTemplate) -> Wording {
    template.edited.clone().unwrap_or_else(|| mail_templates::built_in(template.letter, template.lang))
}

fn template_line(template: &MailTemplate) -> String {
    let edited = if template.edited.is_some() { "edited" } else { "built-in" };
    let by = template.updated_by.as_deref().unwrap_or("-");
    let at = template.updated_at.map_or_else(|| "-".to_owned(), |at| at.to_rfc3339());
    format!("{}\t{}\t{edited}\t{}\t{by}\t{at}", template.letter, template.lang.tag(), template.version)
}

fn template_json(template: &MailTemplate) -> Value {
    let Wording { subject, text, html } = wording(template);
    json!({
        "letter": template.letter.as_str(),
        "lang": template.lang.tag(),
        "edited": template.edited.is_some(),
        "subject": subject,
        "text": text,
        "html": html,
        "version": template.version,
        "updated_by": template.updated_by,
        "updated_at": template.updated_at,
    })
}

impl OutboxCommand {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        match self {
            Self::List { state, to, json } => {
                let page = |before| {
                    let which = WhichMails { state, recipient: to.as_deref(), before, id: None };
                    letters::outbox(env, which, PAGE)
                };
                say_list(json, page, |mail| mail.id, mail_json, mail_line).await
            }
            Self::Show { id, json } => {
                let mail = letters::find(env, id).await?.ok_or(letters::ResendError::NoSuchMail)?;
                if json { say_json(&mail_json(&mail)) } else { show(&mail) }
            }
            Self::Resend { id: Some(id) } => {
                let mail = letters::resend(env, id, OPERATOR).await?;
                say(&mail_line(&mail))
            }
            Self::Resend { id: None } => {
                let resent = letters::resend_all(env, OPERATOR).await?;
                say(&format!("{resent} mail(s) are tried again"))
            }
        }
    }
}

fn show(mail: &ListedMail) -> Result<(), CliError> {
    say_facts(&[
        ("id", mail.id.to_string()),
        ("recipient", mail.recipient.clone()),
        ("letter", letter_word(mail).to_owned()),
        ("language", mail.lang.tag().to_owned()),
        ("state", mail.state.as_str().to_owned()),
        ("written", moment(Some(mail.created_at))),
        ("sent", moment_or_nothing(mail.sent_at)),
        ("not sent", mail.skipped.map_or_else(String::new, |why| why.as_str().to_owned())),
        ("tries", mail.tries.to_string()),
        ("last error", mail.last_error.clone().unwrap_or_default()),
        ("next try", moment_or_nothing(mail.next_try_at)),
    ])
}

fn letter_word(mail: &ListedMail) -> &'static str {
    mail.letter.map_or("-", LetterName::as_str)
}

fn mail_line(mail: &ListedMail) -> String {
    let sent = mail.sent_at.map_or_else(|| "-".to_owned(), |at| at.to_rfc3339());
    let why = mail.skipped.map(|why| why.as_str().to_owned()).or_else(|| mail.last_error.clone());
    let why = why.unwrap_or_else(|| "-".to_owned());
    let (letter, state, written) = (letter_word(mail), mail.state.as_str(), mail.created_at.to_rfc3339());
    format!("{}\t{}\t{letter}\t{state}\t{}\t{written}\t{sent}\t{why}", mail.id, mail.recipient, mail.tries)
}

fn mail_json(mail: &ListedMail) -> Value {
    json!({
        "id": mail.id,
        "recipient": mail.recipient,
        "lang": mail.lang.tag(),
        "letter": mail.letter.map(LetterName::as_str),
        "state": mail.state,
        "created_at": mail.created_at,
        "sent_at": mail.sent_at,
        "skipped_because": mail.skipped,
        "tries": mail.tries,
        "last_error": mail.last_error,
        "next_try_at": mail.next_try_at,
    })
}

impl Test {
    async fn run(self, env: &Env) -> Result<(), CliError> {
        let address =
            EmailAddress::parse(&self.address).map_err(|error| CliError::Address(self.address.clone(), error))?;
        match mail_templates::send_test(env, (self.letter, self.lang), &address, OPERATOR).await {
            Ok(Sent::HandedOver) => say(&format!("the mail server has taken it over for {}", self.address)),
            Ok(Sent::ToKeep(rendered)) => {
                say("no mail server is configured (mail.smtp_url), so this is what would be sent:")?;
                say(&format!("\n{}\n\n{}", rendered.subject, rendered.text))
            }
            Err(TestError::NotSent(error)) => Err(CliError::NotSent(error.to_string())),
            Err(error @ TestError::Server(_)) => Err(CliError::Wrong(error.to_string())),
            Err(TestError::Store(error)) => Err(error.into()),
        }
    }
}
