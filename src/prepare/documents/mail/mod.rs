//! Mails (EML), mailboxes (MBOX) and saved web pages (MHTML).
//!
//! The text contains the sender, recipients, date and subject, then the body as the sender intended
//! it. Attached mails are included in full. Other attachments are listed by name, type and size.
//!
//! | files | what they do |
//! |---|---|
//! | `attached` | the files attached to mails |
//! | `bodies` | which parts of a mail are its text; which alternative is read |
//! | `charset` | bytes of a part to text, also if they are declared wrongly |
//! | `encoded_words` | words of headers that were cut inside a character |
//! | `flowed` | lines that mail programs broke (`format=flowed`) |
//! | `headers` | headers in another encoding than ASCII or UTF-8 |
//! | `inline_files` | files written into the text (uuencode, yEnc) |
//! | `mailbox` | divides a mailbox |

mod attached;
mod bodies;
mod charset;
mod encoded_words;
mod flowed;
mod headers;
mod inline_files;
mod mailbox;

use super::{
    Attachment, Extract, ImageLimits, Page, PrepareSettings, Reader, cards, encoding, fenced, html, quoted_printable, symbols, verdict,
};
use crate::model::Failure;
pub(super) use attached::attachments;
use bodies::Bodies;
use charset::PartText;
use mail_parser::{Address, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use std::fmt::Write;

pub(super) const EML: Reader = Reader { format: "eml", name: NAME, recognises: is_eml, read: read_eml };
pub(super) const MBOX: Reader = Reader { format: "mbox", name: MBOX_NAME, recognises: is_mbox, read: read_mbox };

const NAME: &str = "a mail (EML)";
const MBOX_NAME: &str = "a mailbox (MBOX)";
/// Maximum bytes of the headers of a mail.
const HEAD: usize = 64 * 1024;
/// Maximum depth of attached mails. Deeper ones are only named.
const DEPTH: usize = 8;

fn is_eml(bytes: &[u8], extension: &str) -> bool {
    is_head(bytes, matches!(extension, "eml" | "mht" | "mhtml"))
}

fn is_mbox(bytes: &[u8], extension: &str) -> bool {
    // A patch in mail format is a plain text.
    if !bytes.starts_with(b"From ") || matches!(extension, "patch" | "diff") {
        return false;
    }
    let line = bytes.iter().take(HEAD).position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
    is_head(&bytes[line..], extension == "mbox")
}

/// Whether these are mail headers, of the writer and of programs.
///
/// `sure` requires less evidence.
fn is_head(bytes: &[u8], sure: bool) -> bool {
    let head = &bytes[..bytes.len().min(HEAD)];
    let (mut written, mut added, mut sender) = (0, 0, false);
    for line in head.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        let name = line[..colon].to_ascii_lowercase();
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            if sure {
                continue;
            }
            break;
        }
        match name.as_slice() {
            b"from" | b"sender" => sender = true,
            b"to" | b"cc" | b"bcc" | b"subject" | b"reply-to" => written += 1,
            b"date" | b"received" | b"message-id" | b"mime-version" | b"return-path" | b"delivered-to" | b"content-type" => added += 1,
            _ => {}
        }
    }
    if sure { sender || written + added > 0 } else { sender && added > 0 && written + added > 1 }
}

fn read_eml(bytes: &[u8], settings: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    // The parser panics on some mails in test builds, because its own assertions are active there.
    let headers = headers::readable(bytes);
    let joined = encoded_words::join(&headers.mail);
    let message = fenced(|| Ok(MessageParser::default().parse(&*joined)))?.ok_or_else(|| verdict::damaged(NAME, "it has no headers"))?;
    let mut mail = Mail { guessed: headers.guessed, ..Mail::new(settings) };
    mail.write(&message, 0);
    if mail.sealed && mail.words == 0 {
        return Err(verdict::encrypted("an encrypted mail (S/MIME or PGP)"));
    }
    verdict::readable(NAME, Extract { pages: vec![Page::Text(mail.text.trim().to_owned())], paged: false, notes: mail.notes() })
}

