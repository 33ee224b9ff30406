//! CPU time of threads by name, in nanoseconds: fine enough for a measurement of a second. Linux only.

use super::threads;

/// CPU time that all threads of this process whose names begin so have used, nanoseconds. `None` where the system
/// can't tell, or where there is no such thread.
pub fn thread_cpu_ns(name: &str) -> Option<u64> {
    let mut sum = None;
    for entry in std::fs::read_dir("/proc/self/task").ok()?.flatten() {
        let folder = entry.path();
        // A thread may end between the listing and the reading.
        let Ok(called) = std::fs::read_to_string(folder.join("comm")) else { continue };
        if called.starts_with(name)
            && let Some(used) = used_ns(&folder)
        {
            sum = Some(sum.unwrap_or(0) + used);
        }
    }
    sum
}

/// From `schedstat`, whose first figure is time on a CPU in nanoseconds (see proc(5)); kernels without it tell
/// hundredths of a second.
fn used_ns(folder: &std::path::Path) -> Option<u64> {
    let precise = std::fs::read_to_string(folder.join("schedstat")).ok();
    let precise = precise.and_then(|text| text.split_ascii_whitespace().next()?.parse().ok());
    precise.or_else(|| threads::used_ns(&std::fs::read_to_string(folder.join("stat")).ok()?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn work_of_a_thread_is_told_by_its_name() {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let (stop, stopped) = std::sync::mpsc::sync_channel::<()>(1);
        let thread = std::thread::Builder::new().name("busy-one".into()).spawn(move || {
            let sum = (0..5_000_000_u64).fold(1, |a, b| std::hint::black_box(a ^ b.wrapping_mul(31)));
            tell.send(sum).unwrap();
            let _ = stopped.recv();
        });
        told.recv().unwrap();
        assert!(thread_cpu_ns("busy-").unwrap() > 0);
        assert_eq!(thread_cpu_ns("nobody-is-called-so"), None);
        drop(stop);
        thread.unwrap().join().unwrap();
    }
}
