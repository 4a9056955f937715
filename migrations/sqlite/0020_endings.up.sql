-- What ends by itself is looked for every minute, and told.
CREATE INDEX users_by_credit ON users (credit_until) WHERE credit_until IS NOT NULL;
CREATE INDEX user_feature_restrictions_by_end ON user_feature_restrictions (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX subscriptions_by_plan ON subscriptions (scheduled_at) WHERE scheduled_at IS NOT NULL;
CREATE INDEX subscriptions_by_period ON subscriptions (period_end) WHERE period_end IS NOT NULL;
