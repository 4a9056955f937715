//! The admins' pages about members.

use chrono::TimeDelta;
use vouchsafe::{
    domain::ids::UserId,
    services::{
        credits, entitlements,
        members::{self, MemberDetails},
        usage,
    },
    store::activity,
};

use crate::harness::{Browser, Page, TestApp, on_both};

async fn id_of(app: &TestApp, name: &str) -> UserId {
    members::find(&app.env, name).await.unwrap().unwrap_or_else(|| panic!("nobody is {name}")).id
}

async fn page_of(app: &TestApp, admin: &mut Browser, name: &str) -> Page {
    let page = admin.get(&format!("/admin/users/{}", id_of(app, name).await)).await;
    assert_eq!(page.status, 200, "{}", page.body);
    page
}

/// Makes members who are known by an external id only, some seconds apart.
async fn with_members(app: &TestApp, count: usize) {
    for number in 0..count {
        app.env.clock.advance(TimeDelta::seconds(1));
        let details = MemberDetails { external_id: Some(format!("app-{number:03}")), ..MemberDetails::default() };
        members::put(&app.env, &details, "operator").await.unwrap();
    }
}

fn form(action: &str) -> String {
    format!("form[action$='/{action}']")
}

/// Returns the cells of a feature's row: limit, used, left, when it starts again, what decided.
fn row(page: &Page, feature: &str) -> Vec<String> {
    let rows = page.texts("#entitlements ~ div tr:has(small), section:has(#entitlements) tr:has(small)");
    assert!(rows.iter().any(|row| row.contains(feature)), "no {feature} in {rows:?}");
    let document = scraper::Html::parse_document(&page.body);
    let select = |text: &str| scraper::Selector::parse(text).unwrap();
    let (tr, small, td) = (select("section:has(#entitlements) tr"), select("th small"), select("td"));
    let found = document.select(&tr).find(|row| {
        let id = row.select(&small).next().map(|small| small.text().collect::<String>());
        id.is_some_and(|id| id.split(' ').next() == Some(feature))
    });
    found.unwrap().select(&td).map(|cell| cell.text().collect::<String>().trim().to_owned()).collect()
}

