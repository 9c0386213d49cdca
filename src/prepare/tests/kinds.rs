//! Notebooks, subtitles, calendars, cards, previews and data without a reader.

use super::office::{code, pages, read};
use super::*;

#[test]
fn a_notebook_has_its_cells_code_and_outputs() {
    let notebook = br##"{"cells": [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", "Words."]},
        {"cell_type": "code", "execution_count": 1, "metadata": {}, "source": "print(1)", "outputs": [
            {"output_type": "stream", "name": "stdout", "text": ["1\n"]},
            {"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": ["<Figure>"]}},
            {"output_type": "error", "ename": "KeyError", "evalue": "'a'", "traceback": []}]}],
        "metadata": {"kernelspec": {"language": "python"}}, "nbformat": 4, "nbformat_minor": 5}"##;
    assert_eq!(read(notebook, "").0, "ipynb");
    let expected =
        "# Title\nWords.\n\n```python\nprint(1)\n```\n\n```output\n1\n```\n\n```output\n<Figure>\n```\n\n```output\nKeyError: 'a'\n```";
    assert_eq!(pages(notebook), expected);
    assert_eq!(read(notebook, "").1.unwrap().notes, ["1 picture left out"]);
    assert_eq!(sniff(b"{\"cells\": 3}", "json"), Sniffed::Text);
}

