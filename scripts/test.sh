#!/usr/bin/env bash
# Every check of the project, the quick ones first; the first that fails ends it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

check "Set-up" scripts/setup.sh
check "Lint" scripts/lint.sh
check "Rust tests, SQLite and PostgreSQL" \
  scripts/with-localstripe.sh scripts/with-postgres.sh cargo test --features ssr
check "Release build" scripts/build.sh
check "API against its description" scripts/schemathesis.sh
check "Browser tests" scripts/with-postgres.sh scripts/e2e.sh
show_passed
echo "All passed in $(clock "$SECONDS")."
