//! Leaving and taking along: the statements that read an export and anonymise an account, by the list in
//! [`places`](crate::store::places).

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Map, Value};
use sqlx::{Row, types::Json};
use uuid::Uuid;

pub use crate::store::places::{Erase, Export, Kind, MENTIONS, Mention, NOBODYS, Naming, PLACES, Place, Rows, Whose};

use crate::{
    domain::{
        activity::RESERVED_ACTORS,
        api_key::label,
        email::{EmailAddress, EmailKey},
        ids::{ActivityId, MailId, PaymentEventId, UserId},
        payment::Provider,
        privacy::{Leaving, NOBODY, holds_any, is_same_text, leave_out, stranger, without, without_in},
        user::User,
    },
    store::{
        Conn, Result, StoreError, address_marks,
        db::{build, execute, run},
    },
};

/// How long a transaction may last that writes a line of the log: a line that says it is older is there.
const LONGEST_TRANSACTION: TimeDelta = TimeDelta::hours(1);

/// Who is meant, by everything that they are or were called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The member.
    pub id: UserId,
    /// Their addresses, in every form in which they may stand somewhere.
    addresses: Vec<String>,
    /// The same in the form by which spellings are compared.
    keys: Vec<EmailKey>,
    /// The names under which the product's own database knows or knew them.
    external_ids: Vec<String>,
    /// What the log calls keys that are theirs or named after them.
    labels: Vec<String>,
    /// What they were called and somebody else is called now: in rows of their own it is still them.
    given_up: Vec<String>,
}

/// An address and an external id that somebody had, and who has them now, if that is somebody else.
type FormerRow = (Option<String>, Option<EmailKey>, Option<String>, Option<UserId>, Option<UserId>);

/// Returns what a member is and was called.
pub async fn person(conn: &mut Conn<'_>, user: &User) -> Result<Person> {
    let mut person = Person::nobody(user.id);
    if let Some(email) = user.email.as_deref().and_then(|email| EmailAddress::parse(email).ok()) {
        person.addresses.push(email.as_str().to_owned());
        person.keys.push(email.key().clone());
    }
    person.external_ids.extend(user.external_id.clone());
    let former: Vec<FormerRow> = run!(conn, |c| sqlx::query_as(
        "SELECT former.email, former.email_key, former.external_id, holders.id, bearers.id
        FROM former_names AS former
        LEFT JOIN users AS holders ON holders.email_key = former.email_key AND holders.id <> former.user_id
        LEFT JOIN users AS bearers ON bearers.external_id = former.external_id AND bearers.id <> former.user_id
        WHERE former.user_id = $1 ORDER BY former.changed_at"
    )
    .bind(user.id)
    .fetch_all(c))?;
    for (email, key, external_id, holder, bearer) in former {
        if holder.is_some() {
            person.given_up.extend(email);
        } else {
            person.addresses.extend(email);
            person.keys.extend(key);
        }
        let still_theirs = bearer.is_none();
        let names = if still_theirs { &mut person.external_ids } else { &mut person.given_up };
        names.extend(external_id);
    }
    person.keys.sort();
    person.keys.dedup();
    person.addresses.extend(person.keys.iter().map(|key| key.as_str().to_owned()));
    // Letters go where somebody wrote that they live. No database knows all capitals.
    if person.addresses.iter().any(|address| !address.is_ascii()) {
        let written: Vec<String> = run!(conn, |c| sqlx::query_scalar(
            "SELECT DISTINCT recipient FROM mails WHERE OCTET_LENGTH(recipient) > LENGTH(recipient)"
        )
        .fetch_all(c))?;
        let is_theirs =
            |text: &String| EmailAddress::parse(text).is_ok_and(|address| person.keys.contains(address.key()));
        let theirs: Vec<String> = written.into_iter().filter(is_theirs).collect();
        person.addresses.extend(theirs);
    }
    person.addresses.sort();
    person.addresses.dedup();
    // An app may have called somebody what the log calls nobody in particular.
    for names in [&mut person.external_ids, &mut person.given_up] {
        names.retain(|name| !RESERVED_ACTORS.contains(&name.as_str()));
    }
    let keys: Vec<(String, String, Option<UserId>)> =
        run!(conn, |c| sqlx::query_as("SELECT name, hint, user_id FROM api_keys").fetch_all(c))?;
    let is_theirs = |name: &str, owner: Option<UserId>| {
        owner == Some(user.id) || owner.is_none() && without(name, &person.addresses).is_some()
    };
    person.labels = keys
        .iter()
        .filter(|(name, _, owner)| is_theirs(name, *owner))
        .map(|(name, hint, _)| label(name, hint))
        .collect();
    Ok(person)
}

