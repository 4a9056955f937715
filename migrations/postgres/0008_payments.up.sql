-- Money: what was bought where, what the providers told, and what followed from it.

-- What a provider's price buys here.
CREATE TABLE tier_prices (
    provider TEXT NOT NULL CHECK (provider IN ('stripe', 'paddle', 'polar')),
    price_id TEXT NOT NULL,
    tier_id TEXT NOT NULL REFERENCES tiers (id),
    billing_interval TEXT NOT NULL CHECK (billing_interval IN ('month', 'year')),
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (provider, price_id)
);

CREATE INDEX tier_prices_by_tier ON tier_prices (tier_id);

-- Who a provider's customer is here.
CREATE TABLE payment_customers (
    provider TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    user_id UUID REFERENCES users (id) ON DELETE SET NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (provider, customer_id)
);

CREATE INDEX payment_customers_by_user ON payment_customers (user_id);

-- The inbox: everything that a provider sent and signed, once.
CREATE TABLE payment_events (
    id UUID PRIMARY KEY NOT NULL,
    provider TEXT NOT NULL,
    event_id TEXT NOT NULL,
    -- The provider's word for it.
    event_type TEXT NOT NULL,
    -- Ours; NULL for what means nothing here.
    kind TEXT,
    -- By the provider's clock.
    occurred_at TIMESTAMPTZ NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    -- The bytes that were signed.
    payload TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('received', 'done', 'ignored', 'failed', 'dead')),
    attempts BIGINT NOT NULL,
    error TEXT,
    -- What a failed one lacks, as customer:cus_1: when that comes, it is tried again at once.
    waits_for TEXT,
    user_id UUID REFERENCES users (id) ON DELETE SET NULL,
    -- The subscription that it is about, and how that stood.
    subscription_id TEXT,
    subscription_status TEXT,
    settled_at TIMESTAMPTZ,
    UNIQUE (provider, event_id)
);

CREATE INDEX payment_events_by_subscription ON payment_events (provider, subscription_id, occurred_at);
CREATE INDEX payment_events_open ON payment_events (state, received_at) WHERE state IN ('failed', 'dead');
CREATE INDEX payment_events_waiting ON payment_events (provider, waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX payment_events_by_user ON payment_events (user_id);

CREATE TABLE subscriptions (
    id UUID PRIMARY KEY NOT NULL,
    provider TEXT NOT NULL,
    -- The provider's id.
    subscription_id TEXT NOT NULL,
    user_id UUID REFERENCES users (id) ON DELETE SET NULL,
    tier_id TEXT NOT NULL REFERENCES tiers (id),
    billing_interval TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('incomplete', 'trialing', 'active', 'past_due', 'paused', 'ended')),
    started_at TIMESTAMPTZ NOT NULL,
    period_end TIMESTAMPTZ,
    past_due_since TIMESTAMPTZ,
    scheduled_action TEXT CHECK (scheduled_action IN ('end', 'pause', 'change')),
    scheduled_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    -- How new this is: the provider's time, the rank of the event's type, the event's id.
    version_at TIMESTAMPTZ NOT NULL,
    version_rank BIGINT NOT NULL,
    version_event TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (provider, subscription_id)
);

CREATE INDEX subscriptions_by_user ON subscriptions (user_id);
CREATE INDEX subscriptions_by_status ON subscriptions (status);

-- Invoices that were paid.
CREATE TABLE payments (
    provider TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    user_id UUID REFERENCES users (id) ON DELETE SET NULL,
    subscription_id TEXT,
    -- In the smallest unit of the currency.
    amount BIGINT NOT NULL CHECK (amount >= 0),
    currency TEXT NOT NULL,
    -- By the provider's clock.
    paid_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (provider, invoice_id)
);

CREATE INDEX payments_by_user ON payments (user_id, paid_at);

-- With which payment an invoice was paid: refunds name the payment.
CREATE TABLE payment_links (
    provider TEXT NOT NULL,
    payment_id TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    PRIMARY KEY (provider, payment_id)
);

-- Money that went back, the newest word on each loss. Those of one invoice add up.
CREATE TABLE payment_losses (
    provider TEXT NOT NULL,
    loss_id TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('refund', 'dispute_opened', 'dispute_lost', 'dispute_won')),
    -- Below zero when something lost is given back.
    amount BIGINT NOT NULL,
    -- By the provider's clock.
    occurred_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (provider, loss_id)
);

CREATE INDEX payment_losses_by_invoice ON payment_losses (provider, invoice_id);

-- The invoice that converted it: the first that was paid, by the provider's clock.
ALTER TABLE referrals ADD COLUMN provider TEXT;
ALTER TABLE referrals ADD COLUMN invoice_id TEXT;
-- Days that each side got.
ALTER TABLE referrals ADD COLUMN reward_days BIGINT;
-- What looked like fraud when it converted, comma-separated.
ALTER TABLE referrals ADD COLUMN flags TEXT NOT NULL DEFAULT '';
-- The reward waits until then; NULL with credited_at NULL: until an admin decides.
ALTER TABLE referrals ADD COLUMN held_until TIMESTAMPTZ;
ALTER TABLE referrals ADD COLUMN rejected_at TIMESTAMPTZ;
-- Since when the reward is taken back, because the money went back.
ALTER TABLE referrals ADD COLUMN taken_back_at TIMESTAMPTZ;
-- How often it was: each time has entries of its own in the ledger.
ALTER TABLE referrals ADD COLUMN times_taken_back BIGINT NOT NULL DEFAULT 0;

CREATE INDEX referrals_by_conversion ON referrals (converted_at);
CREATE INDEX referrals_held ON referrals (held_until) WHERE converted_at IS NOT NULL AND credited_at IS NULL;
