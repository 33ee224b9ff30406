//! One engine: loading it, handing requests over, watching it, ending it.
//!
//! The engine's own handle restarts it in silence when asked for its channel after a death. So the channel is
//! taken once, when loaded, and kept: a dead engine stays dead, and its closed channel tells.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use mistralrs::core::{
    GGUFLoaderBuilder, GGUFSpecificConfig, Loader, MistralRsBuilder, NormalLoaderBuilder,
    NormalSpecificConfig, Pipeline,
};
use mistralrs::{
    AutoDeviceMapParams, DefaultSchedulerMethod, DeviceMapSetting, MemoryGpuConfig, MistralRs, ModelDType,
    PagedAttentionConfig, PagedCacheType, Request, SchedulerConfig, TokenSource,
};
use tokio::sync::mpsc::Sender;

use super::device::Chosen;
use super::panics;
use super::steps::Steps;
use crate::clock::Clock;
use crate::model::Prepared;
use crate::profile::Profile;

/// A step may take long (a long prompt on a slow CPU); after so long without any it is called hung.
const HUNG_AFTER: Duration = Duration::from_mins(15);
/// How long an engine may take to end.
const END_WITHIN: Duration = Duration::from_secs(5);
/// Part of a GPU's free memory for weights and KV cache with PagedAttention.
const GPU_SHARE: f32 = 0.9;

/// A loaded engine.
pub struct Engine {
    sender: Sender<Request>,
    /// Owns the engine's thread: dropping it ends the engine.
    runner: Arc<MistralRs>,
    pub steps: Arc<Steps>,
    clock: Clock,
    in_flight: AtomicU32,
    /// When the engine last went from idle to busy, on the run's clock.
    busy_since_ns: AtomicU64,
    shut_down: AtomicBool,
    pub facts: Facts,
}

/// What the loaded pipeline says of itself.
#[derive(Debug, Clone)]
pub struct Facts {
    pub context: u32,
    pub end_tokens: Vec<u32>,
    /// Tokens in the tokenizer, special ones included.
    pub tokenizer_tokens: u32,
    /// The tokenizer's special tokens, sorted.
    pub special_tokens: Vec<u32>,
    /// Asked for a chat without a template, the engine panics.
    pub chat_template: bool,
    pub paged_attention: bool,
    /// The type activations have.
    pub dtype: String,
}

/// Loads a model and starts an engine for it. Blocks; call it on a thread of its own.
///
/// # Errors
/// The engine's message, in one line.
pub fn load(profile: &Profile, model: &Prepared, device: &Chosen, clock: Clock) -> Result<Engine, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("engine-load")
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let loader = loader(model)?;
    let quantize = match model {
        Prepared::Gguf(_) => None,
        _ if profile.model.quantization == "none" => None,
        _ => Some(mistralrs::parse_isq_value(&profile.model.quantization, Some(&device.device))?),
    };
    let mapping = if device.explicit || device.device.is_cpu() {
        DeviceMapSetting::dummy()
    } else {
        DeviceMapSetting::Auto(AutoDeviceMapParams::default_text())
    };
    let pipeline = loader
        .load_model_from_hf(
            None,
            TokenSource::CacheToken,
            &ModelDType::Auto,
            &device.device,
            true,
            mapping,
            quantize,
            paged_attention(profile, device)?,
        )
        .map_err(|e| format!("{e:#}"))?;
    let (facts, scheduler) = look(&pipeline, profile.backend.max_batch)?;
    // End-of-sequence tokens are stop tokens of those requests that want them; the engine knows of none.
    let builder = MistralRsBuilder::new(pipeline, scheduler, true, None)
        .with_no_prefix_cache(!profile.backend.prefix_cache)
        .with_disable_eos_stop(true);
    let runner =
        runtime.block_on(async { tokio::spawn(builder.build()).await }).map_err(|e| e.to_string())?;
    let sender = runner.get_sender(None).map_err(|e| e.to_string())?;
    let engine = Engine {
        sender,
        runner,
        steps: Arc::new(Steps::new(facts.paged_attention)),
        clock,
        in_flight: AtomicU32::new(0),
        busy_since_ns: AtomicU64::new(0),
        shut_down: AtomicBool::new(false),
        facts,
    };
    engine.health().map(|()| engine)
}

