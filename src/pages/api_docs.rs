//! /api/docs: the reference of the API, drawn from its description without a script. The
//! reference is in English, as code is; the frame speaks the reader's language.

use std::{collections::BTreeSet, sync::Arc};

use axum::{extract::State, http::StatusCode, response::Response};
use leptos::prelude::*;
use serde_json::{Map, Value, json};

use crate::{
    domain::lang::Lang,
    pages::frame::{self, Frame, Width},
    platform::caller::{Site, Visit},
    words,
};

/// How deep an example goes; what is deeper is left out.
const DEEPEST: usize = 6;

/// What the page shows, read from the description once.
#[derive(Debug)]
pub struct Reference {
    intro: String,
    /// Where the API is, for the commands.
    origin: String,
    chapters: Vec<Chapter>,
}

#[derive(Debug)]
struct Chapter {
    id: String,
    name: String,
    description: String,
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    description: Vec<String>,
    /// The scope that a key needs.
    scope: Option<String>,
    parameters: Vec<Member>,
    body: Vec<Member>,
    answers: Vec<Answer>,
    command: String,
}

/// A parameter, or a member of a body.
#[derive(Debug)]
struct Member {
    name: String,
    /// Where it stands, unless it is in the body.
    place: Option<String>,
    kind: String,
    required: bool,
    description: String,
}

#[derive(Debug)]
struct Answer {
    status: String,
    description: String,
    example: Option<String>,
}

impl Reference {
    /// Reads a description (OpenAPI 3.1).
    pub fn read(description: &Value, origin: &str) -> Self {
        let reader = Reader(description);
        let mut chapters: Vec<Chapter> = list(&description["tags"])
            .map(|tag| Chapter {
                id: anchor(text(&tag["name"])),
                name: text(&tag["name"]).to_owned(),
                description: text(&tag["description"]).to_owned(),
                operations: Vec::new(),
            })
            .collect();
        for (path, item) in members(&description["paths"]) {
            for method in ["get", "post", "put", "patch", "delete"] {
                let operation = &item[method];
                let tag = text(&operation["tags"][0]);
                if let Some(chapter) = chapters.iter_mut().find(|chapter| chapter.name == tag) {
                    chapter.operations.push(reader.operation(path, method, operation, origin));
                }
            }
        }
        chapters.retain(|chapter| !chapter.operations.is_empty());
        Self { intro: text(&description["info"]["description"]).to_owned(), origin: origin.to_owned(), chapters }
    }
}

/// The description, in which references are looked up.
struct Reader<'a>(&'a Value);

impl<'a> Reader<'a> {
    fn operation(&self, path: &str, method: &str, operation: &'a Value, origin: &str) -> Operation {
        let parameters: Vec<&Value> = list(&operation["parameters"]).collect();
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        let scope = list(&operation["security"]).find_map(|way| way["bearer"][0].as_str()).map(str::to_owned);
        Operation {
            id: text(&operation["operationId"]).to_owned(),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(&operation["summary"]).to_owned(),
            description: text(&operation["description"])
                .split("\n\n")
                .map(str::to_owned)
                .filter(|p| !p.is_empty())
                .collect(),
            scope,
            parameters: parameters.iter().map(|parameter| self.parameter(parameter)).collect(),
            body: if body.is_object() { self.body_members(body) } else { Vec::new() },
            answers: members(&operation["responses"]).map(|(status, answer)| self.answer(status, answer)).collect(),
            command: self.command(path, method, &parameters, body, origin),
        }
    }

    fn parameter(&self, parameter: &'a Value) -> Member {
        Member {
            name: text(&parameter["name"]).to_owned(),
            place: Some(text(&parameter["in"]).to_owned()),
            // What is left out is not sent as null.
            kind: self.kind(&parameter["schema"]).trim_end_matches(" or null").to_owned(),
            required: parameter["required"] == true,
            description: text(&parameter["description"]).to_owned(),
        }
    }