fn read_mbox(bytes: &[u8], settings: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let parser = MessageParser::default();
    // Each mail of a mailbox ends with a line end.
    let mut mail = Mail { cut: !bytes.ends_with(b"\n"), ..Mail::new(settings) };
    for raw in mailbox::mails(bytes) {
        let headers = headers::readable(&raw);
        mail.guessed |= headers.guessed;
        let raw = encoded_words::join(&headers.mail);
        let Ok(Some(message)) = fenced(|| Ok(parser.parse(&*raw))) else {
            mail.unread += 1;
            continue;
        };
        mail.text.push_str(if mail.text.is_empty() { "" } else { "\n---\n\n" });
        mail.write(&message, 0);
    }
    verdict::readable(MBOX_NAME, Extract { pages: vec![Page::Text(mail.text.trim().to_owned())], paged: false, notes: mail.notes() })
}

/// The text of one or many mails.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one note")]
pub(super) struct Mail {
    pub text: String,
    /// Number of words in the bodies.
    pub words: usize,
    pub attachments: usize,
    /// Whether attachments are documents of their own.
    apart: bool,
    sealed: bool,
    garbled: bool,
    hidden: bool,
    /// Number of signs of symbol fonts without a known meaning.
    symbols: usize,
    unread: usize,
    guessed: bool,
    cut: bool,
    /// Notes of invitations, which are text of the mail.
    of_calendars: Vec<String>,
}

impl Mail {
    /// Begins a mail.
    pub fn new(settings: &PrepareSettings) -> Self {
        Self { apart: settings.apart.attachments, ..Self::default() }
    }

