//! The frame around every page: head, top bar, footer.

use axum::{
    body::Body,
    http::{HeaderValue, Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use leptos::{config::LeptosOptions, nonce::use_nonce, prelude::*};
use leptos_axum::ResponseOptions;

use crate::{
    config::MailTransport,
    domain::{lang::Lang, user::Role},
    platform::{
        caller::{Site, Visit},
        headers::page_policy,
    },
    services::{
        notifications::{self, Reader},
        payments,
    },
    words,
};

/// The entries of the top bar, and those below it that are for admins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// /pricing
    Pricing,
    /// /portfolio
    Portfolio,
    /// /settings
    Settings,
    /// /admin
    Overview,
    /// /admin/users
    Users,
    /// /admin/invitations
    Invitations,
    /// /admin/referrals
    Referrals,
    /// /admin/activity
    Activity,
    /// /admin/matrix
    Matrix,
    /// /admin/features
    Features,
    /// /admin/tiers
    Tiers,
    /// /admin/coupons
    Coupons,
    /// /admin/partners
    Partners,
    /// /admin/bonus
    Bonus,
    /// /admin/payments
    Payments,
    /// /admin/notifications
    Notifications,
    /// /admin/mails
    Mails,
    /// /admin/webhooks
    Webhooks,
    /// /admin/jobs
    Jobs,
    /// /admin/keys
    Keys,
    /// /admin/settings
    AppSettings,
}

/// An entry of the admins' bar.
type AdminEntry = (Section, &'static str, fn(Lang) -> &'static str);

/// A group of them, by what they are about.
type AdminGroup = (fn(Lang) -> &'static str, &'static [AdminEntry]);

/// The bar. A group leads to its first entry.
const ADMIN_GROUPS: [AdminGroup; 6] = [
    (
        words::overview,
        &[
            (Section::Overview, "/admin", words::overview),
            (Section::Notifications, "/admin/notifications", words::notifications_word),
            (Section::Activity, "/admin/activity", words::activity_word),
        ],
    ),
    (
        words::members_word,
        &[
            (Section::Users, "/admin/users", words::members_word),
            (Section::Invitations, "/admin/invitations", words::invitations_word),
            (Section::Referrals, "/admin/referrals", words::referrals::title),
        ],
    ),
    (
        words::tiers_and_limits,
        &[
            (Section::Matrix, "/admin/matrix", words::tiers_and_limits),
            (Section::Features, "/admin/features", words::features),
            (Section::Tiers, "/admin/tiers", words::tiers),
        ],
    ),
    (
        words::coupons::title,
        &[
            (Section::Coupons, "/admin/coupons", words::coupons::title),
            (Section::Partners, "/admin/partners", words::partners_word),
            (Section::Bonus, "/admin/bonus", words::bonus_word),
        ],
    ),
    (words::payments::title, &[(Section::Payments, "/admin/payments", words::payments::title)]),
    (
        words::operations,
        &[
            (Section::AppSettings, "/admin/settings", words::settings),
            (Section::Mails, "/admin/mails", words::mails_word),
            (Section::Webhooks, "/admin/webhooks", words::webhooks_word),
            (Section::Jobs, "/admin/jobs", words::jobs_word),
            (Section::Keys, "/admin/keys", words::api_keys),
        ],
    ),
];

impl Section {
    fn is_for_admins(self) -> bool {
        self.group().is_some()
    }

    /// Returns the entries among which it stands.
    fn group(self) -> Option<&'static [AdminEntry]> {
        ADMIN_GROUPS.into_iter().map(|(_, entries)| entries).find(|entries| entries.iter().any(|(s, ..)| *s == self))
    }
}

/// How wide a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// One small form.
    Tiny,
    /// A column for members.
    Narrow,
    /// A table for admins.
    Wide,
}

/// What a page says about itself.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The title, without the product's name.
    pub title: &'static str,
    /// Where it is found, when it answers a form.
    pub address: &'static str,
    /// How wide it is.
    pub width: Width,
    /// Which entry of the top bar it is.
    pub section: Option<Section>,
    /// Whether it has islands; a page without sends no script at all.
    pub islands: bool,
}

