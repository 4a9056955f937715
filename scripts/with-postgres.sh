#!/usr/bin/env bash
# with-postgres.sh COMMAND...: runs a command, from the project's root, beside an empty PostgreSQL of its own, whose
# address is in TEST_POSTGRES_URL. The server and its files are gone afterwards.
# POSTGRES_FSYNC=on makes commits durable, as in production: for measuring, not for tests.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

(($# > 0)) || fail "usage: with-postgres.sh COMMAND..."
bin=$(postgres_bin) || fail "PostgreSQL is missing; make setup installs it."

# Directly under /tmp: the path of a socket must be short, and the user postgres must reach it.
dir=$(mktemp -d /tmp/vouchsafe-postgres.XXXXXX)
as_owner=()
if ((EUID == 0)); then
  # PostgreSQL refuses to run as root.
  chown postgres "$dir"
  as_owner=(runuser -u postgres --)
fi

# Runs one of PostgreSQL's programs as the owner of the data, from a directory that its user may enter.
postgres() {
  local program=$1
  shift
  (cd "$dir" && "${as_owner[@]}" "$bin/$program" -D "$dir/data" "$@" >>"$dir/output" 2>&1)
}

stop() {
  postgres pg_ctl stop --mode=immediate || true
  rm -rf "$dir"
}
# Bash runs this when it is ended by a signal, too.
trap stop EXIT

postgres initdb --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync || {
  cat "$dir/output" >&2
  fail "initdb failed."
}
cat >>"$dir/data/postgresql.conf" <<EOF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir'
max_connections = 200
fsync = ${POSTGRES_FSYNC:-off}
EOF

# There is no asking for a free port: take one at random below those the system hands out, and another if it is taken.
port=
for _ in {1..10}; do
  candidate=$((20000 + RANDOM % 12000))
  if postgres pg_ctl start --wait --log="$dir/log" --options="-p $candidate"; then
    port=$candidate
    break
  fi
done
[[ -n $port ]] || {
  cat "$dir/log" >&2
  fail "PostgreSQL did not start."
}

export TEST_POSTGRES_URL="postgres://postgres@127.0.0.1:$port/postgres"
"$@"
