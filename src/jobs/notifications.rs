//! What the admins' chat is told.

use crate::{
    domain::ids::NotificationId,
    jobs::runner::JobError,
    platform::env::Env,
    services::notifications::{self, ChatError},
};

/// Tells the chat of a notification.
pub(super) async fn tell_chat(env: &Env, notification: NotificationId) -> Result<(), JobError> {
    notifications::tell_chat(env, notification).await.map_err(|error| match error {
        ChatError::Later(problem) => JobError::Retry(problem),
        ChatError::Never(problem) => JobError::GiveUp(problem),
        ChatError::Store(error) => error.into(),
    })
}
