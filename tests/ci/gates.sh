# The steps that read the code: what must hold apart from the tests. Sourced by tests/run.

# Cargo.lock says what everybody builds, so it must be complete.
step_lock() {
    cargo metadata --locked --format-version 1 >/dev/null
}

# The code has rustfmt's form.
step_fmt() {
    cargo fmt --all --check
}

# Imports follow the layers of CONTRIBUTING.md, and run in no circle.
step_layers() {
    cargo run --quiet -p idempotent-layers
}

# What a first build costs: the crates of the macro, of the default features and of the quickstart.
step_budget() {
    at_most idempotent-macros 5
    at_most idempotent-core 50
    at_most quickstart 50
}

# Licences, sources and versions of all dependencies. Advisories change by the day and not with the
# code: .github/workflows/advisories.yml asks for them.
step_deny() {
    need_cargo_deny || return 0
    cargo deny --all-features check bans licenses sources
}

# Every lint on everything, with all features.
step_clippy() {
    cargo clippy --workspace --all-targets --all-features -- -D warnings
}

# Each feature alone checks one crate again and again, on one core: the documentation is built beside it.
step_features_and_doc() {
    beside step_features doc_and_adapters
}

doc_and_adapters() {
    step_doc
    step_adapters_gates
}

# Every feature of idempotent-core alone, and none.
step_features() {
    local feature
    # A target folder of its own, since Cargo lets one build at a time into a folder.
    export CARGO_TARGET_DIR="$target/features"
    cargo clippy -p idempotent-core --no-default-features -- -D warnings
    for feature in $(python3 tests/ci/msrv.py features); do
        echo "--- feature $feature"
        cargo clippy -p idempotent-core --no-default-features --features "$feature" -- -D warnings
    done
}

# What holds for the adapters, too: form, lints with all features and with none, documentation, licences, and what
# crates.io would get. Built there it can be only once idempotent-core is.
step_adapters_gates() {
    local manifest=adapters/Cargo.toml folder file files
    cargo fmt --manifest-path "$manifest" -p idempotent-kafka -p idempotent-rabbitmq --check
    CARGO_TARGET_DIR="$target" cargo clippy --locked --manifest-path "$manifest" --workspace --all-targets \
        --all-features -- -D warnings
    # As those build them who depend on them: without the crates of the tests, and their features.
    CARGO_TARGET_DIR="$target" cargo clippy --locked --manifest-path "$manifest" --workspace --no-default-features -- \
        -D warnings
    CARGO_TARGET_DIR="$target/adapters" RUSTDOC="$PWD/tests/ci/rustdoc-docsrs" RUSTDOCFLAGS="-D warnings --cfg docsrs" \
        cargo doc --locked --manifest-path "$manifest" --no-deps --workspace --all-features
    for folder in adapters/idempotent-*; do
        files="$(cd "$folder" && cargo package --allow-dirty --list)"
        for file in README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT; do
            grep -qx "$file" <<<"$files" || die "the package in $folder lacks $file"
        done
    done
    need_cargo_deny || return 0
    (cd adapters && cargo deny --all-features check bans licenses sources)
}

# The documentation builds without a warning, in the form of docs.rs: all features, each item labelled
# with its own.
step_doc() {
    RUSTDOC="$PWD/tests/ci/rustdoc-docsrs" RUSTDOCFLAGS="-D warnings --cfg docsrs" \
        cargo doc --no-deps --workspace --all-features
}

# The oldest compilers that are promised, by features: first against what the dependencies state,
# then with the compilers themselves, as far as they are here. The oldest of all is installed.
step_msrv() {
    local version features oldest=
    python3 tests/ci/msrv.py check
    while read -r version features; do
        if [[ -z "$oldest" ]]; then
            oldest="$version"
            need_toolchain "$version" || continue
        elif ! has_toolchain "$version"; then
            echo "Rust $version is not here to build $features"
            continue
        fi
        echo "--- $features with $("${toolchain[@]}" --version)"
        # A target folder of its own: two compilers in one would rebuild it each time.
        CARGO_TARGET_DIR="$target/msrv" "${toolchain[@]}" check --locked -p idempotent-core \
            --no-default-features --features "$features"
    done < <(python3 tests/ci/msrv.py sets)
}

# What crates.io would get is complete, and builds by itself with the default features.
step_package() {
    local crate folder
    rm -rf "$target/package"
    # What is being worked on may be packaged too; in CI there is nothing of the kind.
    # The command includes no file from outside, and to build it again with its own features takes minutes.
    cargo package --locked --allow-dirty --no-verify -p idempotent-macros -p idempotent-core -p idempotent-cli
    cargo package --locked --allow-dirty -p idempotent-macros -p idempotent-core
    for crate in "$target"/package/*.crate; do
        echo "--- $(basename "$crate"): $(tar -tzf "$crate" | wc -l) files, $(stat -c %s "$crate") bytes"
        folder="$(mktemp -d)"
        tar -xzf "$crate" -C "$folder" --strip-components 1
        packaged "$folder" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT
        includes "$folder"
        rm -r "$folder"
    done
}

# Whether the public interface kept its promise since the last release, once there is one.
step_semver() {
    local tag
    tag="$(git tag --list 'v[0-9]*' --sort=-version:refname | head -n 1)"
    if [[ -z "$tag" ]]; then
        echo "There is no release yet to compare with."
        return
    fi
    need_cargo_tool cargo-semver-checks || return 0
    cargo semver-checks --baseline-rev "$tag" -p idempotent-core -p idempotent-macros --all-features
}

# Asserts how many crates a package's default build has, itself included.
at_most() {
    local package="$1" limit="$2" count
    count="$(cargo tree --locked -p "$package" -e normal,build --prefix none | cut -d ' ' -f 1,2 | sort -u | wc -l)"
    echo "$package: $count crates of at most $limit"
    [[ "$count" -gt 0 && "$count" -le "$limit" ]] || die "$package builds $count crates"
}

# Asserts that an unpacked crate has these files.
packaged() {
    local folder="$1" file
    for file in "${@:2}"; do
        [[ -f "$folder/$file" ]] || die "the package lacks $file"
    done
}

# Asserts that an unpacked crate has every file that its code includes, whatever the feature.
includes() {
    local folder="$1" source file
    while IFS=: read -r source file; do
        [[ -f "$(dirname "$source")/$file" ]] ||
            die "${source#"$folder"/} includes $file, which is not in the package"
    done < <(grep -roP 'include_str!\(\s*"\K[^"]+' "$folder/src" || true)
}
