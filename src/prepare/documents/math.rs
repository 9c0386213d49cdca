//! Writes formulas on one line: `x^2`, `(a + b)/2`, `sqrt(x)`.
//!
//! Models read this form well, and it never joins a number with its exponent or its denominator.

use super::xml;

/// Stands between factors without a sign, so that a product is not taken for one name.
const TIMES: char = '\u{2062}';

/// Stands on both sides of a fraction, so that its neighbours stay apart.
const EDGE: char = '\u{2063}';
/// Stand around the parts of a binomial, which may be in parentheses already.
const OPEN: char = '\u{2061}';
const CLOSE: char = '\u{2064}';
/// Signs without a shape. Texts of formulas must not contain them.
const MARKS: [char; 4] = [OPEN, TIMES, EDGE, CLOSE];

/// Removes the signs without a shape from a text of a formula.
pub(super) fn bare(text: &str) -> String {
    text.replace(MARKS, "")
}

/// A text of letters and numbers, which are factors of a product: `2x` is 2 times x.
pub(super) fn divided(text: &str) -> String {
    // Other scripts write whole words.
    let is_letter = |c: char| c.is_alphabetic() && (c < '\u{600}' || ('\u{1D400}'..='\u{1D7FF}').contains(&c));
    let mut divided = String::with_capacity(text.len());
    for sign in text.chars() {
        let is_factor = |last: char| is_letter(sign) && (is_letter(last) || last.is_ascii_digit());
        if divided.chars().next_back().is_some_and(is_factor) {
            divided.push(TIMES);
        }
        divided.push(sign);
    }
    divided
}

/// A product without the marks between its factors.
pub(super) fn as_shown(text: &str) -> String {
    text.replace(TIMES, "")
}

/// A whole formula, without marks.
pub(super) fn finished(formula: &str) -> String {
    let mut whole: Vec<char> = Vec::with_capacity(formula.len());
    let mut open = Vec::new();
    let mut signs = formula.chars().filter(|sign| !matches!(*sign, TIMES | EDGE)).peekable();
    while let Some(sign) = signs.next() {
        match sign {
            OPEN => {
                open.push((whole.len(), whole.last() == Some(&'(')));
                whole.push('(');
            }
            CLOSE => match open.pop() {
                Some((at, true)) if signs.peek() == Some(&')') => whole[at] = OPEN,
                _ => whole.push(')'),
            },
            sign => whole.push(sign),
        }
    }
    whole.into_iter().filter(|sign| *sign != OPEN).collect()
}

/// A fraction.
pub(super) fn fraction(above: &str, below: &str) -> String {
    format!("{EDGE}{}/{}{EDGE}", grouped(&above.replace(EDGE, "")), grouped(&below.replace(EDGE, "")))
}

/// A fraction without a bar: a binomial.
pub(super) fn binomial(above: &str, below: &str) -> String {
    format!("{OPEN}{} choose {}{CLOSE}", grouped(above), grouped(below))
}

/// A base with an index, an exponent, or both.
pub(super) fn scripts(base: &str, below: &str, above: &str) -> String {
    let mark = |sign: &str, script: &str| {
        let script = script.trim();
        match script.chars().count() {
            0 => String::new(),
            _ if is_plain(script) => format!("{sign}{script}"),
            _ => format!("{sign}{{{script}}}"),
        }
    };
    let unsigned = base.trim().strip_prefix(['-', '+', '\u{2212}', '\u{b1}']).map(str::trim);
    if let Some(unsigned) = unsigned.filter(|unsigned| is_plain(unsigned) && !unsigned.is_empty()) {
        let sign: String = base.trim().chars().take(1).collect();
        return format!("{sign}{}", scripts(unsigned, below, above));
    }
    format!(
        "{}{}{}",
        if is_plain(base) || below.is_empty() && above.is_empty() { base.trim().to_owned() } else { grouped(base) },
        mark("_", below),
        mark("^", above)
    )
}

/// A root. Without `degree` it is the square root.
pub(super) fn root(of: &str, degree: &str) -> String {
    match degree.trim() {
        "" | "2" => format!("sqrt({})", of.trim()),
        degree => format!("root({degree}, {})", of.trim()),
    }
}

/// A matrix, row by row.
pub(super) fn matrix(rows: &[String]) -> String {
    format!("[{}]", rows.iter().map(|row| row.trim()).collect::<Vec<_>>().join("; "))
}

