//! Terms of the embeddings route: dimensions, speed, limits, and how the server deviates.

use serde::Deserialize;

/// Maximum number of dimensions.
pub(in crate::simulator) const MAX_DIMENSIONS: usize = 4096;

/// The embeddings of a scenario. A request takes the time of any answer, plus `ms_per_input` for
/// each input. Faults and markers apply to requests: `cut` returns too few vectors, `invalid` has a
/// null in a vector, and `refusal` is a 400.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Embeddings {
    /// Dimensions of a vector unless the request says otherwise. Default 256.
    pub dimensions: usize,
    /// Additional milliseconds for each input. Default 0.
    pub ms_per_input: f64,
    /// Maximum number of inputs in a request. Default 0: no limit.
    pub max_inputs: usize,
    /// Maximum number of tokens in a request. Default 0: no limit.
    pub max_tokens: u64,
    /// Maximum number of tokens in an input. Default 0: no limit.
    pub max_input_tokens: u64,
    /// Whose status and wording refuses a request beyond these limits. Default `openai`.
    pub wording: Wording,
    /// Deviations of every response. Default: none.
    pub quirks: Vec<Quirk>,
}

impl Default for Embeddings {
    fn default() -> Self {
        Self {
            dimensions: 256,
            ms_per_input: 0.0,
            max_inputs: 0,
            max_tokens: 0,
            max_input_tokens: 0,
            wording: Wording::default(),
            quirks: Vec::new(),
        }
    }
}

/// A server whose refusals the simulator imitates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wording {
    /// OpenAI: 400 with a code.
    #[default]
    Openai,
    /// DashScope: 400 with its own code.
    Dashscope,
    /// Gemini's compatible route: 400 as a list.
    Gemini,
    /// Text Embeddings Inference: 413 or 422 without an `error` object.
    Tei,
    /// SiliconFlow: 413 with a number as its code.
    Siliconflow,
    /// llama-server: 500.
    LlamaServer,
    /// A proxy: 413 with an HTML page that states no limit.
    Proxy,
}

/// A deviation of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quirk {
    /// The vectors come in another order, with the right `index`.
    Shuffled,
    /// `encoding_format` is ignored: vectors are always lists of numbers.
    Base64Ignored,
    /// The last vector is missing.
    CountShort,
    /// A vector contains null, or NaN in base64.
    Null,
    /// A vector contains NaN, which is not JSON.
    Nan,
    /// Every vector lacks its last dimension.
    WrongDimensions,
    /// Inputs are silently cut at `max_input_tokens`. Only the usage shows it.
    Truncates,
}
