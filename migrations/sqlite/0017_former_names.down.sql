DROP INDEX user_activity_log_naming;
DROP INDEX users_watched;
ALTER TABLE users DROP COLUMN watched_until;
ALTER TABLE users DROP COLUMN deletion_postponed_at;
DROP TABLE former_names;
