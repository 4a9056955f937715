-- What members were called before, so that a deletion finds that too; and what deletions that wait or are over need.

CREATE TABLE former_names (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- The address, as typed and as compared; empty where only the external id was another.
    email TEXT,
    email_key TEXT,
    external_id TEXT,
    changed_at TEXT NOT NULL,
    CHECK ((email IS NULL) = (email_key IS NULL))
);

CREATE INDEX former_names_by_user ON former_names (user_id);

-- As far as the log remembers.
INSERT INTO former_names (user_id, email, email_key, external_id, changed_at)
SELECT user_id, NULLIF(email, ''), LOWER(NULLIF(email, '')), external_id, created_at
FROM (
    SELECT user_id, created_at,
        CASE WHEN json_extract(details, '$.before.email') IS NOT json_extract(details, '$.after.email')
            THEN json_extract(details, '$.before.email') END AS email,
        CASE WHEN json_extract(details, '$.before.external_id') IS NOT json_extract(details, '$.after.external_id')
            THEN json_extract(details, '$.before.external_id') END AS external_id
    FROM user_activity_log WHERE action = 'user_changed' AND user_id IS NOT NULL
) AS changes
WHERE email IS NOT NULL OR external_id IS NOT NULL;

-- Since when a deletion is put off, because something stands in its way.
ALTER TABLE users ADD COLUMN deletion_postponed_at TEXT;
-- Until when it is looked for what a request under way may still write about somebody who is deleted.
ALTER TABLE users ADD COLUMN watched_until TEXT;
UPDATE users SET watched_until = deleted_at WHERE deleted_at IS NOT NULL;
CREATE INDEX users_watched ON users (watched_until) WHERE watched_until IS NOT NULL;

-- The few lines that can name somebody who is not the one they are about.
CREATE INDEX user_activity_log_naming ON user_activity_log (created_at)
WHERE details LIKE '%@%' AND action NOT IN ('user_created', 'user_changed');
