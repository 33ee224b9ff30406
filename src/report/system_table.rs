//! The readings of a recording's stages in one short table for people: a row a stage. JSON and HTML have them all.

use super::figures::Report;
use super::system::{GpuReport, Spread, SystemReport};
use super::table::{Table, number};

const MIB: f64 = (1 << 20) as f64;
const GIB: f64 = (1 << 30) as f64;

/// A figure of a stage.
type Figure = fn(&SystemReport) -> Option<f64>;
/// A column: its head, what is in it, and its decimals.
type Column = (&'static str, Figure, usize);

/// Columns of plain numbers.
const NUMBERS: [Column; 5] = [
    ("host CPU %", |s| s.cpu_percent.mean, 0),
    ("engine, % of a core", |s| s.engine_cpu_percent.mean, 0),
    ("client, % of a core", |s| s.client_cpu_percent.mean, 1),
    ("GPU %", |s| mean(&s.gpus, |g| g.utilisation_percent), 0),
    ("GPU W", |s| sum(&s.gpus, |g| g.power_w.mean), 1),
];
/// Bytes, the highest of the window.
const BYTES: [(&str, Figure); 3] = [
    ("process", |s| s.rss_bytes.max),
    ("host in use", |s| s.memory_used_bytes.max),
    ("GPU", |s| sum(&s.gpus, |g| g.memory_used_bytes.max)),
];
/// What a token cost.
const COST: [Column; 2] =
    [("power W", |s| s.power_w.mean, 1), ("J/output token", |s| s.energy_j_per_output_token, 3)];

/// Means over each stage's measured window, of memory the highest value; only what is known of some stage. `None` without
/// a reading.
pub fn table(report: &Report) -> Option<Table> {
    let stages = || report.stages.iter().filter_map(|stage| Some((stage, stage.system.as_ref()?)));
    let all: Vec<&SystemReport> = stages().map(|(_, system)| system).collect();
    let mut table = Table::new(["system"]);
    table.rows = stages().map(|(stage, _)| vec![stage.name.clone()]).collect();
    let add = |table: &mut Table, (head, of, decimals): Column| {
        column(table, head, all.iter().map(|s| of(s)), decimals);
    };
    for numbers in NUMBERS {
        add(&mut table, numbers);
    }
    for (what, of) in BYTES {
        let (unit, scale) = unit(all.iter().filter_map(|s| of(s)));
        column(&mut table, &format!("{what} {unit}"), all.iter().map(|s| of(s).map(|v| v / scale)), 2);
    }
    for cost in COST {
        add(&mut table, cost);
    }
    (table.header.len() > 1).then_some(table)
}

/// Adds a column, if anything in it is known.
fn column(table: &mut Table, head: &str, values: impl Iterator<Item = Option<f64>>, decimals: usize) {
    let values: Vec<_> = values.collect();
    if values.iter().all(Option::is_none) {
        return;
    }
    table.header.push(head.to_owned());
    for (row, value) in table.rows.iter_mut().zip(values) {
        row.push(number(value, decimals));
    }
}

/// One unit for a whole column, that its highest value is 1 at least.
fn unit(values: impl Iterator<Item = f64>) -> (&'static str, f64) {
    if values.fold(0.0, f64::max) >= GIB { ("GiB", GIB) } else { ("MiB", MIB) }
}

fn known(gpus: &[GpuReport], of: impl Fn(&GpuReport) -> Option<f64>) -> Vec<f64> {
    gpus.iter().filter_map(of).collect()
}

/// Over all GPUs; not known if one of them doesn't tell.
fn sum(gpus: &[GpuReport], of: fn(&GpuReport) -> Option<f64>) -> Option<f64> {
    let known = known(gpus, of);
    (!known.is_empty() && known.len() == gpus.len()).then(|| known.iter().sum())
}

fn mean(gpus: &[GpuReport], of: fn(&GpuReport) -> Spread) -> Option<f64> {
    let known = known(gpus, |g| of(g).mean);
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;
    use crate::event::{GpuSample, Sample};
    use crate::report::{Show, fixture, markdown, report, text};

    #[test]
    fn only_what_is_known_has_a_column() {
        let mut run = fixture::sweep(&[("tiny", 1), ("tiny", 2)]);
        assert!(table(&report(&run)).is_none());
        let gpu = |memory: u64| GpuSample {
            utilisation_percent: Some(40.0),
            memory_used_bytes: Some(memory << 20),
            power_w: Some(50.0),
            ..GpuSample::default()
        };
        run.samples = vec![Sample {
            at_ns: 100_000_000,
            cpu_percent: Some(50.4),
            engine_cpu_percent: Some(180.0),
            client_cpu_percent: Some(1.25),
            rss_bytes: Some(512 << 20),
            gpus: vec![gpu(1024), gpu(512)],
            ..Sample::default()
        }];
        let report = report(&run);
        let made = table(&report).unwrap();
        assert_eq!(
            made.header,
            [
                "system",
                "host CPU %",
                "engine, % of a core",
                "client, % of a core",
                "GPU %",
                "GPU W",
                "process MiB",
                "GPU GiB"
            ]
        );
        assert_eq!(made.rows[0][1..], ["50", "180", "1.2", "40", "100.0", "512.00", "1.50"]);
        assert_eq!(made.rows.len(), 2, "both stages of the fixture run at that time");
        let reports = std::slice::from_ref(&report);
        assert!(text(reports, Show::Both).contains("\n  system "), "{}", text(reports, Show::Both));
        assert!(markdown(reports, Show::Both).contains("| system | host CPU % |"));
    }
}
