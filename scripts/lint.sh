#!/usr/bin/env bash
# Checks the formatting, clippy's advice for server and browser, and the types of the browser tests.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

check "Formatting" cargo fmt --all --check
check "Clippy: server" cargo clippy -p vouchsafe --all-targets --features ssr -- -D warnings
check "Clippy: browser" cargo clippy -p vouchsafe-client --target wasm32-unknown-unknown -- -D warnings
check "Types of the browser tests" tsc --noEmit --project end2end
show_passed