/// What a pipeline that is not running yet says of itself, and the scheduler it takes.
fn look(
    pipeline: &tokio::sync::Mutex<dyn Pipeline + Send + Sync>,
    max_batch: u32,
) -> Result<(Facts, SchedulerConfig), String> {
    let pipeline = pipeline.try_lock().map_err(|e| e.to_string())?;
    let metadata = pipeline.get_metadata();
    let tokenizer = pipeline.tokenizer().ok_or("the model has no tokenizer")?;
    let added = tokenizer.get_added_tokens_decoder().into_iter();
    let mut special_tokens: Vec<u32> = added.filter(|(_, token)| token.special).map(|(id, _)| id).collect();
    special_tokens.sort_unstable();
    let facts = Facts {
        context: u32::try_from(metadata.max_seq_len).unwrap_or(u32::MAX),
        end_tokens: metadata.eos_tok.clone(),
        tokenizer_tokens: tokenizer.get_vocab_size(true) as u32,
        special_tokens,
        chat_template: pipeline.get_chat_template().is_some_and(|template| template.has_chat_template()),
        paged_attention: metadata.cache_config.is_some(),
        dtype: format!("{:?}", metadata.activation_dtype).to_lowercase(),
    };
    let max_num_seqs = NonZeroUsize::new(max_batch as usize).ok_or("backend.max_batch is 0")?;
    let scheduler = match metadata.cache_config.clone() {
        Some(config) => SchedulerConfig::PagedAttentionMeta { max_num_seqs: max_num_seqs.get(), config },
        None => SchedulerConfig::DefaultScheduler { method: DefaultSchedulerMethod::Fixed(max_num_seqs) },
    };
    Ok((facts, scheduler))
}

fn loader(model: &Prepared) -> Result<Box<dyn Loader>, String> {
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or("the model's path is not UTF-8");
    match model {
        Prepared::Gguf(info) => {
            let path = std::fs::canonicalize(&info.path).map_err(|e| e.to_string())?;
            let folder = text(path.parent().unwrap_or(Path::new("/")))?;
            let file = text(Path::new(path.file_name().unwrap_or_default()))?;
            let config = GGUFSpecificConfig::default();
            Ok(GGUFLoaderBuilder::new(None, None, folder, vec![file], config, false, None).build())
        }
        Prepared::Folder(path) => normal_loader(text(path)?),
        Prepared::Hub(id) => normal_loader(id.clone()),
    }
}

fn normal_loader(id: String) -> Result<Box<dyn Loader>, String> {
    NormalLoaderBuilder::new(NormalSpecificConfig::default(), None, None, Some(id), false, None)
        .build(None)
        .map_err(|e| format!("{e:#}"))
}

fn paged_attention(profile: &Profile, device: &Chosen) -> Result<Option<PagedAttentionConfig>, String> {
    if !profile.backend.paged_attention || device.device.is_cpu() || !mistralrs::paged_attn_supported() {
        return Ok(None);
    }
    PagedAttentionConfig::new(None, MemoryGpuConfig::Utilization(GPU_SHARE), PagedCacheType::Auto)
        .map(Some)
        .map_err(|e| e.to_string())
}

/// Why a request was not taken.
pub enum NotTaken {
    Full,
    Dead(String),
}

impl Engine {
    /// Requests in flight: handed over and not yet let go.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Hands a request over. Every success must be followed by one [`Engine::left`].
    pub fn submit(&self, request: Request) -> Result<(), NotTaken> {
        if self.in_flight.fetch_add(1, Ordering::Relaxed) == 0 {
            self.busy_since_ns.store(self.clock.now_ns(), Ordering::Relaxed);
        }
        self.sender.try_send(request).map_err(|error| {
            self.left();
            match error {
                tokio::sync::mpsc::error::TrySendError::Full(_) => NotTaken::Full,
                tokio::sync::mpsc::error::TrySendError::Closed(_) => NotTaken::Dead(self.cause()),
            }
        })
    }

    /// A request that was handed over is done with.
    pub fn left(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn was_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::Acquire)
    }

    /// `Err` once the engine has ended, or has done nothing for very long with requests in flight.
    pub fn health(&self) -> Result<(), String> {
        if self.sender.is_closed() {
            return Err(self.cause());
        }
        let quiet_since = self.steps.last_ns().max(self.busy_since_ns.load(Ordering::Relaxed));
        let quiet = Duration::from_nanos(self.clock.now_ns().saturating_sub(quiet_since));
        if self.in_flight() > 0 && quiet > HUNG_AFTER {
            return Err(format!(
                "it hangs: no token for {} min with {} requests in flight",
                quiet.as_secs() / 60,
                self.in_flight()
            ));
        }
        Ok(())
    }

    fn cause(&self) -> String {
        if self.was_shut_down() {
            return "it was shut down".into();
        }
        panics::last().map_or_else(|| "its thread ended".into(), |panic| format!("it panicked: {panic}"))
    }

    /// Asks the engine to end. [`Engine::wait`] waits for it.
    pub fn end(&self) {
        self.shut_down.store(true, Ordering::Release);
        let _ = self.sender.try_send(Request::Terminate);
    }

    /// Waits until the engine has ended; `false` if it does not within [`END_WITHIN`].
    pub fn wait(&self) -> bool {
        let poll = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while !self.sender.is_closed() {
            if waited >= END_WITHIN {
                return false;
            }
            std::thread::sleep(poll);
            waited += poll;
        }
        true
    }

    /// The engine's own handle, for its server's handlers.
    #[cfg(feature = "serve")]
    pub fn runner(&self) -> Arc<MistralRs> {
        self.runner.clone()
    }

    /// The engine's channel, to ask it directly.
    pub fn channel(&self) -> &Sender<Request> {
        &self.sender
    }
}
