ALTER TABLE webhook_endpoints DROP COLUMN earlier_secrets;
ALTER TABLE webhook_endpoints DROP COLUMN failed_at;
DROP INDEX jobs_told;
DROP INDEX jobs_finished;
DROP INDEX jobs_waiting;
ALTER TABLE jobs DROP COLUMN lane;
CREATE INDEX jobs_waiting ON jobs (run_at) WHERE finished_at IS NULL AND dead_at IS NULL;
