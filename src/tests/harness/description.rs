//! Holds every answer that a test gets from the API against the description of the API: schemathesis asks made-up
//! questions of a nearly empty server, the stories ask where there is something to tell.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use axum::http::{Method, StatusCode};
use jsonschema::{Draft, Validator};
use serde_json::Value;

struct Description {
    text: Value,
    /// By the text of the schema.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

static DESCRIPTION: LazyLock<Description> =
    LazyLock::new(|| Description { text: vouchsafe::api::description(), validators: Mutex::default() });

/// Statuses that come from in front of the routes and may be the answer to anything.
const EVERYWHERE: [StatusCode; 3] =
    [StatusCode::METHOD_NOT_ALLOWED, StatusCode::UNSUPPORTED_MEDIA_TYPE, StatusCode::INTERNAL_SERVER_ERROR];

/// Panics when the API answered otherwise than it describes itself; paths that are not of the API pass.
#[track_caller]
pub fn assert_described(method: &Method, target: &str, status: StatusCode, content_type: &str, body: &str) {
    let path = target.split('?').next().unwrap_or_default();
    let Some(template) = DESCRIPTION.template(path) else { return };
    let operation = &DESCRIPTION.text["paths"][template][method.as_str().to_lowercase()];
    if operation.is_null() || EVERYWHERE.contains(&status) {
        return;
    }
    let name = format!("{method} {target} → {status}");
    let answer = &operation["responses"][status.as_str()];
    assert!(!answer.is_null(), "{name} is not among the answers that are described: {body}");
    let Some(contents) = answer["content"].as_object() else {
        assert_eq!(body, "", "{name} is described without a body");
        return;
    };
    let kind = content_type.split(';').next().unwrap_or_default();
    assert!(contents.contains_key(kind), "{name} is {kind:?}, which is not described: {body}");
    if !kind.ends_with("json") {
        return;
    }
    let value: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{name}: {error}: {body}"));
    let errors: Vec<String> = (DESCRIPTION.validator(&contents[kind]["schema"]).iter_errors(&value))
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{name} is not as described: {errors:#?}\n{body}");
}

impl Description {
    /// Returns the path of the description under which this one falls: `/tiers/{id}` before `/{list}/{id}`.
    fn template(&self, path: &str) -> Option<&str> {
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |template: &&String| {
            let names: Vec<&str> = template.split('/').collect();
            names.len() == parts.len()
                && names
                    .iter()
                    .zip(&parts)
                    .all(|(name, part)| name == part || (name.starts_with('{') && !part.is_empty()))
        };
        let templates = self.text["paths"].as_object().into_iter().flat_map(|paths| paths.keys());
        templates.filter(fits).min_by_key(|template| template.matches('{').count()).map(String::as_str)
    }

    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let name = schema.to_string();
        if let Some(known) = self.validators.lock().unwrap().get(&name) {
            return known.clone();
        }
        let mut schema = schema.clone();
        schema["components"] = self.text["components"].clone();
        let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        let validator = Arc::new(options.build(&schema).unwrap_or_else(|error| panic!("{name}: {error}")));
        self.validators.lock().unwrap().insert(name, validator.clone());
        validator
    }
}
