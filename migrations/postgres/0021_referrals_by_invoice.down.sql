DROP INDEX referrals_by_invoice;
