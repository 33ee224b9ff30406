//! Connections whose loop asks them in turn, with a real loop and real sockets.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream as Socket};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::task::LocalSet;

use super::*;
use crate::backend::moderation::UnderWay;
use crate::clock::Clock;

const STREAMS: u8 = 16;
const HANGS: Duration = Duration::from_mins(1);

/// Runs something on a loop as clients have it.
fn on_a_loop<T>(work: impl Future<Output = T>) -> T {
    let clock = Clock::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(move || rounds::before_wait(&clock))
        .on_thread_unpark(move || rounds::after_wait(&clock))
        .build()
        .unwrap();
    runtime.spawn(rounds::Rounds { clock, before_sleep: || () });
    let all = async { tokio::time::timeout(HANGS, work).await.expect("it hangs") };
    LocalSet::new().block_on(&runtime, all)
}

/// Connections to a server, which gets the other ends.
fn connections(serve: impl FnOnce(Vec<Socket>) + Send + 'static) -> Vec<Socket> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let made: Vec<_> = (0..STREAMS).map(|_| Socket::connect(address).unwrap()).collect();
    let ends = made.iter().map(|_| listener.accept().unwrap().0).collect();
    std::thread::spawn(move || serve(ends));
    made
}

fn line(socket: Socket) -> Line {
    socket.set_nonblocking(true).unwrap();
    Line::new(TcpStream::from_std(socket).unwrap(), StampedBy::Arrival)
}

/// One read, as the client does it; its length.
async fn read(line: &mut Line, room: &mut [u8]) -> usize {
    let bytes = poll_fn(|cx| line.poll_recv(cx, room)).await.unwrap().0;
    if line.is_stamped() {
        rounds::note_read(1);
    }
    bytes
}

/// Numbers without a break until somebody has seen enough, a pause, three numbers one by one, and the end.
fn count_up(mut ends: Vec<Socket>, enough: &AtomicBool) {
    let mut next = 0_u32;
    let mut each = |ends: &mut [Socket]| {
        for end in ends {
            end.write_all(&next.to_le_bytes()).unwrap();
        }
        next += 1;
    };
    while !enough.load(Ordering::Relaxed) {
        each(&mut ends);
    }
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(60));
        each(&mut ends);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn busy_streams_are_asked_in_turn_and_quiet_ones_are_watched() {
    let enough = Arc::new(AtomicBool::new(false));
    let told = enough.clone();
    let sockets = connections(move |ends| count_up(ends, &told));
    let last_in_turn = Rc::new(Cell::new(true));
    on_a_loop(async {
        let mut streams = tokio::task::JoinSet::new();
        for socket in sockets {
            let (enough, last_in_turn) = (enough.clone(), last_in_turn.clone());
            streams.spawn_local(async move {
                let (mut line, _under_way) = (line(socket), UnderWay::begin());
                let (mut seen, mut room) = (Vec::new(), [0; 256]);
                loop {
                    let bytes = read(&mut line, &mut room).await;
                    if bytes == 0 {
                        return seen;
                    }
                    seen.extend_from_slice(&room[..bytes]);
                    last_in_turn.set(rounds::in_turn());
                    if rounds::in_turn() && rounds::number() > 100 {
                        enough.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
        for seen in streams.join_all().await {
            let numbers: Vec<u32> =
                seen.chunks(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap())).collect();
            assert!(numbers.len() > 50 && numbers.iter().copied().eq(0..numbers.len() as u32), "{numbers:?}");
        }
    });
    assert!(!last_in_turn.get(), "what came last came alone");
}

#[test]
#[cfg(target_os = "linux")]
fn timers_and_writes_go_on_while_streams_are_asked_in_turn() {
    // An echo, so that there is something whenever the loop looks.
    let sockets = connections(|ends| {
        let echoes: Vec<_> = ends
            .into_iter()
            .map(|mut end| {
                std::thread::spawn(move || {
                    let mut room = vec![0; 1 << 16];
                    while let Ok(bytes @ 1..) = end.read(&mut room) {
                        if end.write_all(&room[..bytes]).is_err() {
                            break;
                        }
                    }
                })
            })
            .collect();
        for echo in echoes {
            echo.join().unwrap();
        }
    });
    let (beats, in_turn) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    on_a_loop(async {
        let mut streams = tokio::task::JoinSet::new();
        for (i, socket) in sockets.into_iter().enumerate() {
            let (beats, in_turn) = (beats.clone(), in_turn.clone());
            streams.spawn_local(async move {
                let (mut line, _under_way) = (line(socket), UnderWay::begin());
                // The last one writes more than a socket takes at once.
                let size = if i == 0 { 8 << 20 } else { 100 };
                let (message, mut room) = (vec![i as u8; size], vec![0; 1 << 16]);
                while beats.get() < 20 || in_turn.get() < 100 {
                    line.write_all(&message[..]).await.unwrap();
                    let mut back = 0;
                    while back < size.min(100_000) {
                        let bytes = read(&mut line, &mut room).await;
                        assert!(bytes > 0 && room[..bytes].iter().all(|byte| *byte == i as u8));
                        back += bytes;
                    }
                    in_turn.set(in_turn.get() + u32::from(rounds::in_turn()));
                    if i == 0 {
                        // What it wrote is more than is read: enough of that.
                        return;
                    }
                }
            });
        }
        streams.spawn_local(async move {
            while beats.get() < 20 {
                tokio::time::sleep(Duration::from_millis(2)).await;
                beats.set(beats.get() + 1);
            }
        });
        streams.join_all().await;
    });
}
