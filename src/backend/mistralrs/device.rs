//! Devices and compute threads: what a profile asks for, against what this build and machine have.

use mistralrs::Device;

use crate::backend::BackendError;
use crate::profile::Threads;

/// Models with fewer bytes of weights run fastest on one thread: their matrices are too small to be worth
/// the hand-over between threads at every operation.
const SMALL_BYTES: u64 = 32 << 20;

/// A device, and how it is called.
pub struct Chosen {
    pub device: Device,
    pub name: String,
    /// Named by the profile, not found: the model goes onto this one alone.
    pub explicit: bool,
}

/// The device of `backend.device`.
///
/// # Errors
/// [`BackendError::Unavailable`]: unknown, not in this build, not in this machine.
pub fn choose(wanted: &str) -> Result<Chosen, BackendError> {
    let unavailable =
        |why: String| BackendError::Unavailable(format!("the device \"{wanted}\" can't be had: {why}"));
    let built = "build with `--features";
    match wanted {
        "cpu" => Ok(Chosen { device: Device::Cpu, name: "cpu".into(), explicit: true }),
        "auto" => {
            let device = mistralrs::best_device(false).map_err(|e| unavailable(e.to_string()))?;
            let name = if device.is_cuda() {
                "cuda:0"
            } else if device.is_metal() {
                "metal"
            } else {
                "cpu"
            };
            Ok(Chosen { device, name: name.into(), explicit: false })
        }
        "metal" if cfg!(feature = "metal") => {
            let device = Device::new_metal(0).map_err(|e| unavailable(e.to_string()))?;
            Ok(Chosen { device, name: "metal".into(), explicit: true })
        }
        "metal" => Err(unavailable(format!("this build has no Metal; on a Mac, {built} metal`"))),
        _ => {
            let Some(ordinal) = wanted.strip_prefix("cuda") else {
                return Err(unavailable("there is no such device; it is auto, cpu, cuda:N or metal".into()));
            };
            let ordinal = if ordinal.is_empty() { ":0" } else { ordinal };
            let ordinal = ordinal.strip_prefix(':').and_then(|n| n.parse::<usize>().ok());
            let ordinal = ordinal.ok_or_else(|| unavailable("write cuda:0, cuda:1, …".into()))?;
            if !cfg!(feature = "cuda") {
                return Err(unavailable(format!("this build has no CUDA; {built} cuda`")));
            }
            let device =
                Device::new_cuda(ordinal).map_err(|e| unavailable(format!("it can't be opened: {e}")))?;
            Ok(Chosen { device, name: format!("cuda:{ordinal}"), explicit: true })
        }
    }
}

/// Sets the number of compute threads; gives the number there is. It can be set once in a process: a later
/// call with another number gets the first one's.
pub fn set_threads(wanted: Threads, weights: Option<u64>) -> u32 {
    let user = std::env::var("RAYON_NUM_THREADS").ok().and_then(|n| n.parse::<usize>().ok());
    let count = match wanted {
        Threads::Count(count) => count as usize,
        Threads::Auto => user.filter(|n| *n > 0).unwrap_or_else(|| auto_threads(weights)),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(count);
    if pool.thread_name(|n| format!("engine-compute-{n}")).build_global().is_err()
        && rayon::current_num_threads() != count
    {
        tracing::warn!(
            "the engine has {} compute threads, set before; {count} were asked for",
            rayon::current_num_threads()
        );
    }
    rayon::current_num_threads() as u32
}

/// One thread for small models, else one a physical core: the second thread of a core has no multiplier of
/// its own to add.
fn auto_threads(weights: Option<u64>) -> usize {
    if weights.is_some_and(|bytes| bytes < SMALL_BYTES) {
        return 1;
    }
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    sysinfo::System::physical_core_count().map_or(all, |cores| cores.min(all)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_are_not_there_are_named() {
        assert_eq!(choose("cpu").unwrap().name, "cpu");
        assert!(choose("auto").is_ok());
        for (wanted, word) in [("gpu", "no such device"), ("cuda:x", "cuda:0"), ("cuda:97", "cuda")] {
            let error = choose(wanted).err().unwrap().to_string();
            assert!(error.contains(word) && error.contains(wanted), "{error}");
        }
    }
}
