//! Errors as providers and servers word them, and what is to be done about each.

use super::read;
use crate::ask::dialect::Dialect::{self, Anthropic, Compatible, OpenAi};
use crate::ask::fault::{Class, Pressure, StopKind};
use crate::model::FailureCode;

type Headers = &'static [(&'static str, &'static str)];

/// Dialect, status, headers, body; then class, failure code, pressure, wait in seconds.
type Recorded = (Dialect, u16, Headers, &'static str, &'static str);

const NONE: Headers = &[];
const DATE: (&str, &str) = ("date", "Fri, 20 Nov 2026 10:00:00 GMT");

const RECORDED: &[Recorded] = &[
    // Anthropic.
    (
        Anthropic,
        400,
        NONE,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages.0.content.0.image: could not process image"},"request_id":"req_01"}"#,
        "permanent rejected none",
    ),
    (
        Anthropic,
        400,
        NONE,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"temperature: this parameter is not supported"}}"#,
        "permanent rejected none",
    ),
    (
        Anthropic,
        400,
        NONE,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 1200000 tokens > 1000000 maximum"}}"#,
        "permanent too_long none",
    ),
    (
        Anthropic,
        400,
        NONE,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."}}"#,
        "stop rejected none",
    ),
    (
        Anthropic,
        400,
        NONE,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API."}}"#,
        "stop rejected none",
    ),
    (
        Anthropic,
        400,
        NONE,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"on hold","details":{"error_code":"organization_on_hold"}}}"#,
        "stop rejected none",
    ),
    (
        Anthropic,
        401,
        NONE,
        r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#,
        "stop rejected none",
    ),
    (Anthropic, 402, NONE, r#"{"type":"error","error":{"type":"billing_error","message":"payment required"}}"#, "stop rejected none"),
    (
        Anthropic,
        403,
        NONE,
        r#"{"type":"error","error":{"type":"permission_error","message":"not allowed for this key"}}"#,
        "stop rejected none",
    ),
    (
        Anthropic,
        404,
        NONE,
        r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-sonnet-5-20260205"}}"#,
        "stop rejected none",
    ),
    (Anthropic, 408, NONE, "", "refused server_error none"),
    (Anthropic, 409, NONE, r#"{"type":"error","error":{"type":"conflict_error","message":"changed"}}"#, "refused server_error none"),
    (Anthropic, 413, NONE, "<html><body><h1>413 Request Entity Too Large</h1></body></html>", "permanent too_long none"),
    (Anthropic, 413, NONE, r#"{"type":"error","error":{"type":"request_too_large","message":"over 32 MB"}}"#, "permanent too_long none"),
    (
        Anthropic,
        429,
        &[("retry-after", "17")],
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your organization's rate limit."}}"#,
        "refused rate_limited rate 17",
    ),
    (
        Anthropic,
        429,
        &[("retry-after", "60")],
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"ramp_limit_exceeded"}}}"#,
        "refused rate_limited ramp 60",
    ),
    (
        Anthropic,
        429,
        NONE,
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#,
        "later rate_limited none",
    ),
    (
        Anthropic,
        429,
        NONE,
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"contract_spend_limit_reached"}}}"#,
        "stop rejected none",
    ),
    (
        Anthropic,
        500,
        NONE,
        r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#,
        "refused server_error none",
    ),
    (
        Anthropic,
        500,
        &[("x-should-retry", "false")],
        r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#,
        "permanent server_error none",
    ),
    (Anthropic, 504, NONE, r#"{"type":"error","error":{"type":"timeout_error","message":"took too long"}}"#, "refused server_error none"),
    (Anthropic, 529, NONE, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, "refused overloaded overload"),
    (
        Anthropic,
        401,
        &[("x-should-retry", "true")],
        r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#,
        "stop rejected none",
    ),
    // OpenAI.
    (
        OpenAi,
        400,
        NONE,
        r#"{"error":{"message":"Unsupported parameter: 'max_tokens'","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}"#,
        "permanent rejected none",
    ),
    (
        OpenAi,
        400,
        NONE,
        r#"{"error":{"message":"Invalid image","type":"invalid_request_error","param":null,"code":"invalid_image_format"}}"#,
        "permanent rejected none",
    ),
    (
        OpenAi,
        400,
        NONE,
        r#"{"error":{"message":"This model's maximum context length is 272000 tokens","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
        "permanent too_long none",
    ),
    (
        OpenAi,
        400,
        NONE,
        r#"{"error":{"message":"too large","type":"invalid_request_error","code":"image_too_large"}}"#,
        "permanent too_long none",
    ),
    (
        OpenAi,
        400,
        NONE,
        r#"{"error":{"message":"policy","type":"invalid_request_error","code":"content_policy_violation"}}"#,
        "permanent filtered none",
    ),
    (
        OpenAi,
        401,
        NONE,
        r#"{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
        "stop rejected none",
    ),
    (
        OpenAi,
        403,
        NONE,
        r#"{"error":{"message":"Country not supported","type":"request_forbidden","code":"unsupported_country_region_territory"}}"#,
        "stop rejected none",
    ),
    (
        OpenAi,
        404,
        NONE,
        r#"{"error":{"message":"The model does not exist","type":"invalid_request_error","code":"model_not_found"}}"#,
        "stop rejected none",
    ),
    (OpenAi, 422, NONE, r#"{"error":{"message":"unprocessable","type":"invalid_request_error","code":null}}"#, "permanent rejected none"),
    (
        OpenAi,
        429,
        &[("retry-after-ms", "350"), ("retry-after", "1")],
        r#"{"error":{"message":"Rate limit reached for gpt-6-luna on tokens per min (TPM)","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
        "refused rate_limited rate 0.35",
    ),
    (
        OpenAi,
        429,
        NONE,
        r#"{"error":{"message":"Rate limit reached for gpt-6-luna. Please try again in 20s.","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
        "refused rate_limited rate 20",
    ),
    (
        OpenAi,
        429,
        NONE,
        r#"{"error":{"message":"Rate limit reached on requests per day (RPD): Limit 200, Used 200","type":"requests","code":"rate_limit_exceeded"}}"#,
        "later rate_limited none",
    ),
    (
        OpenAi,
        429,
        &[("retry-after", "30")],
        r#"{"error":{"message":"Slow down","type":"requests","code":"slow_down"}}"#,
        "refused rate_limited ramp 30",
    ),
    (
        OpenAi,
        429,
        NONE,
        r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
        "stop rejected none",
    ),
    (OpenAi, 429, NONE, r#"{"error":{"message":"m","type":"insufficient_quota","code":"credit_balance_exhausted"}}"#, "stop rejected none"),
    (
        OpenAi,
        429,
        NONE,
        r#"{"error":{"message":"m","type":"insufficient_quota","code":"organization_spend_limit_exceeded"}}"#,
        "stop rejected none",
    ),
    (
        OpenAi,
        429,
        NONE,
        r#"{"error":{"message":"m","type":"insufficient_quota","code":"project_spend_limit_exceeded"}}"#,
        "stop rejected none",
    ),
    (
        OpenAi,
        429,
        NONE,
        r#"{"error":{"message":"m","type":"insufficient_quota","code":"organization_usage_limit_exceeded"}}"#,
        "stop rejected none",
    ),
    (
        OpenAi,
        429,
        NONE,
        r#"{"error":{"message":"Resource Unavailable","type":"server_error","code":"resource_unavailable"}}"#,
        "refused overloaded capacity",
    ),
    (
        OpenAi,
        500,
        NONE,
        r#"{"error":{"message":"The server had an error","type":"server_error","code":null}}"#,
        "refused server_error none",
    ),
    (
        OpenAi,
        503,
        &[("retry-after", "5")],
        r#"{"error":{"message":"overloaded","type":"server_error","code":"server_is_overloaded"}}"#,
        "refused overloaded overload 5",
    ),
    (OpenAi, 502, NONE, "<html><body>502 Bad Gateway</body></html>", "refused server_error none"),
    (OpenAi, 500, NONE, "", "refused server_error none"),
    // Azure.
    (
        OpenAi,
        400,
        NONE,
        r#"{"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true}}}}}"#,
        "permanent filtered none",
    ),
    (
        OpenAi,
        401,
        NONE,
        r#"{"error":{"code":"PermissionDenied","message":"The principal lacks the required data action"}}"#,
        "stop rejected none",
    ),
    (
        OpenAi,
        404,
        NONE,
        r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#,
        "stop rejected none",
    ),
    (
        OpenAi,
        429,
        &[("retry-after", "Fri, 20 Nov 2026 10:00:09 GMT"), DATE],
        r#"{"error":{"code":"429","message":"Requests have exceeded call rate limit"}}"#,
        "refused rate_limited rate 9",
    ),
    // Google's form, as gateways pass it on.
    (Compatible, 400, NONE, r#"{"error":{"code":400,"message":"Invalid value","status":"INVALID_ARGUMENT"}}"#, "permanent rejected none"),
    (
        Compatible,
        400,
        NONE,
        r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#,
        "stop rejected none",
    ),
    (
        Compatible,
        400,
        NONE,
        r#"{"error":{"code":400,"message":"User location is not supported","status":"FAILED_PRECONDITION"}}"#,
        "stop rejected none",
    ),
    (Compatible, 403, NONE, r#"{"error":{"code":403,"message":"denied","status":"PERMISSION_DENIED"}}"#, "stop rejected none"),
    (Compatible, 404, NONE, r#"{"error":{"code":404,"message":"models/x is not found","status":"NOT_FOUND"}}"#, "stop rejected none"),
    (
        Compatible,
        429,
        NONE,
        r#"{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateContentPaidTierInputTokensPerModelPerMinute"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"37s"}]}}"#,
        "refused rate_limited rate 37",
    ),
    (
        Compatible,
        429,
        NONE,
        r#"{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel"}]}]}}"#,
        "later rate_limited none",
    ),
    (
        Compatible,
        429,
        NONE,
        r#"{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel"}]},{"retryDelay":"36s"}]}}"#,
        "refused rate_limited rate 36",
    ),
    (Compatible, 500, NONE, r#"{"error":{"code":500,"message":"internal","status":"INTERNAL"}}"#, "refused server_error none"),
    (
        Compatible,
        503,
        NONE,
        r#"[{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}]"#,
        "refused overloaded overload",
    ),
    (Compatible, 504, NONE, r#"{"error":{"code":504,"message":"late","status":"DEADLINE_EXCEEDED"}}"#, "refused server_error none"),
    // Servers of one's own.
    (
        Compatible,
        400,
        NONE,
        r#"{"error":{"message":"This model's maximum context length is 4096 tokens. However, you requested 5000","type":"BadRequestError","param":null,"code":400}}"#,
        "permanent too_long none",
    ),
    (
        Compatible,
        404,
        NONE,
        r#"{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","param":null,"code":404}"#,
        "stop rejected none",
    ),
    (
        Compatible,
        400,
        NONE,
        r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":4096}}"#,
        "permanent too_long none",
    ),
    (
        Compatible,
        503,
        NONE,
        r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
        "refused overloaded overload",
    ),
    (Compatible, 501, NONE, r#"{"error":{"code":501,"message":"not supported","type":"not_supported_error"}}"#, "permanent rejected none"),
    (Compatible, 404, NONE, r#"{"error":"model 'x' not found, try pulling it first"}"#, "stop rejected none"),
    (
        Compatible,
        503,
        NONE,
        r#"{"error":"server busy, please try again. maximum pending requests exceeded"}"#,
        "refused overloaded overload",
    ),
    // Gateways.
    (Compatible, 402, NONE, r#"{"error":{"code":402,"message":"Insufficient credits"}}"#, "stop rejected none"),
    (
        Compatible,
        403,
        NONE,
        r#"{"error":{"code":403,"message":"Your chosen model requires moderation and your input was flagged","metadata":{"reasons":["violence"]}}}"#,
        "permanent filtered none",
    ),
    (Compatible, 401, NONE, r#"{"error":{"message":"insufficient balance","code":401}}"#, "stop rejected none"),
    (Compatible, 200, NONE, r#"{"error":{"code":502,"message":"Provider returned error"}}"#, "refused server_error none"),
    (Compatible, 200, NONE, r#"{"error":{"code":429,"message":"upstream"},"choices":[]}"#, "refused rate_limited rate"),
    (Compatible, 200, NONE, r#"{"error":{"message":"something","type":"server_error"},"choices":null}"#, "refused server_error none"),
    (
        Compatible,
        498,
        NONE,
        r#"{"error":{"message":"flex tier capacity exceeded","type":"capacity","code":"capacity_exceeded"}}"#,
        "refused overloaded capacity",
    ),
    (
        Compatible,
        400,
        NONE,
        r#"{"error":{"message":"Failed to validate JSON","type":"invalid_request_error","code":"json_validate_failed","failed_generation":"{"}}"#,
        "bad_reply invalid_answer none",
    ),
    (
        Compatible,
        429,
        &[("retry-after", "7.66")],
        r#"{"error":{"message":"Rate limit reached in organization on tokens per day (TPD): try again in 7.66s","type":"tokens","code":"rate_limit_exceeded"}}"#,
        "refused rate_limited rate 7.66",
    ),
    (Compatible, 524, NONE, "error code: 524", "refused server_error none"),
    (Compatible, 429, NONE, "\u{1f}\u{8b}\u{8}not text", "refused rate_limited rate"),
];

#[test]
fn every_recorded_error_is_sorted_rightly() {
    assert!(RECORDED.len() >= 60, "{}", RECORDED.len());
    for (dialect, status, headers, body, expected) in RECORDED {
        let fault = read(*dialect, *status, headers, body).unwrap_err();
        let class = match &fault.class {
            Class::NotSent => "not_sent",
            Class::Refused { .. } => "refused",
            Class::Ambiguous => "ambiguous",
            Class::BadReply => "bad_reply",
            Class::Permanent => "permanent",
            Class::RunFatal(StopKind::Refused) => "stop",
            Class::RunFatal(StopKind::Parked) => "later",
            Class::RunFatal(StopKind::Sampled) => "no fault",
        };
        let pressure = match fault.pressure {
            Pressure::None => "none",
            Pressure::Rate => "rate",
            Pressure::Ramp => "ramp",
            Pressure::Overload => "overload",
            Pressure::Capacity => "capacity",
        };
        let wait = fault.wait().map_or_else(String::new, |wait| format!(" {}", wait.as_secs_f64()));
        assert_eq!(format!("{class} {} {pressure}{wait}", fault.code), *expected, "{status} {body}");
    }
}

#[test]
fn a_body_of_any_bytes_is_sorted_by_its_status() {
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..2000 {
        let body: String = (0..random.usize(..300)).map(|_| random.char(..)).collect();
        assert_eq!(read(OpenAi, 429, NONE, &body).unwrap_err().code, FailureCode::RateLimited);
    }
    let huge = format!("{{\"error\":{{\"message\":\"{}\"}}}}", "x".repeat(10_000_000));
    assert_eq!(read(OpenAi, 500, NONE, &huge).unwrap_err().code, FailureCode::ServerError);
}
