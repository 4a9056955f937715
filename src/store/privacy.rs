//! What is kept of a member, by table: one list from which the export is read and by which an account
//! is anonymised, and the statements that do it. `src/tests/contract/privacy.rs` compares the
//! list with the schema, so that no table is forgotten.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value};
use sqlx::{Row, types::Json};
use uuid::Uuid;

use crate::{
    domain::{
        email::EmailKey,
        ids::{MailId, PaymentEventId, UserId},
        payment::Provider,
        privacy::{Leaving, NOBODY},
    },
    store::{
        Conn, Result, StoreError,
        db::{build, execute, run},
    },
};

/// By what a row is known to be somebody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// A column with the id of the member.
    User(&'static str),
    /// A column with their address, in either form.
    Address(&'static str),
}

impl Whose {
    /// Returns the column.
    pub fn column(self) -> &'static str {
        match self {
            Self::User(column) | Self::Address(column) => column,
        }
    }
}

/// How a column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of our ids.
    Id,
    /// An instant.
    Time,
    /// A day.
    Day,
    /// Text.
    Text,
    /// A whole number.
    Number,
    /// Yes or no.
    Flag,
    /// JSON.
    Json,
}

/// What of a table is in the export.
#[derive(Debug, Clone, Copy)]
pub enum Export {
    /// A list of its own.
    As {
        /// Its name.
        section: &'static str,
        /// The id by which it is read in pages; without one it is read at once.
        page_by: Option<&'static str>,
        /// The columns that are in it.
        columns: &'static [(&'static str, Kind)],
        /// Those that are not, and why.
        hidden: &'static [(&'static str, &'static str)],
    },
    /// Nothing, and why.
    No(&'static str),
}

/// What becomes of the rows of somebody who leaves.
#[derive(Debug, Clone, Copy)]
pub enum Erase {
    /// They are gone.
    Rows,
    /// They stay without the person: these columns are set.
    Set(&'static str),
    /// They stay, and why they may.
    Stay(&'static str),
}

/// A table with something of a member.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Which.
    pub table: &'static str,
    /// By what the rows are theirs.
    pub whose: Whose,
    /// What of it they get.
    pub export: Export,
    /// What becomes of it.
    pub erase: Erase,
}

/// How a text names somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// It is their address or their external id, and nothing else.
    Whole,
    /// Their address may stand in it.
    Within,
    /// The same in a column of JSON.
    WithinJson,
    /// What a provider sent: it says more of whoever it names than their address, and all of it goes.
    Payload,
}

/// A column in which somebody may be named in rows that are not theirs.
#[derive(Debug, Clone, Copy)]
pub struct Mention {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// How.
    pub naming: Naming,
    /// What else is set where they are named.
    pub also: &'static str,
    /// The column with the member's id, where they are named in rows of their own only: such tables are long.
    pub own: Option<&'static str>,
}

use Kind::{Flag, Id, Number, Text, Time};

const SECRET: &str = "a secret, or what it was made from";
const SAME: &str = "the same in another form";
const INNER: &str = "how the program keeps order, and nothing about anybody";
const OTHER: &str = "about somebody else";

