//! What admins are told: something happened that a person may have to look at.
//!
//! No address, no secret and nothing that a stranger wrote is in it: a notification says where to
//! look, and what is there is shown by that page.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    ids::{JobId, MailId, NotificationId, PaymentEventId, ReferralId, UserId},
    lang::Lang,
};

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What a provider of payments told could not be applied, and nobody tries it again.
    PaymentEventDead,
    /// Money went back, or is disputed.
    PaymentLost,
    /// A reward for an invitation looks odd.
    ReferralFlagged,
    /// An endpoint of ours was switched off after days of failure.
    WebhookDisabled,
    /// A job was given up.
    JobGivenUp,
    /// A mail was given up.
    MailGivenUp,
    /// A coupon has been redeemed as often as it can be.
    CouponUsedUp,
    /// A partner's contract ends soon.
    PartnerEnding,
    /// A member deleted their account.
    MemberDeleted,
    /// A provider takes money of somebody whose account is deleted.
    DeletedPays,
    /// Somebody became an admin.
    AdminAdded,
}

/// Not the name of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such kind of notification")]
pub struct NoSuchKind;

impl Kind {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::PaymentEventDead,
        Self::PaymentLost,
        Self::ReferralFlagged,
        Self::WebhookDisabled,
        Self::JobGivenUp,
        Self::MailGivenUp,
        Self::CouponUsedUp,
        Self::PartnerEnding,
        Self::MemberDeleted,
        Self::DeletedPays,
        Self::AdminAdded,
    ];

    /// Returns the word in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PaymentEventDead => "payment_event_dead",
            Self::PaymentLost => "payment_lost",
            Self::ReferralFlagged => "referral_flagged",
            Self::WebhookDisabled => "webhook_disabled",
            Self::JobGivenUp => "job_given_up",
            Self::MailGivenUp => "mail_given_up",
            Self::CouponUsedUp => "coupon_used_up",
            Self::PartnerEnding => "partner_ending",
            Self::MemberDeleted => "member_deleted",
            Self::DeletedPays => "deleted_pays",
            Self::AdminAdded => "admin_added",
        }
    }

    /// Returns what it is called on pages, in digests and in chats.
    pub fn title(self, lang: Lang) -> &'static str {
        match (lang, self) {
            (Lang::En, Self::PaymentEventDead) => "Payment event given up",
            (Lang::De, Self::PaymentEventDead) => "Zahlungsereignis endgültig gescheitert",
            (Lang::En, Self::PaymentLost) => "Money went back",
            (Lang::De, Self::PaymentLost) => "Geld ging zurück",
            (Lang::En, Self::ReferralFlagged) => "Invitation looks odd",
            (Lang::De, Self::ReferralFlagged) => "Auffällige Einladung",
            (Lang::En, Self::WebhookDisabled) => "Webhook endpoint switched off",
            (Lang::De, Self::WebhookDisabled) => "Webhook-Endpunkt abgeschaltet",
            (Lang::En, Self::JobGivenUp) => "Job given up",
            (Lang::De, Self::JobGivenUp) => "Aufgabe endgültig gescheitert",
            (Lang::En, Self::MailGivenUp) => "E-mail given up",
            (Lang::De, Self::MailGivenUp) => "E-Mail endgültig gescheitert",
            (Lang::En, Self::CouponUsedUp) => "Coupon used up",
            (Lang::De, Self::CouponUsedUp) => "Gutschein aufgebraucht",
            (Lang::En, Self::PartnerEnding) => "Partner’s contract ends",
            (Lang::De, Self::PartnerEnding) => "Partnervertrag endet",
            (Lang::En, Self::MemberDeleted) => "Account deleted",
            (Lang::De, Self::MemberDeleted) => "Konto gelöscht",
            (Lang::En, Self::DeletedPays) => "Deleted account is charged",
            (Lang::De, Self::DeletedPays) => "Gelöschtes Konto wird belastet",
            (Lang::En, Self::AdminAdded) => "New admin",
            (Lang::De, Self::AdminAdded) => "Neuer Admin",
        }
    }

    /// Returns which ways it takes while nobody has chosen. A payment event that is given up has a
    /// letter of its own at once, so it is not in the digest again.
    pub fn ways(self) -> Ways {
        Ways { in_app: true, digest: self != Self::PaymentEventDead, webhook: true }
    }
}

