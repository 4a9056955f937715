//! `store::migrations`, and the migrations themselves: up, filled, down to nothing, up again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use chrono::{NaiveDate, TimeDelta};
use sqlx::AssertSqlSafe;
use vouchsafe::{
    domain::{
        amount::Amount,
        analysis::Author,
        api_key::{ApiKey, Scopes},
        bonus::Trigger,
        entitlement::Restriction,
        grant::Grant,
        ids::{TierId, UserId},
        lang::Lang,
        letter::{Letter, LetterName, MailCategory},
        limit::{Limit, LimitKind},
        login::Allowance,
        mail_template::{MailTemplate, Wording},
        matrix::MatrixCell,
        notification::{Kind, Occurrence, Shape},
        payment::{BillingInterval, Loss, LossKind, LostFrom, PaidInvoice, Payer, Provider, TierPrice},
        period::ResetPeriod,
        portfolio::{Portfolio, Symbol, read_positions},
        quotes::{DailyClose, Quote},
        referral::{ALPHABET, ReferralCode},
        schedule::Routine,
        subscription::{Subscription, SubscriptionStatus, Version},
        usage::{IdempotencyKey, Reservation, ReservationState, UsageKind},
    },
    store::{
        Conn, Db,
        activity::{self, NewActivity},
        address_marks, api_keys, bonus, catalogue, coupons,
        credit::{self, CreditEntry},
        grants, idempotency, invitations,
        jobs::{self, Work},
        login, mail_preferences, mail_templates,
        mails::{self, QueuedMail},
        matrix, migrations,
        notifications::{self, Reader},
        partners, payments,
        portfolios::{self, SavedAnalysis, SavedPortfolio},
        prices, quotes, rate_limits, referrals, reminders, restrictions, schedules,
        sessions::{self, Session},
        settings, stats, subscriptions,
        usage::{self, CounterKey, UsageEvent},
        users::{self, NewUser},
        webhooks,
    },
};

use super::{Store, after, coupons::redemption, email, name, new_user, on_both};
use crate::harness::{Backend, beginning};

/// What the database calls its own beside the tables of the program.
const LEDGER: &str = "_sqlx_migrations";

/// Returns the folder of one database's migrations.
fn folder(db: &Db) -> PathBuf {
    let name = match db {
        Db::Sqlite { .. } => "sqlite",
        Db::Postgres(_) => "postgres",
    };
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("migrations").join(name)
}

fn file_names(folder: PathBuf) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Returns the steps of a file list: version and name, with `.up.sql` and `.down.sql` each.
fn steps(files: &BTreeSet<String>) -> Vec<&str> {
    files.iter().filter_map(|file| file.strip_suffix(".up.sql")).collect()
}

impl Store {
    /// Lists the tables that the database has, by its own account.
    async fn tables(&self) -> Vec<String> {
        self.texts(match self.db {
            Db::Sqlite { .. } => {
                "SELECT name FROM sqlite_master
                WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> '_sqlx_migrations'
                ORDER BY name"
            }
            Db::Postgres(_) => {
                "SELECT tablename::TEXT FROM pg_tables
                WHERE schemaname = current_schema() AND tablename <> '_sqlx_migrations' ORDER BY tablename"
            }
        })
        .await
    }

    /// Describes everything in the schema, so that two can be compared: tables with their
    /// columns, indexes and constraints, and whatever else a migration may make.
    async fn schema(&self) -> Vec<String> {
        let statements: &[&str] = match self.db {
            Db::Sqlite { .. } => &["SELECT type || ' ' || name || ' ' || COALESCE(sql, '') FROM sqlite_master"],
            Db::Postgres(_) => &[
                "SELECT 'relation ' || relkind::TEXT || ' ' || relname FROM pg_class
                WHERE relnamespace = current_schema()::regnamespace",
                "SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' '
                    || COALESCE(column_default, '')
                FROM information_schema.columns WHERE table_schema = current_schema()",
                "SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = current_schema()",
                "SELECT 'constraint ' || conrelid::regclass::TEXT || ' ' || conname || ' ' || pg_get_constraintdef(oid)
                FROM pg_constraint WHERE connamespace = current_schema()::regnamespace",
                "SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace",
                "SELECT 'type ' || typname FROM pg_type WHERE typnamespace = current_schema()::regnamespace",
                "SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal",
            ],
        };
        let mut schema = Vec::new();
        for statement in statements {
            schema.extend(self.texts(statement).await);
        }
        schema.retain(|line| !line.contains(LEDGER));
        schema.sort();
        schema
    }

