//! Reads bodies as Polar's events.
#![no_main]

use vouchsafe_fuzz::{domain::payment::Provider, read};

libfuzzer_sys::fuzz_target!(|body: &[u8]| read(Provider::Polar, body));
