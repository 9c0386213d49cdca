//! The files attached to mails.

use super::bodies::Bodies;
use super::charset::PartText;
use super::{Attachment, encoded_words, fenced, headers, inline_files, kind, mailbox};
use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders, PartType};

/// Returns the files attached to a mail, or to the mails of a mailbox.
///
/// Files of a mailbox are in a directory with the number of their mail.
pub(in crate::prepare::documents) fn attachments(bytes: &[u8], is_box: bool) -> Vec<Attachment> {
    if !is_box {
        return of_mail(bytes);
    }
    let numbered = mailbox::mails(bytes).zip(1..).flat_map(|(mail, number): (_, usize)| {
        let files = fenced(|| Ok(of_mail(&mail))).unwrap_or_default();
        files.into_iter().map(move |file| Attachment { name: format!("{number}/{}", base_name(&file.name)), ..file })
    });
    numbered.collect()
}

fn of_mail(raw: &[u8]) -> Vec<Attachment> {
    let headers = headers::readable(raw);
    let joined = encoded_words::join(&headers.mail);
    let Some(message) = MessageParser::default().parse(&*joined) else { return Vec::new() };
    let bodies = Bodies::of(&message);
    let mut files = Vec::new();
    for part in bodies.text.iter().filter_map(|id| message.parts.get(*id)) {
        if matches!(part.body, PartType::Text(_)) {
            let text = PartText::of(part, &message.raw_message).text;
            let inline = inline_files::contents(&text.replace('\r', ""));
            files.extend(inline.into_iter().map(|(name, content)| Attachment { name: base_name(&name).to_owned(), content }));
        }
    }
    for part in bodies.files.iter().filter_map(|id| message.parts.get(*id)) {
        files.push(Attachment { name: base_name(&name(part)).to_owned(), content: content(part, &message).to_vec() });
    }
    files
}

/// The name of an attached file. A file without one gets an extension by its type.
pub(super) fn name(part: &MessagePart<'_>) -> String {
    let extension = || match kind(part).as_str() {
        "message/rfc822" => ".eml",
        "application/pdf" => ".pdf",
        "image/jpeg" => ".jpg",
        "image/png" => ".png",
        "text/html" => ".html",
        "text/calendar" => ".ics",
        _ => "",
    };
    let named = part.attachment_name().map(str::trim).filter(|name| !name.is_empty());
    let is_mail = matches!(part.body, PartType::Message(_));
    match named {
        // The name of an attached mail is often its subject.
        Some(name) if is_mail && !name.to_ascii_lowercase().ends_with(".eml") => format!("{name}.eml"),
        Some(name) => name.to_owned(),
        None => format!("unnamed{}", extension()),
    }
}

/// The content of an attached file.
pub(super) fn content<'m>(part: &'m MessagePart<'_>, message: &'m Message<'_>) -> &'m [u8] {
    match &part.body {
        // The parser gives an attached mail the bytes of the mail around it, unless it is encoded.
        PartType::Message(inner) if inner.raw_message.len() == message.raw_message.len() => {
            message.raw_message.get(part.offset_body as usize..part.offset_end as usize).unwrap_or_default()
        }
        _ => part.contents(),
    }
}

/// A name without the directories that a sender's program wrote before it.
fn base_name(name: &str) -> &str {
    name.rsplit(['/', '\\']).find(|part| !part.trim().is_empty()).unwrap_or("unnamed")
}
