//! HTTP responses as input of the wire formats.

/// A complete HTTP response.
pub struct HttpReply<'a> {
    /// The status.
    pub status: u16,
    /// Looks up a header by its lower-case name.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// The whole body.
    pub body: &'a [u8],
}
