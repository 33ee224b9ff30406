//! NVIDIA GPUs through NVML, whose library is loaded while running: without it there are simply no GPUs.

use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
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
        temperature_c: device.temperature(TemperatureSensor::Gpu).ok().map(|t| t as f32),
    }
}
