//! The walls of the house: who may know whom, and what stands in one room only.
//!
//! These tests read the source as text, without comments and strings. Every rule is first shown
//! a breach, at the end of this file, so that none passes because it sees nothing.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

/// Who may know whom. The longest entry that fits a module counts; a room knows itself.
///
/// A wider permission is a decision about the design, not a way to make a test pass.
const MAY_KNOW: &[(&str, &[&str])] = &[
    // Nouns and rules, in the browser too: they know nothing of ours.
    ("domain", &[]),
    ("words", &["domain"]),
    ("config", &[]),
    ("store", &["domain"]),
    ("mail", &["domain"]),
    // Letters have their own words, but write a date as pages do.
    ("mail::render", &["domain", "words::long_date"]),
    // Verbs get time, chance, keys and the configuration through `Env`, and know no request.
    ("services", &["domain", "store", "platform::env", "platform::keys", "platform::memory"]),
    // What an admin writes is tried before it is kept.
    ("services::mail_templates", &["domain", "store", "platform::env", "mail"]),
    // The words about a portfolio come from a language model, if there is one.
    ("services::analysis", &["domain", "store", "platform::env", "platform::language_model"]),
    // Members are sent to a provider's pages.
    ("services::billing", &["domain", "store", "platform::env", "platform::keys", "platform::payment_providers"]),
    // Providers are asked what their events leave open.
    ("services::payments", &["domain", "store", "platform::env", "platform::payment_providers"]),
    ("services::subscriptions", &["domain", "store", "platform::env", "platform::payment_providers"]),
    // Apps are told what happened.
    ("services::webhooks", &["domain", "store", "platform::env", "platform::keys", "platform::outbound"]),
    // The admins' chat is told what happened.
    ("services::notifications", &["domain", "store", "platform::env", "platform::outbound"]),
    // What an admin lets us send ourselves is signed as a provider signs it.
    ("services::test_events", &["domain", "store", "platform::env", "platform::own_door", "webhooks::signature"]),
    ("jobs", &["domain", "services", "store", "mail", "platform::env", "config"]),
    ("components", &["domain", "words"]),
    ("components::islands", &["domain", "words", "calls"]),
    // The signatures, which both sides compile; the bodies are in IN_BODIES.
    ("calls", &["domain"]),
    // Answers are written from what is remembered, and what fails in the database is said in the API's own words.
    ("api", &["domain", "services", "platform::caller", "platform::guard", "platform::memory", "store::StoreError"]),
    // A trail is told in sentences there as everywhere.
    ("api::v1::users", &["domain", "services", "platform::caller", "words::explain"]),
    // The log is sent while it is read.
    ("api::v1::activity", &["domain", "services", "platform::caller", "platform::stream"]),
    // A member's export is sent while it is read.
    ("api::v1::privacy", &["domain", "services", "platform::caller", "platform::download"]),
    // Who knocks is proved, and what was told is handed over.
    ("webhooks", &["domain", "services", "platform::caller", "platform::guard"]),
    ("webhooks::signature", &["domain"]),
    (
        "pages",
        &[
            "components",
            "domain",
            "words",
            "services",
            "config::MailTransport",
            "platform::caller",
            "platform::cookies",
            "platform::guard",
            "platform::headers",
        ],
    ),
    ("pages::activity", &["components", "domain", "words", "services", "platform::caller", "platform::stream"]),
    ("pages::privacy", &["components", "domain", "words", "services", "platform::caller", "platform::download"]),
    // Its page is drawn from values; the handlers fetch them.
    ("pages::matrix", &["components", "domain", "words"]),
    ("pages::matrix::handlers", &["components", "domain", "words", "services", "platform::caller"]),
    ("platform", &["config", "domain"]),
    // Calls to be counted together are handed over here.
    ("platform::env", &["config", "domain", "store::db", "store::StoreError"]),
    // A member's export is sent while it is read.
    ("platform::stream", &["store::StoreError"]),
    ("platform::download", &["services::privacy", "store::StoreError", "platform::stream"]),
    ("platform::observability", &["config", "store::migrations"]),
    ("platform::cookies", &["domain", "services"]),
    ("platform::caller", &["domain", "services", "calls", "components", "words", "store::StoreError"]),
    // These two assemble.
    ("platform::server", EVERYTHING),
    ("cli", EVERYTHING),
    ("main", &["cli"]),
    ("lib", &[]),
];

