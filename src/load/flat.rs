//! Does more load still help? The throughput of the loads so far, clients or requests/s asked for, and when to try no
//! larger ones.

use serde_json::Value;

use crate::profile::StagePlan;

/// Gains in a row that must be too small.
const GAINS: usize = 2;

/// Keys of a grid that are the load.
const LOADS: [&str; 2] = ["clients", "rate"];

/// Requests/s by load, in the part of the grid where all else is equal.
#[derive(Debug, Default)]
pub(super) struct Flat {
    /// The cell's values but the load.
    others: Vec<(String, Value)>,
    /// Ascending by load.
    curve: Vec<(f64, f64)>,
}

impl Flat {
    /// Takes a stage's throughput; a stage without one says nothing of the next.
    pub fn note(&mut self, plan: &StagePlan, requests_per_s: Option<f64>) {
        let others = others(plan);
        if others != self.others {
            *self = Self { others, curve: Vec::new() };
        }
        let Some(rate) = requests_per_s.filter(|rate| *rate > 0.0) else { return };
        let load = load(plan);
        match self.curve.binary_search_by(|point| point.0.total_cmp(&load)) {
            Ok(at) => self.curve[at].1 = self.curve[at].1.max(rate),
            Err(at) => self.curve.insert(at, (load, rate)),
        }
    }

    /// Why a stage need not run: if it has more load than all before, and these did not help any more.
    pub fn needless(&self, plan: &StagePlan) -> Option<String> {
        let wanted = plan.profile.stop.when_flat?;
        let (swept, _) = plan.sweep.iter().find(|(key, _)| LOADS.contains(&key.as_str()))?;
        let tail = self.curve.len().checked_sub(GAINS + 1).map(|from| &self.curve[from..])?;
        let (most, _) = *tail.last()?;
        if others(plan) != self.others || load(plan) <= most {
            return None;
        }
        let gains: Vec<f64> = tail.windows(2).map(|pair| pair[1].1 / pair[0].1 - 1.0).collect();
        gains.iter().all(|gain| *gain < wanted).then(|| {
            let said: Vec<String> = gains.iter().map(|gain| format!("{:+.1} %", gain * 100.0)).collect();
            let most = if swept == "rate" { format!("a rate of {most}") } else { format!("{most} clients") };
            format!(
                "up to {most} the last steps brought {} requests/s, less than stop.when_flat = {wanted}",
                said.join(" and ")
            )
        })
    }
}

/// Clients, or requests/s asked for.
fn load(plan: &StagePlan) -> f64 {
    let load = &plan.profile.load;
    load.open().map_or_else(|| f64::from(load.clients), |open| open.rate)
}

fn others(plan: &StagePlan) -> Vec<(String, Value)> {
    plan.sweep.iter().filter(|(key, _)| !LOADS.contains(&key.as_str())).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::resolve_in;

    fn sim() -> Vec<StagePlan> {
        let sets = [
            "workload.output_tokens=8",
            "sweep.clients=[1,2,4,3,8,16]",
            "sweep.output_tokens=[8,16]",
            "stop.when_flat=0.05",
        ];
        let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
        resolve_in(None, "sim", &sets).unwrap().profile.stages().unwrap()
    }

    #[test]
    fn larger_counts_are_needless_after_two_small_gains() {
        let plans = sim();
        let mut flat = Flat::default();
        for (plan, rate) in plans.iter().zip([1.0, 1.5, 1.53]) {
            assert_eq!(flat.needless(plan), None);
            flat.note(plan, Some(rate));
        }
        assert_eq!(flat.needless(&plans[4]), None, "one small gain may be chance");
        flat.note(&plans[4], Some(1.54));
        assert!(flat.needless(&plans[5]).unwrap().contains("+2.0 % and +0.7 %"));
        assert_eq!(flat.needless(&plans[3]), None, "3 clients lie between");
        assert_eq!(flat.needless(&plans[11]), None, "other lengths are another curve");
        flat.note(&plans[6], None);
        assert_eq!(flat.needless(&plans[5]), None);
    }

    #[test]
    fn higher_rates_are_needless_too() {
        let sets = ["load.kind=poisson", "sweep.rate=[1,2,4,8.5]", "stop.when_flat=0.05"];
        let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
        let plans = resolve_in(None, "sim", &sets).unwrap().profile.stages().unwrap();
        let mut flat = Flat::default();
        for (plan, rate) in plans.iter().zip([1.0, 1.02, 1.03]) {
            assert_eq!(flat.needless(plan), None);
            flat.note(plan, Some(rate));
        }
        let why = flat.needless(&plans[3]).unwrap();
        assert!(why.contains("up to a rate of 4 the last steps brought +2.0 % and +1.0 %"), "{why}");
    }

    #[test]
    fn without_the_key_all_are_run() {
        let mut flat = Flat::default();
        let mut plans = sim();
        for plan in &mut plans {
            plan.profile.stop.when_flat = None;
            assert_eq!(flat.needless(plan), None);
            flat.note(plan, Some(1.0));
        }
    }
}