/// Everything that is kept of a member, in the order in which it is exported and erased.
pub const PLACES: &[Place] = &[
    Place {
        table: "users",
        whose: Whose::User("id"),
        export: Export::As {
            section: "profile",
            page_by: None,
            columns: &[
                ("id", Id),
                ("email", Text),
                ("external_id", Text),
                ("role", Text),
                ("lang", Text),
                ("tier_id", Text),
                ("trial_ends_at", Time),
                ("credit_until", Time),
                ("referral_code", Text),
                ("disabled_at", Time),
                ("email_verified_at", Time),
                ("closes_after_trial", Flag),
                ("deletion_asked_at", Time),
                ("deletion_due_at", Time),
                ("created_at", Time),
                ("updated_at", Time),
            ],
            hidden: &[
                ("email_key", SAME),
                ("referred_by_user_id", OTHER),
                ("deleted_at", "who is deleted gets no export"),
                ("farewell_mail_id", INNER),
            ],
        },
        // `anonymise_user` does it, last.
        erase: Erase::Stay("as nobody's: everything is taken out of it"),
    },
    Place {
        table: "user_stats",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "sign_ins",
            page_by: None,
            columns: &[("login_count", Number), ("last_login_at", Time)],
            hidden: &[("user_id", SAME)],
        },
        erase: Erase::Rows,
    },
    Place {
        table: "sessions",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "sessions",
            page_by: None,
            columns: &[
                ("id", Id),
                ("user_agent", Text),
                ("ip_address", Text),
                ("created_at", Time),
                ("last_seen_at", Time),
            ],
            hidden: &[("user_id", SAME), ("token_hash", SECRET)],
        },
        erase: Erase::Rows,
    },
    Place {
        table: "login_attempts",
        whose: Whose::Address("email_key"),
        export: Export::As {
            section: "sign_in_attempts",
            page_by: None,
            columns: &[
                ("email", Text),
                ("lang", Text),
                ("sends", Number),
                ("tries", Number),
                ("sent_at", Time),
                ("expires_at", Time),
                ("used_at", Time),
                ("created_at", Time),
            ],
            hidden: &[("id", SECRET), ("email_key", SAME), ("long_code", INNER)],
        },
        erase: Erase::Rows,
    },
    Place {
        table: "login_failures",
        whose: Whose::Address("email_key"),
        export: Export::As {
            section: "wrong_codes",
            page_by: None,
            columns: &[("consecutive", Number), ("updated_at", Time)],
            hidden: &[("email_key", SAME)],
        },
        erase: Erase::Rows,
    },
    Place {
        table: "rate_limits",
        whose: Whose::Address("subject"),
        export: Export::No("numbers that are forgotten after two days"),
        erase: Erase::Rows,
    },
    Place {
        table: "user_activity_log",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "activity",
            page_by: Some("id"),
            columns: &[
                ("id", Id),
                ("actor", Text),
                ("action", Text),
                ("details", Kind::Json),
                ("ip_address", Text),
                ("user_agent", Text),
                ("created_at", Time),
            ],
            hidden: &[("user_id", SAME), ("address_cut", INNER)],
        },
        erase: Erase::Set("user_id = NULL, details = '{}', ip_address = NULL, user_agent = NULL"),
    },
    Place {
        table: "credit_entries",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "credit",
            page_by: Some("id"),
            columns: &[
                ("id", Id),
                ("source", Text),
                ("source_key", Text),
                ("days", Number),
                ("until_before", Time),
                ("until_after", Time),
                ("note", Text),
                ("actor", Text),
                ("created_at", Time),
            ],
            hidden: &[("user_id", SAME)],
        },
        erase: Erase::Set(
            "user_id = NULL, note = NULL, source_key = CASE WHEN source = 'admin' THEN 'deleted' ELSE source_key END",
        ),
    },
    Place {
        table: "access_grants",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "grants",
            page_by: Some("id"),
            columns: &[
                ("id", Id),
                ("tier_id", Text),
                ("kind", Text),
                ("coupon_id", Id),
                ("total_seconds", Number),
                ("remaining_seconds", Number),
                ("began_at", Time),
                ("running_since", Time),
                ("runs_until", Time),
                ("granted_at", Time),
                ("granted_by", Text),
                ("reason", Text),
                ("ended_at", Time),
                ("revoked_at", Time),
                ("updated_at", Time),
            ],
            hidden: &[("user_id", SAME)],
        },
        // What runs would run for nobody: it ends, with what is left, before this.
        erase: Erase::Set("user_id = NULL, reason = NULL"),
    },
    Place {
        table: "coupon_redemptions",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "coupons_redeemed",
            page_by: Some("id"),
            columns: &[("id", Id), ("coupon_id", Id), ("grant_id", Id), ("redeemed_at", Time)],
            hidden: &[("user_id", SAME), ("address_hash", SECRET)],
        },
        erase: Erase::Set("user_id = NULL"),
    },
    Place {
        table: "referrals",
        whose: Whose::User("referrer_user_id"),
        export: Export::As {
            section: "friends_invited",
            page_by: Some("id"),
            columns: &[
                ("id", Id),
                ("created_at", Time),
                ("converted_at", Time),
                ("credited_at", Time),
                ("reward_days", Number),
                ("held_until", Time),
                ("rejected_at", Time),
                ("taken_back_at", Time),
            ],
            hidden: &[
                ("referrer_user_id", SAME),
                ("referred_user_id", OTHER),
                ("provider", OTHER),
                ("invoice_id", OTHER),
                ("flags", "how fraud is noticed"),
                ("times_taken_back", INNER),
            ],
        },
        erase: Erase::Set("referrer_user_id = NULL"),
    },
    Place {
        table: "referrals",
        whose: Whose::User("referred_user_id"),
        export: Export::As {
            section: "invited_by_a_friend",
            page_by: Some("id"),
            columns: &[
                ("id", Id),
                ("created_at", Time),
                ("converted_at", Time),
                ("credited_at", Time),
                ("provider", Text),
                ("invoice_id", Text),
                ("reward_days", Number),
                ("held_until", Time),
                ("rejected_at", Time),
                ("taken_back_at", Time),
            ],
            hidden: &[
                ("referred_user_id", SAME),
                ("referrer_user_id", OTHER),
                ("flags", "how fraud is noticed"),
                ("times_taken_back", INNER),
            ],
        },
        erase: Erase::Set("referred_user_id = NULL"),
    },
    Place {
        table: "user_feature_restrictions",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "restrictions",
            page_by: None,
            columns: &[
                ("feature_id", Text),
                ("limit_value", Number),
                ("reason", Text),
                ("expires_at", Time),
                ("created_by", Text),
                ("updated_at", Time),
            ],
            hidden: &[("user_id", SAME)],
        },
        erase: Erase::Rows,
    },
    Place {
        table: "user_feature_usage",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "usage",
            page_by: None,
            columns: &[
                ("feature_id", Text),
                ("period_start", Time),
                ("period_end", Time),
                ("used", Number),
                ("updated_at", Time),
            ],
            hidden: &[("user_id", SAME)],
        },
        erase: Erase::Stay("numbers under an id that is nobody's; the ledger proves them"),
    },
    Place {
        table: "usage_events",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "usage_events",
            page_by: Some("id"),
            columns: &[
                ("id", Id),
                ("feature_id", Text),
                ("period_start", Time),
                ("kind", Text),
                ("amount", Number),
                ("used_after", Number),
                ("limit_value", Number),
                ("reservation_id", Id),
                ("actor", Text),
                ("created_at", Time),
            ],
            hidden: &[("user_id", SAME)],
        },
        erase: Erase::Stay("numbers under an id that is nobody's; the ledger proves them"),
    },
    Place {
        table: "reservations",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "reservations",
            page_by: Some("id"),
            columns: &[
                ("id", Id),
                ("feature_id", Text),
                ("period_start", Time),
                ("period_end", Time),
                ("amount", Number),
                ("state", Text),
                ("confirmed_amount", Number),
                ("actor", Text),
                ("expires_at", Time),
                ("created_at", Time),
                ("settled_at", Time),
            ],
            hidden: &[("user_id", SAME)],
        },
        erase: Erase::Stay("numbers under an id that is nobody's; forgotten after 30 days"),
    },
    Place {
        table: "api_keys",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "api_keys",
            page_by: Some("id"),
            columns: &[
                ("id", Id),
                ("name", Text),
                ("hint", Text),
                ("scopes", Text),
                ("created_by", Text),
                ("created_at", Time),
                ("expires_at", Time),
                ("last_used_at", Time),
                ("revoked_at", Time),
            ],
            hidden: &[("user_id", SAME), ("token_hash", SECRET)],
        },
        erase: Erase::Rows,
    },
    Place {
        table: "portfolio_analyses",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "portfolio_analyses",
            page_by: None,
            columns: &[
                ("version", Number),
                ("question", Text),
                ("commentary", Text),
                ("written_by", Text),
                ("created_at", Time),
            ],
            hidden: &[("user_id", SAME)],
        },
        erase: Erase::Rows,
    },
    Place {
        table: "portfolio_versions",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "portfolio_versions",
            page_by: None,
            columns: &[
                ("number", Number),
                ("positions", Kind::Json),
                ("position_count", Number),
                ("restored_from", Number),
                ("created_at", Time),
            ],
            hidden: &[("user_id", SAME)],
        },
        erase: Erase::Rows,
    },
    Place {
        table: "portfolios",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "portfolio",
            page_by: None,
            columns: &[("version", Number), ("updated_at", Time)],
            hidden: &[("user_id", SAME)],
        },
        erase: Erase::Rows,
    },
    Place {
        table: "payment_customers",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "payment_customers",
            page_by: None,
            columns: &[("provider", Text), ("customer_id", Text), ("created_at", Time)],
            hidden: &[("user_id", SAME)],
        },
        erase: Erase::Set("user_id = NULL"),
    },
    Place {
        table: "subscriptions",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "subscriptions",
            page_by: Some("id"),
            columns: &[
                ("id", Id),
                ("provider", Text),
                ("subscription_id", Text),
                ("tier_id", Text),
                ("billing_interval", Text),
                ("status", Text),
                ("started_at", Time),
                ("period_end", Time),
                ("past_due_since", Time),
                ("scheduled_action", Text),
                ("scheduled_at", Time),
                ("ended_at", Time),
                ("created_at", Time),
                ("updated_at", Time),
            ],
            hidden: &[("user_id", SAME), ("version_at", INNER), ("version_rank", INNER), ("version_event", INNER)],
        },
        erase: Erase::Set("user_id = NULL"),
    },
    Place {
        table: "payments",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "payments",
            page_by: None,
            columns: &[
                ("provider", Text),
                ("invoice_id", Text),
                ("subscription_id", Text),
                ("amount", Number),
                ("currency", Text),
                ("paid_at", Time),
                ("created_at", Time),
            ],
            hidden: &[("user_id", SAME)],
        },
        erase: Erase::Set("user_id = NULL"),
    },
    Place {
        table: "payment_events",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "payment_events",
            page_by: Some("id"),
            columns: &[
                ("id", Id),
                ("provider", Text),
                ("event_id", Text),
                ("event_type", Text),
                ("kind", Text),
                ("occurred_at", Time),
                ("received_at", Time),
                ("state", Text),
                ("subscription_id", Text),
                ("subscription_status", Text),
                ("settled_at", Time),
            ],
            hidden: &[
                ("user_id", SAME),
                (
                    "payload",
                    "the provider's letter to us, with secrets of its own; the provider gives account of what it keeps",
                ),
                ("attempts", INNER),
                ("error", INNER),
                ("waits_for", INNER),
            ],
        },
        erase: Erase::Set(EMPTY_EVENT),
    },
    Place {
        table: "mails",
        whose: Whose::Address("recipient"),
        export: Export::As {
            section: "mails",
            page_by: Some("id"),
            columns: &[
                ("id", Id),
                ("recipient", Text),
                ("lang", Text),
                ("letter", Kind::Json),
                ("created_at", Time),
                ("sent_at", Time),
                ("skipped_at", Time),
                ("skipped_because", Text),
            ],
            hidden: &[
                ("subject", "it may hold a code that opens the account"),
                ("text_body", "it may hold a code that opens the account"),
                ("html_body", "it may hold a code that opens the account"),
            ],
        },
        erase: Erase::Rows,
    },
    Place {
        table: "mail_preferences",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "mail_preferences",
            page_by: None,
            columns: &[("category", Text), ("wanted", Flag), ("updated_at", Time)],
            hidden: &[("user_id", SAME)],
        },
        erase: Erase::Rows,
    },
    Place {
        table: "reminders",
        whose: Whose::User("subject_id"),
        export: Export::No("that a letter was written, which is among the mails"),
        erase: Erase::Rows,
    },
    Place {
        table: "user_days",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "days",
            page_by: None,
            columns: &[("day", Kind::Day), ("sign_ins", Number), ("consumed", Number)],
            hidden: &[("user_id", SAME)],
        },
        erase: Erase::Rows,
    },
    Place {
        table: "invitations",
        whose: Whose::Address("email_key"),
        export: Export::As {
            section: "invitations_received",
            page_by: None,
            columns: &[
                ("email", Text),
                ("tier_id", Text),
                ("duration_days", Number),
                ("note", Text),
                ("lang", Text),
                ("sends", Number),
                ("sent_at", Time),
                ("expires_at", Time),
                ("accepted_at", Time),
                ("revoked_at", Time),
                ("created_at", Time),
            ],
            hidden: &[
                ("id", SECRET),
                ("email_key", SAME),
                ("inviter_user_id", OTHER),
                ("invited_by", OTHER),
                ("accepted_by_user_id", SAME),
                ("lapsed_at", INNER),
            ],
        },
        erase: Erase::Rows,
    },
    Place {
        table: "invitations",
        whose: Whose::User("accepted_by_user_id"),
        export: Export::As {
            section: "invitations_accepted",
            page_by: None,
            columns: &[
                ("email", Text),
                ("tier_id", Text),
                ("duration_days", Number),
                ("note", Text),
                ("accepted_at", Time),
                ("created_at", Time),
            ],
            hidden: &[
                ("id", SECRET),
                ("email_key", SAME),
                ("inviter_user_id", OTHER),
                ("invited_by", OTHER),
                ("accepted_by_user_id", SAME),
                ("lang", SAME),
                ("sends", INNER),
                ("sent_at", INNER),
                ("expires_at", INNER),
                ("revoked_at", INNER),
                ("lapsed_at", INNER),
            ],
        },
        erase: Erase::Rows,
    },
    Place {
        table: "invitations",
        whose: Whose::User("inviter_user_id"),
        export: Export::As {
            section: "invitations_sent",
            page_by: Some("id"),
            columns: &[
                ("id", Id),
                ("email", Text),
                ("note", Text),
                ("lang", Text),
                ("sends", Number),
                ("sent_at", Time),
                ("expires_at", Time),
                ("accepted_at", Time),
                ("revoked_at", Time),
                ("created_at", Time),
            ],
            hidden: &[
                ("email_key", SAME),
                ("inviter_user_id", SAME),
                ("invited_by", SAME),
                ("tier_id", "members give nothing along"),
                ("duration_days", "members give nothing along"),
                ("accepted_by_user_id", OTHER),
                ("lapsed_at", INNER),
            ],
        },
        // The address of a friend is known through them alone.
        erase: Erase::Rows,
    },
    Place {
        table: "bonus_awards",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "bonus_awards",
            page_by: Some("id"),
            columns: &[
                ("id", Id),
                ("rule_id", Id),
                ("grant_id", Id),
                ("tier_id", Text),
                ("days", Number),
                ("letter", Text),
                ("awarded_at", Time),
            ],
            hidden: &[("user_id", SAME)],
        },
        erase: Erase::Set("user_id = NULL"),
    },
    Place {
        table: "notification_reads",
        whose: Whose::User("user_id"),
        export: Export::No("which lines an admin has read"),
        erase: Erase::Rows,
    },
    Place {
        table: "admin_digests",
        whose: Whose::User("user_id"),
        export: Export::No("that a letter was written, which is among the mails"),
        erase: Erase::Rows,
    },
    Place {
        table: "webhook_deliveries",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "told_to_apps",
            page_by: Some("id"),
            columns: &[("id", Id), ("kind", Text), ("payload", Text), ("state", Text), ("created_at", Time)],
            hidden: &[
                ("endpoint_id", INNER),
                ("event_id", INNER),
                ("user_id", SAME),
                ("attempts", INNER),
                ("next_try_at", INNER),
                ("tried_at", INNER),
                ("request_headers", SECRET),
                ("status", INNER),
                ("response", "what an app answered"),
                ("error", INNER),
                ("duration_ms", INNER),
            ],
        },
        erase: Erase::Rows,
    },
];

