#!/bin/sh
# Verifies an evidence pack: sh verify.sh [FOLDER]. Needs openssl, sha256sum, awk and nothing else; run it on any machine, best with a copy of this script that
# did not come with the pack. Says at its end what is proven; ends with 0 only if everything is as it was sealed.
LC_ALL=C
export LC_ALL
pack=${1:-$(dirname "$0")}
cd "$pack" || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

fail() { echo "WRONG: $*"; exit 1; }
hash_of() { sha256sum <"$1" | cut -d' ' -f1; }
# The value of a member of a flat line of JSON, without its quotes.
member() { sed -n "s/.*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p" "$1"; }

# 1. Every file is the one that was exported, and there is none besides.
[ -f manifest.sha256 ] || fail "manifest.sha256 is missing"
sed 's/^[0-9a-f]\{64\}  //' manifest.sha256 | sort >"$work/listed"
find . ! -type d ! -path ./manifest.sha256 ! -path ./manifest.sig | sed 's|^\./||' | sort >"$work/there"
cmp -s "$work/listed" "$work/there" || fail "the files are not those of the manifest: $(sort "$work/listed" "$work/there" | uniq -u | head -n 3 | tr '\n' ' ')"
[ -z "$(find . ! -type d ! -type f)" ] || fail "$(find . ! -type d ! -type f | head -n 1) is no file"
sha256sum --check --quiet --strict manifest.sha256 >"$work/out" 2>&1 || fail "$(head -n 1 "$work/out")"

# 2. Keys: each was introduced by a checkpoint, signed by a key before it or, the first of each server, by itself.
: >"$work/keys"
signed() { # line file, signature file, key id
  openssl dgst -sha256 -verify "keys/$3.pem" -signature "$2" "$1" >/dev/null 2>&1
}
for number in $(ls checkpoints | sed -n 's/\.line$//p' | sort -n); do
  line="checkpoints/$number.line"
  key=$(member "$line" key)
  new=$(member "$line" newKey)
  [ "$(member "$line" number)" = "$number" ] || fail "checkpoint $number has another number"
  case "$key" in *[!0-9a-f]* | '') fail "checkpoint $number names no key" ;; esac
  if [ -n "$new" ]; then
    echo "$new" | openssl base64 -d -A >"$work/new.der" 2>/dev/null
    id=$(hash_of "$work/new.der" | cut -c1-16)
    { echo "-----BEGIN PUBLIC KEY-----"; echo "$new" | fold -w 64; echo "-----END PUBLIC KEY-----"; } >"$work/new.pem"
    openssl pkey -pubin -in "$work/new.pem" -outform DER -out "$work/a.der" 2>/dev/null || fail "the key of checkpoint $number cannot be read"
    openssl pkey -pubin -in "keys/$id.pem" -outform DER -out "$work/b.der" 2>/dev/null || fail "the key $id is missing"
    cmp -s "$work/a.der" "$work/b.der" || fail "keys/$id.pem is not the key that checkpoint $number introduced"
    if [ "$id" != "$key" ]; then
      grep -qx "$key" "$work/keys" || fail "checkpoint $number is signed by the unknown key $key"
      echo "key $id: vouched for by $key"
    else
      echo "key $id: introduced by itself in checkpoint $number; compare this id with the one the management server shows"
    fi
  else
    grep -qx "$key" "$work/keys" || fail "checkpoint $number is signed by the unknown key $key"
  fi
  signed "$line" "checkpoints/$number.sig" "$key" || fail "the signature of checkpoint $number is wrong"
  [ -z "$new" ] || echo "$id" >>"$work/keys"
done
read -r signer <manifest.key || fail "manifest.key is empty"
grep -qx "$signer" "$work/keys" || fail "the manifest is signed by an unknown key"
signed manifest.sha256 manifest.sig "$signer" || fail "the signature of the manifest is wrong"
if [ -s findings.txt ]; then fail "the exporting server found: $(head -n 1 findings.txt)"; fi
[ -f findings.txt ] || echo "The server that exported this pack was too old to compare it with its own file of checkpoints."

