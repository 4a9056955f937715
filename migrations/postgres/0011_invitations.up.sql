-- Who is invited, whose address is proved, what an address has had, and who was reminded of what.

-- When a code first came back from the mailbox; NULL while nobody has proved the address.
ALTER TABLE users ADD COLUMN email_verified_at TIMESTAMPTZ;
-- Whether the account is worth nothing without a trial, a subscription, a grant or credit.
ALTER TABLE users ADD COLUMN closes_after_trial BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE users SET email_verified_at = created_at WHERE email <> '';
CREATE INDEX users_by_trial ON users (trial_ends_at) WHERE trial_ends_at IS NOT NULL;

-- Who changed a setting last; kept as text, so that it outlives the account.
ALTER TABLE app_settings ADD COLUMN updated_by TEXT;

CREATE TABLE invitations (
    id UUID PRIMARY KEY NOT NULL,
    email TEXT NOT NULL,
    -- The address in the form by which two spellings are the same.
    email_key TEXT NOT NULL,
    -- The member who invites; NULL where an admin or an app does, and once the account is gone.
    inviter_user_id UUID REFERENCES users (id) ON DELETE SET NULL,
    -- Who did it, as the log of activity names them; empty where a member did.
    invited_by TEXT NOT NULL,
    -- What is given to who accepts: both or neither.
    tier_id TEXT REFERENCES tiers (id),
    duration_days BIGINT CHECK (duration_days > 0),
    note TEXT NOT NULL,
    lang TEXT NOT NULL,
    -- How many mails went out.
    sends BIGINT NOT NULL,
    sent_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    accepted_at TIMESTAMPTZ,
    accepted_by_user_id UUID REFERENCES users (id) ON DELETE SET NULL,
    revoked_at TIMESTAMPTZ,
    -- When another one took the place of this one, which had expired.
    lapsed_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    CHECK ((tier_id IS NULL) = (duration_days IS NULL))
);

-- At most one invitation of an address is open.
CREATE UNIQUE INDEX invitations_open ON invitations (email_key)
    WHERE accepted_at IS NULL AND revoked_at IS NULL AND lapsed_at IS NULL;
CREATE INDEX invitations_by_address ON invitations (email_key, created_at);
CREATE INDEX invitations_by_inviter ON invitations (inviter_user_id, created_at);
CREATE INDEX invitations_by_accepter ON invitations (accepted_by_user_id);

-- What an address has had, without the address: a keyed hash, from which nobody finds it.
CREATE TABLE address_marks (
    kind TEXT NOT NULL,
    address_hash BYTEA NOT NULL,
    -- NULL for good.
    kept_until TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (kind, address_hash)
);

CREATE INDEX address_marks_by_end ON address_marks (kept_until) WHERE kept_until IS NOT NULL;

-- Of what somebody was told once: the row is the right to tell it.
CREATE TABLE reminders (
    kind TEXT NOT NULL,
    -- The member or the grant that it is about.
    subject_id UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (kind, subject_id)
);

CREATE INDEX reminders_by_age ON reminders (created_at);
