//! Operations on a live segment that is scribbled upon meanwhile.
//! `cargo +nightly fuzz run live fuzz/corpus/live fuzz/seeds/live -- -max_len=1024 -timeout=5`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    ringpost_fuzz::live::run(input);
});