impl Person {
    /// Somebody of whom no name is known any more.
    fn nobody(id: UserId) -> Self {
        let (addresses, keys, external_ids) = (Vec::new(), Vec::new(), Vec::new());
        Self { id, addresses, keys, external_ids, labels: Vec::new(), given_up: Vec::new() }
    }

    /// Returns whether somebody who did something about them is themselves.
    fn is(&self, actor: &str) -> bool {
        self.addresses.iter().chain(&self.given_up).any(|name| is_same_text(name, actor))
            || self.external_ids.iter().chain(&self.labels).any(|name| name == actor)
    }

    /// Returns the names that are theirs alone.
    fn names(&self) -> Vec<String> {
        self.addresses.iter().chain(&self.external_ids).chain(&self.labels).cloned().collect()
    }

    /// Returns what the rows of a place hold that are theirs, beside their id.
    fn subjects(&self) -> Vec<String> {
        // What is counted against a member is counted under their id.
        self.keys.iter().map(|key| key.as_str().to_owned()).chain([self.id.to_string()]).collect()
    }
}

/// Some rows of an export, and after which to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Value>,
    /// The last of them; nothing when there are no more.
    pub next: Option<Uuid>,
}

/// Writes whose rows of a place are meant.
macro_rules! theirs {
    ($query:ident, $place:expr, $person:expr) => {
        match $place.whose {
            Whose::User(column) => {
                $query.push(column).push(" = ").push_bind($person.id);
            }
            Whose::Key(column) => {
                $query.push(column).push(" IN (");
                let mut list = $query.separated(", ");
                for subject in $person.subjects() {
                    list.push_bind(subject);
                }
                $query.push(")");
            }
            Whose::Address(_) if $person.addresses.is_empty() => {
                $query.push("1 = 0");
            }
            Whose::Address(column) => {
                $query.push("LOWER(").push(column).push(") IN (");
                let mut list = $query.separated(", ");
                for address in &$person.addresses {
                    list.push("LOWER(").push_bind_unseparated(address.clone()).push_unseparated(")");
                }
                $query.push(")");
            }
        }
    };
}

/// Returns rows of a place that are a member's, from after `after`, at most `count` of those that are
/// read in pages.
pub async fn rows(
    conn: &mut Conn<'_>,
    place: &Place,
    person: &Person,
    after: Option<Uuid>,
    count: i64,
) -> Result<Page> {
    let Export::As { page_by, columns, .. } = place.export else {
        return Ok(Page { rows: Vec::new(), next: None });
    };
    // A body of its own for each database; both read rows of their own type.
    let read: Vec<(Option<Uuid>, Value)> = build!(conn, |query, c| {
        query.push("SELECT ");
        let mut list = query.separated(", ");
        for (column, _) in columns {
            list.push(column);
        }
        query.push(" FROM ").push(place.table).push(" WHERE ");
        theirs!(query, place, person);
        if let Some(id) = page_by {
            if let Some(after) = after {
                query.push(" AND ").push(id).push(" > ").push_bind(after);
            }
            query.push(" ORDER BY ").push(id).push(" LIMIT ").push_bind(count);
        }
        let mut read = Vec::new();
        for row in query.build().fetch_all(c).await? {
            let mut object = Map::new();
            let mut id = None;
            let mut is_by_them = false;
            for (at, (column, kind)) in columns.iter().enumerate() {
                let value = match kind {
                    Kind::Id => {
                        let value: Option<Uuid> = row.try_get(at)?;
                        if Some(*column) == page_by {
                            id = value;
                        }
                        value.map(|id| Value::from(id.to_string()))
                    }
                    Kind::Time => row.try_get::<Option<DateTime<Utc>>, _>(at)?.map(|at| serde_json::json!(at)),
                    Kind::Day => row.try_get::<Option<NaiveDate>, _>(at)?.map(|day| Value::from(day.to_string())),
                    Kind::Text => row.try_get::<Option<String>, _>(at)?.map(Value::from),
                    Kind::Number => row.try_get::<Option<i64>, _>(at)?.map(Value::from),
                    Kind::Flag => row.try_get::<Option<bool>, _>(at)?.map(Value::from),
                    Kind::Json => row.try_get::<Option<Json<Value>>, _>(at)?.map(|json| json.0),
                    Kind::Without(members) => row.try_get::<Option<Json<Value>>, _>(at)?.map(|json| {
                        let mut value = json.0;
                        leave_out(&mut value, members);
                        value
                    }),
                    Kind::TextWithout(members) => row.try_get::<Option<String>, _>(at)?.map(|text| {
                        let Ok(mut value) = serde_json::from_str(&text) else { return Value::Null };
                        leave_out(&mut value, members);
                        Value::from(value.to_string())
                    }),
                    Kind::Actor => row.try_get::<Option<String>, _>(at)?.map(|actor| {
                        is_by_them = person.is(&actor);
                        if is_by_them { Value::from(actor) } else { Value::from(stranger(&actor)) }
                    }),
                    Kind::OfActor => row.try_get::<Option<String>, _>(at)?.filter(|_| is_by_them).map(Value::from),
                };
                object.insert((*column).to_owned(), value.unwrap_or(Value::Null));
            }
            read.push((id, Value::Object(object)));
        }
        Ok::<_, sqlx::Error>(read)
    })?;
    let is_full = page_by.is_some() && i64::try_from(read.len()).unwrap_or(i64::MAX) >= count;
    let next = read.last().and_then(|(id, _)| *id).filter(|_| is_full);
    Ok(Page { rows: read.into_iter().map(|(_, row)| row).collect(), next })
}

