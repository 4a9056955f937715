//! What the product offers: reading it fast, and changing it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::{
    domain::{
        catalogue::{Catalogue, Feature, Tier},
        limit::{Cell, CellError},
        settings::{AppSettings, BadSetting, DISABLED},
    },
    platform::env::Env,
    store::{
        Conn, StoreError,
        activity::{self, NewActivity},
        catalogue, matrix, settings,
    },
};

/// Reads the configuration.
pub async fn read(conn: &mut Conn<'_>) -> Result<Catalogue, StoreError> {
    // The version first: what is read afterwards is not older than it.
    let version = matrix::version(conn).await?;
    Ok(Catalogue::new(
        version,
        settings::read(conn).await?,
        catalogue::tiers(conn).await?,
        catalogue::features(conn).await?,
        matrix::cells(conn).await?,
    ))
}

/// Returns the configuration, as this node remembers it.
pub async fn current(env: &Env) -> Result<Arc<Catalogue>, StoreError> {
    current_at(env, env.clock.now()).await
}

/// The same for who has looked at the clock already.
pub(super) async fn current_at(env: &Env, now: DateTime<Utc>) -> Result<Arc<Catalogue>, StoreError> {
    match env.memory.catalogue(now) {
        Some(fresh) => Ok(fresh),
        None => Box::pin(newest(env)).await,
    }
}

/// Returns the configuration as the database has it now. It is read only if its version is new.
pub async fn latest(env: &Env, conn: &mut Conn<'_>) -> Result<Arc<Catalogue>, StoreError> {
    let now = env.clock.now();
    let epoch = env.memory.catalogue_epoch();
    let version = matrix::version(conn).await?;
    if let Some(known) = env.memory.last_catalogue().filter(|known| known.version == version) {
        env.memory.remember_catalogue(epoch, &known, now);
        return Ok(known);
    }
    let catalogue = Arc::new(read(conn).await?);
    env.memory.remember_catalogue(epoch, &catalogue, now);
    Ok(catalogue)
}

/// Returns the configuration as the database has it now, for those who change it.
pub async fn newest(env: &Env) -> Result<Arc<Catalogue>, StoreError> {
    let mut reader = env.db.reader().await?;
    latest(env, &mut reader.conn()).await
}

