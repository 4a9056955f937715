//! What operators read, change and look after by command: coupons, partners, bonus rules, webhooks, what they are
//! told, mails, jobs, the log, figures and whole accounts.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use serde_json::{Value, json};

use crate::harness::{Place, on_both_places};

/// An id that nothing has.
const NOTHING: &str = "0192f0c1-2345-7abc-8def-0123456789ab";

on_both_places! {
    coupons_are_read_changed_drawn_and_told_who_redeemed_them,
    partners_are_shown_changed_and_get_their_statement_as_a_file,
    a_gift_with_a_key_is_given_once,
    bonus_rules_are_shown_changed_and_tell_how_far_somebody_is,
    what_admins_are_told_is_listed_read_and_set,
    endpoints_are_changed_and_a_delivery_is_shown_with_its_answer,
    mails_are_shown_and_members_do_without_some,
    jobs_are_listed_done_tried_again_and_deleted,
    the_log_is_listed_and_exported,
    what_was_counted_is_shown,
    accounts_are_exported_deleted_and_kept,
}

/// Runs commands that fail, each with its exit code.
#[track_caller]
fn refused(place: &Place, commands: &[(&[&str], i32)]) {
    for (arguments, expected) in commands {
        let (code, out, err) = place.run(arguments);
        assert_eq!((code, out.as_str()), (*expected, ""), "{arguments:?}: {err}");
        assert!(!err.is_empty() && !err.contains("panicked"), "{arguments:?}: {err}");
    }
}

fn rows(out: &str) -> Vec<Vec<&str>> {
    out.lines().map(|line| line.split('\t').collect()).collect()
}

fn coupons_are_read_changed_drawn_and_told_who_redeemed_them(place: &Place) {
    place.ok(&["user", "add", "ann@example.com"]);
    let made = ["coupon", "create", "--tier", "premium", "--days", "30"];
    let summer = ["--type", "period", "--max", "9", "--until", "2100-01-01T00:00:00Z", "--code", "summer"];
    place.ok(&[&made[..], &summer].concat());
    let batch = place.ok(&[&made[..], &["--count", "3", "--description", "posters"]].concat());
    let codes: Vec<&str> = batch.lines().collect();

    let shown = place.ok(&["coupon", "show", "Summer"]);
    for fact in
        ["code         SUMMER\n", "brings       30 day(s) of premium\n", "redeemed     0 of 9\n", "state        open\n"]
    {
        assert!(shown.contains(fact), "{fact}: {shown}");
    }
    assert!(shown.contains("/redeem/SUMMER\n") && !shown.contains("archived"), "{shown}");
    let set = place.ok(&["coupon", "set", "SUMMER", "--active", "false", "--description", "for the fair"]);
    assert_eq!(set, "SUMMER\tperiod\tpremium\t30\t0\t9\tno\tfor the fair\n");
    assert!(place.ok(&["coupon", "show", "SUMMER"]).contains("state        inactive\n"));
    assert_eq!(place.run(&["coupon", "redeem", "SUMMER", "--for", "ann@example.com"]).0, 1);
    place.ok(&["coupon", "set", "SUMMER", "--active", "true"]);
    place.ok(&["coupon", "archive", "SUMMER"]);
    assert!(place.json(&["coupon", "show", "SUMMER"])["archived_at"].is_string());
    place.ok(&["coupon", "set", "SUMMER", "--archived", "false"]);
    let back = place.json(&["coupon", "show", "SUMMER"]);
    assert_eq!((&back["archived_at"], &back["description"]), (&json!(null), &json!("for the fair")));

    place.ok(&["coupon", "redeem", "SUMMER", "--for", "ann@example.com"]);
    let told = place.ok(&["coupon", "redemptions", "SUMMER"]);
    assert_eq!(rows(&told)[0][1..], ["ann@example.com", "-", "-"], "{told}");
    let told = place.json(&["coupon", "redemptions", "SUMMER"]);
    assert_eq!(told[0]["user"], place.json(&["show-status", "ann@example.com"])["id"]);
    assert_eq!(place.ok(&["coupon", "redemptions", codes[0]]), "");

    let listed = place.ok(&["coupon", "batches"]);
    let row = rows(&listed)[0].clone();
    assert_eq!((&row[1..3], &row[4..]), (&["3", "0"][..], &["operator", "posters"][..]), "{listed}");
    let batch = row[0];
    let of_batch = place.json(&["coupon", "batches"]);
    assert_eq!((&of_batch[0]["id"], &of_batch[0]["coupons"]), (&json!(batch), &json!(3)));
    place.ok(&["coupon", "archive", codes[1]]);
    assert_eq!(place.ok(&["coupon", "list"]).lines().count(), 3);
    assert_eq!(place.ok(&["coupon", "list", "--batch", batch]).lines().count(), 3, "archived ones among them");
    let file = place.ok(&["coupon", "file", batch]);
    assert_eq!(file.lines().next(), Some("code,link,tier,days,until,redeemed"));
    let file = file.replace("\r\n", "\n");
    for code in &codes {
        let line = format!("{code},http://127.0.0.1:3000/redeem/{code},premium,30,,0\n");
        assert!(file.contains(&line), "{line}: {file}");
    }
    let drawing = place.ok(&["coupon", "qr", codes[0]]);
    assert!(drawing.starts_with("<svg ") && drawing.ends_with("</svg>\n"), "{drawing}");
    refused(
        place,
        &[
            (&["coupon", "show", "NOTHING"], 3),
            (&["coupon", "set", "NOTHING", "--active", "true"], 3),
            (&["coupon", "set", "SUMMER"], 2),
            (&["coupon", "set", "SUMMER", "--active", "perhaps"], 2),
            (&["coupon", "set", "SUMMER", "--description", "a\nb"], 2),
            (&["coupon", "redemptions", "NOTHING"], 3),
            (&["coupon", "file", NOTHING], 3),
            (&["coupon", "qr", "NOTHING"], 3),
            (&["coupon", "list", "--batch", NOTHING], 3),
            (&["coupon", "list", "--partner", "Nobody"], 3),
        ],
    );
}

