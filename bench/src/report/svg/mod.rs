//! Charts.

mod axis;
mod canvas;
pub(crate) mod cleanup;
pub(crate) mod ratios;
pub(crate) mod sizes;
