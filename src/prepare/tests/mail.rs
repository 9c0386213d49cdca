//! Tests of mail formats.

use super::office::{code, compound, pages, read};
use super::*;

const PLAIN: &str = "Received: from a\r\nFrom: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\r\nTo: Ann <ann@example.org>, bob@example.org\r\nCc: c@example.org\r\n\
    Date: Fri, 17 May 2024 09:05:00 +0200\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\r\nMIME-Version: 1.0\r\n";

fn mixed() -> String {
    [
        PLAIN,
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         Sch=F6n.\r\n--b\r\nContent-Type: application/pdf; name=\"offer.pdf\"\r\nContent-Disposition: attachment; filename=\"offer.pdf\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: eve@example.org\r\nSubject: inner\r\n\r\nInner text.\r\n--b--\r\n",
    ]
    .concat()
}

#[test]
fn a_mail_has_headers_text_and_attachment_names() {
    let mail = mixed();
    assert_eq!(read(mail.as_bytes(), "").0, "eml");
    assert_eq!(
        pages(mail.as_bytes()),
        "From: Jörg <joerg@example.org>\nTo: Ann <ann@example.org>, bob@example.org\nCc: c@example.org\nDate: 2024-05-17T09:05:00+02:00\nSubject: Grüße\n\nSchön.\n\n\
         --- attached mail ---\n\nFrom: eve@example.org\nSubject: inner\n\nInner text.\n\n--- end of attached mail ---\n\nAttachments:\n- offer.pdf (application/pdf, 3 bytes)"
    );
    assert_eq!(read(mail.as_bytes(), "").1.unwrap().notes, ["1 attachment named, not read"]);
}

#[test]
fn headers_that_cannot_be_parsed_are_as_they_are_written() {
    let mail = b"From: a@b.c\r\nReply-To: rt@x.org\r\nTo: one@x.org,\r\n two@x.org\r\nBcc: b@x.org\r\nDate: bad date\r\nSubject: s\r\n\r\nbody\r\n";
    assert_eq!(pages(mail), "From: a@b.c\nReply-To: rt@x.org\nTo: one@x.org, two@x.org\nBcc: b@x.org\nDate: bad date\nSubject: s\n\nbody");
    let same = b"From: a@b.c\r\nReply-To: a@b.c\r\nTo: d@x.org\r\nDate: Fri, 17 May 2024 09:05:00 +0200\r\nSubject: s\r\n\r\nbody\r\n";
    assert_eq!(pages(same), "From: a@b.c\nTo: d@x.org\nDate: 2024-05-17T09:05:00+02:00\nSubject: s\n\nbody");
}

#[test]
fn a_mail_without_text_is_read_from_its_page() {
    let page = "<html><head><style>x</style></head><body><p>See <b>here</b></p><table><tr><td>A<td>B</table></body></html>";
    let only = format!("{PLAIN}Content-Type: text/html; charset=utf-8\r\n\r\n{page}");
    let beside = format!(
        "{PLAIN}Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n \r\n--b\r\nContent-Type: text/html\r\n\r\n{page}\r\n--b--\r\n"
    );
    for mail in [only, beside] {
        assert!(pages(mail.as_bytes()).ends_with("Subject: Grüße\n\nSee here\n\n| A | B |\n| --- | --- |"), "{}", pages(mail.as_bytes()));
    }
}

#[test]
fn a_mailbox_is_all_its_mails() {
    let one = |subject: &str, text: &str| {
        format!(
            "From a@b Fri May 17 09:05:00 2024\nFrom: a@example.org\nDate: Fri, 17 May 2024 09:05:00 +0200\nSubject: {subject}\n\n{text}\n\n"
        )
    };
    let mailbox = one("one", "First.\n>From here on") + &one("two", "Second.");
    let (format, _) = read(mailbox.as_bytes(), "");
    assert_eq!(format, "mbox");
    let text = pages(mailbox.as_bytes());
    assert!(text.contains("Subject: one\n\nFirst.\nFrom here on\n\n---\n\nFrom: a@example.org"), "{text}");
    assert!(text.ends_with("Subject: two\n\nSecond."), "{text}");
    assert_eq!(read(mailbox.as_bytes(), "patch").0, "");
}

