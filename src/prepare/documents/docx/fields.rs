//! Fields of Word whose text is in their code: formulas, furigana, and choices of old forms.

use crate::prepare::documents::math::{bare, finished, fraction, root, scripts, sequence};
use crate::prepare::documents::xml::{attribute, number};
use quick_xml::events::BytesStart;

/// Maximum nesting of a formula.
const DEPTH: usize = 16;

/// A field that is being read.
#[derive(Debug, Default)]
pub(super) struct Field {
    pub code: String,
    /// Whether the code has ended and the result follows.
    pub has_result: bool,
    /// Whether the result has text.
    pub has_text: bool,
    form: Form,
}

/// The properties of a field of an old form.
#[derive(Debug, Default)]
struct Form {
    checked: Option<bool>,
    entries: Vec<String>,
    choice: usize,
    in_box: bool,
}

impl Field {
    /// A field whose element contains its result.
    pub fn simple(code: String) -> Self {
        Self { code, has_result: true, ..Self::default() }
    }

    /// Reads a property of a form's field.
    pub fn property(&mut self, tag: &BytesStart) {
        let is_on = || !matches!(attribute(tag, "w:val").as_deref(), Some("0" | "false" | "off"));
        match tag.local_name().as_ref() {
            "checkBox" => (self.form.in_box, self.form.checked) = (true, Some(false)),
            "default" | "checked" if self.form.in_box => self.form.checked = Some(is_on()),
            "ddList" => self.form.in_box = false,
            "result" => self.form.choice = number(tag, "w:val").unwrap_or(0),
            "default" => self.form.choice = number(tag, "w:val").unwrap_or(0),
            "listEntry" => self.form.entries.extend(attribute(tag, "w:val")),
            _ => {}
        }
    }

    /// The text of the field, if its code has it.
    pub fn text(&self) -> Option<String> {
        let code = self.code.trim();
        let keyword = code.split(|c: char| c.is_whitespace() || c == '\\').next().unwrap_or_default();
        match keyword.to_ascii_uppercase().as_str() {
            "FORMCHECKBOX" => self.form.checked.map(|checked| if checked { "☒" } else { "☐" }.to_owned()),
            "FORMDROPDOWN" if !self.has_text => self.form.entries.get(self.form.choice).cloned(),
            "EQ" => Some(finished(&equation(&bare(&code[keyword.len()..]), DEPTH))),
            "SYMBOL" if !self.has_text => symbol(code),
            _ => None,
        }
    }
}

/// The sign of a `SYMBOL 97 \f "Symbol"` field.
fn symbol(code: &str) -> Option<String> {
    let number = code.split_whitespace().nth(1)?;
    let number = number.strip_prefix("0x").map_or_else(|| number.parse::<u32>().ok(), |hex| u32::from_str_radix(hex, 16).ok())?;
    let font = code.split("\\f").nth(1).map_or("", |font| font.trim().trim_start_matches('"').split(['"', '\\']).next().unwrap_or(""));
    let sign = super::symbols::character(font.trim(), &format!("{number:X}"));
    sign.or_else(|| char::from_u32(number).filter(|_| !font.contains("dings"))).map(String::from)
}

/// Writes the code of a formula on one line.
fn equation(code: &str, depth: usize) -> String {
    let (mut parts, mut text, mut rest) = (Vec::new(), String::new(), code);
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(first) = rest.chars().next() else { break };
        if !first.is_ascii_alphabetic() {
            // A switch for all fields, such as `\* jc2`, or a sign that stands for itself.
            if first == '*' {
                rest = general_switch(&rest[1..]);
            } else {
                text.push(first);
                rest = &rest[first.len_utf8()..];
            }
            continue;
        }
        let (switch, options, arguments, behind) = element(rest);
        rest = behind;
        if depth > 0 {
            let arguments: Vec<String> = arguments.iter().map(|argument| equation(argument, depth - 1)).collect();
            parts.push(std::mem::take(&mut text));
            parts.push(written(switch, options, &arguments));
        }
    }
    parts.push(text + rest);
    sequence(&parts)
}

/// Leaves out `\* WORD` or `\* "WORDS"`.
fn general_switch(rest: &str) -> &str {
    let rest = rest.trim_start();
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').map_or("", |(_, behind)| behind),
        None => rest.split_once(char::is_whitespace).map_or("", |(_, behind)| behind),
    }
}

