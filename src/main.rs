//! The composition root: is the CPU right, then the command line takes over.

use std::process::ExitCode;

fn main() -> ExitCode {
    let missing = fastgen_tui::cpu::missing();
    if missing != 0 {
        fastgen_tui::cpu::explain(missing);
        return ExitCode::from(1);
    }
    fastgen_tui::cli::main()
}
