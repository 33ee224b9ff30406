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
use crate::backend::moderation;
use crate::backend::rounds::{Due, Rounds};
use crate::clock::Clock;

const STREAMS: u8 = 16;
const HANGS: Duration = Duration::from_mins(1);

/// Runs something on a loop as clients have it.
fn on_a_loop<T>(work: impl Future<Output = T>) -> T {
    let clock = Clock::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(move || rounds::before_wait(&clock, &Due::default()))
        .on_thread_unpark(move || rounds::after_wait(&clock))
        .build()
        .unwrap();
    runtime.spawn(Rounds { clock, due: Due::default(), before_sleep: Box::new(|| ()) });
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

/// Waits until the loop asks its streams in turn.
async fn asked_in_turn() {
    moderation::decide(true);
    while !rounds::in_turn() {
        tokio::task::yield_now().await;
    }
}

/// What there is for a reader now.
async fn ask(line: &mut Line) -> Poll<io::Result<Read>> {
    poll_fn(|cx| Poll::Ready(line.poll_recv(cx, &mut [0]))).await
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
fn streams_lose_nothing_where_they_are_asked_in_turn_and_where_they_are_watched_again() {
    let enough = Arc::new(AtomicBool::new(false));
    let told = enough.clone();
    let sockets = connections(move |ends| count_up(ends, &told));
    let last_in_turn = Rc::new(Cell::new(true));
    moderation::decide(true);
    on_a_loop(async {
        let mut streams = tokio::task::JoinSet::new();
        for socket in sockets {
            let (enough, last_in_turn) = (enough.clone(), last_in_turn.clone());
            streams.spawn_local(async move {
                let (mut line, mut seen, mut room) = (line(socket), Vec::new(), [0; 256]);
                loop {
                    let bytes = read(&mut line, &mut room).await;
                    if bytes == 0 {
                        return seen;
                    }
                    seen.extend_from_slice(&room[..bytes]);
                    last_in_turn.set(rounds::in_turn());
                    if rounds::in_turn() && rounds::number() > 100 && seen.len() > 256 {
                        moderation::decide(false);
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
    assert!(!last_in_turn.get());
}

/// More than a socket takes at once.
const MUCH: usize = 8 << 20;
const LITTLE: usize = 100;

/// Answers each message when all of it has come: the first connection's are long.
fn answer(ends: Vec<Socket>) {
    let peers: Vec<_> = ends
        .into_iter()
        .enumerate()
        .map(|(i, mut end)| {
            std::thread::spawn(move || {
                let mut message = vec![0; if i == 0 { MUCH } else { LITTLE }];
                while end.read_exact(&mut message).is_ok() {
                    assert!(message.iter().all(|byte| *byte == i as u8));
                    end.write_all(&message[..LITTLE]).unwrap();
                }
            })
        })
        .collect();
    for peer in peers {
        peer.join().unwrap();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn timers_and_writes_go_on_while_streams_are_asked_in_turn() {
    let sockets = connections(answer);
    let beats = Rc::new(Cell::new(0));
    moderation::decide(true);
    on_a_loop(async {
        let mut streams = tokio::task::JoinSet::new();
        for (i, socket) in sockets.into_iter().enumerate() {
            let beats = beats.clone();
            streams.spawn_local(async move {
                let mut line = line(socket);
                let (message, mut room) = (vec![i as u8; if i == 0 { MUCH } else { LITTLE }], [0; LITTLE]);
                while beats.get() < 20 {
                    line.write_all(&message).await.unwrap();
                    let mut back = 0;
                    while back < LITTLE {
                        let bytes = read(&mut line, &mut room).await;
                        assert!(bytes > 0 && room[..bytes].iter().all(|byte| *byte == i as u8));
                        back += bytes;
                    }
                    assert!(rounds::in_turn());
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

#[test]
#[cfg(target_os = "linux")]
fn a_connection_at_rest_that_was_closed_is_known_at_once() {
    let sockets = connections(drop);
    on_a_loop(async {
        for socket in sockets {
            let mut closed = socket.try_clone().unwrap();
            assert_eq!(closed.read(&mut [0]).unwrap(), 0, "the other end is gone");
            let mut line = line(socket);
            line.set_free().unwrap();
            let asked = ask(&mut line).await;
            assert!(matches!(asked, Poll::Ready(Ok((0, _)))), "{asked:?}");
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_close_in_the_round_in_which_all_was_read_is_seen_if_it_is_asked_for() {
    let (tell, told) = std::sync::mpsc::sync_channel::<()>(1);
    let sockets = connections(move |ends| {
        for mut end in &ends {
            end.write_all(b"all").unwrap();
        }
        told.recv().unwrap();
    });
    on_a_loop(async {
        let socket = sockets.into_iter().next().unwrap();
        let end = socket.try_clone().unwrap();
        let mut line = line(socket);
        line.set_free().unwrap();
        asked_in_turn().await;
        assert_eq!(read(&mut line, &mut [0; 16]).await, 3);
        // Nothing that the loop does is between this and the round's end.
        tell.send(()).unwrap();
        while !matches!(end.peek(&mut [0]), Ok(0)) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(ask(&mut line).await.is_pending());
        line.ask_anew();
        let asked = ask(&mut line).await;
        assert!(matches!(asked, Poll::Ready(Ok((0, _)))), "{asked:?}");
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_connection_that_waits_to_write_stays_watched() {
    let (tell, told) = std::sync::mpsc::sync_channel::<()>(1);
    let sockets = connections(move |ends| {
        told.recv().unwrap();
        drop(ends);
    });
    on_a_loop(async {
        let (mut line, much) = (line(sockets.into_iter().next().unwrap()), vec![0; MUCH]);
        asked_in_turn().await;
        while poll_fn(|cx| Poll::Ready(Pin::new(&mut line).poll_write(cx, &much))).await.is_ready() {}
        assert!(ask(&mut line).await.is_pending());
        assert!(matches!(line.held, Held::Watched(_)), "nobody else tells when there is room");
        tell.send(()).unwrap();
    });
}
