//! Lays the environment over a file over the defaults, and remembers where each value came from.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use toml::{Table, Value};

use crate::config::{DEFAULTS, USUAL_FILE};

/// Names the file to read; not a setting itself.
const FILE_VARIABLE: &str = "VOUCHSAFE_CONFIG";
const VARIABLE_PREFIX: &str = "VOUCHSAFE_";
/// The one key whose variable is called as everywhere else.
const DATABASE_VARIABLE: &str = "DATABASE_URL";
/// The table of `Leptos.toml` that belongs to Leptos.
const FOREIGN_TABLE: &str = "package";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The defaults inside the program.
    Defaults,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => out.write_str("the defaults"),
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Variable(name) => write!(out, "the variable {name}"),
        }
    }
}

/// Why the program does not start with this configuration. No message holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The named file is not there or must not be read.
    #[error("the configuration file {} cannot be read: {problem}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        problem: io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {} is not valid in line {line}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        problem: String,
    },
    /// A key or a section of the file does not exist.
    #[error("{} has an unknown key: {key}. Known there: {known}", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key, with its section.
        key: String,
        /// The keys that exist, separated by commas.
        known: String,
    },
    /// A variable that looks like a setting is none.
    #[error("the variable {name} is not known. Known are: {known}")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The variables that exist, separated by commas.
        known: String,
    },
    /// A value cannot be used.
    #[error("{key} (from {origin}) {problem}. It must be {allowed}")]
    BadValue {
        /// The key, with its section.
        key: String,
        /// Where the value came from.
        origin: Origin,
        /// What is wrong, as the rest of a sentence.
        problem: String,
        /// What would be right.
        allowed: String,
    },
}

/// All values, by section and key.
pub(super) struct Layers {
    values: BTreeMap<String, BTreeMap<String, (Value, Origin)>>,
}

/// One value, on its way to its type.
pub(super) struct Setting<'a> {
    key: String,
    value: &'a Value,
    origin: &'a Origin,
}

impl Layers {
    pub(super) fn read(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let variables: BTreeMap<String, String> = environment.collect();
        let named = file.map(Path::to_owned).or_else(|| variables.get(FILE_VARIABLE).map(PathBuf::from));
        let mut layers = Self::defaults();
        if let Some(path) = named {
            layers.lay_file(&path)?;
        } else if Path::new(USUAL_FILE).exists() {
            layers.lay_file(Path::new(USUAL_FILE))?;
        }
        layers.lay_variables(variables)?;
        Ok(layers)
    }

    fn defaults() -> Self {
        let defaults: Table = DEFAULTS.parse().expect("a test reads the Leptos.toml inside the program");
        let mut values = BTreeMap::new();
        for (section, keys) in defaults {
            if let Value::Table(keys) = keys
                && section != FOREIGN_TABLE
            {
                let keys = keys.into_iter().map(|(key, value)| (key, (value, Origin::Defaults))).collect();
                values.insert(section, keys);
            }
        }
        Self { values }
    }

    fn lay_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|problem| ConfigError::Unreadable { path: path.to_owned(), problem })?;
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            // The whole error would quote the line, and a password with it.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
            let line = before.matches('\n').count() + 1;
            ConfigError::Syntax { path: path.to_owned(), line, problem: error.message().to_owned() }
        })?;
        for (section, content) in table {
            if section == FOREIGN_TABLE {
                continue;
            }
            let unknown = |key: String, known: Vec<&String>| ConfigError::UnknownKey {
                path: path.to_owned(),
                key,
                known: join(known),
            };
            let Some(keys) = self.values.get_mut(&section) else {
                return Err(unknown(section, self.values.keys().collect()));
            };
            let Value::Table(content) = content else {
                return Err(unknown(format!("{section}, without a section around it"), self.values.keys().collect()));
            };
            for (key, value) in content {
                let full_key = format!("{section}.{key}");
                let Some(slot) = keys.get_mut(&key) else {
                    return Err(unknown(full_key, keys.keys().collect()));
                };
                let origin = Origin::File(path.to_owned());
                if !is_same_type(&value, &slot.0) {
                    let problem = format!("is {}", type_of(&value));
                    return Err(
                        Setting { key: full_key, value: &value, origin: &origin }.refuse(problem, type_of(&slot.0))
                    );
                }
                *slot = (value, origin);
            }
        }
        Ok(())
    }

    fn lay_variables(&mut self, variables: BTreeMap<String, String>) -> Result<(), ConfigError> {
        for (name, text) in variables {
            let is_ours = name == DATABASE_VARIABLE || name.starts_with(VARIABLE_PREFIX);
            if !is_ours || name == FILE_VARIABLE {
                continue;
            }
            let found = self.values.iter_mut().find_map(|(section, keys)| {
                keys.iter_mut()
                    .find(|(key, _)| variable(section, key) == name)
                    .map(|(key, slot)| (format!("{section}.{key}"), slot))
            });
            let Some((key, slot)) = found else {
                return Err(ConfigError::UnknownVariable { name, known: self.known_variables() });
            };
            let origin = Origin::Variable(name);
            let Some(value) = coerce(&text, &slot.0) else {
                return Err(
                    Setting { key, value: &slot.0, origin: &origin }.refuse(format!("is {text:?}"), type_of(&slot.0))
                );
            };
            *slot = (value, origin);
        }
        Ok(())
    }

    fn known_variables(&self) -> String {
        let names = self
            .values
            .iter()
            .flat_map(|(section, keys)| keys.keys().map(move |key| variable(section, key)))
            .chain([FILE_VARIABLE.to_owned()]);
        join(names)
    }

    /// Returns the value of a key that `Leptos.toml` holds.
    pub(super) fn setting(&self, section: &str, key: &str) -> Setting<'_> {
        let (value, origin) = self
            .values
            .get(section)
            .and_then(|keys| keys.get(key))
            .unwrap_or_else(|| panic!("Leptos.toml inside the program has no {section}.{key}"));
        Setting { key: format!("{section}.{key}"), value, origin }
    }
}