/// Where somebody may be named in rows that are not theirs.
pub const MENTIONS: &[Mention] = &[
    Mention {
        also: "ip_address = NULL, user_agent = NULL, ",
        ..Mention::new("user_activity_log", "actor", Naming::Whole)
    },
    Mention::new("user_activity_log", "details", Naming::WithinJson),
    Mention::new("credit_entries", "actor", Naming::Whole),
    Mention::new("credit_entries", "note", Naming::Within),
    Mention::new("access_grants", "granted_by", Naming::Whole),
    Mention::new("access_grants", "reason", Naming::Within),
    Mention::new("user_feature_restrictions", "created_by", Naming::Whole),
    Mention::new("user_feature_restrictions", "reason", Naming::Within),
    Mention { own: Some("user_id"), ..Mention::new("usage_events", "actor", Naming::Whole) },
    Mention { own: Some("user_id"), ..Mention::new("reservations", "actor", Naming::Whole) },
    Mention::new("api_keys", "created_by", Naming::Whole),
    Mention::new("api_keys", "name", Naming::Within),
    Mention::new("tier_limits", "updated_by", Naming::Whole),
    Mention::new("coupons", "created_by", Naming::Whole),
    Mention::new("coupons", "description", Naming::Within),
    Mention { also: ALSO_OF_AN_EVENT, ..Mention::new("payment_events", "payload", Naming::Payload) },
    Mention::new("payment_events", "error", Naming::Within),
    Mention::new("jobs", "last_error", Naming::Within),
    Mention::new("app_settings", "updated_by", Naming::Whole),
    Mention::new("invitations", "invited_by", Naming::Whole),
    Mention::new("invitations", "note", Naming::Within),
    Mention::new("partners", "created_by", Naming::Whole),
    Mention::new("coupon_batches", "created_by", Naming::Whole),
    Mention::new("bonus_rules", "created_by", Naming::Whole),
    Mention::new("notifications", "dedupe_key", Naming::Within),
    Mention::new("notifications", "details", Naming::WithinJson),
    Mention::new("mail_templates", "updated_by", Naming::Whole),
    Mention::new("webhook_endpoints", "created_by", Naming::Whole),
];

