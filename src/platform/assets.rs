//! The files of the site: scripts, wasm, styles, fonts, icons.
//!
//! A release carries them inside. Their addresses hold a hash of them all, so a browser may keep
//! each forever and still never mixes files of two builds. A debug build reads them from
//! `target/site` for every request, because `cargo leptos watch` changes them under a running
//! server.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use leptos::config::{LeptosOptions, errors::LeptosConfigError, get_config_from_str};
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};

use crate::config::{Config, DEFAULTS};

/// What `cargo leptos build` makes; nothing in a checkout that was never built.
#[derive(RustEmbed)]
#[folder = "target/site"]
#[allow_missing = true]
struct Site;

const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const A_DAY: HeaderValue = HeaderValue::from_static("public, max-age=86400");
/// Kept, but asked about every time.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
/// The folder in which cargo-leptos puts what it builds; files of `public/` lie beside it.
const BUILT: &str = "pkg";
/// What browsers and robots fetch by fixed names.
const FIXED: [&str; 3] = ["favicon.ico", "favicon.svg", "robots.txt"];

/// The files of the site. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Assets(Arc<Files>);

#[derive(Debug)]
struct Files {
    by_path: BTreeMap<String, Asset>,
    hash: String,
    /// Whether files are read again for each request.
    is_live: bool,
}

#[derive(Debug, Clone)]
struct Asset {
    plain: Bytes,
    brotli: Option<Bytes>,
    gzip: Option<Bytes>,
    tag: String,
}

impl Assets {
    /// Reads the files that the program carries.
    pub fn load() -> Self {
        let paths: Vec<_> = Site::iter().filter(|path| is_public(path)).collect();
        let is_variant = |path: &str| {
            let plain = path.strip_suffix(".br").or_else(|| path.strip_suffix(".gz"));
            plain.is_some_and(|plain| paths.iter().any(|other| other == plain))
        };
        let files = paths.iter().filter(|path| !is_variant(path)).filter_map(|path| Some((path, Site::get(path)?)));
        let files = files.map(|(path, file)| {
            let asset = Asset {
                brotli: variant(path, "br", &file),
                gzip: variant(path, "gz", &file),
                ..Asset::plain(bytes(file))
            };
            (path.to_string(), asset)
        });
        Self::of(files.collect(), cfg!(debug_assertions))
    }

    fn of(by_path: BTreeMap<String, Asset>, is_live: bool) -> Self {
        let mut all = Sha256::new();
        for (path, asset) in &by_path {
            // A zero byte is in no path, so no two lists of files make one text.
            all.update(path);
            all.update([0]);
            all.update(Sha256::digest(&asset.plain));
        }
        let hash = short_hex(&all.finalize());
        Self(Arc::new(Files { by_path, hash, is_live }))
    }

    /// Returns the hash in the address of every file.
    pub fn hash(&self) -> &str {
        &self.0.hash
    }

    /// Returns the address of a file by its name, like `vouchsafe.css` or `fonts/text.woff2`.
    pub fn url(&self, name: &str) -> String {
        format!("/{BUILT}/{}/{name}", self.0.hash)
    }

    /// Returns the routes of the files.
    pub fn routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let mut routes = Router::new().route(&format!("/{BUILT}/{{hash}}/{{*path}}"), get(hashed));
        for path in FIXED {
            let fixed = move |State(assets): State<Assets>, headers: HeaderMap| async move {
                assets.answer(assets.find(path), &headers, A_DAY, path)
            };
            routes = routes.route(&format!("/{path}"), get(fixed));
        }
        routes.with_state(self.clone())
    }

    fn find(&self, path: &str) -> Option<Asset> {
        if self.0.is_live {
            // Compressed files may be older than what is being worked on.
            return is_public(path).then(|| Site::get(path)).flatten().map(|file| Asset::plain(bytes(file)));
        }
        self.0.by_path.get(path).cloned()
    }

    fn answer(&self, asset: Option<Asset>, request: &HeaderMap, keep: HeaderValue, path: &str) -> Response {
        let Some(asset) = asset else { return StatusCode::NOT_FOUND.into_response() };
        let (content, encoding) = match (asset.brotli, asset.gzip) {
            (Some(brotli), _) if accepts(request, "br") => (brotli, Some("br")),
            (_, Some(gzip)) if accepts(request, "gzip") => (gzip, Some("gzip")),
            _ => (asset.plain, None),
        };
        let tag = match encoding {
            Some(encoding) => format!("\"{}-{encoding}\"", asset.tag),
            None => format!("\"{}\"", asset.tag),
        };
        let is_known = knows(request, &tag);
        let mut response = if is_known { Response::new(Body::empty()) } else { Response::new(Body::from(content)) };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, if self.0.is_live { ASK_AGAIN } else { keep });
        headers.insert(header::ETAG, HeaderValue::from_str(&tag).expect("hex and a word are ASCII"));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        if path.ends_with(".svg") {
            // A picture may hold its own colours for light and dark; as a page it may do nothing.
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PICTURE_POLICY));
        }
        response
    }
}

