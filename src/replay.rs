//! A recording played into the same pipe as a live run.
