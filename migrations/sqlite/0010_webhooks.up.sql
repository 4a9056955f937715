-- Where apps want to hear what happened, and what they were told.

CREATE TABLE webhook_endpoints (
    id BLOB PRIMARY KEY NOT NULL,
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    -- The kinds of events that it wants to hear of; an empty list for all.
    events TEXT NOT NULL,
    -- What deliveries are signed with, encrypted under the program's own key.
    secret TEXT NOT NULL,
    -- The one before it signs too until then, so that a receiver can change over in peace.
    previous_secret TEXT,
    previous_until TEXT,
    disabled_at TEXT,
    disabled_because TEXT CHECK (disabled_because IN ('admin', 'gone', 'failing')),
    -- Since when every delivery has failed; NULL when the last one did not.
    failing_since TEXT,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    CHECK ((disabled_at IS NULL) = (disabled_because IS NULL)),
    CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);

CREATE TABLE webhook_deliveries (
    id BLOB PRIMARY KEY NOT NULL,
    endpoint_id BLOB NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    -- What receivers tell repetitions by: the same at each try.
    event_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- Whom it is about, if anybody.
    user_id BLOB REFERENCES users (id) ON DELETE SET NULL,
    -- The body, byte for byte as it is signed.
    payload TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts INTEGER NOT NULL,
    next_try_at TEXT NOT NULL,
    -- Of the last try.
    tried_at TEXT,
    request_headers TEXT,
    status INTEGER,
    response TEXT,
    error TEXT,
    duration_ms INTEGER,
    created_at TEXT NOT NULL,
    -- An event is told once to each.
    UNIQUE (endpoint_id, event_id)
);

CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, id);
CREATE INDEX webhook_deliveries_by_state ON webhook_deliveries (endpoint_id, state, id);
CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (created_at);
CREATE INDEX webhook_deliveries_by_user ON webhook_deliveries (user_id) WHERE user_id IS NOT NULL;
