//! The words of drawings (SVG) in web pages, in the order in which people read them.

/// Elements whose text a drawing does not show where it stands.
const UNSEEN: [&str; 13] =
    ["clippath", "defs", "desc", "filter", "marker", "mask", "metadata", "pattern", "script", "style", "symbol", "title", "lineargradient"];
/// Maximum texts of a drawing, and maximum number of open elements to track.
const MOST: usize = 5000;
const DEPTH: usize = 256;
/// Maximum distance of texts on one line.
const SAME_LINE: f64 = 4.0;

/// A map from the positions of an element to those of the drawing, as SVG writes it.
type Matrix = [f64; 6];

const UNCHANGED: Matrix = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];

#[derive(Debug, Default)]
struct Word {
    x: f64,
    y: f64,
    text: String,
}

#[derive(Debug)]
struct Open {
    name: String,
    matrix: Matrix,
}

/// A drawing that is being read.
#[derive(Debug, Default)]
pub(super) struct Svg {
    open: Vec<Open>,
    /// Open elements beyond [`DEPTH`].
    too_deep: usize,
    words: Vec<Word>,
    /// Number of open elements with text, with a web page, and without text for readers.
    texts: usize,
    foreign: usize,
    unseen: usize,
}

impl Svg {
    /// Whether the open element is a part of a web page.
    pub fn is_foreign(&self) -> bool {
        self.foreign > 0
    }

    pub fn open(&mut self, name: &str, attribute: &impl Fn(&str) -> Option<String>) {
        if self.open.len() >= DEPTH {
            self.too_deep += 1;
            return;
        }
        let outer = self.open.last().map_or(UNCHANGED, |open| open.matrix);
        let matrix = attribute("transform").map_or(outer, |text| joined(outer, transform(&text)));
        // Inner drawings have a position too.
        let number = |name: &str| attribute(name).and_then(|text| first_number(&text));
        let matrix = match (name, number("x"), number("y")) {
            ("svg", x, y) if !self.open.is_empty() => joined(matrix, [1.0, 0.0, 0.0, 1.0, x.unwrap_or_default(), y.unwrap_or_default()]),
            _ => matrix,
        };
        self.open.push(Open { name: name.to_owned(), matrix });
        self.unseen += usize::from(UNSEEN.contains(&name));
        self.foreign += usize::from(name == "foreignobject");
        self.texts += usize::from(name == "text");
        let is_placed = number("x").is_some() || number("y").is_some() || attribute("dy").is_some();
        if matches!(name, "text" | "foreignobject") || name == "tspan" && is_placed {
            self.begin(name, matrix, [number("x"), number("y"), number("dx"), attribute("dy").and_then(|dy| length(&dy))]);
        } else if self.is_foreign() || name == "tspan" && attribute("dx").is_some() {
            self.text(" ");
        }
    }

    /// Begins a text at a position, or that of the last one.
    fn begin(&mut self, name: &str, matrix: Matrix, [x, y, dx, dy]: [Option<f64>; 4]) {
        if self.words.len() >= MOST {
            return;
        }
        let last = self.words.last().filter(|_| name == "tspan").map(|word| (word.x, word.y));
        let at = |x: f64, y: f64| (matrix[0] * x + matrix[2] * y + matrix[4], matrix[1] * x + matrix[3] * y + matrix[5]);
        let (new_x, new_y) = at(x.unwrap_or_default(), y.unwrap_or_default());
        let x = if x.is_some() { new_x } else { last.map_or(new_x, |last| last.0) } + dx.unwrap_or_default();
        let y = if y.is_some() { new_y } else { last.map_or(new_y, |last| last.1) } + dy.unwrap_or_default();
        self.words.push(Word { x, y, text: String::new() });
    }

    pub fn text(&mut self, text: &str) {
        if self.unseen == 0
            && (self.texts > 0 || self.is_foreign())
            && let Some(word) = self.words.last_mut()
        {
            word.text.push_str(text);
        }
    }

