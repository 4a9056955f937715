-- What a member may use, how much of it is used, and who may ask.

-- The name under which the product's own database knows a member. Somebody known by it alone
-- has no address: an empty email, and an email_key that no address has.
ALTER TABLE users ADD COLUMN external_id TEXT;
CREATE UNIQUE INDEX users_by_external_id ON users (external_id);
-- By this, other nodes notice whose access has changed.
CREATE INDEX users_by_change ON users (updated_at);

CREATE TABLE user_feature_restrictions (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    feature_id TEXT NOT NULL REFERENCES features (id) ON DELETE CASCADE,
    -- NULL is unlimited, 0 is off.
    limit_value INTEGER CHECK (limit_value >= 0),
    reason TEXT NOT NULL,
    expires_at TEXT,
    created_by TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (user_id, feature_id)
);

CREATE INDEX user_feature_restrictions_by_feature ON user_feature_restrictions (feature_id);

-- The counters. The start of the period is in the key: a new period is a new row, and no job has
-- to reset anything.
CREATE TABLE user_feature_usage (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    period_start TEXT NOT NULL,
    feature_id TEXT NOT NULL,
    -- NULL when the period never ends.
    period_end TEXT,
    used INTEGER NOT NULL CHECK (used >= 0),
    updated_at TEXT NOT NULL,
    PRIMARY KEY (user_id, period_start, feature_id)
) WITHOUT ROWID;

-- Append-only: every change of a counter. No foreign keys: what was counted outlives what it
-- was counted for.
CREATE TABLE usage_events (
    id BLOB PRIMARY KEY NOT NULL,
    user_id BLOB NOT NULL,
    feature_id TEXT NOT NULL,
    period_start TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('consumed', 'given_back', 'confirmed')),
    amount INTEGER NOT NULL CHECK (amount <> 0),
    used_after INTEGER NOT NULL CHECK (used_after >= 0),
    -- The limit that was in force; NULL for none.
    limit_value INTEGER,
    reservation_id BLOB,
    actor TEXT NOT NULL,
    created_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX usage_events_by_user ON usage_events (user_id, id);

CREATE TABLE reservations (
    id BLOB PRIMARY KEY NOT NULL,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    feature_id TEXT NOT NULL,
    -- The period in which it was held, and in which it counts when it is confirmed.
    period_start TEXT NOT NULL,
    period_end TEXT,
    amount INTEGER NOT NULL CHECK (amount > 0),
    state TEXT NOT NULL CHECK (state IN ('held', 'confirmed', 'released', 'lapsed')),
    -- What was counted in the end.
    confirmed_amount INTEGER CHECK (confirmed_amount >= 0),
    actor TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    created_at TEXT NOT NULL,
    settled_at TEXT
);

CREATE INDEX reservations_held ON reservations (user_id, period_start, feature_id) WHERE state = 'held';
CREATE INDEX reservations_by_expiry ON reservations (expires_at) WHERE state = 'held';
CREATE INDEX reservations_by_age ON reservations (created_at);

CREATE TABLE idempotency_keys (
    -- SHA-256 of who asked, which call it was, and the key they sent.
    id BLOB PRIMARY KEY NOT NULL,
    -- SHA-256 of what was asked.
    fingerprint BLOB NOT NULL,
    -- The answer, to be given again.
    response TEXT NOT NULL,
    created_at TEXT NOT NULL
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE api_keys (
    id BLOB PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    -- The first characters of the token, by which its owner knows it again.
    hint TEXT NOT NULL,
    -- SHA-256 of the token, which is shown once.
    token_hash BLOB NOT NULL UNIQUE,
    -- Words with a space between: check, consume, manage, admin.
    scopes TEXT NOT NULL,
    -- The one member it may ask about; empty for a server's key.
    user_id BLOB REFERENCES users (id) ON DELETE CASCADE,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    last_used_at TEXT,
    revoked_at TEXT
);

CREATE INDEX api_keys_by_user ON api_keys (user_id);
