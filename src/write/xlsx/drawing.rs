//! Pictures in the sheet of results.

use crate::write::document_files::SmallPicture;
use std::fmt::Write as _;

/// Height of a row with a picture, in points. The text of its cells is below the picture.
pub(super) const ROW_POINTS: u32 = 64;
/// Room for a picture in pixels.
const ROOM: (u32, u32) = (120, 60);
/// Units of a drawing in a pixel.
const UNITS: u32 = 9_525;
/// Distance from the corner of the cell, in units.
const MARGIN: u32 = 2 * UNITS;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// The drawing: pictures with their rows, from 1, in this column, from 0.
pub(super) fn drawing(pictures: &[(u64, SmallPicture)], column: usize) -> String {
    let mut xml = format!(
        "{HEAD}<xdr:wsDr xmlns:xdr=\"http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing\" \
         xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" xmlns:r=\"{RELATIONS}\">"
    );
    for ((row, picture), n) in pictures.iter().zip(1..) {
        let (width, height) = size(picture);
        let (row, id) = (row - 1, n + 1);
        let _never_fails = write!(
            xml,
            "<xdr:oneCellAnchor><xdr:from><xdr:col>{column}</xdr:col><xdr:colOff>{MARGIN}</xdr:colOff><xdr:row>{row}</xdr:row>\
             <xdr:rowOff>{MARGIN}</xdr:rowOff></xdr:from><xdr:ext cx=\"{width}\" cy=\"{height}\"/><xdr:pic><xdr:nvPicPr>\
             <xdr:cNvPr id=\"{id}\" name=\"Picture {n}\"/><xdr:cNvPicPr><a:picLocks noChangeAspect=\"1\"/></xdr:cNvPicPr></xdr:nvPicPr>\
             <xdr:blipFill><a:blip r:embed=\"rId{n}\"/><a:stretch><a:fillRect/></a:stretch></xdr:blipFill><xdr:spPr><a:xfrm>\
             <a:off x=\"0\" y=\"0\"/><a:ext cx=\"{width}\" cy=\"{height}\"/></a:xfrm><a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom>\
             </xdr:spPr></xdr:pic><xdr:clientData/></xdr:oneCellAnchor>"
        );
    }
    xml.push_str("</xdr:wsDr>\n");
    xml
}

/// The files of the pictures.
pub(super) fn relations(pictures: &[(u64, SmallPicture)]) -> String {
    let files = pictures.iter().zip(1..).map(|((_, picture), n)| {
        format!("<Relationship Id=\"rId{n}\" Type=\"{RELATIONS}/image\" Target=\"../media/{}\"/>", name(picture, n))
    });
    format!(
        "{HEAD}<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">{}</Relationships>\n",
        files.collect::<String>()
    )
}

/// Name of the `n`th picture.
pub(super) fn name(picture: &SmallPicture, n: usize) -> String {
    format!("image{n}.{}", picture.media_type.trim_start_matches("image/"))
}

/// Width and height in units, so that the picture fits into its room.
fn size(picture: &SmallPicture) -> (u32, u32) {
    let (width, height) = (picture.width.max(1), picture.height.max(1));
    // The narrower of both ways to fit.
    let (wide, high) = if width * ROOM.1 > height * ROOM.0 { (ROOM.0, height * ROOM.0 / width) } else { (width * ROOM.1 / height, ROOM.1) };
    (wide.max(1) * UNITS, high.max(1) * UNITS)
}