fn partners_are_shown_changed_and_get_their_statement_as_a_file(place: &Place) {
    place.ok(&["user", "add", "ann@example.com"]);
    let until = "2100-01-01T00:00:00Z";
    let id = place.ok(&["partner", "add", "Wellpass", "--email", "kim@example.com", "--until", until]);
    let id = id.trim();
    place.ok(&["partner", "add", "Other"]);
    let pass = ["coupon", "create", "--type", "partner", "--tier", "premium", "--days", "30"];
    place.ok(&[&pass[..], &["--code", "gympass", "--partner", "Wellpass"]].concat());
    place.ok(&[&pass[..], &["--code", "otherpass", "--partner", "Other"]].concat());
    assert!(place.ok(&["coupon", "list", "--partner", "Wellpass"]).starts_with("GYMPASS\t"));
    assert_eq!(place.ok(&["coupon", "list", "--partner", id]).lines().count(), 1);

    let shown = place.ok(&["partner", "show", "Wellpass"]);
    assert!(
        shown.contains("email       kim@example.com\n") && shown.contains("until       2100-01-01T00:00:00Z\n"),
        "{shown}"
    );
    assert!(!shown.contains("archived") && !shown.contains("note"), "{shown}");
    let set = place.ok(&["partner", "set", id, "--name", "Gym", "--contact", "Kim", "--until", "none"]);
    assert_eq!(set, format!("{id}\tGym\t1\t0\t0\n"));
    let known = place.json(&["partner", "show", "Gym"]);
    assert_eq!(
        (&known["contact"], &known["email"], &known["contract_until"]),
        (&json!("Kim"), &json!("kim@example.com"), &json!(null)),
        "the rest stays"
    );

    place.ok(&["coupon", "redeem", "GYMPASS", "--for", "ann@example.com"]);
    let redemptions = place.json(&["coupon", "redemptions", "GYMPASS"]);
    let month = &redemptions[0]["redeemed_at"].as_str().unwrap()[..7];
    let file = place.ok(&["partner", "statement", "Gym", month, "--csv"]);
    let lines: Vec<&str> = file.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "redemption,redeemed_at,code,tier,days,pass"));
    assert!(lines[1].ends_with(",GYMPASS,premium,30,runs") && !file.contains("ann@"), "{file}");

    place.ok(&["partner", "set", "Gym", "--archived", "true"]);
    assert_eq!(place.ok(&["partner", "list"]).lines().count(), 1);
    assert!(place.ok(&["partner", "show", "Gym"]).contains("archived"));
    place.ok(&["partner", "set", "Gym", "--archived", "false", "--email", ""]);
    let known = place.json(&["partner", "show", "Gym"]);
    assert_eq!((&known["archived_at"], &known["email"]), (&json!(null), &json!(null)));
    refused(
        place,
        &[
            (&["partner", "show", "Nobody"], 3),
            (&["partner", "set", "Nobody", "--name", "x"], 3),
            (&["partner", "set", "Gym"], 2),
            (&["partner", "set", "Gym", "--until", "soon"], 2),
            (&["partner", "set", "Gym", "--name", " "], 2),
            (&["partner", "set", "Gym", "--name", "Other"], 1),
            (&["partner", "statement", "Gym", month, "--csv", "--json"], 2),
        ],
    );
}