/// Tables in which nobody is, and why not.
pub const NOBODYS: &[(&str, &str)] = &[
    ("app_settings", "about the product; who changed it last is a mention"),
    ("tiers", "about the product"),
    ("features", "about the product"),
    ("tier_limits", "about the product; who changed it last is a mention"),
    ("config_version", "a counter"),
    ("admin_claims", "a hash of a token that nobody has used yet"),
    ("idempotency_keys", "hashes and answers to apps, which name an id at most; forgotten after two days"),
    ("jobs", "names rows of other tables; what a mail server complained about is a mention"),
    ("tier_prices", "about the product"),
    ("payment_links", "names of a provider for payments and invoices, no person"),
    ("payment_losses", "names of a provider for invoices, no person"),
    ("coupons", "about the product; who made it is a mention"),
    ("quotes", "prices of the market"),
    ("quotes_daily", "prices of the market"),
    ("address_marks", "keyed hashes, which say that an address has had its trial and not whose it is"),
    ("schedules", "how the program keeps order"),
    ("daily_stats", "sums of a day"),
    ("counted_days", "how the program keeps order"),
    ("partners", "companies and whom to ask there, by a contract of their own; who wrote it down is a mention"),
    ("coupon_batches", "about the product; who made it is a mention"),
    ("bonus_rules", "about the product; who made it is a mention"),
    ("notifications", "what admins are told; who is named in it is a mention"),
    ("notification_ways", "how admins are told"),
    ("notification_chats", "where admins are told"),
    ("mail_templates", "about the product; who changed it last is a mention"),
    ("webhook_endpoints", "where apps listen; who made it is a mention"),
];

