//! Predicts answer lengths from the schema and the prompt.

use crate::model::Schema;
use serde_json::Value;

/// A likely length in tokens. The range covers nine of ten cases.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Length {
    /// Lower end.
    pub low: f64,
    /// The most likely length.
    pub likely: f64,
    /// Upper end.
    pub high: f64,
}

impl Length {
    /// Creates a length.
    pub const fn new(low: f64, likely: f64, high: f64) -> Self {
        Self { low, likely, high }
    }

    /// Adds two lengths of one answer. The ends add up, because a model that is brief in one part
    /// is brief in the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { low: self.low + other.low, likely: self.likely + other.likely, high: self.high + other.high }
    }

    /// Multiplies a length by an uncertain count.
    #[must_use]
    pub fn times(self, count: Self) -> Self {
        let likely = self.likely * count.likely;
        let below = (count.likely * (self.likely - self.low)).hypot(self.likely * (count.likely - count.low));
        let above = (count.likely * (self.high - self.likely)).hypot(self.likely * (count.high - count.likely));
        Self { low: (likely - below).max(self.low * count.low), likely, high: likely + above }
    }

    /// The same length, limited to `most`.
    #[must_use]
    pub fn at_most(self, most: f64) -> Self {
        Self { low: self.low.min(most), likely: self.likely.min(most), high: self.high.min(most) }
    }
}

/// Predicted answer length of a task: a fixed part and copied text.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AnswerForm {
    fixed: Length,
    /// Length of the copies relative to the document.
    copies: Length,
}

/// Typical lengths of texts by the ending of the field name.
const NAMES: [(&[&str], Length); 7] = [
    (&["title", "headline", "name", "subject", "heading", "caption", "address", "email", "url"], Length::new(4.0, 9.0, 20.0)),
    (
        &[
            "category",
            "label",
            "topic",
            "type",
            "class",
            "language",
            "date",
            "id",
            "code",
            "number",
            "currency",
            "unit",
            "country",
            "city",
            "phone",
            "sentiment",
            "status",
            "color",
            "colour",
            "brand",
            "material",
            "keyword",
            "tag",
            "phrase",
            "author",
            "role",
        ],
        Length::new(1.5, 4.0, 9.0),
    ),
    (&["summary", "abstract", "synopsis", "description", "overview"], Length::new(35.0, 85.0, 220.0)),
    (
        &[
            "rationale",
            "reason",
            "reasoning",
            "explanation",
            "justification",
            "evidence",
            "comment",
            "remark",
            "note",
            "verdict",
            "analysis",
        ],
        Length::new(18.0, 50.0, 140.0),
    ),
    (&["question", "strength", "concern", "weakness", "risk", "recommendation", "sentence", "quote"], Length::new(7.0, 15.0, 32.0)),
    (&["answer", "response", "reply"], Length::new(6.0, 45.0, 200.0)),
    (&["body", "letter", "article", "essay", "report", "draft"], Length::new(80.0, 280.0, 700.0)),
];
/// Length of a text if its name is not in `NAMES`.
const TEXT: Length = Length::new(6.0, 24.0, 90.0);
/// Length of such a text in a list.
const ITEM: Length = Length::new(3.0, 9.0, 24.0);
/// Number of items in a list of unknown length.
const ITEMS: Length = Length::new(1.0, 4.0, 10.0);
/// Length of a translated or rewritten text, relative to the document.
const COPY: Length = Length::new(0.7, 1.15, 1.7);
/// Words in a prompt or description that ask for such a text.
const COPIES: [&str; 9] = ["translat", "transcri", "rewrite", "proofread", "reformat", "paraphras", "verbatim", "full text", "clean up"];
/// Endings of field names that hold such a text.
const COPIED: [&str; 9] = ["translation", "transcription", "transcript", "text", "content", "markdown", "html", "rewritten", "corrected"];

impl AnswerForm {
    /// Derives the form from the schema and the prompt of a task.
    pub fn new(schema: &Value, prompt: &str) -> Self {
        let prompt = prompt.to_lowercase();
        let copies = |name: &str, wording: &str| {
            let asked = COPIES.iter().any(|word| prompt.contains(word) || wording.contains(word));
            asked && COPIED.iter().any(|ending| name.ends_with(ending))
        };
        let mut form = Self { fixed: overhead(0.0), copies: Length::default() };
        let form_of_field = Reader { prompt: &prompt, alone: texts(schema) == 1 };
        if let Some(fields) = schema["properties"].as_object() {
            for (name, field) in fields {
                let wording = description(field);
                form.fixed = form.fixed.and(key(name));
                if Schema::type_of(field) == Some("string") && field["enum"].is_null() && copies(&name.to_lowercase(), &wording) {
                    form.copies = form.copies.and(COPY);
                } else {
                    form.fixed = form.fixed.and(form_of_field.value(field, name, false));
                }
            }
        } else {
            form.fixed = form_of_field.value(schema, "", false);
        }
        form
    }

