-- Which letters members want, how admins have worded them, and what became of those not sent.

-- Since when it is settled that a mail is not sent, and why.
ALTER TABLE mails ADD COLUMN skipped_at TIMESTAMPTZ;
ALTER TABLE mails ADD COLUMN skipped_because TEXT CHECK (skipped_because IN ('unsubscribed', 'void', 'nobody'));

CREATE INDEX mails_by_recipient ON mails (lower(recipient), id);
CREATE INDEX mails_not_sent ON mails (id) WHERE sent_at IS NULL;

-- A kind of letters without a row is wanted.
CREATE TABLE mail_preferences (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    category TEXT NOT NULL CHECK (category IN ('access', 'referrals', 'bonus', 'digest')),
    wanted BOOLEAN NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, category)
);

CREATE TABLE mail_templates (
    letter TEXT NOT NULL,
    lang TEXT NOT NULL,
    -- All three NULL: as it is built in. The row stays, so that its version never goes back.
    subject TEXT,
    text_body TEXT,
    html_body TEXT,
    version BIGINT NOT NULL,
    updated_by TEXT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (letter, lang),
    CHECK ((subject IS NULL) = (text_body IS NULL) AND (subject IS NULL) = (html_body IS NULL))
);
