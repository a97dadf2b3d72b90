#!/usr/bin/env bash
# Repeats what must hold every time, and prints a table: the demo with --once, the demo killed at a random moment and started again, the
# kills of scenario 26, the double start, one copy of material with many kills, the copy of an hour's counts with a break in every
# channel, the copy of 64 times 40,000 records, two management servers on one PostgreSQL database (one killed, one stopped, the database killed and cut off, a thousand
# failbacks at once), 2,000 starts followed by a kill (each of both also as often as the two servers, but fewer of them), every definition through the designer, the management server killed at every durable write of every definition on both databases, mutations of sealed histories by a database superuser, databases nobody has
# touched, bytes flipped in an evidence pack, and the protocol model in its full bounds. Full counts by default; 0 leaves a row out.
#   eng/soak.sh [--once N] [--kill N] [--steps N] [--copy-kills N] [--hour N] [--records N] [--servers N] [--crash-points N] [--mutations N] [--clean N] [--flips N] [--model N] [--seed N] [--no-build]
set -euo pipefail
cd "$(dirname "$0")/.."

once=20 kill=50 steps=5 copy_kills=50 hour=3 records=1 servers=20 crash_points=1 mutations=10000 clean=1000 flips=1000 model=1 seed=$RANDOM build=1
while [ $# -gt 0 ]; do
  case "$1" in
    --once) once="$2"; shift 2 ;;
    --kill) kill="$2"; shift 2 ;;
    --steps) steps="$2"; shift 2 ;;
    --copy-kills) copy_kills="$2"; shift 2 ;;
    --hour) hour="$2"; shift 2 ;;
    --records) records="$2"; shift 2 ;;
    --servers) servers="$2"; shift 2 ;;
    --crash-points) crash_points="$2"; shift 2 ;;
    --mutations) mutations="$2"; shift 2 ;;
    --clean) clean="$2"; shift 2 ;;
    --flips) flips="$2"; shift 2 ;;
    --model) model="$2"; shift 2 ;;
    --seed) seed="$2"; shift 2 ;;
    --no-build) build=0; shift ;;
    *) echo "usage: eng/soak.sh [--once N] [--kill N] [--steps N] [--copy-kills N] [--hour N] [--records N] [--servers N] [--crash-points N] [--mutations N] [--clean N] [--flips N] [--model N] [--seed N] [--no-build]" >&2; exit 2 ;;
  esac
done
export DOTNET_NOLOGO=1 FAILBACK_CASES=all
if [ "$build" = 1 ]; then
  dotnet build FailbackWorkflows.sln -c Release --nologo -v quiet
  . eng/programs.sh
fi

logs="$(mktemp -d)"
declare -a rows
total_failed=0