const EVERYTHING: &[&str] = &["*"];

/// What the bodies of functions may know beside what their module may.
///
/// Those of calls run on the server, and answer in words and markup.
const IN_BODIES: &[(&str, &[&str])] = &[("calls", &["services", "platform::caller", "components", "words"])];

/// Names that only some files may say, and why. A name that ends in `::` is a whole crate or
/// module. Code of tests is not asked.
const RESERVED: &[Reserved] = &[
    Reserved {
        names: &["sqlx", "sqlx_core", "sqlx_postgres", "sqlx_sqlite"],
        only_in: &["store/"],
        why: "all SQL is in the store",
    },
    Reserved {
        names: &["AssertSqlSafe"],
        only_in: &["store/db.rs"],
        why: "SQL is text that the program was built with",
    },
    Reserved {
        names: &["Utc::now", "Local::now", "SystemTime::now"],
        only_in: &["platform/clock.rs"],
        why: "the time comes from Clock, which tests can turn",
    },
    Reserved {
        names: &["Instant::now"],
        only_in: &["platform/guard.rs"],
        why: "only the guard measures how long a request takes",
    },
    Reserved {
        names: &["rand::", "rand_chacha::", "getrandom", "thread_rng", "Uuid::new_v4", "Uuid::now_v7"],
        only_in: &["platform/random.rs"],
        why: "chance comes from Random, which tests can repeat",
    },
    Reserved { names: &[".unwrap()"], only_in: &[], why: "expect(…) says which invariant holds" },
    Reserved { names: &["env::var", "env::vars"], only_in: &["config/", "cli/"], why: "the environment is read once" },
    Reserved {
        names: &["axum::", "axum_core::", "hyper::", "tower::", "tower_http::", "leptos_axum::"],
        only_in: &["api/", "cli/", "pages/", "platform/", "calls/", "webhooks/"],
        why: "rules, statements and journeys know no requests",
    },
    Reserved {
        names: &["leptos::", "server_fn::"],
        only_in: &["calls/", "components/", "pages/", "platform/", "cli/"],
        why: "rules, statements and journeys know no pages",
    },
    Reserved { names: &["reqwest::"], only_in: &["platform/"], why: "one client makes all calls that leave the house" },
    Reserved { names: &["lettre::"], only_in: &["mail/", "config/mail.rs"], why: "only mail sends mail" },
    Reserved { names: &["clap::", "indicatif::"], only_in: &["cli/"], why: "the command line is one room" },
    Reserved {
        names: &["std::fs", "std::net::Tcp", "tokio::", "web_sys::", "js_sys::"],
        only_in: &[
            "api/",
            "calls/",
            "cli/",
            "components/",
            "config/",
            "jobs/",
            "mail/",
            "pages/",
            "platform/",
            "services/",
            "store/",
        ],
        why: "the domain and its words are pure",
    },
];

struct Reserved {
    names: &'static [&'static str],
    only_in: &'static [&'static str],
    why: &'static str,
}

/// The derives by which ids and other one-column values become columns.
const SQLX_DERIVE: &str = "#[cfg_attr(feature = \"ssr\", derive(sqlx::Type), sqlx(transparent))]";
const FILES_WITH_SQLX_DERIVES: [&str; 3] = ["domain/email.rs", "domain/ids.rs", "domain/referral.rs"];

/// How the domain tells the description of the API what its values look like. The browser has no use for it.
const SHAPES: [&str; 2] =
    ["cfg_attr(feature = \"ssr\", derive(utoipa::ToSchema)", "cfg_attr(feature = \"ssr\", schema("];

/// Names that say nothing about who lives there.
const EMPTY_NAMES: [&str; 10] =
    ["util", "utils", "helper", "helpers", "manager", "managers", "core", "common", "misc", "shared"];