/// Everything that the frame shows, apart from the page.
#[derive(Debug, Clone)]
struct Surroundings {
    lang: Lang,
    title: String,
    product: String,
    width: &'static str,
    section: Option<Section>,
    role: Option<Role>,
    path: String,
    style: String,
    font: String,
    icon: String,
    mailbox: bool,
    /// What waits for an admin who looks.
    waiting: Waiting,
    scripts: Option<LeptosOptions>,
}

/// Renders a page. `page` may run on any thread and more than once.
pub async fn render<V: IntoView + 'static>(
    site: &Site,
    visit: &Visit,
    status: StatusCode,
    frame: Frame,
    page: impl Fn() -> V + Clone + Send + Sync + 'static,
) -> Response {
    let config = &site.env.config;
    let path = visit.path.clone().unwrap_or_else(|| frame.address.to_owned());
    let surroundings = Surroundings {
        lang: visit.origin.lang,
        title: format!("{} · {}", frame.title, config.product.name),
        product: config.product.name.clone(),
        width: match frame.width {
            Width::Tiny => "tiny stack",
            Width::Narrow => "narrow stack",
            Width::Wide => "stack",
        },
        section: frame.section,
        role: visit.identity.as_ref().map(|identity| identity.user.role),
        path: path.clone(),
        style: site.assets.url("vouchsafe.css"),
        font: site.assets.url("fonts/instrument-sans.woff2"),
        icon: site.assets.url("favicon.svg"),
        mailbox: matches!(config.mail.transport, MailTransport::Preview),
        waiting: waiting_for(site, visit, &frame).await,
        scripts: frame.islands.then(|| site.leptos.clone()),
    };
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if !frame.islands {
        // Leptos would add scripts for a hydration that never comes.
        let html = Owner::new().with(|| view! { <Document surroundings>{page()}</Document> }.to_html());
        let policy = page_policy(None, &config.gate.origins);
        return (status, [content_type, (header::CONTENT_SECURITY_POLICY, policy)], html).into_response();
    }
    let targets = config.gate.origins.clone();
    let headers = move || {
        let response = expect_context::<ResponseOptions>();
        response.set_status(status);
        let nonce = use_nonce().map(|nonce| nonce.to_string());
        response.insert_header(header::CONTENT_SECURITY_POLICY, page_policy(nonce.as_deref(), &targets));
        response.insert_header(content_type.0.clone(), content_type.1.clone());
    };
    let document = move || {
        let (surroundings, page) = (surroundings.clone(), page.clone());
        view! { <Document surroundings>{page()}</Document> }
    };
    let request = Request::builder().uri(&path).body(Body::empty()).expect("the path was one already");
    leptos_axum::render_app_async_with_context(headers, document)(request).await
}

/// What waits for an admin.
#[derive(Debug, Clone, Copy, Default)]
struct Waiting {
    /// Notifications that they have not read.
    unread: i64,
    /// Events of payments that nobody tries again, whether or not it was read that there are some.
    dead: i64,
}

/// Returns what waits, for those who look after it. Nobody misses the page for it: a database that does
/// not answer has been noticed by whoever made the page.
async fn waiting_for(site: &Site, visit: &Visit, frame: &Frame) -> Waiting {
    let admin = visit.identity.as_ref().filter(|identity| identity.user.role == Role::Admin);
    let Some(admin) = admin.filter(|_| frame.section.is_some_and(Section::is_for_admins)) else {
        return Waiting::default();
    };
    Waiting {
        unread: notifications::unread_count(&site.env, Reader::Admin(admin.user.id)).await.unwrap_or(0),
        dead: payments::dead_count(&site.env).await.unwrap_or(0),
    }
}

