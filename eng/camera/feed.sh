#!/usr/bin/env bash
# A camera's feeder: ffmpeg cuts what the camera sends into short MP4 files, each of which plays by itself; each file is put to whichever recorder has the
# duty and records, by PUT /v1/tracks/{identity}~{channel}/segments/{id} (docs/recorder-api.md). A camera keeps nothing: what nobody takes is said and gone.
#
#   CAMERA_IDENTITY=recorder-1 CAMERA_CHANNEL=camera-1 CAMERA_RECORDERS="http://127.0.0.1:5101 http://127.0.0.1:5102" FAILBACK_RECORDER_TOKEN=… eng/camera/feed.sh
#
#   CAMERA_IDENTITY          recorded identity whose channel this camera is
#   CAMERA_CHANNEL           the channel; recorders started with --seedCameras N have camera-1 … camera-N
#   CAMERA_RECORDERS         addresses of the recorders that may have the duty, separated by blanks
#   FAILBACK_RECORDER_TOKEN  their token; it is on no command line
#   CAMERA_INPUT             what ffmpeg reads, e.g. rtsp://camera.example/stream; default: a moving test picture
#   CAMERA_SECONDS           length of a segment; default: 2
#   CAMERA_WORK              folder for files that are on their way; default: one in /tmp
set -euo pipefail

need() { [ -n "${!1:-}" ] || { echo "Set $1 to $2." >&2; exit 2; }; }
need CAMERA_IDENTITY "the recorded identity whose channel this camera is"
need CAMERA_CHANNEL "the channel of that identity, e.g. camera-1"
need CAMERA_RECORDERS "the addresses of the recorders, separated by blanks"
need FAILBACK_RECORDER_TOKEN "the token of the recorders"
for program in ffmpeg curl jq openssl; do
  command -v "$program" >/dev/null || { echo "$program is missing. Install it (for example: sudo apt-get install ffmpeg curl jq openssl)." >&2; exit 2; }
done

seconds="${CAMERA_SECONDS:-2}"
work="$(mktemp -d "${CAMERA_WORK:-/tmp}/camera-XXXXXX")"
trap 'rm -rf "$work"' EXIT

# The credential goes through a file that only this user reads: a command line can be read by everybody on the machine.
(umask 077 && printf 'header = "Authorization: Bearer %s"\n' "$(sed 's/[\\"]/\\&/g' <<<"$FAILBACK_RECORDER_TOKEN")" >"$work/credential")
call() { curl --config "$work/credential" --silent --show-error --max-time 5 "$@"; }

# Recorders that have the duty now and record; mostly one, two for a moment while a duty moves, none while it is nobody's.
holders() {
  local recorder
  for recorder in $CAMERA_RECORDERS; do
    if call "${recorder%/}/v1/recorder" 2>/dev/null |
      jq -e --arg identity "$CAMERA_IDENTITY" 'any(.duties[]; .identity == $identity and .role == "recorder" and .recording)' >/dev/null 2>&1; then
      echo "${recorder%/}"
    fi
  done
}

instant() { # seconds since the stream began
  date -u -d "@$(awk -v started="$started" -v since="$1" 'BEGIN { printf "%.3f", started + since }')" +%Y-%m-%dT%H:%M:%S.%3NZ
}

put() { # file, from, to
  local file="$1" from="$2" to="$3" digest id status taken=0 recorder
  digest="$(openssl dgst -sha256 -binary "$file" | openssl base64 -A)"
  id="$CAMERA_CHANNEL-$(date -u -d "$from" +%s%3N)"
  for recorder in $(holders); do
    status="$(call --output "$work/answer" --write-out '%{http_code}' --request PUT --data-binary "@$file" \
      --header 'Content-Type: video/mp4' --header "Repr-Digest: sha-256=:$digest:" \
      "$recorder/v1/tracks/$CAMERA_IDENTITY~$CAMERA_CHANNEL/segments/$id?from=$from&to=$to" || true)"
    case "$status" in
      200 | 201) taken=1 ;;
      *) echo "$recorder did not take [$from, $to): $status $(head -c 500 "$work/answer" 2>/dev/null || true)" >&2 ;;
    esac
  done
  [ "$taken" = 1 ] || echo "Nobody took [$from, $to): it is lost." >&2
}

if [ -n "${CAMERA_INPUT:-}" ]; then
  case "$CAMERA_INPUT" in
    rtsp://* | rtsps://*) input=(-rtsp_transport tcp -i "$CAMERA_INPUT") ;;
    *) input=(-re -i "$CAMERA_INPUT") ;;
  esac
else
  input=(-re -f lavfi -i "testsrc2=size=320x180:rate=10")
fi

# One line per finished file: its name, and from when to when by the stream's own clock.
mkfifo "$work/list"
started="$(date -u +%s.%N)"
ffmpeg -hide_banner -loglevel error -nostdin "${input[@]}" -an -c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p \
  -force_key_frames "expr:gte(t,n_forced*$seconds)" -f segment -segment_time "$seconds" -reset_timestamps 1 \
  -segment_format mp4 -segment_format_options movflags=+frag_keyframe+empty_moov+default_base_moof \
  -segment_list pipe:1 -segment_list_type csv "$work/%09d.mp4" >"$work/list" &
encoder=$!
while IFS=, read -r name from to; do
  put "$work/$name" "$(instant "$from")" "$(instant "$to")"
  rm -f "$work/$name"
done <"$work/list" &
feeder=$!
echo "camera $CAMERA_IDENTITY~$CAMERA_CHANNEL feeds $CAMERA_RECORDERS"

stop() {
  kill "$encoder" "$feeder" 2>/dev/null || true
  wait "$encoder" "$feeder" 2>/dev/null || true
}
trap 'stop; exit 0' INT TERM
wait "$encoder" || true
stop
echo "The camera has ended." >&2
exit 1
