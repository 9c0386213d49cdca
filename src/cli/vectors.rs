//! `docmill vectors`: writes the vectors of a job into a Parquet file, a database or a collection.

use super::args::VectorsArgs;
use super::exit::{CliError, Exit};
use super::print;
use super::settings::archive;
use crate::model::{counted, unknown_name};
use crate::progress::{say, wrapped_for_stderr};
use crate::setup::Environment;
use crate::store::{Archive, EmbedRecord, StoredChunk, View};
use crate::system::is_no_room;
use crate::write::{
    Existing, OutputSettings, PostgresAddress, QdrantAddress, QdrantCollection, VectorChunk, VectorOrigin, VectorRow, VectorStore,
    VectorStoreError, VectorTable, VectorsFile,
};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use tokio::runtime::Runtime;

/// Maximum chunks of a batch for a vector store, and their bytes.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 4 << 20;

pub(super) fn vectors(args: &VectorsArgs) -> Result<Exit, CliError> {
    let (settings, archive) = archive(&args.store)?;
    // A run may replace vectors meanwhile.
    archive.hold_still().map_err(CliError::internal)?;
    let (view, task) = newest_vectors(&archive, (args.job.as_deref(), args.task.as_deref()))?;
    tell_incomplete(&archive, &view, &task)?;
    let dimensions = archive.dimensions(&view, &task.task).map_err(CliError::internal)?;
    let [dimensions] = dimensions[..] else {
        let all: Vec<String> = dimensions.iter().map(ToString::to_string).collect();
        let why = format!("the vectors of {} have different dimensions: {}. Run the job again", task.task, all.join(", "));
        return Err(CliError::usage(why));
    };
    if !is_store(&args.target) {
        return to_file(Path::new(&args.target), args.replace, &archive, &view, &task, dimensions);
    }
    let origin = VectorOrigin {
        store: archive.identity().map_err(CliError::internal)?,
        job: task.job.clone(),
        task: task.task.clone(),
        model: task.model.clone(),
        dimensions,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(CliError::internal)?;
    let store = runtime.block_on(open(args, settings.output, origin))?;
    store.notes().iter().for_each(|note| say(&wrapped_for_stderr(note, 0)));
    let (all, written, removed) = copy(&runtime, store, &archive, &view, &task)?;
    print(&format!("{}: {} of {}, {written} written, {removed} removed", args.target, counted(all, "vector"), task.model))?;
    Ok(Exit::Ok)
}

/// Tells that documents lack vectors, and how many.
pub(super) fn tell_incomplete(archive: &Archive, view: &View, task: &EmbedRecord) -> Result<(), CliError> {
    if !view.complete {
        let note = format!("note: run {} is not complete, so other documents have no vectors yet: docmill status", view.run);
        say(&wrapped_for_stderr(&note, 0));
    }
    let missing = archive.incomplete(view, task).map_err(CliError::internal)?;
    if missing > 0 {
        let documents = if missing == 1 { "1 document lacks".to_owned() } else { format!("{missing} documents lack") };
        let note = format!("note: {documents} some or all vectors of {}, because calls failed: docmill status", task.task);
        say(&wrapped_for_stderr(&note, 0));
    }
    Ok(())
}

/// Whether a target is a vector store, and not a file.
fn is_store(target: &str) -> bool {
    const SCHEMES: [&str; 5] = ["env:", "postgres://", "postgresql://", "http://", "https://"];
    let target = target.to_ascii_lowercase();
    SCHEMES.iter().any(|scheme| target.starts_with(scheme))
}

async fn open(args: &VectorsArgs, output: OutputSettings, origin: VectorOrigin) -> Result<VectorStore, CliError> {
    let environment = Environment::of_process();
    let variable = |name: &str| environment.variables.get(name).cloned();
    // The message does not repeat the target, which may contain a password.
    if args.target.to_ascii_lowercase().starts_with("http") {
        let address = QdrantAddress::new(&args.target, variable("QDRANT_API_KEY"));
        let address = address.map_err(|why| CliError::usage(format!("the address of the collection: {why}")))?;
        let opened = QdrantCollection::open(address, origin).await;
        return Ok(VectorStore::Collection(Box::new(opened.map_err(|error| failed(&error.into()))?)));
    }
    let existing = if args.replace { Existing::Replace } else { output.existing };
    let output = OutputSettings { postgres: args.target.clone(), postgres_table: args.table.clone(), existing, ..output };
    let address = PostgresAddress::of(&output, &[&origin.job], variable);
    let address = address.map_err(|(_, why)| CliError::usage(format!("the address of the database: {why}")))?;
    let address = address.ok_or_else(|| CliError::usage("the target names no database"))?;
    let opened = VectorTable::open(&address, origin).await;
    Ok(VectorStore::Table(Box::new(opened.map_err(|error| failed(&error.into()))?)))
}

/// Copies all chunks of a task. Returns how many there are, were written and were removed.
fn copy(
    runtime: &Runtime,
    mut store: VectorStore,
    archive: &Archive,
    view: &View,
    task: &EmbedRecord,
) -> Result<(u64, u64, u64), CliError> {
    let (mut all, mut written, mut batch, mut bytes) = (0, 0, Vec::new(), 0);
    let mut put = |batch: &[VectorChunk]| -> Result<(), CliError> {
        written += runtime.block_on(store.put(batch)).map_err(|error| failed(&error))?;
        Ok(())
    };
    let each = |chunk: StoredChunk<'_>| -> Result<(), CliError> {
        let StoredChunk { document, part, page, text, vector } = chunk;
        let vector: Vec<f32> = vector.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
        bytes += text.len() + vector.len() * size_of::<f32>();
        batch.push(VectorChunk { document: document.to_owned(), chunk: part, page, text: text.to_owned(), vector });
        all += 1;
        if batch.len() == BATCH || bytes > BATCH_BYTES {
            put(&batch)?;
            batch.clear();
            bytes = 0;
        }
        Ok(())
    };
    archive.chunks(view, &task.task, each).map_err(CliError::internal)??;
    if !batch.is_empty() {
        put(&batch)?;
    }
    let removed = runtime.block_on(store.finish()).map_err(|error| failed(&error))?;
    Ok((all, written, removed))
}

