//! Whole loads, through real clients: what counts is whether both sides have seen the same, never how fast.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::sync::atomic::AtomicBool;

use super::*;

fn load(way: Way, aim: Aim, streams: u32, output_tokens: u32) -> Load {
    let paced = if aim == Aim::Paced { 0.002 } else { 0.0 };
    Load { way, aim, streams, prompt_tokens: 5, output_tokens, ttft_s: paced, itl_s: paced, seconds: 0.1 }
}

fn plan(loads: Vec<Load>) -> Plan {
    Plan { profile: None, streams: 4, sla_ttft_s: None, sla_itl_s: None, loads }
}

fn calibrated(loads: Vec<Load>) -> Calibrated {
    run(&plan(loads), &Host::default(), &AtomicBool::new(false), &mut |_| ()).unwrap()
}

#[cfg(all(feature = "http", target_os = "linux"))]
#[test]
fn every_token_of_the_server_is_seen_exactly_once() {
    let made = calibrated(vec![
        load(Way::Http, Aim::Tokens, 1, 40),
        load(Way::Http, Aim::Tokens, 8, 40),
        load(Way::Http, Aim::Requests, 4, 1),
        load(Way::Http, Aim::Paced, 4, 8),
    ]);
    for m in &made.loads {
        assert_eq!(m.requests_unlike, Some(0), "{m:?}");
        assert!(m.requests_alike.unwrap() > 0 && m.tokens > 0 && m.requests > 0, "{m:?}");
        assert_eq!(m.lost_events, 0);
    }
    let errors: Vec<_> = made.loads.iter().filter_map(|m| m.error.as_ref()).collect();
    assert_eq!(errors.len(), 1, "only a paced load has a truth for each token");
    assert!(errors[0].ttft_s.count > 0);
    assert!(errors[0].itl_s.count > errors[0].ttft_s.count, "seven gaps a request");
    assert!(made.limits.http.is_some() && made.limits.in_process.is_none());
    let json = serde_json::to_value(&made).unwrap();
    assert_eq!(json["calibration_version"], 1);
    assert_eq!(json["loads"][3]["load"]["aim"], "paced");
    assert!(json["loads"][3]["error"]["itl_s"]["p99"].is_number());
    assert!(json["limits"]["http"]["token_cpu_us"].is_number());
}

#[test]
fn the_pipe_is_measured_without_a_server() {
    let made =
        calibrated(vec![load(Way::InProcess, Aim::Tokens, 4, 20), load(Way::InProcess, Aim::Paced, 4, 20)]);
    assert!(made.loads.iter().all(|m| m.tokens > 0 && m.requests_alike.is_none() && m.error.is_none()));
    assert!(made.limits.in_process.is_some());
    assert!(made.verdict.starts_with("in process it measured up to "), "{}", made.verdict);
}

#[test]
fn a_stopped_calibration_leaves_nothing() {
    let stop = AtomicBool::new(true);
    let plan = plan(vec![load(Way::InProcess, Aim::Tokens, 2, 10)]);
    let error = run(&plan, &Host::default(), &stop, &mut |_| ()).unwrap_err();
    assert!(matches!(error, CalibrateError::Interrupted));
}