fn a_gift_with_a_key_is_given_once(place: &Place) {
    place.ok(&["user", "add", "ann@example.com"]);
    let gift = ["grant", "give", "ann@example.com", "--tier", "premium", "--days", "9"];
    let with_key = [&gift[..], &["--key", "spring"]].concat();
    let first = place.ok(&with_key);
    assert_eq!(place.ok(&with_key), first, "safe to repeat");
    assert_eq!(place.ok(&["grant", "list", "ann@example.com"]).lines().count(), 1);
    place.ok(&gift);
    assert_eq!(place.ok(&["grant", "list", "ann@example.com"]).lines().count(), 2, "without a key every run gives");
    let other = ["grant", "give", "ann@example.com", "--tier", "premium", "--days", "8", "--key", "spring"];
    refused(place, &[(&other, 1), (&[&gift[..], &["--key", ""]].concat(), 2)]);
}

fn bonus_rules_are_shown_changed_and_tell_how_far_somebody_is(place: &Place) {
    place.ok(&["user", "add", "ann@example.com"]);
    place.ok(&["coupon", "create", "--type", "period", "--tier", "premium", "--days", "30", "--code", "summer"]);
    let preview = ["bonus", "preview", "--trigger", "coupons_redeemed", "--threshold", "1"];
    assert_eq!(place.ok(&preview), "0\n");
    let add = ["bonus", "add", "A coupon", "--trigger", "coupons_redeemed", "--threshold", "1", "--badge", "c"];
    let id = place.ok(&[&add[..], &["--also-before"]].concat());
    let id = id.trim();
    let list = place.ok(&["bonus", "list"]);
    assert_eq!(list, format!("{id}\tcoupons_redeemed\t1\tbadge C\t0\tyes\tA coupon\n"));
    assert_eq!(place.ok(&["bonus", "standing", "ann@example.com"]), "open\t0 of 1\tbadge C\tA coupon\n");

    let set =
        place.ok(&["bonus", "set", id, "--name", "Redeemed", "--active", "false", "--tier", "basic", "--days", "3"]);
    assert_eq!(set, format!("{id}\tcoupons_redeemed\t1\t3 days of basic\t0\tno\tRedeemed\n"));
    assert_eq!(place.ok(&["bonus", "standing", "ann@example.com"]), "", "it is switched off");
    let until = "2100-01-01T00:00:00Z";
    place.ok(&["bonus", "set", id, "--active", "true", "--badge", "d", "--until", until, "--description", "Well done"]);
    let shown = place.ok(&["bonus", "show", id]);
    for fact in [
        "name       Redeemed\n",
        "about      Well done\n",
        "brings     badge D\n",
        "counts     everything\n",
        "rewarded   0\n",
    ] {
        assert!(shown.contains(fact), "{fact}: {shown}");
    }
    place.ok(&["bonus", "set", id, "--until", "none"]);
    let known = place.json(&["bonus", "show", id]);
    assert_eq!((&known["ends_at"], &known["reward"]), (&json!(null), &json!({ "badge": "D" })));

    place.ok(&["coupon", "redeem", "SUMMER", "--for", "ann@example.com"]);
    assert_eq!(place.ok(&preview), "1\nann@example.com\n");
    assert_eq!(place.json(&preview), json!({ "count": 1, "first": ["ann@example.com"] }));
    assert_eq!(place.ok(&["bonus", "awards", id]), "");
    let server = place.serve();
    let standing = ["bonus", "standing", "ann@example.com"];
    let earned = place.wait_for(&standing, |standing| standing["earned"] != json!([]));
    drop(server);
    assert_eq!((&earned["earned"][0]["name"], &earned["open"]), (&json!("Redeemed"), &json!([])));
    let told = place.ok(&standing);
    assert_eq!((rows(&told)[0][0], &rows(&told)[0][2..]), ("earned", &["badge D", "Redeemed"][..]));
    let awards = place.ok(&["bonus", "awards", id]);
    assert_eq!(rows(&awards)[0][1..], ["ann@example.com", "badge D"], "{awards}");
    assert_eq!(place.json(&["bonus", "awards", id])[0]["member"], "ann@example.com");
    assert_eq!(place.ok(&["bonus", "archive", id]), "Redeemed is archived\n");
    assert_eq!(place.ok(&["bonus", "list"]), "");
    assert_eq!(place.json(&["bonus", "list", "--archived"])[0]["awards"], 1);
    let add = ["bonus", "add", "x", "--trigger", "coupons_redeemed", "--threshold", "1"];
    refused(
        place,
        &[
            (&["bonus", "set", id, "--threshold", "2"], 1),
            (&["bonus", "set", id], 2),
            (&["bonus", "set", NOTHING, "--active", "true"], 3),
            (&["bonus", "set", id, "--tier", "basic"], 2),
            (&["bonus", "show", NOTHING], 3),
            (&["bonus", "archive", NOTHING], 3),
            (&["bonus", "awards", NOTHING], 3),
            (&["bonus", "standing", "bob@example.com"], 3),
            (&["bonus", "preview", "--trigger", "days_in_a_row", "--threshold", "366"], 2),
            (&["bonus", "preview", "--trigger", "luck", "--threshold", "1"], 2),
            (&add, 2),
            (&[&add[..], &["--tier", "gold", "--days", "1"]].concat(), 2),
        ],
    );
}

