#!/usr/bin/env bash
# Removes build results. What took minutes to install stays (target/tools, npm packages), and so does data/.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[[ ! -d target ]] || find target -mindepth 1 -maxdepth 1 ! -name tools -exec rm -rf {} +
rm -rf end2end/test-results end2end/playwright-report
