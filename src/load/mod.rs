//! Clients, and the driver that takes a run through its phases.
