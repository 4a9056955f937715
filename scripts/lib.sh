# Shared by the scripts beside it: sourced, never run. Leaves the caller in the project's root directory.
# shellcheck shell=bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Our own tools come first: cargo-leptos takes wasm-bindgen and wasm-opt from PATH, and they must be these versions.
# Cargo's directory comes last, for a shell that was open before rustup was installed.
cargo_home=${CARGO_HOME:-~/.cargo}
export PATH="$root/target/tools/bin:$root/end2end/node_modules/.bin:$PATH:$cargo_home/bin"

# The browser for the tests is Debian's, or the one named here.
export CHROMIUM="${CHROMIUM:-/usr/bin/chromium}"
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1
# So is the proxy. Debian keeps it off the PATH of those who are not root.
export NGINX_BIN="${NGINX_BIN:-/usr/sbin/nginx}"

# Ends the script with a message.
fail() {
  printf '\n%s\n' "$*" >&2
  exit 1
}

# Whether a program exists, given by name or by path.
have() { command -v "$1" >/dev/null 2>&1; }

# Seconds as minutes:seconds.
clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# run_logged NAME COMMAND...: runs a command with its output in target/logs/NAME.log. Every half minute it says how
# far the command is, and when it fails it shows the end of the log.
run_logged() {
  local log="target/logs/$1.log" start=$SECONDS status=0 pulse
  shift
  mkdir -p target/logs
  : >"$log"
  report_progress "$log" &
  pulse=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$pulse" 2>/dev/null || true
  wait "$pulse" 2>/dev/null || true
  if ((status != 0)); then
    printf '\nThe last lines of %s:\n' "$log" >&2
    tail -n 40 "$log" >&2
    fail "Failed after $(clock $((SECONDS - start))): $*"
  fi
  echo "      done in $(clock $((SECONDS - start)))"
}

# Prints the newest line of a log every half minute, until it is killed or the script is gone. The short sleeps write
# nowhere, so that a reader of our output never waits for one that is left over.
report_progress() {
  local start=$SECONDS next=30
  while sleep 2 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
    ((SECONDS - start >= next)) || continue
    next=$((next + 30))
    echo "      $(clock $((SECONDS - start)))  $(tail -n 1 "$1" | tr -s ' ' | cut -c 1-70)"
  done
}

# check TITLE COMMAND...: runs one check under a heading and notes how long it took. The first that fails ends the
# script, after a list of what had passed. The command is a program, not a function: inside a function that is tested
# like this, bash would go on after an error.
passed=()
check() {
  local title=$1 start=$SECONDS
  shift
  printf '\n=== %s\n' "$title"
  if ! "$@"; then
    show_passed
    fail "FAILED: $title, after $(clock $((SECONDS - start))). What comes after it did not run."
  fi
  passed+=("$(printf '%-34s %s' "$title" "$(clock $((SECONDS - start)))")")
}

# Lists the checks that passed.
show_passed() {
  echo
  ((${#passed[@]} == 0)) || printf 'passed  %s\n' "${passed[@]}"
}

# ensure_apt_package PROGRAM PACKAGE...: installs Debian packages when the program (a name or a path) is missing.
ensure_apt_package() {
  local program=$1
  shift
  have "$program" || install_apt_packages "$@"
  have "$program" || fail "$program is still missing after installing: $*"
}

# Installs Debian packages, or says which to install when we may not.
install_apt_packages() {
  local as_root=(env DEBIAN_FRONTEND=noninteractive)
  have apt-get || fail "Please install what Debian calls: $*"
  if ((EUID != 0)); then
    sudo -n true 2>/dev/null || fail "Please run this, as the script may not: sudo apt-get install $*"
    as_root=(sudo -n "${as_root[@]}")
  fi
  local apt=("${as_root[@]}" apt-get -y -o DPkg::Lock::Timeout=300)
  # The lists of a fresh machine are empty or old.
  run_logged apt-update "${apt[@]}" update
  run_logged "apt-$1" "${apt[@]}" install --no-install-recommends "$@"
}

# The directory of PostgreSQL's server programs: Debian keeps them off PATH.
postgres_bin() {
  local initdb
  initdb=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1) || true
  [[ -n $initdb ]] || initdb=$(command -v initdb) || return 1
  dirname "$initdb"
}
