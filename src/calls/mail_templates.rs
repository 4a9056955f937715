//! What the editor of a letter's wording asks the server.
#![expect(missing_docs, reason = "the server macro makes structs whose fields it does not document")]

use leptos::{prelude::*, server_fn::codec::Json};

use crate::{calls::CallError, domain::lang::Lang};

/// Tries a wording. Returns the field in which it does not work and what is wrong there, or nothing.
#[server(prefix = "/calls", endpoint = "try_mail_template", input = Json)]
pub async fn try_mail_template(
    letter: String,
    lang: Lang,
    subject: String,
    text: String,
    html: String,
) -> Result<Option<(String, String)>, CallError> {
    use crate::{domain::mail_template::Wording, platform::caller, services::mail_templates, words};
    let (env, admin) = caller::admin_of_call().await?;
    let letter = letter.parse().map_err(|_| caller::no_such_letter())?;
    let wording = Wording { subject, text, html }.tidied();
    let problem = mail_templates::preview(&env, letter, lang, &wording).err();
    Ok(problem.map(|problem| (problem.part.to_string(), words::mails::broken(admin.user.lang, &problem))))
}