/// What of an event of a provider's stays.
const EMPTY_EVENT: &str = "user_id = NULL, payload = '{}', error = NULL, waits_for = NULL, \
     state = CASE WHEN state IN ('failed', 'dead') THEN 'ignored' ELSE state END";
/// The same beside the payload.
const ALSO_OF_AN_EVENT: &str = "error = NULL, waits_for = NULL, \
     state = CASE WHEN state IN ('failed', 'dead') THEN 'ignored' ELSE state END, ";

impl Mention {
    const fn new(table: &'static str, column: &'static str, naming: Naming) -> Self {
        Self { table, column, naming, also: "", own: None }
    }
}

/// Who is meant.
#[derive(Debug, Clone)]
pub struct Person {
    /// The member.
    pub id: UserId,
    /// Their address, as typed and as compared.
    pub email: Option<(String, EmailKey)>,
    /// The name under which the product's own database knows them.
    pub external_id: Option<String>,
}

impl Person {
    /// The forms of the address; a text that is nowhere if there is none.
    fn addresses(&self) -> [String; 2] {
        match &self.email {
            Some((typed, key)) => [typed.clone(), key.as_str().to_owned()],
            // No column holds it: it is no address, no id and no name.
            None => [format!("nobody:{}", self.id), format!("nobody:{}", self.id)],
        }
    }
}

/// Some rows of an export, and after which to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Value>,
    /// The last of them; nothing when there are no more.
    pub next: Option<Uuid>,
}

