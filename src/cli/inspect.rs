//! `docmill inspect`: shows what a run would send of a document.

use super::args::InspectArgs;
use super::exit::{CliError, Exit};
use super::{print, runtime, settings};
use crate::ask::{Account, request_preview};
use crate::engine::{Inspected, Inspection, inspect as inspect_document};
use crate::model::{ContentBlock, Document, Facts, GROUP_EXTENSION, Nearest, Place, Want, counted};
use crate::progress::wrapped_for_stdout;
use crate::read::{Archives, Attachments, Grouping, InputSettings, Progress, Roots, Tables};
use crate::remote::Address;
use crate::setup::{Environment, NO_ADDRESS, NO_KEY, Settings, account_for, in_force, load_jobs};
use crate::system::make_directory;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

pub(super) fn inspect(args: &InspectArgs) -> Result<Exit, CliError> {
    let flags = [
        ("job.use", &args.job, "--job"),
        ("input.text_column", &args.text_column, "--text-column"),
        ("input.id_column", &args.id_column, "--id-column"),
    ];
    let flag = |(key, value, name): (&str, &Option<String>, &str)| {
        value.as_ref().map(|value| (key.to_owned(), toml::Value::String(value.clone()).to_string(), name.to_owned()))
    };
    let (config, mut settings) = settings::load_to_look(&args.settings, flags.into_iter().filter_map(flag).collect())?;
    let jobs = load_jobs(&config, &settings)?;
    let prices = in_force(&config, &settings)?;
    let environment = Environment::of_process();
    let key = |name: &str| environment.key(name).or_else(|| Some(NO_KEY.to_owned()));
    let stated = settings.llm.key_source().map(|_| NO_KEY.to_owned());
    let account = account_for(&mut settings.llm, &jobs, |llm| Account::resolve(llm, prices, Some(NO_ADDRESS), stated, key));
    let account = account.map_err(|e| CliError::usage(config.problem(e.key, e.message)))?;
    if args.file.to_str().is_some_and(|file| Address::parse(file).is_some()) {
        return Err(CliError::usage(format!(
            "{}: inspect reads only local files. Copy the file to this machine first.",
            args.file.display()
        )));
    }
    let group = group_of(&args.file, &settings, &environment)?;
    let row = args.file.to_str().filter(|name| name.contains('#') && !args.file.exists());
    let member = row.map(|name| member_of(name, &settings, &environment)).transpose()?.flatten();
    let document = match (group.or(member), row) {
        (Some(document), _) => document,
        (None, Some(name)) => table_row(name, &settings, jobs.row_columns().as_ref(), &environment)?,
        (None, None) => Inspection {
            bytes: std::fs::read(&args.file).map_err(|e| unreadable(&args.file, &e))?,
            extension: args.file.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default(),
            row: None,
        },
    };
    let (limits, longest) = (account.images(&account.model), account.prices.longest(&account.model));
    let runtime = runtime()?;
    let inspected = inspect_document(document, &jobs, (&settings.prepare, &limits), (&account, longest));
    match runtime.block_on(inspected) {
        Ok(inspected) => {
            if let Some(directory) = &args.save {
                save(&inspected, directory)?;
            }
            print(&shown(&inspected, &account, args))?;
            if args.request {
                inspected
                    .calls
                    .iter()
                    .try_for_each(|call| print(&format!("\n== {}\n{}", call.label(), request_preview(&account, &settings.llm, call))))?;
            }
            Ok(Exit::Ok)
        }
        Err(failure) => Err(CliError { exit: Exit::FailedRows, message: format!("{}: {failure}", args.file.display()) }),
    }
}

/// The document that consists of several files and has this name (`input.group`).
fn group_of(given: &Path, settings: &Settings, environment: &Environment) -> Result<Option<Inspection>, CliError> {
    let (directory, name) = match (settings.input.group, given.parent(), given.file_name().and_then(|name| name.to_str())) {
        (Grouping::Directory, ..) if given.is_dir() => (given, "."),
        (Grouping::Stem, Some(parent), Some(name)) if !given.exists() => (parent, name),
        _ => return Ok(None),
    };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let paths = vec![directory.display().to_string()];
    let input = InputSettings { paths, files_from: String::new(), rows: Vec::new(), ..settings.input.clone() };
    let roots = Roots::open(&input, &environment.of_inputs(), None, &settings.output.dir).map_err(CliError::usage)?;
    let Some(mut place) = roots.locate(name) else { return Ok(None) };
    let max_bytes = settings.read.max_file_mb.saturating_mul(1_000_000);
    let opened = roots.open_document(&mut place, max_bytes).0;
    let bytes = opened.and_then(|opened| opened.read(max_bytes, &Progress::default()));
    let failed = |failure| CliError { exit: Exit::FailedRows, message: format!("{}: {failure}", given.display()) };
    Ok(Some(Inspection { bytes: bytes.map_err(failed)?, extension: GROUP_EXTENSION.to_owned(), row: None }))
}