/// Divides `o\ad(a,b)…` into its switch, options, arguments, and what follows.
fn element(code: &str) -> (char, &str, Vec<&str>, &str) {
    let switch = code.chars().next().unwrap_or_default().to_ascii_lowercase();
    let Some(open) = code.find('(') else { return (switch, code, Vec::new(), "") };
    let (options, inner) = (&code[..open], &code[open + 1..]);
    let (mut nesting, mut from, mut arguments, mut escaped) = (0_usize, 0, Vec::new(), false);
    for (at, sign) in inner.char_indices() {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = !inner[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic()),
            '(' => nesting += 1,
            ')' if nesting == 0 => {
                arguments.push(&inner[from..at]);
                return (switch, options, arguments, &inner[at + 1..]);
            }
            ')' => nesting -= 1,
            ',' | ';' if nesting == 0 => {
                arguments.push(&inner[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    arguments.push(&inner[from..]);
    (switch, options, arguments, "")
}

fn written(switch: char, options: &str, arguments: &[String]) -> String {
    let options = options.to_ascii_lowercase();
    let argument = |at: usize| arguments.get(at).map_or("", |text| text.trim());
    match switch {
        'f' => fraction(argument(0), argument(1)),
        'r' if arguments.len() > 1 => root(argument(1), argument(0)),
        'r' => root(argument(0), ""),
        's' if options.contains("\\do") => scripts("", argument(0), ""),
        's' => scripts("", "", argument(0)),
        // Furigana: the reading is raised above the word.
        'o' if arguments.len() == 2 => match (argument(0).strip_prefix('^'), argument(1).strip_prefix('^')) {
            (Some(reading), _) => format!("{}({})", argument(1), reading.trim_matches(['{', '}'])),
            (None, Some(reading)) => format!("{}({})", argument(0), reading.trim_matches(['{', '}'])),
            (None, None) => arguments.concat(),
        },
        'b' => format!("({})", arguments.concat()),
        'i' => {
            let sign = if options.contains("\\su") {
                "∑"
            } else if options.contains("\\pr") {
                "∏"
            } else {
                "∫"
            };
            format!("{} {}", scripts(sign, argument(0), argument(1)), argument(2))
        }
        'a' => {
            let columns = options
                .split("\\co")
                .nth(1)
                .and_then(|count| count.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok());
            let rows: Vec<String> = arguments.chunks(columns.unwrap_or(1).max(1)).map(|row| row.join(", ")).collect();
            format!("[{}]", rows.join("; "))
        }
        'd' => " ".to_owned(),
        'l' => arguments.join(", "),
        _ => arguments.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(code: &str) -> String {
        Field { code: code.to_owned(), ..Field::default() }.text().unwrap_or_default()
    }

    #[test]
    fn a_choice_without_a_result_comes_from_its_list() {
        let form = Form { entries: vec!["London".to_owned(), "Paris".to_owned()], choice: 1, ..Form::default() };
        let mut field = Field { code: " FORMDROPDOWN ".to_owned(), has_result: true, form, ..Field::default() };
        assert_eq!(field.text().as_deref(), Some("Paris"));
        field.has_text = true;
        assert_eq!(field.text(), None);
    }

    #[test]
    fn formulas_of_fields_are_linear() {
        for (code, linear) in [
            (r#"EQ \* jc2 \* "Font:MS Mincho" \* hps10 \o\ad(\s\up 9(とうきょう),東京)"#, "東京(とうきょう)"),
            (r"EQ \f(a+1,b)", "(a+1)/b"),
            (r"EQ x\s\up8(2) + \r(3,y)", "x^2 + root(3, y)"),
            (r"EQ \r(,x)", "sqrt(x)"),
            (r"EQ 2\f(1,3)", "2 1/3"),
            (r"EQ \f(a,b)c", "(a/b)c"),
            (r"EQ \i\su(i=1,n,x\s\do4(i))", "∑_{i=1}^n x_i"),
            (r"EQ \b(\a\al\co2(1,0,0,1))", "([1, 0; 0, 1])"),
            (r"eq \f(1;2)", "1/2"),
            (r"EQ \f(1", "1/"),
            (r#"SYMBOL 97 \f "Symbol" \s 12"#, "α"),
            ("PAGE", ""),
        ] {
            assert_eq!(text(code), linear, "{code}");
        }
        assert!(text(&format!("EQ {}", r"\f(".repeat(10_000))).len() < 100_000);
    }
}
