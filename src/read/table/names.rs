//! Names of files that are usually tables.

/// Whether files with this name are usually tables.
pub fn is_table_name(name: &str) -> bool {
    const TABLES: [&str; 7] = ["csv", "tsv", "tab", "psv", "jsonl", "ndjson", "parquet"];
    let name = name.to_lowercase();
    let bare = ["gz", "zst"].iter().find_map(|packed| name.strip_suffix(packed)?.strip_suffix('.')).unwrap_or(&name);
    bare.rsplit_once('.').is_some_and(|(_, extension)| TABLES.contains(&extension))
}

/// Whether files with this name are workbooks.
pub fn is_workbook_name(name: &str) -> bool {
    let name = name.to_lowercase();
    name.rsplit_once('.').is_some_and(|(_, extension)| ["xlsx", "xlsm", "xlsb", "xls", "ods"].contains(&extension))
}