/// Texts by which a database would tell its own time, or write it in its own way.
const TIMES_OF_THE_DATABASE: [&str; 7] =
    ["CURRENT_TIMESTAMP", "CURRENT_DATE", "NOW()", "DATETIME(", "STRFTIME(", "CLOCK_TIMESTAMP", "GEN_RANDOM_UUID"];

// The checks: each takes a path under src and the text of the file, and returns what is wrong.

/// Returns what a file knows that it may not.
fn walls(path: &str, text: &str) -> Vec<String> {
    let code = code(text, Strings::Blank);
    let module = module_of(path);
    let Some(may_know) = lookup(MAY_KNOW, &module) else {
        return vec![format!("src/{path}:1: nothing says whom {module} may know; add the room to MAY_KNOW")];
    };
    let in_bodies = lookup(IN_BODIES, &module).unwrap_or_default();
    let bodies = bodies(&code);
    let mut breaches = Vec::new();
    for (offset, known) in paths(&code, if module == "main" { "vouchsafe" } else { "crate" }) {
        let is_body = depth(&bodies[..offset]) > 0;
        let fits = |list: &[&str]| list.iter().any(|allowed| *allowed == "*" || is_within(&known, allowed));
        let is_allowed =
            known.split("::").next() == module.split("::").next() || fits(may_know) || is_body && fits(in_bodies);
        if !is_allowed {
            let line = line(&code, offset);
            let list = if may_know.is_empty() { "nothing of ours".to_owned() } else { may_know.join(", ") };
            breaches.push(format!("src/{path}:{line}: {module} may not know {known}; it may know {list}"));
        }
    }
    // A room is left through `crate::` only, or the check above would not see it.
    let outside_tests = without_tests(&code);
    let floors = if path.ends_with("lib.rs") || path.ends_with("main.rs") { 0 } else { module.split("::").count() };
    let out = "super::".repeat(floors);
    for (offset, _) in outside_tests.match_indices(&out).filter(|_| floors > 0) {
        if !outside_tests[..offset].ends_with(is_part_of_name) && !outside_tests[..offset].ends_with("super::") {
            let line = line(&code, offset);
            breaches.push(format!("src/{path}:{line}: {out} leaves {module}; say crate:: so that it can be seen"));
        }
    }
    breaches
}

/// Returns the names that a file says and may not.
fn reserved(path: &str, text: &str) -> Vec<String> {
    let mut code = without_tests(&code(text, Strings::Blank));
    if FILES_WITH_SQLX_DERIVES.contains(&path) {
        let derive = self::code(SQLX_DERIVE, Strings::Blank);
        code = code.replace(&derive, &" ".repeat(derive.len()));
    }
    if path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    for rule in RESERVED.iter().filter(|rule| !rule.only_in.iter().any(|place| path.starts_with(place))) {
        for name in rule.names {
            for offset in mentions(&code, name) {
                let line = line(&code, offset);
                breaches.push(format!("src/{path}:{line}: {name} does not belong here: {}", rule.why));
            }
        }
    }
    breaches
}

/// Returns the gates by features that are not where all gates are.
fn gates(path: &str, text: &str) -> Vec<String> {
    let (code, kept) = (code(text, Strings::Blank), code(text, Strings::Keep));
    let mut breaches = Vec::new();
    for offset in ["cfg(", "cfg_attr(", "cfg!("].iter().flat_map(|gate| mentions(&code, gate)) {
        let length = code[offset..].find(['\n', ';', '{']).unwrap_or(code.len() - offset);
        let gate = offset..offset + length;
        if mentions(&code[gate.clone()], "feature").next().is_none() {
            continue;
        }
        let is_door = path == "lib.rs" && code[gate.clone()].starts_with("cfg(");
        let is_derive = FILES_WITH_SQLX_DERIVES.contains(&path) && format!("#[{}", &kept[gate.clone()]) == SQLX_DERIVE;
        let is_shape = path.starts_with("domain/") && SHAPES.iter().any(|shape| kept[gate.clone()].starts_with(shape));
        if !is_door && !is_derive && !is_shape {
            let line = line(&code, offset);
            breaches.push(format!("src/{path}:{line}: gates by features are in lib.rs, one for each room"));
        }
    }
    breaches
}

