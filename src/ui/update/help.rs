//! Keys while the help is open: those that move scroll it where it is longer than the screen, all others close it.

use crate::ui::keymap::Command;
use crate::ui::state::UiState;

/// Tells whether the command was for the help alone.
pub(super) fn took(ui: &mut UiState, command: &Command) -> bool {
    let most = ui.help_most;
    let to = match command {
        Command::Up(n) => ui.help_at.saturating_sub(*n),
        Command::Down(n) => ui.help_at.saturating_add(*n),
        Command::PageUp => ui.help_at.saturating_sub(10),
        Command::PageDown => ui.help_at.saturating_add(10),
        Command::Top => 0,
        Command::Bottom => most,
        _ => {
            ui.help = false;
            return !matches!(
                command,
                Command::Quit | Command::Interrupt | Command::Suspend | Command::Redraw
            );
        }
    };
    // Nothing to scroll: it closes as by any other key.
    ui.help = most > 0;
    ui.help_at = to.min(most);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_help_is_scrolled_and_a_short_one_closed() {
        let mut ui = UiState { help: true, help_most: 12, ..UiState::default() };
        let mut at = |command: Command| {
            assert!(took(&mut ui, &command));
            (ui.help, ui.help_at)
        };
        assert_eq!(at(Command::Down(1)), (true, 1));
        assert_eq!(at(Command::PageDown), (true, 11));
        assert_eq!(at(Command::Down(3)), (true, 12));
        assert_eq!(at(Command::Top), (true, 0));
        assert_eq!(at(Command::Close), (false, 0));
        ui.help = true;
        assert!(!took(&mut ui, &Command::Quit), "it still quits");
        let mut short = UiState { help: true, ..UiState::default() };
        assert!(took(&mut short, &Command::Down(1)) && !short.help);
    }
}
