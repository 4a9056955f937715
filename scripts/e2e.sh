#!/usr/bin/env bash
# e2e.sh [ARGUMENTS OF PLAYWRIGHT...]: the browser tests, against target/release/vouchsafe.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[[ -x target/release/vouchsafe ]] || fail "target/release/vouchsafe is missing; make build makes it."
have "$CHROMIUM" || fail "Chromium is missing at $CHROMIUM; make setup installs it."
have "$NGINX_BIN" || fail "nginx is missing at $NGINX_BIN; make setup installs it."
cd end2end
tsc --noEmit
playwright test "$@"