    /// Closes an element. Returns whether the drawing ends.
    pub fn close(&mut self, name: &str) -> bool {
        if self.too_deep > 0 && name != "svg" {
            self.too_deep -= 1;
            return false;
        }
        let Some(at) = self.open.iter().rposition(|open| open.name == name) else { return false };
        self.too_deep = 0;
        for open in self.open.drain(at..) {
            self.unseen -= usize::from(UNSEEN.contains(&&*open.name));
            self.foreign -= usize::from(open.name == "foreignobject");
            self.texts -= usize::from(open.name == "text");
        }
        if self.is_foreign() {
            self.text(" ");
        }
        self.open.is_empty()
    }

    /// The lines of the drawing, from above.
    pub fn lines(self) -> Vec<String> {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut words: Vec<Word> = self.words.into_iter().map(|word| Word { text: squeezed(&word.text), ..word }).collect();
        words.retain(|word| !word.text.is_empty());
        words.sort_by(|a, b| a.y.total_cmp(&b.y));
        let mut lines: Vec<Vec<Word>> = Vec::new();
        for word in words {
            match lines.last_mut().filter(|line| (line[0].y - word.y).abs() < SAME_LINE) {
                Some(line) => line.push(word),
                None => lines.push(vec![word]),
            }
        }
        let written = |mut line: Vec<Word>| {
            line.sort_by(|a, b| a.x.total_cmp(&b.x));
            line.iter().map(|word| &*word.text).collect::<Vec<_>>().join(" ")
        };
        lines.into_iter().map(written).collect()
    }
}

/// Whether an element of a drawing is hidden by its attributes.
pub(super) fn hides(attribute: &impl Fn(&str) -> Option<String>) -> bool {
    [("display", "none"), ("visibility", "hidden")].iter().any(|(name, value)| attribute(name).is_some_and(|own| own == *value))
}

/// The first number of an attribute.
fn first_number(text: &str) -> Option<f64> {
    numbers(text).first().copied()
}

/// A length. Letters have a size of 16.
fn length(text: &str) -> Option<f64> {
    first_number(text).map(|number| if text.trim_end().ends_with("em") { number * 16.0 } else { number })
}

/// The numbers of a text.
fn numbers(text: &str) -> Vec<f64> {
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    let parts = text.split(|c: char| !is_number(c)).filter(|part| !part.is_empty());
    parts.take(6).filter_map(|part| part.parse().ok()).filter(|number: &f64| number.is_finite()).collect()
}

/// Reads `translate(10, 20) rotate(-90)`.
fn transform(text: &str) -> Matrix {
    let mut whole = UNCHANGED;
    for part in text.split(')').take(DEPTH) {
        let Some((name, values)) = part.split_once('(') else { continue };
        let values = numbers(values);
        let value = |at: usize| values.get(at).copied();
        let move_by = |x: f64, y: f64| [1.0, 0.0, 0.0, 1.0, x, y];
        let next = match name.trim_matches(|c: char| c.is_whitespace() || c == ',') {
            "translate" => move_by(value(0).unwrap_or_default(), value(1).unwrap_or_default()),
            "scale" => {
                let x = value(0).unwrap_or(1.0);
                [x, 0.0, 0.0, value(1).unwrap_or(x), 0.0, 0.0]
            }
            "rotate" => {
                let (sin, cos) = value(0).unwrap_or_default().to_radians().sin_cos();
                let (x, y) = (value(1).unwrap_or_default(), value(2).unwrap_or_default());
                joined(joined(move_by(x, y), [cos, sin, -sin, cos, 0.0, 0.0]), move_by(-x, -y))
            }
            "matrix" => values.try_into().unwrap_or(UNCHANGED),
            _ => UNCHANGED,
        };
        whole = joined(whole, next);
    }
    whole
}

/// The map that does `inner` first.
fn joined(outer: Matrix, inner: Matrix) -> Matrix {
    let turned = |x: f64, y: f64| [outer[0] * x + outer[2] * y, outer[1] * x + outer[3] * y];
    let [across, down, moved] = [turned(inner[0], inner[1]), turned(inner[2], inner[3]), turned(inner[4], inner[5])];
    [across[0], across[1], down[0], down[1], moved[0] + outer[4], moved[1] + outer[5]]
}
