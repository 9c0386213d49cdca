//! Who may send a request.

use crate::serve::app::App;
use crate::serve::keys::Caller;
use crate::serve::problem::Problem;
use crate::serve::proxies::Peer;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// Finds the sender by the key of the request.
pub async fn authenticate(State(app): State<Arc<App>>, Extension(peer): Extension<Peer>, mut request: Request, next: Next) -> Response {
    let caller = match &app.keys {
        Some(file) => file.keys().caller(request.headers()),
        None => app.proxies.check_keyless(peer, request.headers()).map(|()| Caller::anyone()),
    };
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Refuses requests that a page of another site makes a browser send.
///
/// Such a page knows the address of the server, but its requests carry its own origin. A page that
/// renames its own host to the server's address (DNS rebinding) is known by the header `Host`.
pub async fn check_origin(State(app): State<Arc<App>>, Extension(peer): Extension<Peer>, request: Request, next: Next) -> Response {
    let forwarded = app.proxies.host(peer, request.headers());
    let mut response = match check(&app.settings.hosts, forwarded, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

/// `forwarded` is the host that a trusted proxy was asked for.
fn check(hosts: &[String], forwarded: Option<&str>, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    let host = forwarded.or_else(|| text(HOST).filter(|_| headers.get_all(HOST).iter().count() == 1)).unwrap_or_default();
    let Ok(authority) = host.parse::<Authority>() else {
        return Err(Problem::bad_request("the header Host is missing, invalid or repeated"));
    };
    let name = authority.host().trim_matches(['[', ']']);
    // A rebound name is a name: addresses are safe.
    let is_known =
        name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost") || hosts.iter().any(|own| own.eq_ignore_ascii_case(name));
    if !is_known {
        return Err(Problem::forbidden(format!("this server is not known as {name}. Add the name to serve.hosts")));
    }
    let is_same = |origin: &str| origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
    if text(ORIGIN).is_some_and(|origin| !is_same(origin)) {
        return Err(Problem::forbidden("a page of another site sent this request"));
    }
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return Err(Problem::forbidden("a page of another site sent this request"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(headers: &[(&'static str, &str)]) -> Option<u16> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()));
        check(&["docs.example".to_owned()], None, &headers.collect::<HeaderMap>()).err().map(|problem| problem.status)
    }

    #[test]
    fn requests_of_other_sites_and_rebound_names_are_refused() {
        for host in ["127.0.0.1:8077", "localhost", "LocalHost:80", "[::1]:8077", "docs.example", "192.0.2.1"] {
            assert_eq!(checked(&[("host", host)]), None, "{host}");
            assert_eq!(checked(&[("host", host), ("origin", &format!("http://{host}"))]), None, "{host}");
            assert_eq!(checked(&[("host", host), ("origin", "http://evil.example")]), Some(403), "{host}");
        }
        assert_eq!(checked(&[("host", "evil.example:8077")]), Some(403));
        assert_eq!(checked(&[("host", "127.0.0.1.evil.example")]), Some(403));
        assert_eq!(checked(&[("host", "localhost"), ("origin", "null")]), Some(403));
        assert_eq!(checked(&[("host", "localhost"), ("sec-fetch-site", "cross-site")]), Some(403));
        for hosts in [&[][..], &[("host", "localhost"), ("host", "evil.example")], &[("host", "")]] {
            assert_eq!(checked(hosts), Some(400), "{hosts:?}");
        }
    }
}
