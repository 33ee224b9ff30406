//! Results on standard output and messages on standard error, both of which may be closed early by the other
//! side: that ends a command quietly, as it does any other program in a pipe.

use std::io::{self, ErrorKind, Write};

use super::failure::{Exit, Failure, Outcome};

/// Writes a result to standard output.
///
/// # Errors
/// If it can't be written; a closed pipe is no error.
pub fn print(text: &str) -> Outcome {
    print_to(&mut io::stdout().lock(), text)
}

/// Writes a result to this stream.
///
/// # Errors
/// As [`print`].
pub fn print_to(out: &mut dyn Write, text: &str) -> Outcome {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Exit::Done),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(Failure::failed(format!("can't write to standard output: {error}"))),
    }
}

/// Says something on standard error. Who closed it doesn't want to hear it.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
