-- What a member may use, how much of it is used, and who may ask.

-- The name under which the product's own database knows a member. Somebody known by it alone
-- has no address: an empty email, and an email_key that no address has.
ALTER TABLE users ADD COLUMN external_id TEXT;
CREATE UNIQUE INDEX users_by_external_id ON users (external_id);
-- By this, other nodes notice whose access has changed.
CREATE INDEX users_by_change ON users (updated_at);

CREATE TABLE user_feature_restrictions (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    feature_id TEXT NOT NULL REFERENCES features (id) ON DELETE CASCADE,
    -- NULL is unlimited, 0 is off.
    limit_value BIGINT CHECK (limit_value >= 0),
    reason TEXT NOT NULL,
    expires_at TIMESTAMPTZ,
    created_by TEXT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, feature_id)
);

CREATE INDEX user_feature_restrictions_by_feature ON user_feature_restrictions (feature_id);

-- The counters. The start of the period is in the key: a new period is a new row, and no job has
-- to reset anything.
CREATE TABLE user_feature_usage (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    period_start TIMESTAMPTZ NOT NULL,
    feature_id TEXT NOT NULL,
    -- NULL when the period never ends.
    period_end TIMESTAMPTZ,
    used BIGINT NOT NULL CHECK (used >= 0),
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, period_start, feature_id)
);

-- Append-only: every change of a counter. No foreign keys: what was counted outlives what it
-- was counted for.
CREATE TABLE usage_events (
    id UUID PRIMARY KEY NOT NULL,
    user_id UUID NOT NULL,
    feature_id TEXT NOT NULL,
    period_start TIMESTAMPTZ NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('consumed', 'given_back', 'confirmed')),
    amount BIGINT NOT NULL CHECK (amount <> 0),
    used_after BIGINT NOT NULL CHECK (used_after >= 0),
    -- The limit that was in force; NULL for none.
    limit_value BIGINT,
    reservation_id UUID,
    actor TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX usage_events_by_user ON usage_events (user_id, id);

CREATE TABLE reservations (
    id UUID PRIMARY KEY NOT NULL,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    feature_id TEXT NOT NULL,
    -- The period in which it was held, and in which it counts when it is confirmed.
    period_start TIMESTAMPTZ NOT NULL,
    period_end TIMESTAMPTZ,
    amount BIGINT NOT NULL CHECK (amount > 0),
    state TEXT NOT NULL CHECK (state IN ('held', 'confirmed', 'released', 'lapsed')),
    -- What was counted in the end.
    confirmed_amount BIGINT CHECK (confirmed_amount >= 0),
    actor TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    settled_at TIMESTAMPTZ
);

CREATE INDEX reservations_held ON reservations (user_id, period_start, feature_id) WHERE state = 'held';
CREATE INDEX reservations_by_expiry ON reservations (expires_at) WHERE state = 'held';
CREATE INDEX reservations_by_age ON reservations (created_at);

CREATE TABLE idempotency_keys (
    -- SHA-256 of who asked, which call it was, and the key they sent.
    id BYTEA PRIMARY KEY NOT NULL,
    -- SHA-256 of what was asked.
    fingerprint BYTEA NOT NULL,
    -- The answer, to be given again.
    response TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE api_keys (
    id UUID PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    -- The first characters of the token, by which its owner knows it again.
    hint TEXT NOT NULL,
    -- SHA-256 of the token, which is shown once.
    token_hash BYTEA NOT NULL UNIQUE,
    -- Words with a space between: check, consume, manage, admin.
    scopes TEXT NOT NULL,
    -- The one member it may ask about; empty for a server's key.
    user_id UUID REFERENCES users (id) ON DELETE CASCADE,
    created_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ
);

CREATE INDEX api_keys_by_user ON api_keys (user_id);