/// Why the configuration does not change.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// A text is empty or too long.
    #[error("{field} has 1 to {most} characters")]
    Text {
        /// Which.
        field: &'static str,
        /// The most characters.
        most: usize,
    },
    /// A number is out of range.
    #[error("{field} is between 0 and {most}")]
    Number {
        /// Which.
        field: &'static str,
        /// The most.
        most: i64,
    },
    /// The default is none that this kind of feature can have.
    #[error("the default limit: {0}")]
    Default(CellError),
    /// Some cell of the matrix is none that this kind of feature can have.
    #[error("tiers have limits that a feature of this kind cannot have: change them to on, off or default first")]
    CellsInTheWay,
    /// It was to be a new one.
    #[error("there is one with this id already")]
    IdTaken,
    /// A setting cannot be that.
    #[error(transparent)]
    Setting(#[from] BadSetting),
    /// There is no such setting.
    #[error("there is no setting {0}")]
    NoSuchSetting(String),
    /// A setting names a tier that there is not.
    #[error("there is no tier {0}")]
    NoSuchTier(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The longest name, in characters.
const LONGEST_NAME: usize = 100;
/// The longest description, in characters.
const LONGEST_DESCRIPTION: usize = 500;
/// The highest price, in cents, and place in a list.
const HIGHEST_NUMBER: i64 = 1_000_000_000;

fn check_text(field: &'static str, text: &str, least: usize, most: usize) -> Result<(), CatalogueError> {
    let length = text.chars().count();
    let is_plain = !text.chars().any(char::is_control);
    if (least..=most).contains(&length) && is_plain { Ok(()) } else { Err(CatalogueError::Text { field, most }) }
}

fn check_number(field: &'static str, number: Option<i64>) -> Result<(), CatalogueError> {
    match number {
        Some(number) if !(0..=HIGHEST_NUMBER).contains(&number) => {
            Err(CatalogueError::Number { field, most: HIGHEST_NUMBER })
        }
        _ => Ok(()),
    }
}

/// Writes a tier, new or over the one with its id. Returns whether it is new.
pub async fn put_tier(env: &Env, actor: &str, tier: &Tier) -> Result<bool, CatalogueError> {
    write_tier(env, actor, tier, false).await
}

/// Makes a tier. Of two at once with the same id, one is refused.
pub async fn create_tier(env: &Env, actor: &str, tier: &Tier) -> Result<(), CatalogueError> {
    write_tier(env, actor, tier, true).await.map(drop)
}

async fn write_tier(env: &Env, actor: &str, tier: &Tier, only_new: bool) -> Result<bool, CatalogueError> {
    check_text("name", tier.name.trim(), 1, LONGEST_NAME)?;
    check_text("description_en", &tier.description_en, 0, LONGEST_DESCRIPTION)?;
    check_text("description_de", &tier.description_de, 0, LONGEST_DESCRIPTION)?;
    check_number("price_monthly_cents", tier.price_monthly_cents)?;
    check_number("price_yearly_cents", tier.price_yearly_cents)?;
    check_number("sort_order", Some(tier.sort_order))?;
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    matrix::raise_version(conn).await?;
    let before = catalogue::tiers(conn).await?.into_iter().find(|known| known.id == tier.id);
    if only_new && before.is_some() {
        return Err(CatalogueError::IdTaken);
    }
    if before.as_ref() == Some(tier) {
        return Ok(false);
    }
    catalogue::put_tier(conn, tier, now).await?;
    let details = json!({ "tier": tier.id, "before": before, "after": tier });
    log(env, conn, actor, "tier_changed", details).await?;
    tx.commit().await?;
    env.configuration_changed();
    Ok(before.is_none())
}

/// Writes a feature, new or over the one with its id. Returns whether it is new.
pub async fn put_feature(env: &Env, actor: &str, feature: &Feature) -> Result<bool, CatalogueError> {
    write_feature(env, actor, feature, false).await
}

/// Makes a feature. Of two at once with the same id, one is refused.
pub async fn create_feature(env: &Env, actor: &str, feature: &Feature) -> Result<(), CatalogueError> {
    write_feature(env, actor, feature, true).await.map(drop)
}

async fn write_feature(env: &Env, actor: &str, feature: &Feature, only_new: bool) -> Result<bool, CatalogueError> {
    check_text("name_en", feature.name_en.trim(), 1, LONGEST_NAME)?;
    check_text("name_de", feature.name_de.trim(), 1, LONGEST_NAME)?;
    check_text("description_en", &feature.description_en, 0, LONGEST_DESCRIPTION)?;
    check_text("description_de", &feature.description_de, 0, LONGEST_DESCRIPTION)?;
    check_text("category", feature.category.trim(), 1, LONGEST_NAME)?;
    check_number("sort_order", Some(feature.sort_order))?;
    Cell::Own(feature.default_limit).check(feature.kind).map_err(CatalogueError::Default)?;
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    matrix::raise_version(conn).await?;
    let before = catalogue::features(conn).await?.into_iter().find(|known| known.id == feature.id);
    if only_new && before.is_some() {
        return Err(CatalogueError::IdTaken);
    }
    if before.as_ref() == Some(feature) {
        return Ok(false);
    }
    let cells = matrix::cells(conn).await?;
    let mut own = cells.iter().filter(|cell| cell.feature == feature.id);
    if own.any(|cell| Cell::Own(cell.limit).check(feature.kind).is_err()) {
        return Err(CatalogueError::CellsInTheWay);
    }
    catalogue::put_feature(conn, feature, now).await?;
    let details = json!({ "feature": feature.id, "before": before, "after": feature });
    log(env, conn, actor, "feature_changed", details).await?;
    tx.commit().await?;
    env.configuration_changed();
    Ok(before.is_none())
}

/// Sets one of the product's settings.
pub async fn set_setting(env: &Env, actor: &str, key: &str, value: &str) -> Result<(), CatalogueError> {
    let refused = set_settings(env, actor, &[(key, value)]).await?;
    refused.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
}

/// A setting that was not set, and why.
pub type RefusedSetting = (String, CatalogueError);

/// Sets several of the product's settings, all or none. What is as it was is left alone. Returns those
/// that cannot be what they shall be.
pub async fn set_settings(env: &Env, actor: &str, wanted: &[(&str, &str)]) -> Result<Vec<RefusedSetting>, StoreError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    matrix::raise_version(conn).await?;
    let tiers = catalogue::tiers(conn).await?;
    let refused = wanted
        .iter()
        .filter_map(|(key, value)| check_setting(&tiers, key, value).err().map(|error| ((*key).to_owned(), error)));
    let refused: Vec<_> = refused.collect();
    if !refused.is_empty() {
        return Ok(refused);
    }
    let before = settings::read(conn).await?;
    let changed: Vec<_> = wanted.iter().filter(|(key, value)| before.value(key).as_deref() != Some(value)).collect();
    if changed.is_empty() {
        return Ok(refused);
    }
    for (key, value) in changed {
        settings::set(conn, key, value, actor, now).await?;
        let details = json!({ "setting": key, "before": before.value(key), "after": value });
        log(env, conn, actor, "setting_changed", details).await?;
    }
    tx.commit().await?;
    env.configuration_changed();
    Ok(refused)
}

fn check_setting(tiers: &[Tier], key: &str, value: &str) -> Result<(), CatalogueError> {
    if !AppSettings::KEYS.contains(&key) {
        return Err(CatalogueError::NoSuchSetting(key.to_owned()));
    }
    AppSettings::from_rows([(key, value)])?;
    let is_none = key == "post_trial_tier" && value == DISABLED;
    if key.ends_with("_tier") && !is_none && !tiers.iter().any(|tier| tier.id.as_str() == value) {
        return Err(CatalogueError::NoSuchTier(value.to_owned()));
    }
    Ok(())
}

pub use crate::store::settings::LastChange;

/// Returns who last changed which setting, and when.
pub async fn setting_changes(env: &Env) -> Result<Vec<LastChange>, StoreError> {
    let mut reader = env.db.reader().await?;
    settings::changes(&mut reader.conn()).await
}

async fn log(
    env: &Env,
    conn: &mut Conn<'_>,
    actor: &str,
    action: &'static str,
    details: serde_json::Value,
) -> Result<(), StoreError> {
    let now = env.clock.now();
    let id = env.random.id(now);
    let line = NewActivity { id, user: None, actor, action, details, ip_address: None, user_agent: None };
    activity::insert(conn, &line, now).await
}
