#!/usr/bin/env bash
# Is a program of ours well? healthy PORT PATH: asks http://127.0.0.1:PORT/PATH; 0 when the answer is 200. Needs nothing but bash: the images have no curl.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: healthy PORT PATH" >&2; exit 2; }
exec 3<>"/dev/tcp/127.0.0.1/$1"
printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
read -r -t 3 _ status _ <&3
[ "$status" = 200 ]
