//! The way over HTTP, in a build or on a system without it: there is none, and no plan asks for it.

use crate::calibrate::CalibrateError;
use crate::calibrate::plan::Load;
use crate::calibrate::result::Errors;
use crate::clock::Clock;
use crate::metrics::RequestRecord;

/// What there is none of.
pub enum Loopback {}

/// In process nothing is opened.
pub fn room_for_streams() -> u32 {
    u32::MAX
}

impl Loopback {
    pub fn start(_: Clock) -> Result<Self, CalibrateError> {
        Err(CalibrateError::NoHttp)
    }

    pub fn own_core(&self) -> bool {
        match *self {}
    }

    pub fn serve(&self, _: &Load) -> String {
        match *self {}
    }

    pub fn compare(&self, _: &Load, _: &[RequestRecord], _: u64) -> (u64, u64, Option<Errors>) {
        match *self {}
    }
}
