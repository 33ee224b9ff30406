//! A folder as the hub has them: config, tokenizer and safetensors of a very small Llama.

use std::fmt::Write as _;
use std::path::Path;

use super::*;

const HIDDEN: usize = 64;
const FFN: usize = 128;
const VOCABULARY: usize = 259;
const LAYERS: usize = 2;

/// GPT-2's letters for bytes: printable ones stand for themselves, the others for letters from U+0100 on.
fn byte_letters() -> Vec<char> {
    let plain = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut next = 0x100u32;
    let letter = |b: u8| {
        if plain(b) {
            return char::from(b);
        }
        next += 1;
        char::from_u32(next - 1).unwrap()
    };
    (0..=255u8).map(letter).collect()
}

fn tokenizer() -> String {
    let special = |id: usize, content: &str| {
        format!(
            r#"{{"id":{id},"content":"{content}","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}}"#
        )
    };
    let mut vocabulary = String::from(r#""<unk>":0,"<s>":1,"</s>":2"#);
    for (i, letter) in byte_letters().into_iter().enumerate() {
        let letter = serde_json::to_string(&letter.to_string()).unwrap();
        write!(vocabulary, ",{letter}:{}", i + 3).unwrap();
    }
    let byte_level = r#"{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#;
    format!(
        r#"{{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{},{},{}],"normalizer":null,
        "pre_tokenizer":{byte_level},"post_processor":null,"decoder":{byte_level},
        "model":{{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
        "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"vocab":{{{vocabulary}}},"merges":[]}}}}"#,
        special(0, "<unk>"),
        special(1, "<s>"),
        special(2, "</s>")
    )
}

fn tensors() -> Vec<(String, Vec<usize>)> {
    let mut all = vec![
        ("model.embed_tokens.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
        ("model.norm.weight".to_owned(), vec![HIDDEN]),
        ("lm_head.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
    ];
    for layer in 0..LAYERS {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        all.extend([
            (name("input_layernorm"), vec![HIDDEN]),
            (name("post_attention_layernorm"), vec![HIDDEN]),
            (name("self_attn.q_proj"), vec![HIDDEN, HIDDEN]),
            (name("self_attn.k_proj"), vec![HIDDEN / 2, HIDDEN]),
            (name("self_attn.v_proj"), vec![HIDDEN / 2, HIDDEN]),
            (name("self_attn.o_proj"), vec![HIDDEN, HIDDEN]),
            (name("mlp.gate_proj"), vec![FFN, HIDDEN]),
            (name("mlp.up_proj"), vec![FFN, HIDDEN]),
            (name("mlp.down_proj"), vec![HIDDEN, FFN]),
        ]);
    }
    all
}

fn safetensors() -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    let mut state = 1u32;
    for (name, shape) in tensors() {
        let begin = data.len();
        for _ in 0..shape.iter().product() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let random = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            let value: f32 = if shape.len() == 1 { 1.0 } else { random * 0.2 };
            data.extend(value.to_le_bytes());
        }
        header.insert(
            name,
            serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, data.len()] }),
        );
    }
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

fn write(folder: &Path) {
    let config = serde_json::json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "hidden_size": HIDDEN, "intermediate_size": FFN, "vocab_size": VOCABULARY,
        "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 512,
        "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": false, "torch_dtype": "float32"
    });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    std::fs::write(folder.join("tokenizer.json"), tokenizer()).unwrap();
    let special = serde_json::json!({ "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>" });
    std::fs::write(folder.join("tokenizer_config.json"), special.to_string()).unwrap();
    std::fs::write(folder.join("model.safetensors"), safetensors()).unwrap();
}

#[tokio::test]
async fn a_folder_of_safetensors_loads_plain_and_quantized() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    for quantization in ["none", "q8_0"] {
        let backend = load(&format!(
            "model = {{ path = \"{}\", quantization = \"{quantization}\" }}\nbackend = {{ device = \"cpu\", threads = 1 }}",
            folder.path().display()
        ));
        assert_eq!(backend.vocabulary() as usize, VOCABULARY);
        assert_eq!(backend.reserved_tokens(), [0, 1, 2]);
        assert_eq!(backend.info().context_tokens, Some(512));
        assert!(!backend.encode("hello").unwrap().is_empty());
        let story = tell(&*backend, ask(6, 20)).await;
        assert_eq!((story.end.outcome, story.end.output_tokens), (Outcome::Completed, 20));
    }
}
