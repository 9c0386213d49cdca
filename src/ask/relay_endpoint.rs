//! OpenAI endpoints to which requests are relayed.

use super::dialect::RelayPaths;

/// An OpenAI endpoint to which requests are relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelayEndpoint {
    /// Chat Completions.
    Chat,
    /// Responses.
    Responses,
    /// Embeddings.
    Embeddings,
}

impl RelayEndpoint {
    /// All endpoints.
    pub const ALL: [Self; 3] = [Self::Chat, Self::Responses, Self::Embeddings];

    /// The path below `/v1`, such as `/chat/completions`.
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/chat/completions",
            Self::Responses => "/responses",
            Self::Embeddings => "/embeddings",
        }
    }
}

impl RelayPaths {
    /// The endpoints of the simulator, whichever dialect calls use.
    pub(super) const AT_SIMULATOR: Self =
        Self { chat: Some("/v1/chat/completions"), responses: Some("/v1/responses"), embeddings: Some("/v1/embeddings") };

    /// The path of an endpoint; `None` if the provider does not have it.
    pub(super) fn of(self, endpoint: RelayEndpoint) -> Option<&'static str> {
        match endpoint {
            RelayEndpoint::Chat => self.chat,
            RelayEndpoint::Responses => self.responses,
            RelayEndpoint::Embeddings => self.embeddings,
        }
    }
}