/// How rows are found in which somebody may be named, in one of the tables that grow with use. What is found is
/// looked at: a pattern says more than is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The statement. It takes the patterns, and after them `since`, if there is one.
    pub sql: String,
    /// What to look for.
    pub patterns: Vec<String>,
    /// From when on.
    pub since: Option<DateTime<Utc>>,
}

/// Returns the patterns by which texts are found that hold one of these, framed so. Where capitals and spellings
/// are not as in ASCII, anything may stand.
fn patterns(names: &[String], frame: &str) -> Vec<String> {
    let pattern = |name: &String| {
        let name: String = name.chars().map(|c| if c.is_ascii() { c } else { '%' }).collect();
        format!("%{frame}{name}{frame}%")
    };
    names.iter().map(pattern).collect()
}

impl Search {
    /// Looks for lines of the log that name somebody in their particulars.
    pub fn lines(conn: &Conn<'_>, person: &Person, since: Option<DateTime<Utc>>) -> Self {
        let patterns = patterns(&person.addresses, "");
        let (details, like) = (conn.dialect("details", "details::TEXT"), conn.dialect("LIKE", "ILIKE"));
        // The conditions of an index, word by word: there are few such lines among many.
        let mut sql = format!(
            "SELECT id, CAST(details AS TEXT) FROM user_activity_log {}
            WHERE {details} LIKE '%@%' AND action NOT IN ('user_created', 'user_changed') AND ({})",
            conn.dialect("INDEXED BY user_activity_log_naming", ""),
            any_of(details, like, patterns.len()),
        );
        if since.is_some() {
            sql.push_str(&format!(" AND created_at >= ${}", patterns.len() + 1));
        }
        Self { sql, patterns, since }
    }

    /// Looks for what a provider sent that is nobody's yet and names somebody.
    pub fn payloads(conn: &Conn<'_>, person: &Person, ids: &[String]) -> Self {
        let patterns = patterns(&person.addresses, "\"").into_iter().chain(patterns(ids, "\"")).collect::<Vec<_>>();
        let like = conn.dialect("LIKE", "ILIKE");
        let sql = format!(
            "SELECT id, payload FROM payment_events WHERE user_id IS NULL AND ({}){}",
            any_of("payload", like, patterns.len()),
            conn.dialect("", " FOR UPDATE"),
        );
        Self { sql, patterns, since: None }
    }

    /// Looks in a column of text or of JSON.
    fn column(conn: &Conn<'_>, mention: &Mention, person: &Person) -> Self {
        let Mention { table, column, .. } = mention;
        let patterns = patterns(&person.addresses, "");
        let condition = match mention.rows {
            Rows::Where(condition) => condition,
            _ => "1 = 1",
        };
        let sql = format!(
            "SELECT {}, CAST({column} AS TEXT) FROM {table} WHERE {condition} AND ({}){}",
            key_of(table),
            any_of(&format!("CAST({column} AS TEXT)"), conn.dialect("LIKE", "ILIKE"), patterns.len()),
            conn.dialect("", " FOR UPDATE"),
        );
        Self { sql, patterns, since: None }
    }

