//! Whoever does something long tells a [`Progress`] how far it has come.

/// Hears how far something long has come.
pub trait Progress: Send + Sync {
    /// A step under way; `fraction` is 0..=1 where it is known.
    fn step(&self, step: &str, fraction: Option<f32>);
    /// Asked now and then by long steps: give up?
    fn cancelled(&self) -> bool {
        false
    }
}
