//! The tables against the report: same recording, same totals.

use super::*;
use crate::event::{Control, EngineSample, GpuSample, Sample};
use crate::report::{fixture, report};

struct Written {
    dir: tempfile::TempDir,
}

impl Written {
    fn of(runs: &[Run]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut export = Export::create(&dir.path().join("new/folder"), Old::Keep).unwrap();
        for run in runs {
            export.add(run, &report(run)).unwrap();
        }
        let segments = runs.iter().any(|run| !run.controls.is_empty());
        assert_eq!(export.finish().unwrap().len(), if segments { 5 } else { 4 });
        Self { dir }
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join("new/folder").join(name)).unwrap()
    }

    /// A column by its name.
    fn column(&self, file: &str, name: &str) -> Vec<String> {
        let text = self.text(file);
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let at = reader.headers().unwrap().iter().position(|h| h == name).unwrap();
        reader.records().map(|r| r.unwrap()[at].to_owned()).collect()
    }

    fn sum(&self, file: &str, name: &str) -> f64 {
        self.column(file, name).iter().filter(|c| !c.is_empty()).map(|c| c.parse::<f64>().unwrap()).sum()
    }
}

#[test]
fn columns_are_the_contract() {
    let written = Written::of(&[]);
    assert_eq!(
        written.text("requests.csv"),
        "run,stage,request,client,scheduled_s,sent_s,first_token_s,last_token_s,finished_s,outcome,error,\
         prompt_tokens,output_tokens,send_lag_s,ttft_s,ttft_corrected_s,tpot_s,e2e_s,e2e_corrected_s,sla_ok,counted_by\r\n"
    );
    assert_eq!(written.text("tokens.csv"), "run,stage,request,token,at_s,gap_s,tokens_in_chunk\r\n");
    assert_eq!(
        written.text("series.csv"),
        "run,stage,at_s,requests_in_flight,requests_completed,requests_failed,output_tokens_per_s,\
         input_tokens_per_s,ttft_p50_s,ttft_p99_s,itl_p50_s,itl_p99_s,cpu_percent,rss_bytes,gpu_percent,\
         gpu_memory_bytes,gpu_power_w,engine_running,engine_waiting,kv_cache_percent,prefix_cache_hit_percent,\
         engine_preemptions,engine_tokens_per_s,engine_cpu_percent,client_cpu_percent,memory_used_bytes,load_1m,\
         cpu_power_w,power_w\r\n"
    );
}

#[test]
fn rows_are_what_happened() {
    let mut run = fixture::run();
    run.header.profile["sla"] = serde_json::json!({ "ttft": "200ms" });
    let written = Written::of(&[run]);
    let requests = written.text("requests.csv");
    let rows: Vec<_> = requests.lines().skip(1).collect();
    assert_eq!(rows.len(), 5);
    assert_eq!(
        rows[1],
        "hand.jsonl.zst,main,2,0,1.004000,1.010000,1.310000,1.310000,2.000000,completed,,10,1,0.006000,\
         0.300000,0.306000,,0.300000,0.306000,false,engine"
    );
    assert!(rows[4].contains("failed_engine,\"'=out of memory, \"\"all\"\"\",10,0,"), "{}", rows[4]);
    assert_eq!(written.column("requests.csv", "sla_ok"), ["true", "false", "true", "", "false"]);
    assert_eq!(written.column("requests.csv", "counted_by"), ["engine"; 5]);
    let tokens = written.text("tokens.csv");
    let rows: Vec<_> = tokens.lines().skip(1).take(3).collect();
    assert_eq!(
        rows,
        [
            "hand.jsonl.zst,main,1,1,1.100000,,1",
            "hand.jsonl.zst,main,1,2,1.160000,0.060000,2",
            "hand.jsonl.zst,main,1,4,1.200000,0.040000,1",
        ]
    );
}