    /// Returns what may be meant: the row's id, and its text.
    async fn run(&self, conn: &mut Conn<'_>) -> Result<Vec<(Uuid, String)>> {
        if self.patterns.is_empty() {
            return Ok(Vec::new());
        }
        Ok(build!(conn, |query, c| {
            let mut pieces = self.sql.split('$');
            query.push(pieces.next().unwrap_or_default());
            for (at, piece) in pieces.enumerate() {
                match (self.patterns.get(at), self.since) {
                    (Some(pattern), _) => query.push_bind(pattern.clone()),
                    (None, since) => query.push_bind(since),
                };
                query.push(piece.trim_start_matches(|c: char| c.is_ascii_digit()));
            }
            query.build_query_as().fetch_all(c).await
        })?)
    }
}

/// Writes that a text is like one of the first parameters.
fn any_of(text: &str, like: &str, count: usize) -> String {
    let all: Vec<String> = (1..=count).map(|number| format!("{text} {like} ${number}")).collect();
    all.join(" OR ")
}

/// Returns the column by which a row of a table is found again.
fn key_of(table: &str) -> &'static str {
    // Of several of one member the text decides.
    if table == "user_feature_restrictions" { "user_id" } else { "id" }
}

/// Lines of the log that name somebody, as far as they were there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// By whose names they were found.
    person: Person,
    /// Those.
    ids: Vec<ActivityId>,
    /// When they were looked up.
    at: DateTime<Utc>,
}

/// Looks up which lines of the log name somebody. The log is long: this is done before a transaction in which
/// others wait, and there it is looked at again what came since.
pub async fn lines_naming(conn: &mut Conn<'_>, person: Person, now: DateTime<Utc>) -> Result<Lines> {
    let found = Search::lines(conn, &person, None).run(conn).await?;
    let is_meant = |text: &str| {
        serde_json::from_str(text).is_ok_and(|mut details: Value| without_in(&mut details, &person.addresses))
    };
    let ids = found.iter().filter(|(_, text)| is_meant(text)).map(|(id, _)| (*id).into()).collect();
    Ok(Lines { person, ids, at: now })
}

/// Takes everything out of the database by which a person could be known, and returns how many rows it
/// touched. The member is locked. The row of the member is left for [`anonymise_user`]. `lines` are those that
/// were looked up; if the names changed since, they are looked up again.
pub async fn erase(conn: &mut Conn<'_>, person: &Person, lines: &Lines) -> Result<u64> {
    let mut touched = 0;
    let anew;
    let lines = if lines.person == *person {
        lines
    } else {
        anew = lines_naming(conn, person.clone(), lines.at).await?;
        &anew
    };
    // What names them in rows of others is found by names that their own rows still tell.
    let at_providers = names_at_providers(conn, person.id).await?;
    for mention in MENTIONS {
        touched += forget_mention(conn, mention, person, lines, &at_providers).await?;
    }
    for place in PLACES {
        touched += erase_place(conn, place, person).await?;
    }
    Ok(touched)
}

/// Returns who was deleted and is looked after: what a transaction may write about them that had begun before.
pub async fn watched(conn: &mut Conn<'_>) -> Result<Vec<UserId>> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "SELECT id FROM users WHERE watched_until IS NOT NULL ORDER BY watched_until, id"
    )
    .fetch_all(c))?)
}

/// Takes out what was written about somebody who is deleted by a transaction that had begun before, and
/// waited for the deletion. Returns how many rows it touched. Once that has been done when no such transaction can
/// be left, it is over: however long nobody was there to do it, it is done then.
pub async fn sweep(conn: &mut Conn<'_>, id: UserId, now: DateTime<Utc>) -> Result<u64> {
    // Their names are not known any more. What an actor is called in lines about them may be theirs.
    let mut touched = execute!(conn, |c| sqlx::query("UPDATE user_activity_log SET actor = $2 WHERE user_id = $1")
        .bind(id)
        .bind(NOBODY)
        .execute(c))?;
    let person = Person::nobody(id);
    let authors = MENTIONS.iter().filter(|mention| mention.naming == Naming::Author);
    for mention in authors {
        touched += forget_actor(conn, mention, &person).await?;
    }
    for place in PLACES {
        touched += erase_place(conn, place, &person).await?;
    }
    execute!(conn, |c| sqlx::query("UPDATE users SET watched_until = NULL WHERE id = $1 AND watched_until <= $2")
        .bind(id)
        .bind(now)
        .execute(c))?;
    Ok(touched)
}

