//! Outlook mails (MSG): compound files with a stream for each property.
//!
//! The text has the same lines in the same order as other mails.

use super::codepage::{self, CodePage};
use super::compound::{self, Compound};
use super::mail::Mail;
use super::{Attachment, Extract, ImageLimits, Page, PrepareSettings, Reader, html, verdict};
use crate::model::Failure;
use encoding_rs::UTF_16LE;

pub(super) const READER: Reader = Reader { format: "msg", name: NAME, recognises, read };

const NAME: &str = "an Outlook mail (MSG)";
const PROPERTIES: &str = "__properties_version1.0";
/// Size in bytes of the header before fixed-size properties.
///
/// These properties are in one stream, in entries of 16 bytes.
const HEADER: usize = 32;
/// Seconds from 1601 (the start of Windows time) to 1970.
const WINDOWS_EPOCH: i64 = 11_644_473_600;

fn recognises(bytes: &[u8], extension: &str) -> bool {
    compound::holds(bytes, &[PROPERTIES], extension == "msg")
}

fn read(bytes: &[u8], settings: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let sound = Compound::sound(bytes);
    let mut file = Message::open(&sound)?;
    let mut mail = Mail::new(settings);
    // The name of the sender, or of the person represented by the sender.
    let name = file.first("", &[0x0C1A, 0x0042]);
    let address = file.first("", &[0x5D01, 0x0C1F, 0x5D02, 0x0065]);
    // Addresses within a company may be paths in its directory.
    let address = address.filter(|address| address.contains('@') && Some(address) != name.as_ref());
    let from = [name, address.map(|address| format!("<{address}>"))].into_iter().flatten().collect::<Vec<_>>().join(" ");
    mail.head("From", &from);
    mail.head("To", &file.text("", 0x0E04).unwrap_or_default());
    mail.head("Reply-To", &file.text("", 0x0050).unwrap_or_default());
    mail.head("Cc", &file.text("", 0x0E03).unwrap_or_default());
    mail.head("Bcc", &file.text("", 0x0E02).unwrap_or_default());
    mail.head("Date", &file.date().unwrap_or_default());
    mail.head("Subject", &file.text("", 0x0037).unwrap_or_default());
    let (mut notes, kind) = (Vec::new(), file.text("", 0x001A).unwrap_or_default());
    match file.text("", 0x1000).filter(|text| !text.trim().is_empty()) {
        Some(text) => mail.body(&text.replace('\r', "")),
        None => match file.binary("", 0x1013) {
            Some(page) => mail.page(&html::decoded(&page).0.text),
            None if file.binary("", 0x1009).is_some() => {
                notes.push("the text is only present as compressed RTF, which docmill cannot read".to_owned());
            }
            None => {}
        },
    }
    if mail.words == 0 && kind.contains("SMIME") && !kind.contains("MultipartSigned") {
        return Err(verdict::encrypted("an encrypted mail (S/MIME)"));
    }
    let attachments: Vec<(String, String, usize)> = file.folders().iter().map(|folder| file.attachment(folder)).collect();
    mail.attached(&attachments);
    notes.extend(mail.notes());
    let extract = verdict::readable(NAME, Extract { pages: vec![Page::Text(mail.text.trim().to_owned())], paged: false, notes })?;
    Ok(Compound::noted(extract, &sound, bytes))
}

/// The attached files. Attached Outlook items have no form of their own.
pub(super) fn attachments(bytes: &[u8]) -> Vec<Attachment> {
    let Ok(mut file) = Message::open(bytes) else { return Vec::new() };
    let folders = file.folders();
    let attachment = |folder: &String| {
        let (name, ..) = file.attachment(folder);
        Some(Attachment { name, content: file.binary(&format!("/{folder}"), 0x3701)? })
    };
    folders.iter().filter_map(attachment).collect()
}

struct Message<'a> {
    file: Compound<'a>,
    properties: Vec<u8>,
    encoding: CodePage,
}

impl<'a> Message<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, Failure> {
        let mut file = Compound::open(bytes, NAME)?;
        let properties = file.stream(PROPERTIES).unwrap_or_default();
        let mut message = Self { file, properties, encoding: CodePage::default() };
        // The code page of the texts, or that of the writer's program.
        let number = message.fixed(0x3FFD).or_else(|| message.fixed(0x3FDE));
        let number = number.and_then(|value| i32::try_from(value & 0xFFFF_FFFF).ok());
        message.encoding = number.and_then(codepage::of_number).unwrap_or_default();
        Ok(message)
    }

    /// Reads a fixed-size property.
    fn fixed(&self, property: u16) -> Option<u64> {
        let (entries, _) = self.properties.get(HEADER..)?.as_chunks::<16>();
        let entry = entries.iter().find(|entry| entry[2..4] == property.to_le_bytes())?;
        Some(u64::from_le_bytes(*entry.last_chunk::<8>()?))
    }

    /// The time of sending, or else of delivery, in ISO format.
    fn date(&self) -> Option<String> {
        let ticks = self.fixed(0x0039).or_else(|| self.fixed(0x0E06))?;
        let seconds = i64::try_from(ticks / 10_000_000).ok()? - WINDOWS_EPOCH;
        Some(jiff::Timestamp::from_second(seconds).ok()?.to_string())
    }

    /// Reads a text property in either of its two forms.
    fn text(&mut self, folder: &str, property: u16) -> Option<String> {
        let unicode = self.file.stream(&format!("{folder}/__substg1.0_{property:04X}001F"));
        let text = match unicode {
            Some(bytes) => UTF_16LE.decode_without_bom_handling(&bytes).0.into_owned(),
            None => {
                let bytes = self.file.stream(&format!("{folder}/__substg1.0_{property:04X}001E"))?;
                self.encoding.decode(&bytes).into_owned()
            }
        };
        Some(text.trim_end_matches('\0').to_owned())
    }

    /// The first of these text properties that is not blank.
    fn first(&mut self, folder: &str, properties: &[u16]) -> Option<String> {
        properties.iter().filter_map(|property| self.text(folder, *property)).find(|text| !text.trim().is_empty())
    }

    fn binary(&mut self, folder: &str, property: u16) -> Option<Vec<u8>> {
        self.file.stream(&format!("{folder}/__substg1.0_{property:04X}0102"))
    }

    /// The storages of the attachments, in order.
    fn folders(&self) -> Vec<String> {
        let mut folders = self.file.storages("/");
        folders.retain(|name| name.starts_with("__attach_version1.0_"));
        folders.sort();
        folders
    }

    /// Reads the name, type and size of an attachment.
    fn attachment(&mut self, folder: &str) -> (String, String, usize) {
        let folder = format!("/{folder}");
        let name = self.first(&folder, &[0x3707, 0x3704, 0x3001]);
        let kind = self.text(&folder, 0x370E);
        let embedded = self.file.has_storage(&format!("{folder}/__substg1.0_3701000D"));
        let kind = kind.unwrap_or_else(|| if embedded { "Outlook item".to_owned() } else { String::new() });
        let size = self.binary(&folder, 0x3701).map_or(0, |bytes| bytes.len());
        (name.unwrap_or_else(|| "unnamed".to_owned()), kind, size)
    }
}
