//! Tests of Office documents that are one XML file.

use super::office::{pages, read};

const WORD: &str = "xmlns:w='http://schemas.microsoft.com/office/word/2003/wordml'";

#[test]
fn word_2003_is_read_with_its_lists() {
    let list = "<w:lists><w:listDef w:listDefId='3'><w:lvl w:ilvl='0'><w:start w:val='4'/><w:nfc w:val='4'/><w:lvlText w:val='%1)'/></w:lvl></w:listDef>\
                <w:list w:ilfo='1'><w:ilst w:val='3'/></w:list></w:lists>";
    let styles = "<w:styles><w:style w:styleId='H'><w:name w:val='heading 1'/></w:style></w:styles>";
    let item = "<w:p><w:pPr><w:listPr><w:ilvl w:val='0'/><w:ilfo w:val='1'/></w:listPr></w:pPr><w:r><w:t>item</w:t></w:r></w:p>";
    let body = "<w:p><w:pPr><w:pStyle w:val='H'/></w:pPr><w:r><w:t>Head</w:t></w:r></w:p>\
                <w:tbl><w:tr><w:tc><w:p><w:r><w:t>A</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>B</w:t></w:r></w:p></w:tc></w:tr></w:tbl>\
                <w:p><w:r><w:pict><w:binData w:name='x'>AAAA</w:binData><v:imagedata/></w:pict></w:r></w:p>";
    let file = format!(
        "<?xml version='1.0'?><?mso-application progid='Word.Document'?><w:wordDocument {WORD}>{list}{styles}<w:body>{body}{item}</w:body></w:wordDocument>"
    );
    for extension in ["doc", "xml", "txt"] {
        let (format, extract) = read(file.as_bytes(), extension);
        assert_eq!((format, extract.unwrap().notes), ("word-xml", vec!["1 picture left out".to_owned()]));
    }
    assert_eq!(pages(file.as_bytes()), "# Head\n\n| A | B |\n| --- | --- |\n\nd) item");
    let package = "<?xml version='1.0'?><pkg:package xmlns:pkg='http://schemas.microsoft.com/office/2006/xmlPackage'><pkg:part pkg:name='/word/document.xml'>\
                   <pkg:xmlData><w:document><w:body><w:p><w:r><w:t>packed</w:t></w:r></w:p></w:body></w:document></pkg:xmlData></pkg:part>\
                   <pkg:part pkg:name='/word/media/a.png'><pkg:binaryData>AAAA</pkg:binaryData></pkg:part></pkg:package>";
    assert_eq!(pages(package.as_bytes()), "packed");
}

#[test]
fn excel_2003_is_read_with_its_formats() {
    let cell = |more: &str, kind: &str, text: &str| format!("<Cell {more}><Data ss:Type='{kind}'>{text}</Data></Cell>");
    let rows = [
        format!("<Row>{}{}</Row>", cell("ss:MergeAcross='1'", "String", "Wide"), cell("", "String", "Third")),
        format!(
            "<Row ss:Index='4' ss:Hidden='1'>{}{}{}</Row>",
            cell("ss:StyleID='p'", "Number", "0.15"),
            cell("ss:StyleID='d'", "DateTime", "2026-03-15T00:00:00.000"),
            cell("ss:Index='5'", "Boolean", "1")
        ),
        "<Row><Cell><Data ss:Type='String'>x</Data><Comment><ss:Data xmlns='html'><B>look</B></ss:Data></Comment></Cell></Row>".to_owned(),
    ];
    let styles = "<Styles><Style ss:ID='p'><NumberFormat ss:Format='Percent'/></Style><Style ss:ID='d'><NumberFormat ss:Format='Short Date'/></Style></Styles>";
    let file = format!(
        "<?xml version='1.0'?><Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet' xmlns:ss='urn:schemas-microsoft-com:office:spreadsheet'>{styles}\
         <Worksheet ss:Name='S'><Table>{}</Table></Worksheet></Workbook>",
        rows.concat()
    );
    let (format, extract) = read(file.as_bytes(), "xls");
    assert_eq!((format, extract.unwrap().notes), ("excel-xml", vec!["sheet S has hidden rows or columns, which were sent".to_owned()]));
    let table = "| Wide |  | Third |  |\n| --- | --- | --- | --- |\n| 15.00% | 2026-03-15 |  | TRUE |\n| x |";
    assert_eq!(pages(file.as_bytes()), format!("## S\n\n{table}\n\nComment on A5: look"));
}

#[test]
fn texts_of_excel_2003_keep_their_looks() {
    let styles = "<Styles><Style ss:ID='s'><Font ss:StrikeThrough='1'/></Style><Style ss:ID='t' ss:Parent='s'><NumberFormat ss:Format='0.0'/></Style></Styles>";
    let row = "<Row><Cell ss:StyleID='s'><Data ss:Type='String'>old</Data></Cell><Cell ss:StyleID='t'><Data ss:Type='Number'>5</Data></Cell>\
               <Cell><ss:Data ss:Type='String' xmlns='http://www.w3.org/TR/REC-html40'>is <S>was</S> 10<Sup>6</Sup> H<Font><Sub>2</Sub></Font>O</ss:Data></Cell></Row>";
    let file = format!(
        "<?xml version='1.0'?><Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet'>{styles}<Worksheet ss:Name='S'><Table>{row}</Table></Worksheet></Workbook>"
    );
    assert_eq!(pages(file.as_bytes()), "## S\n\n| ~~old~~ | ~~5.0~~ | is ~~was~~ 10^6 H_2O |\n| --- | --- | --- |");
}

#[test]
fn flat_open_documents_are_read_as_archives_are() {
    let flat = |kind: &str, body: &str| {
        format!(
            "<?xml version='1.0'?>\n<!-- made -->\n<office:document xmlns:office='o' office:mimetype='application/vnd.oasis.opendocument.{kind}'><office:body>{body}</office:body></office:document>"
        )
    };
    let text = flat(
        "text",
        "<office:text><text:h text:outline-level='1'>A head</text:h><draw:image><office:binary-data>AAAA</office:binary-data></draw:image></office:text>",
    );
    let sheet = flat(
        "spreadsheet",
        "<office:spreadsheet><table:table table:name='S'><table:table-row><table:table-cell office:value-type='percentage' office:value='0.15'/>\
         <table:table-cell office:value-type='time' office:time-value='PT36H05M00S'/></table:table-row></table:table></office:spreadsheet>",
    );
    let slides = flat("presentation", "<office:presentation><draw:page><text:p>One</text:p></draw:page></office:presentation>");
    for (file, format, shown) in
        [(text, "fodt", "# A head"), (sheet, "fods", "## S\n\n| 15% | 36:05:00 |\n| --- | --- |"), (slides, "fodp", "One")]
    {
        assert_eq!(read(file.as_bytes(), "xml").0, format);
        assert_eq!(pages(file.as_bytes()), shown);
    }
    assert_eq!(read(b"<?xml version='1.0'?><other/>", "xml").0, "");
}
