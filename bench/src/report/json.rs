//! Results as they are kept.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Serialize, de::DeserializeOwned};

/// What earlier runs have left; nothing where there were none.
pub(crate) fn read<T: Default + DeserializeOwned>(path: &Path) -> Result<T> {
    let name = || path.display().to_string();
    match fs::read(path) {
        Ok(json) => serde_json::from_slice(&json).with_context(name),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(error).with_context(name),
    }
}

pub(crate) fn write(path: &Path, results: &impl Serialize) -> Result<()> {
    let mut json = serde_json::to_string_pretty(results)?;
    json.push('\n');
    fs::write(path, json).with_context(|| path.display().to_string())
}
