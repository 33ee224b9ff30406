//! Every dialect against the recorded exchanges of its server: found out, asked as it wants, and understood.

use fastgen_tui::event::{CountedBy, Outcome};

use crate::replay::Replay;
use crate::{Story, load, program, tell_of, try_load_apart};

/// An exchange: file, path of the URL, more of the profile, the version that is told, chunks, tokens and who counted
/// them, the prompt's tokens as the server says.
struct Case(
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [u32],
    (u32, CountedBy),
    Option<u32>,
);

const USAGE: CountedBy = CountedBy::Usage;
const CHUNKS: CountedBy = CountedBy::Chunks;

const CASES: [Case; 17] = [
    Case("tgi", "", "", "TGI 2.4.0", &[1; 4], (4, USAGE), Some(5)),
    Case("tgi", "/v1", "dialect = \"tgi\"", "TGI 2.4.0", &[1; 4], (4, USAGE), Some(5)),
    Case("tgi", "/generate_stream", "stream = false", "TGI 2.4.0", &[], (4, USAGE), None),
    Case("tgi-old", "", "", "TGI 0.9.4", &[1, 1], (2, USAGE), None),
    Case("mii-gateway", "/mii/smol-deployment", "dialect = \"mii\"", "MII", &[], (4, USAGE), Some(5)),
    Case(
        "mii-gateway",
        "",
        "dialect = \"mii\"\nmodel = \"smol-deployment\"",
        "MII",
        &[],
        (4, USAGE),
        Some(5),
    ),
    Case("mii-text", "/generate", "dialect = \"mii\"", "MII", &[1; 4], (4, CHUNKS), None),
    Case("mii-openai", "", "", "MII's OpenAI server", &[1, 1], (2, CHUNKS), None),
    Case("mii-openai", "", "endpoint = \"chat\"", "MII's OpenAI server", &[1, 1], (2, CHUNKS), None),
    Case("llama-cpp", "", "", "llama.cpp b1-571d0d5", &[1, 1], (4, USAGE), Some(3)),
    Case("llama-cpp", "", "endpoint = \"chat\"", "llama.cpp b1-571d0d5", &[1, 1], (2, USAGE), Some(32)),
    Case("vllm", "", "", "vLLM 0.6.3", &[1, 1, 2], (4, USAGE), Some(3)),
    Case("vllm", "", "dialect = \"vllm\"", "vLLM 0.6.3", &[1, 1, 2], (4, USAGE), Some(3)),
    Case("vllm-renamed", "", "stream = false", "vLLM 0.6.3", &[], (4, USAGE), Some(4)),
    Case("sglang", "", "", "SGLang", &[1, 1], (4, USAGE), Some(3)),
    Case("openai", "", "endpoint = \"chat\"", "OpenAI", &[1], (2, USAGE), Some(10)),
    Case("openai", "", "endpoint = \"chat\"\nmodel = \"gpt-4o-mini\"", "OpenAI", &[1], (2, USAGE), Some(10)),
];

fn completed(story: &Story, name: &str) {
    assert_eq!(story.end.outcome, Outcome::Completed, "{name}: {:?}", story.end.error);
}

#[tokio::test]
async fn recorded_exchanges_are_understood() {
    for Case(name, path, more, version, chunks, counted, prompt) in CASES {
        let server = Replay::start(name);
        let backend = load(&server.url(path), more);
        assert_eq!(backend.info().version, version, "{name}");
        for _ in 0..2 {
            let story = tell_of(&*backend, 4, None).await;
            completed(&story, name);
            assert_eq!(story.chunks, chunks, "{name}");
            assert_eq!((story.end.output_tokens, story.end.counted_by), counted, "{name}");
            assert_eq!(story.end.prompt_tokens, prompt, "{name}");
        }
        assert_eq!(*server.wrong.lock().unwrap(), [""; 0], "{name}");
        let notes = backend.info().notes.join("; ");
        assert_eq!(notes.contains("not streamed"), chunks.is_empty(), "{name}: {notes}");
    }
}

#[tokio::test]
async fn texts_are_put_together() {
    for (name, path, more, text) in [
        ("tgi", "", "", " universe is \"ä\""),
        ("tgi", "", "stream = false", " universe is a"),
        ("mii-gateway", "/mii/smol-deployment", "dialect = \"mii\"", " universe is a \"vast"),
        ("mii-text", "/generate", "dialect = \"mii\"", " universe is a vast"),
        ("vllm-generate", "/generate", "dialect = \"vllm-generate\"", " A universe ä."),
    ] {
        let server = Replay::start(name);
        let story = tell_of(&*load(&server.url(path), more), 4, Some("what is it?")).await;
        completed(&story, name);
        assert_eq!(story.text, text, "{name}");
        assert_eq!(*server.wrong.lock().unwrap(), [""; 0], "{name}");
    }
}

