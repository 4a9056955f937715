-- What a product offers: tiers, features, the limits between them, and its settings.

CREATE TABLE app_settings (
    key TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL,
    description_en TEXT NOT NULL DEFAULT '',
    description_de TEXT NOT NULL DEFAULT '',
    updated_at TEXT NOT NULL
);

CREATE TABLE tiers (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    description_en TEXT NOT NULL DEFAULT '',
    description_de TEXT NOT NULL DEFAULT '',
    price_monthly_cents INTEGER CHECK (price_monthly_cents >= 0),
    price_yearly_cents INTEGER CHECK (price_yearly_cents >= 0),
    -- Whether new members can subscribe to it.
    active BOOLEAN NOT NULL,
    -- Whether it opens gates for paying members.
    paid BOOLEAN NOT NULL,
    -- The strength: the highest of several tiers wins.
    sort_order INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);

CREATE TABLE features (
    id TEXT PRIMARY KEY NOT NULL,
    name_en TEXT NOT NULL,
    name_de TEXT NOT NULL,
    description_en TEXT NOT NULL DEFAULT '',
    description_de TEXT NOT NULL DEFAULT '',
    category TEXT NOT NULL,
    limit_type TEXT NOT NULL CHECK (limit_type IN ('count', 'boolean', 'quota')),
    reset_period TEXT NOT NULL
        CHECK (reset_period IN ('never', 'hourly', 'daily', 'weekly', 'monthly', 'yearly')),
    -- What a tier without a limit of its own gets; NULL is unlimited.
    default_limit INTEGER CHECK (default_limit >= 0),
    active BOOLEAN NOT NULL,
    sort_order INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);

-- One row; it grows with every change of tiers, features, limits or settings.
CREATE TABLE config_version (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    version INTEGER NOT NULL
);

INSERT INTO config_version (id, version) VALUES (1, 1);

CREATE TABLE tier_limits (
    tier_id TEXT NOT NULL REFERENCES tiers (id) ON DELETE CASCADE,
    feature_id TEXT NOT NULL REFERENCES features (id) ON DELETE CASCADE,
    -- NULL is unlimited, 0 is off; a missing row is neither and falls through to the default.
    limit_value INTEGER CHECK (limit_value >= 0),
    -- The config_version that wrote the cell.
    version INTEGER NOT NULL,
    -- The address of the admin who wrote it; kept as text, so that it outlives the account.
    updated_by TEXT,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (tier_id, feature_id)
);

CREATE INDEX tier_limits_by_feature ON tier_limits (feature_id);
