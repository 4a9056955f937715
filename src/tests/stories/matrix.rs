//! The matrix: editing it with and without JavaScript, colliding, and taking back.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Barrier;
use vouchsafe::{
    domain::{
        catalogue::{Feature, Tier},
        limit::{Cell, Limit},
        matrix::{CellChange, Matrix},
    },
    services::matrix::{self, CommitError},
    store::{activity, catalogue, matrix as cells},
};

use crate::harness::{Browser, Page, TestApp, on_both};

async fn read(app: &TestApp) -> Matrix {
    matrix::read(&app.env).await.unwrap()
}

fn cell(matrix: &Matrix, tier: &str, feature: &str) -> (Cell, i64) {
    matrix.cell(&tier.parse().unwrap(), &feature.parse().unwrap())
}

async fn change(app: &TestApp, tier: &str, feature: &str, limit: Cell) -> CellChange {
    let (tier, feature) = (tier.parse().unwrap(), feature.parse().unwrap());
    let (_, version) = read(app).await.cell(&tier, &feature);
    CellChange { tier, feature, limit, version }
}

/// Sends every field of the first form of a page, with some replaced.
async fn submit(browser: &mut Browser, page: &Page, form: &str, replaced: &[(&str, &str)]) -> Page {
    let document = scraper::Html::parse_document(&page.body);
    let select = |selector: &str| scraper::Selector::parse(selector).unwrap();
    let element = document.select(&select(form)).next().unwrap_or_else(|| panic!("no {form}"));
    let action = element.value().attr("action").unwrap().to_owned();
    let id = element.value().attr("id").unwrap_or("");
    let mut fields: Vec<(String, String)> = Vec::new();
    let (inside, outside) = (select("input"), select(&format!("input[form='{id}']")));
    let inputs = element.select(&inside).chain(document.select(&outside));
    for input in inputs {
        let (Some(name), value) = (input.value().attr("name"), input.value().attr("value").unwrap_or("")) else {
            continue;
        };
        let is_unchecked = input.value().attr("type") == Some("radio") && input.value().attr("checked").is_none();
        if !is_unchecked {
            fields.push((name.to_owned(), value.to_owned()));
        }
    }
    for (name, value) in replaced {
        fields.retain(|(other, _)| other != name);
        fields.push(((*name).to_owned(), (*value).to_owned()));
    }
    drop(document);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.post(&action, &fields).await
}

/// Adds tiers and features until the matrix no longer fits one page.
async fn make_large(app: &TestApp) {
    let mut tx = app.env.db.begin().await.unwrap();
    let conn = &mut tx.conn();
    cells::raise_version(conn).await.unwrap();
    let tiers = catalogue::tiers(conn).await.unwrap();
    let features = catalogue::features(conn).await.unwrap();
    for number in 0..46 {
        let id = format!("tier_{number}").parse().unwrap();
        let tier = Tier { id, name: format!("Tier {number}"), sort_order: 10 + number, ..tiers[0].clone() };
        catalogue::put_tier(conn, &tier, app.env.clock.now()).await.unwrap();
    }
    for number in 0..239 {
        let id = format!("feature_{number}").parse().unwrap();
        let feature = Feature { id, sort_order: 100 + number, category: "zoo".to_owned(), ..features[0].clone() };
        catalogue::put_feature(conn, &feature, app.env.clock.now()).await.unwrap();
    }
    tx.commit().await.unwrap();
    app.env.configuration_changed();
}

