//! Converts the tags of an HTML page to Markdown, without a tree.

use super::markdown::{Markdown, Numbers};
use super::math::MathMl;
use super::numbering::{lengths, list_kind};
use super::style_sheet::{Sheet, Style};
use super::symbols;
use super::tag_added::AddedText;
use super::tag_boxes::Boxes;
use super::tag_looks::{Looks, is_hidden, role};
use super::tag_names::{BLOCKS, OPEN_ENDED, SKIPPED, VOID, ends_select, is_ended};
use super::tag_svg::{Svg, hides};
use super::tokens::{raw, tokenized};
use super::web_form::{self, Select};
use html5ever::tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult};
use std::cell::RefCell;
use std::rc::Rc;

/// Maximum length of a link address. Longer addresses carry data for programs.
const LONGEST_ADDRESS: usize = 200;
/// Maximum number of open elements to track within a hidden one.
const DEPTH: usize = 64;

/// Converts a page. `skip` decides whether [`SKIPPED`] elements are omitted.
pub(super) fn converted(html: &str, skip: bool, sheet: &Rc<Sheet>) -> Page {
    let page = Page { skip, markdown: Markdown::new(), lengths: lengths(html), sheet: Rc::clone(sheet), ..Page::default() };
    let mut page = tokenized(html, Sink(RefCell::new(page))).0.into_inner();
    page.end_select();
    if page.svg.is_some() {
        page.skipping.push("svg".to_owned());
    }
    page
}

struct Sink(RefCell<Page>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let mut page = self.0.borrow_mut();
        match token {
            Token::CharacterTokens(text) => page.text(&text),
            Token::TagToken(tag) => {
                let name: &str = &tag.name;
                if tag.kind == TagKind::EndTag {
                    page.close(name);
                } else {
                    page.open(name, &tag);
                    if let Some(raw) = raw(name).filter(|_| !tag.self_closing) {
                        return TokenSinkResult::RawData(raw);
                    }
                }
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }

    /// Whether CDATA sections are text.
    ///
    /// XHTML may contain them. HTML would treat them as comments.
    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        true
    }
}

/// Whether readers want the address of a link.
fn is_useful(address: &str) -> bool {
    address.len() <= LONGEST_ADDRESS && (address.starts_with("http") || address.starts_with("mailto:"))
}

/// A page that is being read.
#[derive(Default)]
pub(super) struct Page {
    pub markdown: Markdown,
    pub title: String,
    in_title: bool,
    /// Whether to skip elements without text for readers.
    skip: bool,
    /// Name of the skipped element, once for each open instance.
    pub skipping: Vec<String>,
    /// The hidden element, then the elements that are open within it.
    hiding: Vec<String>,
    looks: Looks,
    boxes: Boxes,
    added: AddedText,
    /// Number of signs of symbol fonts without a known meaning.
    pub symbols: usize,
    /// Whether a hidden element had text.
    pub hidden: bool,
    /// The number of items of each `ol` element, if some count down, and the elements so far.
    lengths: Vec<i64>,
    ordered: usize,
    /// Number of open preformatted elements.
    preformatted: usize,
    sheet: Rc<Sheet>,
    /// The formula, the drawing and the field that are being read.
    math: Option<MathMl>,
    svg: Option<Svg>,
    select: Option<Select>,
    /// Open elements inside a table made of other elements, and what they stand for.
    roles: Vec<(String, Option<&'static str>)>,
    /// Addresses of open links, and the start positions of their texts.
    links: Vec<(Option<String>, usize)>,
}

impl Page {
    fn text(&mut self, text: &str) {
        if self.in_title {
            self.title.push_str(text);
        } else if !self.skipping.is_empty() {
        } else if !self.hiding.is_empty() {
            self.hidden |= !text.trim().is_empty();
        } else if let Some(svg) = &mut self.svg {
            svg.text(text);
        } else if let Some(math) = &mut self.math {
            math.text(text);
        } else if let Some(select) = &mut self.select {
            select.text(text);
        } else {
            let (text, lost) = self.looks.font().map_or_else(|| (text.to_owned(), 0), |font| symbols::signs(font, text));
            self.symbols += lost;
            // Lines of preformatted text stand apart.
            let is_line = self.preformatted > 0 && self.markdown.since(self.markdown.position().saturating_sub(1)) == "\n";
            if self.boxes.has_blank(&text) && !is_line {
                self.markdown.text(" ");
            }
            if self.preformatted > 0 {
                self.markdown.verbatim(&text);
            } else {
                self.markdown.text(&text);
            }
        }
    }

