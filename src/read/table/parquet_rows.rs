//! Rows of Parquet files.

use super::Rows;
use parquet::basic::Compression;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use std::fs::File;
use std::path::Path;

pub(super) fn rows(path: &Path) -> Result<Rows, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let reader = SerializedFileReader::new(file).map_err(|e| e.to_string())?;
    let columns = reader.metadata().row_groups().iter().flat_map(|group| group.columns());
    // Found out by reading, it would be every row's failure.
    if let Some(codec) = columns.map(|column| column.compression()).find(|codec| matches!(codec, Compression::BROTLI(_) | Compression::LZO))
    {
        return Err(format!("it is compressed with {codec}, which docmill does not read: write it with ZSTD, SNAPPY, GZIP or none"));
    }
    let mut ended = false;
    let mut rows = reader.into_iter();
    Ok(Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let row = rows.next()?;
        ended = row.is_err();
        let fields =
            |row: parquet::record::Row| row.get_column_iter().map(|(name, field)| (name.as_str().into(), field.to_json_value())).collect();
        Some(row.map(fields).map_err(|e| e.to_string()))
    })))
}