    /// Returns the versions that are applied.
    async fn applied(&self) -> Vec<i64> {
        let steps = migrations::status(&self.db).await.unwrap();
        steps.into_iter().filter(|step| step.applied).map(|step| step.version).collect()
    }

    /// Returns the version of every step there is.
    async fn versions(&self) -> Vec<i64> {
        migrations::status(&self.db).await.unwrap().into_iter().map(|step| step.version).collect()
    }

    /// Puts rows into every table of the newest schema; `round` makes them differ from those of
    /// other rounds. Whoever adds a table adds a row here.
    pub(super) async fn fill(&self, round: usize) {
        let own = format!("own{round}");
        let moment = "'2026-11-21T10:00:00+00:00'";
        self.execute(&format!(
            "INSERT INTO tiers (id, name, active, paid, sort_order, created_at, updated_at)
            VALUES ('{own}', 'Own', TRUE, TRUE, 9, {moment}, {moment})"
        ))
        .await;
        self.execute(&format!(
            "INSERT INTO features (
                id, name_en, name_de, category, limit_type, reset_period, active, sort_order, created_at, updated_at
            )
            VALUES ('{own}', 'Own', 'Eigenes', 'data', 'quota', 'yearly', TRUE, 99, {moment}, {moment})"
        ))
        .await;

        let now = beginning();
        let (inviter, friend): (UserId, UserId) = (self.id(), self.id());
        let (address, friends) = (email(&format!("ann{round}@example.com")), email(&format!("bob{round}@example.com")));
        let own_tier: TierId = name(&own);
        let mut tx = self.begin().await;
        let conn = &mut tx.conn();
        matrix::raise_version(conn).await.unwrap();
        for (tier, feature) in [(own.as_str(), "photos"), ("free", own.as_str())] {
            let cell = MatrixCell { tier: name(tier), feature: name(feature), limit: Limit::At(1), version: 2 };
            assert!(matrix::insert_cell(conn, &cell, address.as_str(), now).await.unwrap());
        }
        settings::set(conn, &own, "x", "operator", now).await.unwrap();
        let member = NewUser { tier: &own_tier, external_id: Some(&own), ..new_user(inviter, &address) };
        assert!(users::insert(conn, &member, now).await.unwrap());
        let invited = NewUser { referred_by: Some(inviter), trial_ends_at: Some(now), ..new_user(friend, &friends) };
        assert!(users::insert(conn, &invited, now).await.unwrap());
        let letter = char::from(ALPHABET[round]);
        let code = ReferralCode::normalise(&format!("AAAABBB{letter}")).unwrap();
        assert!(users::set_referral_code(conn, inviter, &code, now).await.unwrap());
        let written_otherwise = email(&format!("Bob{round}@example.com"));
        assert!(users::set_names(conn, friend, Some(&written_otherwise), None, now).await.unwrap());
        users::count_login(conn, friend, now).await.unwrap();
        assert!(referrals::insert(conn, self.id(), inviter, friend, now).await.unwrap());
        let session = Session {
            id: self.id(),
            user_id: friend,
            user_agent: "Firefox".to_owned(),
            ip_address: "127.0.0.1".to_owned(),
            created_at: now,
            last_seen_at: now,
        };
        sessions::insert(conn, &session, own.as_bytes()).await.unwrap();
        let entry = CreditEntry {
            id: self.id(),
            user_id: friend,
            source: "admin".to_owned(),
            source_key: own.clone(),
            days: 45,
            until_before: None,
            until_after: Some(now),
            note: None,
            actor: "operator".to_owned(),
            created_at: now,
        };
        assert!(credit::insert(conn, &entry).await.unwrap());
        let line = NewActivity {
            id: self.id(),
            user: Some(friend),
            actor: "operator",
            action: "credit_granted",
            details: serde_json::json!({ "days": 45 }),
            ip_address: None,
            user_agent: None,
        };
        activity::insert(conn, &line, now).await.unwrap();
        let attempt = self.id();
        login::insert_attempt(conn, attempt, &friends, Lang::En, false, now, after(600)).await.unwrap();
        login::count_failure(conn, friends.key(), now).await.unwrap();
        login::replace_admin_claim(conn, own.as_bytes(), now, after(600)).await.unwrap();
        let allowance = Allowance { name: "login_address", count: 3, window: TimeDelta::minutes(15) };
        rate_limits::count(conn, allowance, &own, now).await.unwrap();
        let letter = Letter::LoginCode { attempt, send: 1 };
        let mail = QueuedMail { id: self.id(), recipient: friends.as_str().to_owned(), lang: Lang::En, letter };
        mails::insert(conn, std::slice::from_ref(&mail), now).await.unwrap();
        jobs::insert(conn, &[(self.id(), Work::SendMail { mail: mail.id })], now).await.unwrap();
        mail_preferences::put(conn, friend, MailCategory::Access, false, now).await.unwrap();
        let template = MailTemplate {
            edited: Some(Wording { subject: own.clone(), text: own.clone(), html: own.clone() }),
            updated_by: Some("operator".to_owned()),
            ..MailTemplate::built_in(LetterName::Welcome, Lang::En)
        };
        let known = mail_templates::find(conn, template.letter, template.lang).await.unwrap();
        let seen = known.map_or(0, |known| known.version);
        assert!(mail_templates::put(conn, &template, seen, now).await.unwrap());

