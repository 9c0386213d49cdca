//! Parses JSON as models and servers write it, with common faults.
//!
//! [`parse`] repairs only faults with one possible meaning, and reports them. It completes nothing:
//! a truncated value is an error. Valid JSON gets the value that serde_json gives it.

mod distinct;

pub use distinct::Distinct;

use crate::model::Repair;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Maximum nesting depth, as in serde_json. The stack has room for more.
const MAX_DEPTH: usize = 100;

/// A value at the beginning of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The value.
    pub value: Value,
    /// Offset of the value's end in the text, in bytes.
    pub end: usize,
    /// The faults that were repaired.
    pub repaired: BTreeSet<Repair>,
    /// Whether a key has two values. The last one is here, as JSON readers take it.
    pub conflict: bool,
}

/// The position and kind of a parse error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// Offset of the failure in bytes; the text's length if truncated.
    pub at: usize,
    /// Whether the text began like JSON. This is an object, a list of objects, or a value that is
    /// too deep.
    ///
    /// False for a brace in prose.
    pub structure: bool,
}

/// Reads the value that `text` begins with.
pub fn parse(text: &str) -> Result<Parsed, Broken> {
    let mut reader = Reader { text, at: 0, repaired: BTreeSet::new(), structure: false, conflict: false };
    match reader.value(0) {
        // With another fault, it is unclear which value of a repeated key a reader takes.
        Some(value) if !reader.conflict || reader.repaired.is_empty() => {
            Ok(Parsed { value, end: reader.at, repaired: reader.repaired, conflict: reader.conflict })
        }
        _ => Err(Broken { at: reader.at, structure: reader.structure }),
    }
}

/// Unicode whitespace and byte order marks, which have no meaning between values.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    repaired: BTreeSet<Repair>,
    structure: bool,
    /// Whether a key occurs twice with different values.
    conflict: bool,
}