#[test]
fn texts_that_begin_like_a_mail_stay_texts() {
    for text in [
        "From: the beginning\n\nit was so",
        "Date: today\nTopic: x\n",
        "From here to there\nwords: many",
        "key: value\nother: thing\n",
        "",
        "From ",
    ] {
        assert_eq!(read(text.as_bytes(), "txt").0, "", "{text}");
    }
    assert_eq!(read(b"Subject: short\n\nx", "eml").0, "eml");
}

#[test]
fn an_encrypted_mail_fails_as_encrypted() {
    let mail = format!(
        "{PLAIN}Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n"
    );
    assert_eq!(code(mail.as_bytes(), ""), Some(FailureCode::Encrypted));
}

fn msg() -> Vec<u8> {
    msg_with(&[0; 3000])
}

/// A mail with this content of its attachment `offer.pdf`.
pub(super) fn msg_with(attachment: &[u8]) -> Vec<u8> {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let mut properties = vec![0; 32];
    let mut property = |id: u16, kind: u16, value: u64| {
        properties.extend(kind.to_le_bytes());
        properties.extend(id.to_le_bytes());
        properties.extend([6, 0, 0, 0]);
        properties.extend(value.to_le_bytes());
    };
    property(0x3FFD, 3, 1251);
    property(0x0039, 0x40, 133_604_031_000_000_000);
    compound(&[
        ("/__properties_version1.0", &properties),
        ("/__substg1.0_0037001F", &wide("Größe")),
        ("/__substg1.0_0C1A001E", &[0xCF, 0xF0, 0xE8]),
        ("/__substg1.0_5D01001F", &wide("pri@example.org")),
        ("/__substg1.0_0E04001F", &wide("Ann; Bob")),
        ("/__substg1.0_1000001F", &wide("Hello.\r\nBye.")),
        ("/__attach_version1.0_#00000000/__substg1.0_3707001F", &wide("offer.pdf")),
        ("/__attach_version1.0_#00000000/__substg1.0_37010102", attachment),
        ("/__attach_version1.0_#00000000/__substg1.0_370E001F", &wide("application/pdf")),
    ])
}

#[test]
fn outlook_mails_come_out_like_others() {
    assert_eq!(read(&msg(), "").0, "msg");
    assert_eq!(
        pages(&msg()),
        "From: При <pri@example.org>\nTo: Ann; Bob\nDate: 2024-05-17T07:05:00Z\nSubject: Größe\n\nHello.\nBye.\n\nAttachments:\n- offer.pdf (application/pdf, 3 KB)"
    );
    assert_eq!(code(&compound(&[("__properties_version1.0", b"")]), ""), Some(FailureCode::Empty));
    assert_eq!(code(&msg()[..600], "msg"), Some(FailureCode::Undecodable));
}

#[test]
fn nesting_of_mails_is_bounded() {
    let mut mail = "From: a@b\r\nDate: Fri, 17 May 2024 09:05:00 +0200\r\n\r\nwords".to_owned();
    for _ in 0..300 {
        mail = format!("From: a@b\r\nDate: Fri, 17 May 2024 09:05:00 +0200\r\nContent-Type: message/rfc822\r\n\r\n{mail}");
    }
    assert!(pages(mail.as_bytes()).starts_with("From: a@b"));
    let mut parts = "From: a@b\r\nDate: Fri, 17 May 2024 09:05:00 +0200\r\n".to_owned();
    for at in 0..5000 {
        let boundary = format!("b{at}");
        parts.extend(["Content-Type: multipart/mixed; boundary=", &boundary, "\r\n\r\n--", &boundary, "\r\n"]);
    }
    assert!(pages(parts.as_bytes()).starts_with("From: a@b"));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn changed_mails_never_panic_a_reader(at: proptest::sample::Index, byte: u8, extension in "eml|mbox|msg") {
        for bytes in [mixed().into_bytes(), [b"From x\n".as_slice(), mixed().as_bytes()].concat(), msg()] {
            let mut bytes = bytes;
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _any = read(&bytes, &extension);
            let _any = read(&bytes[..at], &extension);
        }
    }
}

