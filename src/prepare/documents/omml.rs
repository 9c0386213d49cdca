//! Formulas of Word (OMML) on one line.

use super::math::{as_shown, bare, binomial, divided, finished, fraction, matrix, root, scripts, sequence_keeping_edges};
use super::xml::attribute;
use quick_xml::events::BytesStart;

/// Maximum number of open elements. Text of deeper ones is left out.
const DEPTH: usize = 64;

/// A formula that is being read.
#[derive(Debug, Default)]
pub(super) struct Omml(Vec<Element>);

#[derive(Debug, Default)]
struct Element {
    name: String,
    /// Name and text of each part.
    parts: Vec<(String, String)>,
    /// Whether the text is upright: words and names rather than products.
    is_upright: bool,
    /// Values of properties: the sign of a sum, the brackets.
    properties: Vec<(String, String)>,
}

impl Omml {
    /// Opens an element.
    pub fn open(&mut self, tag: &BytesStart) {
        let name = tag.local_name().as_ref().to_owned();
        match &*name {
            "nor" | "sty" => {
                let is_upright = name == "nor" || attribute(tag, "m:val").is_some_and(|style| matches!(&*style, "p" | "b"));
                if let Some(run) = self.0.iter_mut().rev().find(|element| element.name == "r") {
                    run.is_upright |= is_upright;
                }
            }
            "chr" | "begChr" | "endChr" | "sepChr" | "degHide" | "pos" | "type" => {
                let value = attribute(tag, "m:val").unwrap_or_else(|| if name == "degHide" { "1".to_owned() } else { String::new() });
                if let Some(element) = self.0.iter_mut().rev().find(|element| !element.name.ends_with("Pr")) {
                    element.properties.push((name, value));
                }
            }
            _ if self.0.len() < DEPTH => {
                self.0.push(Element { name, ..Element::default() });
            }
            _ => {}
        }
    }

    /// Adds text, which counts only inside `m:t`.
    pub fn text(&mut self, text: &str) {
        let is_upright = self.0.iter().rev().find(|element| element.name == "r").is_some_and(|run| run.is_upright);
        if let Some(element) = self.0.last_mut().filter(|element| element.name == "t") {
            element.parts.push((String::new(), if is_upright { bare(text) } else { divided(&bare(text)) }));
        }
    }

    /// Closes an element. Returns the formula when it is complete.
    pub fn close(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().rposition(|element| element.name == name)?;
        while self.0.len() > at {
            let element = self.0.pop()?;
            let name = element.name.clone();
            let is_property = name.ends_with("Pr");
            let text = if is_property { String::new() } else { element.written() };
            match self.0.last_mut() {
                Some(outer) if !is_property => outer.parts.push((name, text)),
                Some(_) => {}
                None => return Some(finished(&text)),
            }
        }
        None
    }
}

impl Element {
    fn part(&self, name: &str) -> &str {
        self.parts.iter().find(|(part, _)| part == name).map_or("", |(_, text)| text)
    }

    fn property(&self, name: &str, usual: &str) -> String {
        self.properties.iter().find(|(property, _)| property == name).map_or(usual, |(_, value)| value).to_owned()
    }

    fn all(&self) -> Vec<String> {
        self.parts.iter().map(|(_, text)| text.clone()).collect()
    }

    fn written(&self) -> String {
        let base = self.part("e");
        // Word shows the power of `2x` like 2 times that of `x`.
        let shown_base = &*as_shown(base);
        match &*self.name {
            "f" if self.property("type", "bar") == "noBar" => binomial(self.part("num"), self.part("den")),
            "f" => fraction(self.part("num"), self.part("den")),
            "sSup" => scripts(shown_base, "", self.part("sup")),
            "sSub" => scripts(shown_base, self.part("sub"), ""),
            "sSubSup" => scripts(shown_base, self.part("sub"), self.part("sup")),
            "sPre" => format!("{}{base}", scripts("", self.part("sub"), self.part("sup"))),
            "limLow" => scripts(shown_base, self.part("lim"), ""),
            "limUpp" => scripts(shown_base, "", self.part("lim")),
            "rad" => root(base, if self.property("degHide", "0") == "0" { self.part("deg") } else { "" }),
            "nary" => format!("{} {base}", scripts(&self.property("chr", "∫"), self.part("sub"), self.part("sup"))),
            "d" => {
                let separator = self.property("sepChr", "|");
                format!("{}{}{}", self.property("begChr", "("), self.all().join(&separator), self.property("endChr", ")"))
            }
            "func" => match (self.part("fName").trim(), base.trim()) {
                (name, of) if of.starts_with('(') => format!("{name}{of}"),
                (name, of) => format!("{name}({of})"),
            },
            "acc" => format!("{base}{}", self.property("chr", "\u{302}")),
            "bar" if self.property("pos", "bot") == "top" => over(base, '\u{305}'),
            "bar" => over(base, '\u{332}'),
            "m" => matrix(&self.all()),
            "mr" => self.all().join(", "),
            "eqArr" => self.all().join("; "),
            "phant" => String::new(),
            "t" => self.all().concat(),
            _ => sequence_keeping_edges(&self.all()),
        }
    }
}

/// A line above or below each sign of a text.
fn over(text: &str, line: char) -> String {
    bare(text.trim()).chars().flat_map(|sign| [sign, line]).collect()
}