    /// Whether a start tag is the title of the page, or inside an element that is skipped.
    fn is_left_out(&mut self, name: &str, is_closed: bool) -> bool {
        self.ordered += usize::from(name == "ol");
        if name == "title" && self.title.is_empty() && self.svg.is_none() {
            self.in_title = !is_closed;
            return true;
        }
        if let Some(skipped) = self.skipping.last() {
            // Without `</head>`, the start of the body ends the head.
            if skipped == "head" && name == "body" {
                self.skipping.clear();
            } else if skipped == name && !is_closed {
                self.skipping.push(name.to_owned());
            }
            return true;
        }
        false
    }

    fn open(&mut self, name: &str, tag: &Tag) {
        if self.is_left_out(name, tag.self_closing) {
            return;
        }
        while self.hiding.last().is_some_and(|open| is_ended(open, name)) {
            self.hiding.pop();
        }
        let attribute = |name: &str| tag.attrs.iter().find(|a| &*a.name.local == name).map(|a| a.value.trim().to_owned());
        let style = Style::of(&attribute("style").unwrap_or_default());
        let (id, classes) = (attribute("id"), attribute("class"));
        let style = style.over(self.sheet.style(name, id.as_deref(), classes.as_deref()));
        if !self.hiding.is_empty() || self.svg.is_some() && hides(&attribute) || is_hidden(name, style, &attribute) {
            if !VOID.contains(&name) && !tag.self_closing && self.hiding.len() < DEPTH {
                self.hiding.push(name.to_owned());
            }
            return;
        }
        let always = name == "template" || raw(name).is_some() && name != "textarea" && name != "xmp";
        if SKIPPED.contains(&name) && (self.skip || always) {
            if !tag.self_closing {
                self.skipping.push(name.to_owned());
            }
            if matches!(name, "audio" | "canvas" | "iframe" | "object" | "video") {
                self.boxes.separate();
            }
            return;
        }
        if self.is_in_svg(name, tag.self_closing, &attribute) {
            return;
        }
        if name == "math" || self.math.is_some() {
            let math = self.math.get_or_insert_default();
            math.open(name, attribute);
            if tag.self_closing {
                self.close_math(name);
            }
            return;
        }
        if self.is_in_select(name, &attribute) {
            return;
        }
        self.looks.end_before(name, is_ended, &mut self.markdown);
        let element = name;
        let role = role(name, style, &attribute, &self.roles);
        let layout = if role.is_none() { style } else { Style::default() };
        self.boxes.open(name, layout, tag.self_closing, &mut self.markdown);
        if (role == Some("table") || !self.roles.is_empty()) && !VOID.contains(&name) && !tag.self_closing && self.roles.len() < DEPTH {
            self.roles.push((name.to_owned(), role));
        }
        let (name, page) = (role.unwrap_or(name), &mut self.markdown);
        let number = |name: &str| attribute(name).and_then(|value| value.parse().ok());
        let integer = |name: &str| attribute(name).and_then(|value| value.parse::<i64>().ok());
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => page.heading(name[1..].parse().unwrap_or(6)),
            "br" | "dt" | "option" => page.line(),
            "dd" => {
                page.line();
                page.mark(": ".to_owned());
            }
            "blockquote" => page.open_quote(),
            "ul" | "menu" | "dir" => {
                let kind = style.list().filter(|kind| !matches!(*kind, "none" | "bullet"));
                page.open_list(kind.map(|kind| Numbers { next: 1, step: 1, kind }));
            }
            "ol" => {
                let length = attribute("reversed").and_then(|_| self.lengths.get(self.ordered.saturating_sub(1)).copied());
                let kind = self.sheet.list(style).unwrap_or_else(|| list_kind(attribute("type").as_deref()));
                let next = integer("start").or(length).unwrap_or(1);
                page.open_list(Some(Numbers { next, step: if length.is_some() { -1 } else { 1 }, kind }));
            }
            "li" => {
                if let Some(value) = integer("value") {
                    page.count_from(value);
                }
                page.item_of(self.sheet.list(style).or_else(|| attribute("type").map(|kind| list_kind(Some(&kind)))));
            }
            "table" => page.open_table(),
            "thead" | "tbody" => page.table_part(false),
            "tfoot" => page.table_part(true),
            "tr" => page.row(),
            "td" | "th" => page.cell(number("colspan").unwrap_or(1), number("rowspan").unwrap_or(1)),
            "pre" | "listing" | "xmp" | "textarea" if !tag.self_closing => {
                page.paragraph();
                self.preformatted += 1;
            }
            "input" => page.text(&format!(" {} ", web_form::shown(&attribute))),
            "select" => self.select = Some(Select::of(&attribute)),
            "q" => page.verbatim("\""),
            "img" => {
                page.text(&attribute("alt").filter(|text| !text.is_empty()).map(|text| format!("[image: {text}]")).unwrap_or_default());
            }
            "a" if !tag.self_closing => self.links.push((attribute("href").filter(|address| is_useful(address)), page.position())),
            _ if BLOCKS.contains(&name) => page.paragraph(),
            _ => {}
        }
        if !VOID.contains(&element) && !tag.self_closing {
            let [before, after] = self.added.around(&self.sheet, element, id.as_deref(), classes.as_deref());
            self.looks.open(element, style, attribute("face").as_deref(), after.as_deref(), &mut self.markdown);
            self.text(before.as_deref().unwrap_or_default());
        }
    }