/// Returns rows of a place that are a member's, from after `after`, at most `count` of those that are
/// read in pages.
pub async fn rows(
    conn: &mut Conn<'_>,
    place: &Place,
    person: &Person,
    after: Option<Uuid>,
    count: i64,
) -> Result<Page> {
    let Export::As { page_by, columns, .. } = place.export else {
        return Ok(Page { rows: Vec::new(), next: None });
    };
    let [typed, key] = person.addresses();
    // A body of its own for each database; both read rows of their own type.
    let read: Vec<(Option<Uuid>, Value)> = build!(conn, |query, c| {
        query.push("SELECT ");
        let mut list = query.separated(", ");
        for (column, _) in columns {
            list.push(column);
        }
        query.push(" FROM ").push(place.table).push(" WHERE ");
        match place.whose {
            Whose::User(column) => {
                query.push(column).push(" = ").push_bind(person.id);
            }
            Whose::Address(column) => {
                query.push("LOWER(").push(column).push(") IN (LOWER(").push_bind(typed).push("), ").push_bind(key);
                query.push(")");
            }
        }
        if let Some(id) = page_by {
            if let Some(after) = after {
                query.push(" AND ").push(id).push(" > ").push_bind(after);
            }
            query.push(" ORDER BY ").push(id).push(" LIMIT ").push_bind(count);
        }
        let mut read = Vec::new();
        for row in query.build().fetch_all(c).await? {
            let mut object = Map::new();
            let mut id = None;
            for (at, (column, kind)) in columns.iter().enumerate() {
                let value = match kind {
                    Kind::Id => {
                        let value: Option<Uuid> = row.try_get(at)?;
                        if Some(*column) == page_by {
                            id = value;
                        }
                        value.map(|id| Value::from(id.to_string()))
                    }
                    Kind::Time => row.try_get::<Option<DateTime<Utc>>, _>(at)?.map(|at| serde_json::json!(at)),
                    Kind::Day => row.try_get::<Option<NaiveDate>, _>(at)?.map(|day| Value::from(day.to_string())),
                    Kind::Text => row.try_get::<Option<String>, _>(at)?.map(Value::from),
                    Kind::Number => row.try_get::<Option<i64>, _>(at)?.map(Value::from),
                    Kind::Flag => row.try_get::<Option<bool>, _>(at)?.map(Value::from),
                    Kind::Json => row.try_get::<Option<Json<Value>>, _>(at)?.map(|json| json.0),
                };
                object.insert((*column).to_owned(), value.unwrap_or(Value::Null));
            }
            read.push((id, Value::Object(object)));
        }
        Ok::<_, sqlx::Error>(read)
    })?;
    let is_full = page_by.is_some() && i64::try_from(read.len()).unwrap_or(i64::MAX) >= count;
    let next = read.last().and_then(|(id, _)| *id).filter(|_| is_full);
    Ok(Page { rows: read.into_iter().map(|(_, row)| row).collect(), next })
}

/// Takes everything out of the database by which a person could be known, and returns how many rows it
/// touched. The member is locked. The row of the member is left for [`anonymise_user`].
pub async fn erase(conn: &mut Conn<'_>, person: &Person) -> Result<u64> {
    let mut touched = 0;
    // What names them in rows of others is found by names that their own rows still tell.
    let mut needles = person.addresses().to_vec();
    needles.extend(names_at_providers(conn, person.id).await?);
    for mention in MENTIONS {
        touched += forget_mention(conn, mention, person, &needles).await?;
    }
    for place in PLACES {
        touched += erase_place(conn, place, person).await?;
    }
    Ok(touched)
}

/// Returns who was deleted after `since`.
pub async fn deleted_since(conn: &mut Conn<'_>, since: DateTime<Utc>) -> Result<Vec<UserId>> {
    Ok(run!(conn, |c| sqlx::query_scalar("SELECT id FROM users WHERE deleted_at > $1 ORDER BY deleted_at, id")
        .bind(since)
        .fetch_all(c))?)
}

/// Takes out what was written about somebody who is deleted by a transaction that had begun before, and
/// waited for the deletion. Returns how many rows it touched.
pub async fn sweep(conn: &mut Conn<'_>, id: UserId) -> Result<u64> {
    // Their names are not known any more. What an actor is called in lines about them may be theirs.
    let mut touched = execute!(conn, |c| sqlx::query("UPDATE user_activity_log SET actor = $2 WHERE user_id = $1")
        .bind(id)
        .bind(NOBODY)
        .execute(c))?;
    let person = Person { id, email: None, external_id: None };
    for place in PLACES {
        touched += erase_place(conn, place, &person).await?;
    }
    Ok(touched)
}

/// Ends a member's flows of sign-in. Who completes one at this moment is waited for, and who comes later
/// finds none: a sign-in holds its flow first and the member then, and so does a deletion.
pub async fn end_attempts(conn: &mut Conn<'_>, id: UserId) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "DELETE FROM login_attempts WHERE email_key = (SELECT email_key FROM users WHERE id = $1)"
    )
    .bind(id)
    .execute(c))?)
}

async fn erase_place(conn: &mut Conn<'_>, place: &Place, person: &Person) -> Result<u64> {
    let set = match place.erase {
        Erase::Rows => None,
        Erase::Set(set) => Some(set),
        Erase::Stay(_) => return Ok(0),
    };
    let [typed, key] = person.addresses();
    Ok(build!(conn, |query, c| {
        match set {
            None => query.push("DELETE FROM ").push(place.table),
            Some(set) => query.push("UPDATE ").push(place.table).push(" SET ").push(set),
        };
        query.push(" WHERE ");
        match place.whose {
            Whose::User(column) => {
                query.push(column).push(" = ").push_bind(person.id);
            }
            Whose::Address(column) => {
                query.push("LOWER(").push(column).push(") IN (LOWER(").push_bind(typed).push("), ").push_bind(key);
                // What is counted against a member is counted under their id.
                query.push(", ").push_bind(person.id.to_string()).push(")");
            }
        }
        query.build().execute(c).await.map(|done| done.rows_affected())
    })?)
}