#[tokio::test]
async fn a_text_that_grows_is_taken_apart() {
    let server = Replay::start("vllm-generate");
    let backend = load(&server.url(""), "dialect = \"vllm-generate\"");
    let story = tell_of(&*backend, 4, Some("what is it?")).await;
    assert_eq!((story.chunks, story.end.output_tokens, story.end.counted_by), (vec![1; 4], 4, CHUNKS));
    assert!(story.at_ns[3] - story.at_ns[0] > 5_000_000, "{:?}", story.at_ns);
}

#[tokio::test]
async fn faults_of_each_server_are_told() {
    for (name, path, more, outcome, chunks, words) in [
        (
            "tgi-overloaded",
            "",
            "",
            Outcome::FailedOverload,
            0,
            "HTTP 429 Too Many Requests: Model is overloaded",
        ),
        ("tgi-breaks", "", "", Outcome::FailedEngine, 1, "broke off: Request failed during generation"),
        ("mii-fails", "/mii/smol-deployment", "dialect = \"mii\"", Outcome::FailedHttp, 0, "HTTP 500"),
        (
            "vllm-generate-lines",
            "",
            "dialect = \"vllm-generate\"",
            Outcome::FailedProtocol,
            1,
            "closed the connection",
        ),
        (
            "azure-ml-busy",
            "/score",
            "dialect = \"azure-ml\"",
            Outcome::FailedOverload,
            0,
            "Too many pending requests",
        ),
        ("openai", "", "", Outcome::FailedHttp, 0, "This is a chat model"),
        ("azure-ml", "/score", "dialect = \"azure-ml\"", Outcome::FailedProtocol, 0, "backend.tokenizer"),
    ] {
        let server = Replay::start(name);
        let story = tell_of(&*load(&server.url(path), more), 4, Some("what is it?")).await;
        let error = story.end.error.as_deref().unwrap_or_default();
        assert_eq!((story.end.outcome, story.chunks.len()), (outcome, chunks), "{name}: {error}");
        assert!(error.contains(words), "{name}: {error}");
    }
}

#[tokio::test]
async fn what_a_server_is_not_is_said_before_any_load() {
    for (name, path, more, words) in [
        ("openai", "", "dialect = \"tgi\"", "is no TGI server: GET /info gives no `model_id` (HTTP 404)"),
        ("mii-gateway", "/mii/other", "dialect = \"mii\"", "has no deployment \"other\""),
        ("mii-gateway", "", "dialect = \"mii\"", "which deployment to ask; write it into backend.urls"),
        ("openai", "", "model = \"gpt-9\"", "has no model \"gpt-9\" (backend.model); it has gpt-4o-mini"),
        ("mii-gateway", "", "", "GET /health: HTTP 404"),
    ] {
        let server = Replay::start(name);
        let said = try_load_apart(&server.url(path), more);
        assert!(said.contains(words), "{name}: {said}");
    }
    let (one, two) = (Replay::start("tgi-breaks"), Replay::start("vllm-renamed"));
    let urls = format!("{}\", \"{}", one.url(""), two.url(""));
    let said = try_load_apart(&urls, "");
    assert!(said.contains("different dialects, tgi and"), "{said}");
}

/// A tokenizer of 64 words, and of whatever else stands between blanks.
fn tokenizer(folder: &std::path::Path) -> String {
    let vocabulary: Vec<String> = (0..64u8)
        .map(|n| format!("\"w{}{}\":{}", char::from(b'a' + n / 8), char::from(b'a' + n % 8), n + 1))
        .collect();
    let json = format!(
        "{{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],\"normalizer\":null,\
         \"pre_tokenizer\":{{\"type\":\"WhitespaceSplit\"}},\"post_processor\":null,\"decoder\":null,\
         \"model\":{{\"type\":\"WordLevel\",\"vocab\":{{\"[UNK]\":0,{}}},\"unk_token\":\"[UNK]\"}}}}",
        vocabulary.join(",")
    );
    let path = folder.join("tokenizer.json");
    std::fs::write(&path, json).unwrap();
    path.display().to_string()
}

/// Runs the program against an exchange; gives standard error, the report, and `requests.csv`.
fn measured(name: &str, path: &str, set: &[String]) -> (String, serde_json::Value, String) {
    let server = Replay::start(name);
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = format!("backend.tokenizer={}", tokenizer(folder.path()));
    let url = server.url(path);
    let mut args = vec!["record", "--url", &url, "--requests", "6", "--json", "-o", "run.jsonl.zst"];
    for set in set {
        args.extend(["--set", if set == "TOKENIZER" { &tokenizer } else { set }]);
    }
    let output = program::program(folder.path(), &args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name}: {error}");
    let report = serde_json::from_slice(&output.stdout).unwrap();
    let export = program::program(folder.path(), &["export", "run.jsonl.zst", "--csv", "csv"]);
    assert!(export.status.success());
    let csv = std::fs::read_to_string(folder.path().join("csv/requests.csv")).unwrap();
    (error, report, csv)
}

