//! Rebuilds the server when an embedded file changes: migrations, default configuration, the built site.

use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=Leptos.toml");
    // Only release binaries carry the site inside; others read it from disk as they run.
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        // Cargo would run this script every time if the folder were missing.
        fs::create_dir_all("target/site")?;
        println!("cargo:rerun-if-changed=target/site");
    }
    Ok(())
}
