//! A stage with the simulated engine, driven and watched without a terminal.

use std::sync::Arc;

use super::*;
use crate::backend::rounds::Due;
use crate::collector::{CAPACITY, Collector, Options, Outcome, channel};
use crate::event::Ended;
use crate::load::engines::{Engines, stage};
use crate::load::threads::ClientThreads;
use crate::profile::resolve_in;

/// Runs one stage of the simulated engine; `meanwhile` has a hand on it from its beginning.
fn run<M: Future<Output = ()> + 'static>(sets: &[&str], meanwhile: impl FnOnce(Controls) -> M) -> Outcome {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let profile = resolve_in(None, "sim", &sets).unwrap().profile;
    let plan = profile.stages().unwrap().remove(0);
    let (sink, source) = channel(CAPACITY);
    let clock = Clock::start();
    let options = Options {
        writer: None,
        headless: true,
        warmup_per_client: 1,
        sla: crate::metrics::CurveSla::default(),
        stages: 1,
        amend: None,
    };
    let collector = Collector::start(source, clock, options).unwrap();
    let controls = Controls::new(sink.clone(), clock);
    let mut engines = Engines {
        clock,
        sink: sink.clone(),
        controls: controls.clone(),
        telemetry: None,
        planned: 1,
        loaded: None,
    };
    let backend = engines.get(0, &profile).unwrap();
    let stage = stage(&plan, backend.as_ref()).unwrap();
    let own = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let threads = ClientThreads::start(own.handle(), clock, Due::default(), 1).unwrap();
    let driver = Driver {
        backend,
        sink: sink.clone(),
        clock,
        controls: controls.clone(),
        pulse: Pulse::default(),
        loops: threads.of_stage(1),
    };
    let local = tokio::task::LocalSet::new();
    local.spawn_local(meanwhile(controls));
    let result = local.block_on(&own, driver.stage(0, stage, &Arc::default()));
    assert_eq!(result.how, StageOutcome::Complete);
    sink.send(Event::Ended { at_ns: clock.now_ns(), how: Ended::Complete });
    collector.join()
}

#[test]
fn clients_wished_for_during_warm_up_are_there_when_it_is_over() {
    let sets = [
        "load.clients=2",
        "load.warmup_requests_per_client=1",
        "workload.prompt_tokens=4",
        "workload.output_tokens=10",
        "stop.requests=30",
    ];
    let left = run(&sets, |controls| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        controls.set_clients(5);
    });
    assert_eq!(left.snapshot.counts.completed, 30);
    let busy = left.snapshot.lanes.iter().filter(|lane| lane.completed > 0).count();
    assert_eq!(busy, 5, "the wish came at {:?}", left.snapshot.controls);
    let measuring_ns = left.snapshot.measuring_at_ns.unwrap();
    assert!(left.snapshot.controls[0].0 < measuring_ns, "it came too late to test anything");
}

#[test]
fn limits_of_time_stand_still_with_the_process() {
    // A token takes 10 ms at least: longer than the limit in all, and much shorter than that and the standstill.
    let sets = [
        "load.clients=2",
        "load.warmup_requests_per_client=0",
        "load.request_timeout=1900ms",
        "workload.prompt_tokens=4",
        "workload.output_tokens=200",
        "stop.requests=2",
    ];
    let left = run(&sets, |controls| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        controls.suspend();
        // No client runs meanwhile.
        std::thread::sleep(Duration::from_millis(1500));
        tokio::time::sleep(Duration::from_millis(5)).await;
        controls.go_on();
    });
    let counts = &left.snapshot.counts;
    assert_eq!((counts.completed, counts.timed_out), (2, 0), "{counts:?}");
    assert_eq!(left.snapshot.latency.e2e.count, 0, "they were under way");
}
