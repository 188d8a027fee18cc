//! Models of ringpost's protocols, run under loom: `RUSTFLAGS="--cfg loom" cargo test -p ringpost-loom --release`.
