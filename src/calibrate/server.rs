//! The built-in server: OpenAI-compatible on loopback, on a thread of its own, with timing that is known.
//!
//! Token *k* of a request is due at received + TTFT + *k* · ITL, so lateness never adds up; each is one event and one
//! write. When it was written is noted on the same clock that the client stamps with. The thread sleeps in `epoll`
//! and, where it has a core for itself, watches the clock for the last moment before a token is due.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::thread::CpuSet;

use super::SERVER_THREAD;
use super::answer::{Asked, Pace, Script, asked, models};
use crate::clock::Clock;

/// The listener among the connections' numbers.
const LISTENER: u64 = u64::MAX;
/// Most time asleep: how soon the end is noticed.
const SLEEP_NS: u64 = 20_000_000;
/// Before a token is due, the clock is watched for so long, since a sleeping thread wakes a little late.
const WATCH_NS: u64 = 80_000;
/// Bytes read at once.
const READ: usize = 64 * 1024;

/// A request that was served to its end, as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    pub number: u64,
    /// When the last byte of the request was read.
    pub received_ns: u64,
    /// When each token was written; only the first where nothing was waited for.
    pub written_ns: Vec<u64>,
    pub tokens: u32,
}

/// What the server's thread shares with its owner.
struct Shared {
    script: ArcSwap<Script>,
    served: Mutex<Vec<Served>>,
    stop: AtomicBool,
}

/// The running server.
pub struct Server {
    pub port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts it on a free port of loopback; on `cores`, if there are some for it alone.
    ///
    /// # Errors
    /// If the system gives no port or no thread.
    pub fn start(clock: Clock, cores: Option<CpuSet>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        let nothing = Pace { tokens: 1, prompt_tokens: 1, ttft_ns: 0, itl_ns: 0 };
        let shared = Arc::new(Shared {
            script: ArcSwap::from_pointee(Script::new(nothing)),
            served: Mutex::new(Vec::new()),
            stop: AtomicBool::new(false),
        });
        let worker = Worker {
            clock,
            listener,
            epoll,
            shared: shared.clone(),
            connections: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            timers: BinaryHeap::new(),
            requests: 0,
            watches: cores.is_some(),
            scratch: Vec::new(),
            buffer: vec![0; READ].into(),
        };
        let thread = std::thread::Builder::new().name(SERVER_THREAD.into()).spawn(move || {
            if let Some(cores) = cores {
                // Where it is refused, the server shares its core; the figures say how busy everybody was.
                let _ = rustix::thread::sched_setaffinity(None, &cores);
            }
            worker.run();
        })?;
        Ok(Self { port, shared, thread: Some(thread) })
    }

    /// Requests from now on are served like this.
    pub fn set(&self, pace: Pace) {
        self.shared.script.store(Arc::new(Script::new(pace)));
    }

    /// Takes what was served since the last call.
    pub fn take_served(&self) -> Vec<Served> {
        std::mem::take(&mut *self.shared.served.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    answer: Option<Answer>,
    /// What the socket had no room for yet.
    unsent: Vec<u8>,
}

/// A request being answered.
struct Answer {
    script: Arc<Script>,
    counted: bool,
    due_ns: u64,
    served: Served,
}

struct Worker {
    clock: Clock,
    listener: TcpListener,
    epoll: OwnedFd,
    shared: Arc<Shared>,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// Connections whose next token is due at once, and the numbers of their requests.
    ready: VecDeque<(usize, u64)>,
    /// When which connection's next token is due.
    timers: BinaryHeap<Reverse<(u64, usize, u64)>>,
    requests: u64,
    /// There is a core for it: it may watch the clock.
    watches: bool,
    /// A first token, put together.
    scratch: Vec<u8>,
    /// What is read goes through here.
    buffer: Box<[u8]>,
}

impl Worker {
    fn run(mut self) {
        let mut events = Vec::with_capacity(1024);
        while !self.shared.stop.load(Ordering::Relaxed) {
            let timeout = self.timeout();
            let into = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, into, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                // Clients then see a server that is gone, and the load fails with that.
                Err(_) => return,
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept(),
                    index => self.attend(index as usize, event.flags),
                }
            }
            self.fire();
        }
    }

