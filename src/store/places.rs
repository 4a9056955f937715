//! What is kept of a member, by table: one list from which the export is read and by which an account
//! is anonymised, see [`privacy`](crate::store::privacy). `src/tests/contract/privacy.rs` compares the
//! list with the schema, so that no table is forgotten.

/// By what a row is known to be somebody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// A column with the id of the member.
    User(&'static str),
    /// A column with the form of their address by which two spellings are the same, or with the id of the
    /// member as text.
    Key(&'static str),
    /// A column with their address as somebody wrote it.
    Address(&'static str),
}

impl Whose {
    /// Returns the column.
    pub fn column(self) -> &'static str {
        match self {
            Self::User(column) | Self::Key(column) | Self::Address(column) => column,
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
    /// JSON, as a value or as text, in which some members are about others or secret: those are left out.
    Without(&'static [&'static str]),
    /// The same in a column of text.
    TextWithout(&'static [&'static str]),
    /// Who did it: the member by name, others by what they are.
    Actor,
    /// From where, or with what, somebody did it: told if it was the member.
    OfActor,
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
    /// It is one of their addresses, their external ids or their keys, and nothing else.
    Whole,
    /// It says who did something to them or for them: the key of an app of their own may have.
    Key,
    /// The same, and whoever it was is forgotten, unless it is nobody's name.
    Author,
    /// One of their addresses may stand in it.
    Within,
    /// The same in the texts of a column of JSON.
    WithinJson,
    /// What a provider sent: it says more of whoever it names than their address, and all of it goes.
    Payload,
}

/// In which rows somebody is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// In all.
    All,
    /// In those that are theirs, by this column.
    Own(&'static str),
    /// In those in which this holds: that a row is theirs already has its place, or none would be found.
    Where(&'static str),
    /// In those lines of the log that were looked up before: there are too many to read while others wait.
    Found,
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
    /// Where.
    pub rows: Rows,
}

use Kind::{Flag, Id, Number, Text, Time};

const SECRET: &str = "a secret, or what it was made from";
const SAME: &str = "the same in another form";
const INNER: &str = "how the program keeps order, and nothing about anybody";
const OTHER: &str = "about somebody else";

/// Members of JSON that name somebody else, or from which a code or a link follows.
const ABOUT_OTHERS: &[&str] =
    &["attempt", "invitation", "invited_by", "created_by", "friend", "referred_by", "referrer"];

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
                ("deletion_postponed_at", Time),
                ("created_at", Time),
                ("updated_at", Time),
            ],
            hidden: &[
                ("email_key", SAME),
                ("referred_by_user_id", OTHER),
                ("deleted_at", "who is deleted gets no export"),
                ("farewell_mail_id", INNER),
                ("watched_until", INNER),
            ],
        },
        // `anonymise_user` does it, last.
        erase: Erase::Stay("as nobody's: everything is taken out of it"),
    },
    Place {
        table: "former_names",
        whose: Whose::User("user_id"),
        export: Export::As {
            section: "former_names",
            page_by: None,
            columns: &[("email", Text), ("external_id", Text), ("changed_at", Time)],
            hidden: &[("user_id", SAME), ("email_key", SAME)],
        },
        erase: Erase::Rows,
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
        whose: Whose::Key("email_key"),
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
        whose: Whose::Key("email_key"),
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
        whose: Whose::Key("subject"),
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
                ("actor", Kind::Actor),
                ("action", Text),
                ("details", Kind::Without(ABOUT_OTHERS)),
                ("ip_address", Kind::OfActor),
                ("user_agent", Kind::OfActor),
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
                ("actor", Kind::Actor),
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
                ("granted_by", Kind::Actor),
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
                ("created_by", Kind::Actor),
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
                ("actor", Kind::Actor),
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
                ("actor", Kind::Actor),
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
                ("created_by", Kind::Actor),
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
                ("letter", Kind::Without(ABOUT_OTHERS)),
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
        whose: Whose::Key("email_key"),
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
            columns: &[
                ("id", Id),
                ("kind", Text),
                ("payload", Kind::TextWithout(ABOUT_OTHERS)),
                ("state", Text),
                ("created_at", Time),
            ],
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

/// Where somebody may be named in rows that are not theirs, and who is named in theirs.
pub const MENTIONS: &[Mention] = &[
    Mention {
        also: "ip_address = NULL, user_agent = NULL, ",
        ..Mention::new("user_activity_log", "actor", Naming::Whole)
    },
    Mention::own("user_activity_log", "actor", Naming::Key),
    Mention { rows: Rows::Found, ..Mention::new("user_activity_log", "details", Naming::WithinJson) },
    Mention::new("credit_entries", "actor", Naming::Whole),
    Mention::own("credit_entries", "actor", Naming::Key),
    Mention::new("credit_entries", "note", Naming::Within),
    Mention::new("access_grants", "granted_by", Naming::Whole),
    Mention::own("access_grants", "granted_by", Naming::Key),
    Mention::new("access_grants", "reason", Naming::Within),
    Mention::new("user_feature_restrictions", "created_by", Naming::Whole),
    Mention::new("user_feature_restrictions", "reason", Naming::Within),
    // Those tables are long, and who is named in rows of others is an app or an admin's.
    Mention::own("usage_events", "actor", Naming::Author),
    Mention::own("reservations", "actor", Naming::Author),
    Mention::new("api_keys", "created_by", Naming::Whole),
    Mention::new("api_keys", "name", Naming::Within),
    Mention::new("tier_limits", "updated_by", Naming::Whole),
    Mention::new("coupons", "created_by", Naming::Whole),
    Mention::new("coupons", "description", Naming::Within),
    Mention {
        also: ALSO_OF_AN_EVENT,
        rows: Rows::Where("user_id IS NULL"),
        ..Mention::new("payment_events", "payload", Naming::Payload)
    },
    Mention { rows: Rows::Where("user_id IS NULL"), ..Mention::new("payment_events", "error", Naming::Within) },
    Mention::new("jobs", "last_error", Naming::Within),
    Mention::new("app_settings", "updated_by", Naming::Whole),
    Mention::new("invitations", "invited_by", Naming::Whole),
    Mention::new("invitations", "note", Naming::Within),
    Mention::new("partners", "created_by", Naming::Whole),
    Mention::new("coupon_batches", "created_by", Naming::Whole),
    Mention::new("coupon_batches", "label", Naming::Within),
    Mention::new("bonus_rules", "created_by", Naming::Whole),
    Mention::new("notifications", "dedupe_key", Naming::Within),
    Mention::new("notifications", "details", Naming::WithinJson),
    // A letter to somebody else may hold a note in which they are named.
    Mention::new("mails", "subject", Naming::Within),
    Mention::new("mails", "text_body", Naming::Within),
    Mention::new("mails", "html_body", Naming::Within),
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
    ("address_marks", "keyed hashes, which say that an address has had its trial or a coupon and not whose it is"),
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
        Self { table, column, naming, also: "", rows: Rows::All }
    }

    const fn own(table: &'static str, column: &'static str, naming: Naming) -> Self {
        Self { table, column, naming, also: "", rows: Rows::Own("user_id") }
    }
}