impl FromStr for Kind {
    type Err = NoSuchKind;

    fn from_str(text: &str) -> Result<Self, NoSuchKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(NoSuchKind)
    }
}

/// By which ways a kind is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ways {
    /// In the list, with the count in the admins' bar.
    pub in_app: bool,
    /// In the daily mail.
    pub digest: bool,
    /// To the chat.
    pub webhook: bool,
}

impl Ways {
    /// Returns whether it is told at all.
    pub fn any(self) -> bool {
        self.in_app || self.digest || self.webhook
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Occurrence {
    /// What a provider told could not be applied.
    PaymentEventDead {
        /// Which event.
        event: PaymentEventId,
        /// The provider's name.
        provider: String,
        /// The provider's word for what happened.
        event_type: String,
    },
    /// Money went back, or is disputed.
    PaymentLost {
        /// Whose payment it was.
        user: Option<UserId>,
        /// The provider's name.
        provider: String,
        /// The provider's id of the invoice.
        invoice: String,
        /// Whether the payer disputes it; else it was refunded.
        disputed: bool,
    },
    /// A reward looks odd.
    ReferralFlagged {
        /// Which.
        referral: ReferralId,
        /// Whether it waits for an admin.
        held: bool,
    },
    /// An endpoint was switched off.
    WebhookDisabled {
        /// The endpoint's id.
        endpoint: String,
        /// The host it is at.
        host: String,
    },
    /// A job was given up.
    JobGivenUp {
        /// Which.
        job: JobId,
        /// The word for its kind.
        work: String,
    },
    /// A mail was given up.
    MailGivenUp {
        /// Which.
        mail: MailId,
    },
    /// A coupon is used up.
    CouponUsedUp {
        /// Its code.
        code: String,
        /// How often it was redeemed.
        redemptions: i64,
    },
    /// A partner's contract ends.
    PartnerEnding {
        /// The partner's id.
        partner: String,
        /// The partner's name.
        name: String,
        /// When.
        on: DateTime<Utc>,
    },
    /// An account was deleted.
    MemberDeleted {
        /// Which.
        user: UserId,
    },
    /// A provider takes money for an account that is deleted. Nobody is named: what there is to see is there.
    DeletedPays {
        /// The provider's name.
        provider: String,
        /// The provider's id of the subscription, or of an invoice that is for none.
        what: String,
    },
    /// Somebody became an admin.
    AdminAdded {
        /// Who.
        user: UserId,
    },
}

impl Occurrence {
    /// Returns its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::PaymentEventDead { .. } => Kind::PaymentEventDead,
            Self::PaymentLost { .. } => Kind::PaymentLost,
            Self::ReferralFlagged { .. } => Kind::ReferralFlagged,
            Self::WebhookDisabled { .. } => Kind::WebhookDisabled,
            Self::JobGivenUp { .. } => Kind::JobGivenUp,
            Self::MailGivenUp { .. } => Kind::MailGivenUp,
            Self::CouponUsedUp { .. } => Kind::CouponUsedUp,
            Self::PartnerEnding { .. } => Kind::PartnerEnding,
            Self::MemberDeleted { .. } => Kind::MemberDeleted,
            Self::DeletedPays { .. } => Kind::DeletedPays,
            Self::AdminAdded { .. } => Kind::AdminAdded,
        }
    }

    /// Returns what makes it the same as another of its kind: while nobody has read the one, the
    /// other is counted there and not told again. A mail server that is away for a night is one line.
    pub fn key(&self) -> String {
        match self {
            Self::PaymentEventDead { provider, event_type, .. } => format!("{provider} {event_type}"),
            Self::PaymentLost { provider, invoice, .. } => format!("{provider} {invoice}"),
            Self::ReferralFlagged { referral, .. } => referral.to_string(),
            Self::WebhookDisabled { endpoint, .. } => endpoint.clone(),
            Self::JobGivenUp { work, .. } => work.clone(),
            Self::MailGivenUp { .. } | Self::MemberDeleted { .. } => String::new(),
            Self::CouponUsedUp { code, .. } => code.clone(),
            Self::DeletedPays { provider, what } => format!("{provider} {what}"),
            Self::PartnerEnding { partner, .. } => partner.clone(),
            Self::AdminAdded { user } => user.to_string(),
        }
    }

