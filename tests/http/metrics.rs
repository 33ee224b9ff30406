//! The figures that servers tell of their engines: read while requests run, and no hindrance where they are none.

use std::sync::atomic::Ordering;
use std::time::Duration;

use fastgen_tui::backend::{Backend, Gauges, Place};
use fastgen_tui::clock::Clock;
use fastgen_tui::event::Outcome;

use super::server::Server;
use super::{load, tell, try_load};

/// The figures, as soon as there are some.
async fn told(backend: &dyn Backend) -> Gauges {
    for _ in 0..200 {
        let gauges = backend.gauges();
        if gauges != Gauges::default() {
            return gauges;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the server was asked for 10 s and told nothing");
}

fn at(server: &Server, scenario: &str) -> String {
    format!("metrics_url = \"http://127.0.0.1:{}/{scenario}/metrics\"", server.port)
}

#[tokio::test]
async fn a_servers_figures_are_read_over_all_its_engines() {
    let server = Server::start();
    let backend = load(&server.url("plain"), &at(&server, "vllm"));
    let gauges = told(&*backend).await;
    assert_eq!((gauges.running, gauges.waiting), (Some(7), Some(2)));
    assert_eq!((gauges.kv_cache_used, gauges.preemptions), (Some(0.5), None));
    assert_eq!(backend.place(), Place::Machine, "loopback is this machine");
    let first = gauges.output_tokens.unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(backend.gauges().output_tokens.unwrap() > first, "it is asked again and again");
    backend.shutdown();
    let asked = server.seen.metrics.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(server.seen.metrics.load(Ordering::Relaxed), asked, "and no more after the end");
}

#[tokio::test]
async fn the_usual_place_is_asked_unless_there_is_to_be_none() {
    let server = Server::start();
    // `…/metrics` of the server itself; its scenario is the path's first part.
    let backend = load(&server.url("plain"), "metrics_url = \"\"");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((backend.gauges(), server.seen.metrics.load(Ordering::Relaxed)), (Gauges::default(), 0));
    let bare = format!("metrics_url = \"http://127.0.0.1:{}\"", server.port);
    let backend = load(&server.url("plain"), &bare);
    assert_eq!(told(&*backend).await.running, Some(7));
}

#[tokio::test]
async fn servers_that_hang_talk_nonsense_or_have_none_hinder_nobody() {
    let server = Server::start();
    for scenario in ["hanging", "garbage", "absent"] {
        let backend = load(&server.url("plain"), &at(&server, scenario));
        let clock = Clock::start();
        while clock.now_ns() < 1_200_000_000 {
            let asked = clock.now_ns();
            assert_eq!(backend.gauges(), Gauges::default(), "{scenario}");
            assert!(clock.now_ns() - asked < 100_000_000, "{scenario}: readings wait for nobody");
            let story = tell(&*backend, 3).await;
            assert_eq!(story.end.outcome, Outcome::Completed, "{scenario}: {:?}", story.end.error);
        }
        let ended = clock.now_ns();
        backend.shutdown();
        assert!(clock.now_ns() - ended < 2_000_000_000, "{scenario}: the end waits for one answer at most");
    }
}

#[test]
fn a_wrong_place_is_named_before_the_run() {
    let server = Server::start();
    let why =
        try_load(&server.url("plain"), "metrics_url = \"gpu1:8000/metrics\"").err().unwrap().to_string();
    assert!(why.contains("scheme"), "{why}");
}
