//! `store::privacy`, and its list of what is kept of a member, compared with the schema.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, Row};
use vouchsafe::{
    domain::{
        grant::Grant,
        ids::{CouponId, MailId, PaymentEventId, UserId},
        lang::Lang,
        letter::Notice,
        payment::Provider,
        privacy::Leaving,
        user::Role,
    },
    store::{
        Conn, Db,
        activity::{self, NewActivity},
        address_marks,
        coupons::{self, NewRedemption, Redeemer},
        grants, login,
        mails::{self, QueuedMail},
        payments,
        privacy::{self, Erase, Export, MENTIONS, Mention, NOBODYS, PLACES, Person, Place, Search},
        users,
    },
};

use super::{ROUNDS, Store, after, email, on_both, won};

/// A column, as `table.column`, with whether it names a member by a foreign key.
type Columns = BTreeMap<(String, String), bool>;

impl Store {
    /// Returns every column that the database has.
    async fn columns(&self) -> Columns {
        let (columns, references) = match self.db {
            Db::Sqlite { .. } => (
                "SELECT tables.name || '.' || columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
                WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tables.name <> '_sqlx_migrations'",
                "SELECT tables.name || '.' || keys.\"from\" FROM sqlite_master AS tables, pragma_foreign_key_list(tables.name) AS keys
                WHERE tables.type = 'table' AND keys.\"table\" IN ('users', 'portfolios')",
            ),
            Db::Postgres(_) => (
                "SELECT table_name || '.' || column_name FROM information_schema.columns
                WHERE table_schema = current_schema() AND table_name <> '_sqlx_migrations'",
                "SELECT conrelid::regclass::TEXT || '.' || attname FROM pg_constraint
                JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
                WHERE contype = 'f' AND confrelid IN ('users'::regclass, 'portfolios'::regclass)",
            ),
        };
        let references: BTreeSet<String> = self.texts(references).await.into_iter().collect();
        let split = |name: String| {
            let is_reference = references.contains(&name);
            let (table, column) = name.split_once('.').unwrap();
            ((table.to_owned(), column.to_owned()), is_reference)
        };
        self.texts(columns).await.into_iter().map(split).collect()
    }

    async fn person(&self, address: &str, external_id: Option<&str>) -> Person {
        let id = self.member(address).await;
        if let Some(external_id) = external_id {
            let mut tx = self.begin().await;
            assert!(users::set_names(&mut tx.conn(), id, None, Some(external_id), after(0)).await.unwrap());
            tx.commit().await.unwrap();
        }
        self.known(id).await
    }

    /// Returns what a member is and was called.
    async fn known(&self, id: UserId) -> Person {
        let mut reader = self.reader().await;
        let conn = &mut reader.conn();
        let user = users::find(conn, id).await.unwrap().unwrap();
        privacy::person(conn, &user).await.unwrap()
    }

    /// Gives somebody another address.
    async fn rename(&self, id: UserId, address: &str, external_id: Option<&str>) {
        let mut tx = self.begin().await;
        assert!(users::set_names(&mut tx.conn(), id, Some(&email(address)), external_id, after(0)).await.unwrap());
        tx.commit().await.unwrap();
    }

