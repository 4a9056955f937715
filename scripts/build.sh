#!/usr/bin/env bash
# Builds target/release/vouchsafe with the site inside, unless nothing changed since it was built last.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

program=target/release/vouchsafe
# Holds the checksum of the program that was built last, and carries the time at which that build began. cargo-leptos
# writes the site anew at every build, so Cargo would compile the server again each time.
stamp=target/vouchsafe.built
sources=(Cargo.toml Cargo.lock Leptos.toml build.rs rust-toolchain.toml migrations public src style
  end2end/package-lock.json scripts/build.sh)

if sha256sum --check --status "$stamp" 2>/dev/null && [[ -z $(find "${sources[@]}" -newer "$stamp" -print -quit) ]]; then
  echo "$program is up to date"
  exit
fi

began=$(date +%s.%N)
echo "Building $program; the first time takes about eight minutes"
# Called by its own name: through `cargo leptos`, rustup would put its own directory in front of our PATH.
# -P compresses the site's files before the server takes them in.
cargo-leptos build --release -P
sha256sum "$program" >"$stamp"
touch --date="@$began" "$stamp"
