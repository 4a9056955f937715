DROP TABLE mail_templates;
DROP TABLE mail_preferences;
DROP INDEX mails_not_sent;
DROP INDEX mails_by_recipient;
ALTER TABLE mails DROP COLUMN skipped_because;
ALTER TABLE mails DROP COLUMN skipped_at;
