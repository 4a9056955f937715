//! Reads lines as the headers that sign a delivery.
#![no_main]

use vouchsafe_fuzz::verify_headers;

libfuzzer_sys::fuzz_target!(|input: &[u8]| verify_headers(input));
