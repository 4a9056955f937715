DROP TABLE tier_limits;
DROP TABLE config_version;
DROP TABLE features;
DROP TABLE tiers;
DROP TABLE app_settings;