fn set(keys: &[&str]) -> Vec<String> {
    let fixed = ["load.clients=2", "workload.output_tokens=4", "workload.prompt_tokens=5"];
    fixed.iter().chain(keys).map(|key| (*key).to_owned()).collect()
}

#[test]
fn an_answer_that_is_not_streamed_has_a_duration_and_no_first_token() {
    let (_, report, csv) = measured("mii-gateway", "/mii/smol-deployment", &set(&["backend.dialect=mii"]));
    let window = &report["stages"][0]["windows"]["measured"];
    assert_eq!(window["requests"]["completed"], 6);
    assert_eq!((&window["tokens"]["output"], &window["tokens"]["input"]), (&24.into(), &30.into()));
    let latency = &window["latency"];
    assert_eq!(
        (&latency["ttft_s"]["count"], &latency["ttft_s"]["mean"]),
        (&0.into(), &serde_json::Value::Null)
    );
    assert_eq!((&latency["itl_s"]["count"], &latency["tpot_s"]["count"]), (&0.into(), &0.into()));
    assert_eq!(latency["e2e_s"]["count"], 6);
    assert!(latency["e2e_s"]["mean"].as_f64().unwrap() > 0.0);
    let row: Vec<&str> = csv.lines().nth(1).unwrap().split(',').collect();
    let column = |name: &str| row[csv.lines().next().unwrap().split(',').position(|c| c == name).unwrap()];
    assert_eq!((column("ttft_s"), column("first_token_s"), column("counted_by")), ("", "", "usage"));
    assert!(column("e2e_s").parse::<f64>().unwrap() > 0.0);
    assert_eq!(report["recording"]["verdicts"], serde_json::json!([]));
}

#[test]
fn texts_are_counted_by_the_tokenizer_where_the_server_does_not() {
    for (name, path, dialect, tokens) in
        [("azure-ml", "/score", "azure-ml", 4), ("mii-text", "/generate", "mii", 4)]
    {
        let dialect = format!("backend.dialect={dialect}");
        let (_, report, csv) = measured(name, path, &set(&[&dialect, "TOKENIZER"]));
        let window = &report["stages"][0]["windows"]["measured"];
        assert_eq!(window["tokens"]["output"], 6 * tokens, "{name}");
        assert_eq!(window["tokens"]["input"], 30, "{name}");
        assert_eq!(csv.lines().skip(1).filter(|row| row.ends_with(",tokenizer")).count(), 6, "{name}: {csv}");
        assert_eq!(report["recording"]["verdicts"], serde_json::json!([]), "{name}");
    }
}

#[test]
fn counts_by_chunks_are_a_verdict() {
    let (_, report, csv) = measured("mii-text", "/generate", &set(&["backend.dialect=mii"]));
    assert_eq!(report["recording"]["verdicts"][0]["verdict"], "counted_by_chunks");
    assert_eq!(csv.lines().skip(1).filter(|row| row.ends_with(",chunks")).count(), 6, "{csv}");
}

#[test]
fn prompts_of_another_length_are_told() {
    let wide = set(&["TOKENIZER", "workload.prompt_tokens=4"]);
    let (error, report, _) = measured("tgi", "", &wide);
    assert_eq!(
        error.matches("the server counts 5 tokens in a prompt that was made of 4").count(),
        1,
        "{error}"
    );
    assert_eq!(report["stages"][0]["windows"]["measured"]["tokens"]["input"], 30, "as the server counts");
    let (error, _, _) = measured("tgi", "", &set(&["TOKENIZER"]));
    assert!(!error.contains("in a prompt that was made of"), "{error}");
}

#[test]
fn a_prompt_of_ones_own_is_sent_as_text() {
    let keys = set(&["workload.prompt_text=\"what is it?\"", "backend.dialect=vllm-generate"]);
    let (_, report, _) = measured("vllm-generate", "", &keys);
    assert_eq!(report["stages"][0]["windows"]["measured"]["requests"]["completed"], 6);
}

#[tokio::test]
async fn azures_deployment_is_named_in_a_header() {
    let server = Replay::start("azure-ml");
    let backend = load(&server.url("/score"), "dialect = \"azure-ml\"\nmodel = \"blue\"");
    tell_of(&*backend, 4, None).await;
    let heads = server.heads.lock().unwrap();
    assert!(
        heads.iter().all(|head| head.to_lowercase().contains("azureml-model-deployment: blue")),
        "{heads:?}"
    );
}
