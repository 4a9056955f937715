-- The catalogue to start with: 4 settings, 4 tiers, 11 features, 44 limits.

INSERT INTO app_settings (key, value, description_en, description_de, updated_at) VALUES
    ('trial_duration_days', '14', 'Days of trial for a new member', 'Testtage für neue Mitglieder', '2026-03-19T12:42:43+00:00'),
    ('post_trial_tier', 'free', 'The tier after the trial', 'Die Stufe nach der Testzeit', '2026-03-19T12:42:43+00:00'),
    ('require_email_verification', 'true', 'Whether an address must be proved before it is a member; signing in by code always proves it', 'Ob eine Adresse bestätigt sein muss; die Anmeldung mit Code bestätigt sie immer', '2026-03-19T12:42:43+00:00'),
    ('self_registration_enabled', 'true', 'Whether an unknown address may become a member by signing in', 'Ob eine unbekannte Adresse durch Anmeldung Mitglied werden kann', '2026-03-19T12:42:43+00:00')
ON CONFLICT (key) DO NOTHING;

INSERT INTO tiers (
    id, name, description_en, description_de, price_monthly_cents, price_yearly_cents,
    active, paid, sort_order, created_at, updated_at
) VALUES
    ('free', 'Free', 'The basics, within limits', 'Eingeschränkte Basis-Funktionen', NULL, NULL, TRUE, FALSE, 1, '2026-03-19T12:42:43+00:00', '2026-03-19T12:42:43+00:00'),
    ('basic', 'Basic', 'Core functions without AI', 'Kernfunktionen ohne KI', 499, 4990, TRUE, TRUE, 2, '2026-03-19T12:42:43+00:00', '2026-03-19T12:42:43+00:00'),
    ('premium', 'Premium', 'Everything, with AI and connectors', 'Alle Features inkl. KI und Connectoren', 999, 9990, TRUE, TRUE, 3, '2026-03-19T12:42:43+00:00', '2026-03-19T12:42:43+00:00'),
    ('selfhosted', 'Self-Hosted', 'Unlimited, for a server at home', 'Unbegrenzt (für Heimserver)', NULL, NULL, FALSE, TRUE, 4, '2026-03-19T12:42:43+00:00', '2026-03-19T12:42:43+00:00')
ON CONFLICT (id) DO NOTHING;

INSERT INTO features (
    id, name_en, name_de, description_en, description_de, category, limit_type, reset_period,
    default_limit, active, sort_order, created_at, updated_at
) VALUES
    ('weight_entries', 'Weight entries', 'Gewichtseinträge', 'Number of weight measurements', 'Anzahl Gewichtsmessungen', 'data', 'count', 'never',
        NULL, TRUE, 1, '2026-03-19T12:42:43+00:00', '2026-03-19T12:42:43+00:00'),
    ('circumference_entries', 'Circumference entries', 'Umfangs-Einträge', 'Number of circumference measurements', 'Anzahl Umfangsmessungen', 'data', 'count', 'never',
        NULL, TRUE, 2, '2026-03-19T12:42:43+00:00', '2026-03-19T12:42:43+00:00'),
    ('caliper_entries', 'Caliper entries', 'Caliper-Einträge', 'Number of skinfold measurements', 'Anzahl Hautfaltenmessungen', 'data', 'count', 'never',
        NULL, TRUE, 3, '2026-03-19T12:42:43+00:00', '2026-03-19T12:42:43+00:00'),
    ('nutrition_entries', 'Nutrition entries', 'Ernährungs-Einträge', 'Number of nutrition logs', 'Anzahl Ernährungslogs', 'data', 'count', 'never',
        NULL, TRUE, 4, '2026-03-19T12:42:43+00:00', '2026-03-19T12:42:43+00:00'),
    ('activity_entries', 'Activity entries', 'Aktivitäts-Einträge', 'Number of workouts and activities', 'Anzahl Trainings/Aktivitäten', 'data', 'count', 'never',
        NULL, TRUE, 5, '2026-03-19T12:42:43+00:00', '2026-03-19T12:42:43+00:00'),
    ('photos', 'Progress photos', 'Progress-Fotos', 'Number of uploaded photos', 'Anzahl hochgeladene Fotos', 'data', 'count', 'never',
        NULL, TRUE, 6, '2026-03-19T12:42:43+00:00', '2026-03-19T12:42:43+00:00'),
    ('ai_calls', 'AI analyses', 'KI-Analysen', 'AI analyses a month', 'KI-Auswertungen pro Monat', 'ai', 'count', 'monthly',
        0, TRUE, 7, '2026-03-19T12:42:43+00:00', '2026-03-19T12:42:43+00:00'),
    ('ai_pipeline', 'AI pipeline', 'KI-Pipeline', 'Complete pipeline analysis', 'Vollständige Pipeline-Analyse', 'ai', 'boolean', 'never',
        0, TRUE, 8, '2026-03-19T12:42:43+00:00', '2026-03-19T12:42:43+00:00'),
    ('export_csv', 'CSV export', 'CSV-Export', 'Export data as CSV', 'Daten als CSV exportieren', 'export', 'boolean', 'never',
        0, TRUE, 9, '2026-03-19T12:42:43+00:00', '2026-03-19T12:42:43+00:00'),
    ('export_json', 'JSON export', 'JSON-Export', 'Export data as JSON', 'Daten als JSON exportieren', 'export', 'boolean', 'never',
        0, TRUE, 10, '2026-03-19T12:42:43+00:00', '2026-03-19T12:42:43+00:00'),
    ('export_zip', 'ZIP export', 'ZIP-Export', 'Complete backup export', 'Vollständiger Backup-Export', 'export', 'boolean', 'never',
        0, TRUE, 11, '2026-03-19T12:42:43+00:00', '2026-03-19T12:42:43+00:00')
