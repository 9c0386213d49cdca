//! An answer that was checked against its schema, and what had to be put right for that.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// The text of a reply, found to be an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The answer, which satisfies the schema.
    pub value: Value,
    /// What was put right.
    pub repaired: BTreeSet<Repair>,
}

/// Why the text of a reply is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// It has thoughts and nothing behind them.
    OnlyThoughts,
    /// It breaks off inside the answer.
    Cut(String),
    /// It does not satisfy the schema; why, in words that a model understands.
    Invalid(String),
}

macro_rules! repairs {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)+) => {
        /// A deviation that was put right without asking again. None of them changes what was answered. The list is closed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Repair {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $variant,)+
        }

        impl Repair {
            /// Every repair, from the outside of a reply to its inside.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name in results.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

repairs! {
    /// Something stood around the JSON of the provider's reply: a byte order mark, `data: [DONE]`.
    ReplyForm = "reply_form",
    /// Prose stood around the answer, or other objects before it.
    SurroundingText = "surrounding_text",
    /// The answer was JSON inside a JSON string.
    DoubleEncoded = "double_encoded",
    /// The answer was the only item of a list, or its items were equal.
    ListOfOne = "list_of_one",
    /// The answer stood in an object under a name such as `answer`.
    Wrapped = "wrapped",
    /// A comma stood behind the last item.
    TrailingComma = "trailing_comma",
    /// A string held line breaks, tabs or other control characters.
    ControlCharacter = "control_character",
    /// Half of a surrogate pair was replaced by U+FFFD.
    LoneSurrogate = "lone_surrogate",
    /// A backslash stood before a character that needs none.
    Escape = "escape",
    /// Strings had other quotation marks, or keys none.
    Quotes = "quotes",
    /// `True`, `False` and `None` stood for `true`, `false` and `null`.
    Literal = "literal",
    /// A number was written as `+7`, `.5` or `7.`.
    NumberForm = "number_form",
    /// There were comments.
    Comment = "comment",
    /// A key had other letter case, blanks or hyphens.
    KeyName = "key_name",
    /// A key that the schema does not have was dropped.
    ExtraKey = "extra_key",
    /// A number or a truth value was written as a string, or a whole number stood where a string belongs.
    Type = "type",
    /// An enum value had other letter case, or blanks around it.
    EnumSpelling = "enum_spelling",
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