fn what_admins_are_told_is_listed_read_and_set(place: &Place) {
    place.ok(&["user", "add", "ann@example.com"]);
    assert_eq!(place.ok(&["notification", "list"]), "");
    // That somebody became an admin is told.
    place.ok(&["user", "promote", "ann@example.com"]);
    let list = place.ok(&["notification", "list"]);
    let told = rows(&list)[0].clone();
    assert_eq!((told[2], told[3]), ("admin_added", "1"), "{list}");
    assert_eq!(place.ok(&["notification", "read", told[0]]), format!("{} is marked as read\n", told[0]));
    assert_eq!(place.ok(&["notification", "list"]), "");
    let all = place.json(&["notification", "list", "--all"]);
    assert_eq!((&all[0]["kind"], &all[0]["read"]), (&json!("admin_added"), &json!(true)));
    assert_eq!(place.ok(&["notification", "read", "--all"]), "0 marked as read\n");

    let settings = place.ok(&["notification", "settings"]);
    assert!(settings.ends_with("\nchat\t-\ndigest\t7\n"), "{settings}");
    let ways = |kind: &str| {
        let settings = place.ok(&["notification", "settings"]);
        let row = rows(&settings).into_iter().find(|row| row[0] == kind).unwrap();
        row[1..].iter().map(|told| (*told).to_owned()).collect::<Vec<_>>()
    };
    let before = ways("member_deleted");
    place.ok(&["notification", "set", "admin_added", "--in-app", "false", "--digest", "false", "--webhook", "false"]);
    assert_eq!(ways("admin_added"), ["no", "no", "no"]);
    assert_eq!(ways("member_deleted"), before, "the others stay");
    place.ok(&["notification", "set", "admin_added", "--digest", "true"]);
    assert_eq!(ways("admin_added"), ["no", "yes", "no"], "what is left out stays");
    place.ok(&["user", "demote", "ann@example.com"]);

    let secret = "https://hooks.slack.com/services/T0/B0/geheim";
    let set = place.ok(&["notification", "set", "--chat-url", secret, "--chat-shape", "discord"]);
    assert!(set.contains("chat\thooks.slack.com\tdiscord\n") && !set.contains("geheim"), "{set}");
    let settings = place.json(&["notification", "settings"]);
    assert_eq!(settings["chat"], json!({ "host": "hooks.slack.com", "shape": "discord" }));
    // The address is a secret: it may come from elsewhere than the arguments.
    let mut command = place.command(&["notification", "set", "--chat-url", "-"]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"https://discord.com/api/webhooks/1/geheim\n").unwrap();
    assert!(child.wait().unwrap().success());
    let settings = place.json(&["notification", "settings"]);
    assert_eq!(settings["chat"], json!({ "host": "discord.com", "shape": "discord" }));
    assert!(place.ok(&["notification", "set", "--chat-url", ""]).contains("\nchat\t-\n"));
    refused(
        place,
        &[
            (&["notification", "read"], 2),
            (&["notification", "read", NOTHING], 3),
            (&["notification", "set"], 2),
            (&["notification", "set", "admin_added"], 2),
            (&["notification", "set", "--digest", "true"], 2),
            (&["notification", "set", "nothing", "--digest", "true"], 2),
            (&["notification", "set", "--chat-shape", "slack"], 2),
            (&["notification", "set", "--chat-url", "http://127.0.0.1/"], 2),
        ],
    );
}

