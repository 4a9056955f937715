-- Work that comes again by the clock, what became of every day, and a log of activity that is read in pages.

CREATE TABLE schedules (
    name TEXT PRIMARY KEY NOT NULL,
    -- When it is due: by the clock, or again after a failure.
    next_run_at TIMESTAMPTZ NOT NULL,
    -- Until when the one who claimed it may work on it.
    leased_until TIMESTAMPTZ,
    -- Grows with every claim; a result under an old token is refused.
    fencing_token BIGINT NOT NULL,
    last_started_at TIMESTAMPTZ,
    last_finished_at TIMESTAMPTZ,
    last_succeeded_at TIMESTAMPTZ,
    last_duration_ms BIGINT,
    -- What the last run that succeeded did, in numbers.
    last_outcome JSONB,
    last_error TEXT,
    -- In a row.
    failures BIGINT NOT NULL
);

-- What a member did on a day of the product's time zone.
CREATE TABLE user_days (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    day DATE NOT NULL,
    sign_ins BIGINT NOT NULL,
    consumed BIGINT NOT NULL,
    PRIMARY KEY (user_id, day)
);

CREATE INDEX user_days_by_day ON user_days (day);

-- One figure of a day: subject is a tier, a feature or a kind of coupon, or empty.
CREATE TABLE daily_stats (
    day DATE NOT NULL,
    metric TEXT NOT NULL,
    subject TEXT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (day, metric, subject)
);

-- Until when a day has been counted.
CREATE TABLE counted_days (
    day DATE PRIMARY KEY NOT NULL,
    counted_until TIMESTAMPTZ NOT NULL
);

CREATE INDEX jobs_dead ON jobs (dead_at) WHERE dead_at IS NOT NULL;
CREATE INDEX coupon_redemptions_by_age ON coupon_redemptions (redeemed_at);
CREATE INDEX users_by_age ON users (created_at);

DROP INDEX user_activity_log_by_user;
DROP INDEX user_activity_log_by_action;
CREATE INDEX user_activity_log_by_age ON user_activity_log (created_at, id);
CREATE INDEX user_activity_log_by_user ON user_activity_log (user_id, created_at, id);
CREATE INDEX user_activity_log_by_action ON user_activity_log (action, created_at, id);
CREATE INDEX user_activity_log_by_actor ON user_activity_log (actor, created_at, id);
CREATE INDEX user_activity_log_by_address ON user_activity_log (ip_address, created_at, id) WHERE ip_address IS NOT NULL;

-- Whether the address has been cut down to its network.
ALTER TABLE user_activity_log ADD COLUMN address_cut BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX user_activity_log_uncut ON user_activity_log (created_at)
WHERE ip_address IS NOT NULL AND address_cut = FALSE;
