//! The table of routes: each with what a stranger, a member and an admin get. A route that is
//! not in the table fails the test.
//!
//! Where a route names something, one of it is made before it is asked for: what a member does not get is there, and
//! an admin gets it.

use axum::{body::Body, http::Method};

use super::objects::{Maker, fill, filled_with_nothing};
use crate::harness::{Browser, Page, on_both};

/// What a visitor gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gets {
    /// It is for them: neither sent away nor hidden. What comes depends on what was sent.
    In,
    /// Sent to sign in.
    SignIn,
    /// There is no such page for them.
    Nothing,
    /// Refused by status, where no browser looks.
    Forbidden,
}
use Gets::{Forbidden, In, Nothing, SignIn};

const GET: Method = Method::GET;
const POST: Method = Method::POST;

/// Route, then what a stranger, a member and an admin get.
pub const TABLE: &[(Method, &str, [Gets; 3])] = &[
    (GET, "/", [In, In, In]),
    (GET, "/login", [In, In, In]),
    (POST, "/login", [In, In, In]),
    (GET, "/verify", [In, In, In]),
    (POST, "/verify", [In, In, In]),
    (POST, "/verify/resend", [In, In, In]),
    (GET, "/pricing", [In, In, In]),
    (POST, "/billing/checkout", [SignIn, In, In]),
    (POST, "/billing/portal", [SignIn, In, In]),
    (GET, "/billing/done", [SignIn, In, In]),
    (GET, "/settings", [SignIn, In, In]),
    (GET, "/settings/invitations", [SignIn, In, In]),
    (POST, "/settings/invitations", [SignIn, In, In]),
    // The member's own; for an admin there is no such invitation.
    (POST, "/settings/invitations/resend", [SignIn, In, Nothing]),
    (POST, "/settings/invitations/revoke", [SignIn, In, Nothing]),
    // The token opens it, whoever comes with it.
    (GET, "/invitation/{token}", [In, In, In]),
    (POST, "/invitation/{token}", [In, In, In]),
    (POST, "/settings/sessions/revoke", [SignIn, In, In]),
    (GET, "/settings/export", [SignIn, In, In]),
    (GET, "/settings/delete", [SignIn, In, In]),
    (POST, "/settings/delete", [SignIn, In, In]),
    (POST, "/settings/keep", [SignIn, In, In]),
    (GET, "/redeem", [SignIn, In, In]),
    (POST, "/redeem", [SignIn, In, In]),
    (GET, "/redeem/{code}", [SignIn, In, In]),
    (GET, "/portfolio", [SignIn, In, In]),
    (POST, "/portfolio", [SignIn, In, In]),
    (POST, "/portfolio/import", [SignIn, In, In]),
    // Everyone has versions of their own, and here only the member has any.
    (GET, "/portfolio/versions/{number}", [SignIn, In, Nothing]),
    (POST, "/portfolio/restore", [SignIn, In, In]),
    (POST, "/portfolio/analyze", [SignIn, In, In]),
    (POST, "/language", [In, In, In]),
    (GET, "/admin", [SignIn, Nothing, In]),
    (GET, "/admin/activity", [SignIn, Nothing, In]),
    (GET, "/admin/activity/export", [SignIn, Nothing, In]),
    (GET, "/admin/jobs", [SignIn, Nothing, In]),
    (POST, "/admin/jobs/{name}/run", [SignIn, Nothing, In]),
    (POST, "/admin/jobs/dead/{id}/retry", [SignIn, Nothing, In]),
    (POST, "/admin/jobs/dead/{id}/discard", [SignIn, Nothing, In]),
    (GET, "/admin/claim", [In, In, In]),
    (POST, "/admin/claim", [In, In, In]),
    (GET, "/admin/matrix", [SignIn, Nothing, In]),
    (POST, "/admin/matrix/review", [SignIn, Nothing, In]),
    (POST, "/admin/matrix/commit", [SignIn, Nothing, In]),
    (POST, "/admin/matrix/undo", [SignIn, Nothing, In]),
    (GET, "/admin/users", [SignIn, Nothing, In]),
    (GET, "/admin/users/{id}", [SignIn, Nothing, In]),
    (GET, "/admin/users/{id}/delete", [SignIn, Nothing, In]),
    (POST, "/admin/users/{id}/delete", [SignIn, Nothing, In]),
    (POST, "/admin/users/{id}/keep", [SignIn, Nothing, In]),
    (POST, "/admin/users/{id}/tier", [SignIn, Nothing, In]),
    (POST, "/admin/users/{id}/disable", [SignIn, Nothing, In]),
    (POST, "/admin/users/{id}/enable", [SignIn, Nothing, In]),
    (POST, "/admin/users/{id}/restrict", [SignIn, Nothing, In]),
    (POST, "/admin/users/{id}/unrestrict", [SignIn, Nothing, In]),
    (POST, "/admin/users/{id}/credit", [SignIn, Nothing, In]),
    (POST, "/admin/users/{id}/credit/end", [SignIn, Nothing, In]),
    (POST, "/admin/users/{id}/grants", [SignIn, Nothing, In]),
    (POST, "/admin/users/{id}/grants/revoke", [SignIn, Nothing, In]),
    (POST, "/admin/users/{id}/sessions/revoke", [SignIn, Nothing, In]),
    (POST, "/admin/users/{id}/sessions/revoke-all", [SignIn, Nothing, In]),
    (GET, "/admin/payments", [SignIn, Nothing, In]),
    (POST, "/admin/payments/replay-dead", [SignIn, Nothing, In]),
    (POST, "/admin/payments/reconcile", [SignIn, Nothing, In]),
    (GET, "/admin/payments/subscriptions", [SignIn, Nothing, In]),
    (GET, "/admin/payments/test", [SignIn, Nothing, In]),
    (POST, "/admin/payments/test", [SignIn, Nothing, In]),
    (GET, "/admin/payments/{id}", [SignIn, Nothing, In]),
    (POST, "/admin/payments/{id}/replay", [SignIn, Nothing, In]),
    (GET, "/admin/invitations", [SignIn, Nothing, In]),
    (POST, "/admin/invitations", [SignIn, Nothing, In]),
    (POST, "/admin/invitations/{id}/resend", [SignIn, Nothing, In]),
    (POST, "/admin/invitations/{id}/revoke", [SignIn, Nothing, In]),
    (GET, "/admin/settings", [SignIn, Nothing, In]),
    (POST, "/admin/settings", [SignIn, Nothing, In]),
    (GET, "/admin/referrals", [SignIn, Nothing, In]),
    (POST, "/admin/referrals/{id}/release", [SignIn, Nothing, In]),
    (POST, "/admin/referrals/{id}/reject", [SignIn, Nothing, In]),
    (GET, "/admin/coupons", [SignIn, Nothing, In]),
    (POST, "/admin/coupons", [SignIn, Nothing, In]),
    (GET, "/admin/coupons/batches", [SignIn, Nothing, In]),
    (GET, "/admin/coupons/batches/{id}", [SignIn, Nothing, In]),
    (GET, "/admin/coupons/batches/{id}/coupons.csv", [SignIn, Nothing, In]),
    (GET, "/admin/coupons/batches/{id}/sheet", [SignIn, Nothing, In]),
    (GET, "/admin/coupons/{code}", [SignIn, Nothing, In]),
    (POST, "/admin/coupons/{code}", [SignIn, Nothing, In]),
    (GET, "/admin/coupons/{code}/qr.svg", [SignIn, Nothing, In]),
    (POST, "/admin/coupons/{code}/archive", [SignIn, Nothing, In]),
    (GET, "/admin/partners", [SignIn, Nothing, In]),
    (POST, "/admin/partners", [SignIn, Nothing, In]),
    (GET, "/admin/partners/{id}", [SignIn, Nothing, In]),
    (POST, "/admin/partners/{id}", [SignIn, Nothing, In]),
    (POST, "/admin/partners/{id}/link", [SignIn, Nothing, In]),
    (POST, "/admin/partners/{id}/link/end", [SignIn, Nothing, In]),
    (GET, "/admin/partners/{id}/statement/{month}", [SignIn, Nothing, In]),
    // The token opens these, whoever comes with it.
    (GET, "/partner/{token}", [In, In, In]),
    (GET, "/partner/{token}/statement/{month}", [In, In, In]),
    (GET, "/admin/bonus", [SignIn, Nothing, In]),
    (POST, "/admin/bonus", [SignIn, Nothing, In]),
    (GET, "/admin/bonus/{id}", [SignIn, Nothing, In]),
    (POST, "/admin/bonus/{id}", [SignIn, Nothing, In]),
    (POST, "/admin/bonus/{id}/archive", [SignIn, Nothing, In]),
    (GET, "/admin/notifications", [SignIn, Nothing, In]),
    (POST, "/admin/notifications/read", [SignIn, Nothing, In]),
    (GET, "/admin/notifications/settings", [SignIn, Nothing, In]),
    (POST, "/admin/notifications/settings", [SignIn, Nothing, In]),
    (POST, "/admin/notifications/{id}/read", [SignIn, Nothing, In]),
    (GET, "/admin/webhooks", [SignIn, Nothing, In]),
    (POST, "/admin/webhooks", [SignIn, Nothing, In]),
    (GET, "/admin/webhooks/{id}", [SignIn, Nothing, In]),
    (POST, "/admin/webhooks/{id}", [SignIn, Nothing, In]),
    (POST, "/admin/webhooks/{id}/rotate", [SignIn, Nothing, In]),
    (POST, "/admin/webhooks/{id}/enable", [SignIn, Nothing, In]),
    (POST, "/admin/webhooks/{id}/disable", [SignIn, Nothing, In]),
    (POST, "/admin/webhooks/{id}/delete", [SignIn, Nothing, In]),
    (POST, "/admin/webhooks/{id}/test", [SignIn, Nothing, In]),
    (POST, "/admin/webhooks/{id}/resend", [SignIn, Nothing, In]),
    (GET, "/admin/webhooks/{id}/deliveries/{delivery}", [SignIn, Nothing, In]),
    (POST, "/admin/webhooks/{id}/deliveries/{delivery}/resend", [SignIn, Nothing, In]),
    (GET, "/admin/features", [SignIn, Nothing, In]),
    (POST, "/admin/features", [SignIn, Nothing, In]),
    (GET, "/admin/features/new-feature", [SignIn, Nothing, In]),
    (GET, "/admin/features/{id}", [SignIn, Nothing, In]),
    (POST, "/admin/features/{id}", [SignIn, Nothing, In]),
    (GET, "/admin/tiers", [SignIn, Nothing, In]),
    (POST, "/admin/tiers", [SignIn, Nothing, In]),
    (GET, "/admin/tiers/new-tier", [SignIn, Nothing, In]),
    (GET, "/admin/tiers/{id}", [SignIn, Nothing, In]),
    (POST, "/admin/tiers/{id}", [SignIn, Nothing, In]),
    (GET, "/admin/keys", [SignIn, Nothing, In]),
    (POST, "/admin/keys", [SignIn, Nothing, In]),
    (POST, "/admin/keys/{id}/revoke", [SignIn, Nothing, In]),
    (POST, "/settings/mails", [SignIn, In, In]),
    // The proof in its address opens it, whoever comes with it.
    (GET, "/unsubscribe/{token}", [In, In, In]),
    (POST, "/unsubscribe/{token}", [In, In, In]),
    (GET, "/admin/mails", [SignIn, Nothing, In]),
    (POST, "/admin/mails/resend", [SignIn, Nothing, In]),
    (GET, "/admin/mails/templates", [SignIn, Nothing, In]),
    (GET, "/admin/mails/templates/{letter}/{lang}", [SignIn, Nothing, In]),
    (POST, "/admin/mails/templates/{letter}/{lang}", [SignIn, Nothing, In]),
    (GET, "/admin/mails/templates/{letter}/{lang}/preview", [SignIn, Nothing, In]),
    (POST, "/admin/mails/templates/{letter}/{lang}/preview", [SignIn, Nothing, In]),
    (POST, "/admin/mails/templates/{letter}/{lang}/reset", [SignIn, Nothing, In]),
    (POST, "/admin/mails/templates/{letter}/{lang}/test", [SignIn, Nothing, In]),
    (GET, "/admin/mails/{id}", [SignIn, Nothing, In]),
    (POST, "/admin/mails/{id}/resend", [SignIn, Nothing, In]),
    (POST, "/calls/preview_matrix", [Forbidden, Forbidden, In]),
    (POST, "/calls/commit_matrix", [Forbidden, Forbidden, In]),
    (POST, "/calls/try_mail_template", [Forbidden, Forbidden, In]),
    (GET, "/api/docs", [In, In, In]),
    (GET, "/dev/mailbox", [In, In, In]),
    (GET, "/dev/mailbox.json", [In, In, In]),
    // The preview exists in development only.
    (GET, "/dev/mailbox/{id}", [In, In, In]),
    // A key opens these, and no browser's cookie.
    (POST, "/ofrep/v1/evaluate/flags", [Forbidden, Forbidden, Forbidden]),
    (POST, "/ofrep/v1/evaluate/flags/{key}", [Forbidden, Forbidden, Forbidden]),
    (GET, "/ofrep/v1/events/{token}", [Forbidden, Forbidden, Forbidden]),
    (GET, "/gate", [SignIn, In, In]),
    // A provider's signature opens it, and no browser's cookie.
    (POST, "/webhooks/{provider}", [Forbidden, Forbidden, Forbidden]),
    (GET, "/healthz", [In, In, In]),
    (GET, "/readyz", [In, In, In]),
    // For the operator's token alone.
    (GET, "/metrics", [Nothing, Nothing, Nothing]),
    (GET, "/pkg/{hash}/{*path}", [Nothing, Nothing, Nothing]),
    (GET, "/favicon.ico", [In, In, In]),
    (GET, "/favicon.svg", [In, In, In]),
    (GET, "/robots.txt", [In, In, In]),
    // Last, because they end the session that is tried.
    (POST, "/settings/sessions/revoke-all", [SignIn, In, In]),
    (POST, "/sign-out", [SignIn, In, In]),
];