#[component]
fn Document(surroundings: Surroundings, children: Children) -> impl IntoView {
    let Surroundings { lang, title, product, width, section, role, path, style, font, icon, mailbox, waiting, scripts } =
        surroundings;
    // The first writes something only while `cargo leptos watch` runs the program.
    let scripts = scripts.map(|options| {
        view! {
            <AutoReload options=options.clone() />
            <HydrationScripts options=options islands=true />
        }
    });
    let entry = move |this: Section, path: &'static str, text: &'static str| {
        view! { <a href=path aria-current=(section == Some(this)).then_some("page")>{text}</a> }
    };
    let is_admin_page = section.is_some_and(Section::is_for_admins);
    let admin_bar = is_admin_page.then(|| {
        let Waiting { unread, dead } = waiting;
        let unread = (unread > 0).then(|| {
            let told = words::notifications::unread(lang, unread);
            (Section::Notifications, "/admin/notifications", told)
        });
        let dead = (dead > 0).then(|| {
            let told = words::payments::waiting_for_you(lang, dead);
            (Section::Payments, "/admin/payments?state=dead", told)
        });
        let badges = [unread, dead];
        let current = section.and_then(Section::group).unwrap_or_default();
        let groups = ADMIN_GROUPS
            .into_iter()
            .map(|(text, entries)| {
                let is_here = entries.iter().any(|(this, ..)| section == Some(*this));
                let path = entries.first().map(|(_, path, _)| *path);
                let belongs = |badge: &&(Section, &str, String)| entries.iter().any(|(this, ..)| *this == badge.0);
                let badge = badges.iter().flatten().find(belongs).cloned();
                let badge = badge.map(|(_, path, text)| view! { <a class="badge stop" href=path>{text}</a> });
                let here = if entries.len() == 1 { "page" } else { "true" };
                view! { <a href=path aria-current=is_here.then_some(here)>{text(lang)}</a>{badge} }
            })
            .collect_view();
        let entries = current.iter().map(|(this, path, text)| entry(*this, path, text(lang))).collect_view();
        let entries = (current.len() > 1).then(|| view! { <div class="entries">{entries}</div> });
        view! { <nav class="rooms" aria-label=words::administration(lang)><div>{groups}</div>{entries}</nav> }
    });
    let languages = Lang::ALL
        .map(|language| {
            view! {
                <button
                    name="lang" value=language.tag() lang=language.tag()
                    aria-current=(language == lang).then_some("true")
                >
                    {language.own_name()}
                </button>
            }
        })
        .collect_view();
    view! {
        <!DOCTYPE html>
        <html lang=lang.tag()>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <title>{title}</title>
                <link rel="preload" href=font r#as="font" r#type="font/woff2" crossorigin="anonymous" />
                <link rel="stylesheet" href=style />
                <link rel="icon" href=icon r#type="image/svg+xml" />
                {scripts}
            </head>
            <body>
                <a class="skip" href="#main">{words::skip_to_content(lang)}</a>
                <header class="bar">
                    <div>
                        <a class="mark" href="/"><i aria-hidden="true"></i><span>{product.clone()}</span></a>
                        <nav aria-label=words::main_navigation(lang)>
                            {(role == Some(Role::Admin)).then(|| view! {
                                <a href="/admin" aria-current=is_admin_page.then_some("true")>{words::admin(lang)}</a>
                            })}
                            {entry(Section::Pricing, "/pricing", words::pricing(lang))}
                            {role.is_some().then(|| entry(Section::Portfolio, "/portfolio", words::portfolio(lang)))}
                            {role.is_some().then(|| entry(Section::Settings, "/settings", words::settings(lang)))}
                        </nav>
                    </div>
                </header>
                {admin_bar}
                <main id="main" class=width tabindex="-1">{children()}</main>
                <footer>
                    <form method="post" action="/language">
                        <input type="hidden" name="back" value=path />
                        <span>{product}</span>
                        {languages}
                    </form>
                    {mailbox.then(|| view! { <a href="/dev/mailbox">{words::mailbox(lang)}</a> })}
                </footer>
            </body>
        </html>
    }
}