#[test]
fn totals_are_the_reports() {
    let mut second = fixture::closed_loop(3, 40);
    second.name = "+closed".into();
    let runs = [fixture::run(), second];
    let written = Written::of(&runs);
    let windows: Vec<_> =
        runs.iter().map(|r| report(r).stages[0].windows.measured.clone().unwrap()).collect();
    let (mut output, mut input, mut completed, mut e2e) = (0, 0, 0, 0.0);
    for w in &windows {
        output += w.tokens.output;
        input += w.tokens.input;
        completed += w.requests.completed;
        e2e += w.latency.e2e_s.mean.unwrap() * w.latency.e2e_s.count as f64;
    }
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * b, "{a} is not {b}");
    close(written.sum("tokens.csv", "tokens_in_chunk"), output as f64);
    close(written.sum("requests.csv", "output_tokens"), output as f64);
    close(written.sum("series.csv", "output_tokens_per_s"), output as f64);
    close(written.sum("series.csv", "input_tokens_per_s"), input as f64);
    close(written.sum("series.csv", "requests_completed"), completed as f64);
    close(written.sum("summary.csv", "measured_tokens_output"), output as f64);
    let outcomes = written.column("requests.csv", "outcome");
    let latencies = written.column("requests.csv", "e2e_s");
    let completed_e2e = outcomes.iter().zip(&latencies).filter(|(o, l)| *o == "completed" && !l.is_empty());
    close(completed_e2e.map(|(_, l)| l.parse::<f64>().unwrap()).sum(), e2e);
    let names = written.column("summary.csv", "run");
    assert_eq!(names, ["hand.jsonl.zst", "'+closed"]);
    assert!(written.column("tokens.csv", "run").iter().any(|n| n == "'+closed"));
}

#[test]
fn a_series_has_every_second_with_its_readings() {
    let mut run = fixture::run();
    let gpu = |busy, watts| GpuSample {
        utilisation_percent: Some(busy),
        memory_used_bytes: Some(10),
        power_w: Some(watts),
        ..GpuSample::default()
    };
    run.samples.push(Sample {
        at_ns: 1_999_000_000,
        cpu_percent: Some(12.3),
        rss_bytes: Some(77),
        gpus: vec![gpu(50.0, 20.5), gpu(100.0, 30.0)],
        engine: EngineSample { waiting: Some(3), kv_cache_used: Some(0.1234), ..EngineSample::default() },
        client_cpu_percent: Some(1.1),
        power_w: Some(60.5),
        ..Sample::default()
    });
    let written = Written::of(&[run]);
    let series = written.text("series.csv");
    let rows: Vec<_> = series.lines().skip(1).collect();
    assert_eq!(
        rows,
        [
            "hand.jsonl.zst,main,0,0,0,0,0,0,,,,,,,,,,,,,,,,,,,,,",
            "hand.jsonl.zst,main,1,2,2,0,5,20,0.2,0.298,0.03,0.0398,12.3,77,75,20,50.5,,3,12.34,,,,,1.1,,,,60.5",
            "hand.jsonl.zst,main,2,1,1,1,2,10,,,,,,,,,,,,,,,,,,,,,",
            "hand.jsonl.zst,main,3,0,0,0,0,0,,,,,,,,,,,,,,,,,,,,,",
        ]
    );
}

#[test]
fn sweeps_of_all_recordings_share_one_header() {
    let (mut one, mut other) = (fixture::closed_loop(2, 4), fixture::closed_loop(2, 4));
    one.stages[0].start.sweep = vec![("clients".into(), 2.into())];
    other.stages[0].start.sweep = vec![("model".into(), "=x".into())];
    let written = Written::of(&[one, other]);
    assert!(written.text("summary.csv").starts_with("run,stage,clients,model,profile,"));
    assert_eq!(written.column("summary.csv", "model"), ["", "'=x"]);
}

#[test]
fn a_place_that_cannot_be_written_is_told_before_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = Export::create(&file, Old::Replace).err().unwrap().to_string();
    assert!(error.starts_with(&format!("can't write {}", file.display())), "{error}");
    std::fs::create_dir(dir.path().join("tokens.csv")).unwrap();
    assert!(Export::create(dir.path(), Old::Replace).is_err());
    // Nothing half-made stays behind, then or when an export is given up.
    std::fs::remove_dir(dir.path().join("tokens.csv")).unwrap();
    drop(Export::create(dir.path(), Old::Keep).unwrap());
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(left, ["file"]);
}

