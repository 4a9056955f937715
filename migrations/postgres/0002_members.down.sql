DROP TABLE user_stats;
DROP TABLE user_activity_log;
DROP TABLE credit_entries;
DROP TABLE referrals;
DROP TABLE sessions;
DROP TABLE users;