fn failed(error: &VectorStoreError) -> CliError {
    if error.is_permanent() { CliError::usage(error) } else { CliError { exit: Exit::StoppedEarly, message: error.to_string() } }
}

/// Refuses a path that is something else than a file of vectors.
fn may_be_written(path: &Path, is_replaced: bool) -> Result<(), CliError> {
    let refused = |why: &str| Err(CliError::usage(format!("{}: {why}. Name a new file, such as vectors.parquet", path.display())));
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if path.as_os_str().is_empty() || path.as_os_str().to_string_lossy().ends_with('/') {
        return refused("is no name of a file");
    }
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if ["csv", "tsv", "json", "jsonl", "arrow", "xlsx", "txt", "db"].contains(&&*extension) {
        return refused("vectors are written as Parquet");
    }
    match path.symlink_metadata() {
        _ if path == Path::new("-") => refused("vectors do not go to standard output"),
        Err(_) if parent.is_some_and(|parent| !parent.is_dir()) => refused("the directory does not exist"),
        Err(_) => Ok(()),
        Ok(there) if !there.is_file() => refused("exists and is no file"),
        Ok(_) => {
            if is_replaced || is_of_vectors(path).map_err(|why| CliError::usage(format!("{}: {why}", path.display())))? {
                return Ok(());
            }
            refused("exists and holds something else; --replace replaces it")
        }
    }
}