/// What the forms send that name something in a field.
const FIELDS: &[(&str, (&str, &str))] = &[
    ("/settings/invitations/resend", ("invitation", "<invitation>")),
    ("/settings/invitations/revoke", ("invitation", "<invitation>")),
];

/// Asks for a route at an address that names something, and returns what came.
async fn ask(browser: &mut Browser, method: &Method, path: &str, fields: &[(&str, &str)]) -> Page {
    if path.starts_with("/calls/") {
        let nothing = serde_json::json!({
            "changes": [], "reason": "", "letter": "welcome", "lang": "en", "subject": "", "text": "", "html": "",
        });
        browser.call(path, nothing).await
    } else if *method == GET {
        browser.get(path).await
    } else {
        browser.post(path, fields).await
    }
}

fn what(page: &Page, method: &Method, route: &str) -> (Gets, u16) {
    let status = page.status.as_u16();
    assert!(status < 500, "{method} {route}: {status} {}", page.body);
    // The gate's answer is for browsers at other sites.
    let location = page.location().strip_prefix("http://127.0.0.1:3000").unwrap_or(page.location());
    let sent_to_sign_in = matches!(status, 302 | 303) && (location == "/login" || location.starts_with("/login?next="));
    let gets = match status {
        404 if !is_icon(route) => Nothing,
        401 | 403 => Forbidden,
        // The start itself leads there.
        _ if sent_to_sign_in && route != "/" => SignIn,
        _ => In,
    };
    (gets, status)
}

