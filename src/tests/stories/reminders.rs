//! What members are told in time, by a clock that jumps, and by two workers at once.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use vouchsafe::{jobs::Runner, services::reminders};

use super::sign_up::set;
use crate::harness::{TestApp, on_both};

/// How often somebody was told something, by the beginning of the subject.
async fn told(app: &TestApp, to: &str, subject: &str) -> usize {
    let mails = app.mailbox().await;
    mails.iter().filter(|mail| mail.to == to && mail.subject.starts_with(subject)).count()
}

async fn look(app: &TestApp) {
    app.runner.do_what_is_due().await.unwrap();
}

const ENDING: &str = "Your trial of Premium ends on";
const ENDED: &str = "Your trial of Premium is over";

on_both! {
    async fn a_trial_is_reminded_of_once_and_its_end_is_told_once(app: TestApp) {
        app.signed_in("ann@example.com").await;
        let end = app.member("ann@example.com").await.trial_ends_at.unwrap();
        let turn = |to: DateTime<Utc>| app.env.clock.advance(to - app.env.clock.now());
        turn(end - TimeDelta::days(3) - TimeDelta::seconds(1));
        look(&app).await;
        assert_eq!(told(&app, "ann@example.com", ENDING).await, 0);
        turn(end - TimeDelta::days(3));
        for _ in 0..3 {
            look(&app).await;
        }
        // Another node, and a clock that goes back an hour.
        Runner::new(app.another_node()).unwrap().do_what_is_due().await.unwrap();
        app.env.clock.advance(-TimeDelta::hours(1));
        look(&app).await;
        app.env.clock.advance(TimeDelta::hours(2));
        look(&app).await;
        assert_eq!(told(&app, "ann@example.com", "Your trial of Premium ends on 5 December 2026").await, 1);
        assert_eq!(told(&app, "ann@example.com", ENDED).await, 0);
        turn(end);
        for step in [0, -1, 2, 24] {
            app.env.clock.advance(TimeDelta::hours(step));
            look(&app).await;
        }
        assert_eq!((told(&app, "ann@example.com", ENDING).await, told(&app, "ann@example.com", ENDED).await), (1, 1));
        let mails = app.mailbox().await;
        let ended = mails.iter().find(|mail| mail.subject == ENDED).unwrap();
        assert!(ended.text.contains("From now on you have Free"), "{}", ended.text);
        let log = app.operator().get("/api/v1/activity?action=trial_ended").await.ok();
        assert_eq!(log["items"].as_array().unwrap().len(), 1, "{log}");
    }

    async fn after_a_jump_of_45_days_nobody_is_reminded_of_what_is_over(app: TestApp) {
        app.signed_in("ann@example.com").await;
        app.signed_in("bob@example.com").await;
        let grant = json!({ "tier": "selfhosted", "days": 30 });
        app.operator().post("/api/v1/users/bob@example.com/grants", grant).await.ok();
        app.env.clock.advance(TimeDelta::days(45));
        for _ in 0..2 {
            look(&app).await;
        }
        for email in ["ann@example.com", "bob@example.com"] {
            assert_eq!((told(&app, email, ENDING).await, told(&app, email, ENDED).await), (0, 1), "{email}");
        }
        assert_eq!(told(&app, "bob@example.com", "Your Self-Hosted").await, 0, "no reminder");
        assert_eq!(told(&app, "bob@example.com", "Your days of Self-Hosted").await, 1, "but that they are used up");
        app.env.clock.advance(TimeDelta::days(20));
        look(&app).await;
        assert_eq!(told(&app, "ann@example.com", ENDED).await, 1);
    }

    async fn a_leap_day_is_a_day_like_any_other(app: TestApp) {
        let eve: DateTime<Utc> = "2028-02-20T12:00:00Z".parse().unwrap();
        app.env.clock.advance(eve - app.env.clock.now() - TimeDelta::seconds(1));
        app.signed_in("ann@example.com").await;
        app.env.clock.advance("2028-03-02T11:59:59Z".parse::<DateTime<Utc>>().unwrap() - app.env.clock.now());
        look(&app).await;
        assert_eq!(told(&app, "ann@example.com", ENDING).await, 0);
        app.env.clock.advance(TimeDelta::seconds(1));
        look(&app).await;
        assert_eq!(told(&app, "ann@example.com", "Your trial of Premium ends on 5 March 2028").await, 1);
    }

    async fn given_days_are_reminded_of_unless_as_much_goes_on(app: TestApp) {
        set(&app, "trial_duration_days", "0").await;
        let operator = app.operator();
        for (email, grants) in [
            ("ann@example.com", &[("premium", 30)][..]),
            ("bob@example.com", &[("premium", 30), ("premium", 30)]),
            ("cem@example.com", &[("premium", 30), ("basic", 30)]),
            ("dora@example.com", &[("premium", 3)]),
        ] {
            app.signed_in(email).await;
            for (tier, days) in grants {
                let path = format!("/api/v1/users/{email}/grants");
                operator.post(&path, json!({ "tier": tier, "days": days })).await.ok();
            }
        }
        // Emil has an own tier that is as strong.
        app.signed_in("emil@example.com").await;
        operator.post("/api/v1/users/emil@example.com/grants", json!({ "tier": "premium", "days": 30 })).await.ok();
        operator.patch("/api/v1/users/emil@example.com", json!({ "tier": "selfhosted" })).await.ok();
        look(&app).await;
        app.env.clock.advance(TimeDelta::days(28));
        for _ in 0..3 {
            look(&app).await;
        }
        let subject = "Your Premium at";
        for (email, expected) in [
            ("ann@example.com", 1),
            ("bob@example.com", 0),
            ("cem@example.com", 1),
            ("dora@example.com", 0),
            ("emil@example.com", 0),
        ] {
            assert_eq!(told(&app, email, subject).await, expected, "{email}");
        }
        // A pass that comes between moves the end: she has been told all the same.
        app.env.clock.advance(TimeDelta::days(30));
        look(&app).await;
        assert_eq!(told(&app, "bob@example.com", subject).await, 1, "of the last of his");
    }

    async fn a_short_time_after_a_long_one_of_the_same_tier_is_reminded_of_once(app: TestApp) {
        set(&app, "trial_duration_days", "0").await;
        let operator = app.operator();
        for (email, grants) in [
            ("ann@example.com", &[("premium", 30), ("premium", 3)][..]),
            ("bob@example.com", &[("premium", 2)]),
            // Another tier begins something new, of whose end its beginning tells.
            ("cem@example.com", &[("premium", 30), ("basic", 3)]),
        ] {
            app.signed_in(email).await;
            for (tier, days) in grants {
                let path = format!("/api/v1/users/{email}/grants");
                operator.post(&path, json!({ "tier": tier, "days": days })).await.ok();
            }
        }
        for _ in 0..36 {
            look(&app).await;
            app.env.clock.advance(TimeDelta::days(1));
        }
        let reminded = async |email| (told(&app, email, "Your Premium at").await, told(&app, email, "Your Basic at").await);
        assert_eq!(reminded("ann@example.com").await, (1, 0));
        assert_eq!(reminded("bob@example.com").await, (0, 0));
        assert_eq!(reminded("cem@example.com").await, (1, 0));
    }

    async fn one_who_cannot_be_read_keeps_nobody_else_from_being_told(app: TestApp) {
        let operator = app.operator();
        app.signed_in("ann@example.com").await;
        app.env.clock.advance(TimeDelta::seconds(1));
        app.signed_in("bob@example.com").await;
        set(&app, "trial_duration_days", "0").await;
        for (email, days) in [("cem@example.com", 14), ("dora@example.com", 15)] {
            app.signed_in(email).await;
            let grant = json!({ "tier": "basic", "days": days });
            operator.post(&format!("/api/v1/users/{email}/grants"), grant).await.ok();
        }
        let unreadable = "UPDATE users SET lang = 'xx' WHERE email IN ('ann@example.com', 'cem@example.com')";
        app.execute(unreadable).await;
        app.env.clock.advance(TimeDelta::days(13));
        assert!(reminders::send_due(&app.env).await.is_err(), "it is told that somebody could not be");
        assert_eq!(told(&app, "bob@example.com", ENDING).await, 1);
        assert_eq!(told(&app, "dora@example.com", "Your Basic at").await, 1);
        app.env.clock.advance(TimeDelta::days(1));
        assert!(reminders::send_due(&app.env).await.is_err());
        assert_eq!(told(&app, "bob@example.com", ENDED).await, 1);
        app.execute("UPDATE users SET lang = 'en'").await;
        assert_eq!(reminders::send_due(&app.env).await.unwrap(), 1);
        assert_eq!(told(&app, "ann@example.com", ENDED).await, 1);
    }

    async fn two_workers_at_once_tell_once(app: TestApp) {
        for number in 0..6 {
            app.signed_in(&format!("ann{number}@example.com")).await;
        }
        let node = app.another_node();
        for advance in [12, 2] {
            app.env.clock.advance(TimeDelta::days(advance));
            let mut racing = tokio::task::JoinSet::new();
            for env in [app.env.clone(), node.clone(), app.env.clone(), node.clone()] {
                racing.spawn(async move { reminders::send_due(&env).await.unwrap() });
            }
            racing.join_all().await;
        }
        for number in 0..6 {
            let email = format!("ann{number}@example.com");
            assert_eq!((told(&app, &email, ENDING).await, told(&app, &email, ENDED).await), (1, 1), "{email}");
        }
    }

    async fn who_has_as_much_from_elsewhere_is_not_troubled(app: TestApp) {
        app.signed_in("ann@example.com").await;
        app.operator().patch("/api/v1/users/ann@example.com", json!({ "tier": "premium" })).await.ok();
        set(&app, "reminder_days", "0").await;
        app.signed_in("bob@example.com").await;
        app.env.clock.advance(TimeDelta::days(12));
        look(&app).await;
        set(&app, "reminder_days", "3").await;
        set(&app, "trial_duration_days", "3").await;
        app.signed_in("cem@example.com").await;
        look(&app).await;
        let all = [("ann@example.com", 0), ("bob@example.com", 1), ("cem@example.com", 0)];
        for (email, expected) in all {
            assert_eq!(told(&app, email, ENDING).await, expected, "{email}");
        }
        app.env.clock.advance(TimeDelta::days(4));
        look(&app).await;
        for (email, expected) in [("ann@example.com", 0), ("bob@example.com", 1), ("cem@example.com", 1)] {
            assert_eq!(told(&app, email, ENDED).await, expected, "{email}");
        }
        let log = app.operator().get("/api/v1/activity?action=trial_ended").await.ok();
        assert_eq!(log["items"].as_array().unwrap().len(), 3, "the log has all of them");
    }

    async fn a_trial_that_was_all_there_was_says_so(app: TestApp) {
        set(&app, "post_trial_tier", "disabled").await;
        app.signed_in("ann@example.com").await;
        app.env.clock.advance(TimeDelta::days(15));
        look(&app).await;
        let mails = app.mailbox().await;
        let ended = mails.iter().find(|mail| mail.subject == ENDED).unwrap();
        assert!(ended.text.contains("From now on you have no access"), "{}", ended.text);
    }
}
