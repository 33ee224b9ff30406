//! What the engine costs through the trait `Backend`, against the engine and nothing else: the same requests of
//! fixed lengths in a closed loop, first bare, then through the trait, on one thread of clients each time.
//!
//! `cargo run --release --example bare_engine -- SHAPE QUANTIZATION CLIENTS REQUESTS [THREADS]`

#[cfg(not(feature = "mistralrs"))]
fn main() {
    eprintln!("this example needs the embedded engine: build with the feature `mistralrs`");
}

#[cfg(feature = "mistralrs")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::sync::Arc;

    use fastgen_tui::backend::{self, GenerateRequest, Progress, mistralrs::bare};
    use fastgen_tui::clock::Clock;
    use fastgen_tui::profile::Profile;

    struct Quiet;
    impl Progress for Quiet {
        fn step(&self, _: &str, _: Option<f32>) {}
    }

    let args: Vec<String> = std::env::args().skip(1).collect();
    let [shape, quantization, clients, requests, ..] = args.as_slice() else {
        return Err("usage: bare_engine SHAPE QUANTIZATION CLIENTS REQUESTS [THREADS]".into());
    };
    let threads = args.get(4).map_or("\"auto\"", String::as_str);
    let profile: Profile = toml::from_str(&format!(
        "profile = {{ name = \"bare\" }}\nbackend = {{ device = \"cpu\", threads = {threads} }}\n\
         model = {{ dummy = \"{shape}\", quantization = \"{quantization}\" }}"
    ))?;
    let (clients, requests): (u32, u64) = (clients.parse()?, requests.parse()?);
    let warmup = clients as usize;
    let all: Vec<_> = (0..requests + u64::from(clients))
        .map(|request| GenerateRequest {
            request,
            client: 0,
            prompt: (0..32).map(|i| 100 + (request as u32 * 31 + i * 7) % 3000).collect(),
            max_tokens: 64,
            ignore_eos: true,
        })
        .collect();

    let bare = bare::run(&profile, all.clone(), (clients, warmup), &Quiet)?;
    println!("bare:    {} tokens in {:.2} s, {:.1} tokens/s", bare.tokens, bare.seconds, bare.tokens_per_s());

    let clock = Clock::start();
    let progress: Arc<dyn Progress> = Arc::new(Quiet);
    let backend = backend::load(&profile, clock, &progress)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let first = clock.now_ns();
    runtime.block_on(async { backend.generate(all[0].clone()).next().await });
    let ttft_ms = (clock.now_ns() - first) as f64 / 1e6;
    println!("loaded in {:.3} s, first item after {ttft_ms:.1} ms", backend.info().load_s);
    let (first, rest) = all.split_at(warmup);
    runtime.block_on(through_the_trait(&backend, first.to_vec(), clients));
    let began = clock.now_ns();
    let tokens = runtime.block_on(through_the_trait(&backend, rest.to_vec(), clients));
    let seconds = (clock.now_ns() - began) as f64 / 1e9;
    let rate = f64::from(tokens) / seconds;
    println!("backend: {tokens} tokens in {seconds:.2} s, {rate:.1} tokens/s");
    println!("ratio {:.3}", rate / bare.tokens_per_s());
    Ok(())
}

/// A closed loop over the requests; gives the tokens generated.
#[cfg(feature = "mistralrs")]
async fn through_the_trait(
    backend: &std::sync::Arc<dyn fastgen_tui::backend::Backend>,
    requests: Vec<fastgen_tui::backend::GenerateRequest>,
    clients: u32,
) -> u32 {
    use fastgen_tui::backend::Item;

    let queue = std::sync::Arc::new(std::sync::Mutex::new(requests.into_iter()));
    let mut running = Vec::new();
    for _ in 0..clients {
        let (backend, queue) = (backend.clone(), queue.clone());
        running.push(tokio::spawn(async move {
            let mut tokens = 0;
            loop {
                let Some(request) = queue.lock().ok().and_then(|mut q| q.next()) else { return tokens };
                let mut generation = backend.generate(request);
                loop {
                    if let Item::End(end) = generation.next().await {
                        tokens += end.output_tokens;
                        break;
                    }
                }
            }
        }));
    }
    let mut tokens = 0;
    for client in running {
        tokens += client.await.unwrap_or_default();
    }
    tokens
}
