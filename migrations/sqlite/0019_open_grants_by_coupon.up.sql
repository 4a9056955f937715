-- How many passes of a partner are open is counted for lists of partners: only those are looked at.
CREATE INDEX access_grants_open_by_coupon ON access_grants (coupon_id) WHERE ended_at IS NULL AND revoked_at IS NULL;
