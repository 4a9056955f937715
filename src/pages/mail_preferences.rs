//! The part of /settings about mails: which letters a member wants.

use axum::{
    extract::{Form, State},
    response::{IntoResponse, Redirect, Response},
};
use leptos::prelude::*;
use serde::Deserialize;

use crate::{
    components::{CheckField, Sheet},
    domain::{lang::Lang, letter::MailCategory, user::Role},
    platform::caller::{Member, Site, failed},
    services::mail_preferences::{self, PreferenceError},
    words::mails as text,
};

/// What the boxes send: those that are ticked.
#[derive(Debug, Default, Deserialize)]
pub struct ChoiceForm {
    #[serde(default)]
    access: String,
    #[serde(default)]
    referrals: String,
    #[serde(default)]
    bonus: String,
    #[serde(default)]
    digest: String,
}

impl ChoiceForm {
    fn wants(&self, category: MailCategory) -> bool {
        let ticked = match category {
            MailCategory::Access => &self.access,
            MailCategory::Referrals => &self.referrals,
            MailCategory::Bonus => &self.bonus,
            MailCategory::Digest => &self.digest,
        };
        !ticked.is_empty()
    }
}

/// `POST /settings/mails`
pub async fn submit(State(site): State<Site>, member: Member, Form(form): Form<ChoiceForm>) -> Response {
    let user = &member.identity.user;
    // Who sees no box for a kind has not unticked it.
    let theirs = MailCategory::ALL.into_iter().filter(|category| user.role == Role::Admin || !category.is_for_admins());
    let choices: Vec<(MailCategory, bool)> = theirs.map(|category| (category, form.wants(category))).collect();
    match mail_preferences::set(&site.env, user.id, &choices, &user.label()).await {
        Ok(_) => Redirect::to("/settings?said=mails-saved").into_response(),
        Err(PreferenceError::Store(error)) => failed(&error),
        // The account has gone since the request came.
        Err(PreferenceError::NoSuchMember | PreferenceError::BadToken) => Redirect::to("/login").into_response(),
    }
}

/// Draws the sheet.
pub(super) fn sheet(lang: Lang, choices: &[(MailCategory, bool)]) -> impl IntoView + use<> {
    let boxes = choices
        .iter()
        .map(|&(category, wanted)| {
            view! {
                <CheckField
                    name=category.as_str() label=text::category(lang, category)
                    hint=text::category_hint(lang, category) checked=wanted
                />
            }
        })
        .collect_view();
    view! {
        <Sheet title=text::your_mails(lang) id="mails">
            <p class="soft">{text::your_mails_intro(lang)}</p>
            <form class="stack tight" method="post" action="/settings/mails">
                {boxes}
                <div><button class="btn">{text::save_choice(lang)}</button></div>
            </form>
        </Sheet>
    }
}
