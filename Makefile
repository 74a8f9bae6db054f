.PHONY: fuzz api-test rooms soak test lint servers bench openapi model

# Everything that a change must pass: the lints, then every test against real servers.
test: lint servers
	cargo test --workspace

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --document-private-items

# What the tests run beside livekit-keyd, in a cache outside of the checkout.
servers:
	tests/support/install

# docs/openapi, from the types.
openapi:
	LIVEKIT_KEYD_WRITE_OPENAPI=1 cargo test --test openapi the_files

# The signing socket under schemathesis, with many more requests than `make test` sends.
api-test: servers
	LIVEKIT_KEYD_EXAMPLES=300 cargo test --test schemathesis

# Each fuzz target for ten minutes; needs a nightly compiler and cargo-fuzz.
fuzz:
	set -e; for target in request token webhook cel document; do \
	  cargo +nightly fuzz run --sanitizer none $$target -- -max_total_time=600 -timeout=10; \
	done

# Signing speed against its peers, in one run; rewrites docs/benchmarks.md. Takes about ten minutes, most of it the build.
bench: servers
	cargo bench -p livekit-keyd-core --bench scale
	cargo bench --bench signing

# Thirty rotations of a whole fleet, with kills all the while, and kills at each step of a rollout: about a quarter of an hour.
soak: servers
	LIVEKIT_KEYD_ROTATIONS=30 cargo test --test fleet_rotation -- --nocapture
	cargo test --test rollout_kills

# Rooms of LiveKit's own SDK over a cluster whose keys rotate; prints the numbers of docs/rooms.md. Some minutes.
rooms: servers
	LIVEKIT_KEYD_ROTATIONS=3 cargo test --test rooms -- --nocapture

# The model: every interleaving of two rotators to a depth, mistakes that it must find, seeded walks, and a large
# deployment. The numbers go to docs/model.md and docs/scale.md. Some minutes.
model:
	LIVEKIT_KEYD_MODEL=full cargo test --release -p livekit-keyd-core --test model --test simulation --test fleet_scale -- --nocapture
