//! Declarations that hide, strike, raise and lower text, or name its font.

use crate::prepare::documents::markdown::Script;
use crate::prepare::documents::numbering::list_style;
use crate::prepare::documents::symbols;

/// A property that a style sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Declared<T> {
    pub value: T,
    pub important: bool,
}

pub(super) type Property<T> = Option<Declared<T>>;

/// How an element is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::prepare::documents) enum Display {
    /// As its name says.
    #[default]
    Usual,
    Block,
    InlineBlock,
    /// As a row or a grid of boxes, or as such a box within a line.
    Flex,
    InlineFlex,
    /// As a table, its row or its cell.
    Table,
    Row,
    Cell,
}

/// What a style says about hidden, struck and raised text, and about symbol fonts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(in crate::prepare::documents) struct Style {
    /// Whether the element is not displayed, is invisible, or has letters without size or colour.
    undisplayed: Property<bool>,
    invisible: Property<bool>,
    sizeless: Property<bool>,
    faint: Property<bool>,
    struck: Property<bool>,
    script: Property<Script>,
    /// The symbol font; "" for other fonts.
    font: Property<&'static str>,
    display: Property<Display>,
    /// Whether the element stands aside or at a position, apart from the text around it.
    aside: Property<bool>,
    positioned: Property<bool>,
    /// The kind of the numbers of a list.
    list: Property<&'static str>,
}

impl Style {
    /// Reads declarations such as `display: none; color: red`.
    pub fn of(declarations: &str) -> Self {
        let mut style = Self::default();
        for (property, value) in declarations.split(';').filter_map(|rule| rule.split_once(':')) {
            let value = value.to_ascii_lowercase();
            let (value, important) = value.split_once('!').map_or((&*value, false), |(value, mark)| (value, mark.trim() == "important"));
            let declared = |value| Some(Declared { value, important });
            let value = value.trim();
            let own = match &*property.trim().to_ascii_lowercase() {
                "display" => {
                    let display = Some(Declared { value: display(value), important });
                    Self { undisplayed: declared(value == "none"), display, ..Self::default() }
                }
                "float" => Self { aside: declared(!matches!(value, "none" | "initial" | "unset")), ..Self::default() },
                "position" => Self { positioned: declared(matches!(value, "absolute" | "fixed")), ..Self::default() },
                "list-style" | "list-style-type" => match value.split_whitespace().find_map(list_style) {
                    Some(value) => Self { list: Some(Declared { value, important }), ..Self::default() },
                    None => continue,
                },
                "visibility" => Self { invisible: declared(matches!(value, "hidden" | "collapse")), ..Self::default() },
                "font-size" => Self { sizeless: declared(is_zero(value)), ..Self::default() },
                "opacity" => Self { faint: declared(is_zero(value)), ..Self::default() },
                "text-decoration" | "text-decoration-line" => Self { struck: declared(value.contains("line-through")), ..Self::default() },
                "vertical-align" => Self { script: Some(Declared { value: script(value), important }), ..Self::default() },
                "font-family" => Self { font: Some(Declared { value: symbols::first_font(value), important }), ..Self::default() },
                _ => continue,
            };
            style = own.over(style);
        }
        style
    }

    /// This style, and what a weaker one adds or insists on.
    pub fn over(self, weaker: Self) -> Self {
        Self {
            undisplayed: stronger(self.undisplayed, weaker.undisplayed),
            invisible: stronger(self.invisible, weaker.invisible),
            sizeless: stronger(self.sizeless, weaker.sizeless),
            faint: stronger(self.faint, weaker.faint),
            struck: stronger(self.struck, weaker.struck),
            script: stronger(self.script, weaker.script),
            font: stronger(self.font, weaker.font),
            display: stronger(self.display, weaker.display),
            aside: stronger(self.aside, weaker.aside),
            positioned: stronger(self.positioned, weaker.positioned),
            list: stronger(self.list, weaker.list),
        }
    }

