//! Journeys through public doors.

mod admin_features;
mod admin_keys;
mod admin_users;
mod analyze;
mod api_configuration;
mod api_docs;
mod api_prices;
mod api_usage;
mod api_users;
mod command_line;
mod credit;
mod doctor;
mod first_admin;
mod gate;
mod mail;
mod matrix;
mod ofrep;
mod payment_providers;
mod payments;
mod portfolio;
mod pricing;
mod quotes;
mod sessions;
mod settings_meters;
mod sign_in;
mod usage;
