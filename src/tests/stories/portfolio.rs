//! A member's portfolio: typed, pasted, imported, saved in versions, restored.

use axum::{body::Body, http::Method};
use vouchsafe::{
    domain::quotes::{DailyClose, Quote, QuoteRow},
    services::quotes,
};

use crate::harness::{Browser, Page, TestApp, on_both};

/// Fills in the form with one row a line, `SYMBOL quantity cost price`, and saves.
async fn save(browser: &mut Browser, base: &str, lines: &[&str]) -> Page {
    let mut fields = vec![("base", base)];
    for line in lines {
        let mut parts = line.split(' ');
        for name in ["symbol", "quantity", "cost_basis", "price"] {
            fields.push((name, parts.next().unwrap_or("")));
        }
    }
    browser.post("/portfolio", &fields).await
}

/// Returns the rows of the form in which something stands.
fn rows(page: &Page) -> Vec<String> {
    let document = scraper::Html::parse_document(&page.body);
    let all = scraper::Selector::parse(".entry tbody tr:not(.wrong)").unwrap();
    let inputs = scraper::Selector::parse("input").unwrap();
    let row = |row: scraper::ElementRef<'_>| {
        row.select(&inputs).map(|input| input.attr("value").unwrap_or("").to_owned()).collect::<Vec<_>>().join(" ")
    };
    document.select(&all).map(row).filter(|row| !row.trim().is_empty()).map(|row| row.trim_end().to_owned()).collect()
}

/// Returns the rows of the plain tables, their cells with a bar between.
fn cells(page: &Page) -> Vec<String> {
    let document = scraper::Html::parse_document(&page.body);
    let all = scraper::Selector::parse(".plain tbody tr").unwrap();
    let cells = scraper::Selector::parse("th, td").unwrap();
    let text = |cell: scraper::ElementRef<'_>| cell.text().collect::<Vec<_>>().join(" ");
    document.select(&all).map(|row| row.select(&cells).map(text).collect::<Vec<_>>().join(" | ")).collect()
}

/// Sends the form with a file, as a browser does for the button “Read in”.
async fn import(browser: &mut Browser, fields: &[(&str, &str)], file: &[u8]) -> Page {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes());
    }
    body.extend(b"--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n");
    body.extend(file);
    body.extend(b"\r\n--edge--\r\n");
    let request = browser
        .request(Method::POST, "/portfolio/import")
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "multipart/form-data; boundary=edge")
        .body(Body::from(body))
        .unwrap();
    browser.send(request).await
}

async fn quote(app: &TestApp, symbol: &str, price: &str, currency: Option<&str>, name: Option<&str>) {
    let text = |text: Option<&str>| text.map(str::to_owned);
    let row = Quote {
        symbol: symbol.parse().unwrap(),
        price: price.parse().unwrap(),
        currency: text(currency),
        name: text(name),
        quoted_on: app.env.clock.now().date_naive(),
    };
    quotes::import(&app.env, &[QuoteRow::Quote(row)], "operator").await.unwrap();
}

