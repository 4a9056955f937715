-- Lanes of jobs, what is forgotten in pieces, and what endpoints were before.

-- Jobs of one lane do not wait for those of another.
ALTER TABLE jobs ADD COLUMN lane TEXT NOT NULL DEFAULT 'work';
UPDATE jobs SET lane = CASE kind
    WHEN 'send_mail' THEN 'letters'
    WHEN 'deliver_webhook' THEN 'webhooks'
    WHEN 'tell_chat' THEN 'chat'
    WHEN 'apply_payment_event' THEN 'providers'
    WHEN 'reconcile_subscriptions' THEN 'providers'
    WHEN 'refresh_subscription' THEN 'providers'
    ELSE 'work' END
WHERE finished_at IS NULL;

DROP INDEX jobs_waiting;
CREATE INDEX jobs_waiting ON jobs (lane, run_at, id) WHERE finished_at IS NULL AND dead_at IS NULL;
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
-- Deliveries tell by themselves what became of them: their jobs are forgotten sooner.
CREATE INDEX jobs_told ON jobs (finished_at) WHERE finished_at IS NOT NULL AND kind = 'deliver_webhook';

-- When a delivery last failed: who has heard nothing since for long begins anew.
ALTER TABLE webhook_endpoints ADD COLUMN failed_at TEXT;
-- Secrets from before the previous one that still sign, each with its end.
ALTER TABLE webhook_endpoints ADD COLUMN earlier_secrets TEXT;
