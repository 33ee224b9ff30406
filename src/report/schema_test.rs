//! The JSON report against `docs/report.schema.json`, by a checker of the few keywords that the schema uses.

use serde_json::Value;

use super::{Report, fixture, redefine, report, to_json};
use crate::event::{BackendInfo, GpuSample, Sample};
use crate::metrics::Definitions;

fn schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/report.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// All that is wrong with `value`. Keywords: `$ref`, `type`, `enum`, `const`, `required`, `properties`,
/// `additionalProperties`, `items`, `anyOf`, `minimum`.
fn faults(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("no {name}"));
        return faults(root, target, value, at);
    }
    let mut found = Vec::new();
    for (keyword, rule) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "type" => {
                let types: Vec<_> = rule.as_array().map_or_else(|| vec![rule], |many| many.iter().collect());
                if !types.iter().any(|t| is(t.as_str().unwrap(), value)) {
                    found.push(format!("{at}: {value} is no {rule}"));
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => found.push(format!("{at}: {value}")),
            "const" if rule != value => found.push(format!("{at}: {value} is not {rule}")),
            "minimum" if value.as_f64().is_some_and(|v| v < rule.as_f64().unwrap()) => {
                found.push(format!("{at}: {value} < {rule}"));
            }
            "anyOf" if rule.as_array().unwrap().iter().all(|r| !faults(root, r, value, at).is_empty()) => {
                found.push(format!("{at}: {value} is none of the choices"));
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(faults(root, rule, item, &format!("{at}/{i}")));
                }
            }
            "required" => {
                for key in rule.as_array().unwrap() {
                    if value.is_object() && value.get(key.as_str().unwrap()).is_none() {
                        found.push(format!("{at}: no {key}"));
                    }
                }
            }
            "properties" | "additionalProperties" => {
                found.extend(properties(root, schema, keyword, value, at));
            }
            "enum" | "const" | "minimum" | "anyOf" | "$schema" | "$id" | "$defs" | "title"
            | "description" => {}
            other => panic!("the checker doesn't know `{other}`"),
        }
    }
    found
}

fn properties(root: &Value, schema: &Value, keyword: &str, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (key, inner) in value.as_object().into_iter().flatten() {
        let named = schema.get("properties").and_then(|p| p.get(key));
        let at = format!("{at}/{key}");
        match (keyword, named, &schema["additionalProperties"]) {
            ("properties", Some(rule), _) => found.extend(faults(root, rule, inner, &at)),
            ("additionalProperties", None, Value::Bool(false)) => found.push(format!("{at}: unknown key")),
            ("additionalProperties", None, rule @ Value::Object(_)) => {
                found.extend(faults(root, rule, inner, &at));
            }
            _ => {}
        }
    }
    found
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        other => panic!("no type `{other}`"),
    }
}