/// Ends a member's flows of sign-in. Who completes one at this moment is waited for, and who comes later
/// finds none: a sign-in holds its flow first and the member then, and so does a deletion.
pub async fn end_attempts(conn: &mut Conn<'_>, id: UserId) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "DELETE FROM login_attempts WHERE email_key = (SELECT email_key FROM users WHERE id = $1)"
    )
    .bind(id)
    .execute(c))?)
}

async fn erase_place(conn: &mut Conn<'_>, place: &Place, person: &Person) -> Result<u64> {
    let set = match place.erase {
        Erase::Rows => None,
        Erase::Set(set) => Some(set),
        Erase::Stay(_) => return Ok(0),
    };
    Ok(build!(conn, |query, c| {
        match set {
            None => query.push("DELETE FROM ").push(place.table),
            Some(set) => query.push("UPDATE ").push(place.table).push(" SET ").push(set),
        };
        query.push(" WHERE ");
        theirs!(query, place, person);
        query.build().execute(c).await.map(|done| done.rows_affected())
    })?)
}

async fn forget_mention(
    conn: &mut Conn<'_>,
    mention: &Mention,
    person: &Person,
    lines: &Lines,
    at_providers: &[String],
) -> Result<u64> {
    match mention.naming {
        Naming::Whole => forget_names(conn, mention, &person.names()).await,
        Naming::Key | Naming::Author => forget_actor(conn, mention, person).await,
        Naming::Payload => forget_payloads(conn, mention, person, at_providers).await,
        Naming::Within | Naming::WithinJson => {
            let found = match mention.rows {
                Rows::Found => found_lines(conn, person, lines).await?,
                _ => Search::column(conn, mention, person).run(conn).await?,
            };
            forget_within(conn, mention, person, found).await
        }
    }
}

/// Forgets who did something, where it is one of these names and nothing else.
async fn forget_names(conn: &mut Conn<'_>, mention: &Mention, names: &[String]) -> Result<u64> {
    if names.is_empty() {
        return Ok(0);
    }
    let Mention { table, column, also, .. } = *mention;
    Ok(build!(conn, |query, c| {
        query.push("UPDATE ").push(table).push(" SET ").push(also).push(column).push(" = ").push_bind(NOBODY);
        query.push(" WHERE ").push(column).push(" IN (");
        let mut list = query.separated(", ");
        for name in names {
            list.push_bind(name.clone());
        }
        query.push(")");
        query.build().execute(c).await.map(|done| done.rows_affected())
    })?)
}

/// Forgets in a member's own rows who did something. Where authors are named, that is everybody but nobody; where
/// keys are, it is a key that is no server's and who has a name that is somebody else's now. Keys of one member are
/// forgotten a while after their end: then only this finds them.
async fn forget_actor(conn: &mut Conn<'_>, mention: &Mention, person: &Person) -> Result<u64> {
    let Mention { table, column, rows, naming, .. } = *mention;
    let Rows::Own(own) = rows else { return Ok(0) };
    Ok(build!(conn, |query, c| {
        query.push("UPDATE ").push(table).push(" SET ").push(column).push(" = ").push_bind(NOBODY);
        query.push(" WHERE ").push(own).push(" = ").push_bind(person.id).push(" AND (").push(column);
        if naming == Naming::Author {
            query.push(" NOT IN (");
            let mut list = query.separated(", ");
            for name in RESERVED_ACTORS {
                list.push_bind(name);
            }
            query.push(")");
        } else {
            query.push(" LIKE 'key %' AND ").push(column);
            query.push(" NOT IN (SELECT 'key ' || name || ' (' || hint || ')' FROM api_keys WHERE user_id IS NULL)");
            for name in &person.given_up {
                query.push(" OR ").push(column).push(" = ").push_bind(name.clone());
            }
        }
        query.push(")");
        query.build().execute(c).await.map(|done| done.rows_affected())
    })?)
}

