-- Who the members are, who invited whom, what credit they have, what they did.

CREATE TABLE users (
    id BLOB PRIMARY KEY NOT NULL,
    email TEXT NOT NULL,
    -- The address in the form by which two spellings are the same.
    email_key TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('member', 'admin')),
    lang TEXT NOT NULL,
    tier_id TEXT NOT NULL REFERENCES tiers (id),
    trial_ends_at TEXT,
    -- The projection of credit_entries, written in the same transaction.
    credit_until TEXT,
    referral_code TEXT UNIQUE,
    referred_by_user_id BLOB REFERENCES users (id) ON DELETE SET NULL,
    disabled_at TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);

CREATE INDEX users_by_tier ON users (tier_id);
CREATE INDEX users_by_role ON users (role);
CREATE INDEX users_by_referrer ON users (referred_by_user_id);

CREATE TABLE sessions (
    id BLOB PRIMARY KEY NOT NULL,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- SHA-256 of the token in the cookie.
    token_hash BLOB NOT NULL UNIQUE,
    user_agent TEXT NOT NULL,
    ip_address TEXT NOT NULL,
    created_at TEXT NOT NULL,
    last_seen_at TEXT NOT NULL
);

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_age ON sessions (created_at);

CREATE TABLE referrals (
    id BLOB PRIMARY KEY NOT NULL,
    -- Empty once the account is deleted: the other side keeps what it got.
    referrer_user_id BLOB REFERENCES users (id) ON DELETE SET NULL,
    referred_user_id BLOB UNIQUE REFERENCES users (id) ON DELETE SET NULL,
    created_at TEXT NOT NULL,
    converted_at TEXT,
    credited_at TEXT
);

CREATE INDEX referrals_by_referrer ON referrals (referrer_user_id);

-- Append-only: every change of somebody's credit.
CREATE TABLE credit_entries (
    id BLOB PRIMARY KEY NOT NULL,
    user_id BLOB REFERENCES users (id) ON DELETE SET NULL,
    source TEXT NOT NULL,
    -- What makes the same change the same: written twice, it counts once.
    source_key TEXT NOT NULL,
    -- Days given; negative when taken back, 0 when credit was ended at once.
    days INTEGER NOT NULL,
    until_before TEXT,
    until_after TEXT,
    note TEXT,
    actor TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (source, source_key, user_id)
);

CREATE INDEX credit_entries_by_user ON credit_entries (user_id, created_at);

CREATE TABLE user_activity_log (
    id BLOB PRIMARY KEY NOT NULL,
    -- Whom it concerns; empty for what concerns all, as a change of the matrix.
    user_id BLOB REFERENCES users (id) ON DELETE SET NULL,
    -- Who did it: an address, or operator, or system.
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    details TEXT NOT NULL,
    ip_address TEXT,
    user_agent TEXT,
    created_at TEXT NOT NULL
);

CREATE INDEX user_activity_log_by_user ON user_activity_log (user_id, created_at);
CREATE INDEX user_activity_log_by_action ON user_activity_log (action, created_at);

CREATE TABLE user_stats (
    user_id BLOB PRIMARY KEY NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    login_count INTEGER NOT NULL,
    last_login_at TEXT
);
