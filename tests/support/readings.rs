//! Recordings with readings, written out by hand: of a machine with two GPUs and an engine that tells much, and of
//! one without GPUs whose engine tells nothing.

use std::fmt::Write as _;

use fastgen_tui::replay;
use fastgen_tui::ui::{Recording, Transport};

use crate::sample::Sampled;

/// Seconds in it.
const SECONDS: u64 = 48;

/// Numbers without chance that go up and down: a slow wave with some noise, 0..=1.
fn wave(second: u64, salt: u64) -> f64 {
    let slow = ((second as f64 + salt as f64 * 3.0) / 7.0).sin() * 0.4 + 0.5;
    let noise = (second * 7919 + salt * 104_729) % 97;
    (slow + noise as f64 / 970.0).clamp(0.0, 1.0)
}

/// The recording as text, line by line.
pub fn recording(gpus: bool) -> String {
    let mut text = concat!(
        r#"{"fastgen_recording":{"major":1,"minor":3},"tick_ns":1000,"profile":{"profile":{"name":"big"},"#,
        r#""backend":{"kind":"openai"}},"seed":1,"host":{"name":"gpubox","os":"Linux","kernel":"6.1","#,
        r#""cpu":"x","cores":8,"memory_bytes":137438953472,"gpus":[]},"engine":{"kind":"openai","version":"vllm"},"#,
        r#""started_at":"2026-01-31T12:00:00Z","program":{"version":"0.1.0","features":[],"target":"x","#,
        r#""target_features":""},"command":[]}"#,
        "\n",
        r#"{"ready":{"t":900000,"info":{"kind":"openai","version":"vllm","device":"server","model":"llama","#,
        r#""quantization":"unknown","replicas":1,"notes":[],"load_s":0.4}}}"#,
        "\n",
        r#"{"stage":{"t":1000000,"stage":0,"name":"main","sweep":{},"clients":16,"planned_requests":null,"planned_ns":null}}"#,
        "\n",
        r#"{"phase":{"t":1000000,"stage":0,"phase":"warmup"}}"#,
        "\n",
    )
    .to_owned();
    for second in 0..SECONDS {
        let t = second * 1_000_000;
        let _ = match second {
            6 => writeln!(text, r#"{{"phase":{{"t":{t},"stage":0,"phase":"measuring"}}}}"#),
            23 => writeln!(text, r#"{{"control":{{"t":{t},"what":"mark","note":"more clients"}}}}"#),
            _ => Ok(()),
        };
        let _ = writeln!(text, "{}", sample(second, gpus));
        if second >= 2 {
            requests(&mut text, second);
        }
    }
    text
}

/// A few requests that end in this second, with a token a millisecond or so.
fn requests(text: &mut String, second: u64) {
    let tokens = 20 + (wave(second, 0) * 40.0) as usize;
    for i in 0..4 {
        let (id, t) = (second * 4 + i, second * 1_000_000 + 50_000 * i);
        let warmup = if second < 6 { r#""w":true,"# } else { "" };
        let gaps = vec!["9000"; tokens].join(",");
        let _ =
            writeln!(text, r#"{{"req":{{"id":{id},"c":{i},{warmup}"t":{t},"p":96,"m":64,"d":[{gaps}]}}}}"#);
    }
}

fn sample(second: u64, gpus: bool) -> String {
    let at = second * 1_000_000 + 400_000;
    let w = |salt| wave(second, salt);
    let cores: Vec<String> = (0..8).map(|core| format!("{:.0}", w(core) * 100.0)).collect();
    let mut line = format!(
        r#"{{"sample":{{"t":{at},"cpu_percent":{:.1},"core_percent":[{}],"process_cpu_percent":{:.1},"client_cpu_percent":{:.1},"load_1m":{:.2},"rss_bytes":{},"memory_used_bytes":{},"memory_total_bytes":137438953472,"loop_lag_ns":412000"#,
        w(1) * 60.0,
        cores.join(","),
        w(2) * 20.0,
        w(2) * 14.0,
        w(3) * 4.0,
        48_000_000 + second * 100_000,
        (40u64 << 30) + second * 30_000_000,
    );
    if gpus {
        let _ = write!(
            line,
            r#","cpu_power_w":{:.1},"power_w":{:.1},"running":{},"waiting":{},"kv_cache_used":{:.4},"prefix_cache_queries":{},"prefix_cache_hits":{},"prefix_cache_hit_rate":{:.4},"preemptions":{},"engine_tokens_per_s":{:.1},"gpus":[{},{}]"#,
            90.0 + w(4) * 40.0,
            300.0 + w(5) * 400.0,
            (w(6) * 16.0) as u32,
            (w(7) * 5.0) as u32,
            w(8) * 0.9,
            second * 384,
            second * 96,
            w(9) * 0.5,
            second / 20,
            w(0) * 160.0 + 80.0,
            gpu(second, 0, second > 30),
            gpu(second, 1, false),
        );
    }
    line + "}}"
}

fn gpu(second: u64, which: u64, hot: bool) -> String {
    let w = |salt| wave(second, 20 + which * 9 + salt);
    format!(
        r#"{{"name":"NVIDIA A100-SXM4-80GB","utilisation_percent":{:.0},"memory_used_bytes":{},"memory_total_bytes":85899345920,"power_w":{:.1},"power_limit_w":400,"temperature_c":{:.0},"clock_mhz":{},"memory_clock_mhz":1593,"throttled_by":[{}]}}"#,
        w(0) * 100.0,
        (60u64 << 30) + (w(1) * 9e9) as u64,
        120.0 + w(2) * 280.0,
        50.0 + w(3) * 30.0,
        1100 + (w(4) * 300.0) as u32,
        if hot { r#""power cap","heat""# } else { "" },
    )
}

/// A replay of it, near its end.
pub fn replayed(gpus: bool) -> Sampled {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.jsonl");
    std::fs::write(&path, recording(gpus)).unwrap();
    let (snap, header, length_ns) = replay::at(&path, 47_500_000_000).unwrap();
    Sampled {
        transport: Some(Transport {
            at_ns: snap.at_ns,
            length_ns,
            playing: false,
            speed: 1.0,
            indexed: None,
        }),
        title: replay::title(&header),
        snap,
        recording: Recording::Replay { path: "big.jsonl".into() },
        over: false,
        measured: None,
        other: None,
    }
}

/// The same as a live run that is being recorded.
pub fn running() -> Sampled {
    let recording = Recording::Writing { path: "recordings/big.jsonl.zst".into(), bytes: 187_400 };
    Sampled { transport: None, recording, ..replayed(true) }
}
