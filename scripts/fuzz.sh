#!/usr/bin/env bash
# fuzz.sh [SECONDS] [TARGET...]: makes up what strangers could send, for so many seconds each (600), and fails when
# something falls over. What it learns stays in target/fuzz/corpus; what it finds is in target/fuzz/found.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

seconds=${1:-600}
[[ $seconds =~ ^[0-9]+$ ]] || fail "usage: fuzz.sh [SECONDS] [TARGET...]"
shift $(($# > 0 ? 1 : 0))
targets=("$@")
((${#targets[@]} > 0)) || targets=(stripe_event paddle_event polar_event signature_headers)

# What cargo-fuzz does without a sanitizer, which takes the compiler that the project has. Rust without unsafe code
# needs none: a panic is what there is to find.
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
# Only with a target named are the compiler's own helpers left as they are.
cargo build --quiet --release --locked --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --target "$host"

fuzz() {
  local corpus="target/fuzz/corpus/$1" found="target/fuzz/found/$1" log="target/logs/fuzz-$1.log"
  mkdir -p "$corpus" "$found" target/logs
  if ! "target/fuzz/$host/release/$1" -max_total_time="$seconds" -max_len=8192 -timeout=5 -rss_limit_mb=1024 \
    -dict=fuzz/words.dict -artifact_prefix="$found/" -print_final_stats=1 \
    "$corpus" src/tests/payloads >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    return 1
  fi
  awk '/number_of_executed_units/ { print $2 " inputs, nothing found" }' "$log"
}

for target in "${targets[@]}"; do
  check "$target" fuzz "$target"
done
show_passed