/// Returns where a statement asks the database for the time or for chance.
fn statements(path: &str, text: &str) -> Vec<String> {
    let code = if path.ends_with(".sql") {
        text.lines().map(|line| line.split("--").next().unwrap()).collect::<Vec<_>>().join("\n")
    } else {
        code(text, Strings::Keep)
    };
    let upper = code.to_ascii_uppercase();
    let mut breaches = Vec::new();
    for word in TIMES_OF_THE_DATABASE {
        for (offset, _) in upper.match_indices(word) {
            if !upper[..offset].ends_with(is_part_of_name) {
                let line = line(&upper, offset);
                breaches.push(format!("{path}:{line}: {word}: times and ids are bound from Rust"));
            }
        }
    }
    breaches
}

/// Returns the parts of a path that are named after nothing.
fn names(path: &str) -> Vec<String> {
    let parts = path.split('/').map(|part| part.split('.').next().unwrap());
    parts
        .filter(|part| EMPTY_NAMES.contains(part))
        .map(|part| format!("src/{path}: {part} says nothing about who lives there"))
        .collect()
}

// Reading.

/// Returns the entry for the longest prefix of a module.
fn lookup<'a>(table: &[(&str, &'a [&'a str])], module: &str) -> Option<&'a [&'a str]> {
    let fitting = table.iter().filter(|(of, _)| is_within(module, of));
    fitting.max_by_key(|(of, _)| of.len()).map(|(_, entry)| *entry)
}

fn is_within(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Returns the module of a file: `pages/matrix/handlers.rs` is `pages::matrix::handlers`.
fn module_of(path: &str) -> String {
    let path = path.strip_suffix(".rs").unwrap();
    path.strip_suffix("/mod").unwrap_or(path).replace('/', "::")
}

/// What becomes of the contents of strings.
#[derive(Clone, Copy, PartialEq)]
enum Strings {
    Blank,
    Keep,
}

/// Returns the text with comments, and strings if so wished, turned to blanks; what is left
/// stands where it stood.
fn code(text: &str, strings: Strings) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_name = code.ends_with(is_part_of_name);
        let (length, is_string) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            (comment_length(rest), false)
        } else if let Some(length) = string_length(rest).filter(|_| !after_name || first == '"') {
            (length, true)
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let (skipped, left) = rest.split_at(length);
        if is_string && strings == Strings::Keep {
            code.push_str(skipped);
        } else {
            // As many bytes as there were, so that places stay comparable.
            code.extend(skipped.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        }
        rest = left;
    }
    code
}

fn comment_length(text: &str) -> usize {
    let (mut open, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (open, at) = (open + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (open, at) = (open - 1, at + 2);
            if open == 0 {
                break;
            }
        } else {
            at += text[at..].chars().next().unwrap().len_utf8();
        }
    }
    at
}

/// Returns how long the string or character at the beginning of `text` is, if it is one.
fn string_length(text: &str) -> Option<usize> {
    let body = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - body.len();
    if prefix > 1 {
        return None;
    }
    if let Some(raw) = body.strip_prefix('r') {
        let quoted = raw.trim_start_matches('#');
        let hashes = raw.len() - quoted.len();
        let end = format!("\"{}", "#".repeat(hashes));
        let inside = quoted.strip_prefix('"')?;
        return Some(prefix + 1 + hashes + 1 + inside.find(&end).unwrap() + end.len());
    }
    let quote = body.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let mut letters = body.char_indices().skip(1);
    let mut count = 0;
    while let Some((at, letter)) = letters.next() {
        if letter == quote {
            return Some(prefix + at + 1);
        }
        if letter == '\\' {
            letters.next();
        } else if quote == '\'' && count > 0 && !body.starts_with("'\\") {
            // A lifetime.
            return None;
        }
        count += 1;
    }
    None
}

/// Returns the code with whatever only tests compile turned to blanks.
fn without_tests(code: &str) -> String {
    const GATE: &str = "#[cfg(test)]";
    let mut left = code.to_owned();
    while let Some(start) = left.find(GATE) {
        let item = &left[start..];
        let end = match item.find(['{', ';']) {
            Some(at) if item[at..].starts_with('{') => {
                let inside = item.char_indices().skip_while(|(place, _)| *place < at);
                let mut open = 0;
                let close = inside.into_iter().find(|(_, letter)| {
                    open += i32::from(*letter == '{') - i32::from(*letter == '}');
                    open == 0
                });
                close.map_or(item.len(), |(place, _)| place + 1)
            }
            Some(at) => at + 1,
            None => item.len(),
        };
        let blank: String = item[..end].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
        left.replace_range(start..start + end, &blank);
    }
    left
}

/// Returns every path that starts at the root, with its place: `crate::a::{b, c::d}` is two.
fn paths(code: &str, root: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (offset, _) in code.match_indices(&format!("{root}::")) {
        if !code[..offset].ends_with(is_part_of_name) && !code[..offset].ends_with("::") {
            let mut at = offset + root.len() + 2;
            branches(code, &mut at, "", &mut found);
        }
    }
    found
}

/// Reads what follows a `::`: a name and what follows it, a group, or a star.
fn branches(code: &str, at: &mut usize, prefix: &str, found: &mut Vec<(usize, String)>) {
    skip_blanks(code, at);
    let start = *at;
    if code[start..].starts_with('{') {
        *at += 1;
        loop {
            skip_blanks(code, at);
            match code[*at..].chars().next() {
                Some('}') | None => break,
                Some(',') => *at += 1,
                Some(_) => {
                    let before = *at;
                    branches(code, at, prefix, found);
                    // `as other` and the like.
                    *at += code[*at..].find([',', '}']).unwrap_or(0);
                    assert!(*at > before, "a group of imports that cannot be read");
                }
            }
        }
        *at += 1;
        return;
    }
    let rest = &code[start..];
    let length = if rest.starts_with('*') { 1 } else { rest.find(|c| !is_part_of_name(c)).unwrap_or(rest.len()) };
    let name = &rest[..length];
    *at += length;
    let path = match (prefix, name) {
        (_, "self") => prefix.to_owned(),
        ("", _) => name.to_owned(),
        _ => format!("{prefix}::{name}"),
    };
    let goes_on = code[*at..].starts_with("::") && !code[*at..].starts_with("::<");
    if goes_on {
        *at += 2;
        branches(code, at, &path, found);
    } else {
        found.push((start, path));
    }
}

fn skip_blanks(code: &str, at: &mut usize) {
    *at += code[*at..].len() - code[*at..].trim_start().len();
}

/// Returns where a name is said as a whole name, or as the beginning of a path.
fn mentions<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(name).map(|(offset, _)| offset).filter(move |offset| {
        let is_whole = |c: char| !is_part_of_name(c);
        let before = code[..*offset].chars().next_back().is_none_or(is_whole) || name.starts_with('.');
        let ends_open = name.ends_with([':', '(', ')']) || name.ends_with("Tcp");
        let after = ends_open || code[offset + name.len()..].chars().next().is_none_or(is_whole);
        // `crate::config::leptos::` is ours, `::leptos::` and `use leptos::` are not.
        before && after && !code[..*offset].trim_end_matches("::").ends_with("crate")
    })
}

