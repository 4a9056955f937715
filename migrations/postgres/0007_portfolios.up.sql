-- What members hold, and what it is worth.

-- One row for each member who saved something. Saving raises the version only from the one it
-- was based on, so that nobody overwrites what they have not seen.
CREATE TABLE portfolios (
    user_id UUID PRIMARY KEY NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    version BIGINT NOT NULL CHECK (version > 0),
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE portfolio_versions (
    user_id UUID NOT NULL REFERENCES portfolios (user_id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    positions JSONB NOT NULL,
    position_count BIGINT NOT NULL,
    -- The version that was brought back by this one.
    restored_from BIGINT,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, number)
);

-- The newest analysis of each member's portfolio: it was paid for, and is there to be read again.
CREATE TABLE portfolio_analyses (
    user_id UUID PRIMARY KEY NOT NULL REFERENCES portfolios (user_id) ON DELETE CASCADE,
    -- The version that was analysed.
    version BIGINT NOT NULL,
    question TEXT,
    commentary TEXT NOT NULL,
    written_by TEXT NOT NULL CHECK (written_by IN ('model', 'built_in')),
    created_at TIMESTAMPTZ NOT NULL
);

-- The newest price of each symbol, in units of 10^-8.
CREATE TABLE quotes (
    symbol TEXT PRIMARY KEY NOT NULL,
    price BIGINT NOT NULL CHECK (price > 0),
    currency TEXT,
    name TEXT,
    -- The day, as 2026-11-20, which sorts by time.
    quoted_on TEXT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- The last price of each day, in units of 10^-8.
CREATE TABLE quotes_daily (
    symbol TEXT NOT NULL,
    day TEXT NOT NULL,
    close BIGINT NOT NULL CHECK (close > 0),
    PRIMARY KEY (symbol, day)
);