async fn forget_mention(conn: &mut Conn<'_>, mention: &Mention, person: &Person, needles: &[String]) -> Result<u64> {
    let find = conn.dialect("INSTR", "STRPOS");
    let (as_text, as_json) = match (mention.naming, &*conn) {
        (Naming::WithinJson, Conn::Postgres(_)) => ("::TEXT", "::JSONB"),
        _ => ("", ""),
    };
    let names: Vec<String> = match mention.naming {
        Naming::Whole => {
            // An app may have called somebody what the log calls nobody in particular.
            let own_name = person.external_id.clone().filter(|name| !matches!(name.as_str(), "operator" | "system"));
            person.addresses().into_iter().chain(own_name).collect()
        }
        Naming::Within | Naming::WithinJson => person.addresses().to_vec(),
        Naming::Payload => needles.to_vec(),
    };
    let Mention { table, column, naming, also, own } = *mention;
    Ok(build!(conn, |query, c| {
        query.push("UPDATE ").push(table).push(" SET ").push(also).push(column).push(" = ");
        match naming {
            Naming::Whole => {
                query.push_bind(NOBODY);
            }
            Naming::Payload => {
                query.push("'{}'");
            }
            Naming::Within | Naming::WithinJson => {
                query.push("(");
                for _ in &names {
                    query.push("REPLACE(");
                }
                query.push(column).push(as_text);
                for name in &names {
                    query.push(", ").push_bind(name.clone()).push(", ").push_bind(NOBODY).push(")");
                }
                query.push(")").push(as_json);
            }
        }
        query.push(" WHERE ");
        if let Some(own) = own {
            query.push(own).push(" = ").push_bind(person.id).push(" AND ");
        }
        if naming == Naming::Whole {
            query.push(column).push(" IN (");
            let mut list = query.separated(", ");
            for name in &names {
                list.push_bind(name.clone());
            }
            query.push(")");
        } else {
            query.push("(");
            let mut word = "";
            for name in &names {
                query.push(word).push(find).push("(").push(column).push(as_text).push(", ");
                query.push_bind(name.clone()).push(") > 0");
                word = " OR ";
            }
            query.push(")");
        }
        query.build().execute(c).await.map(|done| done.rows_affected())
    })?)
}

/// Returns what providers call a member in what they send, in quotes: no shorter name is taken for it.
async fn names_at_providers(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<String>> {
    let names: Vec<String> = run!(conn, |c| sqlx::query_scalar(
        "SELECT customer_id FROM payment_customers WHERE user_id = $1
        UNION SELECT subscription_id FROM subscriptions WHERE user_id = $1"
    )
    .bind(user)
    .fetch_all(c))?;
    Ok(names.into_iter().map(|name| format!("\"{name}\"")).collect())
}

/// Makes a member's row nobody's. The last letter is remembered until it is sent. Of two at once one
/// gets `true`.
pub async fn anonymise_user(
    conn: &mut Conn<'_>,
    id: UserId,
    farewell: Option<MailId>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let done = execute!(conn, |c| sqlx::query(
        "UPDATE users SET
            email = '', email_key = $3, external_id = NULL, role = 'member', lang = 'en', trial_ends_at = NULL,
            credit_until = NULL, referral_code = NULL, referred_by_user_id = NULL,
            email_verified_at = NULL, closes_after_trial = FALSE,
            disabled_at = COALESCE(disabled_at, $2), deletion_asked_at = NULL, deletion_due_at = NULL,
            deleted_at = $2, farewell_mail_id = $4, updated_at = $2
        WHERE id = $1 AND deleted_at IS NULL"
    )
    .bind(id)
    .bind(now)
    .bind(format!("deleted:{id}"))
    .bind(farewell)
    .execute(c))?;
    if done == 1 {
        // Whom they invited came by nobody.
        execute!(conn, |c| sqlx::query("UPDATE users SET referred_by_user_id = NULL WHERE referred_by_user_id = $1")
            .bind(id)
            .execute(c))?;
    }
    Ok(done == 1)
}

/// Ends a member's grants that run or wait: they run for nobody. What is left of them stays written
/// down.
pub async fn end_grants(conn: &mut Conn<'_>, user: UserId, now: DateTime<Utc>) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "UPDATE access_grants SET revoked_at = $2, running_since = NULL, runs_until = NULL, updated_at = $2
        WHERE user_id = $1 AND ended_at IS NULL AND revoked_at IS NULL"
    )
    .bind(user)
    .bind(now)
    .execute(c))?)
}

/// Keeps the hash of an address with what a member redeemed, of coupons that can still be redeemed.
pub async fn mark_redemptions(conn: &mut Conn<'_>, user: UserId, hash: &[u8], now: DateTime<Utc>) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "UPDATE coupon_redemptions SET address_hash = $2
        WHERE user_id = $1 AND coupon_id IN (SELECT id FROM coupons WHERE valid_until IS NULL OR valid_until > $3)"
    )
    .bind(user)
    .bind(hash)
    .bind(now)
    .execute(c))?)
}

/// Forgets hashes of addresses with coupons that nobody can redeem any more. Returns how many.
pub async fn forget_redemption_marks(conn: &mut Conn<'_>, now: DateTime<Utc>) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "UPDATE coupon_redemptions SET address_hash = NULL
        WHERE address_hash IS NOT NULL AND coupon_id IN (SELECT id FROM coupons WHERE valid_until <= $1)"
    )
    .bind(now)
    .execute(c))?)
}

