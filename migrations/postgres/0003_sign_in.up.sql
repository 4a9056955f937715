-- How someone comes in: codes by e-mail, what is counted against guessing, and the first admin.

CREATE TABLE login_attempts (
    id UUID PRIMARY KEY NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    lang TEXT NOT NULL,
    -- How many codes this flow has sent; only the last one is good.
    sends BIGINT NOT NULL,
    -- Whether the last code is a long one.
    long_code BOOLEAN NOT NULL,
    sent_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    -- Tries of the last code, counted before they are compared.
    tries BIGINT NOT NULL,
    used_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX login_attempts_by_age ON login_attempts (created_at);

-- Wrong codes in a row, for an address whether or not it is a member's.
CREATE TABLE login_failures (
    email_key TEXT PRIMARY KEY NOT NULL,
    consecutive BIGINT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE rate_limits (
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    count BIGINT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (name, subject)
);

CREATE INDEX rate_limits_by_age ON rate_limits (started_at);

-- The one-time link that makes somebody an admin while there is none.
CREATE TABLE admin_claims (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    token_hash BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
