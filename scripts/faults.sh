#!/usr/bin/env bash
# Races servers against each other and kills them under load, on both databases: what `make test` does for seconds,
# for minutes. VOUCHSAFE_BINARY names another program than the debug build; PROPTEST_CASES says how many random walks
# are compared with the model.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

export PROPTEST_CASES="${PROPTEST_CASES:-400}"
check "Random walks beside the model" \
  scripts/with-postgres.sh cargo test --features ssr --test tests stories::usage::two_nodes
check "Servers raced and killed" \
  scripts/with-postgres.sh cargo test --features ssr --test tests faults -- --ignored --nocapture --test-threads=1
show_passed
echo "All passed in $(clock "$SECONDS")."