    /// Returns the page where there is more.
    pub fn path(&self) -> String {
        match self {
            Self::PaymentEventDead { event, .. } => format!("/admin/payments/{event}"),
            Self::PaymentLost { user: Some(user), .. } | Self::AdminAdded { user } => format!("/admin/users/{user}"),
            Self::PaymentLost { user: None, .. } | Self::DeletedPays { .. } => "/admin/payments".to_owned(),
            Self::ReferralFlagged { .. } => "/admin/referrals?state=flagged".to_owned(),
            Self::WebhookDisabled { .. } => "/admin/webhooks".to_owned(),
            Self::JobGivenUp { .. } => "/admin/jobs".to_owned(),
            Self::MailGivenUp { .. } => "/admin/mails".to_owned(),
            Self::CouponUsedUp { .. } => "/admin/coupons".to_owned(),
            Self::PartnerEnding { .. } => "/admin/partners".to_owned(),
            Self::MemberDeleted { .. } => "/admin/activity".to_owned(),
        }
    }

    /// Returns what tells it apart from others of its kind, in a few words; empty for nothing.
    pub fn about(&self, lang: Lang) -> String {
        match (lang, self) {
            (_, Self::PaymentEventDead { provider, event_type, .. }) => format!("{provider}: {event_type}"),
            (Lang::En, Self::PaymentLost { provider, invoice, disputed: true, .. }) => {
                format!("{provider}: invoice {invoice} is disputed")
            }
            (Lang::De, Self::PaymentLost { provider, invoice, disputed: true, .. }) => {
                format!("{provider}: Rechnung {invoice} ist angefochten")
            }
            (Lang::En, Self::PaymentLost { provider, invoice, .. }) => {
                format!("{provider}: invoice {invoice} was refunded")
            }
            (Lang::De, Self::PaymentLost { provider, invoice, .. }) => {
                format!("{provider}: Rechnung {invoice} wurde erstattet")
            }
            (Lang::En, Self::ReferralFlagged { held: true, .. }) => "The reward waits for you.".to_owned(),
            (Lang::De, Self::ReferralFlagged { held: true, .. }) => "Die Belohnung wartet auf Sie.".to_owned(),
            (Lang::En, Self::ReferralFlagged { .. }) => "The reward was given.".to_owned(),
            (Lang::De, Self::ReferralFlagged { .. }) => "Die Belohnung wurde gegeben.".to_owned(),
            (Lang::En, Self::DeletedPays { provider, what }) => {
                format!("{provider}: {what}. End the subscription there, and refund what was paid.")
            }
            (Lang::De, Self::DeletedPays { provider, what }) => {
                format!("{provider}: {what}. Beenden Sie das Abonnement dort, und erstatten Sie das Bezahlte.")
            }
            (_, Self::WebhookDisabled { host, .. }) => host.clone(),
            (_, Self::JobGivenUp { work, .. }) => work.clone(),
            (_, Self::CouponUsedUp { code, .. }) => code.clone(),
            (_, Self::PartnerEnding { name, on, .. }) => format!("{name}, {}", on.format("%Y-%m-%d")),
            (_, Self::MailGivenUp { .. } | Self::MemberDeleted { .. } | Self::AdminAdded { .. }) => String::new(),
        }
    }
}

/// Something that admins were told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Which.
    pub id: NotificationId,
    /// What happened, the last time.
    pub occurrence: Occurrence,
    /// How often, until somebody read it.
    pub count: i64,
    /// When it happened first.
    pub first_at: DateTime<Utc>,
    /// When last.
    pub last_at: DateTime<Utc>,
    /// Whether the one who asks has read it, or it was marked as read for all.
    pub is_read: bool,
}

/// In which shape a chat wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// `{"text": …}`, as Slack, Mattermost and Rocket.Chat read it.
    Slack,
    /// `{"content": …}`, as Discord reads it.
    Discord,
}

impl Shape {
    /// All, in the order in which they are offered.
    pub const ALL: [Self; 2] = [Self::Slack, Self::Discord];

    /// Returns the word in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Discord => "discord",
        }
    }

    /// Returns the shape that a host wants.
    pub fn of_host(host: &str) -> Self {
        let is_discord = ["discord.com", "discordapp.com"]
            .iter()
            .any(|known| host == *known || host.strip_suffix(known).is_some_and(|rest| rest.ends_with('.')));
        if is_discord { Self::Discord } else { Self::Slack }
    }

    /// Writes a message. What it says is plain text: neither chat makes a link or calls people by
    /// what a name holds.
    pub fn message(self, text: &str) -> serde_json::Value {
        match self {
            Self::Slack => {
                let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                serde_json::json!({ "text": text })
            }
            Self::Discord => serde_json::json!({ "content": text, "allowed_mentions": { "parse": [] } }),
        }
    }
}

