//! Invalid requests and scenarios.

use super::{PNG, anthropic, bounded_schema, closed, openai, plain_schema, post, start, to_anthropic, to_openai};
use crate::simulator::Scenario;
use serde_json::{Value, json};

#[tokio::test]
async fn requests_that_the_anthropic_server_refuses_are_refused() {
    let simulator = start("").await;
    let good = to_anthropic("A document.", &plain_schema());
    let image = |media_type: &str| {
        json!([{ "role": "user", "content": [
            { "type": "image", "source": { "type": "base64", "media_type": media_type, "data": PNG } },
            { "type": "text", "text": "What is it?" },
        ] }])
    };
    let schema = |field: Value| json!({ "format": { "type": "json_schema", "schema": closed(&json!({ "f": field })) } });
    let cases = [
        ("max_tokens", json!(null), 400, "max_tokens"),
        ("temperature", json!(0.5), 400, "temperature"),
        ("max_output_tokens", json!(5), 400, "Extra inputs"),
        ("model", json!("claude-sonnet-5-20260205"), 404, "claude-sonnet-5-20260205"),
        ("messages", json!([{ "role": "assistant", "content": "{" }]), 400, "prefill"),
        ("messages", image("image/jpeg"), 400, "image/png"),
        ("output_config", schema(json!({ "type": "integer", "minimum": 1 })), 400, "'minimum'"),
        ("output_config", schema(json!({ "type": "array", "items": {}, "minItems": 2 })), 400, "minItems"),
        ("output_config", schema(json!({ "type": "object", "properties": {} })), 400, "additionalProperties"),
    ];
    for (field, value, status, message) in cases {
        let mut body = good.clone();
        body[field] = value;
        let seen = anthropic(&simulator, &body).await.unwrap();
        let said = seen.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(seen.status, status, "{field}: {said}");
        assert!(said.contains(message), "{field}: {said}");
    }
    let url = format!("{}/v1/messages", simulator.base_url());
    let seen = post(url, &[], &good).await.unwrap();
    assert!(seen.status == 400 && seen.text.contains("anthropic-version"));
    let mut body = good.clone();
    body["messages"] = image("image/png");
    let seen = anthropic(&simulator, &body).await.unwrap();
    let tokens = seen.json()["usage"]["input_tokens"].as_u64().unwrap();
    assert!((330..=340).contains(&tokens), "22 x 15 patches and a little text, not {tokens}");
}

#[tokio::test]
async fn requests_that_the_openai_server_refuses_are_refused() {
    let simulator = start("").await;
    let good = to_openai("A document.", &bounded_schema());
    let format = |schema: Value| json!({ "type": "json_schema", "json_schema": { "name": "a", "strict": true, "schema": schema } });
    let mut open = bounded_schema();
    open["required"] = json!(["score"]);
    let mut loose = bounded_schema();
    loose["additionalProperties"] = json!(true);
    let cases = [
        ("max_tokens", json!(5), 400, json!("unsupported_parameter")),
        ("model", json!("gpt-5-imagined"), 404, json!("model_not_found")),
        ("messages", json!([]), 400, json!("missing_required_parameter")),
        ("response_format", format(open), 400, json!(null)),
        ("response_format", format(loose), 400, json!(null)),
    ];
    for (field, value, status, code) in cases {
        let mut body = good.clone();
        body[field] = value;
        let seen = openai(&simulator, &body).await.unwrap();
        assert_eq!((seen.status, &seen.json()["error"]["code"]), (status, &code), "{}", seen.text);
    }
    let mut body = good.clone();
    let url = format!("data:image/png;base64,{PNG}");
    let picture = json!({ "type": "image_url", "image_url": { "url": url, "detail": "high" } });
    body["messages"] = json!([{ "role": "user", "content": [{ "type": "text", "text": "What?" }, picture] }]);
    let seen = openai(&simulator, &body).await.unwrap();
    assert_eq!(seen.json()["usage"]["prompt_tokens"], 19 * 13 + 2);
}

#[tokio::test]
async fn a_wrong_key_is_refused_in_both_dialects() {
    let simulator = start("require_key = 'other'").await;
    let seen = anthropic(&simulator, &to_anthropic("A", &plain_schema())).await.unwrap();
    assert_eq!((seen.status, &seen.json()["error"]["type"]), (401, &json!("authentication_error")));
    let seen = openai(&simulator, &to_openai("A", &bounded_schema())).await.unwrap();
    assert_eq!((seen.status, &seen.json()["error"]["code"]), (401, &json!("invalid_api_key")));
    assert_eq!(simulator.ledger().errors, 2);
}

#[test]
fn an_impossible_scenario_is_an_error_that_names_the_key() {
    for (text, message) in [
        ("latency = 5", "unknown field `latency`"),
        ("[faults]\nreset = 1.5", "Reset"),
        ("[faults]\nreset = 0.6\nhang = 0.6", "add up"),
        ("requests_per_second = -1.0", "requests_per_second"),
        ("[[poison]]\nmarker = ''\nfault = 'cut'", "empty marker"),
        ("[[poison]]\nmarker = 'x'\nfault = 'explode'", "explode"),
        ("burst_s = 0", "burst_s"),
        ("[prices]\ninput = -1", "prices.input"),
        ("[[change]]\nafter_requests = 5\n[[change]]\nafter_requests = 4", "after_requests"),
        ("[[change]]\nafter_requests = 1\nrequests_per_second = 1e12", "change.requests_per_second"),
        ("retry_after = 'soon'", "soon"),
    ] {
        let error = Scenario::parse(text).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
}
