#!/usr/bin/env bash
# schemathesis.sh [ARGUMENTS OF SCHEMATHESIS...]: asks a server on a fresh database two thousand questions, good and
# bad, made from the API's own description, and fails on an answer that is none of those described.
# PROGRAM names another program than the release build.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

program=${PROGRAM:-target/release/vouchsafe}
tool=target/tools/schemathesis/bin/schemathesis
[[ -x $program ]] || fail "$program is missing; make build makes it."
[[ -x $tool ]] || fail "$tool is missing; make setup installs it."

dir=$(mktemp -d)
server=
stop() {
  [[ -z $server ]] || kill "$server" 2>/dev/null || true
  rm -rf "$dir"
}
# Bash runs this when it is ended by a signal, too.
trap stop EXIT

token=$(head -c 24 /dev/urandom | base64 | tr -d '+/=')

# Starts a server on a port that may be taken, and says whether it answers.
start() {
  local port=$((20000 + RANDOM % 12000))
  url=http://127.0.0.1:$port
  DATABASE_URL=sqlite:$dir/vouchsafe.db VOUCHSAFE_LISTEN=127.0.0.1:$port VOUCHSAFE_ADMIN_TOKEN=$token \
    VOUCHSAFE_LOG=warn "$program" serve --config /dev/null >"$dir/server.log" 2>&1 &
  server=$!
  local _
  for _ in {1..100}; do
    kill -0 "$server" 2>/dev/null || return 1
    ! curl --silent --fail --output /dev/null "$url/readyz" || return 0
    sleep 0.1
  done
  return 1
}
start || start || start || {
  cat "$dir/server.log" >&2
  fail "The server did not start."
}

# What the examples of the description name, so that questions get past the door. The answer is printed.
make() {
  curl --silent --show-error --fail --header "Authorization: Bearer $token" \
    --header 'Content-Type: application/json' --data "$2" "$url/api/v1/$1"
}
# The first id in what it reads.
id() { grep --only-matching --max-count=1 '"id":"[^"]*"' | head --lines=1 | cut --delimiter='"' --fields=4; }
# listed PATH: the first id of a list.
listed() { curl --silent --show-error --fail --header "Authorization: Bearer $token" "$url/api/v1/$1" | id; }

make users '{"email": "ann@example.com", "external_id": "customer-4711", "tier": "basic"}' >/dev/null
make users/customer-4711/credits '{"days": 45}' >/dev/null
make consume '{"user": "customer-4711", "feature": "ai_calls"}' >/dev/null
keys=$(make keys '{"name": "backend", "scopes": ["check"]}' | id)
for code in SUMMER2027 K7MQ2-XWAB4; do
  make coupons '{"code": "'$code'", "type": "period", "tier": "premium", "duration_days": 30}' >/dev/null
done
grants=$(make users/customer-4711/grants '{"tier": "premium", "days": 30}' | id)
partners=$(make partners '{"name": "Studio"}' | id)
make coupons '{"type": "partner", "tier": "premium", "duration_days": 30, "partner_id": "'"$partners"'"}' >/dev/null
rules=$(make bonus-rules '{"name_en": "Saver", "trigger": "coupons_redeemed", "threshold": 1, "badge": "S"}' | id)
invitations=$(make invitations '{"email": "guest@example.com"}' | id)
# A name that never leads anywhere.
endpoints=$(make webhook-endpoints '{"url": "https://apps.invalid/hooks", "events": ["usage.limit_reached"]}' | id)
deliveries=$(make "webhook-endpoints/$endpoints/test" '{}' | id)
reservations=$(make reservations '{"user": "customer-4711", "feature": "ai_calls"}' | id)
mails=$(listed mails)

# Of an object with an id by chance no example can tell: these are asked about most of the time, see schemathesis.toml.
config=$dir/schemathesis.toml
cp scripts/schemathesis.toml "$config"
for kind in keys grants partners rules invitations endpoints deliveries reservations mails; do
  [[ -n ${!kind} ]] || fail "There is no id of the $kind that were made."
  printf '\n[dictionaries.%s]\nvalues = ["%s"]\n' "$kind" "${!kind}" >>"$config"
done

"$tool" --config-file "$config" run "$url/api/openapi.json" --header "Authorization: Bearer $token" \
  --workers 2 --no-color "$@" </dev/null >"$dir/output" 2>&1 || {
  cat "$dir/output" "$dir/server.log" >&2
  fail "The API answered otherwise than it describes itself."
}
kill -0 "$server" 2>/dev/null || fail "The server has gone: $(tail -n 5 "$dir/server.log")"
grep 'generated,' "$dir/output"
