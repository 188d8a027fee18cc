//! Files of arbitrary bytes. `cargo +nightly fuzz run open fuzz/corpus/open fuzz/seeds/open`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ringpost_fuzz::open::run(input));
