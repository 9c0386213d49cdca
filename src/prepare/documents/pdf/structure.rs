//! The structure of tagged documents: cells of tables, and texts that replace elements.
//!
//! Browsers and office programs write a tree of elements. Its leaves are numbers of marked content on
//! pages. Only facts that pages do not show are kept.

use super::strings;
use hayro::hayro_syntax::Pdf;
use hayro::hayro_syntax::object::{Dict, Name, Object, ObjectIdentifier};
use std::collections::HashMap;

/// Maximum depth of the tree, and number of its elements and contents.
const DEPTH: u32 = 64;
const MOST: usize = 300_000;
/// Maximum number of columns of a table, and of rows of a cell.
const WIDEST: u32 = 500;
/// Maximum number of names of an element that stand for others.
const NAMES: usize = 8;
/// Maximum length of a replacement in bytes. Longer ones describe pictures.
const LONG: usize = 2000;

/// The place of a cell in a table of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub table: usize,
    pub row: u32,
    /// Its position among the cells of the row that the structure names.
    pub column: u32,
    /// Number of its columns.
    pub width: u32,
}

/// What the structure says about marked content.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    pub cell: Option<Place>,
    /// The text that stands for the content.
    pub replacement: Option<String>,
}

/// The content of a page, by its number.
pub(super) type Contents = HashMap<i32, Content>;

/// The structure of a document.
#[derive(Debug, Default)]
pub(super) struct Structure {
    pages: HashMap<ObjectIdentifier, Contents>,
    /// Names of elements that stand for others.
    names: HashMap<String, String>,
    tables: Vec<Grid>,
    count: usize,
}

/// The fields of a table that cells have taken so far.
#[derive(Debug, Default)]
struct Grid {
    row: u32,
    /// The first row in which each column is free.
    free: Vec<u32>,
}

/// What an element inherits.
#[derive(Debug, Clone, Default)]
struct Context {
    page: Option<ObjectIdentifier>,
    table: Option<usize>,
    cell: Option<Place>,
    replacement: Option<String>,
}

impl Structure {
    pub(super) fn read(pdf: &Pdf) -> Self {
        let root = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id()).unwrap_or_default();
        let mut structure = Self::default();
        if let Some(tree) = root.get::<Dict<'_>>(b"StructTreeRoot") {
            let names = tree.get::<Dict<'_>>(b"RoleMap").unwrap_or_default();
            let name = |key: Name<'_>| Some((key.as_str().to_owned(), names.get::<Name<'_>>(&*key)?.as_str().to_owned()));
            structure.names = names.keys().take(MOST).filter_map(name).collect();
            structure.kids(&tree, &mut Context::default(), 0);
        }
        structure
    }

    /// What the structure says about the content of a page.
    pub(super) fn page(&self, page: Option<ObjectIdentifier>) -> Option<&Contents> {
        self.pages.get(&page?)
    }

    fn kids(&mut self, element: &Dict<'_>, context: &mut Context, depth: u32) {
        match element.get::<Object<'_>>(b"K") {
            Some(Object::Array(kids)) => kids.iter::<Object<'_>>().for_each(|kid| self.kid(&kid, context, depth)),
            Some(kid) => self.kid(&kid, context, depth),
            None => {}
        }
    }

    fn kid(&mut self, kid: &Object<'_>, context: &mut Context, depth: u32) {
        self.count += 1;
        if self.count > MOST || depth > DEPTH {
            return;
        }
        match kid {
            Object::Number(number) => self.content(number.as_i64(), context, context.page),
            Object::Dict(kid) if kid.contains_key(b"MCID") => {
                let number = kid.get::<i32>(b"MCID").map_or(-1, i64::from);
                self.content(number, context, page_of(kid).or(context.page));
            }
            Object::Dict(kid) => self.element(kid, context, depth),
            _ => {}
        }
    }

    /// Records what is known about marked content.
    fn content(&mut self, number: i64, context: &mut Context, page: Option<ObjectIdentifier>) {
        let (Some(page), Ok(number)) = (page, i32::try_from(number)) else { return };
        if context.cell.is_some() || context.replacement.is_some() {
            // The first content of an element stands for all.
            let replacement = context.replacement.as_mut().map(std::mem::take);
            self.pages.entry(page).or_default().insert(number, Content { cell: context.cell, replacement });
        }
    }

    fn element(&mut self, element: &Dict<'_>, outer: &mut Context, depth: u32) {
        let kind = self.kind(element);
        let mut context = Context { page: page_of(element).or(outer.page), replacement: None, ..outer.clone() };
        match &*kind {
            // A table in a cell is a part of its text.
            "Table" if outer.cell.is_none() => {
                context.table = Some(self.tables.len());
                self.tables.push(Grid::default());
            }
            "TR" if outer.cell.is_none() => context.table.into_iter().for_each(|table| self.tables[table].row += 1),
            "TD" | "TH" if outer.cell.is_none() => {
                context.cell = context.table.map(|table| self.cell(table, element));
            }
            _ => {}
        }
        let is_inner = outer.replacement.is_some();
        let text = element.get::<Object<'_>>(b"ActualText").filter(|_| !is_inner && is_text(&kind)).and_then(|text| strings::words(&text));
        context.replacement = text.filter(|text| text.len() < LONG).or_else(|| outer.replacement.take());
        self.kids(element, &mut context, depth + 1);
        if is_inner {
            outer.replacement = context.replacement;
        }
    }

    /// The standard name of an element's kind.
    fn kind(&self, element: &Dict<'_>) -> String {
        let mut kind = element.get::<Name<'_>>(b"S").map(|name| name.as_str().to_owned()).unwrap_or_default();
        for _ in 0..NAMES {
            match self.names.get(&kind) {
                Some(standard) => kind.clone_from(standard),
                None => break,
            }
        }
        kind
    }

    /// The place of the next cell of a row.
    fn cell(&mut self, table: usize, element: &Dict<'_>) -> Place {
        let (columns, rows) = (span(element, b"ColSpan"), span(element, b"RowSpan"));
        let Grid { row, free } = &mut self.tables[table];
        let column = (0..WIDEST).find(|column| free.get(*column as usize).is_none_or(|free| free <= row)).unwrap_or(WIDEST);
        let (from, to) = (column as usize, (column + columns) as usize);
        free.resize(free.len().max(to), 0);
        free[from..to].iter_mut().for_each(|free| *free = (*free).max(row.saturating_add(rows)));
        Place { table, row: *row, column, width: columns }
    }
}

/// Whether elements of a kind may be replaced by a text. Larger ones have elements of their own.
fn is_text(kind: &str) -> bool {
    !matches!(kind, "Document" | "Part" | "Art" | "Sect" | "Div" | "Table" | "THead" | "TBody" | "TFoot" | "TR" | "L" | "Figure")
}

fn page_of(element: &Dict<'_>) -> Option<ObjectIdentifier> {
    element.get_ref(b"Pg").map(ObjectIdentifier::from)
}

/// The number of columns or rows of a cell, by its attributes.
fn span(element: &Dict<'_>, key: &[u8]) -> u32 {
    let of = |attributes: &Dict<'_>| attributes.get::<i32>(key).and_then(|count| u32::try_from(count).ok());
    let count = match element.get::<Object<'_>>(b"A") {
        Some(Object::Dict(attributes)) => of(&attributes),
        Some(Object::Array(all)) => all.iter::<Object<'_>>().filter_map(Object::into_dict).find_map(|attributes| of(&attributes)),
        _ => None,
    };
    count.unwrap_or(1).clamp(1, WIDEST)
}