        let restriction = Restriction {
            feature: name(&own),
            limit: Limit::Unlimited,
            reason: "a favour".to_owned(),
            expires_at: Some(after(60)),
            created_by: "operator".to_owned(),
            updated_at: now,
        };
        restrictions::put(conn, friend, &restriction).await.unwrap();
        let counter = CounterKey { user: friend, period_start: now, feature: name(&own) };
        usage::write(conn, &[(counter.clone(), Some(after(3600)), 2)], now).await.unwrap();
        let reservation = Reservation {
            id: self.id(),
            user: friend,
            feature: name(&own),
            amount: 3,
            state: ReservationState::Held,
            confirmed_amount: None,
            expires_at: after(300),
            created_at: now,
            period_start: now,
            period_end: Some(after(3600)),
        };
        usage::insert_reservations(conn, &[(reservation.clone(), "an app".to_owned())]).await.unwrap();
        let event = UsageEvent {
            id: self.id(),
            counter,
            kind: UsageKind::Confirmed,
            amount: 2,
            used_after: 2,
            limit: Limit::At(5),
            reservation: Some(reservation.id),
            actor: "an app".to_owned(),
        };
        usage::append(conn, &[event], now).await.unwrap();
        let mut key = IdempotencyKey { id: [0; 32], fingerprint: [9; 32] };
        key.id[0] = u8::try_from(round).unwrap();
        assert!(idempotency::insert(conn, &[(key, "{}".to_owned())], now - TimeDelta::days(2), now).await.unwrap());
        let key = ApiKey {
            id: self.id(),
            name: own.clone(),
            hint: "vs_abcdef".to_owned(),
            scopes: Scopes::ALL,
            user: Some(friend),
            created_by: "operator".to_owned(),
            created_at: now,
            expires_at: Some(after(60)),
            last_used_at: None,
            revoked_at: None,
        };
        api_keys::insert(conn, &key, own.as_bytes()).await.unwrap();

