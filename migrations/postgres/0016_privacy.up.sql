-- Leaving: an account waits for some days, then what identifies the person is gone.

ALTER TABLE users ADD COLUMN deletion_asked_at TIMESTAMPTZ;
-- When it is to happen; NULL for who stays.
ALTER TABLE users ADD COLUMN deletion_due_at TIMESTAMPTZ;
-- Since when the account is deleted. The row stays as nobody's, so that what names it is not taken for somebody new.
ALTER TABLE users ADD COLUMN deleted_at TIMESTAMPTZ;
-- The last letter, which is forgotten once it is sent.
ALTER TABLE users ADD COLUMN farewell_mail_id UUID;

CREATE INDEX users_by_deletion ON users (deletion_due_at) WHERE deletion_due_at IS NOT NULL;
CREATE INDEX users_by_farewell ON users (farewell_mail_id) WHERE farewell_mail_id IS NOT NULL;
CREATE INDEX users_by_erasure ON users (deleted_at) WHERE deleted_at IS NOT NULL;
