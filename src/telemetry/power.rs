//! Power of the CPU packages, from the kernel's energy counters (RAPL, `/sys/class/powercap`). On many systems only
//! root may read them; where they can't be read, power is not known.

use std::path::{Path, PathBuf};

/// Where the kernel has its power zones.
const ZONES: &str = "/sys/class/powercap";

/// The packages' counters, with what they told before.
#[derive(Debug, Default)]
pub struct Packages {
    counters: Vec<Counter>,
    before_ns: Option<u64>,
}

#[derive(Debug)]
struct Counter {
    path: PathBuf,
    /// It goes back to 0 beyond this, microjoules.
    range_uj: u64,
    before_uj: u64,
}

impl Packages {
    /// Looks for packages whose counters can be read.
    pub fn find() -> Self {
        Self::find_in(Path::new(ZONES))
    }

    fn find_in(zones: &Path) -> Self {
        let entries = std::fs::read_dir(zones).into_iter().flatten().flatten();
        let counters = entries.filter_map(|entry| Counter::of(&entry.path())).collect();
        Self { counters, before_ns: None }
    }

    /// Power of all of them since the last call, watts; `None` at first and where there are none.
    pub fn watts(&mut self, at_ns: u64) -> Option<f32> {
        if self.counters.is_empty() {
            return None;
        }
        let used: Option<Vec<u64>> = self.counters.iter_mut().map(Counter::used_uj).collect();
        let before_ns = self.before_ns.replace(at_ns)?;
        let seconds = at_ns.checked_sub(before_ns).filter(|ns| *ns > 0)? as f64 / 1e9;
        Some((used?.iter().sum::<u64>() as f64 / 1e6 / seconds) as f32)
    }
}

impl Counter {
    /// The counter of a zone that is a package. Its parts (cores, memory) are in it; `psys`, the whole platform, would
    /// count it twice.
    fn of(zone: &Path) -> Option<Self> {
        let name = std::fs::read_to_string(zone.join("name")).ok()?;
        if !name.starts_with("package-") {
            return None;
        }
        let path = zone.join("energy_uj");
        let before_uj = number(&path)?;
        let range_uj = number(&zone.join("max_energy_range_uj")).unwrap_or(0);
        Some(Self { path, range_uj, before_uj })
    }

    fn used_uj(&mut self) -> Option<u64> {
        let now = number(&self.path)?;
        let before = std::mem::replace(&mut self.before_uj, now);
        // It wrapped around; or was set back, which the range tells too little of to be more than 0.
        Some(now.checked_sub(before).unwrap_or_else(|| (self.range_uj + now).saturating_sub(before)))
    }
}

fn number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(zones: &Path, folder: &str, name: &str, uj: u64) {
        let zone = zones.join(folder);
        std::fs::create_dir_all(&zone).unwrap();
        std::fs::write(zone.join("name"), format!("{name}\n")).unwrap();
        std::fs::write(zone.join("max_energy_range_uj"), "1000000000\n").unwrap();
        std::fs::write(zone.join("energy_uj"), format!("{uj}\n")).unwrap();
    }

    #[test]
    fn packages_are_summed_and_a_counter_may_wrap() {
        let zones = tempfile::tempdir().unwrap();
        let set = |first, second| {
            zone(zones.path(), "intel-rapl:0", "package-0", first);
            zone(zones.path(), "intel-rapl:1", "package-1", second);
        };
        set(5_000_000, 999_000_000);
        zone(zones.path(), "intel-rapl:0:0", "core", 77);
        zone(zones.path(), "intel-rapl:2", "psys", 77);
        std::fs::create_dir(zones.path().join("intel-rapl")).unwrap();
        let mut packages = Packages::find_in(zones.path());
        assert_eq!(packages.watts(1_000_000_000), None, "the first has nothing to differ from");
        set(45_000_000, 19_000_000);
        // 40 J and 20 J in two seconds.
        assert_eq!(packages.watts(3_000_000_000), Some(30.0));
        std::fs::remove_file(zones.path().join("intel-rapl:1/energy_uj")).unwrap();
        assert_eq!(packages.watts(4_000_000_000), None);
    }

    #[test]
    fn without_zones_power_is_not_known() {
        let mut packages = Packages::find_in(Path::new("/nowhere/at/all"));
        assert_eq!((packages.watts(1), packages.watts(2)), (None, None));
    }
}