fn is_part_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the code without the braces of imports: those that are left hold bodies.
fn bodies(code: &str) -> String {
    let mut left = code.to_owned();
    for start in mentions(code, "use").filter(|start| code[start + 3..].starts_with(char::is_whitespace)) {
        let end = code[start..].find(';').map_or(code.len(), |length| start + length);
        left.replace_range(start..end, &" ".repeat(end - start));
    }
    left
}

/// Returns how many braces are open.
fn depth(code: &str) -> usize {
    code.matches('{').count().saturating_sub(code.matches('}').count())
}

fn line(code: &str, offset: usize) -> usize {
    code[..offset].matches('\n').count() + 1
}

// The house as it is.

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the files of a folder with an ending, by their path below it.
fn files(folder: &Path, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inside) = folders.pop() {
        for entry in fs::read_dir(inside).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Returns the rooms: what is under src without the tests and the wasm file's crate.
fn rooms() -> Vec<(String, String)> {
    let mut files = files(&root().join("src"), "rs");
    files.retain(|(path, _)| !path.starts_with("tests/") && !path.starts_with("client/"));
    assert!(files.len() > 80, "only {} files were found: does this test still read the house?", files.len());
    files
}

fn assert_none(breaches: impl Iterator<Item = String>) {
    let list = breaches.fold(String::new(), |mut list, breach| {
        writeln!(list, "{breach}").unwrap();
        list
    });
    assert!(list.is_empty(), "\n{list}");
}

#[test]
fn nobody_knows_whom_they_may_not() {
    assert_none(rooms().iter().flat_map(|(path, text)| walls(path, text)));
}

#[test]
fn names_that_belong_to_one_room_are_said_there_only() {
    assert_none(rooms().iter().flat_map(|(path, text)| reserved(path, text)));
}

#[test]
fn gates_by_features_are_at_the_doors() {
    assert_none(rooms().iter().flat_map(|(path, text)| gates(path, text)));
}

#[test]
fn the_database_is_asked_neither_for_the_time_nor_for_ids() {
    let migrations = files(&root().join("migrations"), "sql");
    assert!(migrations.len() >= 20);
    let store = rooms().into_iter().filter(|(path, _)| path.starts_with("store/"));
    assert_none(store.chain(migrations).flat_map(|(path, text)| statements(&path, &text)));
}

#[test]
fn files_are_named_after_who_lives_there() {
    assert_none(files(&root().join("src"), "rs").iter().flat_map(|(path, _)| names(path)));
}

// Every rule sees its breach.

#[track_caller]
fn sees(breaches: Vec<String>, expected: &[&str]) {
    assert_eq!(breaches.len(), expected.len(), "{breaches:#?}");
    for (breach, expected) in breaches.iter().zip(expected) {
        assert!(breach.contains(expected), "{breach} does not say {expected}");
    }
}

#[test]
fn a_wall_is_seen_however_it_is_crossed() {
    let imports = "//! crate::pages\n\n\
        use crate::{\n\
            domain::{ids, lang::Lang as Tongue},\n\
            services::{login, sessions::{self, *}},\n\
        };";
    sees(
        walls("store/users.rs", imports),
        &[
            "src/store/users.rs:5: store::users may not know services::login; it may know domain",
            "src/store/users.rs:5: store::users may not know services::sessions",
            "src/store/users.rs:5: store::users may not know services::sessions::*",
        ],
    );
    sees(
        walls("domain/user.rs", "fn f() { crate::store::users::find::<u8>() }"),
        &["not know store::users::find; it may know nothing"],
    );
    sees(walls("domain/user.rs", "macro_rules! m { () => { $crate::words::x } }"), &["may not know words::x"]);
    sees(walls("domain/user.rs", "use super::super::store::Db;"), &["super::super:: leaves domain::user"]);
    sees(walls("domain/mod.rs", "use super::store::Db;"), &["super:: leaves domain"]);
    sees(walls("domain/user.rs", "#[cfg(test)]\nmod tests { use super::super::user; }"), &[]);
    sees(walls("domain/user.rs", "// crate::store\nconst A: &str = \"crate::store\"; use crate::domain::ids;"), &[]);
    sees(walls("words/mod.rs", "use crate::domain::lang::Lang;"), &[]);
    sees(walls("services/login.rs", "use crate::*;"), &["may not know *"]);
    sees(walls("main.rs", "fn main() { vouchsafe::store::up() }"), &["main may not know store::up"]);
    sees(walls("lib.rs", "pub use crate::domain::ids;"), &["lib may not know domain::ids"]);
    sees(walls("utilities/mod.rs", ""), &["nothing says whom utilities may know"]);
}

#[test]
fn every_room_has_its_walls() {
    let breaches = [
        ("words/mod.rs", "components"),
        ("config/mod.rs", "platform"),
        ("store/users.rs", "platform"),
        ("mail/render.rs", "words"),
        ("services/login.rs", "pages"),
        ("services/login.rs", "config"),
        ("services/login.rs", "platform::caller"),
        ("jobs/runner.rs", "pages"),
        ("jobs/runner.rs", "platform::server"),
        ("components/parts.rs", "calls"),
        ("components/parts.rs", "services"),
        ("components/islands/copy_button.rs", "services"),
        ("calls/matrix.rs", "services"),
        ("api/paid.rs", "store"),
        ("api/paid.rs", "pages"),
        ("webhooks/receive.rs", "store"),
        ("webhooks/receive.rs", "config::Secret"),
        ("webhooks/signature.rs", "services"),
        ("pages/login.rs", "store::users"),
        ("pages/login.rs", "store::login::LoginAttempt"),
        ("pages/login.rs", "platform::server"),
        ("pages/login.rs", "config::Secret"),
        ("pages/matrix.rs", "services"),
        ("pages/matrix/review.rs", "platform::caller"),
        ("pages/matrix/handlers.rs", "config::MailTransport"),
        ("platform/clock.rs", "store"),
        ("platform/env.rs", "store::users"),
        ("platform/observability.rs", "services"),
        ("platform/cookies.rs", "store"),
        ("platform/caller.rs", "store::users"),
        ("platform/guard.rs", "services"),
    ];
    for (path, known) in breaches {
        sees(walls(path, &format!("use crate::{known}::Something;")), &[&format!("may not know {known}::Something")]);
    }
    for path in ["platform/server.rs", "cli/user.rs"] {
        sees(walls(path, "use crate::{api, calls, jobs, pages, services, store, words};"), &[]);
    }
}

#[test]
fn bodies_of_calls_know_more_than_their_signatures() {
    let body = "use crate::{\n    domain::ids,\n};\n\n\
        pub async fn call() -> Result<(), E> {\n\
            use crate::{platform::caller, services::matrix};\n\
            crate::services::matrix::preview()\n\
        }\n";
    sees(walls("calls/matrix.rs", body), &[]);
    sees(
        walls("calls/matrix.rs", "fn call() { crate::store::users::find() }"),
        &["calls::matrix may not know store::users::find"],
    );
    sees(walls("calls/matrix.rs", "fn call(a: crate::services::A) { }"), &["calls::matrix may not know services::A"]);
    sees(
        walls("calls/matrix.rs", &format!("{body}use crate::{{domain::ids, services::matrix}};")),
        &["services::matrix"],
    );
}

#[test]
fn reserved_names_are_seen_where_they_do_not_belong() {
    let breaches = [
        ("services/login.rs", "sqlx::query(\"\")", "sqlx does not belong"),
        ("domain/user.rs", "#[derive(sqlx::Type)]", "sqlx does not belong"),
        ("domain/ids.rs", "#[derive(sqlx::FromRow)]", "sqlx does not belong"),
        ("store/users.rs", "use sqlx::AssertSqlSafe;", "AssertSqlSafe does not belong"),
        ("services/login.rs", "let now = chrono::Utc::now();", "Utc::now does not belong"),
        ("mail/smtp.rs", "SystemTime::now()", "SystemTime::now does not belong"),
        ("jobs/runner.rs", "let began = tokio::time::Instant::now();", "Instant::now does not belong"),
        ("services/login.rs", "rand::rng()", "rand:: does not belong"),
        ("services/login.rs", "Uuid::now_v7()", "Uuid::now_v7 does not belong"),
        ("cli/user.rs", "x.unwrap()", ".unwrap() does not belong"),
        ("services/login.rs", "std::env::var(\"A\")", "env::var does not belong"),
        ("services/login.rs", "use axum::http;", "axum:: does not belong"),
        ("store/users.rs", "use leptos::prelude::*;", "leptos:: does not belong"),
        ("jobs/send_mail.rs", "use lettre::Message;", "lettre:: does not belong"),
        ("services/login.rs", "use clap::Parser;", "clap:: does not belong"),
        ("domain/lang.rs", "std::fs::read(path)", "std::fs does not belong"),
        ("domain/lang.rs", "tokio::spawn(task)", "tokio:: does not belong"),
        ("words/mod.rs", "js_sys::Date::now()", "js_sys:: does not belong"),
    ];
    for (path, text, expected) in breaches {
        sees(reserved(path, text), &[expected]);
    }
    let fine = [
        ("store/users.rs", "sqlx::query(\"\")"),
        ("store/db.rs", "use sqlx::AssertSqlSafe;"),
        ("domain/ids.rs", SQLX_DERIVE),
        ("services/login.rs", "let sqlx_like = operand::x(\"Utc::now() .unwrap()\"); // rand::rng()"),
        ("services/login.rs", "value.unwrap_or(0)"),
        ("services/login.rs", "#[cfg(test)]\nmod tests {\n    fn f() { if a { x.unwrap() } }\n}"),
        ("mail/tests.rs", "x.unwrap()"),
        ("platform/clock.rs", "SystemTime::now()"),
    ];
    for (path, text) in fine {
        sees(reserved(path, text), &[]);
    }
    // What follows a test is asked again.
    sees(
        reserved("cli/user.rs", "#[cfg(test)]\nmod tests;\n\nfn f() { x.unwrap() }"),
        &["src/cli/user.rs:4: .unwrap()"],
    );
}

#[test]
fn gates_are_seen_outside_the_doors() {
    let gated = "#[cfg(feature = \"ssr\")]\npub mod api;";
    sees(gates("lib.rs", gated), &[]);
    sees(gates("domain/ids.rs", SQLX_DERIVE), &[]);
    sees(gates("calls/matrix.rs", gated), &["src/calls/matrix.rs:1: gates by features are in lib.rs"]);
    sees(gates("domain/user.rs", SQLX_DERIVE), &["gates by features are in lib.rs"]);
    sees(gates("domain/ids.rs", "#[cfg_attr(feature = \"ssr\", derive(sqlx::FromRow))]"), &["gates by features"]);
    let shape = "#[cfg_attr(feature = \"ssr\", derive(utoipa::ToSchema), schema(example = 1))]";
    sees(gates("domain/user.rs", shape), &[]);
    sees(gates("components/parts.rs", shape), &["gates by features are in lib.rs"]);
    sees(gates("domain/user.rs", "#[cfg_attr(feature = \"ssr\", derive(clap::Args))]"), &["gates by features"]);
    sees(gates("components/parts.rs", "if cfg!(feature = \"hydrate\") {}"), &["gates by features"]);
    sees(gates("components/parts.rs", "#[cfg(not(any(test, feature=\"ssr\")))]"), &["gates by features"]);
    sees(gates("components/parts.rs", "#[cfg(unix)] // feature = \"ssr\""), &[]);
}

#[test]
fn a_database_that_tells_the_time_is_seen() {
    sees(
        statements("0001_a.up.sql", "-- not NOW()\nCREATE TABLE a (b TEXT DEFAULT CURRENT_TIMESTAMP);"),
        &["0001_a.up.sql:2: CURRENT_TIMESTAMP"],
    );
    sees(statements("store/users.rs", "// NOW()\n\"UPDATE users SET a = now()\""), &["store/users.rs:2: NOW()"]);
    sees(statements("store/users.rs", "\"SELECT datetime('now')\""), &["DATETIME("]);
    sees(statements("store/users.rs", "\"SELECT gen_random_uuid()\""), &["GEN_RANDOM_UUID"]);
    sees(statements("store/users.rs", "clock.know()"), &[]);
}

#[test]
fn a_name_that_says_nothing_is_seen() {
    sees(names("services/utils.rs"), &["utils says nothing"]);
    sees(names("common/mod.rs"), &["common says nothing"]);
    sees(names("tests/helpers/browser.rs"), &["helpers says nothing"]);
    sees(names("services/commons.rs"), &[]);
}

#[test]
fn comments_and_strings_are_told_from_code() {
    let text = "a /* b /* c */ d */ e // f\n\"g\\\"h\" 'i' '\\'' '\"' &'j str r#\"k\"l\"# b\"m\" br\"n\" r#type ü\"o\"";
    let left = code(text, Strings::Blank);
    assert_eq!(left.len(), text.len());
    assert_eq!(left.split_whitespace().collect::<Vec<_>>(), ["a", "e", "&'j", "str", "r#type", "ü"]);
    assert_eq!(left.matches('\n').count(), 1);
    assert!(code(text, Strings::Keep).contains("\"g\\\"h\""));
}
