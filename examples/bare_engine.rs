//! The engine and nothing else, to compare a run with: prints tokens/s of a closed loop of fixed lengths.
//!
//! `cargo run --release --example bare_engine -- SHAPE QUANTIZATION CLIENTS REQUESTS [THREADS]`

#[cfg(not(feature = "mistralrs"))]
fn main() {
    eprintln!("this example needs the embedded engine: build with the feature `mistralrs`");
}

#[cfg(feature = "mistralrs")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use fastgen_tui::backend::{GenerateRequest, Progress, mistralrs::bare};

    struct Said;
    impl Progress for Said {
        fn step(&self, _: &str, _: Option<f32>) {}
    }

    let args: Vec<String> = std::env::args().skip(1).collect();
    let [shape, quantization, clients, requests, ..] = args.as_slice() else {
        return Err("usage: bare_engine SHAPE QUANTIZATION CLIENTS REQUESTS [THREADS]".into());
    };
    let threads = args.get(4).map_or("\"auto\"", String::as_str);
    let profile = toml::from_str(&format!(
        "profile = {{ name = \"bare\" }}\nbackend = {{ device = \"cpu\", threads = {threads} }}\n\
         model = {{ dummy = \"{shape}\", quantization = \"{quantization}\" }}"
    ))?;
    let (clients, requests): (u32, u64) = (clients.parse()?, requests.parse()?);
    let warmup = clients as usize;
    let all = (0..requests + u64::from(clients)).map(|request| GenerateRequest {
        request,
        client: 0,
        prompt: (0..32).map(|i| 100 + (request as u32 * 31 + i * 7) % 3000).collect(),
        max_tokens: 64,
        ignore_eos: true,
    });
    let bare = bare::run(&profile, all.collect(), (clients, warmup), &Said)?;
    println!(
        "{} requests, {} tokens, {:.2} s, {:.1} tokens/s",
        bare.requests,
        bare.tokens,
        bare.seconds,
        bare.tokens_per_s()
    );
    Ok(())
}
