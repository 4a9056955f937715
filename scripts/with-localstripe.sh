#!/usr/bin/env bash
# with-localstripe.sh COMMAND...: runs a command, from the project's root, beside a Stripe of its own, whose address is
# in TEST_STRIPE_API_BASE. It keeps customers, plans, subscriptions and invoices until the command ends and sends signed
# events (POST /_config/webhooks/NAME with url and secret); it has no checkout, no portal and no prices.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

(($# > 0)) || fail "usage: with-localstripe.sh COMMAND..."
python=target/tools/localstripe/bin/python
[[ -x $python ]] || fail "localstripe is missing; make setup installs it."

log=$(mktemp)
server=
stop() {
  [[ -z $server ]] || kill "$server" 2>/dev/null || true
  rm -f "$log"
}
# Bash runs this when it is ended by a signal, too.
trap stop EXIT

# Left to itself it listens to every network, and keeps its state in a file that all runs share.
serve='
import sys
from aiohttp import web
from localstripe import resources, server
resources.Store.dump_to_disk = lambda store: None
web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None)
'

# Starts it on a port that may be taken, and says whether it answers.
start() {
  local port=$((20000 + RANDOM % 12000))
  "$python" -c "$serve" "$port" >"$log" 2>&1 &
  server=$!
  local _
  for _ in {1..100}; do
    kill -0 "$server" 2>/dev/null || return 1
    if curl --silent --fail --output /dev/null --user sk_test_0000: "http://127.0.0.1:$port/v1/plans"; then
      export TEST_STRIPE_API_BASE=http://127.0.0.1:$port
      return
    fi
    sleep 0.1
  done
  return 1
}
start || start || start || {
  cat "$log" >&2
  fail "localstripe did not start."
}

"$@"
