//! Host and GPU readings: what the machine did while figures were taken, and what the client itself cost.
//!
//! The run's driver calls [`Sampler::sample`] once a second, from a thread that may block for a millisecond or
//! two. Whatever can't be read is `None`.

mod cpu_time;
mod gpu;
mod power;
mod process;
mod threads;

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, System};

use self::gpu::Gpus;
use self::power::Packages;
use self::process::Process;
use self::threads::Threads;
use crate::event::Sample;
use crate::recording::Host;

pub use self::cpu_time::thread_cpu_ns;

/// Takes readings; holds what the readings before told, since usage is a difference.
pub struct Sampler {
    system: System,
    process: Process,
    gpus: Gpus,
    threads: Threads,
    packages: Packages,
    /// The first readings have nothing to differ from.
    primed: bool,
}

impl Default for Sampler {
    fn default() -> Self {
        Self::new()
    }
}

impl Sampler {
    /// Looks for GPUs, which may take a moment.
    pub fn new() -> Self {
        Self {
            system: System::new(),
            process: Process::new(),
            gpus: Gpus::open(),
            threads: Threads::default(),
            packages: Packages::find(),
            primed: false,
        }
    }

    /// Readings at `at_ns` nanoseconds since the run's start. CPU figures are means since the sample before;
    /// the first one has none. What the engine and the client runtime tell is left to the caller, as is what needs
    /// to know where the engine is: its CPU is that of all threads that would be its own if it is in here.
    pub fn sample(&mut self, at_ns: u64) -> Sample {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let primed = std::mem::replace(&mut self.primed, true);
        let (process_cpu_percent, rss_bytes) = self.process.read(at_ns);
        let shares = self.threads.shares(at_ns);
        let cores = self.system.cpus().iter().filter(|_| primed).map(sysinfo::Cpu::cpu_usage);
        Sample {
            at_ns,
            cpu_percent: Some(self.system.global_cpu_usage()).filter(|_| primed),
            process_cpu_percent,
            core_percent: cores.collect(),
            client_cpu_percent: shares.map(|shares| shares.client),
            engine_cpu_percent: shares.map(|shares| shares.engine),
            load_1m: load(),
            rss_bytes,
            memory_used_bytes: known(self.system.used_memory()),
            memory_total_bytes: known(self.system.total_memory()),
            cpu_power_w: self.packages.watts(at_ns),
            gpus: self.gpus.sample(),
            ..Sample::default()
        }
    }
}

/// A system that can't tell says 0.
fn known(bytes: u64) -> Option<u64> {
    (bytes > 0).then_some(bytes)
}

/// The mean of a minute; Windows has none, and says 0.
fn load() -> Option<f32> {
    (!cfg!(windows)).then(|| System::load_average().one as f32)
}

/// The machine, for a recording's header. Empty or 0 where it can't be told.
pub fn host() -> Host {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    system.refresh_cpu_specifics(CpuRefreshKind::nothing());
    let cpus = system.cpus();
    Host {
        name: System::host_name().unwrap_or_default(),
        os: System::long_os_version().unwrap_or_default(),
        kernel: System::kernel_version().unwrap_or_default(),
        cpu: cpus.first().map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default(),
        cores: u32::try_from(cpus.len()).unwrap_or(u32::MAX),
        memory_bytes: system.total_memory(),
        gpus: Gpus::open().names(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn the_machine_is_told() {
        let host = host();
        assert!(host.cores > 0 && host.memory_bytes > 1 << 20, "{host:?}");
        assert!(!host.os.is_empty() && !host.kernel.is_empty(), "{host:?}");
    }

    #[test]
    fn work_shows_in_the_next_sample_only() {
        let clock = Clock::start();
        let mut sampler = Sampler::new();
        let first = sampler.sample(clock.now_ns());
        assert_eq!(
            (first.cpu_percent, first.process_cpu_percent, first.client_cpu_percent),
            (None, None, None)
        );
        let stop = clock.now_ns() + 400_000_000;
        let mut sum = 0u64;
        while clock.now_ns() < stop {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(1));
        }
        let second = sampler.sample(clock.now_ns());
        assert!(second.process_cpu_percent.unwrap() > 10.0, "{second:?}");
        assert!((0.0..=100.0).contains(&second.cpu_percent.unwrap()), "{second:?}");
        assert_eq!(second.core_percent.len(), host().cores as usize);
        assert!(second.load_1m.unwrap() >= 0.0, "{second:?}");
        assert!(second.rss_bytes.unwrap() > 1 << 20 && second.rss_bytes < second.memory_total_bytes);
    }
}