#[test]
fn fastgens_columns_have_the_rates_of_all_recordings() {
    let (mut one, mut other) = (fixture::run(), fixture::closed_loop(4, 6));
    one.header.profile["sla"] = serde_json::json!({ "generation_tokens_per_s": [4, 2.5] });
    other.header.profile["sla"] =
        serde_json::json!({ "generation_tokens_per_s": [4], "prompt_tokens_per_s": 1 });
    let written = Written::of(&[one, other]);
    let column = |name: &str| written.column("summary.csv", name);
    assert_eq!(column("fastgen_requests"), ["3", "24"]);
    assert_eq!(column("fastgen_good_requests_cumulative_4"), ["0", "24"]);
    assert_eq!(column("fastgen_good_requests_ema16_2.5"), ["0", ""]);
    assert_eq!(column("fastgen_query_throughput_rps")[1].parse::<f64>().unwrap().round().to_string(), "40");
    assert_eq!(column("fastgen_token_latency_p50_s")[1], "0.01");
    assert_eq!(column("fastgen_replicas"), ["1", "1"]);
}

fn intervened() -> Run {
    let mut run = fixture::closed_loop(2, 20);
    let mark = Control::Mark { note: "=half, \"way\"".into() };
    run.controls = vec![(400_000_000, Control::Clients { clients: 3 }), (900_000_000, mark)];
    run
}

#[test]
fn segments_are_the_reports_parts_with_every_figure() {
    let run = intervened();
    let written = Written::of(&[run.clone(), fixture::run()]);
    let text = written.text("segments.csv");
    assert!(
        text.starts_with(
            "run,stage,segment,began,words,clients,rate,paused,start_s,end_s,seconds,requests_scheduled,\
             requests_completed,"
        ),
        "{text}"
    );
    let column = |name: &str| written.column("segments.csv", name);
    assert_eq!(column("began"), ["start", "clients", "mark"]);
    assert_eq!(column("segment"), ["1", "2", "3"]);
    assert_eq!(
        (column("clients"), column("rate")),
        (vec!["2".into(), "3".into(), "3".into()], vec![String::new(); 3])
    );
    assert!(column("words")[2].starts_with("'=half"), "{:?}", column("words"));
    let report = report(&run);
    let whole = report.stages[0].windows.measured.as_ref().unwrap();
    let sum = |name: &str| written.sum("segments.csv", name).round() as u64;
    assert_eq!(sum("requests_completed"), whole.requests.completed);
    assert_eq!(sum("tokens_output"), whole.tokens.output);
    assert_eq!(
        column("ttft_p50_s")[0],
        report.stages[0].segments[0].figures.latency.ttft_s.p50.unwrap().to_string()
    );
    assert_eq!(column("end_s")[0], column("start_s")[1]);
}

#[test]
fn tables_are_replaced_only_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let export = |run: &Run, old| {
        let mut export = Export::create(dir.path(), old)?;
        export.add(run, &report(run))?;
        export.finish()
    };
    export(&intervened(), Old::Keep).unwrap();
    let error = export(&fixture::run(), Old::Keep).unwrap_err();
    assert!(matches!(&error, ExportError::Exists { path } if path.ends_with("requests.csv")), "{error}");
    assert!(error.to_string().contains("--force"), "{error}");
    let rows = |name: &str| std::fs::read_to_string(dir.path().join(name)).map(|text| text.lines().count());
    assert_eq!(rows("requests.csv").unwrap(), 41);
    // The segments of the other recording would be taken for this one's.
    export(&fixture::run(), Old::Replace).unwrap();
    assert_eq!((rows("requests.csv").unwrap(), rows("segments.csv").is_err()), (6, true));
}

#[test]
fn an_export_that_is_given_up_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (new, old) = (home.path().join("new"), home.path().join("old"));
    std::fs::create_dir(&old).unwrap();
    drop(Export::create(&new, Old::Keep).unwrap());
    drop(Export::create(&old, Old::Keep).unwrap());
    assert!(!new.exists() && old.exists());
    assert_eq!(std::fs::read_dir(&old).unwrap().count(), 0);
    Export::create(&new, Old::Keep).unwrap().finish().unwrap();
    assert_eq!(std::fs::read_dir(&new).unwrap().count(), 4);
}
