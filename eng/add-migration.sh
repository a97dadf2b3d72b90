#!/usr/bin/env bash
# Scaffolds a migration for every database after the model has changed: eng/add-migration.sh AddSomething
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -eq 1 ] || { echo "usage: eng/add-migration.sh NAME" >&2; exit 2; }
dotnet tool restore >/dev/null
for product in Sqlite Postgres; do
  dotnet dotnet-ef migrations add "$1" --project src/FailbackWorkflows.Persistence --startup-project src/FailbackWorkflows.Persistence \
    --context "${product}FailbackDbContext" --output-dir "Migrations/$product"
done
