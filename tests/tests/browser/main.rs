//! The example host's page, clicked through in headless Chromium.
//!
//! Screenshots of what it looks like, wide and narrow, light and dark, are left in the target
//! directory, `tmp/screenshots`.

// A test is one future from the first click to the last.
#![recursion_limit = "256"]

mod chromium;
mod driver;
mod host;
mod tab;