/// Returns the lines that were looked up, and those that came since.
async fn found_lines(conn: &mut Conn<'_>, person: &Person, lines: &Lines) -> Result<Vec<(Uuid, String)>> {
    let mut found = Search::lines(conn, person, Some(lines.at - LONGEST_TRANSACTION)).run(conn).await?;
    // Both databases bound the number of values of one statement.
    for ids in lines.ids.chunks(500) {
        let some: Vec<(Uuid, String)> = build!(conn, |query, c| {
            query.push("SELECT id, CAST(details AS TEXT) FROM user_activity_log WHERE id IN (");
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(*id);
            }
            query.push(")");
            query.build_query_as().fetch_all(c).await
        })?;
        found.extend(some);
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Takes somebody's addresses out of texts in which they stand as words of their own.
async fn forget_within(
    conn: &mut Conn<'_>,
    mention: &Mention,
    person: &Person,
    found: Vec<(Uuid, String)>,
) -> Result<u64> {
    let Mention { table, column, naming, .. } = *mention;
    let mut touched = 0;
    for (id, text) in found {
        let news = if naming == Naming::WithinJson {
            let Ok(mut value) = serde_json::from_str::<Value>(&text) else { continue };
            without_in(&mut value, &person.addresses).then(|| value.to_string())
        } else {
            without(&text, &person.addresses)
        };
        let Some(news) = news else { continue };
        let as_json = if naming == Naming::WithinJson { conn.dialect("", "::JSONB") } else { "" };
        touched += build!(conn, |query, c| {
            query.push("UPDATE ").push(table).push(" SET ").push(column).push(" = ");
            query.push_bind(news).push(as_json).push(" WHERE ").push(key_of(table)).push(" = ").push_bind(id);
            if naming == Naming::Within {
                query.push(" AND ").push(column).push(" = ").push_bind(text);
            }
            query.build().execute(c).await.map(|done| done.rows_affected())
        })?;
    }
    Ok(touched)
}

/// Empties what a provider sent that is nobody's and names somebody: an address that ends like theirs, or begins
/// like theirs, is somebody else's, who may have paid.
async fn forget_payloads(
    conn: &mut Conn<'_>,
    mention: &Mention,
    person: &Person,
    at_providers: &[String],
) -> Result<u64> {
    let found = Search::payloads(conn, person, at_providers).run(conn).await?;
    let Mention { table, column, also, .. } = *mention;
    let mut touched = 0;
    for (id, payload) in found {
        let is_theirs = serde_json::from_str(&payload).is_ok_and(|value| {
            holds_any(&value, &|text| {
                person.addresses.iter().any(|address| is_same_text(address, text))
                    || at_providers.iter().any(|name| name == text)
            })
        });
        if is_theirs {
            touched += build!(conn, |query, c| {
                query.push("UPDATE ").push(table).push(" SET ").push(also).push(column).push(" = '{}' WHERE id = ");
                query.push_bind(id).build().execute(c).await.map(|done| done.rows_affected())
            })?;
        }
    }
    Ok(touched)
}

/// Returns what providers call a member in what they send.
async fn names_at_providers(conn: &mut Conn<'_>, user: UserId) -> Result<Vec<String>> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "SELECT customer_id FROM payment_customers WHERE user_id = $1
        UNION SELECT subscription_id FROM subscriptions WHERE user_id = $1"
    )
    .bind(user)
    .fetch_all(c))?)
}

/// Makes a member's row nobody's. The last letter is remembered until it is sent. Of two at once one
/// gets `true`.
pub async fn anonymise_user(
    conn: &mut Conn<'_>,
    id: UserId,
    farewell: Option<MailId>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let watched_until = now + LONGEST_TRANSACTION;
    let done = execute!(conn, |c| sqlx::query(
        "UPDATE users SET
            email = '', email_key = $3, external_id = NULL, role = 'member', lang = 'en', trial_ends_at = NULL,
            credit_until = NULL, referral_code = NULL, referred_by_user_id = NULL,
            email_verified_at = NULL, closes_after_trial = FALSE,
            disabled_at = COALESCE(disabled_at, $2), deletion_asked_at = NULL, deletion_due_at = NULL,
            deletion_postponed_at = NULL, deleted_at = $2, watched_until = $5, farewell_mail_id = $4, updated_at = $2
        WHERE id = $1 AND deleted_at IS NULL"
    )
    .bind(id)
    .bind(now)
    .bind(format!("deleted:{id}"))
    .bind(farewell)
    .bind(watched_until)
    .execute(c))?;
    if done == 1 {
        // Whom they invited came by nobody.
        execute!(conn, |c| sqlx::query("UPDATE users SET referred_by_user_id = NULL WHERE referred_by_user_id = $1")
            .bind(id)
            .execute(c))?;
    }
    Ok(done == 1)
}