    fn timeout(&self) -> Timespec {
        let ns = match (self.ready.is_empty(), self.timers.peek()) {
            (false, _) => 0,
            (true, None) => SLEEP_NS,
            (true, Some(Reverse((due_ns, ..)))) => {
                let early = if self.watches { WATCH_NS } else { 0 };
                due_ns.saturating_sub(self.clock.now_ns()).saturating_sub(early).min(SLEEP_NS)
            }
        };
        Timespec { tv_sec: 0, tv_nsec: ns.cast_signed() }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            let index = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let data = EventData::new_u64(index as u64);
            let set = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true));
            if set.is_err() || epoll::add(&self.epoll, &stream, data, EventFlags::IN).is_err() {
                self.free.push(index);
                continue;
            }
            self.connections[index] =
                Some(Connection { stream, input: Vec::new(), answer: None, unsent: Vec::new() });
        }
    }

    /// Something happened to a connection: it can be read, or written again.
    fn attend(&mut self, index: usize, flags: EventFlags) {
        let open = self.connections.get_mut(index).and_then(Option::as_mut);
        let Some(connection) = open else { return };
        if connection.read(&mut self.buffer).is_err() {
            return self.close(index);
        }
        if flags.contains(EventFlags::OUT) {
            match connection.flush() {
                Ok(false) => {}
                Ok(true) => self.writable(index),
                Err(_) => return self.close(index),
            }
        }
        self.answer_next(index);
    }

    /// Closing its socket also takes it out of `epoll`.
    fn close(&mut self, index: usize) {
        if self.connections[index].take().is_some() {
            self.free.push(index);
        }
    }

    /// What a socket had no room for is sent: its stream goes on.
    fn writable(&mut self, index: usize) {
        let Some(connection) = &self.connections[index] else { return };
        let data = EventData::new_u64(index as u64);
        if epoll::modify(&self.epoll, &connection.stream, data, EventFlags::IN).is_err() {
            return self.close(index);
        }
        if let Some(answer) = &connection.answer {
            let (due_ns, number) = (answer.due_ns, answer.served.number);
            self.schedule(index, due_ns, number);
        }
    }

    fn schedule(&mut self, index: usize, due_ns: u64, number: u64) {
        if due_ns == 0 {
            self.ready.push_back((index, number));
        } else {
            self.timers.push(Reverse((due_ns, index, number)));
        }
    }

    /// Begins with the request that stands at the front of what was read, if nothing else is being answered.
    fn answer_next(&mut self, index: usize) {
        let Some(connection) = &mut self.connections[index] else { return };
        if connection.answer.is_some() || connection.input.is_empty() {
            return;
        }
        match asked(&connection.input) {
            Asked::Part => {}
            Asked::Nonsense => self.close(index),
            Asked::Models(length) => {
                connection.input.drain(..length);
                if connection.send(&models()).is_err() {
                    self.close(index);
                }
            }
            Asked::Completion(length, counted) => {
                connection.input.drain(..length);
                let script = self.shared.script.load_full();
                let received_ns = self.clock.now_ns();
                let number = self.requests;
                self.requests += 1;
                let due_ns = if script.pace.is_flat_out() { 0 } else { received_ns + script.pace.ttft_ns };
                let served = Served { number, received_ns, written_ns: Vec::new(), tokens: 0 };
                connection.answer = Some(Answer { script, counted, due_ns, served });
                self.schedule(index, due_ns, number);
            }
        }
    }

    /// Sends every token that is due.
    fn fire(&mut self) {
        for _ in 0..self.ready.len() {
            if let Some((index, number)) = self.ready.pop_front() {
                self.token(index, number);
            }
        }
        while let Some(Reverse((due_ns, index, number))) = self.timers.peek().copied() {
            if due_ns > self.clock.now_ns() {
                break;
            }
            self.timers.pop();
            self.token(index, number);
        }
    }

    /// Sends the next token of a request, if it is still there.
    fn token(&mut self, index: usize, number: u64) {
        let Some(connection) = &mut self.connections[index] else { return };
        let Some(answer) = connection.answer.as_mut().filter(|a| a.served.number == number) else { return };
        let pace = answer.script.pace;
        if answer.served.written_ns.is_empty() || !pace.is_flat_out() {
            answer.served.written_ns.push(self.clock.now_ns());
        }
        let script = answer.script.clone();
        let piece = script.piece(answer.counted, answer.served.tokens, number, &mut self.scratch);
        answer.served.tokens += 1;
        answer.due_ns = if pace.is_flat_out() { 0 } else { answer.due_ns + pace.itl_ns };
        let (due_ns, over) = (answer.due_ns, answer.served.tokens == pace.tokens);
        let Ok(sent) = connection.send(piece) else { return self.close(index) };
        if over && let Some(answer) = connection.answer.take() {
            self.shared.served.lock().unwrap_or_else(PoisonError::into_inner).push(answer.served);
        }
        if !sent {
            let data = EventData::new_u64(index as u64);
            let both = EventFlags::IN | EventFlags::OUT;
            if epoll::modify(&self.epoll, &connection.stream, data, both).is_err() {
                self.close(index);
            }
            return;
        }
        if over {
            self.answer_next(index);
        } else {
            self.schedule(index, due_ns, number);
        }
    }
}

impl Connection {
    /// Reads what has come. An error also where the other side has closed.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    self.input.extend_from_slice(&buffer[..n]);
                    if n < buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes bytes, or keeps what the socket has no room for; tells whether all are written.
    fn send(&mut self, bytes: &[u8]) -> io::Result<bool> {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return Ok(false);
        }
        let sent = match self.stream.write(bytes) {
            Ok(sent) => sent,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
            Err(error) => return Err(error),
        };
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(self.unsent.is_empty())
    }

    /// Writes what was kept; tells whether all of it is gone.
    fn flush(&mut self) -> io::Result<bool> {
        let unsent = std::mem::take(&mut self.unsent);
        if unsent.is_empty() { Ok(true) } else { self.send(&unsent) }
    }
}