        let version = portfolios::raise_version(conn, friend, 0, now).await.unwrap().unwrap();
        let portfolio = Portfolio::new(read_positions("AAPL 1 2", Lang::En).positions).unwrap();
        let saved = SavedPortfolio { version, portfolio, restored_from: None, created_at: now };
        portfolios::insert_version(conn, friend, &saved).await.unwrap();
        let analysis = SavedAnalysis {
            version,
            question: None,
            commentary: "All in one.".to_owned(),
            author: Author::BuiltIn,
            created_at: now,
        };
        portfolios::replace_analysis(conn, friend, &analysis).await.unwrap();
        let (symbol, price, day) = (name::<Symbol>("AAPL"), name::<Amount>("180.5"), name::<NaiveDate>("2026-11-20"));
        let quote = Quote { symbol: symbol.clone(), price, currency: None, name: None, quoted_on: day };
        assert!(quotes::upsert(conn, &quote, now).await.unwrap());
        quotes::upsert_daily(conn, &DailyClose { symbol, day, close: price }).await.unwrap();
        let provider = Provider::Stripe;
        let price =
            TierPrice { provider, price_id: own.clone(), tier: own_tier.clone(), interval: BillingInterval::Month };
        assert!(prices::insert(conn, &price, now).await.unwrap());
        assert!(payments::put_customer(conn, provider, &own, friend, now).await.unwrap());
        let event = payments::NewEvent {
            id: self.id(),
            provider,
            event_id: &own,
            event_type: "invoice.paid",
            occurred_at: now,
            payload: "{}",
        };
        assert_eq!(payments::insert_events(conn, &[event], now).await.unwrap().len(), 1);
        let subscription = Subscription {
            id: self.id(),
            provider,
            provider_id: own.clone(),
            user: Some(friend),
            tier: own_tier,
            interval: BillingInterval::Month,
            status: SubscriptionStatus::Active,
            started_at: now,
            period_end: Some(after(60)),
            past_due_since: None,
            scheduled: None,
            ended_at: None,
            version: Version { at: now, rank: 0, event_id: own.clone() },
        };
        assert!(subscriptions::put(conn, &subscription, now).await.unwrap());
        let invoice = PaidInvoice {
            id: own.clone(),
            payer: Payer::default(),
            subscription: Some(own.clone()),
            payments: Vec::new(),
            amount: 999,
            currency: "eur".to_owned(),
            paid_at: now,
        };
        assert!(payments::insert_payment(conn, provider, friend, &invoice, now).await.unwrap());
        assert!(payments::insert_link(conn, provider, &own, &own).await.unwrap());
        let from = LostFrom::Invoice(own.clone());
        let loss = Loss { id: own.clone(), from, kind: LossKind::Refund, amount: 1 };
        assert!(payments::put_loss(conn, provider, &own, &loss, now).await.unwrap());
        let (gym, batch) = (self.partner(&format!("Gym {round}")), self.batch("fair"));
        assert!(partners::insert(conn, &gym, now).await.unwrap());
        coupons::insert_batch(conn, &batch).await.unwrap();
        let mut coupon = self.coupon(&format!("PASS{round}"), None);
        (coupon.terms.partner_id, coupon.batch) = (Some(gym.id), Some(batch.id));
        assert_eq!(coupons::insert(conn, std::slice::from_ref(&coupon), now).await.unwrap(), [coupon.id]);
        let grant = Grant { coupon: Some(coupon.id), ..self.grant(friend, "premium", 0) };
        grants::put(conn, &grant, now).await.unwrap();
        assert!(
            coupons::insert_redemption(conn, &redemption(self.id(), coupon.id, friend, grant.id), now).await.unwrap()
        );
        assert!(coupons::count_redemption(conn, coupon.id, now).await.unwrap());
        schedules::insert(conn, &[(Routine::SettleGrants, now)]).await.unwrap();
        stats::count_sign_in(conn, friend, now.date_naive()).await.unwrap();
        let figure = ("new", String::new(), 1);
        stats::put(conn, now.date_naive(), &["new"], &[figure]).await.unwrap();
        stats::set_counted(conn, now.date_naive(), now).await.unwrap();
        let endpoint = self.endpoint();
        webhooks::insert(conn, &endpoint, "sealed").await.unwrap();
        let told = super::webhooks::delivery(self.id(), endpoint.id, &own, Some(friend));
        assert_eq!(webhooks::insert_deliveries(conn, std::slice::from_ref(&told), now).await.unwrap(), [told.id]);
        let rule = self.rule(Trigger::CouponsRedeemed, 1);
        bonus::insert(conn, &rule).await.unwrap();
        assert!(bonus::insert_award(conn, self.id(), rule.id, friend, &rule.terms.reward, now).await.unwrap());
        let told = Occurrence::MemberDeleted { user: friend };
        let (told, _) = notifications::raise(conn, self.id(), &told, now).await.unwrap();
        notifications::mark_read(conn, Reader::Admin(friend), told, now).await.unwrap();
        notifications::set_ways(conn, Kind::MemberDeleted, Kind::MemberDeleted.ways(), now).await.unwrap();
        notifications::set_chat(conn, Some(("sealed", Shape::Slack)), now).await.unwrap();
        assert!(notifications::insert_digest(conn, friend, now.date_naive(), now).await.unwrap());
        let invitation = self.invitation(friends.as_str(), 0);
        assert!(invitations::insert(conn, &invitation).await.unwrap());
        let hash = [u8::try_from(round).unwrap(); 32];
        assert!(address_marks::mark(conn, address_marks::TRIAL, &hash, None, now).await.unwrap());
        assert!(reminders::claim_trial(conn, reminders::TRIAL_ENDING, friend, now).await.unwrap());
        tx.commit().await.unwrap();

