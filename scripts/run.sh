#!/usr/bin/env bash
# Installs what running needs, builds and serves. The program itself says where to look and how to sign in.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts/setup.sh --build
scripts/build.sh
exec target/release/vouchsafe serve