#[test]
fn outputs_of_notebooks_have_the_form_that_says_most() {
    let shown = |data: &str| {
        let notebook = format!(
            r#"{{"cells": [{{"cell_type": "code", "source": "x", "outputs": [{{"output_type": "display_data", "data": {data}}}]}}], "nbformat": 4}}"#
        );
        let extract = read(notebook.as_bytes(), "ipynb").1.unwrap();
        let [Page::Text(text)] = &extract.pages[..] else { panic!() };
        (text.trim_start_matches("```\nx\n```").trim_start().replace("```output\n", "").replace("\n```", ""), extract.notes)
    };
    for (data, text) in [
        (
            r#"{"text/html": "<table><tr><th>v<th>w<tr><td>77.5<td>1</table>", "text/plain": "<Styler at 0x7f>"}"#,
            "| v | w |\n| --- | --- |\n| 77.5 | 1 |",
        ),
        (r#"{"text/html": "<b>no</b>", "text/plain": ["h 9"]}"#, "h 9"),
        (r#"{"text/html": "no", "text/markdown": "**43**", "text/plain": "<Markdown object>"}"#, "**43**"),
        (r#"{"text/latex": "$x_5$", "text/html": "no"}"#, "$x_5$"),
        (r#"{"text/html": "<p>44</p>"}"#, "44"),
        (r#"{"application/json": {"k": 77}, "text/plain": "<JSON object>"}"#, r#"{"k":77}"#),
        (r#"{"text/html": "<script>x</script>", "text/plain": "<Chart>"}"#, "<Chart>"),
        (r#"{"text/plain": ""}"#, ""),
    ] {
        assert_eq!(shown(data), (text.to_owned(), Vec::new()), "{data}");
    }
    assert_eq!(shown(r#"{"application/vnd.x+json": {"a": 1}}"#), (String::new(), vec!["1 output of a program left out".to_owned()]));
    assert_eq!(shown(r#"{"text/html": "5<p hidden>no"}"#), ("5".to_owned(), vec!["hidden text left out".to_owned()]));
}

#[test]
fn old_notebooks_have_their_cells_in_worksheets() {
    let notebook = br#"{"nbformat": 3, "metadata": {}, "worksheets": [{"cells": [{"cell_type": "heading", "level": 2, "source": "Old"},
        {"cell_type": "code", "language": "python", "input": "x=5", "prompt_number": 1, "outputs": [{"output_type": "pyout", "text": "55"},
        {"output_type": "display_data", "png": "AAAA"}, {"output_type": "pyerr", "ename": "E", "evalue": "6", "traceback": []}]}]}]}"#;
    assert_eq!(pages(notebook), "## Old\n\n```python\nx=5\n```\n\n```output\n55\n```\n\n```output\nE: 6\n```");
    assert_eq!(read(notebook, "ipynb").1.unwrap().notes, ["1 picture left out"]);
    assert_eq!(code(br#"{"nbformat": 4}"#, "ipynb"), Some(FailureCode::Undecodable));
}

#[test]
fn subtitles_are_what_is_said_with_its_time() {
    let srt = b"1\r\n00:00:01,500 --> 00:00:03,000\r\n<i>Hello</i>,\r\nworld {\\an8}\r\n\r\n2\r\n01:02:03,000 --> 01:02:04,000\r\n1 < 2 & so on\r\n";
    assert_eq!((read(srt, "txt").0, pages(srt).trim()), ("srt", "[00:01] Hello, world\n[01:02:03] 1 < 2 & so on"));
    let vtt = b"WEBVTT\n\nSTYLE\n::cue { color: red }\n\nNOTE a --> b\n\nintro\n00:01.000 --> 00:02.000 align:start\n<v Ann Lee>Good &amp; well\n\n\
        00:02.000 --> 00:03.000\n<v Ann Lee>Good &amp; well\n";
    assert_eq!((read(vtt, "").0, pages(vtt).trim()), ("vtt", "[00:01] Ann Lee: Good & well"));
}

#[test]
fn calendars_and_cards_have_one_field_on_a_line() {
    let ics = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:1\r\n\
        DTSTART;TZID=Europe/Berlin:20261130T090000\r\nDTEND:20261130T100000Z\r\nSUMMARY:Review\\, part 2\r\nDESCRIPTION:Line one\\nline\r\n  two\r\n\
        ATTENDEE;CN=\"Ann: Lee\";PARTSTAT=ACCEPTED:mailto:ann@example.org\r\nRRULE:FREQ=WEEKLY;COUNT=3\r\nBEGIN:VALARM\r\nDESCRIPTION:ring\r\n\
        END:VALARM\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261224\r\nSUMMARY:Off\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    assert_eq!(read(ics.as_bytes(), "").0, "ics");
    assert_eq!(
        pages(ics.as_bytes()).trim(),
        "Start (Europe/Berlin): 2026-11-30 09:00\nEnd: 2026-11-30 10:00 UTC\nSummary: Review, part 2\nDescription: Line one\nline two\n\
        Attendee (Ann: Lee, accepted): ann@example.org\nRepeats: FREQ=WEEKLY;COUNT=3\n\nStart: 2026-12-24\nSummary: Off"
    );
    let vcf = "BEGIN:VCARD\r\nVERSION:2.1\r\nN:Müller;Jörg\r\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=B6rg M=C3=BCl=\r\nler\r\n\
        item1.TEL;WORK;VOICE:+49 30 1\r\nADR;TYPE=home:;;Hauptstr. 1;Berlin;;10115;Germany\r\nEND:VCARD\r\n";
    assert_eq!(
        pages(vcf.as_bytes()).trim(),
        "Name: Jörg Müller\nPhone (work, voice): +49 30 1\nAddress (home): Hauptstr. 1, Berlin, 10115, Germany"
    );
}

#[test]
fn a_text_that_mentions_these_formats_stays_a_text() {
    for text in ["1\nfirst of 3 --> not a time\n", "A WEBVTT file", "see BEGIN:VCARD", "1. One\n2. Two\n"] {
        assert_eq!(sniff(text.as_bytes(), "txt"), Sniffed::Text, "{text}");
    }
}

#[test]
fn texts_with_control_characters_of_unknown_formats_are_data() {
    let record = b"\x93record\x01\x02name\xC8\x05alpha\xD1\x0E\x0Fvalue\xFF".repeat(20);
    assert_eq!(sniff(&record, "txt"), Sniffed::Unsupported(BINARY));
    let bell = [b"Gr\xFC\xDFe aus K\xF6ln. ".repeat(40), vec![7]].concat();
    assert_eq!(sniff(&bell, "txt"), Sniffed::Text);
}
