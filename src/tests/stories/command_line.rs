//! The command line, as an operator or a script runs it: the real program, its output and its
//! exit code.

use std::{
    io::{Read, Write},
    process::Output,
};

use serde_json::{Value, json};
use vouchsafe::{
    domain::payment::{
        BillingInterval, Provider,
        samples::{Happening, TestSubscription, period_end},
    },
    platform::clock::Clock,
    webhooks::signature,
};

use crate::harness::{Backend, Place, on_both_places};

on_both_places! {
    prices_are_set_listed_and_removed,
    credit_is_given_shown_and_ended,
    accounts_are_changed_and_listed,
    mistakes_are_told_apart_by_the_exit_code,
    the_schema_goes_up_and_down,
    what_somebody_may_use_is_asked_counted_and_explained,
    tiers_features_and_settings_are_made_and_changed,
    the_matrix_goes_out_and_comes_in_after_a_look,
    keys_are_made_once_listed_and_ended,
    what_providers_told_is_listed_shown_and_applied,
    providers_are_asked_and_what_needs_a_person_is_an_error,
    coupons_are_redeemed_and_grants_given_and_taken_back,
    partners_are_added_given_coupons_and_told_what_came_of_them,
    webhook_endpoints_are_made_tried_and_removed,
    letters_are_worded_tried_out_and_looked_after,
    people_are_invited_by_command,
}

#[test]
fn the_program_runs_alone_from_an_empty_folder_and_stops_when_told() {
    let place = Place::on(Backend::Sqlite).unwrap();
    let server = place.serve();
    let link = server.said.lines().find_map(|line| line.split_once("/admin/claim?token=")).unwrap().1.trim().to_owned();
    assert!(server.said.contains(&format!("http://{}/dev/mailbox", server.address)), "{}", server.said);
    assert!(server.request("GET /readyz", "").ends_with("ready\n"));

    let claimed = server.request("POST /admin/claim", &format!("token={link}&email=root%40example.com"));
    assert!(claimed.contains("location: /admin/matrix"), "{claimed}");
    let (code, out, _) = place.run(&["show-status", "root@example.com", "--json"]);
    assert_eq!(code, 0, "beside the running server");
    let status: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status["role"].as_str(), status["tier"].as_str()), (Some("admin"), Some("free")));
    assert_eq!(server.stop(), 0);

    let again = place.serve();
    assert!(!again.said.contains("/admin/claim"), "there is an admin: {}", again.said);
    drop(again);
    let made: Vec<String> = std::fs::read_dir(place.folder().join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(made.contains(&"vouchsafe.db".to_owned()) && made.contains(&"secret".to_owned()), "{made:?}");
}

fn prices_are_set_listed_and_removed(place: &Place) {
    assert_eq!(place.run(&["price", "list"]), (0, String::new(), String::new()));
    let said = |arguments: &[&str]| {
        let (code, out, err) = place.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out
    };
    assert_eq!(said(&["price", "set", "premium", "stripe", "price_1"]), "price_1 buys premium by the month\n");
    said(&["price", "set", "premium", "polar", "product-1", "--interval", "year"]);
    said(&["price", "set", "basic", "paddle", "pri_1"]);
    assert_eq!(said(&["price", "set", "basic", "paddle", "pri_1"]), "pri_1 buys basic by the month already\n");
    assert_eq!(
        said(&["price", "list"]),
        "basic\tpaddle\tmonth\tpri_1\npremium\tpolar\tyear\tproduct-1\npremium\tstripe\tmonth\tprice_1\n"
    );
    said(&["price", "set", "premium", "stripe", "price_1", "--interval", "year"]);
    let listed: Value = serde_json::from_str(&said(&["price", "list", "--tier", "premium", "--json"])).unwrap();
    let price = |provider, id| serde_json::json!({ "tier": "premium", "provider": provider, "interval": "year", "price_id": id });
    assert_eq!(listed, Value::from(vec![price("polar", "product-1"), price("stripe", "price_1")]));

    assert_eq!(said(&["price", "remove", "stripe", "price_1"]), "price_1 buys nothing any more; it was premium\n");
    assert_eq!(said(&["price", "remove", "stripe", "price_1"]), "price_1 buys nothing already\n");
    assert_eq!(said(&["price", "list", "--tier", "premium"]), "premium\tpolar\tyear\tproduct-1\n");

    for (arguments, code, why) in [
        (&["price", "set", "gold", "stripe", "price_1"][..], 2, "no such tier"),
        (&["price", "set", "basic", "stripe", "price 1"], 2, "visible characters"),
        (&["price", "set", "basic", "paypal", "price_1"], 2, "stripe, paddle or polar"),
        (&["price", "set", "basic", "stripe", "price_1", "--interval", "week"], 2, "month or year"),
        (&["price", "set", "basic", "polar", "product-1"], 1, "buys another tier"),
    ] {
        let (ended, out, err) = place.run(arguments);
        assert_eq!((ended, out.as_str()), (code, ""), "{arguments:?}: {err}");
        assert!(err.contains(why), "{arguments:?}: {err}");
    }
    assert_eq!(said(&["price", "list"]).lines().count(), 2);
}