/// Puts parts of a formula one after another.
pub(super) fn sequence(parts: &[String]) -> String {
    let parts: Vec<&String> = parts.iter().filter(|part| !part.is_empty()).collect();
    let mut whole = String::new();
    for (at, part) in parts.iter().enumerate() {
        let before = whole.trim_end();
        let Some(fraction) = lone_fraction(part).filter(|_| parts.len() > 1) else {
            if part.starts_with(char::is_alphanumeric) {
                if ends_in_script(&whole) || whole.ends_with(EDGE) {
                    whole.push(' ');
                } else if whole.ends_with(char::is_alphanumeric) {
                    whole.push(TIMES);
                }
            }
            whole.push_str(part);
            continue;
        };
        let is_mixed = whole.ends_with(|c: char| c.is_ascii_digit()) && fraction.chars().all(|c| c.is_ascii_digit() || c == '/');
        let is_divided = before.ends_with(['/', '\u{f7}', ':']);
        let binds = |next: &&String| next.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '(' | '[' | '!' | EDGE | OPEN));
        let has_factor = parts.get(at + 1).is_some_and(binds);
        if whole.ends_with(|c: char| c.is_alphanumeric() || matches!(c, ')' | ']' | EDGE)) {
            whole.push(' ');
        }
        if is_divided || has_factor && !is_mixed {
            whole.extend(["(", fraction, ")"]);
        } else {
            whole.push_str(fraction);
            // A factor after a mixed number stays apart from its denominator.
            whole.push_str(if has_factor { " " } else { "" });
        }
    }
    whole.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text of a part that is one fraction.
fn lone_fraction(part: &str) -> Option<&str> {
    part.trim().strip_prefix(EDGE)?.strip_suffix(EDGE).filter(|inner| !inner.contains(EDGE))
}

/// Whether a text ends with an index or exponent, which the next letter would join.
fn ends_in_script(text: &str) -> bool {
    text.trim_end_matches(char::is_alphanumeric).ends_with(['^', '_']) && text.ends_with(char::is_alphanumeric)
}

/// A text in parentheses, unless it is one number or name.
fn grouped(text: &str) -> String {
    let text = text.trim();
    if is_plain(text) || (text.starts_with('(') && text.find(')') == Some(text.len() - 1)) { text.to_owned() } else { format!("({text})") }
}

fn is_plain(text: &str) -> bool {
    let text = text.trim();
    text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | ',' | '\'' | '′')) || text.chars().count() == 1
}

/// A formula in MathML that is being read.
#[derive(Debug, Default)]
pub(super) struct MathMl {
    open: Vec<Element>,
    /// The formula in TeX, if the page has it too.
    tex: Option<String>,
}

#[derive(Debug, Default)]
struct Element {
    name: String,
    parts: Vec<String>,
    /// Whether the text of the element is TeX, or text for programs.
    annotation: Option<bool>,
    fence: Option<(String, String)>,
    /// Whether the fraction has no bar.
    without_bar: bool,
}

/// Maximum number of open elements.
const DEPTH: usize = 64;

impl MathMl {
    /// Opens an element.
    pub fn open(&mut self, name: &str, attribute: impl Fn(&str) -> Option<String>) {
        if self.open.len() >= DEPTH {
            return;
        }
        let name = xml::local(name).to_ascii_lowercase();
        let annotation =
            matches!(&*name, "annotation" | "annotation-xml").then(|| attribute("encoding").is_some_and(|kind| kind.contains("tex")));
        let edge = |name: &str, usual: &str| attribute(name).unwrap_or_else(|| usual.to_owned());
        let fence = (name == "mfenced").then(|| (edge("open", "("), edge("close", ")")));
        let is_none = |width: String| {
            width.trim_end_matches(char::is_alphabetic).trim_end_matches('%').parse::<f64>().is_ok_and(|width| width <= 0.0)
        };
        let without_bar = name == "mfrac" && attribute("linethickness").is_some_and(is_none);
        self.open.push(Element { name, annotation, fence, without_bar, parts: Vec::new() });
    }

    /// Adds text.
    pub fn text(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            let text = bare(text.trim());
            // White space between elements is no operand of a fraction or script.
            if !text.is_empty() {
                element.parts.push(text);
            }
        }
    }

    /// Closes an element. Returns the formula when it is complete.
    pub fn close(&mut self, name: &str) -> Option<String> {
        let name = xml::local(name).to_ascii_lowercase();
        let at = self.open.iter().rposition(|element| element.name == name)?;
        let mut whole = None;
        while self.open.len() > at {
            let element = self.open.pop()?;
            let text = match element.annotation {
                Some(true) => {
                    self.tex = Some(element.parts.concat());
                    continue;
                }
                Some(false) => continue,
                None => element.written(),
            };
            match self.open.last_mut() {
                Some(outer) => outer.parts.push(text),
                None => whole = Some(text),
            }
        }
        whole.map(|text| self.tex.take().unwrap_or_else(|| finished(&text)))
    }
}

impl Element {
    fn written(self) -> String {
        let empty = String::new();
        let part = |at: usize| self.parts.get(at).unwrap_or(&empty);
        match &*self.name {
            "mfrac" if self.without_bar => binomial(part(0), part(1)),
            "mfrac" => fraction(part(0), part(1)),
            "msup" | "mover" => scripts(part(0), "", part(1)),
            "msub" | "munder" => scripts(part(0), part(1), ""),
            "msubsup" | "munderover" => scripts(part(0), part(1), part(2)),
            "msqrt" => root(&sequence(&self.parts), ""),
            "mroot" => root(part(0), part(1)),
            "mtable" => matrix(&self.parts),
            "mtr" => self.parts.iter().map(|cell| cell.trim()).collect::<Vec<_>>().join(", "),
            "mfenced" => {
                let (open, close) = self.fence.clone().unwrap_or_default();
                format!("{open}{}{close}", self.parts.join(", "))
            }
            "mo" => match &*self.parts.concat() {
                sign @ ("=" | "+" | "-" | "\u{2212}" | "<" | ">" | "\u{2264}" | "\u{2265}" | "\u{2260}" | "\u{d7}" | "\u{b7}"
                | "\u{2192}" | "\u{b1}") => format!(" {sign} "),
                "," => ", ".to_owned(),
                sign => sign.to_owned(),
            },
            "mspace" => " ".to_owned(),
            "mphantom" => String::new(),
            _ => sequence_keeping_edges(&self.parts),
        }
    }
}

