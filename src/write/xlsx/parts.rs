//! The parts of a workbook that do not depend on its rows.

use super::text::{self, column_name};
use std::fmt::Write as _;

/// The sheets, in their order.
pub(super) const SHEETS: [&str; 3] = ["Results", "Failures", "Summary"];

const CONTENT_TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Default Extension="jpeg" ContentType="image/jpeg"/><Default Extension="png" ContentType="image/png"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/worksheets/sheet2.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/worksheets/sheet3.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>
"#;

/// The types of all parts.
pub(super) fn content_types(has_drawing: bool) -> String {
    const DRAWING: &str = "<Override PartName=\"/xl/drawings/drawing1.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.drawing+xml\"/></Types>";
    if has_drawing { CONTENT_TYPES.replace("</Types>", DRAWING) } else { CONTENT_TYPES.to_owned() }
}

pub(super) const RELATIONS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>
"#;

pub(super) const WORKBOOK_RELATIONS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet2.xml"/><Relationship Id="rId3" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet3.xml"/><Relationship Id="rId4" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>
"#;

/// Fonts, fills and formats. The formats are in the order of `Style`.
pub(super) const STYLES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="5"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd"/><numFmt numFmtId="165" formatCode="yyyy\-mm\-dd\ hh:mm:ss"/><numFmt numFmtId="166" formatCode="hh:mm:ss"/><numFmt numFmtId="167" formatCode="0.000000"/><numFmt numFmtId="168" formatCode="0.000"/></numFmts><fonts count="3"><font><sz val="11"/><name val="Calibri"/><family val="2"/></font><font><b/><sz val="11"/><name val="Calibri"/><family val="2"/></font><font><u/><sz val="11"/><color rgb="FF0563C1"/><name val="Calibri"/><family val="2"/></font></fonts><fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill><fill><patternFill patternType="solid"><fgColor rgb="FFE7E6E6"/><bgColor indexed="64"/></patternFill></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="9"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/><xf numFmtId="0" fontId="1" fillId="2" borderId="0" xfId="0" applyFont="1" applyFill="1"/><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0" quotePrefix="1"/><xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="166" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="167" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="168" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="0" fontId="2" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>
"#;

/// The range of a sheet with a filter, from `A1` to its last cell.
pub(super) struct Filter {
    pub column: String,
    pub row: u32,
}

/// The workbook, with the filters of the first sheets.
pub(super) fn workbook(filters: &[Filter]) -> String {
    let sheets = SHEETS.iter().zip(1..).map(|(name, n)| format!("<sheet name=\"{name}\" sheetId=\"{n}\" r:id=\"rId{n}\"/>"));
    let names = SHEETS.iter().zip(filters).enumerate().map(|(at, (name, Filter { column, row }))| {
        format!("<definedName name=\"_xlnm._FilterDatabase\" localSheetId=\"{at}\" hidden=\"1\">{name}!$A$1:${column}${row}</definedName>")
    });
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
         xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><workbookPr/><bookViews><workbookView/></bookViews>\
         <sheets>{}</sheets><definedNames>{}</definedNames></workbook>\n",
        sheets.collect::<String>(),
        names.collect::<String>()
    )
}

/// The XML of a sheet before its rows. The first row and `columns` stay in sight.
pub(super) fn sheet_begin(widths: &[u32], frozen_columns: usize, is_first: bool) -> String {
    let columns = widths.iter().zip(1..).map(|(width, n)| format!("<col min=\"{n}\" max=\"{n}\" width=\"{width}\" customWidth=\"1\"/>"));
    let selected = if is_first { " tabSelected=\"1\"" } else { "" };
    let (left, pane) =
        if frozen_columns == 0 { (String::new(), "bottomLeft") } else { (format!(" xSplit=\"{frozen_columns}\""), "bottomRight") };
    let corner = column_name(frozen_columns);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
         xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheetViews><sheetView{selected} workbookViewId=\"0\">\
         <pane{left} ySplit=\"1\" topLeftCell=\"{corner}2\" activePane=\"{pane}\" state=\"frozen\"/></sheetView></sheetViews>\
         <sheetFormatPr defaultRowHeight=\"15\"/><cols>{}</cols><sheetData>\n",
        columns.collect::<String>()
    )
}

/// The XML of a sheet after its rows.
pub(super) fn sheet_end(filter: Option<&Filter>, links: &[(u32, String)], link_column: &str, has_drawing: bool) -> String {
    let mut xml = "</sheetData>".to_owned();
    xml.extend(filter.map(|Filter { column, row }| format!("<autoFilter ref=\"A1:{column}{row}\"/>")));
    if !links.is_empty() {
        let links = links.iter().zip(1..).map(|((row, _), n)| format!("<hyperlink ref=\"{link_column}{row}\" r:id=\"rId{n}\"/>"));
        xml.push_str("<hyperlinks>");
        xml.extend(links);
        xml.push_str("</hyperlinks>");
    }
    // Long numbers are text on purpose.
    xml.push_str("<ignoredErrors><ignoredError sqref=\"A1:XFD1048576\" numberStoredAsText=\"1\"/></ignoredErrors>");
    if has_drawing {
        xml.push_str("<drawing r:id=\"rIdDrawing\"/>");
    }
    xml.push_str("</worksheet>\n");
    xml
}

/// The relations of a sheet with links.
pub(super) fn sheet_relations(links: &[(u32, String)], has_drawing: bool) -> String {
    const TYPES: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
        <Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"
        .to_owned();
    for ((_, address), n) in links.iter().zip(1..) {
        let _never_fails = write!(xml, "<Relationship Id=\"rId{n}\" Type=\"{TYPES}/hyperlink\" TargetMode=\"External\" Target=\"");
        text::push(&mut xml, address);
        xml.push_str("\"/>");
    }
    if has_drawing {
        let _never_fails = write!(xml, "<Relationship Id=\"rIdDrawing\" Type=\"{TYPES}/drawing\" Target=\"../drawings/drawing1.xml\"/>");
    }
    xml.push_str("</Relationships>\n");
    xml
}