# One repetition is one test run of its own, so a failure tells its seed and keeps its log.
repeat() { # name, count, filter, suite and options (default: the scenarios as built)
  local name="$1" count="$2" filter="$3" suite=("${@:4}") passed=0 failed=0 longest=0 started=$SECONDS begun took i
  if [ ${#suite[@]} = 0 ]; then suite=(tests/FailbackWorkflows.Scenarios); fi
  for ((i = 1; i <= count; i++)); do
    begun=$SECONDS
    if FAILBACK_SOAK_COUNT=1 FAILBACK_SOAK_SEED=$((seed + i)) dotnet test "${suite[@]}" -c Release --no-build --nologo \
      --filter "$filter" --logger "console;verbosity=normal" >"$logs/$name-$i.log" 2>&1; then
      passed=$((passed + 1)); rm -f "$logs/$name-$i.log"
    else
      failed=$((failed + 1)); echo "$name, repetition $i, seed $((seed + i)) failed: $logs/$name-$i.log" >&2
    fi
    took=$((SECONDS - begun))
    if [ "$took" -gt "$longest" ]; then longest=$took; fi
  done
  total_failed=$((total_failed + failed))
  rows+=("$(printf '%-28s %6d %7d %7d %9ds %9ds' "$name" "$count" "$passed" "$failed" "$longest" "$((SECONDS - started))")")
}

# Also when it is stopped before its end: what was seen until then is a result, too.
print_table() {
  echo
  echo "seed $seed"
  printf '%-28s %6s %7s %7s %10s %10s\n' what runs passed failed longest total
  printf '%s\n' "${rows[@]-}"
  if [ -f "$logs/model" ]; then cat "$logs/model"; fi
}
trap print_table EXIT
trap 'exit 130' INT TERM

repeat once "$once" "FullyQualifiedName~Once_it_ends_with_0"
repeat kill-and-restart "$kill" "FullyQualifiedName~Killed_at_a_random_moment"
repeat manager-killed "$steps" "FullyQualifiedName~S26_"
repeat two-operators "$steps" "FullyQualifiedName~S01_"
FAILBACK_COPY_KILLS="$copy_kills" repeat "copy-with-$copy_kills-kills" "$((copy_kills > 0 ? 1 : 0))" "FullyQualifiedName~S32_When_anybody_is_killed"
FAILBACK_RECORDS_SCALE=1 repeat records-of-64-channels "$records" "FullyQualifiedName~S55_"
FAILBACK_HOUR_SCALE=1 repeat hour-of-material "$hour" "FullyQualifiedName~An_hour_of_material"
repeat two-servers "$servers" "FullyQualifiedName~Two_servers_on_one_database|FullyQualifiedName~When_the_database_goes_away"
repeat other-processes-killed "$servers" "FullyQualifiedName~S21_|FullyQualifiedName~S28_|FullyQualifiedName~When_an_event_is|FullyQualifiedName~When_2000_starts|FullyQualifiedName~When_many_failbacks"
FAILBACK_STARTS=2000 repeat 2000-starts "$((servers > 0 ? 1 : 0))" "FullyQualifiedName~When_2000_starts"
FAILBACK_SAMPLES=all repeat every-definition "$((steps > 0 ? 1 : 0))" "FullyQualifiedName~Every_workflow_is_opened_and_saved"
FAILBACK_SOAK_FAILBACKS=1000 repeat 1000-failbacks-at-once "$((servers > 0 ? 1 : 0))" "FullyQualifiedName~When_many_failbacks_start_at_once"
FAILBACK_SOAK_FAILBACKS=1000 repeat 1000-in-one-process "$((servers > 0 ? 1 : 0))" "FullyQualifiedName~ManyAtOnceOnTwoNodes" tests/FailbackWorkflows.Persistence.Tests
FAILBACK_CRASH_POINTS=full repeat crash-points "$crash_points" "FullyQualifiedName~CrashPointTests|FullyQualifiedName~EventDeliveryTests" tests/FailbackWorkflows.Persistence.Tests
FAILBACK_MUTATIONS="$mutations" repeat "$mutations-mutations" "$((mutations > 0 ? 1 : 0))" "FullyQualifiedName~SqliteMutationTests.Mutation_" tests/FailbackWorkflows.Persistence.Tests
FAILBACK_CLEAN_DATABASES="$clean" repeat "$clean-clean-databases" "$((clean > 0 ? 1 : 0))" "FullyQualifiedName~SqliteMutationTests.CleanDatabase_" tests/FailbackWorkflows.Persistence.Tests
FAILBACK_FLIPS="$flips" repeat "$flips-flipped-bytes" "$((flips > 0 ? 1 : 0))" "FullyQualifiedName~EvidencePackTests.Pack_WithAnyByteFlipped" tests/FailbackWorkflows.Tests
FAILBACK_MODEL=full FAILBACK_MODEL_REPORT="$logs/model" repeat protocol-model "$model" "FullyQualifiedName~ProtocolModelTests" tests/FailbackWorkflows.Tests

[ "$total_failed" = 0 ]