    /// Explains how a search goes about it.
    async fn plan(&self, search: &Search) -> Vec<String> {
        let mut tx = self.begin().await;
        let sql = |explain: &str| AssertSqlSafe(format!("{explain} {}", search.sql));
        macro_rules! bound {
            ($query:expr) => {{
                let mut query = $query;
                for pattern in &search.patterns {
                    query = query.bind(pattern);
                }
                if let Some(since) = search.since { query.bind(since) } else { query }
            }};
        }
        match tx.conn() {
            Conn::Sqlite(c) => {
                let rows = bound!(sqlx::query(sql("EXPLAIN QUERY PLAN"))).fetch_all(c).await.unwrap();
                rows.iter().map(|row| row.get(3)).collect()
            }
            Conn::Postgres(c) => {
                // In a small table it would look at everything, because that is quick.
                sqlx::query("SET LOCAL enable_seqscan = off").execute(&mut *c).await.unwrap();
                let rows = bound!(sqlx::query(sql("EXPLAIN"))).fetch_all(c).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }

    async fn line(&self, user: Option<UserId>, actor: &str, details: serde_json::Value) {
        let line = NewActivity {
            id: self.id(),
            user,
            actor,
            action: "login",
            details,
            ip_address: Some("198.51.100.7"),
            user_agent: Some("Firefox"),
        };
        let mut tx = self.begin().await;
        activity::insert(&mut tx.conn(), &line, after(0)).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn erase(&self, person: &Person) {
        let mut reader = self.reader().await;
        let lines = privacy::lines_naming(&mut reader.conn(), person.clone(), after(0)).await.unwrap();
        drop(reader);
        let mut tx = self.begin().await;
        privacy::erase(&mut tx.conn(), person, &lines).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn anonymise(&self, id: UserId, farewell: Option<MailId>, at: i64) -> bool {
        let mut tx = self.begin().await;
        let done = privacy::anonymise_user(&mut tx.conn(), id, farewell, after(at)).await.unwrap();
        tx.commit().await.unwrap();
        done
    }
}

/// Parts of names of columns that may hold something by which a person is known.
const TELLING: [&str; 19] = [
    "email",
    "address",
    "ip_",
    "agent",
    "recipient",
    "external",
    "actor",
    "note",
    "reason",
    "details",
    "contact",
    "payload",
    "subject",
    "body",
    "error",
    "user_id",
    "response",
    "question",
    "label",
];

/// Columns with such names in which nobody is, and why.
const NOT_ABOUT_ANYBODY: &[(&str, &str)] = &[
    ("address_marks.address_hash", "a keyed hash"),
    ("daily_stats.subject", "a tier, a feature or a kind of coupon"),
    ("idempotency_keys.response", "an answer to an app, which names an id at most"),
    ("jobs.payload", "names rows of other tables"),
    ("mail_templates.subject", "about the product"),
    ("mail_templates.text_body", "about the product"),
    ("mail_templates.html_body", "about the product"),
    ("partners.contact", "whom to ask at a company"),
    ("partners.email", "whom to ask at a company"),
    ("partners.note", "about a company"),
    ("schedules.last_error", "what the program complains about itself"),
    ("users.referred_by_user_id", "emptied together with the row of who invited"),
];

/// Returns what of a schema the list does not account for.
fn unaccounted(columns: &Columns, places: &[Place], mentions: &[Mention], nobodys: &[(&str, &str)]) -> Vec<String> {
    let mut complaints = Vec::new();
    let tables: BTreeSet<&str> = columns.keys().map(|(table, _)| table.as_str()).collect();
    for table in &tables {
        let is_place = places.iter().any(|place| place.table == *table);
        if is_place == nobodys.iter().any(|(nobodys, _)| nobodys == table) {
            complaints.push(format!("{table}: say in PLACES what of it is whose, or in NOBODYS why nobody is in it"));
        }
    }
    for ((table, column), is_reference) in columns {
        let full = format!("{table}.{column}");
        let here = || places.iter().filter(|place| place.table == table);
        let is_whose = here().any(|place| place.whose.column() == column);
        let is_mention = mentions.iter().any(|mention| mention.table == table && mention.column == column);
        let is_known = NOT_ABOUT_ANYBODY.iter().any(|(known, _)| *known == full);
        if *is_reference && !is_whose && !is_known {
            complaints.push(format!("{full} names a member: PLACES has to say what becomes of it"));
        }
        let names_an_author = column.ends_with("_by") || column == "actor";
        if names_an_author && !is_mention && column != "written_by" {
            complaints.push(format!("{full} says who did it: add a mention"));
        }
        let is_telling = TELLING.iter().any(|part| column.contains(part)) && !column.ends_with("email_verified_at");
        if is_telling && !is_mention && !is_known && here().next().is_none() {
            complaints.push(format!("{full} may tell of somebody: add a place, a mention, or why not"));
        }
        // What is in a list of the export is complete, or says what is left out.
        let lists = here().filter_map(|place| match place.export {
            Export::As { section, columns, hidden, .. } => Some((section, columns, hidden)),
            Export::No(_) => None,
        });
        for (section, shown, hidden) in lists {
            let is_shown = shown.iter().any(|(shown, _)| shown == column);
            let is_hidden = hidden.iter().any(|(hidden, _)| hidden == column);
            if is_shown == is_hidden {
                complaints.push(format!("{full} is neither in the export ({section}) nor left out with a reason"));
            }
        }
    }
    let has = |table: &str, column: &str| columns.contains_key(&(table.to_owned(), column.to_owned()));
    for place in places {
        let listed = match place.export {
            Export::As { columns, hidden, .. } => {
                columns.iter().map(|(name, _)| *name).chain(hidden.iter().map(|(name, _)| *name)).collect()
            }
            Export::No(why) => {
                assert!(!why.is_empty());
                Vec::new()
            }
        };
        for column in listed.into_iter().chain([place.whose.column()]) {
            if !has(place.table, column) {
                complaints.push(format!("{}.{column} is in PLACES and not in the schema", place.table));
            }
        }
    }
    for mention in mentions {
        if !has(mention.table, mention.column) {
            complaints.push(format!("{}.{} is in MENTIONS and not in the schema", mention.table, mention.column));
        }
    }
    complaints
}

on_both! {
    async fn whatever_the_schema_keeps_of_a_member_is_on_the_list(store: Store) {
        let complaints = unaccounted(&store.columns().await, PLACES, MENTIONS, NOBODYS);
        assert!(complaints.is_empty(), "{complaints:#?}");
    }

    async fn a_table_that_was_forgotten_is_noticed(store: Store) {
        let id = match store.db {
            Db::Sqlite { .. } => "BLOB",
            Db::Postgres(_) => "UUID",
        };
        store.execute(&format!(
            "CREATE TABLE gifts (id INTEGER PRIMARY KEY, giver {id} REFERENCES users (id), note TEXT, wrapped_by TEXT)"
        )).await;
        store.execute("ALTER TABLE sessions ADD COLUMN screen TEXT").await;
        let complaints = unaccounted(&store.columns().await, PLACES, MENTIONS, NOBODYS);
        assert_eq!(complaints, [
            "gifts: say in PLACES what of it is whose, or in NOBODYS why nobody is in it",
            "gifts.giver names a member: PLACES has to say what becomes of it",
            "gifts.note may tell of somebody: add a place, a mention, or why not",
            "gifts.wrapped_by says who did it: add a mention",
            "sessions.screen is neither in the export (sessions) nor left out with a reason",
        ]);
    }

    async fn every_list_of_the_export_can_be_read_and_every_place_erased(store: Store) {
        let ann = store.person("ann@example.com", Some("ann-1")).await;
        store.line(Some(ann.id), "ann@example.com", serde_json::json!({ "new": true })).await;
        let mut reader = store.reader().await;
        let mut read = 0;
        for place in PLACES {
            let page = privacy::rows(&mut reader.conn(), place, &ann, None, 10).await.unwrap();
            assert_eq!(page.next, None, "{}", place.table);
            if let (Export::As { columns, .. }, Some(row)) = (place.export, page.rows.first()) {
                read += 1;
                assert_eq!(row.as_object().unwrap().len(), columns.len());
            }
        }
        assert_eq!(read, 2, "the profile and the line of the log");
        drop(reader);
        store.erase(&ann).await;
        assert!(store.anonymise(ann.id, None, 9).await);
    }

    async fn whatever_stands_in_any_table_can_be_read_and_erased(store: Store) {
        store.fill(1).await;
        let people = users::list(&mut store.reader().await.conn(), None, 10).await.unwrap();
        let mut empty: BTreeSet<&str> = BTreeSet::new();
        let mut full: BTreeSet<&str> = BTreeSet::new();
        for user in people {
            let mut tx = store.begin().await;
            let conn = &mut tx.conn();
            let person = privacy::person(conn, &user).await.unwrap();
            let lines = privacy::lines_naming(conn, person.clone(), after(0)).await.unwrap();
            for place in PLACES {
                if let Export::As { section, .. } = place.export {
                    let page = privacy::rows(conn, place, &person, None, 10).await.unwrap();
                    if page.rows.is_empty() { empty.insert(section) } else { full.insert(section) };
                }
            }
            privacy::erase(conn, &person, &lines).await.unwrap();
            assert!(privacy::anonymise_user(conn, person.id, None, after(9)).await.unwrap());
            for place in PLACES.iter().filter(|place| !matches!(place.erase, Erase::Stay(_))) {
                let page = privacy::rows(conn, place, &person, None, 10).await.unwrap();
                assert_eq!(page.rows, [serde_json::Value::Null; 0], "{}", place.table);
            }
            tx.commit().await.unwrap();
        }
        let never: Vec<&str> = empty.difference(&full).copied().collect();
        // Nobody there was invited by a member or accepted, and no event is anybody's: those are read as the others are.
        assert_eq!(never, ["invitations_accepted", "invitations_sent", "payment_events"]);
    }

    async fn an_export_is_read_in_pages_and_nobody_elses(store: Store) {
        let (ann, bob) = (store.person("ann@example.com", None).await, store.person("bob@example.com", None).await);
        for number in 0..7 {
            store.line(Some(ann.id), "system", serde_json::json!({ "number": number })).await;
        }
        store.line(Some(bob.id), "system", serde_json::json!({ "number": 99 })).await;
        let place = PLACES.iter().find(|place| place.table == "user_activity_log").unwrap();
        let (mut numbers, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = privacy::rows(&mut store.reader().await.conn(), place, &ann, after, 3).await.unwrap();
            numbers.extend(page.rows.iter().map(|row| row["details"]["number"].as_i64().unwrap()));
            pages += 1;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        numbers.sort();
        assert_eq!((numbers, pages), ((0..7).collect(), 3));
    }

    async fn what_names_somebody_is_forgotten_and_what_names_others_stays(store: Store) {
        let ann = store.person("Ann@Example.com", Some("ann-1")).await;
        let bob = store.person("joann@example.com", Some("ann-11")).await;
        store.line(Some(ann.id), "Ann@Example.com", serde_json::json!({ "email": "Ann@Example.com" })).await;
        store.line(Some(bob.id), "ann@example.com", serde_json::json!({ "by": "ann@example.com", "days": 3 })).await;
        store.line(Some(bob.id), "ann-1", serde_json::json!({ "days": 4 })).await;
        store.line(Some(bob.id), "ann-11", serde_json::json!({ "days": 5 })).await;
        store.line(Some(bob.id), "joann@example.com", serde_json::json!({ "days": 6 })).await;
        store.erase(&ann).await;
        let mut lines = store.texts(
            "SELECT actor || ' ' || COALESCE(ip_address, '-') || ' ' || CAST(details AS TEXT) FROM user_activity_log"
        ).await;
        lines.iter_mut().for_each(|line| line.retain(|c| c != ' ' && c != '"'));
        lines.sort();
        assert_eq!(lines, [
            "ann-11198.51.100.7{days:5}",
            "deleted-{by:deleted,days:3}",
            "deleted-{days:4}",
            "deleted-{}",
            "joann@example.com198.51.100.7{days:6}",
        ]);
        // Whom apps call as the log calls nobody in particular does not take that name along.
        let carl = store.person("carl@example.com", Some("operator")).await;
        store.line(None, "operator", serde_json::json!({})).await;
        store.erase(&carl).await;
        assert_eq!(store.texts("SELECT actor FROM user_activity_log WHERE actor = 'operator'").await.len(), 1);
    }

    async fn what_a_provider_sent_about_somebody_goes_whole(store: Store) {
        let (ann, bob) = (store.person("ann@example.com", None).await, store.person("bob@example.com", None).await);
        let now = after(0);
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(payments::put_customer(conn, Provider::Stripe, "cus_1", ann.id, now).await.unwrap());
        assert!(payments::put_customer(conn, Provider::Stripe, "cus_11", bob.id, now).await.unwrap());
        let payloads = [
            r#"{"customer":"cus_1","name":"Ann"}"#,
            r#"{"customer":"cus_11","name":"Bob"}"#,
            r#"{"email":"ANN@Example.com","name":"Ann"}"#,
            r#"{"email":"joann@example.com","name":"Jo"}"#,
            r#"{"email":"ann@example.com.example","name":"Anna"}"#,
        ];
        let ids: Vec<PaymentEventId> = payloads.iter().map(|_| store.id()).collect();
        let rows: Vec<_> = payloads.iter().zip(&ids).enumerate().map(|(number, (payload, id))| payments::NewEvent {
            id: *id,
            provider: Provider::Stripe,
            event_id: ["evt_1", "evt_2", "evt_3", "evt_4", "evt_5"][number],
            event_type: "charge.succeeded",
            occurred_at: now,
            payload,
        }).collect();
        assert_eq!(payments::insert_events(conn, &rows, now).await.unwrap().len(), 5);
        tx.commit().await.unwrap();
        store.execute("UPDATE payment_events SET state = 'failed', error = 'nobody', waits_for = 'customer:cus_9'").await;
        store.erase(&ann).await;
        let left = store.texts("SELECT payload FROM payment_events ORDER BY event_id").await;
        assert_eq!(left, ["{}", payloads[1], "{}", payloads[3], payloads[4]]);
        // Somebody else's money still waits for them.
        let states = "SELECT state || COALESCE(error, '') || COALESCE(waits_for, '') FROM payment_events ORDER BY event_id";
        let open = "failednobodycustomer:cus_9";
        assert_eq!(store.texts(states).await, ["ignored", open, "ignored", open, open]);

        let mut tx = store.begin().await;
        privacy::empty_events(&mut tx.conn(), &[]).await.unwrap();
        privacy::empty_events(&mut tx.conn(), &ids[1..2]).await.unwrap();
        tx.commit().await.unwrap();
        let left = store.texts("SELECT payload FROM payment_events ORDER BY event_id").await;
        assert_eq!(left[..3], ["{}"; 3]);
    }

    async fn an_address_that_only_ends_or_begins_like_it_is_somebody_elses(store: Store) {
        let ann = store.person("ann@example.com", None).await;
        let bob = store.person("bob@example.com", None).await;
        let said = "joann@example.com and ann@example.community, not Ann@EXAMPLE.com.";
        store.line(Some(bob.id), "operator", serde_json::json!({ "said": [said], "by": "joann@example.com" })).await;
        store.execute(&format!(
            "INSERT INTO coupon_batches (id, label, count, created_by, created_at)
            SELECT id, '{said}', 1, 'joann@example.com', created_at FROM users WHERE email = 'bob@example.com'"
        )).await;
        store.erase(&ann).await;
        let left = "joann@example.com and ann@example.community, not deleted.";
        assert_eq!(store.texts("SELECT label || created_by FROM coupon_batches").await, [format!("{left}joann@example.com")]);
        let lines = store.texts("SELECT CAST(details AS TEXT) FROM user_activity_log").await;
        let details: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(details, serde_json::json!({ "said": [left], "by": "joann@example.com" }));
    }

    async fn what_somebody_was_called_before_is_forgotten_too(store: Store) {
        let ann = store.person("Old@example.com", Some("old-1")).await.id;
        store.rename(ann, "new@example.com", Some("new-1")).await;
        let bob = store.person("bob@example.com", None).await.id;
        store.line(Some(bob), "Old@example.com", serde_json::json!({ "for": "old@example.com" })).await;
        store.line(Some(bob), "old-1", serde_json::json!({})).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let attempt = store.id();
        login::insert_attempt(conn, attempt, &email("OLD@example.com"), Lang::En, false, after(0), after(60)).await.unwrap();
        login::count_failure(conn, email("old@example.com").key(), after(0)).await.unwrap();
        let letter = Notice::ReferralJoined.into();
        let mail = QueuedMail { id: store.id(), recipient: "OLD@example.com".to_owned(), lang: Lang::En, letter };
        mails::insert(conn, std::slice::from_ref(&mail), after(0)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.count("former_names").await, 1);
        store.erase(&store.known(ann).await).await;
        assert!(store.anonymise(ann, None, 1).await);
        for table in ["former_names", "login_attempts", "login_failures", "mails"] {
            assert_eq!(store.count(table).await, 0, "{table}");
        }
        let lines = "SELECT actor || CAST(details AS TEXT) FROM user_activity_log";
        let mut lines = store.texts(lines).await;
        lines.iter_mut().for_each(|line| line.retain(|c| c != ' '));
        lines.sort();
        assert_eq!(lines, ["deleted{\"for\":\"deleted\"}", "deleted{}"]);
    }

    async fn a_former_name_that_is_somebody_elses_now_is_theirs(store: Store) {
        let ann = store.person("shared@example.com", Some("shared-1")).await.id;
        store.line(Some(ann), "shared@example.com", serde_json::json!({})).await;
        store.rename(ann, "ann@example.com", Some("ann-1")).await;
        let bob = store.person("shared@example.com", Some("shared-1")).await;
        store.line(Some(bob.id), "shared@example.com", serde_json::json!({ "bobs": true })).await;
        store.line(Some(bob.id), "shared-1", serde_json::json!({ "bobs": true })).await;
        let mut tx = store.begin().await;
        let letter = Notice::ReferralJoined.into();
        let mail = QueuedMail { id: store.id(), recipient: "shared@example.com".to_owned(), lang: Lang::En, letter };
        mails::insert(&mut tx.conn(), std::slice::from_ref(&mail), after(0)).await.unwrap();
        tx.commit().await.unwrap();
        store.erase(&store.known(ann).await).await;
        assert_eq!(store.count("mails").await, 1);
        let mut lines = store.texts("SELECT actor || CAST(details AS TEXT) FROM user_activity_log").await;
        lines.iter_mut().for_each(|line| line.retain(|c| c != ' '));
        lines.sort();
        assert_eq!(lines, ["deleted{}", "shared-1{\"bobs\":true}", "shared@example.com{\"bobs\":true}"]);
    }

    async fn letters_to_another_spelling_go_too(store: Store) {
        let ann = store.member("jörg@bücher.example").await;
        for recipient in ["JÖRG@bücher.example", "Jörg@BÜCHER.example", "jörg@xn--bcher-kva.example", "jürg@bücher.example"] {
            let letter = Notice::ReferralJoined.into();
            let mail = QueuedMail { id: store.id(), recipient: recipient.to_owned(), lang: Lang::De, letter };
            let mut tx = store.begin().await;
            mails::insert(&mut tx.conn(), std::slice::from_ref(&mail), after(0)).await.unwrap();
            tx.commit().await.unwrap();
        }
        let place = PLACES.iter().find(|place| place.table == "mails").unwrap();
        let person = store.known(ann).await;
        let page = privacy::rows(&mut store.reader().await.conn(), place, &person, None, 9).await.unwrap();
        assert_eq!(page.rows.len(), 3);
        store.erase(&person).await;
        assert_eq!(store.texts("SELECT recipient FROM mails").await, ["jürg@bücher.example"]);
    }

    async fn a_key_of_theirs_is_named_nowhere(store: Store) {
        store.fill(1).await;
        let bob = users::find_by_email(&mut store.reader().await.conn(), email("bob1@example.com").key()).await.unwrap().unwrap();
        // A server's key, one named after them, and one that was theirs and is forgotten already.
        store.execute("UPDATE api_keys SET name = 'Canary'").await;
        for (name, number) in [("Backend", 2), ("for bob1@example.com", 3)] {
            store.execute(&format!(
                "INSERT INTO api_keys (id, name, hint, token_hash, scopes, created_by, created_at)
                SELECT {}, '{name}', 'vs_{number}', {}, 'manage', 'operator', created_at FROM users WHERE email_key = 'bob1@example.com'",
                match store.db { Db::Sqlite { .. } => format!("X'{number:032x}'"), Db::Postgres(_) => format!("'{number:032x}'::UUID") },
                match store.db { Db::Sqlite { .. } => format!("X'{number:064x}'"), Db::Postgres(_) => format!("'\\x{number:064x}'::BYTEA") },
            )).await;
        }
        for actor in ["key Canary (vs_abcdef)", "key for bob1@example.com (vs_3)", "key Backend (vs_2)", "key gone (vs_0)"] {
            store.line(Some(bob.id), actor, serde_json::json!({})).await;
            store.line(None, actor, serde_json::json!({})).await;
        }
        store.execute("UPDATE usage_events SET actor = 'key gone (vs_0)'").await;
        store.execute("UPDATE reservations SET actor = 'gate'").await;
        store.erase(&store.known(bob.id).await).await;
        let mut actors = store.texts("SELECT actor FROM user_activity_log WHERE actor <> 'operator'").await;
        actors.sort();
        // Of the key that is gone nobody knows whose it was; in rows of theirs it does not matter.
        let backend = "key Backend (vs_2)";
        assert_eq!(actors, ["deleted", "deleted", "deleted", "deleted", "deleted", backend, backend, "key gone (vs_0)"][..].iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(store.texts("SELECT DISTINCT actor FROM usage_events").await, ["deleted"]);
        assert_eq!(store.texts("SELECT DISTINCT actor FROM reservations").await, ["gate"]);
    }

    async fn nothing_long_is_read_while_others_wait(store: Store) {
        let ann = store.person("ann@example.com", None).await;
        let reader = store.reader().await;
        drop(reader);
        let searches = {
            let mut tx = store.begin().await;
            let conn = tx.conn();
            [
                Search::lines(&conn, &ann, None),
                Search::lines(&conn, &ann, Some(after(0))),
                Search::payloads(&conn, &ann, &["cus_1".to_owned()]),
            ]
        };
        for (search, index) in searches.iter().zip(["user_activity_log_naming", "user_activity_log_naming", "payment_events_by_user"]) {
            let plan = store.plan(search).await;
            let is_all = |step: &String| step.contains("Seq Scan") || step.contains("SCAN") && !step.contains("INDEX");
            assert!(plan.iter().any(|step| step.contains(index)) && !plan.iter().any(is_all), "{}: {plan:#?}", search.sql);
        }
    }

    async fn what_came_since_it_was_looked_up_is_found(store: Store) {
        let ann = store.person("ann@example.com", None).await;
        store.line(None, "operator", serde_json::json!({ "to": "ann@example.com", "n": 1 })).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        // The first is known by its id, years later, too.
        let lines = privacy::lines_naming(conn, ann.clone(), after(100_000)).await.unwrap();
        let late = NewActivity {
            id: store.id(),
            user: None,
            actor: "operator",
            action: "invitation_sent",
            details: serde_json::json!({ "to": "ann@example.com", "n": 2 }),
            ip_address: None,
            user_agent: None,
        };
        activity::insert(conn, &late, after(100_000)).await.unwrap();
        privacy::erase(conn, &ann, &lines).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.texts("SELECT 'x' FROM user_activity_log WHERE CAST(details AS TEXT) LIKE '%@%'").await, [""; 0]);

        // Who was called otherwise when it was looked up is looked up again.
        let bob = store.person("bob@example.com", None).await;
        store.line(None, "operator", serde_json::json!({ "to": "robert@example.com" })).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let lines = privacy::lines_naming(conn, bob.clone(), after(100_000)).await.unwrap();
        assert!(users::set_names(conn, bob.id, Some(&email("robert@example.com")), None, after(1)).await.unwrap());
        let user = users::find(conn, bob.id).await.unwrap().unwrap();
        let robert = privacy::person(conn, &user).await.unwrap();
        privacy::erase(conn, &robert, &lines).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.texts("SELECT 'x' FROM user_activity_log WHERE CAST(details AS TEXT) LIKE '%@%'").await, [""; 0]);
    }

    async fn whoever_is_deleted_is_nobody_and_of_two_at_once_one_deletes(store: Store) {
        for round in 0..ROUNDS {
            let address = format!("ann{round}@example.com");
            let ann = store.person(&address, Some(&format!("ann-{round}"))).await;
            let done = store.race(6, move |_, mut tx| async move {
                let done = privacy::anonymise_user(&mut tx.conn(), ann.id, None, after(5)).await.unwrap();
                (tx, done)
            }).await;
            assert_eq!(won(&done), 1);
            let mut tx = store.begin().await;
            let conn = &mut tx.conn();
            assert_eq!(users::find(conn, ann.id).await.unwrap(), None);
            assert_eq!(users::lock(conn, ann.id).await.unwrap(), None);
            assert_eq!(users::find_all(conn, &[ann.id]).await.unwrap(), []);
            assert_eq!(users::lock_with_referrers(conn, &[ann.id]).await.unwrap(), []);
            assert_eq!(users::lock_by_email(conn, email(&address).key()).await.unwrap(), None);
            assert_eq!(users::list(conn, None, 10).await.unwrap(), []);
            assert_eq!(users::search(conn, "deleted", None, 10).await.unwrap(), []);
            assert_eq!(users::count(conn).await.unwrap(), 0);
            let named = vouchsafe::domain::user::UserRef::parse(&ann.id.to_string()).unwrap();
            assert_eq!(users::find_by_ref(conn, &named).await.unwrap(), None);
            assert!(users::find_by_refs(conn, &[named]).await.unwrap().is_empty());
            assert!(privacy::watched(conn).await.unwrap().contains(&ann.id));
            assert!(!privacy::set_leaving(conn, ann.id, None, after(6)).await.unwrap());
        }
    }

    async fn who_was_invited_by_somebody_deleted_came_by_nobody(store: Store) {
        let ann = store.person("ann@example.com", None).await;
        let bob = store.member("bob@example.com").await;
        store.execute(
            "UPDATE users SET referred_by_user_id = (SELECT id FROM users WHERE email = 'ann@example.com')
            WHERE email = 'bob@example.com'"
        ).await;
        assert!(store.anonymise(ann.id, None, 1).await);
        assert_eq!(store.texts("SELECT 'x' FROM users WHERE referred_by_user_id IS NOT NULL").await, [""; 0]);
        assert!(users::find(&mut store.reader().await.conn(), bob).await.unwrap().is_some());
    }

    async fn what_was_written_late_is_swept(store: Store) {
        let ann = store.person("ann@example.com", None).await;
        assert!(store.anonymise(ann.id, None, 1).await);
        store.line(Some(ann.id), "ann@example.com", serde_json::json!({ "email": "ann@example.com" })).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(privacy::sweep(conn, ann.id, after(60)).await.unwrap() > 0);
        assert_eq!(privacy::sweep(conn, ann.id, after(3600)).await.unwrap(), 0);
        assert_eq!(privacy::watched(conn).await.unwrap(), [ann.id], "something from before may still come");
        // However long nobody was there to look: it is looked once more, and then it is over.
        assert_eq!(privacy::sweep(conn, ann.id, after(90_000)).await.unwrap(), 0);
        assert_eq!(privacy::watched(conn).await.unwrap(), []);
        tx.commit().await.unwrap();
        assert_eq!(store.texts("SELECT actor || CAST(details AS TEXT) FROM user_activity_log").await, ["deleted{}"]);
    }

    async fn the_flows_of_somebody_end(store: Store) {
        let ann = store.person("ann@example.com", None).await;
        store.member("bob@example.com").await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        for address in ["ann@example.com", "ANN@example.com", "bob@example.com"] {
            let attempt = store.id();
            login::insert_attempt(conn, attempt, &email(address), Lang::En, false, after(0), after(60)).await.unwrap();
        }
        assert_eq!(privacy::end_attempts(conn, ann.id).await.unwrap(), 2);
        tx.commit().await.unwrap();
        assert_eq!(store.texts("SELECT email FROM login_attempts").await, ["bob@example.com"]);
    }

    async fn grants_end_with_what_is_left_of_them(store: Store) {
        let ann = store.member("ann@example.com").await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let running = Grant { running_since: Some(after(0)), began_at: Some(after(0)), ..store.grant(ann, "premium", 0) };
        let over = Grant { ended_at: Some(after(0)), remaining: 0, ..store.grant(ann, "premium", 0) };
        for grant in [&running, &over] {
            grants::put(conn, grant, after(0)).await.unwrap();
        }
        assert_eq!(privacy::end_grants(conn, ann, after(9)).await.unwrap(), 1);
        let ended = grants::find(conn, running.id).await.unwrap().unwrap();
        assert_eq!((ended.revoked_at, ended.running_since, ended.remaining), (Some(after(9)), None, running.remaining));
        assert_eq!(grants::find(conn, over.id).await.unwrap(), Some(over));
        assert_eq!(privacy::end_grants(conn, ann, after(10)).await.unwrap(), 0);
    }

    async fn a_redemption_is_marked_until_nobody_can_redeem_it(store: Store) {
        let ann = store.member("ann@example.com").await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        let (first, last) = ([8; 32], [7; 32]);
        let mut ids = Vec::new();
        for (code, valid_until, address_hash) in [
            ("OVER", Some(after(-5)), None),
            ("OPEN", None, None),
            ("SOON", Some(after(50)), None),
            ("SAME", Some(after(50)), Some(last)),
            ("MOVED", Some(after(50)), Some(first)),
        ] {
            let mut coupon = store.coupon(code, None);
            coupon.terms.valid_until = valid_until;
            coupons::insert(conn, std::slice::from_ref(&coupon), after(-9)).await.unwrap();
            let grant = Grant { coupon: Some(coupon.id), ..store.grant(ann, "premium", 0) };
            grants::put(conn, &grant, after(-9)).await.unwrap();
            let (id, coupon, grant) = (store.id(), coupon.id, grant.id);
            let new = NewRedemption { id, coupon, user: ann, grant, address_hash };
            assert!(coupons::insert_redemption(conn, &new, after(-9)).await.unwrap());
            ids.push((coupon, code));
        }
        // Done again, it is as it was.
        for _ in 0..2 {
            privacy::mark_redemptions(conn, ann, &last, after(0)).await.unwrap();
        }
        let coupons: Vec<CouponId> = ids.iter().map(|(coupon, _)| *coupon).collect();
        let somebody: [UserId; 1] = [store.id()];
        for (hash, expected) in [(last, &["MOVED", "OPEN", "SAME", "SOON"][..]), (first, &["MOVED"]), ([9; 32], &[])] {
            let found = coupons::redeemers(conn, &coupons, &somebody, &[hash]).await.unwrap();
            let code = |one: &Redeemer| ids.iter().find(|(coupon, _)| *coupon == one.coupon_id).unwrap().1;
            let mut codes: Vec<&str> = found.iter().map(code).collect();
            codes.sort_unstable();
            assert_eq!(codes, expected);
        }
        assert_eq!(privacy::forget_redemption_marks(conn, after(49)).await.unwrap(), 0);
        assert_eq!(privacy::forget_redemption_marks(conn, after(50)).await.unwrap(), 3);
        assert_eq!(privacy::forget_redemption_marks(conn, after(500)).await.unwrap(), 0, "one never ends");
        assert_eq!(address_marks::purge(conn, after(49)).await.unwrap(), 0);
        assert_eq!(address_marks::purge(conn, after(50)).await.unwrap(), 1);
    }

    async fn leaving_is_noted_due_and_taken_back(store: Store) {
        let ann = store.member("ann@example.com").await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(privacy::leaving(conn, ann).await.unwrap(), None);
        let leaving = Leaving { asked_at: after(1), due_at: after(100) };
        assert!(privacy::set_leaving(conn, ann, Some(leaving), after(1)).await.unwrap());
        assert_eq!(privacy::leaving(conn, ann).await.unwrap(), Some(leaving));
        assert_eq!(privacy::due(conn, after(99), 9).await.unwrap(), []);
        assert_eq!(privacy::due(conn, after(100), 9).await.unwrap(), [ann]);
        assert!(privacy::postpone(conn, ann, after(200), after(100)).await.unwrap(), "for the first time");
        assert!(!privacy::postpone(conn, ann, after(300), after(200)).await.unwrap());
        assert_eq!(privacy::leaving(conn, ann).await.unwrap(), Some(Leaving { due_at: after(300), ..leaving }));
        assert!(privacy::set_leaving(conn, ann, Some(leaving), after(2)).await.unwrap());
        assert!(privacy::postpone(conn, ann, after(200), after(100)).await.unwrap(), "for the first time again");
        assert!(privacy::set_leaving(conn, ann, None, after(2)).await.unwrap());
        assert_eq!(privacy::leaving(conn, ann).await.unwrap(), None);
        assert!(!privacy::postpone(conn, ann, after(200), after(100)).await.unwrap());
        assert_eq!(privacy::leaving(conn, ann).await.unwrap(), None);
        assert_eq!(privacy::due(conn, after(100), 9).await.unwrap(), []);
    }

    async fn of_two_admins_who_leave_at_once_the_second_sees_the_first(store: Store) {
        for round in 0..ROUNDS {
            let admins = [store.member(&format!("a{round}@example.com")).await, store.member(&format!("b{round}@example.com")).await];
            let mut tx = store.begin().await;
            for admin in admins {
                users::set_role(&mut tx.conn(), admin, Role::Admin, after(0)).await.unwrap();
            }
            assert!(privacy::has_other_admin(&mut tx.conn(), admins[0]).await.unwrap());
            tx.commit().await.unwrap();
            let left = store.race(2, move |number, mut tx| async move {
                let conn = &mut tx.conn();
                let may_leave = privacy::lock_other_admins(conn, admins[number]).await.unwrap() > 0;
                if may_leave {
                    assert!(privacy::anonymise_user(conn, admins[number], None, after(1)).await.unwrap());
                }
                (tx, may_leave)
            }).await;
            assert_eq!(won(&left), 1);
            let mut tx = store.begin().await;
            let first_left = users::find(&mut tx.conn(), admins[0]).await.unwrap().is_none();
            let stays = admins[usize::from(first_left)];
            assert!(!privacy::has_other_admin(&mut tx.conn(), stays).await.unwrap());
            users::set_role(&mut tx.conn(), stays, Role::Member, after(2)).await.unwrap();
            tx.commit().await.unwrap();
        }
    }

    async fn a_provider_who_names_somebody_deleted_is_understood(store: Store) {
        let ann = store.person("ann@example.com", None).await;
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert!(payments::put_customer(conn, Provider::Stripe, "cus_1", ann.id, after(0)).await.unwrap());
        let is_hers = async |conn: &mut _, reference, customer, provider| {
            privacy::is_of_deleted(conn, provider, reference, customer, Some("sub_1")).await.unwrap()
        };
        assert!(!is_hers(conn, Some(ann.id), Some("cus_1"), Provider::Stripe).await);
        let lines = privacy::lines_naming(conn, ann.clone(), after(0)).await.unwrap();
        privacy::erase(conn, &ann, &lines).await.unwrap();
        assert!(privacy::anonymise_user(conn, ann.id, None, after(1)).await.unwrap());
        assert!(is_hers(conn, Some(ann.id), None, Provider::Stripe).await);
        assert!(is_hers(conn, None, Some("cus_1"), Provider::Stripe).await);
        assert!(!is_hers(conn, None, Some("cus_1"), Provider::Paddle).await);
        assert!(!is_hers(conn, Some(store.id()), Some("cus_2"), Provider::Stripe).await);
    }

    async fn the_last_letter_is_forgotten_once_it_is_sent_or_too_old(store: Store) {
        let mut people = Vec::new();
        for address in ["ann@example.com", "bob@example.com"] {
            let person = store.person(address, None).await;
            let mail = QueuedMail {
                id: store.id(),
                recipient: address.to_owned(),
                lang: Lang::En,
                letter: Notice::AccountDeleted.into(),
            };
            let mut tx = store.begin().await;
            mails::insert(&mut tx.conn(), std::slice::from_ref(&mail), after(0)).await.unwrap();
            tx.commit().await.unwrap();
            assert!(store.anonymise(person.id, Some(mail.id), 0).await);
            people.push((person, mail));
        }
        let mut tx = store.begin().await;
        let conn = &mut tx.conn();
        assert_eq!(privacy::forget_farewells(conn, after(-1)).await.unwrap(), 0);
        mails::mark_sent(conn, people[0].1.id, after(5)).await.unwrap();
        assert_eq!(privacy::forget_farewells(conn, after(-1)).await.unwrap(), 1);
        assert_eq!(privacy::forget_farewells(conn, after(0)).await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert_eq!(store.count("mails").await, 0);
    }
}

#[test]
fn every_reason_is_given_once_and_no_section_twice() {
    let mut sections = BTreeSet::new();
    for place in PLACES {
        if let Export::As { section, .. } = place.export {
            assert!(sections.insert(section), "{section}");
        }
        if let Erase::Stay(why) = place.erase {
            assert!(!why.is_empty(), "{}", place.table);
        }
    }
    let tables: BTreeSet<&str> = NOBODYS.iter().map(|(table, _)| *table).collect();
    assert_eq!(tables.len(), NOBODYS.len());
}