        for table in self.tables().await {
            assert!(self.count(&table).await > 0, "{table} is empty: give it a row in Store::fill");
        }
    }
}

/// Runs the text of a migration.
async fn run_file(store: &Store, file: PathBuf) {
    let sql = AssertSqlSafe(fs::read_to_string(&file).unwrap());
    let mut tx = store.begin().await;
    match tx.conn() {
        Conn::Sqlite(c) => sqlx::raw_sql(sql).execute(c).await.map(drop),
        Conn::Postgres(c) => sqlx::raw_sql(sql).execute(c).await.map(drop),
    }
    .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    tx.commit().await.unwrap();
}

/// Returns the schema after every step on the way up from nothing, by version.
async fn schemas_on_the_way_up(backend: Backend) -> BTreeMap<i64, Vec<String>> {
    let store = Store::empty(backend).await.unwrap();
    let mut schemas = BTreeMap::from([(0, store.schema().await)]);
    let folder = folder(&store.db);
    for step in steps(&file_names(folder.clone())) {
        run_file(&store, folder.join(format!("{step}.up.sql"))).await;
        let version: i64 = step.split_once('_').unwrap().0.parse().unwrap();
        schemas.insert(version, store.schema().await);
    }
    schemas
}

fn backend(db: &Db) -> Backend {
    match db {
        Db::Sqlite { .. } => Backend::Sqlite,
        Db::Postgres(_) => Backend::Postgres,
    }
}