#[test]
fn an_undeclared_encoding_is_detected_and_noted() {
    let cases: [(&str, &[u8]); 3] = [
        ("", b"H\xE4llo W\xF6rld"),
        ("Content-Type: text/plain; charset=us-ascii\r\n", "H\u{e4}llo W\u{f6}rld".as_bytes()),
        ("", b"Hello"),
    ];
    for (head, text) in cases {
        let mail = [PLAIN.as_bytes(), head.as_bytes(), b"\r\n", text].concat();
        let extract = read(&mail, "").1.unwrap();
        assert!(pages(&mail).ends_with(if text.is_ascii() { "Hello" } else { "H\u{e4}llo W\u{f6}rld" }), "{}", pages(&mail));
        assert_eq!(extract.notes.iter().any(|note| note.contains("declared")), !text.is_ascii());
    }
}

#[test]
fn a_truncated_mail_has_a_note() {
    let cut = |mail: &str| read(mail.as_bytes(), "").1.unwrap().notes.iter().any(|note| note.contains("breaks off"));
    assert!(!cut(&mixed()));
    assert!(cut(mixed().trim_end().strip_suffix("--b--").unwrap()));
}

#[test]
fn headers_in_the_encoding_of_the_text_are_read() {
    let head = b"From: x@example.org\r\nTo: \"M\xFCller, Jo\" <m@example.org>, a@example.org\r\nSubject: Gr\xFC\xDFe\r\n";
    let kind =
        b"Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nK\xF6ln\r\n";
    let file = b"--b\r\nContent-Disposition: attachment; filename=\"\xDCbersicht.zip\"\r\n\r\n--c\r\nX: \xFF\r\n--b--\r\n";
    let mail = [&head[..], kind, file].concat();
    let text = pages(&mail);
    let expected =
        "From: x@example.org\nTo: \"Müller, Jo\" <m@example.org>, a@example.org\nSubject: Grüße\n\nKöln\n\nAttachments:\n- Übersicht.zip";
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(read(&mail, "").1.unwrap().notes, ["1 attachment named, not read"]);
    let plain = [&head[..], b"Date: Fri, 17 May 2024 09:05:00 +0200\r\n\r\nplain text"].concat();
    let notes = read(&plain, "").1.unwrap().notes;
    assert!(pages(&plain).contains("Subject: Grüße") && notes.iter().any(|note| note.contains("was detected")), "{notes:?}");
}

#[test]
fn headers_are_not_in_utf_16() {
    let mail = b"From: x@example.org\r\nSubject: Gr\xFC\xDFe\r\nContent-Type: text/plain; charset=utf-16\r\n\r\nplain text";
    assert!(pages(mail).contains("Subject: Grüße"), "{}", pages(mail));
    // Boundaries that never end are no boundaries.
    let hostile = [&mail[..], &b" boundary=\"x".repeat(200_000)].concat();
    assert!(pages(&hostile).contains("Subject: Grüße"));
}

#[test]
fn truncated_calendars_cards_and_mailboxes_have_a_note() {
    let event = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Board\nEND:VEVENT\nEND:VCALENDAR\n";
    let card = "BEGIN:VCARD\nFN:Ann\nTEL:1\nEND:VCARD\n";
    let mailbox = "From a@b Mon Jan  1 00:00:00 2024\nFrom: a@example.org\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nSubject: one\n\nHello there, all of you\n";
    for whole in [event, card, mailbox] {
        let notes = |text: &str| read(text.as_bytes(), "").1.unwrap().notes;
        assert_eq!(notes(whole), [""; 0]);
        for cut in [&whole[..whole.len() - 3], &whole[..whole.len() - 15]] {
            assert_eq!(notes(cut), ["the file breaks off before its end; parts of it may be missing"], "{cut}");
        }
    }
}

#[test]
fn invitations_and_flowed_lines_are_read() {
    let event = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Board\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let mail = format!(
        "{PLAIN}Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; format=flowed\r\n\r\n\
         One line \r\ngoes on.\r\n> quoted \r\n> more\r\n own \r\n\r\n-- \r\nAnn\r\n--b\r\nContent-Type: text/calendar\r\n\r\n{event}--b--\r\n"
    );
    let text = pages(mail.as_bytes());
    let expected = "One line goes on.\n> quoted more\nown \n\n-- \nAnn\n\nSummary: Board";
    assert!(text.ends_with(expected), "{text}");
    assert_eq!(read(mail.as_bytes(), "").1.unwrap().notes, [""; 0]);
    let cut = mail.replace("END:VCALENDAR\r\n", "");
    assert_eq!(read(cut.as_bytes(), "").1.unwrap().notes, ["the file breaks off before its end; parts of it may be missing"]);
}
