//! What this process uses. `sysinfo` goes through all processes of the machine to tell of one, which on a large machine costs
//! more than all other readings together; Linux is asked about this one only.

pub use self::system::Process;

#[cfg(target_os = "linux")]
mod system {
    use rustix::time::{ClockId, clock_gettime};

    /// This process, with its CPU time at the last reading.
    #[derive(Debug, Default)]
    pub struct Process {
        before: Option<(u64, u64)>,
    }

    impl Process {
        pub fn new() -> Self {
            Self::default()
        }

        /// CPU in % of one core since the last reading, and resident memory in bytes.
        pub fn read(&mut self, at_ns: u64) -> (Option<f32>, Option<u64>) {
            let used = clock_gettime(ClockId::ProcessCPUTime);
            let used_ns = used.tv_sec.cast_unsigned() * 1_000_000_000 + used.tv_nsec.cast_unsigned();
            let before = self.before.replace((at_ns, used_ns));
            let percent = before.filter(|(before_ns, _)| at_ns > *before_ns).map(|(before_ns, before)| {
                (used_ns.saturating_sub(before) as f64 / (at_ns - before_ns) as f64 * 100.0) as f32
            });
            (percent, std::fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident))
        }
    }

    /// Out of `/proc/self/status`, which tells kibibytes: see proc_pid_status(5).
    fn resident(status: &str) -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn resident_memory_is_found() {
            let status = "Name:\tx VmRSS: 7 kB\nVmHWM:\t  9000 kB\nVmRSS:\t  8192 kB\nThreads:\t4\n";
            assert_eq!(resident(status), Some(8 << 20));
            assert_eq!((resident("Name:\tx\n"), resident("VmRSS:\t12 MB\n")), (None, None));
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

    /// This process.
    pub struct Process {
        system: System,
        pid: Option<Pid>,
        primed: bool,
    }

    impl Process {
        pub fn new() -> Self {
            Self { system: System::new(), pid: sysinfo::get_current_pid().ok(), primed: false }
        }

        /// CPU in % of one core since the last reading, and resident memory in bytes.
        pub fn read(&mut self, _: u64) -> (Option<f32>, Option<u64>) {
            let Some(pid) = self.pid else { return (None, None) };
            let what = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
            self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
            let primed = std::mem::replace(&mut self.primed, true);
            let process = self.system.process(pid);
            let cpu = process.map(sysinfo::Process::cpu_usage).filter(|_| primed);
            (cpu, process.map(sysinfo::Process::memory))
        }
    }
}
