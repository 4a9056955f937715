DROP INDEX subscriptions_by_period;
DROP INDEX subscriptions_by_plan;
DROP INDEX user_feature_restrictions_by_end;
DROP INDEX users_by_credit;