    /// Follows references and leaves `null` aside: what is there when there is something.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            return self.resolved(&self.0["components"]["schemas"][name]);
        }
        let choices = list(&schema["oneOf"]).chain(list(&schema["anyOf"]));
        match choices.clone().filter(|choice| choice["type"] != "null").collect::<Vec<_>>()[..] {
            [only] => self.resolved(only),
            _ => schema,
        }
    }

    fn body_members(&self, schema: &'a Value) -> Vec<Member> {
        let schema = self.resolved(schema);
        let required: BTreeSet<&str> = list(&schema["required"]).filter_map(Value::as_str).collect();
        in_order(schema)
            .into_iter()
            .map(|(name, member)| Member {
                name: name.to_owned(),
                place: None,
                kind: self.kind(member),
                required: required.contains(name),
                description: described(member).to_owned(),
            })
            .collect()
    }

    /// Says in words what a value is.
    fn kind(&self, schema: &'a Value) -> String {
        let target = self.resolved(schema);
        let choices: Vec<&Value> = list(&target["oneOf"]).collect();
        if !choices.is_empty() {
            return choices.iter().map(|choice| self.kind(choice)).collect::<Vec<_>>().join(" or ");
        }
        let words: Vec<String> = list(&target["enum"]).map(Value::to_string).collect();
        if !words.is_empty() {
            return words.join(" or ");
        }
        let mut kinds: Vec<&str> = match &target["type"] {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            kind => kind.as_str().into_iter().collect(),
        };
        let nullable = kinds.contains(&"null") || list(&schema["oneOf"]).any(|choice| choice["type"] == "null");
        kinds.retain(|kind| *kind != "null");
        let mut kind = match (kinds.first().copied(), text(&target["format"])) {
            (Some("array"), _) => format!("list of {}", self.plural(&target["items"])),
            (Some("string"), "date-time") => "time (RFC 3339)".to_owned(),
            (Some("string"), "uuid") => "id".to_owned(),
            (Some("integer"), _) => "whole number".to_owned(),
            (Some("boolean"), _) => "true or false".to_owned(),
            (Some(kind), _) => kind.to_owned(),
            (None, _) => "anything".to_owned(),
        };
        for (least, most, unit) in
            [("minimum", "maximum", ""), ("minLength", "maxLength", " characters"), ("minItems", "maxItems", " items")]
        {
            match (target[least].as_i64(), target[most].as_i64()) {
                (Some(least), Some(most)) => kind.push_str(&format!(", {} to {}{unit}", grouped(least), grouped(most))),
                (None, Some(most)) => kind.push_str(&format!(", at most {}{unit}", grouped(most))),
                (Some(least), None) if least > 0 => kind.push_str(&format!(", at least {}{unit}", grouped(least))),
                _ => {}
            }
        }
        if nullable {
            kind.push_str(" or null");
        }
        kind
    }

    fn plural(&self, items: &'a Value) -> String {
        match items["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            Some(name) if self.resolved(items)["type"] == "object" => name.to_owned(),
            _ => self.kind(items),
        }
    }

    /// Makes an example of a value.
    fn example(&self, schema: &'a Value, depth: usize) -> Value {
        if let Some(example) = schema.get("example").or_else(|| list(&schema["examples"]).next()) {
            return example.clone();
        }
        let target = self.resolved(schema);
        if let Some(example) = target.get("example") {
            return example.clone();
        }
        if let Some(first) = list(&target["enum"]).next() {
            return first.clone();
        }
        if let Some(first) = list(&target["oneOf"]).next() {
            return self.example(first, depth);
        }
        let parts: Vec<&Value> = list(&target["allOf"]).collect();
        if !parts.is_empty() {
            let objects = parts.into_iter().map(|part| self.example(part, depth));
            return Value::Object(objects.filter_map(|part| part.as_object().cloned()).flatten().collect());
        }
        let kind = target["type"]
            .as_str()
            .or_else(|| list(&target["type"]).filter_map(Value::as_str).find(|kind| *kind != "null"));
        match kind.unwrap_or("object") {
            "object" if depth < DEEPEST => {
                let members = in_order(target).into_iter();
                Value::Object(
                    members.map(|(name, member)| (name.to_owned(), self.example(member, depth + 1))).collect(),
                )
            }
            "array" if depth < DEEPEST => json!([self.example(&target["items"], depth + 1)]),
            "object" => json!({}),
            "array" => json!([]),
            "integer" | "number" => json!(target["minimum"].as_i64().unwrap_or(1).max(1)),
            "boolean" => json!(true),
            _ => json!(match text(&target["format"]) {
                "uuid" => "0192f0c1-2345-7abc-8def-0123456789ab",
                "date-time" => "2026-12-31T23:59:59Z",
                "email" => "ann@example.com",
                _ if text(&target["pattern"]).starts_with("^[a-z][a-z0-9_]") => "premium",
                _ => "…",
            }),
        }
    }

    /// Writes the example of a body: what has to be there, and what has an example of its own.
    fn body_example(&self, schema: &'a Value) -> String {
        let schema = self.resolved(schema);
        let required: Vec<&str> = list(&schema["required"]).filter_map(Value::as_str).collect();
        let all = in_order(schema);
        let shown = |name: &str, member: &Value| {
            required.contains(&name) || member.get("example").is_some() || required.is_empty()
        };
        let lines: Vec<String> = all
            .into_iter()
            .filter(|(name, member)| shown(name, member))
            .map(|(name, member)| format!("  \"{name}\": {}", pretty(&self.example(member, 1)).replace('\n', "\n  ")))
            .collect();
        if lines.is_empty() { "{}".to_owned() } else { format!("{{\n{}\n}}", lines.join(",\n")) }
    }

    fn answer(&self, status: &str, answer: &'a Value) -> Answer {
        let is_good = status.starts_with('2');
        let schema = &answer["content"]["application/json"]["schema"];
        let example = (is_good && schema.is_object()).then(|| pretty(&self.example(schema, 0)));
        Answer { status: status.to_owned(), description: text(&answer["description"]).to_owned(), example }
    }

    fn command(&self, path: &str, method: &str, parameters: &[&'a Value], body: &'a Value, origin: &str) -> String {
        let mut address = path.to_owned();
        let mut query = Vec::new();
        for parameter in parameters {
            let name = text(&parameter["name"]);
            let example = parameter.get("example").cloned().unwrap_or_else(|| self.example(&parameter["schema"], 0));
            let example = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
            match text(&parameter["in"]) {
                "path" => address = address.replace(&format!("{{{name}}}"), &example),
                "query" if parameter["required"] == true => query.push(format!("{name}={example}")),
                _ => {}
            }
        }
        if !query.is_empty() {
            address = format!("{address}?{}", query.join("&"));
        }
        let verb = if method == "get" { String::new() } else { format!("-X {} ", method.to_uppercase()) };
        let mut command = format!("curl {verb}'{origin}{address}' \\\n  -H \"Authorization: Bearer $VOUCHSAFE_KEY\"");
        if body.is_object() {
            let body = self.body_example(body).replace('\'', "’");
            command.push_str(&format!(" \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'"));
        }
        command
    }
}

