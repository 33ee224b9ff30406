//! Online endpoints of Azure Machine Learning that serve text generation, as FastGen's benchmark asks them.
//!
//! Asked with `{"input_data": {"input_string": ["…"], "parameters": {"max_tokens": …, "return_full_text": false}}}` at
//! the scoring URI; the header `azureml-model-deployment` names the deployment. The answer comes whole. Deployments
//! differ: a list of objects with the text under `"0"`, a list of texts, or one object with `output`. None tells
//! counts.

use serde_json::{Value, json};

use super::form::{Form, keys};
use super::{Peek, complaint};

/// The header that names a deployment.
pub const DEPLOYMENT: &str = "azureml-model-deployment";

pub(super) fn form() -> Form {
    Form {
        open: "{\"input_data\":{\"parameters\":{",
        fixed: keys(json!({ "return_full_text": false })),
        max: "max_tokens",
        ignore_eos: false,
        min: None,
        before: "},\"input_string\":[\"",
        after: "\"]}}",
        tokens: false,
    }
}

pub(super) fn look(json: &[u8], text: &mut String) -> Result<Peek, serde_json::Error> {
    let mut told: Value = serde_json::from_slice(json)?;
    let mut found = Peek::default();
    if let Value::Array(list) = &mut told {
        told = if list.is_empty() { Value::Null } else { list.swap_remove(0) };
    }
    let generated = match told {
        Value::String(text) => Some(text),
        Value::Object(mut map) => {
            found.error = map.remove("error").and_then(complaint);
            let text = ["0", "output", "generated_text"].iter().find_map(|key| map.remove(*key));
            text.and_then(|text| text.as_str().map(str::to_owned))
        }
        _ => None,
    };
    if let Some(generated) = generated {
        found.choices = true;
        found.generated = !generated.is_empty();
        found.finished = true;
        text.push_str(&generated);
    }
    Ok(found)
}
