# Sourced by eng/test.sh and eng/soak.sh, at the root of the checkout, after the build. The scenarios start some hundred processes, and most of what a start computes is
# compiling: here the management server and the recorder are published by the commands of their Dockerfiles, and compiled ahead of time as well, once, and the tests are told
# where they lie. The compiler for that is a package; where it cannot be restored, the programs are started as they were built, which only takes longer.
FAILBACK_TEST_PROGRAMS="$PWD/artifacts/programs"
rm -rf "$FAILBACK_TEST_PROGRAMS"
for program in FailbackWorkflows.ReferenceRecorder FailbackWorkflows.Server; do
  read -r -a publish < <(sed -n "s|^RUN \(dotnet publish .*\) -o /app$|\1|p" "src/$program/Dockerfile") || { echo "src/$program/Dockerfile does not say how it is published to /app." >&2; exit 1; }
  # Into the folders of the build, whose libraries are not compiled a second time; what is analysed was analysed there.
  if ! RunAnalyzers=false "${publish[@]}" --use-current-runtime --self-contained false -p:PublishReadyToRun=true -o "$FAILBACK_TEST_PROGRAMS/$program" --nologo -v quiet \
    -p:AppendRuntimeIdentifierToOutputPath=false -p:AppendRuntimeIdentifierToIntermediateOutputPath=false; then
    echo "Compiling ahead of time failed: the scenarios start the programs as they were built." >&2
    FAILBACK_TEST_PROGRAMS=""
    break
  fi
done
export FAILBACK_TEST_PROGRAMS
