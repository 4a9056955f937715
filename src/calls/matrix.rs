//! What the matrix asks the server.
#![expect(missing_docs, reason = "the server macro makes structs whose fields it does not document")]

use leptos::{prelude::*, server_fn::codec::Json};

use crate::{calls::CallError, domain::matrix::CellChange};

/// Lays changes beside what they would replace. Returns the form in which they are reviewed.
#[server(prefix = "/calls", endpoint = "preview_matrix", input = Json)]
pub async fn preview_matrix(changes: Vec<CellChange>) -> Result<String, CallError> {
    use crate::{components::Complaint, platform::caller, services::matrix};
    let (env, admin) = caller::admin_of_call().await?;
    let lang = admin.user.lang;
    match matrix::preview(&env, &changes).await {
        Ok(review) => Ok(caller::review_form(lang, review, changes, Complaint::default())),
        Err(error) => Err(caller::refuse_commit(lang, error, changes)),
    }
}

/// Makes changes, all or none. Returns the name under which they can be undone.
#[server(prefix = "/calls", endpoint = "commit_matrix", input = Json)]
pub async fn commit_matrix(changes: Vec<CellChange>, reason: String) -> Result<String, CallError> {
    use crate::{components::Complaint, domain::matrix::ChangeError, platform::caller, services::matrix, words};
    let (env, admin) = caller::admin_of_call().await?;
    let lang = admin.user.lang;
    match matrix::commit(&env, &admin.user.label(), &changes, &reason).await {
        Ok(committed) => Ok(committed.activity.to_string()),
        Err(matrix::CommitError::Change(error @ (ChangeError::ReasonMissing | ChangeError::BadReason))) => {
            let reason_error = Some(words::change_error(lang, &error));
            let complaint = Complaint { reason: reason.chars().take(600).collect(), reason_error };
            let review = matrix::preview(&env, &changes).await;
            Err(match review {
                Ok(review) => caller::ask_again(caller::review_form(lang, review, changes, complaint)),
                Err(error) => caller::refuse_commit(lang, error, changes),
            })
        }
        Err(error) => Err(caller::refuse_commit(lang, error, changes)),
    }
}
