DROP INDEX users_by_erasure;
DROP INDEX users_by_farewell;
DROP INDEX users_by_deletion;
ALTER TABLE users DROP COLUMN farewell_mail_id;
ALTER TABLE users DROP COLUMN deleted_at;
ALTER TABLE users DROP COLUMN deletion_due_at;
ALTER TABLE users DROP COLUMN deletion_asked_at;