impl FromStr for Shape {
    type Err = NoSuchKind;

    fn from_str(text: &str) -> Result<Self, NoSuchKind> {
        Self::ALL.into_iter().find(|shape| shape.as_str() == text).ok_or(NoSuchKind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::uuid_v7;

    fn all() -> Vec<Occurrence> {
        fn id<T: From<uuid::Uuid>>() -> T {
            uuid_v7(DateTime::UNIX_EPOCH, [7; 10]).into()
        }
        let text = |text: &str| text.to_owned();
        vec![
            Occurrence::PaymentEventDead { event: id(), provider: text("Stripe"), event_type: text("invoice.paid") },
            Occurrence::PaymentLost { user: None, provider: text("Stripe"), invoice: text("in_1"), disputed: true },
            Occurrence::ReferralFlagged { referral: id(), held: true },
            Occurrence::WebhookDisabled { endpoint: text("1"), host: text("example.com") },
            Occurrence::JobGivenUp { job: id(), work: text("send_mail") },
            Occurrence::MailGivenUp { mail: id() },
            Occurrence::CouponUsedUp { code: text("SUMMER"), redemptions: 3 },
            Occurrence::PartnerEnding { partner: text("1"), name: text("Gym"), on: DateTime::UNIX_EPOCH },
            Occurrence::MemberDeleted { user: id() },
            Occurrence::DeletedPays { provider: text("Stripe"), what: text("sub_1") },
            Occurrence::AdminAdded { user: id() },
        ]
    }

    #[test]
    fn what_happened_is_read_again_under_the_name_of_its_kind() {
        assert_eq!(all().iter().map(Occurrence::kind).collect::<Vec<_>>(), Kind::ALL);
        for occurrence in all() {
            let json = serde_json::to_value(&occurrence).expect("it is JSON");
            assert_eq!(json["kind"], occurrence.kind().as_str());
            assert_eq!(serde_json::from_value::<Occurrence>(json).expect("JSON is one"), occurrence);
            assert_eq!(occurrence.kind().as_str().parse(), Ok(occurrence.kind()));
            assert!(occurrence.path().starts_with("/admin/"), "{occurrence:?}");
            for lang in Lang::ALL {
                assert!(!occurrence.kind().title(lang).is_empty() && !occurrence.about(lang).contains('@'));
            }
        }
    }

    #[test]
    fn a_flood_of_one_kind_is_one_line() {
        let job = |seed, work: &str| Occurrence::JobGivenUp {
            job: uuid_v7(DateTime::UNIX_EPOCH, [seed; 10]).into(),
            work: work.to_owned(),
        };
        assert_eq!(job(1, "send_mail").key(), job(2, "send_mail").key());
        assert_ne!(job(1, "send_mail").key(), job(1, "reconcile_subscriptions").key());
    }

    #[test]
    fn a_chat_is_told_in_its_own_shape() {
        for (host, shape) in [
            ("hooks.slack.com", Shape::Slack),
            ("discord.com", Shape::Discord),
            ("ptb.discord.com", Shape::Discord),
            ("notdiscord.com", Shape::Slack),
            ("discord.com.evil.example", Shape::Slack),
        ] {
            assert_eq!(Shape::of_host(host), shape, "{host}");
            assert_eq!(shape.as_str().parse(), Ok(shape));
        }
        assert_eq!(Shape::Slack.message("<!channel> & co")["text"], "&lt;!channel&gt; &amp; co");
        let message = Shape::Discord.message("@everyone");
        assert_eq!(
            (&message["content"], &message["allowed_mentions"]["parse"]),
            (&"@everyone".into(), &serde_json::json!([]))
        );
    }

    #[test]
    fn nobody_is_written_to_twice_about_a_payment() {
        assert!(!Kind::PaymentEventDead.ways().digest && Kind::PaymentEventDead.ways().in_app);
        assert!(Kind::ALL.into_iter().all(|kind| kind.ways().any()));
        assert!(!Ways { in_app: false, digest: false, webhook: false }.any());
    }
}
