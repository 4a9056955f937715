-- What is rewarded without anybody doing it by hand, and what admins are told.

-- Archived, never deleted: what a rule gave is to be explained years later.
CREATE TABLE bonus_rules (
    id BLOB PRIMARY KEY NOT NULL,
    name_en TEXT NOT NULL,
    name_de TEXT NOT NULL,
    description_en TEXT NOT NULL,
    description_de TEXT NOT NULL,
    trigger_kind TEXT NOT NULL CHECK (
        trigger_kind IN (
            'referrals_converted', 'coupons_redeemed', 'subscriptions_started', 'days_in_a_row', 'days_as_member'
        )
    ),
    threshold INTEGER NOT NULL CHECK (threshold > 0),
    -- Days at a tier, or a badge with a letter.
    tier_id TEXT REFERENCES tiers (id),
    days INTEGER CHECK (days > 0),
    letter TEXT,
    active BOOLEAN NOT NULL,
    -- From when on it counts; NULL counts everything that ever happened.
    counts_from TEXT,
    ends_at TEXT,
    archived_at TEXT,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    CHECK ((tier_id IS NULL) = (days IS NULL) AND (tier_id IS NULL) <> (letter IS NULL))
);

CREATE INDEX bonus_rules_open ON bonus_rules (trigger_kind) WHERE active AND archived_at IS NULL;

CREATE TABLE bonus_awards (
    id BLOB PRIMARY KEY NOT NULL,
    rule_id BLOB NOT NULL REFERENCES bonus_rules (id),
    user_id BLOB REFERENCES users (id) ON DELETE SET NULL,
    grant_id BLOB REFERENCES access_grants (id) ON DELETE SET NULL,
    -- What it brought, as the rule was then.
    tier_id TEXT REFERENCES tiers (id),
    days INTEGER,
    letter TEXT,
    awarded_at TEXT NOT NULL,
    UNIQUE (rule_id, user_id)
);

CREATE INDEX bonus_awards_by_user ON bonus_awards (user_id);
CREATE INDEX bonus_awards_by_grant ON bonus_awards (grant_id);

CREATE TABLE notifications (
    id BLOB PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    -- What makes it the same as another of its kind.
    dedupe_key TEXT NOT NULL,
    -- What happened, the last time.
    details TEXT NOT NULL,
    occurrences INTEGER NOT NULL CHECK (occurrences > 0),
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    -- Since when somebody has read it: what happens after that is a new one.
    closed_at TEXT,
    -- Since when it counts as read by everybody.
    read_at TEXT
);

-- Two at once count on one.
CREATE UNIQUE INDEX notifications_open ON notifications (kind, dedupe_key) WHERE closed_at IS NULL;
CREATE INDEX notifications_by_age ON notifications (last_at);
CREATE INDEX notifications_unread ON notifications (id) WHERE read_at IS NULL;

CREATE TABLE notification_reads (
    notification_id BLOB NOT NULL REFERENCES notifications (id) ON DELETE CASCADE,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    read_at TEXT NOT NULL,
    PRIMARY KEY (notification_id, user_id)
);

CREATE INDEX notification_reads_by_user ON notification_reads (user_id);

-- By which ways a kind is told, where somebody has chosen.
CREATE TABLE notification_ways (
    kind TEXT PRIMARY KEY NOT NULL,
    in_app BOOLEAN NOT NULL,
    digest BOOLEAN NOT NULL,
    webhook BOOLEAN NOT NULL,
    updated_at TEXT NOT NULL
);

-- The chat that is told. Its address is a secret: who knows it can write there.
CREATE TABLE notification_chats (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    url TEXT NOT NULL,
    shape TEXT NOT NULL CHECK (shape IN ('slack', 'discord')),
    updated_at TEXT NOT NULL
);

-- Who got the mail of which day.
CREATE TABLE admin_digests (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    day TEXT NOT NULL,
    sent_at TEXT NOT NULL,
    PRIMARY KEY (user_id, day)
);
