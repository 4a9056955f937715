DROP TABLE admin_claims;
DROP TABLE rate_limits;
DROP TABLE login_failures;
DROP TABLE login_attempts;
