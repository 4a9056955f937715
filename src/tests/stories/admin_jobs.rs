//! What is done outside of requests, as admins, apps and Prometheus see it.

use chrono::TimeDelta;
use serde_json::json;
use vouchsafe::{
    domain::schedule::Routine,
    services::{activity, schedules},
    store::jobs::{self, Kind, Lane, Work},
};

use crate::harness::{ADMIN_TOKEN, Backend, TestApp, on_both};

impl TestApp {
    /// Queues a mail that nobody wrote and gives it up.
    pub async fn dead_job(&self) -> String {
        let now = self.env.clock.now();
        let id = self.env.random.id(now);
        let mut tx = self.env.db.begin().await.unwrap();
        let conn = &mut tx.conn();
        jobs::insert(conn, &[(id, Work::SendMail { mail: self.env.random.id(now) })], now).await.unwrap();
        let claimed = jobs::claim(conn, Lane::Letters, 9, now, now + TimeDelta::minutes(1)).await.unwrap();
        let token = claimed.iter().find(|job| job.id == id).unwrap().fencing_token;
        assert!(jobs::give_up(conn, id, token, "550 no such mailbox <here>", now).await.unwrap());
        tx.commit().await.unwrap();
        id.to_string()
    }
}

on_both! {
    async fn an_admin_sees_what_runs_and_has_it_done_now(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        let page = admin.get("/admin/jobs").await;
        assert!(page.body.contains("never yet") && page.body.contains("count_days"), "{}", page.body);
        app.runner.do_what_is_due().await.unwrap();
        app.env.clock.advance(TimeDelta::minutes(1));
        let page = admin.get("/admin/jobs").await;
        assert!(!page.body.contains("never yet"));
        assert!(page.texts("table[aria-labelledby=scheduled] .badge").iter().all(|badge| badge == "in order"), "{}", page.body);
        // Not due for another while, but wanted now.
        assert!(!schedules::due(&app.env).await.unwrap().contains(&Routine::CountDays));
        let ordered = admin.submit(&page, "form[action='/admin/jobs/count_days/run']", &[]).await;
        assert_eq!((ordered.status.as_u16(), ordered.location()), (303, "/admin/jobs?said=ordered"));
        assert!(schedules::due(&app.env).await.unwrap().contains(&Routine::CountDays));
        let again = admin.post("/admin/jobs/count_days/run", &[]).await;
        assert_eq!(again.location(), "/admin/jobs?said=running");
        app.runner.do_what_is_due().await.unwrap();
        assert!(!schedules::due(&app.env).await.unwrap().contains(&Routine::CountDays));
        let which = activity::Which { action: Some("job_ordered"), ..Default::default() };
        let lines = activity::list(&app.env, which, 9).await.unwrap();
        assert_eq!((lines.len(), lines[0].actor.as_str(), lines[0].ip_address.is_some()), (1, "root@example.com", true));
        assert_eq!(admin.post("/admin/jobs/fly/run", &[]).await.location(), "/admin/jobs?said=gone");
    }

    async fn what_was_given_up_is_tried_again_or_deleted(app: TestApp) {
        let mut admin = app.signed_in_admin("root@example.com").await;
        assert!(admin.get("/admin/jobs").await.body.contains("Nothing failed for good."));
        let (one, other) = (app.dead_job().await, app.dead_job().await);
        let page = admin.get("/admin/jobs").await;
        assert!(page.body.contains("550 no such mailbox &lt;here&gt;"), "{}", page.body);
        let retried = admin.submit(&page, &format!("form[action='/admin/jobs/dead/{one}/retry']"), &[]).await;
        assert_eq!(retried.location(), "/admin/jobs?said=retried");
        let gone = admin.submit(&page, &format!("form[action='/admin/jobs/dead/{other}/discard']"), &[]).await;
        assert_eq!(gone.location(), "/admin/jobs?said=discarded");
        for address in [format!("/admin/jobs/dead/{one}/retry"), format!("/admin/jobs/dead/{other}/discard"), "/admin/jobs/dead/x/retry".to_owned()] {
            assert_eq!(admin.post(&address, &[]).await.location(), "/admin/jobs?said=gone");
        }
        let page = admin.get("/admin/jobs").await;
        assert_eq!(page.texts("table[aria-labelledby=queue] tbody td")[..4], ["1", "0", "0", "0"].map(str::to_owned), "it has all its tries");
        app.mailbox().await;
        assert!(admin.get("/admin/jobs").await.body.contains("Nothing waits."));
    }

    async fn apps_see_and_do_the_same(app: TestApp) {
        let operator = app.operator();
        let (one, other) = (app.dead_job().await, app.dead_job().await);
        app.runner.do_what_is_due().await.unwrap();
        let told = operator.get("/api/v1/jobs").await.ok();
        let scheduled = told["scheduled"].as_array().unwrap();
        assert_eq!(scheduled.len(), Routine::ALL.len());
        let settle = scheduled.iter().find(|one| one["name"] == "settle_grants").unwrap();
        assert_eq!((&settle["failures"], &settle["last_outcome"]["members"]), (&json!(0), &json!(0)));
        let mails = told["queue"].as_array().unwrap().iter().find(|kind| kind["kind"] == "send_mail").unwrap();
        assert_eq!(mails["given_up"], 2);
        assert_eq!(operator.all_pages("/api/v1/jobs/dead", 1).await.len(), 2);
        assert_eq!(operator.post("/api/v1/jobs/forget_activity/run", json!({})).await.status, 202);
        operator.post("/api/v1/jobs/forget_activity/run", json!({})).await.is(409, "job_running");
        operator.post("/api/v1/jobs/fly/run", json!({})).await.is(404, "job_unknown");
        assert_eq!(operator.post(&format!("/api/v1/jobs/dead/{one}/retry"), json!({})).await.status, 202);
        operator.post(&format!("/api/v1/jobs/dead/{one}/retry"), json!({})).await.is(404, "job_unknown");
        assert_eq!(operator.delete(&format!("/api/v1/jobs/dead/{other}")).await.status, 204);
        operator.delete(&format!("/api/v1/jobs/dead/{other}")).await.is(404, "job_unknown");
        assert_eq!(operator.all_pages("/api/v1/jobs/dead", 1).await.len(), 0);
    }
}