# 3. Chains: each line holds the hash of the one before it; the last sealed one leads to the root of a signed checkpoint.
chain() { # lines, hash before the first, proof
  rm -rf "$work/lines" && mkdir "$work/lines"
  awk -v d="$work/lines" '{ f = sprintf("%s/%09d", d, NR); printf "%s", $0 >f; close(f) }' "$1"
  (cd "$work/lines" && find . -type f | sort | xargs sha256sum) | awk '{ print $1 }' >"$work/hashes"
  awk -v before="$2" -v head="$(member "$work/leaf" head)" -v upto="$(member "$work/leaf" sequence)" -v hashes="$work/hashes" '
    !match($0, /"previous":"[0-9a-f]+"/) { print "line " NR " has no previous hash"; bad = 1; exit }
    {
      # The last one that stands there: what an event holds comes before it.
      rest = $0; previous = ""
      while (match(rest, /"previous":"[0-9a-f]+"/)) { previous = substr(rest, RSTART + 12, RLENGTH - 13); rest = substr(rest, RSTART + RLENGTH) }
      if (previous != before) { print "line " NR " does not follow the one before it"; bad = 1; exit }
      match(rest, /"sequence":[0-9]+/); sequence = substr(rest, RSTART + 11, RLENGTH - 11)
      if ((getline before <hashes) <= 0) { print "line " NR " was not hashed"; bad = 1; exit }
      # Whatever comes after the sealed one is not sealed, whatever number it bears.
      if (found) unsealed++
      else if (sequence == upto) { found = 1; if (before != head) { print "line " NR " is not what was sealed"; bad = 1; exit } }
    }
    END { if (!bad && !found) { print "the event that was sealed is missing"; bad = 1 }
          if (!bad && unsealed) print unsealed " events after it are not sealed"
          exit bad }' "$1" >"$work/out" || fail "$1: $(cat "$work/out")"
}
prove() { # name, lines, hash before the first
  proof="proofs/$1.proof"
  [ -f "$proof" ] || fail "$2 has no proof: nothing of it was sealed when it was exported"
  awk 'NR == 2 { printf "%s", $0 }' "$proof" >"$work/leaf"
  [ "$(member "$work/leaf" chain)" = "$1" ] || fail "$proof is of another chain"
  chain "$2" "$3" "$proof"
  node=$(hash_of "$work/leaf")
  number=$(awk 'NR == 1 { print $2 }' "$proof")
  awk 'NR > 2' "$proof" >"$work/steps"
  while read -r side other; do
    case "$side" in
      L) node=$(printf 'node %s %s' "$other" "$node" | sha256sum | cut -d' ' -f1) ;;
      R) node=$(printf 'node %s %s' "$node" "$other" | sha256sum | cut -d' ' -f1) ;;
      *) fail "$proof cannot be read" ;;
    esac
  done <"$work/steps"
  [ "$node" = "$(member "checkpoints/$number.line" root)" ] || fail "$2 is not what checkpoint $number has sealed"
  echo "$2: $(awk 'END { print NR }' "$2") lines, sealed by checkpoint $number of $(sed 's/{"at":"\([^"]*\).*/\1/' "checkpoints/$number.line") $(cat "$work/out")"
}
for lines in journal/*.ndjson; do
  run=$(basename "$lines" .ndjson)
  [ "$(member "journal/$run.genesis" instance)" = "$run" ] || fail "$lines begins as another run"
  definition=$(member "journal/$run.genesis" definitionSha256)
  grep -q "^$definition  definitions/" manifest.sha256 || fail "the definition of run $run is missing"
  prove "$run" "$lines" "$(hash_of "journal/$run.genesis")"
done
if [ -f audit-log.ndjson ]; then prove audit-log audit-log.ndjson "$(cat audit-log.before)"; fi
echo "Everything in this pack is as it was sealed. What that proves and what not: see docs/auditors.md, or report.html."