/// Answers every request with 503 and a sentence, and returns its address.
fn receiver() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 8192]);
            let _ = stream.write_all(
                b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 12\r\n\r\nnot just now",
            );
        }
    });
    url
}

fn endpoints_are_changed_and_a_delivery_is_shown_with_its_answer(place: &Place) {
    let made = place.ok(&["webhook", "add", "https://example.com/hooks", "--events", "user.created"]);
    let id = made.split('\t').next().unwrap();
    let set = place.ok(&["webhook", "set", id, "--events", "access.changed,user.created", "--description", "ours"]);
    assert_eq!(set, format!("{id}\tactive\tuser.created,access.changed\thttps://example.com/hooks\tours\n"));
    let set = place.ok(&["webhook", "set", id, "--events", "all"]);
    assert_eq!(rows(&set)[0][2..], ["all", "https://example.com/hooks", "ours"], "the rest stays");
    let shown = place.ok(&["webhook", "show", id]);
    assert!(shown.contains("state             active\n") && shown.contains("note              ours\n"), "{shown}");
    assert!(!place.ok(&["webhook", "show", id, "--json"]).contains("whsec_"));
    refused(
        place,
        &[
            (&["webhook", "show", NOTHING], 3),
            (&["webhook", "set", NOTHING, "--url", "https://example.com/"], 3),
            (&["webhook", "set", id], 2),
            (&["webhook", "set", id, "--url", "http://127.0.0.1/"], 2),
            (&["webhook", "set", id, "--events", "user.born"], 2),
        ],
    );

    let private = [("VOUCHSAFE_WEBHOOKS_ALLOW_PRIVATE", "true")];
    let url = receiver();
    let mut command = place.command(&["webhook", "set", id, "--url", &url]);
    assert!(command.envs(private).output().unwrap().status.success());
    place.ok(&["webhook", "test", id]);
    let server = place.serve_with(&private);
    let deliveries = ["webhook", "deliveries", id];
    let told = place.wait_for(&deliveries, |told| !told[0]["status"].is_null());
    drop(server);
    let delivery: &Value = &told[0];
    assert_eq!((&delivery["status"], &delivery["response"]), (&json!(503), &json!("not just now")));
    let headers = delivery["request_headers"].as_array().unwrap();
    assert!(headers.iter().any(|header| header[0] == "webhook-id"), "{delivery}");
    assert!(delivery["payload"].as_str().unwrap().contains("webhook.test") && delivery["duration_ms"].is_i64());
}

