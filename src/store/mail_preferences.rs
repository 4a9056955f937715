//! Which kinds of letters members want: `mail_preferences`.

use chrono::{DateTime, Utc};

use crate::{
    domain::{ids::UserId, letter::MailCategory},
    store::{
        Conn, Result, StoreError,
        db::{execute, run},
    },
};

/// Returns the kinds of letters that a member does without.
pub async fn unwanted(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<MailCategory>> {
    let words: Vec<String> = run!(conn, |c| sqlx::query_scalar(
        "SELECT category FROM mail_preferences WHERE user_id = $1 AND wanted = FALSE ORDER BY category"
    )
    .bind(user)
    .fetch_all(c))?;
    let read = |word: String| word.parse().map_err(StoreError::corrupt("mail_preferences", "category"));
    words.into_iter().map(read).collect()
}

/// Notes whether a member wants a kind of letters. Returns whether that is news; of two who say the
/// same at once, for one.
pub async fn put(
    conn: &mut Conn<'_>,
    user: UserId,
    category: MailCategory,
    wanted: bool,
    now: DateTime<Utc>,
) -> Result<bool> {
    // Without a row it is wanted, so only not wanting it needs a new one.
    let sql = if wanted {
        "UPDATE mail_preferences SET wanted = TRUE, updated_at = $3
        WHERE user_id = $1 AND category = $2 AND wanted = FALSE"
    } else {
        "INSERT INTO mail_preferences (user_id, category, wanted, updated_at) VALUES ($1, $2, FALSE, $3)
        ON CONFLICT (user_id, category) DO UPDATE SET wanted = FALSE, updated_at = excluded.updated_at
        WHERE mail_preferences.wanted = TRUE"
    };
    let changed = execute!(conn, |c| sqlx::query(sql).bind(user).bind(category.as_str()).bind(now).execute(c))?;
    Ok(changed == 1)
}