/// The member of a container called `FILE#NAME`, such as `mail.eml#invoice.pdf`.
fn member_of(name: &str, settings: &Settings, environment: &Environment) -> Result<Option<Inspection>, CliError> {
    for (at, _) in name.match_indices('#') {
        let container = &name[..at];
        if !Path::new(container).is_file() {
            continue;
        }
        let input = InputSettings {
            paths: vec![container.to_owned()],
            files_from: String::new(),
            rows: Vec::new(),
            base: String::new(),
            tables: Tables::Document,
            attachments: Attachments::Read,
            archives: Archives::Read,
            ..settings.input.clone()
        };
        let roots = Roots::open(&input, &environment.of_inputs(), None, &settings.output.dir).map_err(CliError::usage)?;
        let Some(mut place @ Place::Member(_)) = roots.locate(name) else { continue };
        let extension = Document { index: 0, name: name.to_owned(), place: place.clone() }.extension();
        let max_bytes = settings.read.max_file_mb.saturating_mul(1_000_000);
        let bytes = roots.open_document(&mut place, max_bytes).0.and_then(|opened| opened.read(max_bytes, &Progress::default()));
        let bytes = bytes.map_err(|failure| CliError { exit: Exit::FailedRows, message: format!("{name}: {failure}") })?;
        return Ok(Some(Inspection { bytes, extension, row: None }));
    }
    Ok(None)
}

/// The row called `TABLE#ID`. An id may contain `#`, and so may the name of a sheet.
fn table_row(name: &str, settings: &Settings, used: Option<&Vec<String>>, environment: &Environment) -> Result<Inspection, CliError> {
    let mut found = Err(unreadable(Path::new(name), &std::io::ErrorKind::NotFound.into()));
    for (at, _) in name.match_indices('#') {
        let (table, id) = (&name[..at], &name[at + 1..]);
        if found.is_err() && table.split('#').next().is_some_and(|file| Path::new(file).is_file()) {
            found = row_of(table, id, settings, used.cloned(), environment);
        }
    }
    found
}

fn row_of(
    table: &str,
    id: &str,
    settings: &Settings,
    used: Option<Vec<String>>,
    environment: &Environment,
) -> Result<Inspection, CliError> {
    let input = InputSettings { paths: Vec::new(), files_from: String::new(), rows: vec![table.to_owned()], ..settings.input.clone() };
    let roots = Roots::open(&input, &environment.of_inputs(), used, &settings.output.dir).map_err(CliError::usage)?;
    let prefix = roots.records().first().map_or(0, |record| record.prefix.len() + 1);
    let mut nearest = Nearest::new(id);
    for (document, failure) in roots.walk() {
        let own = document.name.get(prefix..).unwrap_or_default().to_owned();
        let Place::Row(row) = document.place else { continue };
        if own == id {
            return match failure {
                Some(failure) => Err(CliError { exit: Exit::FailedRows, message: format!("{table}#{id}: {failure}") }),
                None => Ok(Inspection { bytes: row.text, extension: String::new(), row: Some(row.columns) }),
            };
        }
        nearest.see(&own);
    }
    let by = settings.input.id_column.as_str();
    let named = if by.is_empty() { "its number, from 1".to_owned() } else { format!("column {by}") };
    Err(CliError::usage(format!("{table} has no row {id}; rows are named by {named}{}", nearest.hint())))
}

/// The error for a file that cannot be read. Suggests another file of the directory for a typo.
fn unreadable(file: &Path, error: &std::io::Error) -> CliError {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let given = file.display().to_string();
    let mut nearest = Nearest::new(&given);
    let entries = std::fs::read_dir(directory.unwrap_or(Path::new("."))).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.path().is_file()) {
        let name = PathBuf::from(entry.file_name());
        nearest.see(&directory.map_or(name.clone(), |directory| directory.join(&name)).display().to_string());
    }
    if file.is_dir() {
        let example = some_file(file).map_or_else(String::new, |file| format!(", such as {}", file.display()));
        return CliError::usage(format!("{given} is a directory. Name a file in it{example}"));
    }
    let hint = if error.kind() == std::io::ErrorKind::NotFound { nearest.hint() } else { String::new() };
    CliError::usage(format!("{given}: cannot read the file: {error}{hint}"))
}

/// The first visible file of a directory, by name.
fn some_file(directory: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path());
    let is_hidden = |path: &Path| path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    entries.filter(|path| path.is_file() && !is_hidden(path)).min()
}

