-- Those for whom coupons are made, gyms and companies, and coupons that were made in one go.

CREATE TABLE partners (
    id BLOB PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    contact TEXT NOT NULL,
    email TEXT,
    -- Half-open; NULL for no bound.
    contract_from TEXT,
    contract_until TEXT,
    note TEXT NOT NULL,
    -- Of the token in the link under which the partner reads; NULL for no link.
    link_hash BLOB UNIQUE,
    linked_at TEXT,
    archived_at TEXT,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);

CREATE TABLE coupon_batches (
    id BLOB PRIMARY KEY NOT NULL,
    label TEXT NOT NULL,
    count INTEGER NOT NULL CHECK (count > 0),
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL
);

ALTER TABLE coupons ADD COLUMN partner_id BLOB REFERENCES partners (id);
ALTER TABLE coupons ADD COLUMN batch_id BLOB REFERENCES coupon_batches (id);

CREATE INDEX coupons_by_partner ON coupons (partner_id, id) WHERE partner_id IS NOT NULL;
CREATE INDEX coupons_by_batch ON coupons (batch_id, id) WHERE batch_id IS NOT NULL;
CREATE INDEX coupon_redemptions_in_order ON coupon_redemptions (coupon_id, redeemed_at);