    /// The part of the style that shows an element: its display, its visibility and its opacity.
    ///
    /// The layout of a box counts if the rule names the element by a class or an id.
    pub fn shown(self, is_named: bool) -> Self {
        let is_simple = |declared: &Declared<Display>| is_named && !matches!(declared.value, Display::Table | Display::Row | Display::Cell);
        let display = self.display.filter(is_simple);
        let off = |declared: Property<bool>| declared.filter(|declared| !declared.value);
        Self { undisplayed: off(self.undisplayed), invisible: off(self.invisible), faint: off(self.faint), display, ..Self::default() }
    }

    /// Whether the style hides an element, which may be one within a line.
    pub fn hides(self, is_inline: bool) -> bool {
        let is_on = |declared: Property<bool>| declared.is_some_and(|declared| declared.value);
        // Blocks without a size often only remove gaps, and scripts fade in those without opacity.
        is_on(self.undisplayed) || is_on(self.invisible) || is_inline && (is_on(self.sizeless) || is_on(self.faint))
    }

    /// How the element is laid out.
    pub fn display(self) -> Display {
        self.display.map(|declared| declared.value).unwrap_or_default()
    }

    /// Whether the element stands apart from the text around it.
    pub fn is_moved(self) -> bool {
        [self.aside, self.positioned].into_iter().flatten().any(|declared| declared.value)
    }

    /// The style without `list-style: none`, which pages set for all lists and undo for some.
    pub fn without_reset(self) -> Self {
        Self { list: self.list.filter(|list| list.value != "none"), ..self }
    }

    /// The kind of the numbers of a list that the style sets: `none`, `bullet`, `lowerLetter`.
    pub fn list(self) -> Option<&'static str> {
        self.list.map(|declared| declared.value)
    }

    /// Whether the style strikes text.
    pub fn strikes(self) -> bool {
        self.struck.is_some_and(|declared| declared.value)
    }

    /// The position on its line of text that is raised or lowered.
    pub fn script(self) -> Option<Script> {
        self.script.map(|declared| declared.value).filter(|script| *script != Script::Normal)
    }

    /// The symbol font that the style names; "" for another font.
    pub fn font(self) -> Option<&'static str> {
        self.font.map(|declared| declared.value)
    }
}

/// The declaration that holds. `own` is the later one, or that of a stronger rule.
pub(super) fn stronger<T>(own: Property<T>, other: Property<T>) -> Property<T> {
    match (own, other) {
        (Some(own), Some(other)) if other.important && !own.important => Some(other),
        (own, other) => own.or(other),
    }
}

fn display(value: &str) -> Display {
    match value {
        "block" | "flow-root" | "list-item" | "block flow" | "block flow-root" | "table-caption" => Display::Block,
        "inline-block" | "inline flow-root" => Display::InlineBlock,
        "flex" | "grid" | "-webkit-box" | "-webkit-flex" | "-ms-flexbox" | "block flex" | "block grid" => Display::Flex,
        "inline-flex" | "inline-grid" | "inline flex" | "inline grid" => Display::InlineFlex,
        "table" | "inline-table" => Display::Table,
        "table-row" => Display::Row,
        "table-cell" => Display::Cell,
        _ => Display::Usual,
    }
}

fn is_zero(value: &str) -> bool {
    value.trim_end_matches(|c: char| c.is_alphabetic() || c == '%').parse::<f64>().is_ok_and(|value| value <= 0.0)
}

/// The position that `vertical-align` sets. Small shifts only align pictures and letters.
fn script(value: &str) -> Script {
    let unit = value.find(|c: char| c.is_alphabetic() || c == '%').unwrap_or(value.len());
    let least = match &value[unit..] {
        "super" => return Script::Raised,
        "sub" => return Script::Lowered,
        "em" | "rem" => 0.2,
        "ex" => 0.4,
        "%" => 20.0,
        "px" => 3.0,
        "pt" => 2.0,
        _ => return Script::Normal,
    };
    match value[..unit].parse::<f64>() {
        Ok(shift) if shift >= least => Script::ShiftedUp,
        Ok(shift) if shift <= -least => Script::ShiftedDown,
        _ => Script::Normal,
    }
}
