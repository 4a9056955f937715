//! A file that is sent while it is read: it may be longer than what should stand in memory.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::{platform::stream, services::privacy::ExportReader, store::StoreError};

/// Sends a member's export as a file. What fails before the first rows is an error; what fails later
/// breaks the connection off, so that nobody takes a part for the whole.
pub async fn export(mut reader: ExportReader, name: &str) -> Result<Response, StoreError> {
    // The first piece reads nothing.
    let mut first = String::new();
    for _ in 0..2 {
        first.push_str(&reader.next().await?.unwrap_or_default());
    }
    let (pieces, body) = stream::body();
    tokio::spawn(async move {
        if pieces.send(Ok(first)).await.is_err() {
            return;
        }
        loop {
            let piece = match reader.next().await {
                Ok(None) => return,
                Ok(Some(piece)) => Ok(piece),
                Err(error) => {
                    tracing::error!(error = %error, "an export broke off");
                    Err(error)
                }
            };
            let is_over = piece.is_err();
            // A client that has gone away reads no more.
            if pieces.send(piece).await.is_err() || is_over {
                return;
            }
        }
    });
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        .unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, body).into_response())
}