on_both! {
    async fn members_are_listed_found_and_turned_over(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        app.signed_in("Ann.Lee@example.com").await;
        let list = admin.get("/admin/users").await;
        assert_eq!(list.texts(".rows tbody th a"), ["root@example.com", "Ann.Lee@example.com"]);
        assert_eq!(list.texts(".rows td[data-label='Effective tier']"), ["Premium trial", "Premium trial"]);
        assert_eq!(list.texts(".rows td[data-label='State']"), ["Admin active", "active"]);
        assert_eq!(list.text(".rows td[data-label='Member since']"), "21 November 2026");
        assert_eq!(list.text("nav a[aria-current]"), "Admin");
        assert_eq!(list.text(".rooms a[aria-current]"), "Members");

        let found = admin.get("/admin/users?q=ANN.l").await;
        assert_eq!(found.texts(".rows tbody th a"), ["Ann.Lee@example.com"]);
        assert_eq!(found.attribute("#q", "value").as_deref(), Some("ANN.l"));
        let ann = id_of(&app, "ann.lee@example.com").await;
        let by_id = admin.get(&format!("/admin/users?q={ann}")).await;
        assert_eq!(by_id.texts(".rows tbody th a"), ["Ann.Lee@example.com"]);
        let nobody = admin.get("/admin/users?q=100%25").await;
        assert_eq!(nobody.text(".empty b"), "Nobody was found");

        with_members(&app, 60).await;
        let first = admin.get("/admin/users?q=app-").await;
        let next = first.attribute("a[rel=next]", "href").unwrap();
        assert!(next.starts_with("/admin/users?q=app-&after="), "{next}");
        let second = admin.get(&next).await;
        let shown: Vec<String> = [first.texts(".rows tbody th a"), second.texts(".rows tbody th a")].concat();
        let expected: Vec<String> = (0..60).map(|number| format!("app-{number:03}")).collect();
        assert_eq!(shown, expected);
        assert_eq!(second.attribute("a[rel=next]", "href"), None);
        assert_eq!(second.attribute("nav.row a", "href").as_deref(), Some("/admin/users?q=app-"));
        // A page that is exactly full has nothing after it.
        let full = admin.get("/admin/users?q=app-00").await;
        assert_eq!((full.texts(".rows tbody tr").len(), full.attribute("a[rel=next]", "href")), (10, None));
    }

    async fn everything_about_a_member_is_told_with_the_reasons(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        app.signed_in("ann@example.com").await;
        let ann = id_of(&app, "ann@example.com").await;
        app.env.clock.advance(TimeDelta::days(14));
        admin = { app.sign_in(&mut admin, "root@example.com", "").await; admin };
        let page = page_of(&app, &mut admin, "ann@example.com").await;
        assert_eq!(page.text("h1"), "ann@example.com");
        assert_eq!(page.texts(".facts dd")[0], "ann@example.com");
        assert_eq!(page.texts(".facts dd")[1], "none");
        assert_eq!(page.texts(".lines li"), ["Free own tier"]);
        assert_eq!(row(&page, "photos"), ["5", "0", "5", "", "tier"]);
        assert_eq!(row(&page, "export_csv"), ["off", "", "", "", "tier"]);

        let set = admin.submit(&page, &form("tier"), &[("tier", "basic")]).await;
        assert_eq!(set.location(), format!("/admin/users/{ann}?said=tier"));
        let photos = "ai_calls".parse().unwrap();
        usage::hold(&app.env, ann, &photos, 2, "app").await.unwrap();
        let page = admin.get(set.location()).await;
        assert_eq!(page.text(".note"), "The own tier is set.");
        assert_eq!(row(&page, "ai_calls"), ["3", "0 + 2 held", "1", "1 January 2027", "tier"]);
        let trails = page.texts(".trail");
        assert_eq!(trails.len(), 11);
        assert!(trails[6].contains("Basic by own tier: the strongest."), "{}", trails[6]);
        assert!(trails[6].contains("Basic has 3. decides"), "{}", trails[6]);
        assert!(!trails[6].contains("off. decides"), "{}", trails[6]);

        let unknown = admin.submit(&page, &form("tier"), &[("tier", "gold")]).await;
        assert_eq!((unknown.status.as_u16(), unknown.text("#tier-error").as_str()), (422, "Choose a tier of the list."));
    }

    async fn a_restriction_is_set_explained_and_removed(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        app.signed_in("ann@example.com").await;
        let ann = id_of(&app, "ann@example.com").await;
        let page = page_of(&app, &mut admin, "ann@example.com").await;
        let typed =
            [("feature", "photos"), ("limit", "5k"), ("reason", "A\u{a0}trusted <tester>"), ("until", "2026-11-30")];
        let set = admin.submit(&page, &form("restrict"), &typed).await;
        assert_eq!(set.location(), format!("/admin/users/{ann}?said=restricted"));
        let page = admin.get(set.location()).await;
        assert_eq!(row(&page, "photos"), ["5,000", "0", "5,000", "", "exception"]);
        let line = page.text("section:has(#restrictions) .sessions li");
        assert!(line.starts_with("Progress photos: 5,000 A\u{a0}trusted <tester>") || line.contains("<tester>"), "{line}");
        assert!(line.contains("through 30 November 2026 · root@example.com"), "{line}");
        assert!(page.texts(".trail")[5].contains("decides"), "{}", page.texts(".trail")[5]);

        // The last day counts to its end.
        app.env.clock.advance("2026-11-30T23:59:59Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap() - app.env.clock.now());
        assert_eq!(left(&app, ann).await, Some(5_000));
        app.env.clock.advance(TimeDelta::seconds(1));
        assert_eq!(left(&app, ann).await, None, "premium has no limit");
        app.sign_in(&mut admin, "root@example.com", "").await;
        let page = page_of(&app, &mut admin, "ann@example.com").await;
        assert!(page.text("section:has(#restrictions) .sessions li").contains("ended"), "{}", page.body);

        let removed = admin.submit(&page, &form("unrestrict"), &[]).await;
        assert_eq!(removed.location(), format!("/admin/users/{ann}?said=unrestricted"));
        let page = admin.get(removed.location()).await;
        assert!(page.text("section:has(#restrictions)").contains("There are none."));
        let again = admin.post(&format!("/admin/users/{ann}/unrestrict"), &[("feature", "photos")]).await;
        assert_eq!(again.location(), format!("/admin/users/{ann}?said=nothing"));
    }

    async fn what_is_wrong_with_a_restriction_stands_beside_its_field(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        app.signed_in("ann@example.com").await;
        let page = page_of(&app, &mut admin, "ann@example.com").await;
        let typed = [("feature", "photos"), ("limit", "lots"), ("reason", " "), ("until", "2026-11-20")];
        let wrong = admin.submit(&page, &form("restrict"), &typed).await;
        assert_eq!(wrong.status, 422);
        assert_eq!(wrong.text("#limit-error"), "Type a number, off, on or ∞.");
        assert_eq!(wrong.text("#reason-error"), "Say why, in at most 500 characters.");
        assert_eq!(wrong.text("#until-error"), "The last day lies ahead.");
        assert_eq!(wrong.attribute("#limit", "value").as_deref(), Some("lots"));
        assert_eq!(wrong.attribute("#limit", "aria-describedby").as_deref(), Some("limit-error limit-hint"));
        assert_eq!(wrong.attribute("#feature option[selected]", "value").as_deref(), Some("photos"));
        assert_eq!(wrong.attribute("footer input[name=back]", "value"), page.attribute("footer input[name=back]", "value"));

        let switch = [("feature", "export_csv"), ("limit", "7"), ("reason", "why"), ("until", "soon")];
        let wrong = admin.submit(&wrong, &form("restrict"), &switch).await;
        assert_eq!(wrong.text("#limit-error"), "This feature is only on or off.");
        assert_eq!(wrong.text("#until-error"), "A day is written as 2026-12-31.");
        let empty = [("feature", ""), ("limit", ""), ("reason", "a\0b")];
        let wrong = admin.submit(&page, &form("restrict"), &empty).await;
        assert_eq!(wrong.text("#feature-error"), "Choose a feature of the list.");
        assert_eq!(wrong.text("#reason-error"), "Say why, in at most 500 characters.");
        let nothing = admin.submit(&page, &form("restrict"), &[("feature", "photos"), ("limit", ""), ("reason", "x")]).await;
        assert_eq!(nothing.text("#limit-error"), "Type a number, off, on or ∞.");
        let ann = id_of(&app, "ann@example.com").await;
        let known = entitlements::known(&app.env, ann).await.unwrap().unwrap();
        assert!(known.standing.restrictions().is_empty());
    }

    async fn a_form_of_credit_gives_once_however_often_it_is_sent(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        with_members(&app, 1).await;
        let member = id_of(&app, "app-000").await;
        let page = page_of(&app, &mut admin, "app-000").await;
        let credit = form("credit");
        let typed = [("days", "10"), ("note", "for the fair")];
        let given = admin.submit(&page, &credit, &typed).await;
        assert_eq!(given.location(), format!("/admin/users/{member}?said=credit"));
        let again = admin.submit(&page, &credit, &typed).await;
        assert_eq!(again.location(), format!("/admin/users/{member}?said=credit-twice"));
        let page = admin.get(given.location()).await;
        assert!(page.text("section:has(#credit) p").starts_with("10 days are left, until "), "{}", page.body);
        assert_eq!(page.texts("section:has(#credit) .log li").len(), 1);
        let line = page.text("section:has(#credit) .log li");
        assert!(line.starts_with("+10 days") && line.contains("root@example.com · for the fair"), "{line}");
        // Another form gives again.
        admin.submit(&page, &credit, &[("days", "1")]).await;
        let page = page_of(&app, &mut admin, "app-000").await;
        assert!(page.text("section:has(#credit) p").starts_with("11 days are left"));

        for bad in ["0", "-5", "3651", "ten", "", "99999999999999999999"] {
            let wrong = admin.submit(&page, &credit, &[("days", bad)]).await;
            assert_eq!((wrong.status.as_u16(), wrong.text("#days-error").as_str()), (422, "A number of days from 1 to 3,650."), "{bad}");
            assert_eq!(wrong.attribute("#days", "value").as_deref(), Some(bad));
        }
        let long = "x".repeat(501);
        let wrong = admin.submit(&page, &credit, &[("days", "1"), ("note", &long)]).await;
        assert_eq!(wrong.text("#note-error"), "A note has at most 500 characters.");
        assert_eq!(wrong.text("#days-error"), "");
        let forged = admin.submit(&page, &credit, &[("days", "1"), ("key", "mine")]).await;
        assert_eq!(forged.status, 422);

        let ended = admin.submit(&page, &form("credit/end"), &[]).await;
        assert_eq!(ended.location(), format!("/admin/users/{member}?said=credit-ended"));
        let page = admin.get(ended.location()).await;
        assert!(page.text("section:has(#credit) p").starts_with("No credit is left."));
        assert_eq!(credits::revoke(&app.env, member, "operator").await.unwrap(), None);
    }

    async fn an_account_is_disabled_and_opened_again_but_not_ones_own(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        let mut ann = app.signed_in("ann@example.com").await;
        let page = page_of(&app, &mut admin, "ann@example.com").await;
        // The button that does it waits behind one that asks.
        assert_eq!(page.text("details:not([open]):has(form[action$='/disable']) > summary"), "Disable account …");
        let disabled = admin.submit(&page, &form("disable"), &[]).await;
        assert!(disabled.location().ends_with("?said=disabled"));
        assert_eq!(ann.get("/settings").await.status, 303, "they are signed out");
        let page = admin.get(disabled.location()).await;
        assert!(page.text(".badge.stop").starts_with("disabled since "));
        assert!(page.text(".trail").contains("closed"), "{}", page.text(".trail"));
        assert!(page.text(".verdict.no").contains("not allowed"));
        let enabled = admin.submit(&page, &form("enable"), &[]).await;
        assert!(enabled.location().ends_with("?said=enabled"));

        let own = id_of(&app, "root@example.com").await;
        let page = page_of(&app, &mut admin, "root@example.com").await;
        assert!(!page.body.contains(&format!("/admin/users/{own}/disable")));
        let refused = admin.post(&format!("/admin/users/{own}/disable"), &[]).await;
        assert_eq!(refused.status, 422);
        assert_eq!(refused.text(".alert"), "You cannot disable the account you are signed in with.");
        assert_eq!(admin.get("/admin/users").await.status, 200);
    }

    async fn sessions_are_ended_by_an_admin_and_the_log_says_by_whom(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        let mut phone = app.signed_in("ann@example.com").await;
        let mut laptop = app.signed_in("ann@example.com").await;
        let ann = id_of(&app, "ann@example.com").await;
        let page = page_of(&app, &mut admin, "ann@example.com").await;
        assert_eq!(page.texts("section:has(#sessions) .sessions li").len(), 2);
        let ended = admin.submit(&page, &form("sessions/revoke"), &[]).await;
        assert!(ended.location().ends_with("?said=session"));
        assert_eq!(laptop.get("/settings").await.status, 303);
        assert_eq!(phone.get("/settings").await.status, 200);
        // Somebody else's session is not theirs to end on this page.
        let own = page_of(&app, &mut admin, "root@example.com").await;
        let own_session = own.attribute("input[name=session]", "value").unwrap();
        let foreign = admin.submit(&page, &form("sessions/revoke"), &[("session", &own_session)]).await;
        assert!(foreign.location().ends_with("?said=nothing"));
        assert_eq!(admin.get("/admin/users").await.status, 200);

        let all = admin.submit(&page, &form("sessions/revoke-all"), &[]).await;
        assert!(all.location().ends_with("?said=sessions"));
        assert_eq!(phone.get("/settings").await.status, 303);
        let page = admin.get(all.location()).await;
        let log = page.texts("section:has(#activity) .log li");
        assert!(log.iter().any(|line| line.contains("root@example.com")), "{}", page.body);
        let mut reader = app.env.db.reader().await.unwrap();
        let lines = activity::list_by_user(&mut reader.conn(), ann, 10).await.unwrap();
        let ended: Vec<_> = lines.iter().filter(|line| line.action == "sessions_ended").collect();
        assert_eq!(ended.len(), 2);
        assert!(ended.iter().all(|line| line.actor == "root@example.com" && line.user_id == Some(ann)));
    }

    async fn nonsense_in_one_field_of_a_good_form_breaks_nothing(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        app.signed_in("ann@example.com").await;
        let ann = id_of(&app, "ann@example.com").await;
        let page = page_of(&app, &mut admin, "ann@example.com").await;
        let key = page.attribute("input[name=key]", "value").unwrap();
        let long = "x".repeat(10_000);
        let nonsense = ["", "\0", "a\0b", "a\r\nb", "\u{202e}", "'; DROP TABLE users; --", "<script>alert(1)</script>", &long];
        let forms: [(&str, &[(&str, &str)]); 5] = [
            ("tier", &[("tier", "basic")]),
            ("restrict", &[("feature", "photos"), ("limit", "5"), ("reason", "why"), ("until", "2027-01-01")]),
            ("unrestrict", &[("feature", "photos")]),
            ("credit", &[("days", "1"), ("note", "why"), ("key", &key)]),
            ("sessions/revoke", &[("session", "0192f0c1-2345-7abc-8def-0123456789ab")]),
        ];
        for (action, fields) in forms {
            for (name, _) in fields {
                for value in nonsense {
                    let replaced: Vec<(&str, &str)> =
                        fields.iter().map(|(other, good)| (*other, if other == name { value } else { good })).collect();
                    let answer = admin.post(&format!("/admin/users/{ann}/{action}"), &replaced).await;
                    let status = answer.status.as_u16();
                    assert!(matches!(status, 303 | 422), "{action} {name}={value:.20?}: {status}");
                    assert!(!answer.body.contains("<script>alert"), "{action} {name}");
                }
            }
        }
    }

    async fn a_member_sees_none_of_it(app: TestApp) {
        app.signed_in_admin("root@example.com").await;
        let mut ann = app.signed_in("ann@example.com").await;
        let id = id_of(&app, "ann@example.com").await;
        assert_eq!(ann.get(&format!("/admin/users/{id}")).await.status, 404);
        for (path, fields) in [
            ("tier", ("tier", "premium")),
            ("restrict", ("feature", "photos")),
            ("credit", ("days", "10")),
            ("enable", ("", "")),
        ] {
            let refused = ann.post(&format!("/admin/users/{id}/{path}"), &[fields]).await;
            assert_eq!(refused.status, 404, "{path}");
        }
        let settings = ann.get("/settings").await;
        assert!(!settings.body.contains("/admin"), "{}", settings.body);
    }
}

async fn left(app: &TestApp, user: UserId) -> Option<i64> {
    let known = entitlements::known(&app.env, user).await.unwrap().unwrap();
    let decisions = entitlements::entitlements(&known, app.env.clock.now());
    decisions.into_iter().find(|decision| decision.feature.as_str() == "photos").unwrap().remaining
}
