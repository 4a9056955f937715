//! Where to go after signing in, when the link or the form says so.

/// Returns the path if it stays on this site: nobody is sent elsewhere by a crafted link.
pub fn safe_path(raw: &str) -> Option<String> {
    let is_path = raw.starts_with('/') && !raw.starts_with("//") && raw.len() <= 512;
    // Browsers read a backslash as a slash and drop tabs and line breaks.
    let is_plain = raw.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (is_path && is_plain).then(|| raw.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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
