DROP INDEX coupon_redemptions_in_order;
DROP INDEX coupons_by_batch;
DROP INDEX coupons_by_partner;
ALTER TABLE coupons DROP COLUMN batch_id;
ALTER TABLE coupons DROP COLUMN partner_id;
DROP TABLE coupon_batches;
DROP TABLE partners;
