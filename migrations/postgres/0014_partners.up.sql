-- Those for whom coupons are made, gyms and companies, and coupons that were made in one go.

CREATE TABLE partners (
    id UUID PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    contact TEXT NOT NULL,
    email TEXT,
    -- Half-open; NULL for no bound.
    contract_from TIMESTAMPTZ,
    contract_until TIMESTAMPTZ,
    note TEXT NOT NULL,
    -- Of the token in the link under which the partner reads; NULL for no link.
    link_hash BYTEA UNIQUE,
    linked_at TIMESTAMPTZ,
    archived_at TIMESTAMPTZ,
    created_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE coupon_batches (
    id UUID PRIMARY KEY NOT NULL,
    label TEXT NOT NULL,
    count BIGINT NOT NULL CHECK (count > 0),
    created_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

ALTER TABLE coupons ADD COLUMN partner_id UUID REFERENCES partners (id);
ALTER TABLE coupons ADD COLUMN batch_id UUID REFERENCES coupon_batches (id);

CREATE INDEX coupons_by_partner ON coupons (partner_id, id) WHERE partner_id IS NOT NULL;
CREATE INDEX coupons_by_batch ON coupons (batch_id, id) WHERE batch_id IS NOT NULL;
CREATE INDEX coupon_redemptions_in_order ON coupon_redemptions (coupon_id, redeemed_at);