const PICTURE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox";

/// Answers `/pkg/{hash}/{path}`.
///
/// Another build's hash is 404, neither redirected nor answered with what there is now: a page from
/// before a deployment would run a script that does not fit its markup. Its forms work without, and
/// the next page it opens is of the new build.
async fn hashed(
    State(assets): State<Assets>,
    Path((hash, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if hash != assets.0.hash {
        return StatusCode::NOT_FOUND.into_response();
    }
    let asset = assets.find(&format!("{BUILT}/{path}")).or_else(|| assets.find(&path));
    assets.answer(asset, &headers, FOREVER, &path)
}

/// Returns the options for Leptos: its table in `Leptos.toml`, with the hash of the files in their
/// address, so that `HydrationScripts` writes addresses that can be kept forever.
pub fn leptos_options(config: &Config, assets_hash: &str) -> Result<LeptosOptions, LeptosConfigError> {
    let mut options = get_config_from_str(DEFAULTS)?;
    options.site_addr = config.server.listen;
    options.site_pkg_dir = format!("{BUILT}/{assets_hash}").into();
    Ok(options)
}

impl Asset {
    fn plain(content: Bytes) -> Self {
        Self { tag: short_hex(&Sha256::digest(&content)), plain: content, brotli: None, gzip: None }
    }
}

/// Returns whether a path may be asked for: no part of it is hidden, empty or leads upwards.
fn is_public(path: &str) -> bool {
    path.split('/').all(|part| !part.is_empty() && !part.starts_with('.')) && !path.contains('\\')
}

/// Returns the compressed form of a file. One that is older was left by an earlier build.
fn variant(path: &str, ending: &str, file: &EmbeddedFile) -> Option<Bytes> {
    let compressed = Site::get(&format!("{path}.{ending}"))?;
    (compressed.metadata.last_modified() >= file.metadata.last_modified()).then(|| bytes(compressed))
}

fn bytes(file: EmbeddedFile) -> Bytes {
    match file.data {
        Cow::Borrowed(content) => Bytes::from_static(content),
        Cow::Owned(content) => Bytes::from(content),
    }
}

fn short_hex(digest: &[u8]) -> String {
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "avif" => "image/avif",
        "css" => "text/css; charset=utf-8",
        "ico" => "image/x-icon",
        "jpg" => "image/jpeg",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "webmanifest" => "application/manifest+json",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// Returns whether a client takes a coding (RFC 9110 §12.5.3): named or by `*`, and not with `q=0`.
fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let mut by_star = false;
    for item in items(headers, header::ACCEPT_ENCODING) {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        let weight = parameters.trim().strip_prefix("q=").or_else(|| parameters.trim().strip_prefix("Q="));
        let is_wanted = weight.is_none_or(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight > 0.0));
        if name.trim().eq_ignore_ascii_case(coding) {
            return is_wanted;
        }
        by_star |= name.trim() == "*" && is_wanted;
    }
    by_star
}

/// Returns whether a client already has what carries this tag (RFC 9110 §13.1.2).
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    items(headers, header::IF_NONE_MATCH).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

fn items(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter();
    lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::extract::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    fn assets() -> Assets {
        let script = Asset {
            brotli: Some(Bytes::from_static(b"brotli")),
            gzip: Some(Bytes::from_static(b"gzip")),
            ..Asset::plain(Bytes::from_static(b"script"))
        };
        let plain = |content: &'static str| Asset::plain(Bytes::from_static(content.as_bytes()));
        let files = [
            ("pkg/vouchsafe.js", script),
            ("pkg/vouchsafe.wasm", plain("wasm")),
            ("pkg/vouchsafe.css", plain("style")),
            ("fonts/text.woff2", plain("font")),
            ("favicon.svg", plain("<svg/>")),
        ];
        Assets::of(files.map(|(path, asset)| (path.to_owned(), asset)).into(), false)
    }

    async fn fetch(method: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
        let request = Request::builder().method(method).uri(path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Body::empty()).expect("a request");
        let response: Result<Response, Infallible> = assets().routes().oneshot(request).await;
        let (parts, body) = response.expect("infallible").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn files_are_kept_forever_under_their_hash() {
        let (status, headers, text) = fetch("GET", &assets().url("vouchsafe.wasm"), &[]).await;
        assert_eq!((status.as_u16(), text.as_str()), (200, "wasm"));
        assert_eq!(headers["content-type"], "application/wasm");
        assert_eq!(headers["cache-control"], FOREVER);
        assert_eq!(headers["vary"], "accept-encoding");
        let (_, headers, text) = fetch("GET", &assets().url("vouchsafe.css"), &[]).await;
        assert_eq!((text.as_str(), headers["content-type"].as_bytes()), ("style", &b"text/css; charset=utf-8"[..]));
        let (_, headers, text) = fetch("GET", &assets().url("fonts/text.woff2"), &[]).await;
        assert_eq!((text.as_str(), headers["content-type"].as_bytes()), ("font", &b"font/woff2"[..]));
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_found() {
        let hash = assets().hash().to_owned();
        for path in [
            "/pkg/0123456789abcdef/vouchsafe.js".to_owned(),
            format!("/pkg/{hash}/missing.js"),
            format!("/pkg/{hash}/"),
            format!("/pkg/{hash}/.env"),
            format!("/pkg/{hash}/../Cargo.toml"),
            format!("/pkg/{hash}/%2e%2e/%2e%2e/Cargo.toml"),
            format!("/pkg/{hash}/..%2f..%2fCargo.toml"),
            format!("/pkg/{hash}/%00"),
            "/favicon.ico".to_owned(),
            "/pkg/vouchsafe.js".to_owned(),
        ] {
            assert_eq!(fetch("GET", &path, &[]).await.0.as_u16(), 404, "{path}");
        }
        assert_eq!(fetch("POST", &assets().url("vouchsafe.js"), &[]).await.0.as_u16(), 405);
    }

    #[test]
    fn hidden_and_foreign_paths_are_not_public() {
        for path in ["", ".env", "pkg/.hidden", "../Cargo.toml", "pkg/../../x", "/etc/passwd", "pkg//x", "a\\b", "."] {
            assert!(!is_public(path), "{path}");
        }
        assert!(is_public("pkg/vouchsafe.js"));
        let live = Assets::of(BTreeMap::new(), true);
        assert!(live.find("../../Cargo.toml").is_none());
    }

    #[tokio::test]
    async fn the_best_accepted_coding_is_sent() {
        let url = assets().url("vouchsafe.js");
        for (accepted, expected) in [
            ("gzip, deflate, br", "brotli"),
            ("gzip", "gzip"),
            ("GZIP", "gzip"),
            ("br;q=0, gzip;q=0.5", "gzip"),
            ("br; q=0.0, *", "gzip"),
            ("*", "brotli"),
            ("*;q=0", "script"),
            ("identity", "script"),
            ("br;q=much", "script"),
            ("", "script"),
        ] {
            let (_, headers, text) = fetch("GET", &url, &[("accept-encoding", accepted)]).await;
            assert_eq!(text, expected, "{accepted}");
            assert_eq!(headers.contains_key("content-encoding"), expected != "script", "{accepted}");
            assert_eq!(headers["content-type"], "text/javascript; charset=utf-8");
        }
    }

    #[tokio::test]
    async fn who_has_a_file_is_not_sent_it_again() {
        let url = assets().url("vouchsafe.js");
        let (_, headers, _) = fetch("GET", &url, &[("accept-encoding", "br")]).await;
        let tag = headers["etag"].to_str().expect("ASCII").to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let request = [("accept-encoding", "br"), ("if-none-match", known.as_str())];
            let (status, headers, text) = fetch("GET", &url, &request).await;
            assert_eq!((status.as_u16(), text.as_str()), (304, ""), "{known}");
            assert_eq!(headers["etag"], tag.as_str());
        }
        // The tag of one coding says nothing about another.
        assert_eq!(fetch("GET", &url, &[("if-none-match", &tag)]).await.0.as_u16(), 200);
    }

    #[tokio::test]
    async fn a_head_is_answered_without_the_body() {
        let (status, headers, text) = fetch("HEAD", &assets().url("vouchsafe.css"), &[]).await;
        assert_eq!((status.as_u16(), text.as_str()), (200, ""));
        assert_eq!(headers["content-length"], "5");
    }

    #[tokio::test]
    async fn icons_are_kept_for_a_day() {
        let (status, headers, _) = fetch("GET", "/favicon.svg", &[]).await;
        assert_eq!(status, 200);
        assert_eq!(headers["cache-control"], A_DAY);
        assert_eq!(headers["content-type"], "image/svg+xml");
    }

    #[test]
    fn the_hash_changes_with_any_file() {
        let file = |path: &str, content: &'static str| (path.to_owned(), Asset::plain(content.into()));
        let hash = |files: Vec<(String, Asset)>| Assets::of(files.into_iter().collect(), false).hash().to_owned();
        let before = hash(vec![file("a", "1"), file("b", "2")]);
        assert_eq!(before, hash(vec![file("b", "2"), file("a", "1")]));
        assert_ne!(before, hash(vec![file("a", "1"), file("b", "3")]));
        assert_ne!(before, hash(vec![file("a", "1"), file("c", "2")]));
        assert_eq!(before.len(), 16);
    }

    #[test]
    fn leptos_learns_where_the_files_are() {
        let config = Config::load(None, std::iter::empty()).expect("the defaults");
        let options = leptos_options(&config, "abc").expect("the table inside the program");
        assert_eq!(&*options.output_name, "vouchsafe");
        assert_eq!(&*options.site_pkg_dir, "pkg/abc");
        assert_eq!(options.site_addr, config.server.listen);
        assert!(!options.hash_files);
    }
}
