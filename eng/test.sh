#!/usr/bin/env bash
# The test command of the README: installs what the tests need beyond the .NET SDK, builds once, runs all three suites and sums them up.
# Ends with "N passed, N failed, N skipped"; exit code 0 only when every suite ran and nothing failed or was skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
suites=(FailbackWorkflows.Tests FailbackWorkflows.Persistence.Tests FailbackWorkflows.Scenarios)

find_browser() {
  for candidate in "${FAILBACK_CHROMIUM:-}" /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
    if [ -n "$candidate" ] && [ -x "$candidate" ]; then echo "$candidate"; return; fi
  done
}

find_postgres() {
  for candidate in /usr/lib/postgresql/*/bin/initdb "$(command -v initdb || true)"; do
    if [ -x "$candidate" ]; then echo "$candidate"; return; fi
  done
}

if [ -z "${FAILBACK_TEST_POSTGRES:-}" ] && [ -z "$(find_postgres)" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing PostgreSQL for the tests of the production store …"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
  else
    echo "The tests of the production store need PostgreSQL. Install it (for example: sudo apt-get install postgresql), or set FAILBACK_TEST_POSTGRES to the connection string of a server." >&2
    exit 1
  fi
fi

# What a camera's feeder is made of.
missing=()
for program in ffmpeg curl jq openssl; do command -v "$program" >/dev/null || missing+=("$program"); done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing ${missing[*]} for the scenario of a camera …"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "The scenario of a camera needs ${missing[*]}. Install what is missing (for example: sudo apt-get install ${missing[*]})." >&2
    exit 1
  fi
fi

if [ -z "$(find_browser)" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Chromium for the browser scenario …"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
  else
    echo "The browser scenario needs Chromium. Install it (for example: sudo apt-get install chromium), or set FAILBACK_CHROMIUM to its path." >&2
    exit 1
  fi
fi
FAILBACK_CHROMIUM="$(find_browser)"
export FAILBACK_CHROMIUM

# npm restores the designer, and axe-core, which the browser scenarios check pages with.
if ! command -v npm >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Node for the designer …"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null
  else
    echo "The scenarios of the designer need Node 18 or newer with npm. Install it (for example: sudo apt-get install nodejs npm)." >&2
    exit 1
  fi
fi
npm ci --prefix tests/FailbackWorkflows.Scenarios --no-audit --no-fund --loglevel=error

# As it is shipped.
dotnet build FailbackWorkflows.sln -c Release --nologo -v minimal

. eng/programs.sh

# Code of tests runs once or twice: watching it to compile it better later costs more than that gives back.
export DOTNET_TieredPGO=0

results="$(mktemp -d)"
trap 'rm -rf "$results"' EXIT

run() { # a suite
  echo "== $1"
  dotnet test "tests/$1" -c Release --no-build --nologo --results-directory "$results" --logger "trx;LogFileName=$1.trx" --logger "console;verbosity=minimal" || true
}

# Two that wait for disk and clock a third of their time share the processors; the scenarios, which start some hundred processes, have them to themselves.
run FailbackWorkflows.Tests >"$results/tests.log" 2>&1 &
run FailbackWorkflows.Persistence.Tests
wait
cat "$results/tests.log"
# Programs that live for seconds: to compile them better after a while comes too late.
DOTNET_TC_CallCountThreshold=7FFF run FailbackWorkflows.Scenarios

passed=0 failed=0 skipped=0 broken=0
for suite in "${suites[@]}"; do
  counters="$(grep -o '<Counters [^>]*>' "$results/$suite.trx" 2>/dev/null || true)"
  count() { sed -nE "s/.* $1=\"([0-9]+)\".*/\1/p" <<<"$counters"; }
  total="$(count total)"; executed="$(count executed)"; ok="$(count passed)"
  if [ -z "$counters" ] || [ "${total:-0}" = 0 ]; then
    echo "$suite ran no test." >&2
    broken=1
    continue
  fi
  echo "slowest of $suite:"
  grep -o '<UnitTestResult [^>]*>' "$results/$suite.trx" | sed -E 's/.* testName="([^"]*)".* duration="([^"]*)".*/\2 \1/' | sort -r | sed -n '1,15p' | cut -c1-160
  passed=$((passed + ok))
  failed=$((failed + executed - ok))
  skipped=$((skipped + total - executed))
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$skipped" = 0 ] && [ "$broken" = 0 ] && [ "$passed" -gt 0 ]