impl Setting<'_> {
    pub(super) fn text(&self) -> &str {
        self.value.as_str().expect("the default is a text, and layers keep the type")
    }

    pub(super) fn flag(&self) -> bool {
        self.value.as_bool().expect("the default is true or false, and layers keep the type")
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let list = self.value.as_array().expect("the default is a list, and layers keep the type");
        list.iter().filter_map(Value::as_str)
    }

    pub(super) fn number<T: TryFrom<i64>>(&self, allowed: RangeInclusive<i64>) -> Result<T, ConfigError> {
        let number = self.value.as_integer().expect("the default is a number, and layers keep the type");
        allowed
            .contains(&number)
            .then(|| T::try_from(number).ok())
            .flatten()
            .ok_or_else(|| self.refuse(format!("is {number}"), format!("{} to {}", allowed.start(), allowed.end())))
    }

    pub(super) fn seconds(&self, allowed: RangeInclusive<i64>) -> Result<Duration, ConfigError> {
        self.number(allowed).map(Duration::from_secs)
    }

    /// Parses a text that may be shown.
    pub(super) fn parse<T: FromStr>(&self, allowed: &str) -> Result<T, ConfigError> {
        self.text().parse().map_err(|_| self.refuse_text(allowed))
    }

    /// Refuses a text that may be shown.
    pub(super) fn refuse_text(&self, allowed: impl Into<String>) -> ConfigError {
        self.refuse(format!("is {:?}", self.text()), allowed)
    }

    /// Refuses the value; `problem` and `allowed` complete the sentence "KEY … . It must be …".
    pub(super) fn refuse(&self, problem: impl Into<String>, allowed: impl Into<String>) -> ConfigError {
        ConfigError::BadValue {
            key: self.key.clone(),
            origin: self.origin.clone(),
            problem: problem.into(),
            allowed: allowed.into(),
        }
    }
}

/// Returns the environment variable of a key.
fn variable(section: &str, key: &str) -> String {
    match (section, key) {
        ("database", "url") => DATABASE_VARIABLE.to_owned(),
        _ => format!("{VARIABLE_PREFIX}{}", key.to_ascii_uppercase()),
    }
}

/// Reads a variable as the type that the default has.
fn coerce(text: &str, default: &Value) -> Option<Value> {
    match default {
        Value::Integer(_) => text.trim().parse().ok().map(Value::Integer),
        Value::Boolean(_) => text.trim().parse().ok().map(Value::Boolean),
        Value::Array(_) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Some(Value::Array(parts.map(|part| Value::String(part.to_owned())).collect()))
        }
        _ => Some(Value::String(text.to_owned())),
    }
}

fn is_same_type(value: &Value, default: &Value) -> bool {
    value.same_type(default) && value.as_array().is_none_or(|list| list.iter().all(Value::is_str))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text in quotes",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(list) if list.iter().all(Value::is_str) => "a list of texts",
        Value::Array(_) => "a list with other things than texts",
        Value::Table(_) => "a section",
    }
}

fn join(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    names.into_iter().fold(String::new(), |mut all, name| {
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(name.as_ref());
        all
    })
}