/// Ends a member's grants that run or wait: they run for nobody. What is left of them stays written
/// down.
pub async fn end_grants(conn: &mut Conn<'_>, user: UserId, now: DateTime<Utc>) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "UPDATE access_grants SET revoked_at = $2, running_since = NULL, runs_until = NULL, updated_at = $2
        WHERE user_id = $1 AND ended_at IS NULL AND revoked_at IS NULL"
    )
    .bind(user)
    .bind(now)
    .execute(c))?)
}

/// Keeps the hash of the address that a member has by now with what they redeemed, of coupons that can still be
/// redeemed. That of the address under which they redeemed stays.
pub async fn mark_redemptions(conn: &mut Conn<'_>, user: UserId, hash: &[u8], now: DateTime<Utc>) -> Result<()> {
    execute!(conn, |c| sqlx::query(
        "UPDATE coupon_redemptions SET address_hash = $2
        WHERE user_id = $1 AND address_hash IS NULL
            AND coupon_id IN (SELECT id FROM coupons WHERE valid_until IS NULL OR valid_until > $3)"
    )
    .bind(user)
    .bind(hash)
    .bind(now)
    .execute(c))?;
    execute!(conn, |c| sqlx::query(
        "INSERT INTO address_marks (kind, address_hash, kept_until, created_at)
        SELECT $4 || coupons.code, $2, coupons.valid_until, $3
        FROM coupon_redemptions JOIN coupons ON coupons.id = coupon_redemptions.coupon_id
        WHERE coupon_redemptions.user_id = $1 AND coupon_redemptions.address_hash <> $2
            AND (coupons.valid_until IS NULL OR coupons.valid_until > $3)
        ON CONFLICT (kind, address_hash) DO NOTHING"
    )
    .bind(user)
    .bind(hash)
    .bind(now)
    .bind(address_marks::COUPON)
    .execute(c))?;
    Ok(())
}

/// Forgets hashes of addresses with coupons that nobody can redeem any more. Returns how many.
pub async fn forget_redemption_marks(conn: &mut Conn<'_>, now: DateTime<Utc>) -> Result<u64> {
    Ok(execute!(conn, |c| sqlx::query(
        "UPDATE coupon_redemptions SET address_hash = NULL
        WHERE address_hash IS NOT NULL AND coupon_id IN (SELECT id FROM coupons WHERE valid_until <= $1)"
    )
    .bind(now)
    .execute(c))?)
}

/// When they asked, and when it is due.
type LeavingColumns = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// Returns when a member asked to leave and when that happens, if they did.
pub async fn leaving(conn: &mut Conn<'_>, id: UserId) -> Result<Option<Leaving>> {
    let row: Option<LeavingColumns> = run!(conn, |c| sqlx::query_as(
        "SELECT deletion_asked_at, deletion_due_at FROM users WHERE id = $1 AND deleted_at IS NULL"
    )
    .bind(id)
    .fetch_optional(c))?;
    Ok(row.and_then(|(asked_at, due_at)| Some(Leaving { asked_at: asked_at?, due_at: due_at? })))
}

/// Notes when an account is to be deleted, or that it stays. Returns whether there is such a member.
/// That it was put off before is forgotten.
pub async fn set_leaving(
    conn: &mut Conn<'_>,
    id: UserId,
    leaving: Option<Leaving>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let updated = execute!(conn, |c| {
        sqlx::query(
        "UPDATE users SET deletion_asked_at = $2, deletion_due_at = $3, deletion_postponed_at = NULL, updated_at = $4
        WHERE id = $1 AND deleted_at IS NULL"
    )
    .bind(id)
    .bind(leaving.map(|leaving| leaving.asked_at))
    .bind(leaving.map(|leaving| leaving.due_at))
    .bind(now)
    .execute(c)
    })?;
    Ok(updated == 1)
}

/// Puts a deletion off that is asked for. Returns whether it is for the first time.
pub async fn postpone(conn: &mut Conn<'_>, id: UserId, due_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<bool> {
    let first = execute!(conn, |c| sqlx::query(
        "UPDATE users SET deletion_postponed_at = $2
        WHERE id = $1 AND deletion_due_at IS NOT NULL AND deletion_postponed_at IS NULL"
    )
    .bind(id)
    .bind(now)
    .execute(c))?;
    execute!(conn, |c| sqlx::query(
        "UPDATE users SET deletion_due_at = $2, updated_at = $3 WHERE id = $1 AND deletion_due_at IS NOT NULL"
    )
    .bind(id)
    .bind(due_at)
    .bind(now)
    .execute(c))?;
    Ok(first == 1)
}

