-- Money that goes back after the friend has left is known by its invoice alone.
CREATE INDEX referrals_by_invoice ON referrals (provider, invoice_id) WHERE invoice_id IS NOT NULL;