/// Refuses keys that the schema does not name, which it itself allows to later versions.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.values_mut().for_each(close);
            if map.contains_key("properties") && !map.contains_key("additionalProperties") {
                map.insert("additionalProperties".into(), false.into());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

fn check(report: &Report) -> Vec<String> {
    let mut schema = schema();
    if let Some(defs) = schema.get_mut("$defs") {
        close(defs);
    }
    let value = serde_json::from_str(&report.to_json().unwrap()).unwrap();
    let found = faults(&schema, &schema["$defs"]["report"], &value, "");
    // The whole schema says no more than that: one report, or several.
    assert_eq!(found.is_empty(), faults(&schema, &schema, &value, "").is_empty());
    found
}

#[test]
fn several_reports_are_an_array_that_fits() {
    let reports = [report(&fixture::run()), report(&fixture::closed_loop(2, 5))];
    let mut value: Value = serde_json::from_str(&to_json(&reports).unwrap()).unwrap();
    let schema = schema();
    assert_eq!(value.as_array().map(Vec::len), Some(2));
    assert_eq!(faults(&schema, &schema, &value, ""), [""; 0]);
    value[1]["recording"]["ended"] = "somehow".into();
    assert_eq!(faults(&schema, &schema, &value, "").len(), 1);
    assert!(!faults(&schema, &schema, &"report".into(), "").is_empty());
}

#[test]
fn reports_of_all_kinds_fit_the_schema() {
    assert_eq!(check(&report(&fixture::run())), [""; 0]);
    let mut run = fixture::closed_loop(4, 20);
    run.header.profile["sla"] = serde_json::json!({ "ttft": "1ms", "itl_p99": "1s" });
    run.header.profile["model"] = serde_json::json!({ "dummy": "tiny" });
    run.stages[0].start.sweep = vec![("clients".into(), 4.into())];
    run.info = Some(BackendInfo { kind: "sim".into(), threads: Some(2), ..BackendInfo::default() });
    run.lost_events = 1;
    run.ended = Some(crate::event::Ended::Failed { reason: "died".into() });
    run.samples = vec![Sample::default()];
    assert_eq!(check(&report(&run)), [""; 0]);
    let gpu =
        GpuSample { throttled_by: Some(vec!["heat".into()]), power_w: Some(90.0), ..GpuSample::default() };
    let gpus = vec![gpu, GpuSample::default()];
    run.samples.push(Sample { at_ns: 1_000_000_000, power_w: Some(90.0), gpus, ..Sample::default() });
    let system = report(&run).stages[0].system.clone().unwrap();
    assert!(system.energy_j_per_output_token.is_some() && system.gpus.len() == 2, "{system:?}");
    assert_eq!(check(&report(&run)), [""; 0]);
    let mark = crate::event::Control::Mark { note: "here".into() };
    run.controls = vec![(500_000_000, crate::event::Control::Clients { clients: 5 }), (700_000_000, mark)];
    assert_eq!(report(&run).stages[0].segments.len(), 3);
    assert_eq!(check(&report(&run)), [""; 0]);
    for definitions in Definitions::ALL {
        let mut report = report(&run);
        redefine(&mut report, &run, definitions);
        assert_eq!(check(&report), [""; 0]);
    }
    run.stages[0].requests.clear();
    run.stages[0].start.clients = None;
    assert_eq!(check(&report(&run)), [""; 0]);
}

#[test]
fn an_open_loop_fits_it_and_has_no_figure_of_clients() {
    let mut run = fixture::closed_loop(4, 20);
    let requests = std::mem::take(&mut run.stages[0].requests);
    run.stages = vec![fixture::open_stage("gamma", 20.0, 3)];
    run.stages[0].requests = requests;
    if let Some(open) = &mut run.stages[0].start.open {
        open.burstiness = Some(0.5);
        open.max_in_flight = 1;
    }
    let told = report(&run);
    assert_eq!(check(&told), [""; 0]);
    let json: Value = serde_json::from_str(&told.to_json().unwrap()).unwrap();
    let stage = &json["stages"][0];
    assert_eq!((&stage["clients"], &stage["open_loop"]["rate"]), (&Value::Null, &Value::from(20.0)));
    let fastgen = &stage["fastgen"];
    assert!(fastgen["query_throughput_rps"].is_null() && fastgen["measured_throughput_rps"].is_number());
    assert!(stage["windows"]["steady"].is_object() && stage["open_loop"]["backlog"].is_object());
    // Without a request there is little to say, and it is said.
    run.stages[0].requests.clear();
    assert_eq!(check(&report(&run)), [""; 0]);
}

#[test]
fn the_checker_sees_faults() {
    let schema = schema();
    let mut value: Value = serde_json::from_str(&report(&fixture::run()).to_json().unwrap()).unwrap();
    value["recording"]["ended"] = "somehow".into();
    value["stages"][0]["windows"]["measured"]["latency"]["itl_s"]["p99"] = "fast".into();
    value["stages"][0]["requests"].as_object_mut().unwrap().remove("failed");
    value["stages"][0]["fastgen"]["good_requests"]["ema16"]["4"] = 0.5.into();
    assert_eq!(faults(&schema, &schema["$defs"]["report"], &value, "").len(), 4);
}
