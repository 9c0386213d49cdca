//! Writes rows as a workbook.

use super::archive::Archive;
use super::cells::Style;
use super::digest::combined;
use super::parts::Filter;
use super::sheet::{MAX_ROWS, Sheet};
use super::text::column_name;
use super::{drawing, parts, summary};
use crate::model::{Column, ColumnType, JobColumns, Kind, ResultFile, Row, RowStatus, Totals, counted};
use crate::write::document_files::{DocumentFiles, address};
use crate::write::output_file::OutputFile;
use crate::write::row_cells::{self, RowCell};
use crate::write::sink::SinkRows;
use std::io::{self, Seek as _, Write};
use std::path::{Path, PathBuf};
use tempfile::SpooledTempFile;

/// Maximum number of pictures.
const MAX_PICTURES: usize = 500;
/// Limits of spreadsheets.
const MAX_COLUMNS: usize = 16_384;
const MAX_LINKS: usize = 65_530;
const MAX_ADDRESS: usize = 2_079;
/// Failures that wait in memory, in bytes. More wait in a temporary file.
const IN_MEMORY: usize = 1 << 20;

/// Columns of the sheet of failures, by their place among the columns of all jobs.
const FAILURES: [&str; 6] = ["index", "document", "status", "failure_code", "failure_message", "input_note"];
/// Place of the document among the columns.
const DOCUMENT: usize = 1;

/// Writes rows as a workbook: a sheet of results, one of failures, and a summary.
pub(in crate::write) struct Workbook {
    archive: Archive,
    job: String,
    columns: Vec<Column>,
    results: Sheet,
    failures: Sheet,
    /// The rows of the failures.
    failed_rows: SpooledTempFile,
    files: DocumentFiles,
    /// The directory of the workbook; `None` for a stream.
    directory: Option<PathBuf>,
    /// Rows with a link, and its address.
    linked: Vec<(u32, String)>,
    /// Rows with room for a picture, and its file.
    pictured: Vec<(u64, Option<PathBuf>)>,
    /// Images without room for a picture.
    not_pictured: u64,
    totals: Totals,
    /// Documents whose link has no room.
    not_linked: u64,
}

impl Workbook {
    pub fn begin(file: OutputFile, job: &JobColumns, files: DocumentFiles) -> io::Result<Self> {
        let directory = file.directory().and_then(|directory| std::path::absolute(directory).ok());
        let mut archive = Archive::begin(file)?;
        let columns: Vec<Column> = job.all().collect();
        let shown = columns.len().min(MAX_COLUMNS);
        for (name, text) in
            [("_rels/.rels", parts::RELATIONS), ("xl/_rels/workbook.xml.rels", parts::WORKBOOK_RELATIONS), ("xl/styles.xml", parts::STYLES)]
        {
            archive.part(name, text)?;
        }
        let widths: Vec<u32> = columns[..shown].iter().map(width).collect();
        archive.part("xl/worksheets/sheet1.xml", &parts::sheet_begin(&widths, DOCUMENT + 1, true))?;
        let mut own = Self {
            archive,
            job: job.name.clone(),
            results: Sheet::new(shown),
            columns,
            failures: Sheet::new(FAILURES.len()),
            failed_rows: tempfile::spooled_tempfile(IN_MEMORY),
            files,
            directory,
            linked: Vec::new(),
            pictured: Vec::new(),
            not_pictured: 0,
            totals: Totals::default(),
            not_linked: 0,
        };
        own.results.cells.begin();
        own.columns[..shown].iter().enumerate().for_each(|(at, column)| own.results.cells.text(at, &column.name, Style::Header));
        own.results.end(&mut own.archive)?;
        own.failures.cells.begin();
        FAILURES.iter().enumerate().for_each(|(at, name)| own.failures.cells.text(at, name, Style::Header));
        own.failures.end(&mut own.failed_rows)?;
        Ok(own)
    }

    /// Adds a row to the sheet of failures.
    fn failure(&mut self, row: &Row) -> io::Result<()> {
        if !self.failures.has_room() {
            return Ok(());
        }
        let [index, document, status] = row_cells::first(row);
        let [_, _, code, message, note, ..] = row_cells::last(row);
        self.failures.cells.begin();
        for (at, cell) in [index, document, status, code, message, note].iter().enumerate() {
            self.failures.cells.cell(at, cell, &ColumnType::String);
        }
        self.failures.end(&mut self.failed_rows)
    }

    /// Notes the file of a row's document, for a link and a picture. Returns whether the row has a
    /// link, and room for a picture. The latter depends on the row alone.
    fn note_file(&mut self, row: &Row) -> (bool, bool) {
        let is_image = row.input.as_ref().is_some_and(|facts| facts.kind == Kind::Image);
        let has_room = is_image && self.pictured.len() < MAX_PICTURES;
        self.not_pictured += u64::from(is_image && !has_room);
        let can_link = self.linked.len() < MAX_LINKS;
        let file = if can_link || has_room { self.files.file_of(&row.document) } else { None };
        let address = file.as_ref().map(|file| address(file, self.directory.as_deref().unwrap_or(Path::new(""))));
        let fits = can_link && address.as_ref().is_none_or(|address| address.chars().count() <= MAX_ADDRESS);
        self.not_linked += u64::from(!fits);
        let (address, at) = (address.filter(|_| fits), self.results.cells.next);
        let has_link = address.is_some();
        self.linked.extend(address.map(|address| (at, address)));
        if has_room {
            self.pictured.push((at.into(), file));
        }
        (has_link, has_room)
    }