fn credit_is_given_shown_and_ended(place: &Place) {
    let server = place.serve();
    let link = server.said.lines().find_map(|line| line.split_once("?token=")).unwrap().1.trim().to_owned();
    server.request("POST /admin/claim", &format!("token={link}&email=ann%40example.com"));
    drop(server);

    let (code, out, err) =
        place.run(&["grant-credit", "Ann@Example.com", "--days", "45", "--key", "spring", "--note", "thanks"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("Ann@Example.com: 45 day(s) of credit given, lasting until "), "{out}");
    let (code, out, _) = place.run(&["grant-credit", "ann@example.com", "--days", "45", "--key", "spring"]);
    assert_eq!(code, 0, "safe to repeat");
    assert!(out.contains("this key was used before"), "{out}");

    let (code, out, _) = place.run(&["show-status", "ann@example.com"]);
    assert_eq!(code, 0);
    assert!(out.contains("paid       yes") && out.contains("free · credit · 45 day(s) remaining (expires "), "{out}");
    let (_, out, _) = place.run(&["show-status", "ann@example.com", "--json"]);
    let status: Value = serde_json::from_str(&out).unwrap();
    for field in ["id", "email", "role", "tier", "paid", "credit_until", "referral_code", "referrals"] {
        assert!(status.get(field).is_some(), "{field}: {status}");
    }
    assert_eq!(status["paid"]["source"], "credit");
    assert_eq!(status["paid"]["days_remaining"], 45);

    assert_eq!(place.run(&["revoke-credit", "ann@example.com"]).0, 0);
    let (code, out, _) = place.run(&["revoke-credit", "ann@example.com"]);
    assert_eq!((code, out.as_str()), (0, "ann@example.com: there is no credit to end\n"));
}

fn accounts_are_changed_and_listed(place: &Place) {
    let server = place.serve();
    let link = server.said.lines().find_map(|line| line.split_once("?token=")).unwrap().1.trim().to_owned();
    server.request("POST /admin/claim", &format!("token={link}&email=ann%40example.com"));
    drop(server);
    let (code, out, err) = place.run(&["user", "list"]);
    assert_eq!((code, err.as_str()), (0, ""), "no progress bar in a pipe");
    let fields: Vec<&str> = out.trim_end().split('\t').collect();
    assert_eq!(fields[1..5], ["ann@example.com", "admin", "free", "active"], "{out}");
    for (verb, first, again) in [
        ("demote", "ann@example.com is a member now\n", "ann@example.com is no admin\n"),
        ("promote", "ann@example.com is an admin now\n", "ann@example.com is an admin already\n"),
        ("disable", "ann@example.com is disabled and signed out everywhere\n", "ann@example.com is disabled already\n"),
        ("enable", "ann@example.com may sign in again\n", "ann@example.com is not disabled\n"),
    ] {
        assert_eq!(place.run(&["user", verb, "ann@example.com"]), (0, first.to_owned(), String::new()));
        assert_eq!(place.run(&["user", verb, "ann@example.com"]), (0, again.to_owned(), String::new()));
    }
}

fn mistakes_are_told_apart_by_the_exit_code(place: &Place) {
    let (code, _, err) = place.run(&["show-status", "nobody@example.com"]);
    assert_eq!((code, err.as_str()), (3, "vouchsafe: there is no member with that address\n"));
    assert_eq!(place.run(&["grant-credit", "nobody@example.com", "--days", "3"]).0, 3);
    for arguments in [
        &["show-status", "nobody"][..],
        &["grant-credit", "ann@example.com", "--days", "0"],
        &["grant-credit", "ann@example.com", "--days", "99999"],
        &["grant-credit", "ann@example.com", "--days", "many"],
        &["grant-credit", "ann@example.com"],
        &["grant-credit", "ann@example.com", "--days", "1", "--key", ""],
        &["user", "crown", "ann@example.com"],
        &["nonsense"],
        &[],
    ] {
        let (code, out, err) = place.run(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(!err.is_empty() && !err.contains("panicked"), "{arguments:?}: {err}");
    }
}

#[test]
fn configuration_that_cannot_be_used_is_refused_by_name() {
    let place = Place::on(Backend::Sqlite).unwrap();
    let refused = |name: &str, value: &str| {
        let output = place.command(&["serve"]).env(name, value).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}={value}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (name, value) in [
        ("VOUCHSAFE_LISTEN", "everywhere"),
        ("VOUCHSAFE_PUBLIC_URL", "ftp://example.com"),
        ("VOUCHSAFE_MAIL_TRANSPORT", "pigeon"),
        ("VOUCHSAFE_SECRET", "short"),
        ("VOUCHSAFE_LISTNE", "127.0.0.1:1"),
    ] {
        let err = refused(name, value);
        let key = name.trim_start_matches("VOUCHSAFE_").to_lowercase();
        assert!(err.contains(name) || err.contains(&key), "{name}: {err}");
    }
    let err = refused("VOUCHSAFE_PUBLIC_URL", "http://members.example.com");
    assert!(err.contains("danger_insecure_http"), "{err}");
}

fn the_schema_goes_up_and_down(place: &Place) {
    let steps = place.ok(&["migrate", "status"]);
    assert!(steps.lines().count() >= 5 && steps.lines().all(|line| line.contains("missing")), "{steps}");
    assert_eq!(place.run(&["migrate", "down"]).1, "nothing is applied\n");
    let (code, out, _) = place.run(&["migrate", "up"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("applied 0001 catalogue\n"), "{out}");
    assert_eq!(place.run(&["migrate", "up"]), (0, "nothing to do\n".to_owned(), String::new()));
    // `0016  missing  privacy` is taken back as `took back 0016 privacy`.
    let took_back: Vec<String> = steps
        .lines()
        .map(|line| line.split("  ").collect::<Vec<_>>())
        .map(|parts| format!("took back {} {}\n", parts[0], parts[2]))
        .collect();
    let last = took_back.len() - 1;
    assert_eq!(place.ok(&["migrate", "down"]), took_back[last]);
    assert_eq!(place.ok(&["migrate", "down", "--to", "8"]), took_back[8..last].concat());
    let (_, out, _) = place.run(&["migrate", "down", "--to", "4"]);
    assert_eq!(
        out,
        "took back 0005 seed catalogue\ntook back 0006 entitlements\ntook back 0007 portfolios\ntook back 0008 payments\n"
    );
    assert_eq!(place.run(&["migrate", "down", "--all"]).0, 0);
    let (_, out, _) = place.run(&["migrate", "status"]);
    assert!(out.lines().all(|line| line.contains("missing")), "{out}");
    assert_eq!(place.run(&["migrate", "down", "--to", "2", "--all"]).0, 2);
}

fn what_somebody_may_use_is_asked_counted_and_explained(place: &Place) {
    let (code, out, _) = place.run(&["user", "add", "ann@example.com", "--external-id", "u-1", "--tier", "basic"]);
    assert_eq!(code, 0);
    assert!(out.ends_with(" is a new member\n"), "{out}");
    assert!(place.run(&["user", "add", "ann@example.com"]).1.ends_with(" is a member already\n"));
    // The trial would give more than the tier.
    assert_eq!(place.run(&["limit", "set", "premium", "ai_calls", "3"]).1, "premium ai_calls is 3, was unlimited\n");
    assert_eq!(place.run(&["limit", "set", "premium", "ai_calls", "3"]).1, "premium ai_calls is 3 already\n");

    let (code, out, _) = place.run(&["check", "ann@example.com", "ai_calls", "--amount", "3"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.starts_with("allowed\nlimit 3, used 0, held 0, left 3, starts again "), "{out}");
    let (code, out, _) = place.run(&["consume", "u-1", "ai_calls", "--amount", "2"]);
    assert_eq!((code, out.lines().next()), (0, Some("counted 2")));
    let (code, out, err) = place.run(&["consume", "u-1", "ai_calls", "--amount", "2"]);
    assert_eq!((code, err.as_str()), (4, "vouchsafe: not allowed\n"));
    assert!(out.starts_with("not allowed: the limit is reached\n"), "{out}");
    let (code, out, _) = place.run(&["consume", "u-1", "ai_calls", "--amount", "2", "--cap", "--json"]);
    let decision: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, decision["used"].as_i64(), decision["remaining"].as_i64()), (0, Some(3), Some(0)));
    assert_eq!(place.run(&["consume", "u-1", "ai_calls", "--amount", "-1"]).1.lines().next(), Some("counted -1"));

    let (code, out, _) = place.run(&["explain", "u-1", "ai_calls"]);
    assert_eq!(code, 0);
    assert!(out.contains("→ Premium has 3.\n") && out.contains("  Basic by own tier.\n"), "{out}");
    let (_, out, _) = place.run(&["explain", "u-1", "ai_calls", "--json"]);
    let explained: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(explained["decision"]["decided_by"], "tier");
    let trail = explained["trail"].as_array().unwrap();
    assert_eq!(trail.iter().filter(|layer| layer["decides"] == true).count(), 1, "{out}");

    for (arguments, code) in [
        (&["check", "nobody", "ai_calls"][..], 3),
        (&["check", "u-1", "nothing"], 3),
        (&["check", "u-1", "Not a name"], 2),
        (&["check", "u-1", "ai_calls", "--amount", "0"], 2),
        (&["check", "u-1", "ai_calls", "--amount", "1.5"], 2),
        (&["consume", "u-1", "ai_calls", "--amount", "1000000001"], 2),
        (&["consume", "u-1", "ai_calls", "--amount", "0"], 2),
        (&["consume", "u-1", "export_csv"], 2),
        (&["consume", "u-1", "nothing"], 3),
    ] {
        let (got, _, err) = place.run(arguments);
        assert_eq!(got, code, "{arguments:?}: {err}");
        assert!(!err.contains("panicked"), "{arguments:?}: {err}");
    }
}

fn tiers_features_and_settings_are_made_and_changed(place: &Place) {
    let ok = |arguments: &[&str]| {
        let (code, out, err) = place.run(arguments);
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}");
        out
    };
    ok(&["feature", "set", "videos", "--name", "Videos", "--reset", "daily", "--default", "5k", "--category", "data"]);
    assert!(ok(&["feature", "list"]).contains("videos\tVideos\tdata\tcount\tdaily\t5000\tactive\n"));
    ok(&["feature", "set", "videos", "--active", "false"]);
    let features: Value = serde_json::from_str(&ok(&["feature", "list", "--json"])).unwrap();
    let videos = features.as_array().unwrap().iter().find(|feature| feature["id"] == "videos").unwrap();
    assert_eq!((&videos["active"], &videos["reset_period"]), (&false.into(), &"daily".into()), "the rest stays");
    ok(&["tier", "set", "team", "--name", "Team", "--monthly", "2900", "--order", "5"]);
    assert!(ok(&["tier", "list"]).contains("team\tTeam\t5\tpaid\t2900\t-\tactive\n"));
    assert_eq!(ok(&["limit", "set", "team", "videos", "unlimited"]), "team videos is unlimited, was default\n");
    assert!(ok(&["limit", "list", "--tier", "team"]).contains("team\tvideos\tunlimited\ttier\n"));
    ok(&["setting", "set", "timezone", "Europe/Berlin"]);
    assert!(ok(&["setting", "list"]).contains("timezone\tEurope/Berlin\n"));

    for arguments in [
        &["feature", "set", "Bad Name"][..],
        &["feature", "set", "videos", "--default", "many"],
        &["feature", "set", "photos", "--kind", "boolean"],
        &["feature", "set", "videos", "--name", ""],
        &["tier", "set", "team", "--monthly=-1"],
        &["limit", "set", "team", "nothing", "1"],
        &["limit", "set", "nobody", "videos", "1"],
        &["limit", "list", "--tier", "nobody"],
        &["setting", "set", "colour", "red"],
        &["setting", "set", "timezone", "Mars"],
        &["setting", "set", "trial_tier", "nobody"],
    ] {
        let (code, _, err) = place.run(arguments);
        assert!(code == 1 || code == 2, "{arguments:?}: {code}");
        assert!(!err.is_empty() && !err.contains("panicked"), "{arguments:?}: {err}");
    }
}

fn the_matrix_goes_out_and_comes_in_after_a_look(place: &Place) {
    let (code, csv, _) = place.run(&["matrix", "export"]);
    assert_eq!(code, 0);
    assert!(csv.starts_with("feature,free,basic,premium,selfhosted\r\nweight_entries,30,unlimited"), "{csv}");
    let path = |name: &str| place.folder().join(name);
    std::fs::write(path("same.csv"), &csv).unwrap();
    let same = "Nothing would change: the matrix is like the file already.\n";
    assert_eq!(place.run(&["matrix", "import", "same.csv", "--yes"]).1, same);

    assert_eq!(place.run(&["matrix", "export", "seen.json"]).0, 0);
    std::fs::write(path("new.csv"), csv.replace("photos,5,50", "photos,7,")).unwrap();
    let (code, look, _) = place.run(&["matrix", "import", "new.csv"]);
    assert_eq!(code, 0);
    assert!(look.contains("free\tphotos\t5 → 7\t") && look.contains("basic\tphotos\t50 → default\t"), "{look}");
    assert!(look.ends_with("Nothing is changed yet. Run it again with --yes to change it.\n"), "{look}");
    assert_eq!(place.run(&["matrix", "export"]).1, csv, "a look changes nothing");
    let (code, done, _) = place.run(&["matrix", "import", "new.csv", "--yes", "--reason", "more photos"]);
    assert_eq!(code, 0);
    assert!(done.ends_with("2 changes are saved.\n"), "{done}");

    let (code, _, err) = place.run(&["matrix", "import", "seen.json", "--yes"]);
    assert_eq!(code, 1, "the cells have moved on since the file was written");
    assert!(err.contains("changed by somebody else"), "{err}");
    std::fs::write(path("bad.csv"), "feature,free,gold\nphotos,many,1\nvideos,1,1\n").unwrap();
    let (code, _, err) = place.run(&["matrix", "import", "bad.csv", "--yes"]);
    assert_eq!(code, 1);
    for said in ["line 1: there is no tier \"gold\"", "line 2: free: \"many\"", "line 3: there is no feature"] {
        assert!(err.contains(said), "{said}: {err}");
    }
    assert_eq!(place.run(&["matrix", "import", "missing.csv"]).0, 1);
}

fn keys_are_made_once_listed_and_ended(place: &Place) {
    let (code, out, err) = place.run(&["key", "create", "backend", "--scopes", "check,consume"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let token = out.trim_end();
    assert!(token.starts_with("vs_") && token.len() == 46, "the token alone, for a script to take: {out}");
    let (_, list, _) = place.run(&["key", "list"]);
    let fields: Vec<&str> = list.trim_end().split('\t').collect();
    assert_eq!(fields[1..], ["backend", &format!("{}…", &token[..9]), "check consume", "good", "never"], "{list}");
    assert!(!list.contains(token));
    assert!(place.run(&["key", "revoke", fields[0]]).1.ends_with("opens nothing any more\n"));
    assert!(place.run(&["key", "revoke", fields[0]]).1.ends_with("opens nothing\n"), "twice is no harm");
    assert!(place.run(&["key", "list"]).1.contains("\trevoked\t"));
    assert_eq!(place.run(&["key", "create", "x", "--scopes", "root"]).0, 2);
    assert_eq!(place.run(&["key", "create", "x", "--user", "nobody", "--days", "1"]).0, 3);
    assert_eq!(place.run(&["key", "create", ""]).0, 1);
}

fn what_providers_told_is_listed_shown_and_applied(place: &Place) {
    assert_eq!(place.run(&["user", "add", "ann@example.com"]).0, 0);
    let status: Value = serde_json::from_str(&place.run(&["show-status", "ann@example.com", "--json"]).1).unwrap();
    let now = Clock::system().now();
    let subscription = TestSubscription {
        provider: Provider::Stripe,
        user: status["id"].as_str().unwrap().parse().unwrap(),
        number: 1,
        price_id: "price_x".to_owned(),
        interval: BillingInterval::Month,
        started_at: now,
        period_end: period_end(now, BillingInterval::Month),
    };
    let server = place.serve_with(&[("VOUCHSAFE_STRIPE_WEBHOOK_SECRET", "whsec_x")]);
    for sample in subscription.tell(Happening::Subscribes, now, "x") {
        let signed = signature::sign(Provider::Stripe, "whsec_x", &sample.event_id, now, sample.body.as_bytes());
        let head = format!("POST /webhooks/stripe HTTP/1.1\r\nStripe-Signature: {}\r\nX-Rest:", signed[0].1);
        let answer = server.request(&head, &sample.body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    drop(server);

    let (code, out, err) = place.run(&["payments", "events"]);
    assert_eq!((code, out.lines().count(), err.as_str()), (0, 3, ""), "{out}");
    let (_, out, _) = place.run(&["payments", "events", "--state", "failed"]);
    let fields: Vec<&str> = out.trim_end().split('\t').collect();
    assert_eq!(fields[2..6], ["stripe", "customer.subscription.created", "failed", "-"], "{out}");
    assert!(fields[6].contains("price_x"), "{out}");
    let id = fields[0];
    let events: Value = serde_json::from_str(&place.run(&["payments", "events", "--limit", "2", "--json"]).1).unwrap();
    assert_eq!(events.as_array().unwrap().len(), 2);
    assert!(events[0]["test"] == true && events[0].get("payload").is_none(), "{events}");
    let (_, out, _) = place.run(&["payments", "show", id]);
    assert!(out.contains("waits for  price:price_x\n") && out.contains("\"vouchsafe_test\": true"), "{out}");
    let shown: Value = serde_json::from_str(&place.run(&["payments", "show", id, "--json"]).1).unwrap();
    assert_eq!(shown["payload"]["data"]["object"]["status"], "active");

    let (code, out, _) = place.run(&["payments", "replay", id]);
    assert!(code == 1 && out.contains("cannot be applied: no tier has any of these prices"), "{code} {out}");
    assert_eq!(place.run(&["payments", "replay", "--dead"]), (0, "0 applied, 0 not\n".to_owned(), String::new()));
    assert_eq!(place.run(&["price", "set", "premium", "stripe", "price_x"]).0, 0);
    let done = (0, format!("{id} is applied\n"), String::new());
    assert_eq!(place.run(&["payments", "replay", id]), done);
    assert_eq!(place.run(&["payments", "replay", id]), done, "twice is no harm");
    assert!(place.run(&["payments", "events", "--state", "done"]).1.contains("\tann@example.com\t-\n"));
    let status: Value = serde_json::from_str(&place.run(&["show-status", "ann@example.com", "--json"]).1).unwrap();
    assert_eq!(status["paid"]["source"], json!("subscription"));

    let unknown = "0192f0c1-2345-7abc-8def-0123456789ab";
    for (arguments, expected) in [
        (&["payments", "show", unknown][..], 3),
        (&["payments", "replay", unknown], 3),
        (&["payments", "replay"], 2),
        (&["payments", "replay", unknown, "--dead"], 2),
        (&["payments", "show", "x"], 2),
        (&["payments", "events", "--state", "lost"], 2),
        (&["payments", "reconcile", "--provider", "cash"], 2),
        (&["payments", "reconcile", "--provider", "paddle"], 1),
        (&["referral", "release", unknown], 3),
        (&["referral", "reject", "x"], 2),
        (&["referral", "list", "--state", "lost"], 2),
        (&["referral", "list", "--state", "held", "--flagged"], 2),
    ] {
        let (code, _, err) = place.run(arguments);
        assert_eq!(code, expected, "{arguments:?}: {err}");
        assert!(!err.is_empty() && !err.contains("panicked"), "{arguments:?}: {err}");
    }
    let (code, out, _) = place.run(&["payments", "reconcile"]);
    assert_eq!((code, out.as_str()), (0, "no provider has an API key: there is nobody to ask\n"));
}

/// Answers every request like Stripe's list of subscriptions does, and returns its address.
fn stripe_api(list: &Value) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let body = list.to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 11:00:00 GMT\r\nContent-Type: application/json\r\n\
                 Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    base
}

fn providers_are_asked_and_what_needs_a_person_is_an_error(place: &Place) {
    place.run(&["user", "add", "ann@example.com"]);
    place.run(&["price", "set", "premium", "stripe", "price_x"]);
    let status: Value = serde_json::from_str(&place.run(&["show-status", "ann@example.com", "--json"]).1).unwrap();
    let subscription = |id: &str, user: &Value| {
        json!({
            "id": id, "object": "subscription", "status": "active", "metadata": { "user_id": user },
            "start_date": 1_790_000_000, "created": 1_790_000_000,
            "items": { "data": [{ "price": { "id": "price_x" }, "current_period_end": 4_000_000_000_i64 }] },
        })
    };
    let ask = |subscriptions: Value| {
        let base = stripe_api(&json!({ "object": "list", "has_more": false, "data": subscriptions }));
        let mut command = place.command(&["payments", "reconcile"]);
        command.env("VOUCHSAFE_STRIPE_API_KEY", "sk_test_x").env("VOUCHSAFE_STRIPE_API_BASE", base);
        let Output { status, stdout, .. } = command.output().unwrap();
        (status.code().unwrap(), String::from_utf8(stdout).unwrap())
    };
    let anns = subscription("sub_1", &status["id"]);
    let (code, out) = ask(json!([anns]));
    let said = "stripe sub_1: it is not known here (repaired)\nstripe: 1 compared, 1 different\n";
    assert_eq!((code, out.as_str()), (0, said));
    assert_eq!(ask(json!([anns])), (0, "stripe: 1 compared, 0 different\n".to_owned()));
    let (code, out) = ask(json!([anns, subscription("sub_2", &json!("nobody"))]));
    assert_eq!(code, 1);
    assert!(out.contains("stripe sub_2: nobody here is its customer (NOT repaired)\n"), "{out}");
}

fn coupons_are_redeemed_and_grants_given_and_taken_back(place: &Place) {
    assert_eq!(place.run(&["user", "add", "ann@example.com", "--tier", "free"]).0, 0);
    let (code, out, err) = place.run(&["coupon", "create", "--tier", "premium", "--days", "30", "--count", "3"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let codes: Vec<&str> = out.lines().collect();
    assert_eq!(codes.len(), 3);
    let redeem = |code: &str| place.run(&["coupon", "redeem", code, "--for", "ann@example.com"]);
    let (code, out, _) = redeem(&codes[0].to_lowercase());
    assert_eq!(code, 0);
    assert!(out.starts_with("ann@example.com: premium from "), "{out}");
    assert_eq!(redeem(codes[0]).0, 1, "it is hers already");
    assert_eq!(redeem("AAAAA-AAAAA").0, 3);
    assert_eq!(
        place.run(&["coupon", "archive", codes[1]]).1,
        format!("{} is archived; it was redeemed 0 time(s)\n", codes[1])
    );
    assert_eq!(redeem(codes[1]).0, 1);
    let (_, list, _) = place.run(&["coupon", "list"]);
    assert_eq!(list.lines().count(), 2);
    assert!(list.contains(&format!("{}\tsingle_use\tpremium\t30\t1\t1\tyes\t", codes[0])), "{list}");
    let (_, list, _) = place.run(&["coupon", "list", "--archived", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&list).unwrap()[0]["code"], codes[1]);
    for (arguments, code) in [
        (&["coupon", "create", "--tier", "gold", "--days", "30"][..], 2),
        (&["coupon", "create", "--tier", "premium", "--days", "0"], 2),
        (&["coupon", "create", "--tier", "premium", "--days", "30", "--type", "single_use", "--max", "2"], 2),
        (&["coupon", "archive", "NOTHING"], 3),
        (&["grant", "give", "ann@example.com", "--tier", "gold", "--days", "1"], 2),
        (&["grant", "give", "bob@example.com", "--tier", "basic", "--days", "1"], 3),
        (&["grant", "revoke", "0192f0c1-2345-7abc-8def-0123456789ab"], 3),
    ] {
        assert_eq!(place.run(arguments).0, code, "{arguments:?}");
    }

    let (code, out, _) =
        place.run(&["grant", "give", "ann@example.com", "--tier", "basic", "--days", "9", "--reason", "thanks"]);
    assert_eq!((code, out.starts_with("ann@example.com: basic from ")), (0, true), "{out}");
    let (_, list, _) = place.run(&["grant", "list", "ann@example.com"]);
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows[0][1..5], ["waiting", "basic", "admin", "9"]);
    assert_eq!(rows[1][1..5], ["running", "premium", "coupon", "30"]);
    assert_eq!(rows[0][5], rows[1][6], "one begins where the other ends");
    let (code, out, _) = place.run(&["grant", "revoke", rows[1][0]]);
    assert_eq!((code, out), (0, format!("{} is taken back; 30 day(s) were left\n", rows[1][0])));
    assert_eq!(place.run(&["grant", "revoke", rows[1][0]]).0, 1, "it is over");
    let (_, list, _) = place.run(&["grant", "list", "ann@example.com", "--json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&list[0]["state"], &list[1]["state"]), (&json!("running"), &json!("revoked")));
}

fn partners_are_added_given_coupons_and_told_what_came_of_them(place: &Place) {
    let (code, out, err) = place.run(&["partner", "add", "Wellpass", "--contact", "Kim"]);
    assert_eq!(code, 0, "{err}");
    let id = out.trim().to_owned();
    let pass = ["--type", "partner", "--tier", "premium", "--days", "30", "--code", "gym-pass"];
    assert_eq!(place.run(&[&["coupon", "create", "--partner", "Wellpass"][..], &pass].concat()).0, 0);
    let (_, list, _) =
        place.run(&["coupon", "list", "--json", "--find", "well", "--state", "open", "--type", "partner"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&list[0]["partner_id"], &list[0]["partner"]), (&json!(id), &json!("Wellpass")));
    assert_eq!(place.run(&["coupon", "list", "--state", "used_up"]).1, "");
    let (_, list, _) = place.run(&["partner", "list"]);
    assert_eq!(list, format!("{id}\tWellpass\t1\t0\t0\n"));
    let (_, link, _) = place.run(&["partner", "link", "Wellpass"]);
    assert!(link.starts_with("http") && link.contains("/partner/"), "{link}");
    assert_eq!(place.run(&["partner", "statement", &id, "2026-11"]).1, "");
    assert_eq!(place.run(&["partner", "statement", &id, "2026-11", "--json"]).1.trim(), "[]");
    assert_eq!(place.run(&["partner", "link", "Wellpass", "--end"]).1, "Wellpass: the link is ended\n");
    for (command, expected) in [
        (&["partner", "add", "Wellpass"][..], 1),
        (&["partner", "add", " "], 2),
        (&["partner", "link", "Nobody"], 3),
        (&["partner", "statement", "Wellpass", "soon"], 2),
    ] {
        assert_eq!(place.run(command).0, expected, "{command:?}");
    }
}

fn webhook_endpoints_are_made_tried_and_removed(place: &Place) {
    let (code, out, err) =
        place.run(&["webhook", "add", "https://example.com/hooks", "--events", "access.changed,user.created"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let (id, secret) = out.trim().split_once('\t').unwrap();
    assert!(secret.starts_with("whsec_"), "{out}");
    let (_, list, _) = place.run(&["webhook", "list"]);
    assert_eq!(list, format!("{id}\tactive\tuser.created,access.changed\thttps://example.com/hooks\t\n"));
    let (_, list, _) = place.run(&["webhook", "list", "--json"]);
    let listed: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&listed[0]["enabled"], &listed[0]["events"][0]), (&json!(true), &json!("user.created")));
    assert!(!list.contains(&secret["whsec_".len()..]));
    let (code, rotated, _) = place.run(&["webhook", "rotate", id]);
    assert_eq!((code, rotated.starts_with("whsec_")), (0, true), "{rotated}");
    assert_ne!(rotated.trim(), secret);

    // Nobody does jobs here: what happens waits.
    assert_eq!(place.run(&["user", "add", "ann@example.com"]).0, 0);
    let (code, test, _) = place.run(&["webhook", "test", id]);
    assert_eq!(code, 0);
    let (_, told, _) = place.run(&["webhook", "deliveries", id]);
    let rows: Vec<Vec<&str>> = told.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows[0][0], test.trim());
    assert_eq!(rows[0][2..], ["webhook.test", "pending", "0", "-", "-"]);
    assert_eq!(rows[1][2..4], ["user.created", "pending"]);
    let (_, told, _) = place.run(&["webhook", "deliveries", id, "--state", "failed", "--json"]);
    assert_eq!(told, "[]\n");
    assert_eq!(place.run(&["webhook", "resend", rows[1][0]]).1, format!("{} is on its way\n", rows[1][0]));
    assert_eq!(place.run(&["webhook", "resend", "--failed-of", id]).1, "0 on their way\n");
    assert_eq!(place.run(&["webhook", "disable", id]).1, format!("{id} is disabled\n"));
    assert!(place.run(&["webhook", "list"]).1.contains("\tdisabled (admin)\t"));
    let nobody = "0192f0c1-2345-7abc-8def-0123456789ab";
    for (arguments, code) in [
        (&["webhook", "resend", rows[1][0]][..], 1),
        (&["webhook", "resend"], 2),
        (&["webhook", "enable", id], 0),
        (&["webhook", "enable", nobody], 3),
        (&["webhook", "deliveries", nobody], 3),
        (&["webhook", "resend", nobody], 3),
        (&["webhook", "add", "http://127.0.0.1/"], 2),
        (&["webhook", "add", "https://example.com/", "--events", "user.born"], 2),
        (&["webhook", "remove", id], 0),
        (&["webhook", "remove", id], 3),
    ] {
        assert_eq!(place.run(arguments).0, code, "{arguments:?}");
    }
}

fn letters_are_worded_tried_out_and_looked_after(place: &Place) {
    let said = |arguments: &[&str]| {
        let (code, out, err) = place.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out
    };
    let template = |arguments: &[&'static str]| [&["mail", "template"][..], arguments].concat();
    let list = said(&template(&["list"]));
    assert_eq!(list.lines().count(), 52);
    assert!(list.lines().all(|line| line.ends_with("\tbuilt-in\t0\t-\t-")), "{list}");
    let set = said(&template(&["set", "welcome", "en", "--subject", "Hello from {{ product }}"]));
    assert!(set.starts_with("welcome\ten\tedited\t1\toperator\t"), "{set}");
    assert_eq!(said(&template(&["show", "welcome", "en", "--part", "subject"])), "Hello from {{ product }}\n");
    let file = place.folder().join("welcome.txt");
    std::fs::write(&file, "Hi!\n{{ nothing }}\n").unwrap();
    let (code, _, err) = place.run(&["mail", "template", "set", "welcome", "en", "--text", file.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (2, "vouchsafe: text, line 2: this letter knows no nothing\n"));
    let shown: Value = serde_json::from_str(&said(&template(&["show", "welcome", "en", "--json"]))).unwrap();
    assert_eq!((shown["edited"].as_bool(), shown["version"].as_i64()), (Some(true), Some(1)));

    let tried = said(&["mail", "test", "ann@example.com"]);
    assert!(tried.contains("no mail server is configured") && tried.contains("\nHello from Vouchsafe\n"), "{tried}");
    assert!(said(&template(&["reset", "welcome", "en"])).starts_with("welcome\ten\tbuilt-in\t2\t"));

    assert_eq!(said(&["mail", "outbox", "list"]), "");
    assert_eq!(said(&["mail", "outbox", "list", "--state", "failed", "--json"]), "[]\n");
    assert_eq!(said(&["mail", "outbox", "resend"]), "0 mail(s) are tried again\n");
    for (arguments, code) in [
        (&["mail", "outbox", "resend", "0192f0c1-2345-7abc-8def-0123456789ab"][..], 3),
        (&["mail", "template", "show", "wellcome", "en"], 2),
        (&["mail", "template", "show", "welcome", "fr"], 2),
        (&["mail", "template", "set", "welcome", "en"], 2),
        (&["mail", "test", "ann"], 2),
    ] {
        assert_eq!(place.run(arguments).0, code, "{arguments:?}");
    }
    // A mail server that is not there.
    let mut test = place.command(&["mail", "test", "ann@example.com"]);
    let output = test.env("VOUCHSAFE_SMTP_URL", "smtp://127.0.0.1:1").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("the mail was not sent: "));
}

fn people_are_invited_by_command(place: &Place) {
    place.run(&["user", "add", "ann@example.com", "--verified"]);
    let all =
        ["invite", "add", "bob@example.com", "ann@example.com", "--tier", "premium", "--days", "30", "--note", "Hi"];
    let (code, out, _) = place.run(&all);
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("bob@example.com is invited\n") && out.contains("ann@example.com is a member already\n"),
        "{out}"
    );
    let (code, out, _) = place.run(&all);
    assert!(code == 0 && out.contains("bob@example.com is invited already\n"), "a script runs twice: {out}");
    for wrong in [
        &["invite", "add", "bob"][..],
        &["invite", "add", "cem@example.com", "--tier", "premium"],
        &["invite", "add", "cem@example.com", "--tier", "gold", "--days", "3"],
        &["invite", "add", "cem@example.com", "--tier", "premium", "--days", "0"],
        &["invite", "list", "--state", "lost"],
    ] {
        assert_eq!(place.run(wrong).0, 2, "{wrong:?}");
    }
    let (_, out, _) = place.run(&["invite", "list", "--json", "--state", "open"]);
    let listed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["tier"]), (1, &json!("premium")));
    let id = listed[0]["id"].as_str().unwrap();
    let (code, _, error) = place.run(&["invite", "resend", id]);
    assert!(code == 1 && error.contains("has just gone out"), "{error}");
    assert_eq!(place.run(&["invite", "revoke", id]).1, "the invitation of bob@example.com is taken back\n");
    assert_eq!(place.run(&["invite", "revoke", id]).0, 0, "twice");
    let (_, out, _) = place.run(&["invite", "list"]);
    assert_eq!(out.split('\t').nth(2), Some("revoked"), "{out}");
    assert_eq!(place.run(&["invite", "revoke", "0192f0c1-2345-7abc-8def-0123456789ab"]).0, 3);
}

#[test]
fn what_is_refused_again_meanwhile_is_sent_again_once() {
    let place = Place::on(Backend::Sqlite).unwrap();
    place.ok(&["mail", "outbox", "list"]);
    for statement in [
        "INSERT INTO mails (id, recipient, lang, letter, created_at) VALUES
        (X'0192f0c123457abc8def0123456789ab', 'ann@example.com', 'en', '{\"letter\":\"no_account\"}', '2026-11-21T10:00:00+00:00'),
        (X'0192f0c123457abc8def0123456789ac', 'bob@example.com', 'en', '{\"letter\":\"no_account\"}', '2026-11-21T10:00:00+00:00')",
        // A server that works beside, and a mail server that refuses everything at once.
        "CREATE TRIGGER refused AFTER INSERT ON jobs BEGIN
        UPDATE jobs SET dead_at = created_at WHERE id = NEW.id; END",
        "CREATE TRIGGER refused_again AFTER UPDATE OF dead_at ON jobs WHEN NEW.dead_at IS NULL BEGIN
        UPDATE jobs SET dead_at = created_at WHERE id = NEW.id; END",
    ] {
        place.execute(statement);
    }
    assert_eq!(place.ok(&["mail", "outbox", "resend"]), "2 mail(s) are tried again\n");
}
