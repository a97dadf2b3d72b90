# Sourced by eng/test.sh and eng/soak.sh, at the root of the checkout. The scenarios start some hundred processes, and most of what a start computes is compiling:
# here the management server and the recorder are compiled ahead of time, once, and the tests are told where they lie. The compiler for that is a package; where it
# cannot be restored, the programs are started as they were built, which only takes longer.
FAILBACK_TEST_PROGRAMS="$PWD/artifacts/programs"
for program in FailbackWorkflows.ReferenceRecorder FailbackWorkflows.Server; do
  if ! dotnet publish "src/$program" -c Debug --use-current-runtime --self-contained false -p:PublishReadyToRun=true -o "$FAILBACK_TEST_PROGRAMS/$program" --nologo -v quiet; then
    echo "Compiling ahead of time failed: the scenarios start the programs as they were built." >&2
    FAILBACK_TEST_PROGRAMS=""
    break
  fi
done
export FAILBACK_TEST_PROGRAMS
