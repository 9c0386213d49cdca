//! An answer that satisfies its schema, and the repairs it needed.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// A valid answer from a reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The answer, which satisfies the schema.
    pub value: Value,
    /// Repairs that were needed.
    pub repaired: BTreeSet<Repair>,
}

/// Why the text of a reply is not a valid answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// The text holds thoughts but no answer.
    OnlyThoughts,
    /// The text ends inside the answer.
    Cut(String),
    /// The answer violates the schema. The text describes the violation for the model.
    Invalid(String),
}

macro_rules! repairs {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)+) => {
        /// A deviation that docmill repairs without a retry. No repair changes the answer's
        /// meaning. The list is closed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Repair {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $variant,)+
        }

        impl Repair {
            /// All repairs, from the outermost part of a response to the innermost.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Name in results.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

repairs! {
    /// The provider's reply had text around its JSON. Examples are `data: [DONE]` and a byte order
    /// mark.
    ReplyForm = "reply_form",
    /// The answer had prose around it, or other objects before it.
    SurroundingText = "surrounding_text",
    /// The answer was JSON inside a JSON string.
    DoubleEncoded = "double_encoded",
    /// The answer was in a list, alone or with equal items.
    ListOfOne = "list_of_one",
    /// The answer was inside an object under a name such as `answer`.
    Wrapped = "wrapped",
    /// The last item had a comma after it.
    TrailingComma = "trailing_comma",
    /// A string held line breaks, tabs or other control characters.
    ControlCharacter = "control_character",
    /// Half of a surrogate pair was replaced by U+FFFD.
    LoneSurrogate = "lone_surrogate",
    /// A backslash preceded a character that needs no escape.
    Escape = "escape",
    /// Strings had other quotation marks, or keys had none.
    Quotes = "quotes",
    /// `True`, `False` or `None` replaced `true`, `false` or `null`.
    Literal = "literal",
    /// A number was written as `+7`, `.5` or `7.`.
    NumberForm = "number_form",
    /// The JSON had comments.
    Comment = "comment",
    /// A key differed in letter case, blanks or hyphens.
    KeyName = "key_name",
    /// A key unknown to the schema was dropped.
    ExtraKey = "extra_key",
    /// A number or boolean was a string, or a string an integer.
    Type = "type",
    /// An enum value differed in letter case or outer blanks.
    EnumSpelling = "enum_spelling",
    /// An answer outside an enum became its `unknown` value.
    UnknownValue = "unknown_value",
    /// An absent field got its default.
    Default = "default",
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