/// Parts one after another. White space at the edges separates from the neighbours.
pub(super) fn sequence_keeping_edges(parts: &[String]) -> String {
    let (inside, whole) = (sequence(parts), parts.concat());
    let edge = |is: bool| if is && !inside.is_empty() { " " } else { "" };
    format!("{}{inside}{}", edge(whole.starts_with(' ')), edge(whole.ends_with(' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_fractions_and_roots_stay_apart() {
        assert_eq!(finished(&fraction("a + b", "2")), "(a + b)/2");
        assert_eq!(finished(&fraction("a", "bc")), "a/bc");
        assert_eq!((scripts("-3", "", "2"), scripts(" - 3", "", "2")), ("-3^2".to_owned(), "-3^2".to_owned()));
        assert_eq!(scripts("x", "", "2"), "x^2");
        assert_eq!(scripts("x", "i", "n + 1"), "x_i^{n + 1}");
        assert_eq!(scripts("a + b", "", "2"), "(a + b)^2");
        assert_eq!((root("x", ""), root("x + 1", "3")), ("sqrt(x)".to_owned(), "root(3, x + 1)".to_owned()));
        assert_eq!(matrix(&["a, b".to_owned(), "c, d".to_owned()]), "[a, b; c, d]");
    }

    #[test]
    fn neighbours_keep_the_value_of_a_fraction() {
        let beside = |parts: &[String]| finished(&sequence(parts));
        let third = || fraction("1", "3");
        assert_eq!(beside(&["2".to_owned(), third()]), "2 1/3");
        assert_eq!(beside(&["2".to_owned(), third(), "x".to_owned()]), "2 1/3 x");
        assert_eq!(beside(&[fraction("a", "b"), "c".to_owned()]), "(a/b)c");
        assert_eq!(beside(&[third(), " + ".to_owned(), third()]), "1/3 + 1/3");
        assert_eq!(beside(&["x / ".to_owned(), fraction("a", "b")]), "x / (a/b)");
        assert_eq!(beside(&[scripts("x", "", "2"), "3".to_owned()]), "x^2 3");
        assert_eq!(finished(&binomial("n", "k")), "(n choose k)");
        assert_eq!(finished(&format!("({})", binomial("n", "k"))), "(n choose k)");
        assert_eq!(finished(&format!("({} + 1)", binomial("n", "k"))), "((n choose k) + 1)");
    }

    fn read(parts: &[&str]) -> String {
        let mut math = MathMl::default();
        let mut whole = None;
        for part in parts {
            match (part.strip_prefix("</"), part.strip_prefix('<')) {
                (Some(name), _) => whole = math.close(name).or(whole),
                (None, Some("annotation")) => math.open("annotation", |_| Some("application/x-tex".to_owned())),
                (None, Some(name)) => math.open(name, |_| None),
                (None, None) => math.text(part),
            }
        }
        whole.unwrap_or_default()
    }

    #[test]
    fn mathml_is_linear_and_tex_has_precedence() {
        let square = ["<math", "<msup", "<mi", "x", "</mi", "<mn", "2", "</mn", "</msup", "<mo", "=", "</mo"];
        let half = ["<mfrac", "<mn", "1", "</mn", "<mn", "2", "</mn", "</mfrac", "</math"];
        assert_eq!(read(&[&square[..], &half[..]].concat()), "x^2 = 1/2");
        assert_eq!(
            read(&["<math", "<semantics", "<mi", "a", "</mi", "<annotation", "a^{2}", "</annotation", "</semantics", "</math"]),
            "a^{2}"
        );
        assert_eq!(read(&["<math", "<mi", "a", "</math"]), "a", "elements may lack their ends");
        let product = ["<mrow", "<mn", "2", "</mn", "\n  ", "<mi", "x", "</mi", "</mrow"];
        let over = |above: &[&str], below: &[&str]| {
            read(&[&["<math", "<mfrac", "\n  "], above, &["\n  "], below, &["\n", "</mfrac", "</math"]].concat())
        };
        assert_eq!(over(&["<mn", "1", "</mn"], &product), "1/(2x)", "white space is layout, and a product stays one operand");
        assert_eq!(over(&product, &["<mi", "rate", "</mi"]), "(2x)/rate");
        let squared = ["<math", "<mi", "m", "</mi", "<msup", "<mi", "c", "</mi", "<mn", "2", "</mn", "</msup", "</math"];
        assert_eq!(read(&squared), "mc^2");
    }
}