    /// Length of the answer about a document of `document` tokens.
    pub fn length(&self, document: f64) -> Length {
        let copy = Length::new(self.copies.low * document, self.copies.likely * document, self.copies.high * document);
        self.fixed.and(copy)
    }
}

struct Reader<'p> {
    prompt: &'p str,
    /// Whether the schema has only one text. The prompt then describes this text.
    alone: bool,
}

impl Reader<'_> {
    fn value(&self, schema: &Value, name: &str, in_list: bool) -> Length {
        if let Some(choices) = schema["enum"].as_array() {
            let lengths = choices.iter().map(|choice| choice.as_str().map_or(1.0, |text| (text.len() as f64 / 5.0).max(1.0)));
            let mean = lengths.sum::<f64>() / (choices.len() as f64).max(1.0);
            return Length::new(0.7 * mean, mean, 1.6 * mean);
        }
        match Schema::type_of(schema) {
            Some("boolean") => Length::new(1.0, 1.0, 1.0),
            Some("integer") => Length::new(1.0, 1.3, 3.0),
            Some("number") => Length::new(1.0, 3.0, 4.0),
            Some("null") => Length::new(1.0, 1.0, 1.0),
            Some("object") => {
                let fields = schema["properties"].as_object();
                let fields = fields.into_iter().flatten().map(|(name, field)| key(name).and(self.value(field, name, false)));
                fields.fold(overhead(1.0), Length::and)
            }
            Some("array") => {
                let item = self.value(&schema["items"], name, true);
                Length::new(1.0, 2.0, 4.0).and(item.and(Length::new(1.0, 1.5, 4.0)).times(self.count(schema, name)))
            }
            _ => self.text(schema, name, in_list),
        }
    }

    fn text(&self, schema: &Value, name: &str, in_list: bool) -> Length {
        let name = name.to_lowercase();
        let wording = description(schema);
        let of_prompt = || if in_list { each(self.prompt) } else { spoken_length(self.prompt).filter(|_| self.alone) };
        let asked = spoken_length(&wording).or_else(of_prompt);
        let known = || NAMES.iter().find(|(names, _)| names.iter().any(|known| ends_with(&name, known)));
        // Items of a list may be single words.
        let known = || known().map(|(_, length)| if in_list { Length { low: 0.6 * length.low, ..*length } } else { *length });
        let length = asked.or_else(known).unwrap_or(if in_list { ITEM } else { TEXT });
        match schema["maxLength"].as_f64() {
            Some(most) => length.at_most((most / 3.0).max(1.0)),
            None => length,
        }
    }

    /// Number of items in a list.
    fn count(&self, schema: &Value, name: &str) -> Length {
        match (schema["minItems"].as_f64(), schema["maxItems"].as_f64()) {
            (Some(least), Some(most)) => Length::new(least, f64::midpoint(least, most), most),
            (Some(least), None) => Length::new(least, least.max(1.0) * 1.3, 2.5 * least + 2.0),
            (None, Some(most)) => Length::new(0.2 * most, 0.6 * most, most),
            (None, None) => {
                let words = words(self.prompt);
                let named = |word: &str| ends_with(name, word) || ends_with(name, word.trim_end_matches('s'));
                let at = words.iter().position(|word| word.len() > 2 && named(word));
                at.and_then(|at| range_before(&words, at)).unwrap_or(ITEMS)
            }
        }
    }
}

/// Whether a name ends with a word, in singular or plural.
fn ends_with(name: &str, word: &str) -> bool {
    let name = name.strip_suffix('s').filter(|_| !word.ends_with('s')).unwrap_or(name);
    name.ends_with(word) || name.strip_suffix("ie").is_some_and(|stem| word.strip_suffix('y') == Some(stem))
}