on_both! {
    async fn a_member_saves_what_they_hold_and_sees_what_it_amounts_to(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let first = ann.get("/portfolio").await;
        assert_eq!((first.status.as_u16(), first.text("h1").as_str()), (200, "Portfolio"));
        assert_eq!(first.text(".bar nav a[aria-current=page]"), "Portfolio");
        assert!(first.text("section").contains("No positions yet"), "{}", first.text("section"));
        assert_eq!((rows(&first).len(), first.texts(".entry tbody tr").len()), (0, 3));
        assert_eq!(first.text("#figures"), "", "nothing amounts to nothing");

        quote(&app, "VTI", "250", Some("USD"), Some("Vanguard <b>Total</b>")).await;
        let saved = save(&mut ann, "0", &["aapl 10 1500 180", "", "VTI 4 900", "GOLD 1 1,000 1200", "xyz 7"]).await;
        assert_eq!((saved.status.as_u16(), saved.location()), (303, "/portfolio?said=saved"), "{}", saved.body);
        let page = ann.get(saved.location()).await;
        assert_eq!(page.text("[role=status]"), "Your portfolio is saved.");
        assert_eq!(rows(&page), ["AAPL 10 1500 180", "VTI 4 900", "GOLD 1 1000 1200", "XYZ 7"]);
        assert_eq!(page.texts(".figures dd"), ["4,000.00", "+600.00 (17.6%)", "2.8 equal positions"]);
        let chart = page.attribute("svg.chart", "aria-label").unwrap();
        assert_eq!(chart, "Shares: AAPL 45.0%, GOLD 30.0%, VTI 25.0%");
        assert_eq!(page.attribute("svg.chart .bar-filled", "width").as_deref(), Some("45.00%"));
        assert_eq!(cells(&page)[2], "VTI Vanguard <b>Total</b> | 4 | 250 USD | 1,000.00 | 25.0% | +100.00 (11.1%)");
        assert!(page.body.contains("Without a price, and left out: XYZ."));
        assert!(page.body.contains("Too little history"));
        assert_eq!(page.texts(".versions li b"), ["Version 1"]);

        // Somebody else has their own.
        let mut bob = app.signed_in("bob@example.com").await;
        assert_eq!(rows(&bob.get("/portfolio").await), [""; 0]);
        assert_eq!(bob.get("/portfolio/versions/1").await.status, 404);
    }

    async fn risk_is_told_once_there_is_enough_history(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        save(&mut ann, "0", &["AAPL 10"]).await;
        let today = app.env.clock.now().date_naive();
        let closes = |days: std::ops::Range<i64>| -> Vec<QuoteRow> {
            days.map(|back| {
                let close = if back % 2 == 0 { "110" } else { "100" };
                let day = today - chrono::TimeDelta::days(back);
                QuoteRow::Daily(DailyClose { symbol: "AAPL".parse().unwrap(), day, close: close.parse().unwrap() })
            })
            .collect()
        };
        quotes::import(&app.env, &closes(0..29), "operator").await.unwrap();
        let page = ann.get("/portfolio").await;
        assert!(page.body.contains("Too little history"), "29 days are not enough");
        assert_eq!(page.texts(".figures dd")[0], "1,100.00", "the newest close is the price");
        quotes::import(&app.env, &closes(29..31), "operator").await.unwrap();
        let page = ann.get("/portfolio").await;
        assert_eq!(page.texts(".figures dd")[3..], ["154.1%", "9.1%"]);
        assert!(page.body.contains("Swings and falls over 31 trading days, 22 October 2026 to 21 November 2026"));
    }

    async fn every_save_is_a_version_that_can_be_restored_and_that_undone(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        save(&mut ann, "0", &["AAPL 1 100 100"]).await;
        save(&mut ann, "1", &["AAPL 2 200 100"]).await;
        save(&mut ann, "2", &[]).await;
        let page = ann.get("/portfolio").await;
        assert_eq!(page.texts(".versions li b"), ["Version 3", "Version 2", "Version 1"]);
        assert_eq!(page.texts(".versions .badge"), ["current"]);
        let again = save(&mut ann, "3", &["", ""]).await;
        assert_eq!(again.location(), "/portfolio?said=saved");
        assert_eq!(ann.get("/portfolio").await.texts(".versions li").len(), 3, "nothing new is no new version");

        let confirm = ann.get("/portfolio/versions/1").await;
        assert_eq!(confirm.text("h1"), "Version 1");
        assert_eq!(cells(&confirm), ["AAPL | 1 | 100 | 100"]);
        assert_eq!(rows(&ann.get("/portfolio").await), [""; 0], "to look changes nothing");
        let restored = ann.post("/portfolio/restore", &[("version", "1"), ("base", "3")]).await;
        assert_eq!(restored.location(), "/portfolio?said=restored");
        let page = ann.get(restored.location()).await;
        assert_eq!(page.text("[role=status] span"), "Version 1 is restored.");
        assert_eq!(rows(&page), ["AAPL 1 100 100"]);
        assert!(page.texts(".versions li")[0].contains("restored from version 1"));

        let field = |name: &str| page.attribute(&format!("[role=status] input[name={name}]"), "value").unwrap();
        let (version, base) = (field("version"), field("base"));
        let undone =
            ann.post("/portfolio/restore", &[("version", &version), ("base", &base), ("undo", "yes")]).await;
        assert_eq!(undone.location(), "/portfolio?said=undone");
        let page = ann.get(undone.location()).await;
        assert_eq!(page.text("[role=status]"), "The restore was taken back.");
        assert_eq!(rows(&page), [""; 0]);
        assert_eq!(page.texts(".versions li").len(), 5);

        // A link cannot make an undo of what was no restore.
        save(&mut ann, "5", &["VTI 1"]).await;
        assert_eq!(ann.get("/portfolio?said=restored").await.text("[role=status]"), "");
        assert_eq!(ann.get("/portfolio/versions/6").await.texts("form[action='/portfolio/restore']").len(), 0);
        assert_eq!(ann.post("/portfolio/restore", &[("version", "99"), ("base", "6")]).await.status, 404);
        assert_eq!(ann.post("/portfolio/restore", &[("version", "x"), ("base", "6")]).await.status, 422);
    }

    async fn who_saves_from_an_old_version_sees_both_and_chooses(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let mut phone = app.signed_in("ann@example.com").await;
        save(&mut ann, "0", &["AAPL 1"]).await;
        save(&mut phone, "1", &["VTI 2,5"]).await;
        let conflict = save(&mut ann, "1", &["BND 3.25 10.5", "BND 1 1 7"]).await;
        assert_eq!((conflict.status.as_u16(), conflict.text("h1").as_str()), (409, "Saved elsewhere meanwhile"));
        assert_eq!(cells(&conflict), ["VTI | 2.5 | – | –", "BND | 4.25 | 11.5 | 7"]);
        assert_eq!(rows(&ann.get("/portfolio").await), ["VTI 2.5"], "nothing is overwritten");

        // The form of the conflict saves mine after all.
        let value = |name: &str| conflict.attribute(&format!("form input[name={name}]"), "value").unwrap();
        let fields: Vec<(&str, String)> =
            ["base", "symbol", "quantity", "cost_basis", "price"].map(|name| (name, value(name))).to_vec();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(ann.post("/portfolio", &fields).await.location(), "/portfolio?said=saved");
        assert_eq!(rows(&ann.get("/portfolio").await), ["BND 4.25 11.5 7"]);

        // The same content is no conflict, and neither is a restore that nobody saw coming.
        assert_eq!(save(&mut phone, "2", &["BND 4.25 11.5 7"]).await.location(), "/portfolio?said=saved");
        let late = ann.post("/portfolio/restore", &[("version", "1"), ("base", "2")]).await;
        assert_eq!((late.status.as_u16(), late.text("h1").as_str()), (409, "Version 1"));
        assert!(late.text("[role=alert]").contains("changed meanwhile"));
        assert_eq!(late.attribute("input[name=base]", "value").as_deref(), Some("3"));
        // A base that is none, and one of a portfolio that was never saved.
        assert_eq!(save(&mut ann, "soon", &["AAPL 9"]).await.status, 409);
        let mut bob = app.signed_in("bob@example.com").await;
        assert_eq!(save(&mut bob, "7", &["AAPL 9"]).await.location(), "/portfolio?said=saved");
    }

    async fn rows_that_cannot_be_saved_come_back_as_typed(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let page = save(&mut ann, "0", &["AAPL 1", "A\"><b>B 1", "VTI x", "VTI 1 -5", "VTI 0", "VTI 1 1 1e9"]).await;
        assert_eq!(page.status, 422);
        assert_eq!(rows(&page), ["AAPL 1", "A\"><b>B 1", "VTI x", "VTI 1 -5", "VTI 0", "VTI 1 1 1e9"]);
        assert_eq!(
            page.texts(".wrong .err"),
            [
                "A symbol has 1 to 16 of the letters A–Z, digits, and . - ^ =",
                "Quantity: that is not a number.",
                "Cost in all: below zero is not possible.",
                "Quantity: it must be more than zero.",
                "Price: that is not a number.",
            ]
        );
        assert_eq!(page.attribute("[aria-invalid][name=quantity]", "aria-describedby").as_deref(), Some("row-3-error"));
        assert!(!page.body.contains("<b>B"));
        assert_eq!(rows(&ann.get("/portfolio").await), [""; 0], "nothing is saved");
        let much = save(&mut ann, "0", &["AAPL 10000000000", "AAPL 1"]).await;
        assert!(much.text("[role=alert]").contains("add up to more than 10,000,000,000"), "{}", much.status);
        let many: Vec<&str> = std::iter::repeat_n("A 1", 501).collect();
        let many = save(&mut ann, "0", &many).await;
        assert_eq!((many.status.as_u16(), many.text("[role=alert]").as_str()), (422, "A portfolio has at most 500 positions."));
    }

    async fn five_hundred_positions_fit(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let lines: Vec<String> =
            (0..500).map(|at| format!("LONGSYMBOL{at:06} 1234.1234567{} 12345.12 123.12", at % 10)).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let saved = save(&mut ann, "0", &lines).await;
        assert_eq!(saved.location(), "/portfolio?said=saved", "{}", saved.status);
        let page = ann.get("/portfolio").await;
        assert_eq!(rows(&page).len(), 500);
        assert_eq!(page.texts("svg.chart rect").len(), 22, "ten bars, and one for the others");
        assert!(page.attribute("svg.chart", "aria-label").unwrap().ends_with(", 490 more 98.0%"));
        let csv = lines.join("\n").replace(' ', ",");
        let imported = import(&mut ann, &[("base", "1"), ("replace", "yes")], csv.as_bytes()).await;
        assert_eq!((imported.status.as_u16(), rows(&imported).len()), (200, 500));
    }

    async fn lines_and_files_become_rows_that_are_saved_like_typed_ones(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let typed = [("base", "0"), ("symbol", "GOLD"), ("quantity", "1"), ("cost_basis", ""), ("price", "9")];
        let with = |pasted: &'static str| [&typed[..], &[("pasted", pasted)]].concat();
        let page = import(&mut ann, &with("AAPL 10 1500"), b"symbol,shares,price\nVTI,4,250\n").await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert_eq!(rows(&page), ["GOLD 1  9", "VTI 4  250", "AAPL 10 1500"]);
        assert_eq!(page.text("[role=status]"), "2 positions were read in. Nothing is saved yet: check the rows, then save.");
        assert_eq!(rows(&ann.get("/portfolio").await), [""; 0]);
        assert_eq!(page.text("textarea"), "");
        assert_eq!(page.attribute("details.import", "open"), None);

        let replaced = import(&mut ann, &[&with("")[..], &[("replace", "yes")]].concat(), b"BND;1,5;1.234,50").await;
        assert_eq!(rows(&replaced), ["BND 1.5 1234.5"]);

        let half = import(&mut ann, &with("VTI,1\nA B,1\n</textarea><script>alert(1)</script>,2"), b"").await;
        assert_eq!(half.status, 422);
        assert_eq!(rows(&half), ["GOLD 1  9", "VTI 1"]);
        assert!(half.text("[role=alert]").starts_with("1 position read in, 2 lines not."), "{}", half.text("[role=alert]"));
        assert_eq!(half.texts(".bad-lines li")[0], "Line 2: A symbol has 1 to 16 of the letters A–Z, digits, and . - ^ = A B,1");
        assert_eq!(half.text("textarea"), "A B,1 </textarea><script>alert(1)</script>,2", "to be corrected");
        assert!(!half.body.contains("<script>alert"));
        assert!(half.attribute("details.import", "open").is_some());

        let nothing = import(&mut ann, &with(" \n"), b"").await;
        assert_eq!((nothing.status.as_u16(), nothing.text("[role=alert]").as_str()), (422, "There was nothing to read in."));
        let old = import(&mut ann, &[("base", "0")], b"symbol,quantity,name\nAAPL,1,K\xfcrzel\n").await;
        assert_eq!(rows(&old), ["AAPL 1"]);
        assert_eq!(import(&mut ann, &typed, &vec![b'x'; 2 * 1024 * 1024]).await.status, 413);
        let many: Vec<(&str, &str)> = std::iter::repeat_n(("symbol", "A"), 2_300).collect();
        assert_eq!(import(&mut ann, &many, b"").await.status, 413);
        let form = ann.post("/portfolio/import", &typed).await;
        assert!(form.status.is_client_error(), "{}", form.status);
    }

    async fn more_rows_come_without_saving(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        let fields = [("base", "0"), ("symbol", "AAPL"), ("quantity", "x"), ("cost_basis", ""), ("price", ""), ("do", "more")];
        let page = ann.post("/portfolio", &fields).await;
        assert_eq!((page.status.as_u16(), rows(&page)), (200, vec!["AAPL x".to_owned()]));
        assert_eq!(page.texts(".entry tbody tr").len(), 11);
        assert_eq!(ann.get("/portfolio").await.texts(".versions li").len(), 0);
    }

    async fn germans_write_numbers_with_a_comma(app: TestApp) {
        let mut anna = app.browser().with_header("accept-language", "de");
        app.sign_in(&mut anna, "anna@example.com", "").await;
        let doubtful = save(&mut anna, "0", &["AAPL 1.234 1.500,50 180,25"]).await;
        assert_eq!(doubtful.status, 422);
        assert!(doubtful.text(".wrong .err").contains("auf zwei Arten"), "{}", doubtful.text(".wrong .err"));
        save(&mut anna, "0", &["AAPL 1,234 1.500,50 180,25"]).await;
        let page = anna.get("/portfolio").await;
        assert_eq!(rows(&page), ["AAPL 1,234 1500,5 180,25"]);
        assert_eq!(page.texts(".figures dd")[0], "222,43");
        let values: Vec<String> = rows(&page)[0].split(' ').map(str::to_owned).collect();
        let fields = [("base", "1"), ("symbol", &*values[0]), ("quantity", &*values[1]), ("cost_basis", &*values[2]), ("price", &*values[3])];
        assert_eq!(anna.post("/portfolio", &fields).await.location(), "/portfolio?said=saved");
        assert_eq!(anna.get("/portfolio").await.texts(".versions li").len(), 1, "what is shown is what is saved");
    }

    async fn a_hundred_versions_are_kept(app: TestApp) {
        let mut ann = app.signed_in("ann@example.com").await;
        for number in 0..103 {
            let line = format!("AAPL {}", number + 1);
            assert_eq!(save(&mut ann, &number.to_string(), &[&line]).await.status, 303);
        }
        let page = ann.get("/portfolio").await;
        assert_eq!(page.texts(".versions li").len(), 100);
        assert_eq!((ann.get("/portfolio/versions/3").await.status, ann.get("/portfolio/versions/4").await.status), (404.try_into().unwrap(), 200.try_into().unwrap()));
    }
}
