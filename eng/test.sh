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

dotnet build FailbackWorkflows.sln --nologo -v minimal

results="$(mktemp -d)"
trap 'rm -rf "$results"' EXIT
passed=0 failed=0 skipped=0 broken=0
for suite in "${suites[@]}"; do
  echo "== $suite"
  dotnet test "tests/$suite" --no-build --nologo --results-directory "$results" --logger "trx;LogFileName=$suite.trx" --logger "console;verbosity=minimal" || true
  counters="$(grep -o '<Counters [^>]*>' "$results/$suite.trx" 2>/dev/null || true)"
  count() { sed -nE "s/.* $1=\"([0-9]+)\".*/\1/p" <<<"$counters"; }
  total="$(count total)"; executed="$(count executed)"; ok="$(count passed)"
  if [ -z "$counters" ] || [ "${total:-0}" = 0 ]; then
    echo "$suite ran no test." >&2
    broken=1
    continue
  fi
  passed=$((passed + ok))
  failed=$((failed + executed - ok))
  skipped=$((skipped + total - executed))
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$skipped" = 0 ] && [ "$broken" = 0 ] && [ "$passed" -gt 0 ]
