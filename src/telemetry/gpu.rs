//! NVIDIA GPUs through NVML, whose library is loaded while running: without it there are simply no GPUs.

use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::{Device, Nvml};

use crate::event::GpuSample;

/// The GPUs of this machine.
pub struct Gpus {
    nvml: Option<Nvml>,
}

impl Gpus {
    /// Loads NVML, if there is one.
    pub fn open() -> Self {
        Self { nvml: Nvml::init().ok() }
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.devices().filter_map(|device| device.name().ok()).collect()
    }

    /// One entry a GPU.
    pub fn sample(&self) -> Vec<GpuSample> {
        self.devices().map(|device| read(&device)).collect()
    }

    fn devices(&self) -> impl Iterator<Item = Device<'_>> {
        self.nvml.iter().flat_map(|nvml| {
            let count = nvml.device_count().unwrap_or(0);
            (0..count).filter_map(|index| nvml.device_by_index(index).ok())
        })
    }
}

fn read(device: &Device) -> GpuSample {
    let memory = device.memory_info().ok();
    GpuSample {
        name: device.name().unwrap_or_default(),
        utilisation_percent: device.utilization_rates().ok().map(|u| u.gpu as f32),
        memory_used_bytes: memory.as_ref().map(|m| m.used),
        memory_total_bytes: memory.as_ref().map(|m| m.total),
        power_w: device.power_usage().ok().map(|milliwatts| milliwatts as f32 / 1e3),
        power_limit_w: device.enforced_power_limit().ok().map(|milliwatts| milliwatts as f32 / 1e3),
        temperature_c: device.temperature(TemperatureSensor::Gpu).ok().map(|t| t as f32),
        clock_mhz: device.clock_info(Clock::SM).ok(),
        memory_clock_mhz: device.clock_info(Clock::Memory).ok(),
        throttled_by: device.current_throttle_reasons().ok().map(words),
    }
}

/// Reasons for lower clocks, in words. An idle GPU and clocks that somebody asked for are no throttling.
const REASONS: [(ThrottleReasons, &str); 6] = [
    (ThrottleReasons::SW_POWER_CAP, "power cap"),
    (ThrottleReasons::SW_THERMAL_SLOWDOWN, "heat"),
    (ThrottleReasons::HW_THERMAL_SLOWDOWN, "heat (hardware)"),
    (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "power brake"),
    (ThrottleReasons::HW_SLOWDOWN, "slowdown (hardware)"),
    (ThrottleReasons::SYNC_BOOST, "sync boost"),
];

fn words(reasons: ThrottleReasons) -> Vec<String> {
    REASONS
        .iter()
        .filter(|(reason, _)| reasons.contains(*reason))
        .map(|(_, word)| (*word).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_words_and_idleness_is_none() {
        assert!(words(ThrottleReasons::GPU_IDLE | ThrottleReasons::APPLICATIONS_CLOCKS_SETTING).is_empty());
        let hot = ThrottleReasons::HW_THERMAL_SLOWDOWN | ThrottleReasons::SW_POWER_CAP;
        assert_eq!(words(hot), ["power cap", "heat (hardware)"]);
    }

    #[test]
    fn a_machine_without_the_library_has_no_gpus_and_no_error() {
        let none = Gpus { nvml: None };
        assert!(none.sample().is_empty() && none.names().is_empty());
    }
}
