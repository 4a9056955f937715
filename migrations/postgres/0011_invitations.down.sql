DROP TABLE reminders;
DROP TABLE address_marks;
DROP TABLE invitations;
ALTER TABLE app_settings DROP COLUMN updated_by;
DROP INDEX users_by_trial;
ALTER TABLE users DROP COLUMN closes_after_trial;
ALTER TABLE users DROP COLUMN email_verified_at;
