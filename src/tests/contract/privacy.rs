//! `store::privacy`, and its list of what is kept of a member, compared with the schema.

use std::collections::{BTreeMap, BTreeSet};

use vouchsafe::{
    domain::{
        grant::Grant,
        ids::{MailId, PaymentEventId, UserId},
        lang::Lang,
        letter::Notice,
        payment::Provider,
        privacy::Leaving,
        user::Role,
    },
    store::{
        Db,
        activity::{self, NewActivity},
        coupons::{self, NewRedemption},
        grants, login,
        mails::{self, QueuedMail},
        payments,
        privacy::{self, Erase, Export, MENTIONS, Mention, NOBODYS, PLACES, Person, Place},
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
        let address = email(address);
        Person {
            id,
            email: Some((address.as_str().to_owned(), address.key().clone())),
            external_id: external_id.map(str::to_owned),
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
        let mut tx = self.begin().await;
        privacy::erase(&mut tx.conn(), person).await.unwrap();
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
const TELLING: [&str; 18] = [
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
            let address = email(user.email.as_deref().unwrap());
            let person = Person {
                id: user.id,
                email: Some((address.as_str().to_owned(), address.key().clone())),
                external_id: user.external_id,
            };
            let mut tx = store.begin().await;
            let conn = &mut tx.conn();
            for place in PLACES {
                if let Export::As { section, .. } = place.export {
                    let page = privacy::rows(conn, place, &person, None, 10).await.unwrap();
                    if page.rows.is_empty() { empty.insert(section) } else { full.insert(section) };
                }
            }
            privacy::erase(conn, &person).await.unwrap();
            assert!(privacy::anonymise_user(conn, person.id, None, after(9)).await.unwrap());
            for place in PLACES.iter().filter(|place| !matches!(place.erase, Erase::Stay(_))) {
                let page = privacy::rows(conn, place, &person, None, 10).await.unwrap();
                assert_eq!(page.rows, [serde_json::Value::Null; 0], "{}", place.table);
            }
            tx.commit().await.unwrap();
        }
        let never: Vec<_> = empty.difference(&full).collect();
        // Nobody there was invited by somebody who is a member, or accepted: those are read as the others are.
        assert!(never.len() <= 3, "nothing of these was ever read: {never:?}");
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
            r#"{"email":"ann@example.com","name":"Ann"}"#,
        ];
        let ids: Vec<PaymentEventId> = payloads.iter().map(|_| store.id()).collect();
        let rows: Vec<_> = payloads.iter().zip(&ids).enumerate().map(|(number, (payload, id))| payments::NewEvent {
            id: *id,
            provider: Provider::Stripe,
            event_id: ["evt_1", "evt_2", "evt_3"][number],
            event_type: "charge.succeeded",
            occurred_at: now,
            payload,
        }).collect();
        assert_eq!(payments::insert_events(conn, &rows, now).await.unwrap().len(), 3);
        tx.commit().await.unwrap();
        store.erase(&ann).await;
        let left = store.texts("SELECT payload FROM payment_events ORDER BY event_id").await;
        assert_eq!(left, ["{}", payloads[1], "{}"]);

        let mut tx = store.begin().await;
        privacy::empty_events(&mut tx.conn(), &[]).await.unwrap();
        privacy::empty_events(&mut tx.conn(), &ids[1..2]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.texts("SELECT payload FROM payment_events ORDER BY event_id").await, ["{}"; 3]);
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
            assert!(privacy::deleted_since(conn, after(4)).await.unwrap().contains(&ann.id));
            assert!(!privacy::deleted_since(conn, after(5)).await.unwrap().contains(&ann.id));
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
        assert!(privacy::sweep(&mut tx.conn(), ann.id).await.unwrap() > 0);
        assert_eq!(privacy::sweep(&mut tx.conn(), ann.id).await.unwrap(), 0);
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
        for (code, valid_until) in [("OVER", Some(after(-5))), ("OPEN", None), ("SOON", Some(after(50)))] {
            let mut coupon = store.coupon(code, None);
            coupon.terms.valid_until = valid_until;
            coupons::insert(conn, std::slice::from_ref(&coupon), after(-9)).await.unwrap();
            let grant = Grant { coupon: Some(coupon.id), ..store.grant(ann, "premium", 0) };
            grants::put(conn, &grant, after(-9)).await.unwrap();
            let (id, coupon, grant) = (store.id(), coupon.id, grant.id);
            let new = NewRedemption { id, coupon, user: ann, grant, address_hash: None };
            assert!(coupons::insert_redemption(conn, &new, after(-9)).await.unwrap());
        }
        assert_eq!(privacy::mark_redemptions(conn, ann, &[7; 32], after(0)).await.unwrap(), 2);
        assert_eq!(privacy::forget_redemption_marks(conn, after(49)).await.unwrap(), 0);
        assert_eq!(privacy::forget_redemption_marks(conn, after(50)).await.unwrap(), 1);
        assert_eq!(privacy::forget_redemption_marks(conn, after(500)).await.unwrap(), 0, "one never ends");
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
        assert!(privacy::set_leaving(conn, ann, None, after(2)).await.unwrap());
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
        privacy::erase(conn, &ann).await.unwrap();
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
