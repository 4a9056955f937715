//! Reads bodies as Stripe's events.
#![no_main]

use vouchsafe_fuzz::{domain::payment::Provider, read};

libfuzzer_sys::fuzz_target!(|body: &[u8]| read(Provider::Stripe, body));
