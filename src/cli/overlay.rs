//! What lies behind the curve of a run: the profile's published curves, and other recordings'.

use std::path::PathBuf;

use serde_json::Value;

use super::failure::Failure;
use crate::metrics::fastgen::Curve;
use crate::report::{self, Run, fastgen};

/// The `[[reference]]` curves of a profile, as recorded, and the curves of these recordings.
///
/// # Errors
/// If a recording can't be read.
pub fn curves(profile: &Value, recordings: &[PathBuf]) -> Result<Vec<Curve>, Failure> {
    let mut curves = fastgen::references(profile);
    for path in recordings {
        curves.extend(fastgen::curves(&report::report(&Run::read(path)?)));
    }
    Ok(curves)
}
