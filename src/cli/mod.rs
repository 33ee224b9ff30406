//! Arguments, and one small file a command.
