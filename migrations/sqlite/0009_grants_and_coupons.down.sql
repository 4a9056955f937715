DROP TABLE coupon_redemptions;
DROP TABLE access_grants;
DROP TABLE coupons;
