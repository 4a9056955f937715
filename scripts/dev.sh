#!/usr/bin/env bash
# Serves a debug build, and builds, restarts and reloads the page when a file changes.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts/setup.sh --build
exec cargo-leptos watch -- serve
