#!/usr/bin/env bash
# Measures size, speed, memory and start-up of target/release/vouchsafe, how fast it decides and counts, and how fast it
# takes in what providers of payments deliver and redeems coupons, and writes docs/benchmarks.md. Only what cannot be measured at all is a failure; a figure that falls short is reported.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts/setup.sh --build
ensure_apt_package wrk wrk
postgres_bin >/dev/null || install_apt_packages postgresql
scripts/build.sh
echo "Building what it is compared with; the first time takes a few minutes"
run_logged baseline cargo build --release --package vouchsafe-baseline
run_logged entitlements cargo build --release --package vouchsafe-entitlements
run_logged decision cargo bench --package vouchsafe-entitlements --bench decision --no-run
run_logged timeline cargo bench --package vouchsafe-entitlements --bench timeline --no-run
# Each cuts itself off if it takes too long, and removes what it started, also when it is interrupted.
node benches/measure.mjs
PATH="$(postgres_bin):$PATH" POSTGRES_FSYNC=on scripts/with-postgres.sh node benches/entitlements.mjs
PATH="$(postgres_bin):$PATH" POSTGRES_FSYNC=on scripts/with-postgres.sh node benches/payments.mjs
PATH="$(postgres_bin):$PATH" POSTGRES_FSYNC=on scripts/with-postgres.sh node benches/membership.mjs
