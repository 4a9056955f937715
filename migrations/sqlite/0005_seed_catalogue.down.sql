DELETE FROM tier_limits
WHERE tier_id IN ('free', 'basic', 'premium', 'selfhosted');

DELETE FROM features
WHERE id IN (
    'weight_entries', 'circumference_entries', 'caliper_entries', 'nutrition_entries', 'activity_entries', 'photos',
    'ai_calls', 'ai_pipeline', 'export_csv', 'export_json', 'export_zip'
);

-- A tier that somebody has stays: its members would fall out of the world.
DELETE FROM tiers
WHERE id IN ('free', 'basic', 'premium', 'selfhosted')
    AND NOT EXISTS (SELECT 1 FROM users WHERE users.tier_id = tiers.id);

DELETE FROM app_settings
WHERE key IN (
    'trial_duration_days', 'post_trial_tier', 'require_email_verification', 'self_registration_enabled'
);