/// A checkout that was never built has no icons, which is no matter of rights.
fn is_icon(route: &str) -> bool {
    matches!(route, "/favicon.ico" | "/favicon.svg" | "/robots.txt")
}

on_both! {
    async fn everyone_gets_what_the_table_says(app: TestApp) {
        let app = app.reaching_inside();
        let maker = Maker::new(&app, "ann@example.com");
        for (method, route, expected) in TABLE {
            let browsers = [
                app.browser(),
                app.signed_in("ann@example.com").await,
                app.signed_in_admin("root@example.com").await,
            ];
            let blanks = maker.blanks(route).await;
            let path = fill(route, &blanks);
            let named = FIELDS.iter().find(|(form, _)| form == route);
            let fields: Vec<(&str, String)> = named.map(|(_, (name, value))| (*name, fill(value, &blanks))).into_iter().collect();
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            for ((who, mut browser), expected) in ["a stranger", "a member", "an admin"].into_iter().zip(browsers).zip(expected) {
                let page = ask(&mut browser, method, &path, &fields).await;
                let (got, status) = what(&page, method, route);
                assert_eq!(got, *expected, "{method} {route} for {who}: {status}");
                // A page to which one is sent back may say that there is no such thing.
                assert!(!page.location().contains("said=gone"), "{method} {route} for {who}: there is nothing at {path}");
            }
            app.env.clock.advance(chrono::TimeDelta::days(1));
        }
    }

    async fn a_session_that_was_ended_is_a_stranger(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        let mut stolen = admin.clone();
        admin.post("/settings/sessions/revoke-all", &[]).await;
        // Without what a token opens to everybody: here is none of it.
        let tried = TABLE.iter().filter(|(_, route, [stranger, ..])| !(route.contains('{') && *stranger == In));
        for (method, route, [stranger, ..]) in tried {
            let page = ask(&mut stolen.clone(), method, &filled_with_nothing(route), &[]).await;
            let (got, status) = what(&page, method, route);
            assert_eq!(got, *stranger, "{method} {route}: {status}");
        }
        stolen.cookies.clear();
    }

    async fn other_methods_are_refused(app: TestApp) {
        let mut browser = app.browser();
        // Proxies ask at the gate by the method of the request that they hold back.
        for (_, route, _) in TABLE.iter().filter(|(_, route, _)| *route != "/gate") {
            for method in [Method::PUT, Method::DELETE, Method::PATCH] {
                let request = browser
                    .request(method.clone(), &filled_with_nothing(route))
                    .header("sec-fetch-site", "same-origin")
                    .body(Body::empty())
                    .unwrap();
                let page = browser.send(request).await;
                assert!(matches!(page.status.as_u16(), 404 | 405), "{method} {route}: {}", page.status);
            }
        }
    }
}