on_both! {
    async fn the_schema_goes_up_filled_down_to_nothing_and_up_again(store: Store) {
        assert!(migrations::is_current(&store.db).await.unwrap());
        let newest = store.schema().await;
        store.fill(1).await;
        migrations::down(&store.db, 0).await.unwrap();
        assert_eq!(store.schema().await, [""; 0]);
        assert_eq!(store.applied().await, [0; 0]);
        assert!(!migrations::is_current(&store.db).await.unwrap());

        migrations::up(&store.db).await.unwrap();
        assert_eq!(store.schema().await, newest);
        assert_eq!(store.applied().await, store.versions().await);
        assert!(migrations::is_current(&store.db).await.unwrap());
        store.fill(1).await;
    }

    async fn every_step_goes_down_filled_and_up_again(store: Store) {
        let schemas = schemas_on_the_way_up(backend(&store.db)).await;
        let versions = store.versions().await;
        let newest = &schemas[versions.last().unwrap()];
        for (round, (version, expected)) in schemas.iter().rev().enumerate() {
            store.fill(round).await;
            migrations::down(&store.db, *version).await.unwrap();
            assert_eq!(store.schema().await, *expected, "down to {version}");
            let applied: Vec<i64> = versions.iter().copied().filter(|applied| applied <= version).collect();
            assert_eq!(store.applied().await, applied, "down to {version}");

            migrations::up(&store.db).await.unwrap();
            assert_eq!(store.schema().await, *newest, "up from {version}");
            assert_eq!(store.applied().await, versions, "up from {version}");
        }
    }

    async fn steps_taken_one_by_one_lead_to_nothing_and_back(store: Store) {
        let schemas = schemas_on_the_way_up(backend(&store.db)).await;
        store.fill(1).await;
        for (version, expected) in schemas.iter().rev() {
            migrations::down(&store.db, *version).await.unwrap();
            assert_eq!(store.schema().await, *expected, "down to {version}");
        }
        migrations::up(&store.db).await.unwrap();
        store.fill(1).await;
    }

    async fn what_is_there_already_is_left_alone(store: Store) {
        store.fill(1).await;
        let tables = store.tables().await;
        assert!(tables.len() >= 17, "{tables:?}");
        let mut counts = Vec::new();
        for table in &tables {
            counts.push(store.count(table).await);
        }
        migrations::up(&store.db).await.unwrap();
        migrations::down(&store.db, *store.versions().await.last().unwrap()).await.unwrap();
        for (table, count) in tables.iter().zip(counts) {
            assert_eq!(store.count(table).await, count, "{table}");
        }
    }

    async fn several_nodes_that_start_at_once_migrate_once(store: Store) {
        migrations::down(&store.db, 0).await.unwrap();
        // The first failure ends it: who fails keeps the lock until its connection is closed.
        let nodes = tokio::try_join!(
            migrations::up(&store.db),
            migrations::up(&store.db),
            migrations::up(&store.db),
            migrations::up(&store.db),
        );
        nodes.unwrap();
        assert!(migrations::is_current(&store.db).await.unwrap());
        assert_eq!(store.count("tier_limits").await, 44);
    }

    async fn a_tier_that_somebody_has_outlives_its_seed(store: Store) {
        let ann = store.member("ann@example.com").await;
        store.execute("UPDATE tiers SET name = 'For nothing' WHERE id = 'free'").await;
        migrations::down(&store.db, 4).await.unwrap();
        assert_eq!(store.texts("SELECT id FROM tiers").await, ["free"]);
        assert_eq!(store.count("features").await, 0);
        migrations::up(&store.db).await.unwrap();
        let user = users::find(&mut store.reader().await.conn(), ann).await.unwrap().unwrap();
        assert_eq!(user.tier.as_str(), "free");
        assert_eq!(store.texts("SELECT name FROM tiers ORDER BY sort_order").await[0], "For nothing");
        assert_eq!((store.count("tiers").await, store.count("tier_limits").await), (4, 44));
    }

    async fn seeds_overwrite_nothing(store: Store) {
        migrations::down(&store.db, 4).await.unwrap();
        let moment = "'2026-11-21T10:00:00+00:00'";
        for sql in [
            format!("INSERT INTO app_settings (key, value, updated_at) VALUES ('trial_duration_days', '30', {moment})"),
            format!(
                "INSERT INTO tiers (id, name, price_monthly_cents, active, paid, sort_order, created_at, updated_at)
                VALUES ('basic', 'Ours', 1, FALSE, FALSE, 7, {moment}, {moment})"
            ),
            format!(
                "INSERT INTO features (
                    id, name_en, name_de, category, limit_type, reset_period, default_limit, active, sort_order,
                    created_at, updated_at
                )
                VALUES ('photos', 'Pictures', 'Bilder', 'ours', 'quota', 'weekly', 3, FALSE, 8, {moment}, {moment})"
            ),
            format!(
                "INSERT INTO tier_limits (tier_id, feature_id, limit_value, version, updated_by, updated_at)
                VALUES ('basic', 'photos', 77, 9, 'ann', {moment})"
            ),
        ] {
            assert_eq!(store.execute(&sql).await, 1);
        }
        migrations::up(&store.db).await.unwrap();

        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        assert_eq!(settings::read(conn).await.unwrap().trial_duration_days, 30);
        let tiers = catalogue::tiers(conn).await.unwrap();
        let basic = tiers.iter().find(|tier| tier.id.as_str() == "basic").unwrap();
        assert_eq!((basic.name.as_str(), basic.price_monthly_cents, basic.active), ("Ours", Some(1), false));
        let features = catalogue::features(conn).await.unwrap();
        let photos = features.iter().find(|feature| feature.id.as_str() == "photos").unwrap();
        assert_eq!((photos.name_de.as_str(), photos.kind, photos.active), ("Bilder", LimitKind::Quota, false));
        let (cell, (by, _)) = matrix::find_cell(conn, &basic.id, &photos.id).await.unwrap().unwrap();
        assert_eq!((cell.limit, cell.version, by.as_deref()), (Limit::At(77), 9, Some("ann")));
        // What was not there came.
        assert_eq!((tiers.len(), features.len(), matrix::cells(conn).await.unwrap().len()), (4, 11, 44));
    }

    async fn the_catalogue_to_start_with_is_that_of_the_seed(store: Store) {
        let settings = store.texts("SELECT key || '=' || value FROM app_settings ORDER BY key").await;
        assert_eq!(
            settings,
            [
                "post_trial_tier=free",
                "require_email_verification=true",
                "self_registration_enabled=true",
                "trial_duration_days=14"
            ]
        );
        let tiers = store.texts(
            "SELECT id || '|' || name || '|' || description_de || '|'
                || COALESCE(CAST(price_monthly_cents AS TEXT), '-') || '|'
                || COALESCE(CAST(price_yearly_cents AS TEXT), '-') || '|'
                || CASE WHEN active THEN 'active' ELSE 'inactive' END || '|'
                || CASE WHEN paid THEN 'paid' ELSE 'unpaid' END || '|' || CAST(sort_order AS TEXT)
            FROM tiers ORDER BY sort_order",
        );
        assert_eq!(
            tiers.await,
            [
                "free|Free|Eingeschränkte Basis-Funktionen|-|-|active|unpaid|1",
                "basic|Basic|Kernfunktionen ohne KI|499|4990|active|paid|2",
                "premium|Premium|Alle Features inkl. KI und Connectoren|999|9990|active|paid|3",
                "selfhosted|Self-Hosted|Unbegrenzt (für Heimserver)|-|-|inactive|paid|4",
            ]
        );

        let (count, boolean) = (LimitKind::Count, LimitKind::Boolean);
        let (never, monthly) = (ResetPeriod::Never, ResetPeriod::Monthly);
        let (all, off, on) = (Limit::Unlimited, Limit::OFF, Limit::At(1));
        let at = Limit::At;
        // Name, category, kind, period, default, and the limits of free, basic, premium, selfhosted.
        let expected = [
            ("weight_entries", "Gewichtseinträge", "data", count, never, all, [at(30), all, all, all]),
            ("circumference_entries", "Umfangs-Einträge", "data", count, never, all, [at(10), all, all, all]),
            ("caliper_entries", "Caliper-Einträge", "data", count, never, all, [at(10), all, all, all]),
            ("nutrition_entries", "Ernährungs-Einträge", "data", count, never, all, [at(30), all, all, all]),
            ("activity_entries", "Aktivitäts-Einträge", "data", count, never, all, [at(30), all, all, all]),
            ("photos", "Progress-Fotos", "data", count, never, all, [at(5), at(50), all, all]),
            ("ai_calls", "KI-Analysen", "ai", count, monthly, off, [off, at(3), all, all]),
            ("ai_pipeline", "KI-Pipeline", "ai", boolean, never, off, [off, off, on, on]),
            ("export_csv", "CSV-Export", "export", boolean, never, off, [off, on, on, on]),
            ("export_json", "JSON-Export", "export", boolean, never, off, [off, on, on, on]),
            ("export_zip", "ZIP-Export", "export", boolean, never, off, [off, on, on, on]),
        ];
        let mut reader = store.reader().await;
        let conn = &mut reader.conn();
        let features = catalogue::features(conn).await.unwrap();
        let cells = matrix::cells(conn).await.unwrap();
        assert_eq!((features.len(), cells.len()), (11, 44));
        for (feature, expected) in features.iter().zip(expected) {
            let found = (
                feature.id.as_str(),
                feature.name_de.as_str(),
                feature.category.as_str(),
                feature.kind,
                feature.reset_period,
                feature.default_limit,
                ["free", "basic", "premium", "selfhosted"].map(|tier| {
                    let cell = cells.iter().find(|cell| cell.tier.as_str() == tier && cell.feature == feature.id);
                    cell.unwrap().limit
                }),
            );
            assert_eq!(found, expected);
            assert!(feature.active);
        }
        assert_eq!(matrix::version(conn).await.unwrap(), 1);
    }

    async fn the_catalogue_speaks_both_languages(store: Store) {
        for (table, columns) in [
            ("app_settings", &["description_en", "description_de"][..]),
            ("tiers", &["name", "description_en", "description_de"]),
            ("features", &["name_en", "name_de", "description_en", "description_de"]),
        ] {
            for column in columns {
                let empty = store.texts(&format!("SELECT {column} FROM {table} WHERE TRIM({column}) = ''")).await;
                assert!(empty.is_empty(), "{table}.{column}");
            }
        }
    }
}