    /// Whether a start tag belongs to the field that is being read. Other blocks end the field.
    fn is_in_select(&mut self, name: &str, attribute: &impl Fn(&str) -> Option<String>) -> bool {
        let Some(select) = &mut self.select else { return false };
        match name {
            "option" => select.option(attribute("label"), attribute("selected").is_some()),
            "optgroup" | "hr" => select.end_option(),
            "select" | "input" | "textarea" => self.end_select(),
            name if ends_select(name) => self.end_select(),
            _ => {}
        }
        self.select.is_some()
    }

    /// Writes what the field shows.
    fn end_select(&mut self) {
        let Some(select) = self.select.take() else { return };
        for (at, line) in select.lines().iter().enumerate() {
            if at > 0 {
                self.markdown.line();
            }
            self.markdown.text(&format!(" {line} "));
        }
    }

    fn close(&mut self, name: &str) {
        if name == "title" && self.svg.is_none() {
            self.in_title = false;
            return;
        }
        if let Some(skipped) = self.skipping.last() {
            if skipped == name {
                self.skipping.pop();
            }
            return;
        }
        if let Some(hidden) = self.hiding.first() {
            match self.hiding.iter().rposition(|open| open == name) {
                Some(at) => return self.hiding.truncate(at),
                // This is the end of an element around the hidden one.
                None if OPEN_ENDED.contains(&&**hidden) => self.hiding.clear(),
                None => return,
            }
        }
        if let Some(svg) = &mut self.svg {
            if svg.close(name) {
                self.end_svg();
            }
            return;
        }
        if self.math.is_some() {
            return self.close_math(name);
        }
        if let Some(select) = &mut self.select {
            match name {
                "option" => select.end_option(),
                "select" => self.end_select(),
                name if ends_select(name) => self.end_select(),
                _ => {}
            }
            if name == "select" || self.select.is_some() {
                return;
            }
        }
        self.looks.close(name, BLOCKS.contains(&name) || name == "table", &mut self.markdown);
        self.boxes.close(name, &mut self.markdown);
        let role = self.roles.iter().rposition(|(open, _)| open == name).and_then(|at| self.roles.drain(at..).next()?.1);
        let (name, page) = (role.unwrap_or(name), &mut self.markdown);
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                page.mark(String::new());
                page.paragraph();
            }
            "blockquote" => page.close_quote(),
            "ul" | "menu" | "dir" | "ol" => page.close_list(),
            "td" | "th" => page.close_cell(),
            "tfoot" => page.table_part(false),
            "table" => page.close_table(),
            "pre" | "listing" | "xmp" | "textarea" => {
                self.preformatted = self.preformatted.saturating_sub(1);
                page.paragraph();
            }
            "q" => page.verbatim("\""),
            "br" => page.line(),
            "a" => {
                if let Some((Some(address), start)) = self.links.pop() {
                    let text = page.since(start);
                    let bare = address.split_once(':').map_or(&*address, |(_, bare)| bare.trim_matches('/'));
                    if !text.trim().is_empty() && !text.contains(bare) {
                        page.text(&format!(" ({address})"));
                    }
                }
            }
            _ if BLOCKS.contains(&name) => page.paragraph(),
            _ => {}
        }
    }

    /// Whether a start tag belongs to a drawing. Other blocks end the drawing.
    fn is_in_svg(&mut self, name: &str, is_closed: bool, attribute: &impl Fn(&str) -> Option<String>) -> bool {
        if self.svg.is_none() && name == "svg" && self.skip {
            self.svg = Some(Svg::default());
        }
        let Some(svg) = &mut self.svg else { return false };
        if !svg.is_foreign() && name != "svg" && ends_select(name) {
            self.end_svg();
            return false;
        }
        svg.open(name, attribute);
        if is_closed && svg.close(name) {
            self.end_svg();
        }
        true
    }

    /// Writes the words of a drawing.
    fn end_svg(&mut self) {
        let lines = self.svg.take().map(Svg::lines).unwrap_or_default();
        for line in &lines {
            if lines.len() > 1 {
                self.markdown.line();
            }
            self.markdown.text(&format!(" {line} "));
        }
        if lines.len() > 1 {
            self.markdown.line();
        }
        self.boxes.separate();
    }

    fn close_math(&mut self, name: &str) {
        let whole = self.math.as_mut().and_then(|math| math.close(name));
        if let Some(formula) = whole {
            self.math = None;
            self.markdown.formula(&formula);
        } else if name == "math" {
            self.math = None;
        }
    }
}
