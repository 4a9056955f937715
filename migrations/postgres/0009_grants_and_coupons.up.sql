-- Time at a tier that members were given, and the coupons for which they got it.

-- Archived, never deleted: what a coupon gave is to be explained years later.
CREATE TABLE coupons (
    id UUID PRIMARY KEY NOT NULL,
    -- In its normal form.
    code TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL CHECK (type IN ('single_use', 'period', 'partner')),
    tier_id TEXT NOT NULL REFERENCES tiers (id),
    duration_days BIGINT NOT NULL CHECK (duration_days > 0),
    -- Half-open; NULL for no bound.
    valid_from TIMESTAMPTZ,
    valid_until TIMESTAMPTZ,
    -- NULL for as many as want.
    max_redemptions BIGINT CHECK (max_redemptions > 0),
    redemption_count BIGINT NOT NULL,
    active BOOLEAN NOT NULL,
    archived_at TIMESTAMPTZ,
    description TEXT NOT NULL,
    -- Whose pass it is.
    partner TEXT,
    created_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK (max_redemptions IS NULL OR redemption_count <= max_redemptions)
);

CREATE TABLE access_grants (
    id UUID PRIMARY KEY NOT NULL,
    user_id UUID REFERENCES users (id) ON DELETE SET NULL,
    tier_id TEXT NOT NULL REFERENCES tiers (id),
    kind TEXT NOT NULL CHECK (kind IN ('admin', 'coupon', 'partner')),
    coupon_id UUID REFERENCES coupons (id) ON DELETE SET NULL,
    total_seconds BIGINT NOT NULL CHECK (total_seconds > 0),
    -- What was left when something last happened to it.
    remaining_seconds BIGINT NOT NULL CHECK (remaining_seconds BETWEEN 0 AND total_seconds),
    began_at TIMESTAMPTZ,
    -- Since when it runs, and when it is used up if nothing comes between.
    running_since TIMESTAMPTZ,
    runs_until TIMESTAMPTZ,
    granted_at TIMESTAMPTZ NOT NULL,
    granted_by TEXT NOT NULL,
    reason TEXT,
    ended_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX access_grants_by_user ON access_grants (user_id);
-- At most one of a member runs.
CREATE UNIQUE INDEX access_grants_running ON access_grants (user_id) WHERE running_since IS NOT NULL;
CREATE INDEX access_grants_open ON access_grants (user_id) WHERE ended_at IS NULL AND revoked_at IS NULL;
CREATE INDEX access_grants_due ON access_grants (runs_until) WHERE runs_until IS NOT NULL;
CREATE INDEX access_grants_by_coupon ON access_grants (coupon_id);

CREATE TABLE coupon_redemptions (
    id UUID PRIMARY KEY NOT NULL,
    coupon_id UUID NOT NULL REFERENCES coupons (id),
    user_id UUID REFERENCES users (id) ON DELETE SET NULL,
    grant_id UUID REFERENCES access_grants (id) ON DELETE SET NULL,
    -- Stays when the account is deleted, so that nobody redeems twice by coming back.
    address_hash BYTEA,
    redeemed_at TIMESTAMPTZ NOT NULL,
    UNIQUE (coupon_id, user_id)
);

CREATE INDEX coupon_redemptions_by_user ON coupon_redemptions (user_id);
CREATE INDEX coupon_redemptions_by_grant ON coupon_redemptions (grant_id);
CREATE INDEX coupon_redemptions_by_address ON coupon_redemptions (coupon_id, address_hash)
    WHERE address_hash IS NOT NULL;
