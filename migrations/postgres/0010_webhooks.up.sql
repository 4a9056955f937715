-- Where apps want to hear what happened, and what they were told.

CREATE TABLE webhook_endpoints (
    id UUID PRIMARY KEY NOT NULL,
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    -- The kinds of events that it wants to hear of; an empty list for all.
    events JSONB NOT NULL,
    -- What deliveries are signed with, encrypted under the program's own key.
    secret TEXT NOT NULL,
    -- The one before it signs too until then, so that a receiver can change over in peace.
    previous_secret TEXT,
    previous_until TIMESTAMPTZ,
    disabled_at TIMESTAMPTZ,
    disabled_because TEXT CHECK (disabled_because IN ('admin', 'gone', 'failing')),
    -- Since when every delivery has failed; NULL when the last one did not.
    failing_since TIMESTAMPTZ,
    created_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK ((disabled_at IS NULL) = (disabled_because IS NULL)),
    CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);

CREATE TABLE webhook_deliveries (
    id UUID PRIMARY KEY NOT NULL,
    endpoint_id UUID NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    -- What receivers tell repetitions by: the same at each try.
    event_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- Whom it is about, if anybody.
    user_id UUID REFERENCES users (id) ON DELETE SET NULL,
    -- The body, byte for byte as it is signed.
    payload TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts BIGINT NOT NULL,
    next_try_at TIMESTAMPTZ NOT NULL,
    -- Of the last try.
    tried_at TIMESTAMPTZ,
    request_headers JSONB,
    status BIGINT,
    response TEXT,
    error TEXT,
    duration_ms BIGINT,
    created_at TIMESTAMPTZ NOT NULL,
    -- An event is told once to each.
    UNIQUE (endpoint_id, event_id)
);

CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, id);
CREATE INDEX webhook_deliveries_by_state ON webhook_deliveries (endpoint_id, state, id);
CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (created_at);
CREATE INDEX webhook_deliveries_by_user ON webhook_deliveries (user_id) WHERE user_id IS NOT NULL;