/// A page of admins that an admin does not get says nothing about who else does not.
#[test]
fn every_page_of_admins_is_tried_by_one() {
    for (method, route, gets) in TABLE.iter().filter(|(_, route, _)| route.starts_with("/admin")) {
        let expected = if *route == "/admin/claim" { [In, In, In] } else { [SignIn, Nothing, In] };
        assert_eq!(*gets, expected, "{method} {route}");
    }
}

/// Reads the routes out of the source, so that none can be forgotten.
#[test]
fn every_route_is_in_the_table() {
    let sources = [
        include_str!("../../pages/mod.rs"),
        include_str!("../../platform/server.rs"),
        include_str!("../../platform/observability.rs"),
        include_str!("../../api/ofrep/mod.rs"),
        include_str!("../../webhooks/receive.rs"),
    ];
    let mut found = 0;
    for source in sources {
        // Up to the tests, if there are any.
        let code = source.split("#[cfg(test)]").next().unwrap();
        for call in code.split(".route(").skip(1) {
            let Some(route) = call.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()) else {
                continue;
            };
            let handlers: String = call.split(".route(").next().unwrap().lines().take(3).collect();
            for (word, method) in [("get(", GET), ("post(", POST)] {
                let takes = handlers.contains(word) && !(word == "get(" && handlers.contains("target("));
                if takes {
                    found += 1;
                    assert!(
                        TABLE.iter().any(|(known, path, _)| *known == method && *path == route),
                        "{method} {route} is not in the table of routes"
                    );
                }
            }
        }
    }
    assert!(found >= 24, "only {found} routes were found in the source");
    for path in server_fn::axum::server_fn_paths().map(|(path, _)| path) {
        assert!(TABLE.iter().any(|(_, route, _)| *route == path), "{path} is not in the table of routes");
    }
}