/// Quotation marks: opening and closing.
const QUOTES: [(char, char); 3] = [('"', '"'), ('\'', '\''), ('\u{201c}', '\u{201d}')];

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Skips `c` if it is next.
    fn take(&mut self, c: char) -> bool {
        let next = self.peek() == Some(c);
        if next {
            self.at += c.len_utf8();
        }
        next
    }

    fn note(&mut self, repair: Repair) {
        self.repaired.insert(repair);
    }

    /// Skips blanks and comments.
    fn blank(&mut self) -> Option<()> {
        loop {
            self.at += self.rest().len() - self.rest().trim_start_matches(is_blank).len();
            let length = match self.rest() {
                rest if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
                rest if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
                _ => return Some(()),
            };
            let start = self.at;
            self.at += length;
            // A comment with these characters might be another value or markup, so parsing fails.
            if self.text[start..self.at].contains(['{', '}', '<']) {
                return None;
            }
            self.note(Repair::Comment);
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.blank()?;
        match self.peek()? {
            _ if depth > MAX_DEPTH => {
                self.structure = true;
                None
            }
            '{' => self.object(depth),
            '[' => self.list(depth),
            c if QUOTES.iter().any(|(open, _)| *open == c) => self.string().map(Value::String),
            c if c.is_ascii_digit() || "+-.".contains(c) => self.number(),
            _ => self.literal(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.take('{');
        let mut fields = Map::new();
        loop {
            self.blank()?;
            if self.take('}') {
                return Some(Value::Object(fields));
            }
            let key = self.key()?;
            self.blank()?;
            if !self.take(':') {
                return None;
            }
            self.structure = true;
            let value = self.value(depth + 1)?;
            self.conflict |= fields.get(&key).is_some_and(|before| *before != value);
            fields.insert(key, value);
            self.separator('}')?;
        }
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        self.take('[');
        let mut items = Vec::new();
        loop {
            self.blank()?;
            if self.take(']') {
                return Some(Value::Array(items));
            }
            self.structure |= items.is_empty() && self.peek() == Some('{');
            items.push(self.value(depth + 1)?);
            self.separator(']')?;
        }
    }

    /// Skips a comma. Without a comma, `end` must follow.
    fn separator(&mut self, end: char) -> Option<()> {
        self.blank()?;
        if self.take(',') {
            self.blank()?;
            if self.peek() == Some(end) {
                self.note(Repair::TrailingComma);
            }
            return Some(());
        }
        (self.peek() == Some(end)).then_some(())
    }

    fn key(&mut self) -> Option<String> {
        if QUOTES.iter().any(|(open, _)| self.peek() == Some(*open)) {
            return self.string();
        }
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').unwrap_or(rest.len());
        let name = rest[..length].to_owned();
        // Escaped quotation marks: JSON that was encoded twice.
        self.structure |= rest.starts_with("\\\"");
        if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return None;
        }
        self.at += length;
        self.note(Repair::Quotes);
        Some(name)
    }

    fn string(&mut self) -> Option<String> {
        let open = self.peek()?;
        let (_, close) = QUOTES.into_iter().find(|(quote, _)| *quote == open)?;
        self.take(open);
        if open != '"' {
            self.note(Repair::Quotes);
        }
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let plain = rest.find(|c: char| c == close || c == '\\' || c < ' ').unwrap_or(rest.len());
            out.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek()? {
                '\\' => self.escape(open, &mut out)?,
                c if c == close => {
                    self.take(c);
                    return Some(out);
                }
                control => {
                    self.take(control);
                    out.push(control);
                    self.note(Repair::ControlCharacter);
                }
            }
        }
    }

    fn escape(&mut self, quote: char, out: &mut String) -> Option<()> {
        self.take('\\');
        let c = self.peek()?;
        if c == 'u' {
            return self.unicode(out);
        }
        let plain = match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '\'' => {
                self.note(Repair::Escape);
                c
            }
            // Other languages give such an escape another meaning.
            _ if quote != '"' => return None,
            // Part of a formula, a pattern or a path: keep both characters.
            _ if !c.is_control() => {
                self.note(Repair::Escape);
                out.push('\\');
                c
            }
            _ => return None,
        };
        self.take(c);
        out.push(plain);
        Some(())
    }

    fn unicode(&mut self, out: &mut String) -> Option<()> {
        let unit = self.unit()?;
        let pair = |high: u32, low: u32| char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00));
        if let Some(c) = char::from_u32(unit) {
            out.push(c);
            return Some(());
        }
        if unit < 0xdc00 && self.rest().starts_with("\\u") {
            let before = self.at;
            self.at += 1;
            if let Some(c) = self.unit().filter(|low| (0xdc00..0xe000).contains(low)).and_then(|low| pair(unit, low)) {
                out.push(c);
                return Some(());
            }
            self.at = before;
        }
        self.note(Repair::LoneSurrogate);
        out.push(char::REPLACEMENT_CHARACTER);
        Some(())
    }

    /// Reads `u` and four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.rest().get(1..5).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let unit = u32::from_str_radix(digits, 16).ok()?;
        self.at += 5;
        Some(unit)
    }

    fn number(&mut self) -> Option<Value> {
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(rest.len());
        let written = rest[..length].to_owned();
        if length == rest.len() && serde_json::from_str::<Value>(&written).is_err() {
            self.at = self.text.len();
            return None;
        }
        let value = match serde_json::from_str(&written) {
            Ok(value) => value,
            Err(_) => {
                let digits = written.strip_prefix(['+', '-']).unwrap_or(&written);
                let sign = if written.starts_with('-') { "-" } else { "" };
                let zero = |missing: bool| if missing { "0" } else { "" };
                let normal = format!("{sign}{}{digits}{}", zero(digits.starts_with('.')), zero(digits.ends_with('.')));
                let number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && digits.contains(|c: char| c.is_ascii_digit());
                let value = serde_json::from_str(&normal).ok().filter(|_| number)?;
                self.note(Repair::NumberForm);
                value
            }
        };
        self.at += length;
        self.ends_here().then_some(value)
    }

    fn literal(&mut self) -> Option<Value> {
        const LITERALS: [(&str, Value, bool); 6] = [
            ("true", Value::Bool(true), true),
            ("false", Value::Bool(false), true),
            ("null", Value::Null, true),
            ("True", Value::Bool(true), false),
            ("False", Value::Bool(false), false),
            ("None", Value::Null, false),
        ];
        let Some((word, value, json)) = LITERALS.into_iter().find(|(word, ..)| self.rest().starts_with(word)) else {
            if LITERALS.iter().any(|(word, ..)| word.starts_with(self.rest())) {
                self.at = self.text.len();
            }
            return None;
        };
        self.at += word.len();
        if !json {
            self.note(Repair::Literal);
        }
        self.ends_here().then_some(value)
    }

    /// Whether the token ends here.
    fn ends_here(&self) -> bool {
        !self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_')
    }
}

#[cfg(test)]
mod tests;