#[tokio::test]
async fn an_empty_database_has_no_step_and_may_be_asked() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(store) = Store::empty(backend).await else { continue };
        let steps = migrations::status(&store.db).await.unwrap();
        assert!(steps.iter().all(|step| !step.applied && !step.description.is_empty()), "{steps:?}");
        assert!(steps.windows(2).all(|pair| pair[0].version < pair[1].version), "{steps:?}");
        assert!(!migrations::is_current(&store.db).await.unwrap());
        // To ask changes nothing.
        assert_eq!(store.schema().await, [""; 0]);
        migrations::down(&store.db, 0).await.unwrap();
        migrations::up(&store.db).await.unwrap();
        assert!(migrations::is_current(&store.db).await.unwrap());
    }
}

#[test]
fn both_databases_have_the_same_steps_and_each_step_goes_both_ways() {
    let migrations = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let (sqlite, postgres) = (file_names(migrations.join("sqlite")), file_names(migrations.join("postgres")));
    assert_eq!(sqlite, postgres);
    let steps = steps(&sqlite);
    assert!(steps.len() >= 5);
    let expected: BTreeSet<String> =
        steps.iter().flat_map(|step| [format!("{step}.up.sql"), format!("{step}.down.sql")]).collect();
    assert_eq!(sqlite, expected);
    for (number, step) in steps.iter().enumerate() {
        assert!(step.starts_with(&format!("{:04}_", number + 1)), "{step} is not step {}", number + 1);
    }
}

