#!/usr/bin/env bash
# Measures size, speed, memory and start-up of target/release/vouchsafe, and writes docs/benchmarks.md. Only what
# cannot be measured at all is a failure; a figure that falls short is reported.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts/setup.sh --build
ensure_apt_package wrk wrk
scripts/build.sh
echo "Building what it is compared with; the first time takes about a minute and a half"
run_logged baseline cargo build --release --package vouchsafe-baseline
# Takes a minute and a half, and cuts itself off after three. It removes what it started, also when it is interrupted.
exec node benches/measure.mjs
