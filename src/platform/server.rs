//! Puts the rooms together: opens the database, makes the world, builds the router.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    middleware,
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use leptos::{config::errors::LeptosConfigError, prelude::provide_context};

use crate::{
    api,
    calls::{self, Unreadable},
    config::Config,
    pages::{self, ErrorPages},
    platform::{
        assets::{self, Assets},
        caller::{self, Rooms, Site},
        clock::Clock,
        cookies::Cookies,
        env::Env,
        guard::Guard,
        keys::Keys,
        observability,
        random::Random,
    },
    store::{Db, StoreError, db::OpenError, migrations},
    webhooks,
};

/// Why the program cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be opened.
    #[error("{0} (database.url, DATABASE_URL)")]
    Open(#[from] OpenError),
    /// The schema is not what this program needs.
    #[error("migrations are missing: run `vouchsafe migrate up`, or set database.auto_migrate = true")]
    NotMigrated,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secret cannot be kept beside the database.
    #[error("the secret cannot be kept in {path}: {problem}")]
    Secret {
        /// Where.
        path: PathBuf,
        /// What the system says.
        problem: io::Error,
    },
    /// No secret, and no place for one.
    #[error("security.secret (VOUCHSAFE_SECRET) is needed: a database on a server has no place to keep one")]
    NoSecret,
    /// The table for Leptos is not one.
    #[error("[package.metadata.leptos] of Leptos.toml: {0}")]
    Leptos(#[from] LeptosConfigError),
}

/// Opens the database and makes the world. The schema is brought up first if the configuration
/// says so.
pub async fn open(config: Config) -> Result<Env, StartError> {
    let db = Db::open(config.database.url.expose(), config.database.pool_size).await?;
    if config.database.auto_migrate {
        migrations::up(&db).await?;
    } else if !migrations::is_current(&db).await? {
        return Err(StartError::NotMigrated);
    }
    with_database(config, db)
}

/// Makes the world around an open database.
pub fn with_database(config: Config, db: Db) -> Result<Env, StartError> {
    let random = Random::system();
    let keys = match (&config.security.secret, config.database.folder()) {
        (Some(secret), _) => Keys::from_secret(secret.expose()),
        (None, Some(folder)) => Keys::from_secret(&kept_secret(&folder, &random)?),
        (None, None) => return Err(StartError::NoSecret),
    };
    Ok(Env::new(db, Clock::system(), random, keys, config))
}

/// Reads the secret that is kept beside the database, or makes one. Only development gets here:
/// elsewhere the configuration demands a secret.
fn kept_secret(folder: &Path, random: &Random) -> Result<String, StartError> {
    let path = folder.join("secret");
    let problem = |problem| StartError::Secret { path: path.clone(), problem };
    match fs::read_to_string(&path) {
        Ok(secret) => return Ok(secret.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(problem(error)),
    }
    let secret = BASE64_URL_SAFE_NO_PAD.encode(random.bytes::<48>());
    fs::create_dir_all(folder).map_err(problem)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&path) {
        Ok(mut file) => file.write_all(secret.as_bytes()).map_err(problem)?,
        // Another process was quicker; its secret is the one.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return fs::read_to_string(&path).map(|secret| secret.trim().to_owned()).map_err(problem);
        }
        Err(error) => return Err(problem(error)),
    }
    Ok(secret)
}

/// Builds the router: every route of the program, behind the guard.
pub fn router(env: Env) -> Result<Router, StartError> {
    observability::start();
    // Leptos runs its tasks on Tokio. An error means that it already does.
    let _ = any_spawner::Executor::init_tokio();
    let assets = Assets::load();
    let leptos = assets::leptos_options(&env.config, assets.hash())?;
    let cookies = Cookies::new(env.keys.clone(), env.config.secure_cookies());
    let site = Site::new(Rooms { env: env.clone(), assets: assets.clone(), leptos, cookies });
    let ready = {
        let env = env.clone();
        move || {
            let env = env.clone();
            async move { observability::readiness(&env).await }
        }
    };
    let from_outside = middleware::from_fn_with_state(site.clone(), caller::from_outside);
    let routes = pages::routes(&site)
        .merge(calls_routes(&site))
        .route_layer(from_outside)
        .merge(api::routes(&site))
        .merge(webhooks::routes())
        .merge(pages::api_docs(&site, &api::description()))
        .merge(assets.routes())
        .merge(observability::routes(env.config.security.admin_token.clone(), ready))
        .fallback(async || StatusCode::NOT_FOUND)
        .with_state(site.clone());
    // Both in one layer: each that a router gets by itself costs every request two boxes.
    let guard = Guard::new(&env.config, env.clock.clone(), env.random.clone());
    Ok(routes.layer((ErrorPages::new(site), guard)))
}

/// The routes of the server functions, each with its own path, so that a table of routes can
/// name them all.
fn calls_routes(site: &Site) -> Router<Site> {
    server_fn::axum::register_explicit::<calls::PreviewMatrix>();
    server_fn::axum::register_explicit::<calls::CommitMatrix>();
    server_fn::axum::register_explicit::<calls::TryMailTemplate>();
    server_fn::axum::server_fn_paths().fold(Router::new(), |routes, (path, _)| {
        let site = site.clone();
        routes.route(path, post(move |request| answer_call(site.clone(), request)))
    })
}

async fn answer_call(site: Site, request: Request) -> Response {
    let unreadable = Unreadable::default();
    let noted = unreadable.clone();
    let context = move || {
        provide_context(site.clone());
        provide_context(noted.clone());
    };
    let mut response = leptos_axum::handle_server_fns_with_context(context, request).await.into_response();
    if unreadable.is_noted() {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
}