/// What `/metrics` says of a figure with all its labels.
async fn figure(app: &TestApp, name: &str) -> Option<f64> {
    let mut operator = app.browser().with_header("authorization", &format!("Bearer {ADMIN_TOKEN}"));
    let page = operator.get("/metrics").await;
    page.body.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// One after the other, because a process has its figures once.
#[tokio::test]
async fn figures_say_how_the_jobs_stand_also_when_nothing_is_left() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(app) = TestApp::new(backend).await else { continue };
        let waiting = r#"queue_jobs{kind="send_mail",state="waiting"}"#;
        app.browser().post("/login", &[("email", "ann@example.com")]).await;
        app.env.clock.advance(TimeDelta::seconds(30));
        app.runner.measure().await.unwrap();
        assert!(figure(&app, waiting).await.is_some_and(|count| count >= 1.0));
        assert_eq!(figure(&app, r#"queue_oldest_seconds{kind="send_mail"}"#).await, Some(30.0));
        app.runner.run_until_idle().await.unwrap();
        app.runner.do_what_is_due().await.unwrap();
        app.runner.run_until_idle().await.unwrap();
        app.runner.measure().await.unwrap();
        for kind in Kind::ALL.map(Kind::as_str) {
            for state in ["waiting", "running", "retried", "given_up"] {
                let name = format!(r#"queue_jobs{{kind="{kind}",state="{state}"}}"#);
                assert_eq!(figure(&app, &name).await, Some(0.0), "{name}");
            }
            let name = format!(r#"queue_oldest_seconds{{kind="{kind}"}}"#);
            assert_eq!(figure(&app, &name).await, Some(0.0), "{name}");
        }
        assert!(figure(&app, r#"jobs_total{kind="send_mail",outcome="done"}"#).await.is_some());
        #[expect(clippy::cast_precision_loss, reason = "no time is so large")]
        let now = app.env.clock.now().timestamp() as f64;
        for routine in Routine::ALL {
            let of = |name: &str| format!(r#"{name}{{name="{routine}"}}"#);
            assert_eq!(figure(&app, &of("schedule_last_run_timestamp_seconds")).await, Some(now), "{routine}");
            assert_eq!(figure(&app, &of("schedule_last_success_timestamp_seconds")).await, Some(now), "{routine}");
            assert!(
                figure(&app, &of("schedule_next_run_timestamp_seconds")).await.is_some_and(|at| at > now),
                "{routine}"
            );
            assert_eq!(figure(&app, &of("schedule_failures_in_a_row")).await, Some(0.0), "{routine}");
            let ended = format!(r#"scheduled_runs_total{{name="{routine}",outcome="done"}}"#);
            assert!(figure(&app, &ended).await.is_some(), "{routine}");
        }
    }
}
