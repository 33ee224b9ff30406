//! Host and GPU readings.
