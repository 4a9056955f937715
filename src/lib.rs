//! Vouchsafe keeps the members of a product: who they are, what they may use, and why.
//!
//! This file is the list of doors. `ARCHITECTURE.md` walks through the rooms behind them.
//! `ssr` builds the server; `hydrate` builds the islands for the browser, with what they need of
//! [`components`], [`calls`], [`domain`] and [`words`].

#[cfg(feature = "ssr")]
pub mod api;
pub mod calls;
#[cfg(feature = "ssr")]
pub mod cli;
pub mod components;
#[cfg(feature = "ssr")]
pub mod config;
pub mod domain;
#[cfg(feature = "ssr")]
pub mod jobs;
#[cfg(feature = "ssr")]
pub mod mail;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod platform;
#[cfg(feature = "ssr")]
pub mod services;
#[cfg(feature = "ssr")]
pub mod store;
#[cfg(feature = "ssr")]
pub mod webhooks;
pub mod words;