    /// Builds the notes for people.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.attachments > 0 {
            let what = if self.apart { "; those that docmill can read have rows of their own" } else { " named, not read" };
            notes.push(format!("{}{what}", verdict::counted(self.attachments, "attachment")));
        }
        if self.unread > 0 {
            notes.push(format!("{} could not be read", verdict::counted(self.unread, "message")));
        }
        if self.sealed {
            notes.push("encrypted parts left out".to_owned());
        }
        if self.garbled {
            notes.push("some characters were not valid in their encoding".to_owned());
        }
        if self.guessed {
            notes.push("the encoding of some text is undeclared or wrongly declared, and was detected".to_owned());
        }
        if self.cut {
            notes.push(verdict::CUT.to_owned());
        }
        if self.hidden {
            notes.push(verdict::HIDDEN.to_owned());
        }
        notes.extend(symbols::note(self.symbols));
        for note in &self.of_calendars {
            if !notes.contains(note) {
                notes.push(note.clone());
            }
        }
        notes
    }

    /// Writes a header line, unless the value is empty.
    pub fn head(&mut self, name: &str, value: &str) {
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        if !value.is_empty() {
            let _infallible = writeln!(self.text, "{name}: {value}");
        }
    }

    /// Writes the text of the mail.
    pub fn body(&mut self, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            self.words += text.split_whitespace().count();
            let _infallible = write!(self.text, "\n{text}\n");
        }
    }

    /// Writes the text of the mail from an HTML page.
    pub fn page(&mut self, page: &str) {
        let page = html::markdown(page);
        self.hidden |= page.hidden;
        self.symbols += page.symbols;
        self.body(&page.text);
    }

    /// Writes a line for each attachment.
    pub fn attached(&mut self, files: &[(String, String, usize)]) {
        if files.is_empty() {
            return;
        }
        self.attachments += files.len();
        self.text.push_str("\nAttachments:\n");
        for (name, kind, size) in files {
            let size = if *size < 1024 { format!("{size} bytes") } else { format!("{} KB", size.div_ceil(1024)) };
            let facts = [kind.as_str(), &size].into_iter().filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join(", ");
            let _infallible = writeln!(self.text, "- {name} ({facts})");
        }
    }

    fn write(&mut self, message: &Message, depth: usize) {
        let written = |name: &str| message.header_raw(name).unwrap_or_default().to_owned();
        let shown = |name: &str, value: String| if value.is_empty() { written(name) } else { value };
        let from = addresses(message.from());
        let reply_to = addresses(message.reply_to());
        let reply_to = if reply_to == from { String::new() } else { shown("Reply-To", reply_to) };
        self.head("From", &shown("From", from));
        self.head("Reply-To", &reply_to);
        self.head("To", &shown("To", addresses(message.to())));
        self.head("Cc", &shown("Cc", addresses(message.cc())));
        self.head("Bcc", &shown("Bcc", addresses(message.bcc())));
        let date = message.date().filter(|date| date.is_valid()).map(mail_parser::DateTime::to_rfc3339);
        self.head("Date", &shown("Date", date.unwrap_or_default()));
        self.head("Subject", message.subject().unwrap_or_default());
        let bodies = Bodies::of(message);
        self.cut |= bodies.too_deep || message.parts.iter().any(|part| is_cut(part, &message.raw_message));
        let mut files = Vec::new();
        for part in bodies.text.iter().filter_map(|id| message.parts.get(*id)) {
            self.part(part, message, &mut files);
        }
        for part in bodies.files.iter().filter_map(|id| message.parts.get(*id)) {
            match &part.body {
                PartType::Message(inner) if depth < DEPTH && !self.apart => {
                    self.text.push_str("\n--- attached mail ---\n\n");
                    self.write(inner, depth + 1);
                    self.text.push_str("\n--- end of attached mail ---\n");
                }
                _ => {
                    let calendar = Some(part).filter(|part| !self.apart && kind(part) == "text/calendar");
                    if let Some((text, notes)) = calendar.and_then(|part| cards::calendar(attached::content(part, message))) {
                        self.body(&text);
                        self.of_calendars.extend(notes);
                        continue;
                    }
                    files.push((attached::name(part), kind(part), attached::content(part, message).len()));
                }
            }
        }
        self.sealed |= message.parts.iter().any(|part| {
            let kind = kind(part);
            let mime = matches!(kind.as_str(), "application/pkcs7-mime" | "application/x-pkcs7-mime");
            let signed = part.content_type().and_then(|kind| kind.attribute("smime-type")).is_some_and(|kind| kind.contains("signed"));
            kind == "multipart/encrypted" || (mime && !signed)
        });
        self.attached(&files);
    }

    fn part(&mut self, part: &MessagePart, message: &Message, files: &mut Vec<(String, String, usize)>) {
        let PartText { text, guessed, damaged, cut } = PartText::of(part, &message.raw_message);
        self.cut |= cut;
        self.guessed |= guessed;
        self.garbled |= damaged;
        if matches!(part.body, PartType::Html(_)) {
            self.page(&text);
        } else {
            let text = text.replace('\r', "");
            let is_flowed =
                part.content_type().and_then(|kind| kind.attribute("format")).is_some_and(|format| format.eq_ignore_ascii_case("flowed"));
            let text = if is_flowed { flowed::joined(&text) } else { text };
            let (text, mut inline) = inline_files::without(&text);
            self.body(&text);
            files.append(&mut inline);
        }
    }
}

/// Whether this is a multipart without its closing boundary.
fn is_cut(part: &MessagePart, raw: &[u8]) -> bool {
    let Some(boundary) = part.content_type().and_then(|kind| kind.attribute("boundary")) else { return false };
    let end = format!("--{boundary}--");
    matches!(part.body, PartType::Multipart(_)) && memchr::memmem::find(raw, end.as_bytes()).is_none()
}

fn kind(part: &MessagePart) -> String {
    let Some(kind) = part.content_type() else { return String::new() };
    kind.subtype().map_or_else(|| kind.ctype().to_owned(), |subtype| format!("{}/{subtype}", kind.ctype())).to_ascii_lowercase()
}

fn addresses(address: Option<&Address>) -> String {
    // A name with a comma would read as two recipients.
    let quoted = |name: &str| {
        let is_plain = !name.contains([',', ';', '<', '>', '@', '"']) || name.starts_with('"') && name.ends_with('"');
        if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "'")) }
    };
    let one = |address: &mail_parser::Addr| match (address.name(), address.address()) {
        (Some(name), Some(address)) => format!("{} <{address}>", quoted(name)),
        (name, address) => name.or(address).unwrap_or_default().to_owned(),
    };
    address.map(|addresses| addresses.iter().map(one).collect::<Vec<_>>().join(", ")).unwrap_or_default()
}