fn description(schema: &Value) -> String {
    ["title", "description"].iter().filter_map(|key| schema[key].as_str()).collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Number of free texts in an answer.
fn texts(schema: &Value) -> usize {
    match Schema::type_of(schema) {
        Some("object") => schema["properties"].as_object().into_iter().flatten().map(|(_, field)| texts(field)).sum(),
        Some("array") => texts(&schema["items"]),
        Some("string") if schema["enum"].is_null() => 1,
        _ => 0,
    }
}

/// Length of braces, fences and other characters around `depth` objects.
fn overhead(depth: f64) -> Length {
    Length::new(1.0, 3.0 + depth, 12.0)
}

/// Length of a field name with its marks. The low end is for compact JSON, and the high end for
/// separate lines.
fn key(name: &str) -> Length {
    let parts = name.split(|c: char| !c.is_alphanumeric()).map(|part| (part.len() as f64 / 7.0).ceil()).sum::<f64>().max(1.0);
    Length::new(parts + 1.0, parts + 2.5, parts + 5.0)
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect()
}

const NUMBERS: [&str; 21] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

fn number(word: &str) -> Option<f64> {
    const TENS: [(&str, f64); 6] =
        [("thirty", 30.0), ("forty", 40.0), ("fifty", 50.0), ("sixty", 60.0), ("hundred", 100.0), ("thousand", 1000.0)];
    let spelled = || NUMBERS.iter().position(|known| *known == word).map(|n| n as f64);
    let tens = || TENS.iter().find(|(known, _)| *known == word).map(|(_, n)| *n);
    let article = || ["a", "an", "single"].contains(&word).then_some(1.0);
    word.parse().ok().filter(|n| (0.0..1e5).contains(n)).or_else(spelled).or_else(tens).or_else(article)
}

/// Finds the number or range shortly before a word. An example is "five to seven short keywords".
fn range_before(words: &[&str], at: usize) -> Option<Length> {
    const NEAR: usize = 3;
    let near = at.saturating_sub(NEAR)..at;
    let last = near.rev().find(|at| number(words[*at]).is_some())?;
    let most = number(words[last])?;
    let is_range = last >= 2 && ["to", "or", "and"].contains(&words[last - 1]);
    if let Some(least) = is_range.then(|| number(words[last - 2])).flatten().filter(|least| *least < most) {
        return Some(Length::new(least, f64::midpoint(least, most), most));
    }
    let before = words[last.saturating_sub(3)..last].join(" ");
    let is_bound = ["most", "than", "under", "up to", "maximum", "max", "within", "below"].iter().any(|word| before.contains(word));
    Some(if is_bound { Length::new(0.3 * most, 0.65 * most, most) } else { Length::new(0.9 * most, most, 1.15 * most) })
}

/// The requested length of each list item. An example is "three concerns, each in at most fifteen
/// words".
fn each(prompt: &str) -> Option<Length> {
    const NEAR: usize = 50;
    prompt.match_indices("each").find_map(|(at, _)| spoken_length(&prompt[at..].chars().take(NEAR).collect::<String>()))
}

/// The length that a text requests, such as "two to three sentences".
fn spoken_length(text: &str) -> Option<Length> {
    let words = words(text);
    let unit = |word: &str| match word.trim_end_matches('s') {
        "word" => Some(Length::new(1.2, 1.4, 1.9)),
        "sentence" => Some(Length::new(16.0, 27.0, 42.0)),
        "paragraph" => Some(Length::new(55.0, 100.0, 190.0)),
        "character" => Some(Length::new(0.2, 0.25, 0.4)),
        _ => None,
    };
    let found = words.iter().enumerate().find_map(|(at, word)| Some((range_before(&words, at)?, unit(word)?)));
    found.map(|(count, unit)| unit.times(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[expect(clippy::needless_pass_by_value, reason = "fields are written where they are passed")]
    fn form(fields: Value, prompt: &str) -> AnswerForm {
        AnswerForm::new(&json!({"type": "object", "properties": fields}), prompt)
    }

    #[test]
    fn values_of_fixed_forms_take_few_tokens() {
        let choice = form(json!({"category": {"type": "string", "enum": ["metal", "wood", "polymer"]}}), "Choose one.").length(5000.0);
        assert!(choice.high < 22.0 && choice.low > 3.0, "{choice:?}");
        let numbers = form(json!({"stars": {"type": "integer"}, "sure": {"type": "boolean"}}), "How many stars?").length(5000.0);
        assert!(numbers.high < 32.0, "{numbers:?}");
    }

    #[test]
    fn requested_lengths_count() {
        for (text, low, high) in [
            ("two to three sentences", 35.0, 110.0),
            ("at most fifteen words", 5.0, 24.0),
            ("in one sentence", 14.0, 45.0),
            ("a summary of up to 200 words", 80.0, 330.0),
            ("three paragraphs", 160.0, 600.0),
        ] {
            let length = spoken_length(text).unwrap();
            assert!(length.low >= low && length.high <= high && length.low < length.high, "{text}: {length:?}");
        }
        assert_eq!(spoken_length("what is it about?"), None);
    }

    #[test]
    fn a_translation_is_as_long_as_its_document() {
        let form = form(json!({"translation": {"type": "string"}}), "Translate the document into Spanish.");
        let (short, long) = (form.length(100.0), form.length(3000.0));
        assert!(short.low > 60.0 && short.high < 230.0, "{short:?}");
        assert!(long.low > 1900.0 && long.high < 5300.0, "{long:?}");
    }

    #[test]
    fn lengths_are_ordered_for_every_schema() {
        let text = json!({"type": "string"});
        for field in [
            text.clone(),
            json!({"type": "array", "items": text}),
            json!({"type": "array", "items": {"type": "object", "properties": {"a": {"type": "number"}}}, "minItems": 0}),
            json!({"type": "array", "items": text, "maxItems": 0}),
            json!({"type": ["string", "null"]}),
            json!({"enum": []}),
            json!({}),
        ] {
            let length = form(json!({"x": field}), "Describe it in 0 words. Each.").length(0.0);
            assert!(length.low <= length.likely && length.likely <= length.high && length.low >= 0.0, "{field}: {length:?}");
        }
    }
}
