//! The audit log: reading it, and writing what has no journey of its own.

use std::{fmt::Write, str::FromStr};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    domain::{
        activity::Place,
        ids::{ActivityId, UserId},
    },
    platform::env::Env,
    services::Origin,
    store::{
        Conn, StoreError,
        activity::{self, NewActivity},
        users,
    },
};

/// Why the log cannot be read: the database failed.
pub use crate::store::StoreError as ActivityError;
pub use crate::store::activity::{Activity, Which};

/// Lines that are read at once for an export.
const LINES_AT_ONCE: i64 = 1_000;

/// Does some work of a request that a browser or an app sent: lines of the log that are written meanwhile say
/// where it came from.
pub fn within<F: Future>(origin: &Origin, work: F) -> impl Future<Output = F::Output> + use<F> {
    let place = Place { address: origin.address.to_string(), user_agent: origin.user_agent.clone() };
    activity::within(place, work)
}

/// Who did something: what they are called, and from where, if the journey knows better than the task
/// that answers the request.
pub type By<'a> = (&'a str, Option<&'a Origin>);

/// Writes a line, in the transaction of what it tells.
pub(super) async fn note(
    env: &Env,
    conn: &mut Conn<'_>,
    (actor, origin): By<'_>,
    user: Option<UserId>,
    action: &'static str,
    details: serde_json::Value,
) -> Result<(), StoreError> {
    let now = env.clock.now();
    let address = origin.map(|origin| origin.address.to_string());
    let line = NewActivity {
        id: env.random.id(now),
        user,
        actor,
        action,
        details,
        ip_address: address.as_deref(),
        user_agent: origin.map(|origin| origin.user_agent.as_str()),
    };
    activity::insert(conn, &line, now).await
}

/// Which lines somebody asks for. What is not named is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// About this member.
    pub user: Option<UserId>,
    /// By this one.
    pub actor: Option<String>,
    /// About this action.
    pub action: Option<String>,
    /// From this address, or from this network where only that is left.
    pub address: Option<String>,
    /// From this time on.
    pub from: Option<DateTime<Utc>>,
    /// From before this time.
    pub to: Option<DateTime<Utc>>,
}

impl Filter {
    /// Returns the lines that fit and are older than `before`.
    pub fn which(&self, before: Option<ActivityId>) -> Which<'_> {
        Which {
            user: self.user,
            actor: self.actor.as_deref(),
            action: self.action.as_deref(),
            address: self.address.as_deref(),
            from: self.from,
            to: self.to,
            before,
        }
    }
}

/// Returns a page of the log, the newest line first.
pub async fn list(env: &Env, which: Which<'_>, count: i64) -> Result<Vec<Activity>, StoreError> {
    let mut reader = env.db.reader().await?;
    activity::list(&mut reader.conn(), which, count).await
}

/// A line, with what the member is called whom it concerns.
#[derive(Debug, Clone)]
pub struct ListedActivity {
    /// The line.
    pub line: Activity,
    /// The member, if the account is there.
    pub member: Option<String>,
}

/// Returns a page of the lines that fit, the newest first, from before `before`.
pub async fn page(
    env: &Env,
    filter: &Filter,
    before: Option<ActivityId>,
    count: i64,
) -> Result<Vec<ListedActivity>, StoreError> {
    let mut reader = env.db.reader().await?;
    let conn = &mut reader.conn();
    let lines = activity::list(conn, filter.which(before), count).await?;
    let mut ids: Vec<UserId> = lines.iter().filter_map(|line| line.user_id).collect();
    ids.sort();
    ids.dedup();
    let people = users::find_all(conn, &ids).await?;
    let label = |id| people.iter().find(|user| Some(user.id) == id).map(|user| user.label());
    Ok(lines.into_iter().map(|line| ListedActivity { member: label(line.user_id), line }).collect())
}

/// Returns the actions of which there are lines.
pub async fn actions(env: &Env) -> Result<Vec<String>, StoreError> {
    let mut reader = env.db.reader().await?;
    activity::actions(&mut reader.conn()).await
}

/// As what the log is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table, with a line of names.
    Csv,
    /// An object of JSON on each line.
    JsonLines,
}

impl Format {
    /// Returns the ending of a file, by which it is asked for.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }

    /// Returns the type of the content, as HTTP says it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::JsonLines => "application/jsonl; charset=utf-8",
        }
    }
}

/// A word that names no format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the format is csv or jsonl")]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        [Self::Csv, Self::JsonLines].into_iter().find(|format| format.as_str() == text).ok_or(UnknownFormat)
    }
}

/// Writes the lines that fit, the newest first, in pieces: no more is read than is taken. Ends early
/// when nobody takes any longer.
pub async fn export(env: &Env, filter: &Filter, format: Format, pieces: mpsc::Sender<Result<String, StoreError>>) {
    let mut before = None;
    let mut piece = match format {
        Format::Csv => "time,actor,action,member,address,browser,details\r\n".to_owned(),
        Format::JsonLines => String::new(),
    };
    loop {
        let page = list(env, filter.which(before), LINES_AT_ONCE).await;
        let next = page.map(|lines| {
            for line in &lines {
                write_line(&mut piece, line, format);
            }
            let is_full = i64::try_from(lines.len()).unwrap_or(0) == LINES_AT_ONCE;
            (std::mem::take(&mut piece), lines.last().filter(|_| is_full).map(|line| line.id))
        });
        let (piece, next) = match next {
            Ok((piece, next)) => (Ok(piece), next),
            Err(error) => (Err(error), None),
        };
        if pieces.send(piece).await.is_err() || next.is_none() {
            return;
        }
        before = next;
    }
}

fn write_line(out: &mut String, line: &Activity, format: Format) {
    let time = line.created_at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let user = line.user_id.map(|user| user.to_string());
    match format {
        Format::Csv => {
            let details = line.details.to_string();
            let fields = [
                time.as_str(),
                &line.actor,
                &line.action,
                user.as_deref().unwrap_or_default(),
                line.ip_address.as_deref().unwrap_or_default(),
                line.user_agent.as_deref().unwrap_or_default(),
                &details,
            ];
            for (at, field) in fields.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_field(out, field);
            }
            out.push_str("\r\n");
        }
        Format::JsonLines => {
            let line = json!({
                "id": line.id, "created_at": time, "actor": line.actor, "action": line.action, "user": user,
                "ip_address": line.ip_address, "user_agent": line.user_agent, "details": line.details,
            });
            let _ = writeln!(out, "{line}");
        }
    }
}

/// Writes a field as spreadsheets read it, and so that none of them takes it for a formula: browsers
/// call themselves as they like.
fn write_field(out: &mut String, field: &str) {
    let is_formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let field = if is_formula { format!("'{field}") } else { field.to_owned() };
    if field.contains(['"', ',', '\n', '\r', '\'']) {
        let _ = write!(out, "\"{}\"", field.replace('"', "\"\""));
    } else {
        out.push_str(&field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_never_formulas() {
        for (field, written) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("@cmd", "\"'@cmd\""),
            ("two\nlines", "\"two\nlines\""),
            ("", ""),
        ] {
            let mut out = String::new();
            write_field(&mut out, field);
            assert_eq!(out, written);
        }
    }
}
