//! The cells of a sheet, shown by their number formats.

use super::aside::Aside;
use crate::prepare::documents::grid::Grid;
use crate::prepare::documents::number_format::{NumberFormat, general, is_inexact};
use calamine::Data;

/// A sheet that is being read.
pub(in crate::prepare::documents) struct Filled {
    pub grid: Grid,
    /// Facts in addition to the cells, if the caller wants them.
    pub aside: Option<Aside>,
}

/// The number formats of a workbook, by style.
#[derive(Default)]
pub(super) struct Formats {
    pub by_style: Vec<NumberFormat>,
    /// Whether a style strikes its cells.
    pub struck: Vec<bool>,
    /// Whether days are counted from 1904.
    pub from_1904: bool,
}

impl Filled {
    pub fn new(grid: Grid, wants_aside: bool) -> Self {
        Self { grid, aside: wants_aside.then(Aside::default) }
    }

    /// Puts a cell into the grid. Returns false if the grid is full.
    pub(super) fn put(&mut self, position: (u32, u32), value: &Data, style: Option<usize>, formats: &Formats) -> bool {
        if let Data::Float(number) = value {
            let is_inexact = is_inexact(*number);
            self.grid.note(position.1, is_inexact);
            self.aside.iter_mut().for_each(|aside| aside.inexact += usize::from(is_inexact));
        }
        let shown = formats.shown(value, style);
        let hides = shown.is_empty() && !matches!(value, Data::Empty) && !matches!(value, Data::String(text) if text.is_empty());
        if let Some(aside) = self.aside.as_mut().filter(|_| hides) {
            aside.unseen += 1;
        }
        let is_struck = style.and_then(|style| formats.struck.get(style)) == Some(&true) && self.aside.is_some();
        let is_marked = !is_struck || shown.is_empty() || shown.contains("~~");
        self.grid.put(position, || if is_marked { shown } else { format!("~~{shown}~~") })
    }
}

impl Formats {
    /// Shows a value as its cell does.
    pub fn shown(&self, value: &Data, style: Option<usize>) -> String {
        let format = style.and_then(|style| self.by_style.get(style));
        let number = |value: f64| format.map_or_else(|| general(value), |format| format.number(value, self.from_1904));
        match value {
            Data::Float(value) => number(*value),
            // Larger numbers would lose digits.
            Data::Int(value) => i32::try_from(*value).map_or_else(|_| value.to_string(), |value| number(value.into())),
            Data::DateTime(date) => number(date.as_f64()),
            Data::DateTimeIso(text) => text.trim_end_matches("T00:00:00").replace('T', " "),
            Data::String(text) => format.map_or_else(|| text.clone(), |format| format.text(text)),
            Data::Bool(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
            value => value.to_string(),
        }
    }
}