fn mails_are_shown_and_members_do_without_some(place: &Place) {
    place.ok(&["user", "add", "ann@example.com"]);
    place.ok(&["grant", "give", "ann@example.com", "--tier", "premium", "--days", "2"]);
    let mail = place.json(&["mail", "outbox", "list"])[0].clone();
    let id = mail["id"].as_str().unwrap();
    let shown = place.ok(&["mail", "outbox", "show", id]);
    assert!(shown.contains("letter      access_granted\n") && shown.contains("state       waiting\n"), "{shown}");
    assert_eq!(place.json(&["mail", "outbox", "show", id]), mail);
    place.execute("UPDATE jobs SET dead_at = run_at, attempts = 25, last_error = '550 no' WHERE finished_at IS NULL");
    let shown = place.ok(&["mail", "outbox", "show", id]);
    assert!(shown.contains("state       failed\n") && shown.contains("last error  550 no\n"), "{shown}");
    assert_eq!(place.ok(&["mail", "outbox", "resend"]), "1 mail(s) are tried again\n");
    assert_eq!(place.ok(&["mail", "outbox", "resend"]), "0 mail(s) are tried again\n");

    let show = ["mail", "preference", "show", "ann@example.com"];
    assert_eq!(place.ok(&show), "access\tyes\nreferrals\tyes\nbonus\tyes\n");
    let set = place.ok(&["mail", "preference", "set", "ann@example.com", "--access", "false", "--bonus", "true"]);
    assert_eq!(set, "access\tno\nreferrals\tyes\nbonus\tyes\n");
    assert_eq!(place.json(&show), json!({ "access": false, "referrals": true, "bonus": true }));
    refused(
        place,
        &[
            (&["mail", "outbox", "show", NOTHING], 3),
            (&["mail", "preference", "show", "bob@example.com"], 3),
            (&["mail", "preference", "set", "bob@example.com", "--bonus", "true"], 3),
            (&["mail", "preference", "set", "ann@example.com"], 2),
        ],
    );
}

fn jobs_are_listed_done_tried_again_and_deleted(place: &Place) {
    place.ok(&["user", "add", "ann@example.com"]);
    let scheduled = place.ok(&["job", "list"]);
    let count_days = |list: &str| rows(list).into_iter().find(|row| row[0] == "count_days").map(|row| row[2] != "-");
    assert_eq!(count_days(&scheduled), Some(false), "{scheduled}");
    let done = place.ok(&["job", "run", "count_days"]);
    assert!(done.starts_with("count_days: "), "{done}");
    let scheduled = place.ok(&["job", "list"]);
    assert_eq!(count_days(&scheduled), Some(true), "{scheduled}");

    for days in ["2", "3"] {
        place.ok(&["grant", "give", "ann@example.com", "--tier", "premium", "--days", days]);
    }
    let queue = place.json(&["job", "list"])["queue"].clone();
    let mails = queue.as_array().unwrap().iter().find(|kind| kind["kind"] == "send_mail").unwrap();
    assert!(mails["waiting"].as_i64().unwrap() >= 2, "{queue}");
    place.execute("UPDATE jobs SET dead_at = run_at, attempts = 25, last_error = '550 no' WHERE finished_at IS NULL");
    let dead = place.ok(&["job", "dead"]);
    let (one, other) = (rows(&dead)[0].clone(), rows(&dead)[1].clone());
    assert_eq!((one[1], one[3], one[4]), ("send_mail", "25", "550 no"), "{dead}");
    assert_eq!(place.json(&["job", "dead"])[0]["id"], one[0]);
    assert_eq!(place.ok(&["job", "retry", one[0]]), format!("{} waits again\n", one[0]));
    assert_eq!(place.ok(&["job", "discard", other[0]]), format!("{} is deleted\n", other[0]));
    let left = place.ok(&["job", "dead"]);
    assert!(!left.contains(one[0]) && !left.contains(other[0]), "{left}");
    refused(
        place,
        &[
            (&["job", "retry", one[0]], 3),
            (&["job", "discard", other[0]], 3),
            (&["job", "retry", "x"], 2),
            (&["job", "run", "fly"], 2),
        ],
    );
}