fn shown(inspected: &Inspected, account: &Account, args: &InspectArgs) -> String {
    let Inspected { facts, job, chunks, calls: asked } = inspected;
    let mut text = head(facts);
    let mut line = |key: &str, value: &str| writeln!(text, "{}", wrapped_for_stdout(&format!("{key:<12}{value}"), 12)).unwrap_or_default();
    let tokens: u64 = asked.iter().map(|call| call.tokens).sum();
    let calls_of_all = counted((asked.len() + job.combining_calls()) as u64, "call");
    let combining = if job.combining_calls() > 0 { ", one of them to combine the answers (not counted in the tokens)" } else { "" };
    line("job", &format!("{}: {calls_of_all}{combining}, about {tokens} input tokens, to {}", job.name, account.model));
    let pictures = chunks.sets.iter().flatten().flat_map(|portion| &portion.content.0);
    let images: Vec<u64> =
        pictures.filter_map(|piece| if let ContentBlock::Picture(image) = piece { Some(image.tokens) } else { None }).collect();
    if !images.is_empty() {
        let (each, rule) = (images.iter().sum::<u64>() / images.len() as u64, account.image_rule(&account.model));
        line("images", &format!("about {} each, counted as for {rule}", counted(each, "token")));
    }
    if let Some(note) = &facts.note {
        line("note", note);
    }
    for order in &facts.orders {
        line("warning", &format!("this looks like an instruction to the model: {order}"));
    }
    if args.request {
        return text;
    }
    if args.calls {
        for call in asked {
            let parts: String = call.parts.iter().map(|part| shown_part(part) + "\n").collect();
            let wanted = match &call.want {
                Want::Answer { max_output_tokens, .. } => format!("at most {max_output_tokens} tokens of answer"),
                Want::Vector { page, .. } => format!("a vector{}", page.map_or_else(String::new, |page| format!(", from page {page}"))),
            };
            let _infallible = write!(text, "\n== {}, {wanted}\n{parts}", call.label());
        }
        return text;
    }
    let widest = chunks.sets.iter().max_by_key(|set| set.len()).map_or(&[][..], |set| &set[..]);
    for portion in widest {
        let place = portion
            .place
            .map_or_else(String::new, |(part, parts)| format!("\n== part {part} of {parts}, {} tokens", portion.content.tokens()));
        text.push_str(&place);
        for piece in &portion.content.0 {
            text.push('\n');
            text.push_str(&match piece {
                ContentBlock::Text(body) => body.body.to_string(),
                ContentBlock::Picture(picture) => image(picture),
            });
        }
    }
    text
}

fn image(picture: &crate::model::Picture) -> String {
    format!("(image: {}, {} x {}, {} bytes in base64)", picture.media_type, picture.width, picture.height, picture.base64.len())
}

fn shown_part(part: &crate::model::MessagePart) -> String {
    match part {
        crate::model::MessagePart::Text(text) => text.to_string(),
        crate::model::MessagePart::Picture(picture) => image(picture),
    }
}

fn head(facts: &Facts) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: String| writeln!(text, "{key:<12}{value}").unwrap_or_default();
    line("format", format!("{}, {} bytes", facts.format, facts.bytes));
    if let (Some([width, height]), Some([sent_width, sent_height])) = (facts.pixels, facts.sent_pixels) {
        line("pixels", format!("{width} x {height}, sent as {sent_width} x {sent_height}"));
    }
    if let Some(words) = facts.words {
        line("words", words.to_string());
    }
    if !facts.pages.is_empty() {
        let images = facts.pages.iter().filter(|page| page.sent_pixels.is_some()).count();
        line("pages", format!("{}, {images} of them as images", facts.pages.len()));
    }
    line("tokens", format!("about {}", facts.tokens));
    if let Some(sent) = facts.sent_tokens {
        line("cut", format!("to the first {sent} tokens"));
    }
    text
}

/// Writes texts and images as files, numbered in their order.
fn save(inspected: &Inspected, directory: &Path) -> Result<(), CliError> {
    let say = |e: std::io::Error| CliError::usage(format!("{}: {e}", directory.display()));
    make_directory(directory).map_err(say)?;
    let pieces = inspected.chunks.sets.iter().max_by_key(|set| set.len()).into_iter().flatten().flat_map(|portion| &portion.content.0);
    let file = |(n, piece): (usize, &ContentBlock)| {
        let (extension, bytes) = match piece {
            ContentBlock::Text(text) => ("txt".to_owned(), text.body.as_bytes().to_vec()),
            ContentBlock::Picture(picture) => {
                let extension = picture.media_type.strip_prefix("image/").unwrap_or("image").replace("jpeg", "jpg");
                (extension, STANDARD.decode(&picture.base64).map_err(CliError::internal)?)
            }
        };
        Ok((directory.join(format!("{:03}.{extension}", n + 1)), bytes))
    };
    let files = pieces.enumerate().map(file).collect::<Result<Vec<_>, CliError>>()?;
    let is_other = |(path, bytes): &&(PathBuf, Vec<u8>)| path.exists() && std::fs::read(path).ok().as_ref() != Some(bytes);
    if let Some((path, _)) = files.iter().find(is_other) {
        let why = "exists and has other content. Save to another directory, or delete the file";
        return Err(CliError::usage(format!("{}: {why}", path.display())));
    }
    files.iter().try_for_each(|(path, bytes)| std::fs::write(path, bytes).map_err(say))
}