/// Whether a file is empty, or a Parquet file whose description says that docmill wrote vectors.
fn is_of_vectors(path: &Path) -> io::Result<bool> {
    const MARK: &[u8] = b"docmill.task";
    let (mut file, mut end) = (File::open(path)?, Vec::new());
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(1 << 20)))?;
    file.take(1 << 20).read_to_end(&mut end)?;
    Ok(size == 0 || (end.ends_with(b"PAR1") && end.windows(MARK.len()).any(|part| part == MARK)))
}

fn to_file(
    path: &Path,
    is_replaced: bool,
    archive: &Archive,
    view: &View,
    task: &EmbedRecord,
    dimensions: usize,
) -> Result<Exit, CliError> {
    may_be_written(path, is_replaced)?;
    let name = std::path::absolute(path).map_err(CliError::usage)?;
    let describe = |key: &str, value: &str| (format!("docmill.{key}"), value.to_owned());
    let version = env!("CARGO_PKG_VERSION");
    let metadata =
        vec![describe("version", version), describe("job", &task.job), describe("task", &task.task), describe("model", &task.model)];
    let error = |e: io::Error| {
        let exit = if is_no_room(&e) { Exit::StoppedEarly } else { Exit::Internal };
        CliError { exit, message: format!("{}: cannot write it: {e}", path.display()) }
    };
    let mut file = VectorsFile::begin(&name, dimensions, metadata).map_err(error)?;
    let mut rows: u64 = 0;
    let write = |chunk: StoredChunk<'_>| -> io::Result<()> {
        let StoredChunk { document, part, page, text, vector } = chunk;
        rows += 1;
        file.push(VectorRow { document, chunk: part, page, text, vector })
    };
    archive.chunks(view, &task.task, write).map_err(CliError::internal)?.map_err(error)?;
    let size = file.finish().map_err(error)?.size;
    print(&format!("{}: {} of {}, {size} bytes", path.display(), counted(rows, "vector"), task.model))?;
    Ok(Exit::Ok)
}

/// The newest task with vectors, or the one of these names of a job and a task.
///
/// Complete runs come first. A run of other tasks has no vectors, so those of an earlier run count.
pub(super) fn newest_vectors(archive: &Archive, (job, task): (Option<&str>, Option<&str>)) -> Result<(View, EmbedRecord), CliError> {
    let runs = archive.runs().map_err(CliError::internal)?;
    let views: Vec<View> = runs.iter().rev().map(Archive::view_of).collect();
    let (complete, others): (Vec<&View>, Vec<&View>) = views.iter().partition(|view| view.complete);
    let newest = complete.first().map(|view| view.listing);
    let mut names: Vec<String> = Vec::new();
    for view in complete.into_iter().chain(others) {
        // If a later run found the same documents, only its listing is kept.
        let later = newest.filter(|listing| *listing != view.listing).map(|listing| View { listing, ..view.clone() });
        for own in archive.embed_tasks(view).map_err(CliError::internal)? {
            let is_wanted = job.is_none_or(|job| job == own.job) && view.jobs.iter().any(|job| job.name == own.job);
            let mut found = None;
            for view in [Some(view), later.as_ref()].into_iter().flatten().filter(|_| is_wanted) {
                if found.is_none() && archive.has_vectors(view, &own.task).map_err(CliError::internal)? {
                    found = Some(view);
                }
            }
            let Some(view) = found else { continue };
            if task.is_none_or(|task| task == own.task) {
                return Ok((view.clone(), own));
            }
            names.push(own.task);
        }
    }
    let known: Vec<&str> = names.iter().map(String::as_str).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    Err(CliError::usage(match task {
        _ if job.is_some_and(|job| !views.iter().any(|view| view.jobs.iter().any(|known| known.name == job))) => {
            format!("{}: no run has the job {}", archive.path().display(), job.unwrap_or_default())
        }
        Some(task) if !known.is_empty() => unknown_name("task", task, &known),
        _ => format!("{}: no vectors. Embed texts first: docmill run DIR --job embed", archive.path().display()),
    }))
}