ON CONFLICT (id) DO NOTHING;

INSERT INTO tier_limits (tier_id, feature_id, limit_value, version, updated_at) VALUES
    ('free', 'weight_entries', 30, 1, '2026-03-19T12:42:43+00:00'),
    ('free', 'circumference_entries', 10, 1, '2026-03-19T12:42:43+00:00'),
    ('free', 'caliper_entries', 10, 1, '2026-03-19T12:42:43+00:00'),
    ('free', 'nutrition_entries', 30, 1, '2026-03-19T12:42:43+00:00'),
    ('free', 'activity_entries', 30, 1, '2026-03-19T12:42:43+00:00'),
    ('free', 'photos', 5, 1, '2026-03-19T12:42:43+00:00'),
    ('free', 'ai_calls', 0, 1, '2026-03-19T12:42:43+00:00'),
    ('free', 'ai_pipeline', 0, 1, '2026-03-19T12:42:43+00:00'),
    ('free', 'export_csv', 0, 1, '2026-03-19T12:42:43+00:00'),
    ('free', 'export_json', 0, 1, '2026-03-19T12:42:43+00:00'),
    ('free', 'export_zip', 0, 1, '2026-03-19T12:42:43+00:00'),
    ('basic', 'weight_entries', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('basic', 'circumference_entries', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('basic', 'caliper_entries', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('basic', 'nutrition_entries', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('basic', 'activity_entries', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('basic', 'photos', 50, 1, '2026-03-19T12:42:43+00:00'),
    ('basic', 'ai_calls', 3, 1, '2026-03-19T12:42:43+00:00'),
    ('basic', 'ai_pipeline', 0, 1, '2026-03-19T12:42:43+00:00'),
    ('basic', 'export_csv', 1, 1, '2026-03-19T12:42:43+00:00'),
    ('basic', 'export_json', 1, 1, '2026-03-19T12:42:43+00:00'),
    ('basic', 'export_zip', 1, 1, '2026-03-19T12:42:43+00:00'),
    ('premium', 'weight_entries', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('premium', 'circumference_entries', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('premium', 'caliper_entries', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('premium', 'nutrition_entries', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('premium', 'activity_entries', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('premium', 'photos', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('premium', 'ai_calls', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('premium', 'ai_pipeline', 1, 1, '2026-03-19T12:42:43+00:00'),
    ('premium', 'export_csv', 1, 1, '2026-03-19T12:42:43+00:00'),
    ('premium', 'export_json', 1, 1, '2026-03-19T12:42:43+00:00'),
    ('premium', 'export_zip', 1, 1, '2026-03-19T12:42:43+00:00'),
    ('selfhosted', 'weight_entries', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('selfhosted', 'circumference_entries', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('selfhosted', 'caliper_entries', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('selfhosted', 'nutrition_entries', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('selfhosted', 'activity_entries', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('selfhosted', 'photos', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('selfhosted', 'ai_calls', NULL, 1, '2026-03-19T12:42:43+00:00'),
    ('selfhosted', 'ai_pipeline', 1, 1, '2026-03-19T12:42:43+00:00'),
    ('selfhosted', 'export_csv', 1, 1, '2026-03-19T12:42:43+00:00'),
    ('selfhosted', 'export_json', 1, 1, '2026-03-19T12:42:43+00:00'),
    ('selfhosted', 'export_zip', 1, 1, '2026-03-19T12:42:43+00:00')
ON CONFLICT (tier_id, feature_id) DO NOTHING;
