//! Where to go after signing in, when the link or the form says so.

/// Returns the path if it stays on this site: nobody is sent elsewhere by a crafted link.
pub fn safe_path(raw: &str) -> Option<String> {
    let is_path = raw.starts_with('/') && !raw.starts_with("//") && raw.len() <= 512;
    // Browsers read a backslash as a slash and drop tabs and line breaks.
    let is_plain = raw.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (is_path && is_plain).then(|| raw.to_owned())
}

/// Returns where to go if it stays on this site, or leads to one of the sites behind the gate that
/// the operator named.
///
/// Those are compared letter by letter with what browsers call an origin. Nothing is read into an
/// address that is written in another way.
pub fn safe_target(raw: &str, origins: &[String]) -> Option<String> {
    if let Some(path) = safe_path(raw) {
        return Some(path);
    }
    origins.iter().find_map(|origin| {
        let path = safe_path(raw.strip_prefix(origin.as_str())?)?;
        Some(format!("{origin}{path}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_sites_pass_if_they_are_named_and_in_no_other_disguise() {
        let origins = ["https://app.example.com".to_owned(), "http://localhost:8080".to_owned()];
        for good in [
            "/settings",
            "https://app.example.com/",
            "https://app.example.com/reports/2026?q=1#top",
            "https://app.example.com/@evil.example",
            "http://localhost:8080/a",
        ] {
            assert_eq!(safe_target(good, &origins).as_deref(), Some(good));
        }
        let long = format!("https://app.example.com/{}", "a".repeat(512));
        for bad in [
            "",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https:evil.example",
            "https:/evil.example",
            "https:///evil.example/",
            "https://evil.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            // Where the named origin ends, a path must begin.
            "https://app.example.com",
            "https://app.example.com.evil.example/",
            "https://app.example.com@evil.example/",
            "https://app.example.com:evil@evil.example/",
            "https://app.example.com:443/",
            "https://app.example.com:8443/",
            "https://app.example.com\\@evil.example/",
            "https://app.example.com//evil.example/..",
            "https://app.example.com/\\evil.example",
            "https://app.example.com?next=/",
            "https://app.example.com#/",
            "https://app.example.com%2eevil.example/",
            "https://app.example.com%2F@evil.example/",
            "https://evil.example/https://app.example.com/",
            "https://ann:pw@app.example.com/",
            "http://app.example.com/",
            "HTTPS://app.example.com/",
            "https://APP.example.com/",
            "https://app.example.com./",
            " https://app.example.com/",
            "\thttps://app.example.com/",
            "ht\ttps://app.example.com/",
            "https://app.example.com/\r\nSet-Cookie: a=b",
            "https://app.example.com/ü",
            "http://localhost:8081/",
            "http://localhost:80800/",
            "http://localhost/",
            "http://127.0.0.1:8080/",
            &long,
        ] {
            assert_eq!(safe_target(bad, &origins), None, "{bad:?}");
        }
        assert_eq!(safe_target("https://app.example.com/", &[]), None);
    }

    #[test]
    fn only_paths_of_this_site_pass() {
        for good in ["/", "/settings", "/admin/matrix?tier=free#top"] {
            assert_eq!(safe_path(good).as_deref(), Some(good));
        }
        let long = format!("/{}", "a".repeat(512));
        for bad in [
            "",
            "settings",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil",
            "/a b",
            "/ü",
            &long,
        ] {
            assert_eq!(safe_path(bad), None, "{bad:?}");
        }
    }
}
