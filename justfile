# The same as the scripts in build/, for people who have just (PyPI: rust-just).

# List the recipes.
default:
    @just --list --unsorted

# Build everything and show the main job.
demo:
    ./build/demo

# Run all tests; arguments go to cargo test.
test *ARGS:
    ./build/test {{ARGS}}

# Format and lints.
lint:
    ./build/lint

# The static binary.
build:
    ./build/binary

# target/busybox.tar
image:
    ./build/image

# Start-up times against others.
bench *ARGS:
    ./build/bench {{ARGS}}

# Format the code.
fmt:
    cargo fmt
