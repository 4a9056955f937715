//! What the matrix asks the server.
#![expect(missing_docs, reason = "the server macro makes structs whose fields it does not document")]

use leptos::{prelude::*, server_fn::codec::Json};

use crate::{
    calls::CallError,
    domain::{
        ids::ActivityId,
        matrix::{CellChange, Review},
    },
};

/// Lays changes beside what they would replace.
#[server(prefix = "/calls", endpoint = "preview_matrix", input = Json)]
pub async fn preview_matrix(changes: Vec<CellChange>) -> Result<Review, CallError> {
    use crate::{platform::caller, services::matrix};
    let (env, _) = caller::admin_of_call().await?;
    matrix::preview(&env, &changes).await.map_err(caller::refuse_commit)
}

/// Makes changes, all or none. Returns the name under which they can be undone.
#[server(prefix = "/calls", endpoint = "commit_matrix", input = Json)]
pub async fn commit_matrix(changes: Vec<CellChange>, reason: String) -> Result<ActivityId, CallError> {
    use crate::{platform::caller, services::matrix};
    let (env, admin) = caller::admin_of_call().await?;
    let committed = matrix::commit(&env, &admin.user.email, &changes, &reason).await.map_err(caller::refuse_commit)?;
    Ok(committed.activity)
}
