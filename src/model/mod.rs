//! Where weights come from: a local file or folder, a hub id, or random weights of a named shape.
