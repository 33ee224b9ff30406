//! The embedded engine: the only place that names the crate `mistralrs`.
