//! The thread between the event channel and everybody who looks on.