    /// What the workbook does not hold.
    fn notes(&self) -> Vec<String> {
        let (rows, failures, links) = (self.results.left_out, self.failures.left_out, self.not_linked);
        let beyond = self.columns.len().saturating_sub(MAX_COLUMNS) as u64;
        let cut = self.results.cells.cut + self.failures.cells.cut;
        let all = [
            (rows, "row", format!("left out, because a sheet holds {MAX_ROWS} rows and 3.5 GB")),
            (failures, "row", "left out of the sheet of failures".to_owned()),
            (beyond, "column", format!("left out, because a sheet holds {MAX_COLUMNS} columns")),
            (cut, "text", "cut, because a cell holds 32,767 characters".to_owned()),
            (links, "document", format!("without a link, because a sheet holds {MAX_LINKS} links of {MAX_ADDRESS} characters")),
        ];
        let note = |(count, noun, why)| format!("{} {why}", counted(count, noun));
        all.into_iter().filter(|(count, ..)| *count > 0).map(note).collect()
    }
}

impl SinkRows for Workbook {
    fn push(&mut self, row: &Row, _: &str) -> io::Result<()> {
        self.totals.add(row);
        if matches!(row.status, RowStatus::Partial | RowStatus::Failed | RowStatus::Refused) {
            self.failure(row)?;
        }
        if !self.results.has_room() {
            return Ok(());
        }
        let (has_link, has_picture) = self.note_file(row);
        let results = &mut self.results.cells;
        if has_picture {
            results.begin_high(drawing::ROW_POINTS);
        } else {
            results.begin();
        }
        let (first, last) = (row_cells::first(row), row_cells::last(row));
        let own = &self.columns[first.len()..self.columns.len() - last.len()];
        let own = own.iter().map(|column| RowCell::of(row, &column.name));
        let cells = first.into_iter().chain(own).chain(last).zip(&self.columns);
        for (at, (cell, column)) in cells.take(MAX_COLUMNS).enumerate() {
            match cell {
                RowCell::Text(document) if at == DOCUMENT && has_link => results.text(at, &document, Style::Link),
                cell => results.cell(at, &cell, &column.kind),
            }
        }
        self.results.end(&mut self.archive)
    }

    fn note(&self) -> Option<String> {
        let notes = self.notes();
        (!notes.is_empty()).then(|| notes.join("; "))
    }

    fn finish(mut self: Box<Self>) -> io::Result<ResultFile> {
        let range = |sheet: &Sheet, columns: usize| Filter { column: column_name(columns - 1), row: sheet.cells.next - 1 };
        let filters = [range(&self.results, self.columns.len().min(MAX_COLUMNS)), range(&self.failures, FAILURES.len())];
        let links = column_name(DOCUMENT);
        let mut notes = self.notes();
        let images = counted(self.not_pictured, "image");
        notes.extend((self.not_pictured > 0).then(|| format!("{images} without a picture, because a workbook gets {MAX_PICTURES}")));
        let pictured = std::mem::take(&mut self.pictured).into_iter();
        let pictures = self.files.pictures(pictured.filter_map(|(row, file)| Some((row, file?))).collect());
        let archive = &mut self.archive;
        let has_drawing = !pictures.is_empty();
        archive.write_all(parts::sheet_end(Some(&filters[0]), &self.linked, &links, has_drawing).as_bytes())?;
        if has_drawing || !self.linked.is_empty() {
            archive.part("xl/worksheets/_rels/sheet1.xml.rels", &parts::sheet_relations(&self.linked, has_drawing))?;
        }
        if has_drawing {
            archive.draw(&pictures, DOCUMENT)?;
        }
        archive.part("xl/worksheets/sheet2.xml", &parts::sheet_begin(&[8, 40, 10, 18, 80, 40], DOCUMENT + 1, false))?;
        self.failed_rows.rewind()?;
        io::copy(&mut self.failed_rows, archive)?;
        archive.write_all(parts::sheet_end(Some(&filters[1]), &[], "", false).as_bytes())?;
        archive.part("xl/worksheets/sheet3.xml", &summary::sheet(&self.job, &self.totals, &notes))?;
        archive.part("xl/workbook.xml", &parts::workbook(&filters))?;
        archive.part("[Content_Types].xml", &parts::content_types(has_drawing))?;
        let file = self.archive.finish()?;
        Ok(ResultFile { digest: combined(self.results.hashed, self.failures.hashed), ..file })
    }
}

/// Width of a column, in characters.
fn width(column: &Column) -> u32 {
    let longest = |values: &[String]| values.iter().map(|value| value.chars().count()).max().unwrap_or_default();
    let wide = match &column.kind {
        ColumnType::Integer | ColumnType::Number | ColumnType::Boolean | ColumnType::Time => 10,
        ColumnType::Date => 12,
        ColumnType::DateTime => 20,
        ColumnType::Enum(values) => longest(values) + 2,
        ColumnType::String | ColumnType::List(_) | ColumnType::Object(_) | ColumnType::Json => 40,
    };
    // The name needs room for the button of the filter.
    u32::try_from(wide.max(column.name.chars().count() + 4).min(60)).unwrap_or(60)
}
