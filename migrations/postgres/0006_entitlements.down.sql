DROP TABLE api_keys;
DROP TABLE idempotency_keys;
DROP TABLE reservations;
DROP TABLE usage_events;
DROP TABLE user_feature_usage;
DROP TABLE user_feature_restrictions;
DROP INDEX users_by_change;
DROP INDEX users_by_external_id;
ALTER TABLE users DROP COLUMN external_id;
