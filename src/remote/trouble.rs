//! Classifies errors of storage services, in words without secrets.

use crate::model::causes;
use object_store::Error;
use secrecy::{ExposeSecret as _, SecretString};

/// An error of a storage service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The object or bucket does not exist.
    Missing(String),
    /// Credentials are missing, wrong, or not sufficient.
    Denied(String),
    /// Any other error: the network, the server, or an unreadable reply.
    Other(String),
}

impl Trouble {
    /// The message.
    pub fn text(&self) -> &str {
        match self {
            Self::Missing(text) | Self::Denied(text) | Self::Other(text) => text,
        }
    }

    /// Classifies an error. The message holds none of `secrets`.
    pub(super) fn of(error: &Error, secrets: &[SecretString]) -> Self {
        let chain: Vec<String> = causes(error).map(ToString::to_string).collect();
        let whole = chain.first().map_or("", String::as_str);
        let reply = XmlError::find(whole);
        let text = match &reply {
            Some(reply) => reply.to_string(),
            None => chain.last().cloned().unwrap_or_default(),
        };
        let text = secrets.iter().fold(without_queries(&text), |text, secret| text.replace(secret.expose_secret(), "***"));
        match (error, reply.map_or(0, |reply| reply.status)) {
            (Error::NotFound { .. }, _) | (_, 404 | 410) => Self::Missing(text),
            (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }, _) | (_, 401 | 403) => Self::Denied(text),
            _ => Self::Other(text),
        }
    }
}

/// The error reply of a server. The client library passes it on only as text.
struct XmlError<'t> {
    status: u16,
    reason: &'t str,
    code: &'t str,
    message: &'t str,
}

impl<'t> XmlError<'t> {
    fn find(text: &'t str) -> Option<Self> {
        let (_, rest) = text.split_once("status code: ")?;
        let (line, body) = rest.split_once(": ").unwrap_or((rest, ""));
        let (status, reason) = line.split_once(' ').unwrap_or((line, ""));
        let part = |name: &str| {
            let begin = body.split_once(&format!("<{name}>"))?.1;
            Some(begin.split_once(&format!("</{name}>"))?.0)
        };
        Some(Self {
            status: status.trim_end_matches(':').parse().ok()?,
            reason: reason.trim_end_matches(':'),
            code: part("Code").unwrap_or_default(),
            message: part("Message").unwrap_or_default(),
        })
    }
}

impl std::fmt::Display for XmlError<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { status, reason, code, message } = self;
        write!(f, "the server replied {status} {reason}")?;
        match (code.is_empty(), message.is_empty()) {
            (true, _) => Ok(()),
            (false, true) => write!(f, " ({code})"),
            // Messages may be pages long; Azure puts request ids on further lines.
            (false, false) => write!(f, " ({code}: {})", message.lines().next().unwrap_or_default().chars().take(200).collect::<String>()),
        }
    }
}

/// Removes users, queries and fragments from all addresses in a text.
///
/// Those parts may hold signatures and tokens.
pub fn without_queries(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, address) = rest.split_at(at + 3);
        out.push_str(before);
        let end = address.find(|c: char| c.is_whitespace() || "\"'<>()`".contains(c)).unwrap_or(address.len());
        let shown = address[..end].split(['?', '#']).next().unwrap_or_default();
        let host_end = shown.find('/').unwrap_or(shown.len());
        let host = shown[..host_end].rsplit('@').next().unwrap_or_default();
        out.push_str(host);
        out.push_str(&shown[host_end..]);
        rest = &address[end..];
    }
    out + rest
}
