//! Do more clients still help? The throughput of the client counts so far, and when to try no larger ones.

use serde_json::Value;

use crate::profile::StagePlan;

/// Gains in a row that must be too small.
const GAINS: usize = 2;

/// Requests/s by clients, in the part of the grid where all else is equal.
#[derive(Debug, Default)]
pub(super) struct Flat {
    /// The cell's values but `clients`.
    others: Vec<(String, Value)>,
    /// Ascending by clients.
    curve: Vec<(u32, f64)>,
}

impl Flat {
    /// Takes a stage's throughput; a stage without one says nothing of the next.
    pub fn note(&mut self, plan: &StagePlan, requests_per_s: Option<f64>) {
        let others = others(plan);
        if others != self.others {
            *self = Self { others, curve: Vec::new() };
        }
        let Some(rate) = requests_per_s.filter(|rate| *rate > 0.0) else { return };
        let clients = plan.profile.load.clients;
        match self.curve.binary_search_by_key(&clients, |point| point.0) {
            Ok(at) => self.curve[at].1 = self.curve[at].1.max(rate),
            Err(at) => self.curve.insert(at, (clients, rate)),
        }
    }

    /// Why a stage need not run: if it has more clients than all before, and these did not help any more.
    pub fn needless(&self, plan: &StagePlan) -> Option<String> {
        let wanted = plan.profile.stop.when_flat?;
        let swept = plan.sweep.iter().any(|(key, _)| key == "clients");
        let tail = self.curve.len().checked_sub(GAINS + 1).map(|from| &self.curve[from..])?;
        let (most, _) = *tail.last()?;
        if !swept || others(plan) != self.others || plan.profile.load.clients <= most {
            return None;
        }
        let gains: Vec<f64> = tail.windows(2).map(|pair| pair[1].1 / pair[0].1 - 1.0).collect();
        gains.iter().all(|gain| *gain < wanted).then(|| {
            let said: Vec<String> = gains.iter().map(|gain| format!("{:+.1} %", gain * 100.0)).collect();
            format!(
                "up to {most} clients the last steps brought {} requests/s, less than stop.when_flat = {wanted}",
                said.join(" and ")
            )
        })
    }
}

fn others(plan: &StagePlan) -> Vec<(String, Value)> {
    plan.sweep.iter().filter(|(key, _)| key != "clients").cloned().collect()
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