/// Returns members whose account is to be deleted by `now`, the longest due first.
pub async fn due(conn: &mut Conn<'_>, now: DateTime<Utc>, count: i64) -> Result<Vec<UserId>> {
    Ok(run!(conn, |c| sqlx::query_scalar(
        "SELECT id FROM users WHERE deletion_due_at <= $1 ORDER BY deletion_due_at, id LIMIT $2"
    )
    .bind(now)
    .bind(count)
    .fetch_all(c))?)
}

/// Returns how many admins may sign in and stay, beside this one, and holds their rows until the
/// transaction ends: of two who leave at once the second sees the first.
pub async fn lock_other_admins(conn: &mut Conn<'_>, id: UserId) -> Result<usize> {
    // All callers lock in one order, and this one among them, so that nobody waits in a circle.
    let sql = conn.dialect(
        "SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL AND deletion_due_at IS NULL ORDER BY id",
        "SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL AND deletion_due_at IS NULL ORDER BY id
        FOR UPDATE",
    );
    let admins: Vec<UserId> = run!(conn, |c| sqlx::query_scalar(sql).fetch_all(c))?;
    Ok(admins.into_iter().filter(|admin| *admin != id).count())
}

/// Returns whether somebody beside this one is an admin, may sign in and stays.
pub async fn has_other_admin(conn: &mut Conn<'_>, id: UserId) -> Result<bool> {
    let count: i64 = run!(conn, |c| sqlx::query_scalar(
        "SELECT COUNT(*) FROM users
        WHERE role = 'admin' AND disabled_at IS NULL AND deletion_due_at IS NULL AND id <> $1"
    )
    .bind(id)
    .fetch_one(c))?;
    Ok(count > 0)
}

/// Returns whether what a provider tells is about somebody whose account is deleted: by the id that was
/// given along, the customer or the subscription.
pub async fn is_of_deleted(
    conn: &mut Conn<'_>,
    provider: Provider,
    reference: Option<UserId>,
    customer: Option<&str>,
    subscription: Option<&str>,
) -> Result<bool> {
    let count: i64 = run!(conn, |c| sqlx::query_scalar(
        "SELECT
            (SELECT COUNT(*) FROM users WHERE id = $2 AND deleted_at IS NOT NULL)
            + (SELECT COUNT(*) FROM payment_customers
                WHERE provider = $1 AND customer_id = $3 AND user_id IS NULL)
            + (SELECT COUNT(*) FROM subscriptions
                WHERE provider = $1 AND subscription_id = $4 AND user_id IS NULL)"
    )
    .bind(provider.as_str())
    .bind(reference)
    .bind(customer)
    .bind(subscription)
    .fetch_one(c))?;
    Ok(count > 0)
}

/// Forgets what events of a provider said: they are about somebody whose account is deleted.
pub async fn empty_events(conn: &mut Conn<'_>, events: &[PaymentEventId]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    build!(conn, |query, c| {
        query.push("UPDATE payment_events SET payload = '{}' WHERE id IN (");
        let mut list = query.separated(", ");
        for event in events {
            list.push_bind(*event);
        }
        query.push(")");
        query.build().execute(c).await.map(|_| ())
    })?;
    Ok(())
}

/// Forgets last letters that are sent, and those made by `made_by` that could not be. Returns how many.
pub async fn forget_farewells(conn: &mut Conn<'_>, made_by: DateTime<Utc>) -> Result<u64> {
    let over: Vec<(UserId, MailId)> = run!(conn, |c| sqlx::query_as(
        "SELECT users.id, mails.id FROM users JOIN mails ON mails.id = users.farewell_mail_id
        WHERE users.farewell_mail_id IS NOT NULL AND (mails.sent_at IS NOT NULL OR mails.created_at <= $1)"
    )
    .bind(made_by)
    .fetch_all(c))?;
    for (user, mail) in &over {
        execute!(conn, |c| sqlx::query("DELETE FROM mails WHERE id = $1").bind(*mail).execute(c))?;
        execute!(conn, |c| sqlx::query("UPDATE users SET farewell_mail_id = NULL WHERE id = $1")
            .bind(*user)
            .execute(c))?;
    }
    u64::try_from(over.len()).map_err(|_| StoreError::Missing("users"))
}
