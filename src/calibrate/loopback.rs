//! The way over HTTP: the built-in server, the cores it and the client have, and its truth.

use crate::calibrate::CalibrateError;
use crate::calibrate::answer::Pace;
use crate::calibrate::cores::Cores;
use crate::calibrate::plan::{Aim, Load};
use crate::calibrate::result::Errors;
use crate::calibrate::server::Server;
use crate::calibrate::truth;
use crate::clock::{Clock, TICK_NS};
use crate::metrics::RequestRecord;

pub use crate::calibrate::cores::room_for_streams;

/// The server, running. While it lives, the calling thread and all that it starts keep off the server's core.
pub struct Loopback {
    server: Server,
    cores: Cores,
}

impl Loopback {
    /// Starts the server.
    ///
    /// # Errors
    /// If the system gives no port or no thread.
    pub fn start(clock: Clock) -> Result<Self, CalibrateError> {
        let cores = Cores::divide();
        let server = Server::start(clock, cores.server).map_err(CalibrateError::Server)?;
        Ok(Self { server, cores })
    }

    /// The server has a core for itself.
    pub fn own_core(&self) -> bool {
        self.cores.server.is_some()
    }

    /// Serves a load from now on; gives the base URL.
    pub fn serve(&self, load: &Load) -> String {
        self.server.take_served();
        let ns = |seconds: f64| (seconds * 1e9) as u64;
        self.server.set(Pace {
            tokens: load.output_tokens,
            prompt_tokens: load.prompt_tokens,
            ttft_ns: ns(load.ttft_s),
            itl_ns: ns(load.itl_s),
        });
        format!("http://127.0.0.1:{}/v1", self.server.port)
    }

    /// Requests that are alike and unlike at both sides, and a paced load's errors.
    pub fn compare(
        &self,
        load: &Load,
        records: &[RequestRecord],
        since_ns: u64,
    ) -> (u64, u64, Option<Errors>) {
        let compared = truth::compare(records, &self.server.take_served(), since_ns, TICK_NS);
        (compared.alike, compared.unlike, (load.aim == Aim::Paced).then_some(compared.errors))
    }
}