/// When they asked, and when it is due.
type LeavingColumns = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// Returns when a member asked to leave and when that happens, if they did.
pub async fn leaving(conn: &mut Conn<'_>, id: UserId) -> Result<Option<Leaving>> {
    let row: Option<LeavingColumns> = run!(conn, |c| sqlx::query_as(
        "SELECT deletion_asked_at, deletion_due_at FROM users WHERE id = $1 AND deleted_at IS NULL"
    )
    .bind(id)
    .fetch_optional(c))?;
    Ok(row.and_then(|(asked_at, due_at)| Some(Leaving { asked_at: asked_at?, due_at: due_at? })))
}

/// Notes when an account is to be deleted, or that it stays. Returns whether there is such a member.
pub async fn set_leaving(
    conn: &mut Conn<'_>,
    id: UserId,
    leaving: Option<Leaving>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let updated = execute!(conn, |c| sqlx::query(
        "UPDATE users SET deletion_asked_at = $2, deletion_due_at = $3, updated_at = $4
        WHERE id = $1 AND deleted_at IS NULL"
    )
    .bind(id)
    .bind(leaving.map(|leaving| leaving.asked_at))
    .bind(leaving.map(|leaving| leaving.due_at))
    .bind(now)
    .execute(c))?;
    Ok(updated == 1)
}

/// Returns members whose account is to be deleted by `now`, the longest due first.
pub async fn due(conn: &mut Conn<'_>, now: DateTime<Utc>, count: i64) -> Result<Vec<UserId>> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "SELECT id FROM users WHERE deletion_due_at <= $1 ORDER BY deletion_due_at, id LIMIT $2"
    )
    .bind(now)
    .bind(count)
    .fetch_all(c))?)
}

/// Returns how many admins may sign in and stay, beside this one, and holds their rows until the
/// transaction ends: of two who leave at once the second sees the first.
pub async fn lock_other_admins(conn: &mut Conn<'_>, id: UserId) -> Result<usize> {
    // All callers lock in one order, and this one among them, so that nobody waits in a circle.
    let sql = conn.dialect(
        "SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL AND deletion_due_at IS NULL ORDER BY id",
        "SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL AND deletion_due_at IS NULL ORDER BY id
        FOR UPDATE",
    );
    let admins: Vec<UserId> = run!(conn, |c| sqlx::query_scalar(sql).fetch_all(c))?;
    Ok(admins.into_iter().filter(|admin| *admin != id).count())
}

/// Returns whether somebody beside this one is an admin, may sign in and stays.
pub async fn has_other_admin(conn: &mut Conn<'_>, id: UserId) -> Result<bool> {
    let count: i64 = run!(conn, |c| sqlx::query_scalar(
        "SELECT COUNT(*) FROM users
        WHERE role = 'admin' AND disabled_at IS NULL AND deletion_due_at IS NULL AND id <> $1"
    )
    .bind(id)
    .fetch_one(c))?;
    Ok(count > 0)
}

/// Returns whether what a provider tells is about somebody whose account is deleted: by the id that was
/// given along, the customer or the subscription.
pub async fn is_of_deleted(
    conn: &mut Conn<'_>,
    provider: Provider,
    reference: Option<UserId>,
    customer: Option<&str>,
    subscription: Option<&str>,
) -> Result<bool> {
    let count: i64 = run!(conn, |c| sqlx::query_scalar(
        "SELECT
            (SELECT COUNT(*) FROM users WHERE id = $2 AND deleted_at IS NOT NULL)
            + (SELECT COUNT(*) FROM payment_customers
                WHERE provider = $1 AND customer_id = $3 AND user_id IS NULL)
            + (SELECT COUNT(*) FROM subscriptions
                WHERE provider = $1 AND subscription_id = $4 AND user_id IS NULL)"
    )
    .bind(provider.as_str())
    .bind(reference)
    .bind(customer)
    .bind(subscription)
    .fetch_one(c))?;
    Ok(count > 0)
}

/// Forgets what events of a provider said: they are about somebody whose account is deleted.
pub async fn empty_events(conn: &mut Conn<'_>, events: &[PaymentEventId]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    build!(conn, |query, c| {
        query.push("UPDATE payment_events SET payload = '{}' WHERE id IN (");
        let mut list = query.separated(", ");
        for event in events {
            list.push_bind(*event);
        }
        query.push(")");
        query.build().execute(c).await.map(|_| ())
    })?;
    Ok(())
}

/// Forgets last letters that are sent, and those made by `made_by` that could not be. Returns how many.
pub async fn forget_farewells(conn: &mut Conn<'_>, made_by: DateTime<Utc>) -> Result<u64> {
    let over: Vec<(UserId, MailId)> = run!(conn, |c| sqlx::query_as(
        "SELECT users.id, mails.id FROM users JOIN mails ON mails.id = users.farewell_mail_id
        WHERE users.farewell_mail_id IS NOT NULL AND (mails.sent_at IS NOT NULL OR mails.created_at <= $1)"
    )
    .bind(made_by)
    .fetch_all(c))?;
    for (user, mail) in &over {
        execute!(conn, |c| sqlx::query("DELETE FROM mails WHERE id = $1").bind(*mail).execute(c))?;
        execute!(conn, |c| sqlx::query("UPDATE users SET farewell_mail_id = NULL WHERE id = $1")
            .bind(*user)
            .execute(c))?;
    }
    u64::try_from(over.len()).map_err(|_| StoreError::Missing("users"))
}
