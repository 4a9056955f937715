DELETE FROM app_settings WHERE key IN (
    'referral_credit_days', 'referral_hold_days', 'referral_clawback_days', 'referral_hold_flagged',
    'referral_daily_conversions', 'past_due_grace_days', 'credit_during_subscription'
);
DROP INDEX referrals_held;
DROP INDEX referrals_by_conversion;
ALTER TABLE referrals DROP COLUMN times_taken_back;
ALTER TABLE referrals DROP COLUMN taken_back_at;
ALTER TABLE referrals DROP COLUMN rejected_at;
ALTER TABLE referrals DROP COLUMN held_until;
ALTER TABLE referrals DROP COLUMN flags;
ALTER TABLE referrals DROP COLUMN reward_days;
ALTER TABLE referrals DROP COLUMN invoice_id;
ALTER TABLE referrals DROP COLUMN provider;
DROP TABLE payment_losses;
DROP TABLE payment_links;
DROP TABLE payments;
DROP TABLE subscriptions;
DROP TABLE payment_events;
DROP TABLE payment_customers;
DROP TABLE tier_prices;
