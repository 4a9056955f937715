-- Work that outlives the request: committed with its cause, done by whoever holds the lease.

CREATE TABLE jobs (
    id BLOB PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    run_at TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    -- Until when the one who claimed it may work on it.
    leased_until TEXT,
    -- Grows with every claim; a result under an old token is refused.
    fencing_token INTEGER NOT NULL,
    last_error TEXT,
    created_at TEXT NOT NULL,
    finished_at TEXT,
    -- Since when it has been given up.
    dead_at TEXT
);

CREATE INDEX jobs_waiting ON jobs (run_at) WHERE finished_at IS NULL AND dead_at IS NULL;
CREATE INDEX jobs_by_age ON jobs (created_at);

CREATE TABLE mails (
    id BLOB PRIMARY KEY NOT NULL,
    recipient TEXT NOT NULL,
    lang TEXT NOT NULL,
    -- Which letter, with what it needs; codes are not in it.
    letter TEXT NOT NULL,
    created_at TEXT NOT NULL,
    sent_at TEXT,
    -- What was sent; kept by the preview transport only.
    subject TEXT,
    text_body TEXT,
    html_body TEXT
);

CREATE INDEX mails_by_age ON mails (created_at);