on_both! {
    async fn a_large_matrix_is_turned_like_a_book(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        assert!(admin.get("/admin/matrix").await.texts("nav a[href*='page=']").is_empty(), "a small one has one page");
        make_large(&app).await;
        // 50 tiers and 250 features: a hundred rows make a page.
        let mut rows = Vec::new();
        for page in 1..=3 {
            let page = admin.get(&format!("/admin/matrix?page={page}")).await;
            rows.extend(page.texts("tbody th small"));
        }
        assert_eq!(rows.len(), 250, "every row is on one of the pages");
        let again = admin.get("/admin/matrix?page=99").await;
        assert_eq!(again.texts("tbody th small"), rows[200..], "beyond the end is the end");
        let edited = admin.get("/admin/matrix?edit=feature_238").await;
        assert!(edited.attribute("input[name='limit.tier_45']", "name").is_some(), "the page of the row that is edited");
    }

    async fn an_admin_edits_a_row_without_script_and_takes_it_back(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        app.signed_in("ann@example.com").await;
        let page = admin.get("/admin/matrix?edit=photos").await;
        assert_eq!(page.attribute("input[name='limit.free']", "value").as_deref(), Some("5"));
        assert_eq!(page.attribute("input[name='limit.premium']", "value").as_deref(), Some("∞"));

        let review = submit(&mut admin, &page, "#row", &[("limit.free", "8"), ("limit.premium", "1k")]).await;
        assert_eq!(review.status, 200, "{}", review.body);
        assert_eq!(review.texts(".changes .num"), ["5 → 8", "∞ → 1,000"]);
        // Both are on trial, so nobody is on free and two are on premium.
        assert_eq!(review.texts(".changes .effect"), ["▲ nobody is on this tier", "▼ 2 members lose"]);
        assert_eq!(review.text(".consequence"), "2 changes · Nobody gains, 2 members lose.");

        let saved = submit(&mut admin, &review, "form[action='/admin/matrix/commit']", &[("reason", "spring")]).await;
        assert_eq!(saved.status, 303, "{}", saved.body);
        let page = admin.get(saved.location()).await;
        assert!(page.text(".note").starts_with("2 changes are saved."), "{}", page.body);
        assert_eq!(cell(&read(&app).await, "free", "photos").0, Cell::Own(Limit::At(8)));

        let mut reader = app.env.db.reader().await.unwrap();
        let lines = activity::list_by_action(&mut reader.conn(), matrix::ACTION, 10).await.unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].actor, "root@example.com");
        assert_eq!(lines[0].details["reason"], "spring");
        assert_eq!(lines[0].details["changes"][0]["before"], 5);
        drop(reader);

        let undone = submit(&mut admin, &page, "form[action='/admin/matrix/undo']", &[]).await;
        let page = admin.get(undone.location()).await;
        assert_eq!(page.text(".note"), "The change was taken back.");
        let after = read(&app).await;
        assert_eq!(cell(&after, "free", "photos").0, Cell::Own(Limit::At(5)));
        assert_eq!(cell(&after, "premium", "photos").0, Cell::Own(Limit::Unlimited));
    }

    async fn a_row_that_cannot_be_read_comes_back_as_typed(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        let page = admin.get("/admin/matrix?edit=export_csv").await;
        let again = submit(&mut admin, &page, "#row", &[("limit.free", "lots"), ("limit.basic", "7")]).await;
        assert_eq!(again.status, 422);
        assert_eq!(again.attribute("input[name='limit.free']", "value").as_deref(), Some("lots"));
        assert_eq!(again.text("#error-free"), "Type a number, off, ∞, or nothing for the default.");
        assert_eq!(again.text("#error-basic"), "This feature is only on or off.");
        let unchanged = submit(&mut admin, &page, "#row", &[]).await;
        assert_eq!(unchanged.location(), "/admin/matrix");
    }

    async fn an_empty_cell_shows_the_default(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        let emptied = [
            change(&app, "free", "photos", Cell::Inherited).await,
            change(&app, "basic", "ai_calls", Cell::Inherited).await,
        ];
        matrix::commit(&app.env, "root@example.com", &emptied, "").await.unwrap();
        let page = admin.get("/admin/matrix").await;
        assert_eq!(page.text("td.inh[data-tier=free][data-feature=photos]"), "∞ default");
        assert_eq!(page.text("td.inh[data-tier=basic][data-feature=ai_calls]"), "off default");
        let german = admin.post("/language", &[("lang", "de")]).await;
        assert_eq!(german.status, 303);
        let page = admin.get("/admin/matrix").await;
        assert_eq!(page.text("td.inh[data-tier=basic][data-feature=ai_calls]"), "aus Standard");
        assert!(page.texts("th .name").contains(&"Progress-Fotos".to_owned()));
    }

    async fn the_island_previews_and_commits(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        let wanted = change(&app, "basic", "photos", Cell::Own(Limit::At(80))).await;
        let preview = admin.call("/calls/preview_matrix", json!({ "changes": [wanted] })).await;
        assert_eq!(preview.status, 200, "{}", preview.body);
        let preview: String = serde_json::from_str(&preview.body).unwrap();
        assert!(preview.contains("data-step=\"save\"") && preview.contains("80"), "{preview}");
        let saved = admin.call("/calls/commit_matrix", json!({ "changes": [wanted], "reason": "" })).await;
        assert_eq!(saved.status, 200, "{}", saved.body);
        let id: String = serde_json::from_str(&saved.body).unwrap();
        assert!(admin.get(&format!("/admin/matrix?saved={id}")).await.text(".note").starts_with("1 change is saved."));

        let stale = admin.call("/calls/commit_matrix", json!({ "changes": [{ "tier": "basic", "feature": "photos", "limit": 90, "version": wanted.version }], "reason": "" })).await;
        assert_eq!(stale.status, 409, "{}", stale.body);
        let stale: Value = serde_json::from_str(&stale.body).unwrap();
        let html = stale["dialog"]["html"].as_str().unwrap();
        assert!(html.contains("data-theirs=\"80\"") && html.contains("root@example.com"), "{html}");
    }

    async fn the_islands_calls_are_for_admins(app: TestApp) {
        let mut member = app.signed_in("ann@example.com").await;
        let wanted = change(&app, "basic", "photos", Cell::Own(Limit::At(80))).await;
        for browser in [&mut member, &mut app.browser()] {
            for path in ["/calls/preview_matrix", "/calls/commit_matrix"] {
                let answer = browser.call(path, json!({ "changes": [wanted], "reason": "" })).await;
                assert_eq!(answer.status, 403, "{path}");
            }
        }
        assert_eq!(cell(&read(&app).await, "basic", "photos").0, Cell::Own(Limit::At(50)));
    }

    async fn a_collision_is_shown_and_decided(app: TestApp) {
        let mut ann = app.signed_in_admin("ann@example.com").await;
        let mut bob = app.signed_in_admin("bob@example.com").await;
        let mut seen = app.signed_in("ann@example.com").await;
        std::mem::swap(&mut ann, &mut seen);
        let page = ann.get("/admin/matrix?edit=photos").await;
        let review = submit(&mut ann, &page, "#row", &[("limit.free", "8"), ("limit.basic", "70")]).await;

        let theirs = bob.get("/admin/matrix?edit=photos").await;
        let theirs = submit(&mut bob, &theirs, "#row", &[("limit.free", "20"), ("limit.basic", "60")]).await;
        submit(&mut bob, &theirs, "form[action='/admin/matrix/commit']", &[]).await;

        let collided = submit(&mut ann, &review, "form[action='/admin/matrix/commit']", &[]).await;
        assert_eq!(collided.status, 409);
        assert_eq!(collided.texts(".conflicts .num"), ["20", "8", "60", "70"]);
        assert!(collided.text(".conflicts small").starts_with("bob@example.com, "), "{}", collided.body);
        assert_eq!(cell(&read(&app).await, "free", "photos").0, Cell::Own(Limit::At(20)), "nothing half-written");

        let again = submit(&mut ann, &collided, "form", &[("choice.0", "mine"), ("choice.1", "theirs")]).await;
        assert_eq!(again.status, 200, "{}", again.body);
        assert_eq!(again.texts(".changes .num"), ["20 → 8"]);
        let saved = submit(&mut ann, &again, "form[action='/admin/matrix/commit']", &[]).await;
        assert_eq!(saved.status, 303);
        let after = read(&app).await;
        assert_eq!(cell(&after, "free", "photos").0, Cell::Own(Limit::At(8)));
        assert_eq!(cell(&after, "basic", "photos").0, Cell::Own(Limit::At(60)));
    }

    async fn who_emptied_a_cell_is_known_too(app: TestApp) {
        let mine = change(&app, "free", "photos", Cell::Own(Limit::At(8))).await;
        let emptied = change(&app, "free", "photos", Cell::Inherited).await;
        matrix::commit(&app.env, "bob@example.com", &[emptied], "").await.unwrap();
        let refused = matrix::commit(&app.env, "ann@example.com", &[mine], "").await;
        let Err(CommitError::Conflicts(conflicts)) = refused else { panic!("{refused:?}") };
        assert_eq!(conflicts[0].theirs, Cell::Inherited);
        assert_eq!(conflicts[0].changed_by.as_deref(), Some("bob@example.com"));
        assert_eq!(conflicts[0].version, 0);
    }

    async fn what_somebody_else_changed_since_is_not_undone_unseen(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        let first = change(&app, "free", "photos", Cell::Own(Limit::At(8))).await;
        let first = matrix::commit(&app.env, "root@example.com", &[first], "").await.unwrap();
        let second = change(&app, "free", "photos", Cell::Own(Limit::At(9))).await;
        matrix::commit(&app.env, "bob@example.com", &[second], "").await.unwrap();
        let page = admin.post("/admin/matrix/undo", &[("change", &first.activity.to_string())]).await;
        assert_eq!(page.status, 409, "{}", page.body);
        assert_eq!(page.texts(".conflicts .num"), ["9", "5"]);
        let nowhere = admin.post("/admin/matrix/undo", &[("change", "0192f0c1-2345-7abc-8def-0123456789ab")]).await;
        assert_eq!(nowhere.status, 404);
        assert!(nowhere.text(".alert").starts_with("That change cannot be undone"));
    }

    async fn of_many_who_save_the_same_cell_at_once_one_wins(app: TestApp) {
        let seen = change(&app, "free", "photos", Cell::Own(Limit::At(0))).await;
        let barrier = Arc::new(Barrier::new(24));
        let mut racing = tokio::task::JoinSet::new();
        for nth in 0..24 {
            let (env, barrier) = (app.env.clone(), barrier.clone());
            let wanted = CellChange { limit: Cell::Own(Limit::At(100 + nth)), ..seen.clone() };
            racing.spawn(async move {
                barrier.wait().await;
                matrix::commit(&env, "root@example.com", &[wanted], "").await.is_ok()
            });
        }
        assert_eq!(racing.join_all().await.into_iter().filter(|won| *won).count(), 1);
    }

    async fn a_reason_can_be_demanded(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        vouchsafe::services::catalogue::set_setting(&app.env, "operator", "matrix_reason_required", "true").await.unwrap();
        let page = admin.get("/admin/matrix?edit=photos").await;
        let review = submit(&mut admin, &page, "#row", &[("limit.free", "8")]).await;
        assert_eq!(review.text("#reason-hint"), "required; it is kept in the log");
        let without = submit(&mut admin, &review, "form[action='/admin/matrix/commit']", &[("reason", " ")]).await;
        assert_eq!(without.status, 422);
        assert_eq!(without.text("#reason-error"), "Say why: a reason is required.");
        let long = "x".repeat(501);
        let long = submit(&mut admin, &without, "form[action='/admin/matrix/commit']", &[("reason", &long)]).await;
        assert_eq!(long.text("#reason-error"), "A reason has at most 500 characters.");
        let with = submit(&mut admin, &without, "form[action='/admin/matrix/commit']", &[("reason", "spring")]).await;
        assert_eq!(with.status, 303);
    }
}