#[tokio::test]
async fn both_databases_have_the_same_columns_references_and_indexes() {
    let Some(postgres) = Store::new(Backend::Postgres).await else { return };
    let sqlite = Store::new(Backend::Sqlite).await.unwrap();
    assert_eq!(sqlite.tables().await, postgres.tables().await);

    let columns_of_sqlite = sqlite.texts(
        "SELECT t.name || '.' || c.name || ' ' || c.type || CASE WHEN c.\"notnull\" THEN ' NOT NULL' ELSE '' END
        FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c
        WHERE t.type = 'table' AND t.name <> '_sqlx_migrations'",
    );
    let columns_of_postgres = postgres.texts(
        "SELECT table_name || '.' || column_name || ' ' || CASE data_type
            WHEN 'bigint' THEN 'INTEGER' WHEN 'boolean' THEN 'BOOLEAN' WHEN 'text' THEN 'TEXT'
            WHEN 'timestamp with time zone' THEN 'TEXT' WHEN 'jsonb' THEN 'TEXT' WHEN 'date' THEN 'TEXT'
            WHEN 'uuid' THEN 'BLOB' WHEN 'bytea' THEN 'BLOB'
            ELSE data_type || ', which SQLite has no word for'
        END || CASE WHEN is_nullable = 'NO' THEN ' NOT NULL' ELSE '' END
        FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name <> '_sqlx_migrations'",
    );
    assert_eq!(sorted(columns_of_sqlite.await), sorted(columns_of_postgres.await));

    let references_of_sqlite = sqlite.texts(
        "SELECT t.name || '.' || r.\"from\" || ' to ' || r.\"table\" || ' ' || r.on_delete
        FROM sqlite_master AS t JOIN pragma_foreign_key_list(t.name) AS r WHERE t.type = 'table'",
    );
    let references_of_postgres = postgres.texts(
        "SELECT r.conrelid::regclass::TEXT || '.' || c.attname || ' to ' || r.confrelid::regclass::TEXT || ' '
            || CASE r.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'a' THEN 'NO ACTION'
                ELSE r.confdeltype::TEXT END
        FROM pg_constraint AS r JOIN pg_attribute AS c ON c.attrelid = r.conrelid AND c.attnum = r.conkey[1]
        WHERE r.contype = 'f' AND r.connamespace = current_schema()::regnamespace",
    );
    assert_eq!(sorted(references_of_sqlite.await), sorted(references_of_postgres.await));

    let indexes_of_sqlite = sqlite.texts(
        "SELECT i.name || ' on ' || i.tbl_name || CASE WHEN l.\"unique\" THEN ' unique' ELSE '' END
        FROM sqlite_master AS i JOIN pragma_index_list(i.tbl_name) AS l ON l.name = i.name
        WHERE i.type = 'index' AND l.origin = 'c'",
    );
    let indexes_of_postgres = postgres.texts(
        "SELECT n.relname || ' on ' || i.indrelid::regclass::TEXT
            || CASE WHEN i.indisunique THEN ' unique' ELSE '' END
        FROM pg_index AS i JOIN pg_class AS n ON n.oid = i.indexrelid
        WHERE n.relnamespace = current_schema()::regnamespace AND i.indrelid <> '_sqlx_migrations'::regclass
            AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = i.indexrelid)",
    );
    assert_eq!(sorted(indexes_of_sqlite.await), sorted(indexes_of_postgres.await));
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}