fn the_log_is_listed_and_exported(place: &Place) {
    place.ok(&["user", "add", "ann@example.com"]);
    place.ok(&["user", "promote", "ann@example.com"]);
    place.ok(&["grant", "give", "ann@example.com", "--tier", "premium", "--days", "2", "--reason", "a, \"b\""]);
    let list = place.ok(&["activity", "list", "--action", "grant_given"]);
    let line = rows(&list)[0].clone();
    assert_eq!((line[1], line[2], line[4]), ("operator", "grant_given", "-"), "{list}");
    let of_ann = place.json(&["activity", "list", "--for", "ann@example.com", "--by", "operator"]);
    assert!(of_ann.as_array().unwrap().len() >= 3, "{of_ann}");
    assert_eq!(place.ok(&["activity", "list", "--count", "1"]).lines().count(), 1);
    assert_eq!(place.ok(&["activity", "list", "--to", "2020-01-01"]), "");

    let csv = place.ok(&["activity", "export", "--format", "csv", "--action", "grant_given"]);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "time,actor,action,member,address,browser,details"), "{csv}");
    let json_lines = place.ok(&["activity", "export", "--for", "ann@example.com"]);
    let actions: Vec<Value> =
        json_lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["action"].clone()).collect();
    assert!(actions.contains(&json!("grant_given")) && actions.len() >= 3, "{json_lines}");
    refused(
        place,
        &[
            (&["activity", "list", "--for", "bob@example.com"], 3),
            (&["activity", "list", "--from", "yesterday"], 2),
            (&["activity", "list", "--count", "0"], 2),
            (&["activity", "export", "--format", "xml"], 2),
        ],
    );
}

fn what_was_counted_is_shown(place: &Place) {
    assert_eq!(place.ok(&["stats"]), "", "nothing is counted yet");
    place.ok(&["user", "add", "ann@example.com", "--tier", "basic"]);
    let figures = place.ok(&["stats", "--fresh"]);
    let new = rows(&figures).into_iter().rev().find(|row| row[1] == "new").unwrap();
    assert_eq!(new[2..], ["-", "1"], "{figures}");
    let told = place.json(&["stats", "--days", "1"]);
    assert!(told["counted_until"].is_string() && told["from"] == told["to"], "{told}");
    let members = told["figures"].as_array().unwrap().iter().filter(|figure| figure["metric"] == "members");
    assert_eq!(members.filter_map(|figure| figure["value"].as_i64()).sum::<i64>(), 1, "{told}");
    refused(place, &[(&["stats", "--days", "0"], 2), (&["stats", "--days", "401"], 2)]);
}

fn accounts_are_exported_deleted_and_kept(place: &Place) {
    place.ok(&["user", "add", "ann@example.com", "--external-id", "u-1"]);
    let id = place.json(&["show-status", "ann@example.com"])["id"].as_str().unwrap().to_owned();
    let export = place.ok(&["user", "export", "u-1"]);
    let whole: Value = serde_json::from_str(&export).unwrap();
    assert!(whole["version"].is_i64() && export.contains("ann@example.com"), "{export}");
    assert!(place.ok(&["activity", "list", "--for", "ann@example.com"]).contains("export"), "it is noted");

    assert_eq!(place.ok(&["user", "keep", "ann@example.com"]), format!("{id} was not to be deleted\n"));
    let due = place.ok(&["user", "delete", "ann@example.com"]);
    assert!(due.starts_with(&format!("{id} will be deleted at ")), "{due}");
    assert_eq!(place.ok(&["user", "keep", "ann@example.com"]), format!("{id} stays\n"));
    // The log says so as well, on stderr.
    let (code, deleted, _) = place.run(&["user", "delete", "ann@example.com", "--grace-days", "0"]);
    assert_eq!((code, deleted), (0, format!("{id} is deleted\n")));
    assert_eq!(place.run(&["show-status", "ann@example.com"]).0, 3);
    assert!(!place.ok(&["user", "list"]).contains("ann@example.com"));
    refused(
        place,
        &[
            (&["user", "export", "ann@example.com"], 3),
            (&["user", "delete", "ann@example.com"], 3),
            (&["user", "keep", "nobody"], 3),
            (&["user", "delete", "nobody", "--grace-days", "many"], 2),
        ],
    );
}
