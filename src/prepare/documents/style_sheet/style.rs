//! Declarations that hide and strike text.

/// A property that a style sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Declared {
    on: bool,
    important: bool,
}

/// What a style says about hidden and struck text.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(in crate::prepare::documents) struct Style {
    /// Whether the element is not displayed, is invisible, or has letters without size or colour.
    undisplayed: Option<Declared>,
    invisible: Option<Declared>,
    sizeless: Option<Declared>,
    faint: Option<Declared>,
    struck: Option<Declared>,
}

impl Style {
    /// Reads declarations such as `display: none; color: red`.
    pub fn of(declarations: &str) -> Self {
        let mut style = Self::default();
        for (property, value) in declarations.split(';').filter_map(|rule| rule.split_once(':')) {
            let value = value.to_ascii_lowercase();
            let (value, important) = value.split_once('!').map_or((&*value, false), |(value, mark)| (value, mark.trim() == "important"));
            let declared = |on| Some(Declared { on, important });
            let value = value.trim();
            let own = match &*property.trim().to_ascii_lowercase() {
                "display" => Self { undisplayed: declared(value == "none"), ..Self::default() },
                "visibility" => Self { invisible: declared(matches!(value, "hidden" | "collapse")), ..Self::default() },
                "font-size" => Self { sizeless: declared(is_zero(value)), ..Self::default() },
                "opacity" => Self { faint: declared(is_zero(value)), ..Self::default() },
                "text-decoration" | "text-decoration-line" => Self { struck: declared(value.contains("line-through")), ..Self::default() },
                _ => continue,
            };
            style = own.over(style);
        }
        style
    }

    /// This style, and what a weaker one adds or insists on.
    pub fn over(self, weaker: Self) -> Self {
        let stronger = |own: Option<Declared>, other: Option<Declared>| match (own, other) {
            (Some(own), Some(other)) if other.important && !own.important => Some(other),
            (own, other) => own.or(other),
        };
        Self {
            undisplayed: stronger(self.undisplayed, weaker.undisplayed),
            invisible: stronger(self.invisible, weaker.invisible),
            sizeless: stronger(self.sizeless, weaker.sizeless),
            faint: stronger(self.faint, weaker.faint),
            struck: stronger(self.struck, weaker.struck),
        }
    }

    /// The part of the style that shows an element: its display, its visibility and its opacity.
    pub fn shown(self) -> Self {
        let off = |declared: Option<Declared>| declared.filter(|declared| !declared.on);
        Self { undisplayed: off(self.undisplayed), invisible: off(self.invisible), faint: off(self.faint), ..Self::default() }
    }

    /// Whether the style hides an element, which may be one within a line.
    pub fn hides(self, is_inline: bool) -> bool {
        let is_on = |declared: Option<Declared>| declared.is_some_and(|declared| declared.on);
        // Blocks without a size often only remove gaps, and scripts fade in those without opacity.
        is_on(self.undisplayed) || is_on(self.invisible) || is_inline && (is_on(self.sizeless) || is_on(self.faint))
    }

    /// Whether the style strikes text.
    pub fn strikes(self) -> bool {
        self.struck.is_some_and(|declared| declared.on)
    }
}

fn is_zero(value: &str) -> bool {
    value.trim_end_matches(|c: char| c.is_alphabetic() || c == '%').parse::<f64>().is_ok_and(|value| value <= 0.0)
}
