//! The dashboard in a real pseudo-terminal, with a session of our own: frames, keys, resize, restoring.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

#[path = "support/sample.rs"]
mod sample;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use fastgen_tui::metrics::Snapshot;
use fastgen_tui::ui::theme::Depth;
use fastgen_tui::ui::{Action, Options, Recording, Session, Title, UiError, restore_all, run};
use portable_pty::{MasterPty, PtySize, native_pty_system};
use rustix::termios::{LocalModes, tcgetattr};

struct Fake {
    snap: Arc<Snapshot>,
    acts: Mutex<Vec<Action>>,
    over: AtomicBool,
}

impl Session for Fake {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.snap.clone()
    }
    fn title(&self) -> Title {
        Title { profile: "demo".into(), ..Title::default() }
    }
    fn recording(&self) -> Recording {
        Recording::Off
    }
    fn act(&self, action: Action) {
        self.acts.lock().unwrap().push(action);
    }
    fn freeze(&self, _: bool) {}
    fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// A dashboard running in a pseudo-terminal.
struct Stage {
    session: Arc<Fake>,
    stop: Arc<AtomicBool>,
    screen: Arc<Mutex<vt100::Parser>>,
    keys: Box<dyn std::io::Write + Send>,
    /// Set, the reader lets go of its end at the next frame.
    hangup: Arc<AtomicBool>,
    master: Option<Box<dyn MasterPty + Send>>,
    slave: File,
    ui: JoinHandle<Result<(), UiError>>,
}

/// A process has one terminal, so these tests take turns.
static TURN: Mutex<()> = Mutex::new(());

fn stage() -> Stage {
    let pair = native_pty_system()
        .openpty(PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 })
        .unwrap();
    let path = pair.master.tty_name().unwrap();
    let open = || File::options().read(true).write(true).open(&path).unwrap();
    let (tty, slave) = (open(), open());
    drop(pair.slave);
    let screen = Arc::new(Mutex::new(vt100::Parser::new(30, 100, 0)));
    let (mut reader, shown) = (pair.master.try_clone_reader().unwrap(), screen.clone());
    let hangup = Arc::new(AtomicBool::new(false));
    let gone = hangup.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            shown.lock().unwrap().process(&buffer[..n]);
            if gone.load(Ordering::Relaxed) {
                return;
            }
        }
    });
    let snap = Arc::new(sample::running(8).snap);
    let session = Arc::new(Fake { snap, acts: Mutex::default(), over: AtomicBool::new(false) });
    let stop = Arc::new(AtomicBool::new(false));
    let options = Options {
        theme: "dusk".into(),
        user_themes: None,
        depth: Depth::True,
        keys: Arc::default(),
        fps: 30,
        stop: stop.clone(),
    };
    let seen = session.clone();
    let ui = std::thread::spawn(move || run(&*seen, &options, tty));
    Stage {
        session,
        stop,
        screen,
        hangup,
        keys: pair.master.take_writer().unwrap(),
        master: Some(pair.master),
        slave,
        ui,
    }
}

impl Stage {
    fn until(&self, what: &str, mut true_when: impl FnMut(&Self) -> bool) {
        for _ in 0..500 {
            if true_when(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("not seen: {what}\n{}", self.text());
    }
    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }
    fn sees(&self, text: &str) {
        self.until(text, |s| s.text().contains(text));
    }
    fn key(&mut self, bytes: &[u8]) {
        self.keys.write_all(bytes).unwrap();
    }
    fn acts(&self) -> Vec<Action> {
        self.session.acts.lock().unwrap().clone()
    }
    fn cooked(&self) -> bool {
        tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }
    fn restored(&self) {
        self.until("the normal screen", |s| {
            let parser = s.screen.lock().unwrap();
            let screen = parser.screen();
            let mouse = screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None;
            !screen.alternate_screen() && !screen.hide_cursor() && !mouse
        });
        assert!(self.cooked());
    }
}

#[test]
fn keys_are_heard_and_the_terminal_is_given_back() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut s = stage();
    s.sees("Output tokens/s");
    assert!(!s.cooked());
    s.key(b"3");
    s.sees("Enter: all its requests");
    s.key(b"\x1b[Z");
    s.sees("Latency over time");
    s.key(b"\x1b[Z");
    s.sees("Output tokens/s");
    s.key(b"m");
    s.sees("mark, with a note");
    s.key(b"hot\r");
    s.until("a mark", |s| s.acts().contains(&Action::Mark("hot".into())));
    s.screen.lock().unwrap().screen_mut().set_size(50, 160);
    let size = PtySize { rows: 50, cols: 160, pixel_width: 0, pixel_height: 0 };
    s.master.as_ref().unwrap().resize(size).unwrap();
    s.until("a frame of the new width", |s| s.text().lines().any(|l| l.chars().count() > 150));
    // A click on the tab "7 Log".
    let column = s.text().lines().nth(1).unwrap().find("7 Log").unwrap() + 1;
    s.key(format!("\x1b[<0;{column};2M").as_bytes());
    s.sees("info and above");
    s.key(b"q");
    s.until("a stop", |s| s.acts().contains(&Action::Stop));
    s.sees("draining");
    s.session.over.store(true, Ordering::Relaxed);
    s.sees("q quits");
    s.key(b"\x1b");
    s.sees("the run is over: q leaves");
    s.key(b"q");
    s.until("its end", |s| s.ui.is_finished());
    s.restored();
    s.ui.join().unwrap().unwrap();
}

#[test]
fn a_signal_ends_it_and_so_does_a_panic_elsewhere() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let s = stage();
    s.sees("Output tokens/s");
    // What a panic hook does, on a thread that isn't the screen's.
    std::thread::spawn(|| {
        restore_all();
        restore_all();
    })
    .join()
    .unwrap();
    assert!(s.cooked());
    s.stop.store(true, Ordering::Relaxed);
    s.until("its end", |s| s.ui.is_finished());
    assert_eq!(s.acts(), [Action::Abort]);
    s.ui.join().unwrap().unwrap();
}

#[test]
fn a_terminal_that_goes_away_ends_the_session() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut s = stage();
    s.sees("Output tokens/s");
    // All copies of the master end must be closed for the terminal to be gone.
    s.hangup.store(true, Ordering::Relaxed);
    s.keys = Box::new(std::io::sink());
    s.master = None;
    s.until("its end", |s| s.ui.is_finished());
    assert_eq!(s.acts(), [Action::Stop]);
    assert!(matches!(s.ui.join().unwrap(), Err(UiError::Terminal(_))));
}