/// Returns the members of an object: those that have to be there as they were written, then the
/// others.
fn in_order(schema: &Value) -> Vec<(&str, &Value)> {
    let required: Vec<&str> = list(&schema["required"]).filter_map(Value::as_str).collect();
    let place = |name: &str| required.iter().position(|known| *known == name).unwrap_or(usize::MAX);
    let mut all: Vec<(&str, &Value)> = members(&schema["properties"]).collect();
    all.sort_by_key(|(name, _)| place(name));
    all
}

/// Returns what is said of a member, which stands beside the reference where it may be `null`.
fn described(member: &Value) -> &str {
    let beside = list(&member["oneOf"]).map(|choice| text(&choice["description"]));
    [text(&member["description"])].into_iter().chain(beside).find(|said| !said.is_empty()).unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> + Clone {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn grouped(number: i64) -> String {
    words::number(Lang::En, number)
}

fn anchor(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

/// `GET /api/docs`
pub async fn show(State(site): State<Site>, visit: Visit, reference: Arc<Reference>) -> Response {
    let frame = Frame { title: "API", address: "/api/docs", width: Width::Wide, section: None, islands: false };
    frame::render(&site, &visit, StatusCode::OK, frame, move || reference_page(&reference)).await
}

fn reference_page(reference: &Reference) -> impl IntoView + use<> {
    let contents = reference
        .chapters
        .iter()
        .map(|chapter| view! { <li><a href=format!("#{}", chapter.id)>{chapter.name.clone()}</a></li> })
        .collect_view();
    let chapters = reference.chapters.iter().map(chapter_view).collect_view();
    let key = format!(
        "export VOUCHSAFE_KEY=vs_…\ncurl '{}/api/v1/tiers' -H \"Authorization: Bearer $VOUCHSAFE_KEY\"",
        reference.origin
    );
    view! {
        <div class="reference stack" lang="en">
            <header class="stack">
                <h1>"API"</h1>
                <p>{rich(&reference.intro)}</p>
                <nav aria-label="Contents"><ul class="contents">{contents}</ul></nav>
            </header>
            <section class="sheet stack" aria-labelledby="to-begin-with">
                <h2 id="to-begin-with">"To begin with"</h2>
                <p>
                    "Make a key in "<a href="/admin/keys">"Admin → API keys"</a>", or with "<code>"vouchsafe key create"</code>
                    ". A key has scopes: "<code>"check"</code>", "<code>"consume"</code>", "<code>"manage"</code>" and "
                    <code>"admin"</code>", each with all before it."
                </p>
                <pre class="command">{key}</pre>
                <dl class="rules">
                    <div><dt>"Errors"</dt><dd>{rich("`application/problem+json` with `status`, `code` and `title`. Tell them apart by `code`: it never changes.")}</dd></div>
                    <div><dt>"Lists"</dt><dd>{rich("`{items, next_cursor}`. Send `next_cursor` as `cursor` to get the next page; on the last it is `null`.")}</dd></div>
                    <div><dt>"Repeats"</dt><dd>{rich("With an `Idempotency-Key` a repeated call counts once and gets the same answer for 48 hours; with other content it is refused.")}</dd></div>
                    <div><dt>"Caching"</dt><dd>{rich("Configuration carries an `ETag`. Send it as `If-None-Match`, and what has not changed is `304` without a body.")}</dd></div>
                    <div><dt>"More"</dt><dd>{rich("Unknown members of a body are ignored. New ones may come in answers. Times are UTC.")}</dd></div>
                </dl>
                <p>"The description for machines: "<a href="/api/openapi.json">"openapi.json"</a>" (OpenAPI 3.1)."</p>
            </section>
            {chapters}
        </div>
    }
}

fn chapter_view(chapter: &Chapter) -> impl IntoView + use<> {
    let operations = chapter.operations.iter().map(operation_view).collect_view();
    view! {
        <section class="stack chapter" aria-labelledby=chapter.id.clone()>
            <div>
                <h2 id=chapter.id.clone()>{chapter.name.clone()}</h2>
                <p class="soft">{rich(&chapter.description)}</p>
            </div>
            <div class="sheet operations">{operations}</div>
        </section>
    }
}

fn operation_view(operation: &Operation) -> impl IntoView + use<> {
    let paragraphs = operation.description.iter().map(|paragraph| view! { <p>{rich(paragraph)}</p> }).collect_view();
    let scope = operation.scope.clone().map(|scope| {
        view! { <p class="soft">"Takes a key with the scope "<code>{scope}</code>"."</p> }
    });
    let answers = operation.answers.iter().map(answer_view).collect_view();
    let members = |title: &'static str, members: &[Member]| {
        let rows = members.iter().map(member_view).collect_view();
        (!members.is_empty()).then(|| view! { <div><h3>{title}</h3><dl class="members">{rows}</dl></div> })
    };
    let parameters = members("Parameters", &operation.parameters);
    let body = members("Body", &operation.body);
    view! {
        <details class="operation">
            <summary>
                <span class="method" data-method=operation.method.clone()>{operation.method.clone()}</span>
                <code class="path">{breakable(&operation.path)}</code>
                <span class="soft">{operation.summary.clone()}</span>
            </summary>
            // The name is inside, so that a link to it opens what is around it.
            <div class="stack" id=operation.id.clone()>
                {paragraphs}
                {scope}
                {parameters}
                {body}
                <div><h3>"Request"</h3><pre class="command">{operation.command.clone()}</pre></div>
                <div><h3>"Answers"</h3><dl class="answers">{answers}</dl></div>
            </div>
        </details>
    }
}

fn member_view(member: &Member) -> impl IntoView + use<> {
    let place = member.place.clone().map(|place| format!("in {place}, "));
    let required = if member.required { "required" } else { "optional" };
    view! {
        <div>
            <dt><code>{member.name.clone()}</code>" "<small class="soft">{place}{required}</small></dt>
            <dd>{rich(&member.description)}<small class="soft">{member.kind.clone()}</small></dd>
        </div>
    }
}

fn answer_view(answer: &Answer) -> impl IntoView + use<> {
    let example = answer.example.clone().map(|example| view! { <pre>{example}</pre> });
    let kind = if answer.status.starts_with(['2', '3']) { "good" } else { "bad" };
    view! {
        <div>
            <dt class=kind>{answer.status.clone()}</dt>
            <dd>{rich(&answer.description)}{example}</dd>
        </div>
    }
}

/// Draws a text in which back-ticks stand around code.
fn rich(text: &str) -> impl IntoView + use<> {
    text.split('`')
        .enumerate()
        .map(|(at, part)| {
            let part = part.to_owned();
            if at % 2 == 0 { part.into_any() } else { view! { <code>{part}</code> }.into_any() }
        })
        .collect_view()
}

/// Draws a path that may be broken before each slash.
fn breakable(path: &str) -> impl IntoView + use<> {
    path.split_inclusive('/').map(|part| view! { {part.to_owned()}<wbr /> }).collect_view()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> Reference {
        let description = json!({
            "info": { "description": "Ask `me`." },
            "tags": [{ "name": "Usage", "description": "Counting" }, { "name": "Empty" }],
            "paths": { "/api/v1/users/{id}/consume": { "post": {
                "tags": ["Usage"], "operationId": "consume", "summary": "Count", "description": "One.\n\nTwo.",
                "security": [{ "bearer": ["consume"] }],
                "parameters": [
                    { "name": "id", "in": "path", "required": true, "schema": { "type": "string" }, "example": "ann" },
                    { "name": "feature", "in": "query", "required": true, "schema": { "type": "string", "example": "photos" } },
                    { "name": "limit", "in": "query", "schema": { "type": ["integer", "null"], "minimum": 1, "maximum": 1000 } },
                ],
                "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Call" } } } },
                "responses": {
                    "200": { "description": "Counted", "content": { "application/json": { "schema": { "type": "array", "items": { "$ref": "#/components/schemas/Call" } } } } },
                    "402": { "description": "limit_reached", "content": {} },
                },
            } } },
            "components": { "schemas": {
                "Call": { "type": "object", "required": ["user", "amount"], "properties": {
                    "amount": { "type": "integer", "minimum": 5 },
                    "at": { "type": ["string", "null"], "format": "date-time" },
                    "how": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/How", "description": "What to do." }] },
                    "user": { "type": "string", "example": "it's ann" },
                } },
                "How": { "type": "string", "enum": ["reject", "cap"] },
            } },
        });
        Reference::read(&description, "https://vouchsafe.example")
    }

    #[test]
    fn a_description_becomes_a_reference() {
        let reference = reference();
        assert_eq!(reference.chapters.len(), 1, "chapters without routes are left out");
        let operation = &reference.chapters[0].operations[0];
        assert_eq!((operation.method.as_str(), operation.scope.as_deref()), ("POST", Some("consume")));
        assert_eq!(operation.description, ["One.", "Two."]);
        let kinds: Vec<_> = operation.parameters.iter().map(|member| member.kind.as_str()).collect();
        assert_eq!(kinds, ["string", "string", "whole number, 1 to 1,000"]);
        assert_eq!(operation.body[3].description, "What to do.");
        let body: Vec<_> =
            operation.body.iter().map(|member| (member.name.as_str(), member.kind.as_str(), member.required)).collect();
        assert_eq!(
            body,
            [
                ("user", "string", true),
                ("amount", "whole number, at least 5", true),
                ("at", "time (RFC 3339) or null", false),
                ("how", "\"reject\" or \"cap\"", false),
            ],
        );
    }

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        let reference = reference();
        let command = &reference.chapters[0].operations[0].command;
        assert!(
            command
                .starts_with("curl -X POST 'https://vouchsafe.example/api/v1/users/ann/consume?feature=photos' \\\n"),
            "{command}"
        );
        let (_, body) = command.split_once("-d '").expect("it has a body");
        let body: Value = serde_json::from_str(body.trim_end_matches('\'')).expect("the body is JSON");
        assert_eq!(body, json!({ "user": "it’s ann", "amount": 5 }), "a quote would end the argument");
        assert!(
            command.find("\"user\"") < command.find("\"amount\""),
            "in the order in which it was written: {command}"
        );
    }

    #[test]
    fn good_answers_have_examples() {
        let reference = reference();
        let answers = &reference.chapters[0].operations[0].answers;
        let example: Value = serde_json::from_str(answers[0].example.as_deref().expect("an example")).expect("JSON");
        assert_eq!(example[0]["how"], "reject");
        assert_eq!(answers[1].example, None);
    }
}
