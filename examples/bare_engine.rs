//! The engine and nothing else, to compare a run with: sends a profile's own requests in a closed loop, with no
//! events, recorder or screen, and prints output tokens/s.
//!
//! `cargo run --release --example bare_engine -- REQUESTS [PROFILE] [KEY=VALUE]…`

#[cfg(not(feature = "mistralrs"))]
fn main() {
    eprintln!("this example needs the embedded engine: build with the feature `mistralrs`");
}

#[cfg(feature = "mistralrs")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use fastgen_tui::backend::{GenerateRequest, Progress, mistralrs::bare};
    use fastgen_tui::profile;
    use fastgen_tui::workload::{Generator, Stream, Target};

    struct Silent;
    impl Progress for Silent {
        fn step(&self, _: &str, _: Option<f32>) {}
    }

    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(count) = args.first() else {
        return Err("usage: bare_engine REQUESTS [PROFILE] [KEY=VALUE]…".into());
    };
    let measured: u64 = count.parse()?;
    let name = args.get(1).map_or("demo", String::as_str);
    let profile = profile::resolve(name, args.get(2..).unwrap_or_default())?.profile;
    let clients = profile.load.clients;
    let warmup = u64::from(clients * profile.load.warmup_requests_per_client);
    let make = |asked: &bare::Asked| -> Result<Vec<GenerateRequest>, String> {
        let target =
            Target { vocabulary: asked.vocabulary, reserved: &asked.reserved, context: Some(asked.context) };
        let generator = Generator::new(&profile.workload, target, None).map_err(|e| e.to_string())?;
        let warm = (0..warmup).map(|i| generator.request(Stream::Warmup, i));
        let counted = (0..measured).map(|i| generator.request(Stream::Measured, i));
        let as_request = |(i, planned): (usize, fastgen_tui::workload::Planned)| GenerateRequest {
            request: i as u64,
            client: 0,
            prompt: planned.prompt,
            max_tokens: planned.output_tokens,
            ignore_eos: profile.workload.ignore_eos,
            text: None,
        };
        Ok(warm.chain(counted).enumerate().map(as_request).collect())
    };
    let bare = bare::run(&profile, make, (clients, warmup as usize), &Silent)?;
    println!(
        "{} requests, {} tokens, {:.2} s, {:.1} tokens/s",
        bare.requests,
        bare.tokens,
        bare.seconds,
        bare.tokens_per_s()
    );
    Ok(())
}
