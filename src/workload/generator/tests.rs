//! Golden requests, and the laws of the generator.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::profile::{Distribution, Range};

fn demo() -> Workload {
    let spread =
        |mean: f64, min, max| Length::Of(Distribution::Normal(Spread { mean, std: mean * 0.3, min, max }));
    Workload {
        prompt_tokens: spread(64.0, 8, 256),
        output_tokens: spread(48.0, 4, 128),
        ..Workload::default()
    }
}

fn generator(workload: &Workload) -> Generator {
    let target = Target { vocabulary: 4096, reserved: &[0, 1, 2], context: Some(2048) };
    Generator::new(workload, target, None).unwrap()
}

/// SHA-256 over the first 1000 requests: lengths and ids, little-endian.
fn digest(generator: &Generator, stream: Stream) -> String {
    let mut hash = Sha256::new();
    for i in 0..1000 {
        let planned = generator.request(stream, i);
        hash.update((planned.prompt.len() as u32).to_le_bytes());
        planned.prompt.iter().for_each(|id| hash.update(id.to_le_bytes()));
        hash.update(planned.output_tokens.to_le_bytes());
    }
    format!("{:x}", hash.finalize())
}

/// Same seed, same requests: whoever changes these values makes recordings unrepeatable. The first two digests
/// were also computed by an independent program (Python, its own mathematics).
#[test]
fn the_requests_of_a_seed_never_change() {
    let made = generator(&demo());
    let lengths: Vec<(usize, u32)> = (0..6)
        .map(|i| made.request(Stream::Measured, i))
        .map(|p| (p.prompt.len(), p.output_tokens))
        .collect();
    assert_eq!(lengths, [(91, 37), (26, 57), (79, 44), (38, 52), (50, 45), (89, 36)]);
    assert_eq!(made.request(Stream::Measured, 0).prompt[..6], [1113, 1203, 622, 596, 2878, 1942]);
    assert_eq!(
        digest(&made, Stream::Measured),
        "c9ffd45f9e94d498d62db4955d135b111b9a0b022803dd61b6f1bc7d42ff3924"
    );
    assert_eq!(
        digest(&made, Stream::Warmup),
        "a0c2279905bd8d6433f78b9a275239a46bb67b103c65fdf0ab931ade94eb3e87"
    );
    let lognormal =
        Length::Of(Distribution::Lognormal(Spread { mean: 256.0, std: 128.0, min: 16, max: 1024 }));
    let uniform = Length::Of(Distribution::Uniform(Range { min: 32, max: 160 }));
    let mixed =
        Workload { prompt_tokens: lognormal, output_tokens: uniform, shared_prefix_tokens: 16, ..demo() };
    assert_eq!(
        digest(&generator(&mixed), Stream::Measured),
        "09bb2cd2423bec7b42aeec3557b671f605a7fe5e11f06dcd8e2d414fde03ba31"
    );
}

#[test]
fn the_order_of_asking_changes_nothing_and_the_seed_everything() {
    let made = generator(&demo());
    let forward: Vec<Planned> = (0..50).map(|i| made.request(Stream::Measured, i)).collect();
    let mut backward: Vec<Planned> = (0..50).rev().map(|i| made.request(Stream::Measured, i)).collect();
    backward.reverse();
    assert_eq!(forward, backward);
    let other = generator(&Workload { seed: 43, ..demo() });
    assert_ne!(other.request(Stream::Measured, 0), forward[0]);
    assert_ne!(made.request(Stream::Warmup, 0), forward[0]);
}

#[test]
fn every_usable_id_comes_and_no_reserved_one() {
    let workload = Workload { prompt_tokens: Length::Fixed(2000), ..demo() };
    let target = Target { vocabulary: 10, reserved: &[0, 3, 4, 9, 12], context: None };
    let made = Generator::new(&workload, target, None).unwrap();
    let mut seen: Vec<u32> = made.request(Stream::Measured, 0).prompt.to_vec();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [1, 2, 5, 6, 7, 8]);
    let none = Target { vocabulary: 2, reserved: &[0, 1], context: None };
    assert_eq!(Generator::new(&workload, none, None).unwrap_err(), WorkloadError::Vocabulary(2));
}

#[test]
fn a_shared_prefix_is_shared_and_the_rest_is_not() {
    let workload = Workload { prompt_tokens: Length::Fixed(40), shared_prefix_tokens: 16, ..demo() };
    let made = generator(&workload);
    let (a, b) = (made.request(Stream::Measured, 0), made.request(Stream::Warmup, 1));
    assert_eq!(a.prompt[..16], b.prompt[..16]);
    assert_ne!(a.prompt[16..], b.prompt[16..]);
}

#[test]
fn a_text_is_every_prompt() {
    let text: Arc<[u32]> = Arc::from([5, 6, 7]);
    let target = Target { vocabulary: 100, reserved: &[], context: Some(2048) };
    let made = Generator::new(&demo(), target, Some(text.clone())).unwrap();
    assert_eq!(made.request(Stream::Measured, 3).prompt, text);
    let empty = Generator::new(&demo(), target, Some(Arc::from([])));
    assert_eq!(empty.unwrap_err(), WorkloadError::EmptyPrompt);
}

#[test]
fn what_cannot_fit_the_context_is_refused_before_the_run() {
    assert_eq!(check_context(&demo(), None, 2048), Ok(384));
    let error = check_context(&demo(), None, 383).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a prompt of 256 and an output of 128 tokens can be drawn, together 384, but the model's context is 383; \
         lower the max of workload.prompt_tokens or workload.output_tokens"
    );
    assert_eq!(check_context(&demo(), Some(1000), 2048), Ok(1128));
    let open = Spread { mean: 60.0, std: 18.0, min: 1, max: Spread::UNBOUNDED };
    let workload = Workload { output_tokens: Length::Of(Distribution::Normal(open)), ..demo() };
    assert_eq!(check_context(&workload, None, 257), Ok(257));
    assert!(check_context(&workload, None, 256).is_err());
}

proptest! {
    #[test]
    fn requests_fit_the_context_and_are_as_long_as_drawn(
        (prompt_mean, output_mean) in (1.0f64..300.0, 1.0f64..300.0),
        (bounded_prompt, bounded_output) in (any::<bool>(), any::<bool>()),
        (context, seed, index) in (200u32..400, any::<u64>(), any::<u64>()),
    ) {
        let length = |mean: f64, bounded| Length::Of(Distribution::Normal(Spread {
            mean, std: mean * 0.3, min: 2, max: if bounded { 100 } else { Spread::UNBOUNDED },
        }));
        let workload = Workload {
            prompt_tokens: length(prompt_mean, bounded_prompt),
            output_tokens: length(output_mean, bounded_output),
            seed,
            ..Workload::default()
        };
        let target = Target { vocabulary: 50, reserved: &[7], context: Some(context) };
        let made = Generator::new(&workload, target, None).unwrap();
        let free = Generator::new(&workload, Target { context: None, ..target }, None).unwrap();
        let (planned, wanted) = (made.request(Stream::Measured, index), free.request(Stream::Measured, index));
        prop_assert!(planned.prompt.len() as u32 + planned.output_tokens <= context);
        prop_assert!(planned.prompt.len() >= 2 && planned.output_tokens >= 2);
        prop_assert!(planned.prompt.iter().all(|id| *id < 50 && *id != 7));
        // The context cuts lengths, and changes nothing else.
        prop_assert_eq!(&wanted.prompt[..planned.prompt.len()], &planned.prompt[..]);
        if bounded_prompt && bounded_output {
            prop_assert_eq!(planned, wanted);
        }
    }
}
