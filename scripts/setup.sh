#!/usr/bin/env bash
# Installs what the project needs, and skips what is there.
#   setup.sh           everything
#   setup.sh --build   only what building and running need: no PostgreSQL, no browser, no nginx
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cargo_leptos_version=0.3.11
# The tool must equal the library.
wasm_bindgen_version=$(grep -A 1 '^name = "wasm-bindgen"$' Cargo.lock | sed -n 's/^version = "\(.*\)"$/\1/p')

case ${1:-} in
  '') steps=8 ;;
  --build) steps=4 ;;
  *) fail "usage: setup.sh [--build]" ;;
esac

current=0
step() {
  current=$((current + 1))
  echo "[$current/$steps] $*"
}

# What we cannot install ourselves is asked for before the first long step.
check_prerequisites() {
  have rustup || fail "Rust is missing. Install it with rustup, see https://rustup.rs, and start again."
  { have node && have npm; } || fail "Node.js 20 or newer with npm is missing, see https://nodejs.org."
  local major
  major=$(node -p 'process.versions.node.split(".")[0]')
  ((major >= 20)) || fail "Node.js is $(node --version); 20 or newer is needed, see https://nodejs.org."
}

install_toolchain() {
  local channel
  channel=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
  if toolchain_ready; then
    step "Rust $channel is there"
  else
    step "Installing Rust $channel with clippy, rustfmt and the wasm target, once"
    # Without arguments it installs what rust-toolchain.toml names. Asked for here, because rustup may have been told
    # not to do it by itself.
    run_logged rust rustup toolchain install
    toolchain_ready || fail "Rust $channel is incomplete; try: rustup update && rustup toolchain install"
  fi
  # SQLite and the TLS library hold C.
  ensure_apt_package cc build-essential
}

# Whether every part that rust-toolchain.toml names is there. Nothing is installed by asking.
toolchain_ready() (
  export RUSTUP_AUTO_INSTALL=0
  { cargo clippy --version && cargo fmt --version && sysroot=$(rustc --print sysroot); } >/dev/null 2>&1 &&
    [[ -d $sysroot/lib/rustlib/wasm32-unknown-unknown/lib ]]
)

install_wasm_bindgen() {
  if is_version wasm-bindgen "$wasm_bindgen_version"; then
    step "wasm-bindgen $wasm_bindgen_version is there"
    return
  fi
  step "Installing wasm-bindgen $wasm_bindgen_version into target/tools, about three minutes, once"
  # Not --locked: its lock file can name a release that was withdrawn.
  CARGO_PROFILE_RELEASE_LTO=off install_tool wasm-bindgen-cli --version "$wasm_bindgen_version"
}

install_cargo_leptos() {
  if is_version cargo-leptos "$cargo_leptos_version"; then
    step "cargo-leptos $cargo_leptos_version is there"
    return
  fi
  step "Installing cargo-leptos $cargo_leptos_version into target/tools, about four minutes, once"
  # A debug build is enough for a program that only starts others, and takes a fifth of the time. Without assertions,
  # because with them the minifier inside prints its steps as errors.
  CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_DEBUG_ASSERTIONS=false \
    install_tool cargo-leptos --version "$cargo_leptos_version" --locked --debug --features no_downloads
}

is_version() {
  [[ $("target/tools/bin/$1" --version 2>/dev/null) == "$1 $2" ]]
}

# The target directory of its own lets an install that was interrupted go on where it was.
install_tool() {
  CARGO_TARGET_DIR=target/tools-build run_logged "$1" cargo install --root target/tools --force "$@"
  rm -rf target/tools-build
}

install_npm_packages() {
  # npm writes this file last.
  if [[ end2end/node_modules/.package-lock.json -nt end2end/package-lock.json ]]; then
    step "npm packages are there"
    return
  fi
  step "Installing npm packages into end2end/node_modules (wasm-opt, Playwright, TypeScript)"
  run_logged npm npm ci --prefix end2end --no-audit --no-fund
}

install_postgres() {
  if postgres_bin >/dev/null; then
    step "PostgreSQL is there: $(postgres_bin)"
    return
  fi
  step "Installing PostgreSQL, for the tests"
  install_apt_packages postgresql
  postgres_bin >/dev/null || fail "PostgreSQL's initdb is still missing."
}

install_chromium() {
  if have "$CHROMIUM"; then
    step "Chromium is there: $CHROMIUM"
    return
  fi
  step "Installing Chromium, for the browser tests"
  # A font of ordinary widths comes along: without one the screenshots show whatever the machine has.
  ensure_apt_package "$CHROMIUM" chromium fonts-liberation
}

install_nginx() {
  if have "$NGINX_BIN"; then
    step "nginx is there: $NGINX_BIN"
    return
  fi
  step "Installing nginx, for the tests of the gate"
  ensure_apt_package "$NGINX_BIN" nginx
}

# install_python_tool NAME WHY: installs what scripts/NAME.txt lists. The stamp is the list it was installed from.
install_python_tool() {
  local home=target/tools/$1 list=scripts/$1.txt
  if cmp --silent "$list" "$home/installed.txt"; then
    step "$1 is there"
    return
  fi
  step "Installing $1 into target/tools, $2"
  have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null || install_apt_packages python3-venv
  rm -rf "$home"
  mkdir -p target/tools
  run_logged python-venv python3 -m venv "$home"
  run_logged "$1" "$home/bin/pip" install --disable-pip-version-check --requirement "$list"
  cp "$list" "$home/installed.txt"
}

check_prerequisites
install_toolchain
install_wasm_bindgen
install_cargo_leptos
install_npm_packages
if [[ ${1:-} != --build ]]; then
  install_postgres
  install_chromium
  install_nginx
  # It asks the API what its description allows, and what not.
  install_python_tool schemathesis "for the tests of the API"
  install_python_tool localstripe "for the tests of payments"
fi
